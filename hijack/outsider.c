/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outsider.c - programs that this library would not reach.
 *
 * A statically linked program loads no library, one with more rights than its user
 * must not, and those of Go make their system calls themselves.  Executed from here
 * they would run on the host, and send there what is for the rump kernel.  So they
 * are recognised before, and refused, unless RUMPHIJACK says static=host.
 *
 * Limit: programs in other languages that make calls without libc are not known.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../hypercall/hostcall.h"
#include "outsider.h"

#define PHDRS_MAX	64
#ifdef __GLIBC__
#define OUR_LIBC_IS_MUSL	0
#else
#define OUR_LIBC_IS_MUSL	1
#endif

const char outsider_libc[] = "is for another C library";

static long read_at(int fd, void *buf, size_t n, uint64_t off)
{
	return host(SYS_pread64, fd, buf, n, off);
}

/* Has it the note that Go's linker writes into each program? */
static int has_go_note(int fd, const Elf64_Phdr *ph)
{
	char buf[512];
	const Elf64_Nhdr *nh;
	long n = read_at(fd, buf, ph->p_filesz < sizeof(buf) ? ph->p_filesz : sizeof(buf), ph->p_offset);
	size_t pos = 0;

	while (n > 0 && pos + sizeof(*nh) + 4 <= (size_t)n) {
		nh = (const void *)(buf + pos);
		if (nh->n_type == 4 && nh->n_namesz == 4 && memcmp(nh + 1, "Go\0", 4) == 0)
			return 1;
		if (nh->n_namesz > sizeof(buf) || nh->n_descsz > sizeof(buf))
			return 0;
		pos += sizeof(*nh) + ((nh->n_namesz + 3) & ~3UL) + ((nh->n_descsz + 3) & ~3UL);
	}
	return 0;
}

/* Is it for the libc that is not ours, by the name of its dynamic linker? */
static const char *by_linker(const char *name)
{
	return !strstr(name, "/ld-musl-") == !OUR_LIBC_IS_MUSL ? NULL : outsider_libc;
}

/* path, by which it was opened, may be that of a dynamic linker, which loads us for its program. */
static const char *look_at_elf(int fd, const Elf64_Ehdr *eh, const char *path)
{
	const char *why = strstr(path, "/ld-linux-") || strstr(path, "/ld-musl-") ? by_linker(path) :
	    "is statically linked";
	unsigned int i;
	Elf64_Phdr ph;
	char interp[64];
	struct stat st;

	if (eh->e_machine != EM_X86_64 || eh->e_ident[EI_CLASS] != ELFCLASS64)
		return "is for another machine";
	for (i = 0; i < eh->e_phnum && i < PHDRS_MAX; i++) {
		if (read_at(fd, &ph, sizeof(ph), eh->e_phoff + i * sizeof(ph)) != sizeof(ph))
			return NULL;		/* the host will say what is wrong */
		if (ph.p_type == PT_NOTE && has_go_note(fd, &ph))
			return "is a Go program, which makes its system calls itself";
		if (ph.p_type != PT_INTERP)
			continue;
		memset(interp, 0, sizeof(interp));
		read_at(fd, interp, sizeof(interp) - 1, ph.p_offset);
		why = by_linker(interp);
	}
	if ((why && why != outsider_libc) || host(SYS_fstat, fd, &st) < 0)
		return why;
	if (((st.st_mode & S_ISUID) && (long)st.st_uid != host(SYS_geteuid, 0)) ||
	    ((st.st_mode & S_ISGID) && (long)st.st_gid != host(SYS_getegid, 0)))
		return "is set-user-id or set-group-id";
	if (host(SYS_geteuid, 0) != 0 &&
	    host(SYS_fgetxattr, fd, "security.capability", NULL, 0) > 0)
		return "has file capabilities";
	return why;
}

/* The interpreter that a script of n bytes or more names; NULL: none by a full path. */
static const char *interpreter(char *line, size_t n)
{
	char *s;

	line[n] = '\0';
	s = line + 2 + strspn(line + 2, " \t");
	s[strcspn(s, " \t\n")] = '\0';
	return *s == '/' ? s : NULL;
}

const char *outsider(int dirfd, const char *path)
{
	union {
		char c[512];
		Elf64_Ehdr eh;
	} u = { .c = "" };
	const char *why = NULL, *interp;
	long fd = dirfd, n;

	if (*path)
		fd = host(SYS_openat, dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	if (fd < 0)
		return NULL;
	n = read_at(fd, u.c, sizeof(u.c) - 1, 0);
	if (n >= (long)sizeof(u.eh) && !memcmp(u.c, ELFMAG, SELFMAG))
		why = look_at_elf(fd, &u.eh, path);
	if (*path)
		host(SYS_close, fd);
	if (n > 2 && u.c[0] == '#' && u.c[1] == '!') {
		interp = interpreter(u.c, n);
		if (interp && strcmp(interp, path) != 0)
			why = outsider(AT_FDCWD, interp);
	}
	return why;
}
