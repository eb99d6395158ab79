#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
Makes rump_sys_*() out of the kernel's own tables.

  gensyscalls.py header LINUX	<rump/rump_syscalls.h>: the prototypes
  gensyscalls.py source LINUX	their definitions
  gensyscalls.py names LINUX	CALL(number, name, how many arguments), for whoever shows calls
  gensyscalls.py map RUMP_H LINUX
				the version script of librump.so: these and
				what <rump/rump.h> declares

LINUX is the source tree.  Numbers come from x86's syscall_64.tbl, arguments from
the asmlinkage prototypes in include/.  Types become the host's: the layouts are
the same on both sides, only the kernel's names differ.  What a caller would have
to look up in a kernel header is declared as an incomplete struct.
"""
import re
import sys

TABLE = 'arch/x86/entry/syscalls/syscall_64.tbl'
PROTOTYPES = ['include/linux/syscalls.h', 'include/asm-generic/syscalls.h']

# Of the x86 machine itself, which a rump kernel's is not.
NOT_HERE = {'rt_sigreturn', 'modify_ldt', 'arch_prctl', 'iopl', 'ioperm',
            'map_shadow_stack', 'uretprobe'}

# What the host calls them.  A struct that is named neither here nor in STRUCTS
# is declared under the kernel's name.
TYPES = {
    'u32': 'uint32_t', '__u32': 'uint32_t', 's32': 'int32_t', '__s32': 'int32_t',
    'u64': 'uint64_t', '__u64': 'uint64_t', 'umode_t': 'mode_t', 'loff_t': 'off_t',
    'qid_t': 'uint32_t', 'mqd_t': 'int', 'timer_t': 'int', 'rwf_t': 'int',
    'key_serial_t': 'int32_t', 'aio_context_t': 'unsigned long',
    '__kernel_old_time_t': 'time_t',
    'cap_user_header_t': 'struct __user_cap_header_struct *',
    'cap_user_data_t': 'struct __user_cap_data_struct *',
    'enum landlock_rule_type': 'unsigned int',
    'struct siginfo': 'siginfo_t', 'struct sigaltstack': 'stack_t',
    'struct __kernel_timespec': 'struct timespec',
    'struct __kernel_itimerspec': 'struct itimerspec',
    'struct __kernel_old_timeval': 'struct timeval',
    'struct __kernel_old_itimerval': 'struct itimerval',
    'struct __kernel_timex': 'struct timex',
    'struct user_msghdr': 'struct msghdr',
    'struct new_utsname': 'struct utsname',
    # The kernel's differs from the one of <signal.h>.
    'struct sigaction': 'struct kernel_sigaction',
}

# Where the kernel's prototype has no names, or is vaguer than the host's.
CLEARER = '''
    read(int fd, void *buf, size_t count)
    write(int fd, const void *buf, size_t count)
    pread64(int fd, void *buf, size_t count, off_t offset)
    pwrite64(int fd, const void *buf, size_t count, off_t offset)
    close(int fd)
    fstat(int fd, struct stat *buf)
    lseek(int fd, off_t offset, int whence)
    dup(int fd)
    dup2(int fd, int newfd)
    dup3(int fd, int newfd, int flags)
    fcntl(int fd, int cmd, unsigned long arg)
    ioctl(int fd, unsigned long cmd, unsigned long arg)
    ftruncate(int fd, off_t length)
    truncate(const char *path, off_t length)
    fsync(int fd)
    fdatasync(int fd)
    fchdir(int fd)
    fchmod(int fd, mode_t mode)
    fchown(int fd, uid_t user, gid_t group)
    flock(int fd, int operation)
    fstatfs(int fd, struct statfs *buf)
    getdents64(int fd, void *buf, size_t count)
    readv(int fd, const struct iovec *iov, int iovcnt)
    writev(int fd, const struct iovec *iov, int iovcnt)
    readlink(const char *path, char *buf, size_t size)
    readlinkat(int dirfd, const char *path, char *buf, size_t size)
    getcwd(char *buf, size_t size)
    mount(const char *source, const char *target, const char *type, unsigned long flags,
        const void *data)
    socket(int domain, int type, int protocol)
    socketpair(int domain, int type, int protocol, int *sv)
    connect(int fd, const struct sockaddr *addr, socklen_t len)
    bind(int fd, const struct sockaddr *addr, socklen_t len)
    accept(int fd, struct sockaddr *addr, socklen_t *len)
    accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
    listen(int fd, int backlog)
    shutdown(int fd, int how)
    getsockname(int fd, struct sockaddr *addr, socklen_t *len)
    getpeername(int fd, struct sockaddr *addr, socklen_t *len)
    setsockopt(int fd, int level, int option, const void *value, socklen_t len)
    getsockopt(int fd, int level, int option, void *value, socklen_t *len)
    sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
        socklen_t addrlen)
    recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
        socklen_t *addrlen)
    sendmsg(int fd, const struct msghdr *msg, int flags)
    recvmsg(int fd, struct msghdr *msg, int flags)
    poll(struct pollfd *fds, nfds_t nfds, int timeout)
    ppoll(struct pollfd *fds, nfds_t nfds, struct timespec *timeout, const sigset_t *mask,
        size_t masksize)
    select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
        struct timeval *timeout)
    pselect6(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
        struct timespec *timeout, const void *mask)
    mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
    munmap(void *addr, size_t len)
    mprotect(void *addr, size_t len, int prot)
    msync(void *addr, size_t len, int flags)
    madvise(void *addr, size_t len, int advice)
    mincore(void *addr, size_t len, unsigned char *vec)
    mremap(void *addr, size_t oldlen, size_t newlen, int flags, void *newaddr)
    shmat(int shmid, const void *addr, int flags)
    shmdt(const void *addr)
    nanosleep(const struct timespec *duration, struct timespec *left)
    setitimer(int which, const struct itimerval *value, struct itimerval *ovalue)
    utimensat(int dirfd, const char *path, const struct timespec *times, int flags)
    sethostname(const char *name, size_t len)
    setdomainname(const char *name, size_t len)
    setgroups(size_t size, const gid_t *list)
    rt_sigaction(int sig, const struct kernel_sigaction *act, struct kernel_sigaction *oact,
        size_t masksize)
    rt_sigprocmask(int how, const sigset_t *set, sigset_t *oset, size_t masksize)
    clone(unsigned long flags, void *stack, int *parent_tid, int *child_tid, unsigned long tls)
'''

# Complete in the headers that rump_syscalls.h includes.
STRUCTS = {'timespec', 'timeval'}

# As the host's functions return them; all others int.
RETURNS = {
    'ssize_t': '''read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2
        sendto recvfrom sendmsg recvmsg sendfile splice tee vmsplice copy_file_range
        readlink readlinkat getrandom getxattr lgetxattr fgetxattr listxattr llistxattr
        flistxattr process_vm_readv process_vm_writev mq_timedreceive msgrcv getdents
        getdents64 readahead getcwd process_madvise''',
    'off_t': 'lseek',
    'void *': 'mmap mremap shmat',
    'pid_t': 'getpid getppid gettid getpgid getpgrp getsid setsid fork vfork '
        'clone clone3 wait4',
    'uid_t': 'getuid geteuid',
    'gid_t': 'getgid getegid',
    'mode_t': 'umask',
    'time_t': 'time',
    'clock_t': 'times',
    'unsigned int': 'alarm',
    'long': 'ptrace keyctl add_key request_key futex futex_wait futex_wake futex_requeue '
        'futex_waitv brk move_pages migrate_pages',
}

WORDS = {'char', 'short', 'int', 'long', 'unsigned', 'signed', 'void'}
CXX = {'new', 'class', 'this', 'private', 'public', 'template', 'operator', 'delete'}


def die(text):
    sys.exit('gensyscalls.py: ' + text)


def read_prototypes(linux):
    found = {}
    for path in PROTOTYPES:
        with open(f'{linux}/{path}') as f:
            text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
        # Of several, by configuration, the last is the general one.
        for name, args in re.findall(r'asmlinkage\s+\w+\s+(sys_\w+)\s*\(([^;]*?)\)\s*;', text):
            args = ' '.join(args.split())
            found[name] = [] if args == 'void' else args.split(',')
    return found


def read_calls(linux):
    """[(name, number, [(type, argument)])] in the order of the table."""
    prototypes = read_prototypes(linux)
    clearer = read_clearer()
    calls = []
    with open(f'{linux}/{TABLE}') as f:
        rows = [line.split('#')[0].split() for line in f]
    for row in rows:
        # No entry point: a number that is reserved and always ENOSYS.
        if len(row) < 4 or row[1] not in ('common', '64') or row[2] in NOT_HERE:
            continue
        number, _, name, entry = row[:4]
        if entry not in prototypes:
            die(f'{name}: no prototype of {entry} in {" or ".join(PROTOTYPES)}')
        args = [argument(text, i) for i, text in enumerate(prototypes[entry])]
        if name in clearer:
            if len(clearer[name]) != len(args):
                die(f'{name}: the kernel has {len(args)} arguments')
            args = clearer.pop(name)
        calls.append((name, int(number), args))
    if len(calls) < 300:
        die(f'only {len(calls)} system calls in {TABLE}')
    if clearer:
        die(f'no system calls: {" ".join(clearer)}')
    return calls


def read_clearer():
    found = re.findall(r'(\w+)\(([^)]*)\)', CLEARER)
    return {name: [split_argument(arg) for arg in args.split(',')] for name, args in found}


def split_argument(text):
    kind, name = re.fullmatch(r'\s*(.*?[ *])(\w+)', text).groups()
    return kind.strip(), name


def argument(text, index):
    """One argument of a prototype: its type on the host, and its name."""
    tokens = re.findall(r'\w+|\*', text.replace('__user', ''))
    words = [t for t in tokens if t not in ('const', 'struct', 'union', 'enum')]
    # The name may be missing: then a type word, a * or nothing else is last.
    named = len(words) > 1 and words[-1] not in WORDS and words[-1] != '*'
    name = tokens.pop() if named else f'a{index}'
    return host_type(' '.join(tokens)), name + '_' if name in CXX else name


def host_type(kernel):
    def replace(match):
        return TYPES.get(match.group(0), match.group(0))
    text = re.sub(r'(struct |enum )?\b\w+\b', replace, kernel)
    text = re.sub(r'\bunsigned\b(?! (int|long|char|short))', 'unsigned int', text)
    text = re.sub(r' ?\* ?(?=\*)', ' *', text).strip()
    return text


def result_type(name):
    for result, names in RETURNS.items():
        if name in names.split():
            return result
    return 'int'


def declarator(kind, name):
    return kind + name if kind.endswith('*') else f'{kind} {name}'


def prototype(name, args):
    text = ', '.join(declarator(kind, arg) for kind, arg in args) or 'void'
    return declarator(result_type(name), f'rump_sys_{name}({text})')


def wrapped(text):
    """At most 100 columns: breaks at commas."""
    lines = []
    while len(text) > 96:
        at = text.rindex(', ', 0, 96) + 1
        lines.append(text[:at])
        text = '    ' + text[at + 1:]
    return '\n'.join(lines + [text])


def header(calls):
    text = '\n'.join(prototype(name, args) for name, _, args in calls)
    names = sorted({(k, s) for k, s in re.findall(r'\b(struct|union) (\w+)', text)})
    print('''/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump_syscalls.h - the system calls of the rump kernel; made by gensyscalls.py.
 *
 * Each has the arguments of the system call of that name and returns what it
 * returns, or -1 (MAP_FAILED) and errno.  Structures are the host's; sigset_t
 * arguments come with their size, which is 8.  Include the host's headers with the
 * default set of names (gcc -std=gnu11, or _DEFAULT_SOURCE).
 */
#ifndef RUMP_RUMP_SYSCALLS_H
#define RUMP_RUMP_SYSCALLS_H

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)
''')
    for kind, name in names:
        if name not in STRUCTS:
            print(f'{kind} {name};')
    print()
    for name, _, args in calls:
        print(wrapped(prototype(name, args) + ';'))
    print('''
#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif''')


def source(calls):
    print('''/* SPDX-License-Identifier: GPL-2.0-only */
/* rump_sys_*(); made by gensyscalls.py. */
#include <errno.h>

#include <rump/rump.h>
#include <rump/rump_syscalls.h>

static inline long or_errno(long ret)
{
	if ((unsigned long)ret >= -4095UL) {
		errno = -ret;
		return -1;
	}
	return ret;
}''')
    for name, number, args in calls:
        values = [f'(long){arg}' for _, arg in args] + ['0'] * (6 - len(args))
        kind = result_type(name)
        cast = '' if kind in ('int', 'long') else f'({kind})'
        print(f'\n{wrapped(prototype(name, args))}\n{{')
        print(f'\treturn {cast}or_errno(rump_syscall({number}, {", ".join(values)}));\n}}')


def names(calls):
    print('/* SPDX-License-Identifier: BSD-2-Clause */\n/* Made by gensyscalls.py. */')
    for name, number, args in calls:
        print(f'CALL({number}, "{name}", {len(args)})')


def version_script(rump_h, calls):
    with open(rump_h) as f:
        text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
    names = re.findall(r'\b(rump_\w+)\s*\(', text)
    names += [f'rump_sys_{name}' for name, _, _ in calls]
    print('{\nglobal:')
    for name in sorted(names):
        print(f'\t{name};')
    print('local:\n\t*;\n};')


def main(argv):
    if len(argv) == 3 and argv[1] in ('header', 'source', 'names'):
        globals()[argv[1]](read_calls(argv[2]))
    elif len(argv) == 4 and argv[1] == 'map':
        version_script(argv[2], read_calls(argv[3]))
    else:
        die('usage: header LINUX | source LINUX | names LINUX | map RUMP_H LINUX')


main(sys.argv)
