/* SPDX-License-Identifier: BSD-2-Clause */
/* What strangers may do with a server: who may connect, and what a client cannot reach. */
#include "sp.h"
#include "../kdebug.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/if_alg.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include <rump/rump_calls.h>

/* ---- capabilities, and the doors of each ------------------------------------------ */

static uint64_t capabilities(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 } };

	MUST(capget, &h, d);
	return d[0].permitted | (uint64_t)d[1].permitted << 32;
}

static const int gone[] = {
	CAP_SYS_RAWIO, CAP_SYS_MODULE, CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_SYS_BOOT,
	CAP_SYS_TIME, CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_CHECKPOINT_RESTORE, CAP_SYSLOG,
};
static const int kept[] = {
	CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE, CAP_SYS_ADMIN, CAP_SYS_CHROOT,
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_MKNOD,
};
#define HAS(set, cap)	((set) >> (cap) & 1)
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static const long dangerous[] = {
	SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_bpf, SYS_perf_event_open,
	SYS_ptrace, SYS_pidfd_getfd, SYS_kcmp, SYS_kexec_load, SYS_reboot,
};
static const long elsewhere[] = {
	SYS_mmap, SYS_mremap, SYS_shmat, SYS_io_setup, SYS_io_submit, SYS_io_uring_setup,
	SYS_process_vm_readv, SYS_process_vm_writev, SYS_userfaultfd, SYS_set_tid_address,
	SYS_rseq, SYS_set_robust_list, SYS_get_robust_list, SYS_execve, SYS_exit, SYS_exit_group,
};

ATF_TC_WITHOUT_HEAD(capabilities);
ATF_TC_BODY(capabilities, tc)
{
	uint64_t caps;

	client_start();
	caps = capabilities();
	for (size_t i = 0; i < COUNT(gone); i++)
		ATF_CHECK_MSG(!HAS(caps, gone[i]), "capability %d", gone[i]);
	for (size_t i = 0; i < COUNT(kept); i++)
		ATF_CHECK_MSG(HAS(caps, kept[i]), "no capability %d", kept[i]);
	for (size_t i = 0; i < COUNT(dangerous); i++)
		ATF_CHECK_EQ_MSG(rumpclient_syscall(dangerous[i], (long[6]){ 0 }), -ENOSYS,
		    "call %ld", dangerous[i]);
	for (size_t i = 0; i < COUNT(elsewhere); i++)
		ATF_CHECK_EQ_MSG(rumpclient_syscall(elsewhere[i], (long[6]){ 0 }), -ENOSYS,
		    "call %ld", elsewhere[i]);
	/* time is everybody's */
	ATF_CHECK_EQ(S(clock_settime, CLOCK_REALTIME, (&(struct timespec){ 1, 1 })), -EPERM);
	ATF_CHECK_EQ(S(setpriority, PRIO_PROCESS, 0, -10), -EACCES);
	/* One that nobody can kill would leave the OOM killer nothing but a panic. */
	long fd = MUST(open, "/proc/self/oom_score_adj", O_WRONLY);
	ATF_CHECK_EQ(S(write, fd, "-1000", 5), -EACCES);
	/* what it is root for */
	MUST(mkdir, "/tmp/m", 0700);
	MUST(mount, "none", "/tmp/m", "ramfs", 0, NULL);
	MUST(umount2, "/tmp/m", 0);
	MUST(sethostname, "guest", 5);
}

/* Nor does a detour bring any of them back. */
ATF_TC_WITHOUT_HEAD(no_way_back);
ATF_TC_BODY(no_way_back, tc)
{
	struct rumpclient_fork cookie;
	uint64_t before;
	int status;
	pid_t pid;

	client_start();
	before = capabilities();
	MUST(setresuid, -1, 1000, -1);
	ATF_CHECK_EQ(capabilities() & ~before, 0);
	MUST(setresuid, 0, 0, 0);
	ATF_CHECK_EQ(capabilities(), before);
	ATF_REQUIRE_EQ(rumpclient_prefork(&cookie), 0);
	pid = fork();
	if (pid == 0)
		_exit(rumpclient_fork_init(&cookie) != 0 || capabilities() != before);
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_CHECK_EQ(status, 0);
	/* Root of a namespace of one's own has all, but only there. */
	if (S(unshare, CLONE_NEWUSER) == 0) {
		ATF_CHECK_EQ(S(bpf, 0, NULL, 0), -ENOSYS);
		ATF_CHECK_EQ(S(clock_settime, CLOCK_REALTIME, (&(struct timespec){ 1, 1 })), -EPERM);
		ATF_CHECK_EQ(S(open, "/proc/sys/kernel/panic", O_WRONLY), -EACCES);
	}
}

ATF_TC_WITHOUT_HEAD(files);
ATF_TC_BODY(files, tc)
{
	static const char *const none[] = {
		"/proc/kcore", "/proc/kallsyms", "/proc/sysrq-trigger", "/dev/mem", "/dev/kmem",
		"/dev/port", "/sys/kernel/debug/sched",
	};
	static const char *const readonly[] = {
		"/proc/sys/kernel/panic_on_oops", "/proc/sys/vm/min_free_kbytes",
		"/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic",
		"/proc/sys/kernel/panic_on_warn", "/proc/sys/kernel/threads-max",
		"/proc/sys/kernel/pid_max", "/proc/sys/fs/nr_open", "/proc/sys/fs/file-max",
	};
	char path[64], page[64];
	long fd;

	client_start();
	/* a debugging kernel has a table of its symbols */
	bool kallsyms = S(open, "/proc/lockdep_stats", O_RDONLY) >= 0;
	for (size_t i = 0; i < COUNT(none); i++)
		ATF_CHECK_MSG((kallsyms && strstr(none[i], "kallsyms")) ||
			      S(open, none[i], O_RDONLY) == -ENOENT, "%s", none[i]);
	for (int i = 1; i < 5; i++) {	/* mem, kmem, null (3), port */
		MUST(mknod, "/tmp/node", S_IFCHR | 0600, makedev(1, i));
		fd = S(open, "/tmp/node", O_RDWR);
		ATF_CHECK_MSG(i == 3 ? fd >= 0 : fd == -ENXIO, "device 1:%d: %ld", i, fd);
		MUST(unlink, "/tmp/node");
	}
	for (size_t i = 0; i < COUNT(readonly); i++) {
		ATF_CHECK_MSG(S(open, readonly[i], O_RDONLY) >= 0, "%s", readonly[i]);
		ATF_CHECK_MSG(S(open, readonly[i], O_WRONLY) == -EACCES, "%s", readonly[i]);
		ATF_CHECK(S(chmod, readonly[i], 0666) < 0);
	}
	fd = MUST(open, "/proc/sys/net/ipv4/ip_forward", O_WRONLY);
	ATF_CHECK_EQ(S(write, fd, "1", 1), 1);
	/* Memory of processes: process 1's cannot be opened, one's own has nothing. */
	ATF_CHECK_EQ(S(open, "/proc/1/mem", O_RDONLY), -EACCES);
	sprintf(path, "/proc/self/mem");
	fd = S(open, path, O_RDWR);
	for (long at = 0x200000000; fd >= 0 && at < 0x210000000; at += 0x1000000) {
		ATF_CHECK(S(pread64, fd, page, sizeof(page), at) <= 0);
		ATF_CHECK(S(pwrite64, fd, page, sizeof(page), at) <= 0);
	}
	check_server();
}

ATF_TC_WITHOUT_HEAD(trusted);
ATF_TC_BODY(trusted, tc)
{
	uint64_t caps;

	client_start_with((const char *const[]){ "--trust-clients", NULL });
	caps = capabilities();
	for (size_t i = 0; i < COUNT(gone); i++)
		ATF_CHECK_MSG(HAS(caps, gone[i]), "no capability %d", gone[i]);
	MUST(open, "/proc/sys/kernel/panic", O_WRONLY);
	ATF_CHECK_EQ(S(bpf, 999, NULL, 0), -EINVAL);
	/* pointers stay what they are */
	for (size_t i = 0; i < COUNT(elsewhere); i++)
		ATF_CHECK_EQ_MSG(rumpclient_syscall(elsewhere[i], (long[6]){ 0 }), -ENOSYS,
		    "call %ld", elsewhere[i]);
}

/* ---- pointers ------------------------------------------------------------------------ */

/* Where the kernel's memory lies in the server, and nothing of ours. */
#define WILD(i)		(0x200000000ul + (i) * 0x1001000ul)
#define WILDS		12

/* Paths of the kernel that take user pages, or touch them, by means of their own. */
ATF_TC_WITHOUT_HEAD(pinned_pages);
ATF_TC_BODY(pinned_pages, tc)
{
	static const int futex_ops[] = {
		FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP,
		FUTEX_LOCK_PI, FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_WAIT_BITSET,
		FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI, 13 /* FUTEX_LOCK_PI2 */,
	};
	struct sockaddr_alg alg = { .salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256" };
	struct timespec soon = { .tv_nsec = 1000 };
	int p[2], s[2], on = 1;
	long fd, op;

	/* every direct read and write of a file system is of a pinned page */
	ATF_REQUIRE_EQ(system("truncate -s 120m img && mkfs.btrfs -q img >/dev/null"), 0);
	client_start_with((const char *const[]){ "-d", "key=/dev/img,hostpath=img,size=host",
	    "-M", "/dev/img:/mnt,type=btrfs", NULL });
	fd = MUST(open, "/mnt/f", O_RDWR | O_CREAT | O_DIRECT, 0600);
	MUST(ftruncate, fd, 65536);
	MUST(pipe2, p, O_NONBLOCK);
	MUST(socketpair, AF_UNIX, SOCK_STREAM, 0, s);
	op = MUST(socket, AF_ALG, SOCK_SEQPACKET, 0);
	MUST(bind, op, &alg, sizeof(alg));
	op = MUST(accept, op, NULL, NULL);
	for (long i = 0; i < WILDS; i++) {
		struct iovec iov = { (void *)WILD(i), 4096 };
		struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

		ATF_CHECK(S(pwrite64, fd, WILD(i), 4096, 0) < 0);
		ATF_CHECK(S(pread64, fd, WILD(i), 4096, 0) < 0);
		ATF_CHECK(S(pwritev, fd, &iov, 1, 0, 0) < 0);
		ATF_CHECK(S(vmsplice, p[1], &iov, 1, 0) < 0);
		ATF_CHECK(S(vmsplice, p[1], &iov, 1, SPLICE_F_GIFT) < 0);
		ATF_CHECK(S(write, p[1], WILD(i), 100) < 0);
		ATF_CHECK(S(sendto, op, WILD(i), 4096, 0, NULL, 0) < 0);
		ATF_CHECK(S(sendmsg, op, &mh, 0) < 0);
		ATF_CHECK(S(sendto, s[0], WILD(i), 4096, MSG_DONTWAIT, NULL, 0) < 0);
		for (size_t k = 0; k < COUNT(futex_ops); k++)
			for (int private = 0; private <= FUTEX_PRIVATE_FLAG; private += FUTEX_PRIVATE_FLAG)
				S(futex, WILD(i), futex_ops[k] | private, 0, &soon, WILD(i) + 64, 0);
	}
	MUST(setsockopt, s[0], SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
	/* the same without a copy, by TCP */
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	long l = MUST(socket, AF_INET, SOCK_STREAM, 0), c = MUST(socket, AF_INET, SOCK_STREAM, 0);
	MUST(listen, l, 1);
	MUST(getsockname, l, &name, &len);
	MUST(connect, c, &name, len);
	MUST(setsockopt, c, SOL_SOCKET, 60 /* SO_ZEROCOPY */, &on, sizeof(on));
	for (long i = 0; i < WILDS; i++)
		ATF_CHECK(S(sendto, c, WILD(i), 4096, 0x4000000 /* MSG_ZEROCOPY */ | MSG_DONTWAIT,
		    NULL, 0) < 0);
	/* a packet ring can be asked for, but not seen */
	long pk = MUST(socket, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	struct tpacket_req req = { 4096, 4, 2048, 8 };
	MUST(setsockopt, pk, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req));
	ATF_CHECK_EQ(S(mmap, NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, pk, 0), -ENOSYS);
	MUST(getpid);
	check_server();
}

/* A value for an argument: a wild pointer most of all. */
static long any(unsigned int *seed)
{
	static const long numbers[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 64, 100, 4096, 65536, 0x7fffffff, -1, -100,
		0x80000000, 0x541b, 0x8000000000000000, AF_INET, O_RDWR | O_CREAT,
	};
	unsigned int r = rand_r(seed);

	if (r % 8 < 4)
		return WILD(r / 8 % WILDS) + r / 128 % 4096;
	return numbers[r / 8 % COUNT(numbers)];
}

static int skipped(long nr)
{
	switch (nr) {
	case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo: case SYS_pidfd_send_signal:	/* others than ourselves */
	case SYS_vhangup: case SYS_umount2: case SYS_pivot_root: case SYS_chroot:
	case SYS_unlink: case SYS_rename:			/* /sock is the host's, yet */
		return 1;
	}
	return 0;
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* One client: makes calls, with every number and all kinds of arguments, for a while. */
static void fuzz(unsigned int seed)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	long args[6];

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);	/* nothing blocks for long */
	S(open, "/tmp/f", O_RDWR | O_CREAT, 0600);
	S(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	S(socket, AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	S(socket, AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0);
	S(epoll_create1, 0);
	S(open, "/dev/null", O_RDWR);
	S(timerfd_create, CLOCK_MONOTONIC, 0);
	S(open, "/tmp", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 4000; i++) {
		long nr = rand_r(&seed) % 470;

		for (int k = 0; k < 6; k++)
			args[k] = any(&seed);
		if (rand_r(&seed) % 4)
			args[0] = rand_r(&seed) % 10;	/* a descriptor */
		if (!skipped(nr))
			rumpclient_syscall(nr, args);
	}
}

ATF_TC(wild_pointers);
ATF_TC_HEAD(wild_pointers, tc)
{
	atf_tc_set_md_var(tc, "timeout", "240");
}
ATF_TC_BODY(wild_pointers, tc)
{
	const char *rounds = getenv("RUMP_FUZZ_ROUNDS");
	int n = rounds ? atoi(rounds) : 24;
	int status;
	pid_t pid;

	server_start();
	for (int i = 0; i < n; i++) {
		pid = fork();
		if (pid == 0) {
			if (rumpclient_init())
				_exit(1);
			fuzz(i + 1);
			_exit(0);
		}
		ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
		ATF_CHECK_EQ_MSG(status, 0, "round %d: %#x", i, status);
		check_server();
	}
}

/* ---- memory -------------------------------------------------------------------------- */

static long rss_limit_kb;

/* What one client fills the kernel with: files, sockets' buffers, descriptors. */
static void fill(int how)
{
	static char block[65536];
	long fd = S(open, "/tmp/full", O_WRONLY | O_CREAT | O_TRUNC, 0600), r = 0;
	int s[2];

	for (int i = 0; i < 20000 && r >= 0; i++) {
		if (how == 0) {
			r = S(write, fd, block, sizeof(block));
		} else if (how == 1) {
			r = S(socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
			for (int k = 0; r >= 0 && k < 3; k++)
				S(write, s[0], block, sizeof(block));
		} else {
			r = S(epoll_create1, 0);
		}
	}
	S(unlink, "/tmp/full");
}

/* RUMP_MEMLIMIT holds; who wants more fails, and nobody else. */
ATF_TC_WITHOUT_HEAD(memory_limit);
ATF_TC_BODY(memory_limit, tc)
{
	int status;
	pid_t pid;

	if (kdebug())
		atf_tc_skip("a kernel that checks itself does not answer in time when memory runs out");
	client_start_with((const char *const[]){ "-r", "32m", NULL });
	rss_limit_kb = server_rss() + 32 * 1024;
	for (int how = 0; how < 3; how++) {
		pid = fork();
		if (pid == 0) {
			fill(how);
			_exit(0);
		}
		ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
		ATF_CHECK_MSG(status == 0, "way %d: %#x", how, status);
		/* The others have their memory back: it is a process exit there. */
		for (int i = 0; i < 100; i++) {
			long fd = S(socket, AF_INET, SOCK_STREAM, 0);

			if (fd >= 0) {
				MUST(close, fd);
				break;
			}
			ATF_REQUIRE(i < 99);
			usleep(20000);
		}
		MUST(getpid);
		check_server();
	}
#ifndef __SANITIZE_THREAD__	/* which keeps notes of its own */
	ATF_CHECK_MSG(server_rss() < rss_limit_kb, "%ld KB", server_rss());
#endif
}

/* ---- who may connect --------------------------------------------------------------------- */

/* Whether a process of these ids can become a client. */
static int can_connect(uid_t uid, gid_t gid, gid_t other)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(1, &other) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
			_exit(99);
		_exit(rumpclient_init() ? 1 : S(getpid) < 0);
	}
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) != 99);
	return WEXITSTATUS(status) == 0;
}

ATF_TC(other_users);
ATF_TC_HEAD(other_users, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(other_users, tc)
{
	struct stat st;

	ATF_REQUIRE_EQ(chmod(".", 0755), 0);
	server_start();
	ATF_REQUIRE_EQ(stat("sock", &st), 0);
	ATF_CHECK_EQ(st.st_mode & 0777, 0600);
	ATF_CHECK(can_connect(0, 0, 0));
	ATF_CHECK(!can_connect(12345, 0, 0));
	/* the mode is not all: who opens the file to others has not let them in */
	ATF_REQUIRE_EQ(chmod("sock", 0666), 0);
	ATF_CHECK(!can_connect(12345, 12345, 12345));
	check_server();
	kill(server_pid(), SIGTERM);
	waitpid(server_pid(), NULL, 0);

	server_start_with((const char *const[]){ "--allow-uid", "12345", "--allow-gid", "777",
	    NULL });
	ATF_CHECK(can_connect(0, 0, 0));
	ATF_CHECK(can_connect(12345, 12345, 12345));
	ATF_CHECK(can_connect(54321, 777, 54321));
	ATF_CHECK(can_connect(54321, 54321, 777));
	ATF_CHECK(!can_connect(54321, 54321, 54321));
	check_server();
}

/* Strangers are clients; the end of the server is its owner's. */
ATF_TC(no_halt_by_others);
ATF_TC_HEAD(no_halt_by_others, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(no_halt_by_others, tc)
{
	struct rump_sp_hdr halt = { .len = sizeof(halt), .type = RUMP_SP_HALT, .reqno = 1 };
	struct rump_sp_hello_reply hr;
	struct rump_sp_reply r;
	int fd, status;
	pid_t pid;

	ATF_REQUIRE_EQ(chmod(".", 0755), 0);
	server_start_with((const char *const[]){ "--allow-uid", "12345", NULL });
	pid = fork();
	if (pid == 0) {
		if (setresuid(12345, 12345, 12345))
			_exit(99);
		fd = raw_client(RUMP_SP_CONTROL, NULL, &hr);
		if (send(fd, &halt, sizeof(halt), MSG_NOSIGNAL) != sizeof(halt) ||
		    !raw_read(fd, &r, sizeof(r)))
			_exit(1);
		_exit(r.ret != -EPERM);
	}
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_CHECK_EQ(status, 0);
	check_server();
}

/* SHOW_IN with n descriptors, all of them fd. */
static int show_in(int usher, int fd, unsigned int n)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(2 * sizeof(int))] = "";
	struct rump_sp_hdr q = { .len = sizeof(q), .type = RUMP_SP_SHOW_IN, .nfds = n };
	struct iovec iov = { &q, sizeof(q) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	if (n) {
		mh.msg_control = ctl;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (unsigned int i = 0; i < n; i++)
			memcpy((int *)CMSG_DATA(cm) + i, &fd, sizeof(int));
	}
	return sendmsg(usher, &mh, MSG_NOSIGNAL) == sizeof(q);
}

/* Our end of a connection that the usher has brought, on which HELLO was said; r: its answer. */
static int brought(int usher, enum rump_sp_kind kind, struct rump_sp_hello_reply *r)
{
	struct rump_sp_hello h;
	int pair[2];

	raw_hello(&h, kind);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || !show_in(usher, pair[1], 1) ||
	    close(pair[1]) || send(pair[0], &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h) ||
	    !raw_read(pair[0], r, sizeof(*r)))
		return -1;
	return pair[0];
}

/* Who has an usher can bring connections by it, whoever he is, and nothing else. */
ATF_TC(usher);
ATF_TC_HEAD(usher, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(usher, tc)
{
	struct rump_sp_hdr halt = { .len = sizeof(halt), .type = RUMP_SP_HALT, .reqno = 1 };
	struct rump_sp_hello_reply r;
	struct rump_sp_reply reply;
	int usher, fd, p[2], udp;
	char buf[256];
	size_t n;

	server_start();
	usher = raw_client(RUMP_SP_USHER, NULL, &r);
	ATF_REQUIRE_EQ(r.error, 0);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			CHILD_CHECK(setresuid(12345, 12345, 12345) == 0);
			fd = brought(usher, RUMP_SP_GUEST, &r);
			CHILD_CHECK(fd >= 0 && r.error == 0);
			n = raw_request(buf, SYS_getpid, NULL);
			CHILD_CHECK(send(fd, buf, n, MSG_NOSIGNAL) == (ssize_t)n);
			CHILD_CHECK(raw_read(fd, &reply, sizeof(reply)) && reply.ret == r.pid);
			fd = brought(usher, RUMP_SP_USHER, &r);
			CHILD_CHECK(fd >= 0 && r.error == 0);
			CHILD_CHECK(brought(fd, RUMP_SP_GUEST, &r) >= 0 && r.error == 0);
			/* another's, as far as the server's end is concerned */
			fd = brought(usher, RUMP_SP_CONTROL, &r);
			CHILD_CHECK(fd >= 0 && send(fd, &halt, sizeof(halt), MSG_NOSIGNAL) > 0);
			CHILD_CHECK(raw_read(fd, &reply, sizeof(reply)) && reply.ret == -EPERM);
			_exit(0);
		}
		reap(pid);
	}
	/* what is no connection */
	ATF_REQUIRE_EQ(pipe(p), 0);
	udp = socket(AF_UNIX, SOCK_DGRAM, 0);
	const int wrong[] = { p[0], p[1], udp, open("/dev/null", O_RDWR) };

	for (size_t i = 0; i < COUNT(wrong); i++) {
		fd = raw_client(RUMP_SP_USHER, NULL, &r);
		ATF_REQUIRE(show_in(fd, wrong[i], 1));
		ATF_CHECK(raw_ended(fd));
		close(fd);
	}
	/* none, and two; a process; and what else a CONTROL connection may ask */
	for (int i = 0; i < 4; i++) {
		fd = raw_client(i == 2 ? RUMP_SP_GUEST : RUMP_SP_USHER, NULL, &r);
		ATF_REQUIRE(i == 3 ? send(fd, &halt, sizeof(halt), MSG_NOSIGNAL) > 0 :
		    show_in(fd, p[0], i == 0 ? 0 : i == 1 ? 2 : 1));
		ATF_CHECK_MSG(raw_ended(fd), "%d", i);
		close(fd);
	}
	/* both ends of one pair, and a socket that is not connected, are strange, and harm nobody */
	ATF_REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	ATF_REQUIRE(show_in(usher, p[0], 1) && show_in(usher, p[1], 1));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ATF_REQUIRE(show_in(usher, fd, 1));
	check_server();
	ATF_CHECK(brought(usher, RUMP_SP_GUEST, &r) >= 0 && r.error == 0);
}

/*
 * A network link is a piece of the host: its networks, and files that the server may write.
 * Strangers see the links that there are, and neither make nor remove any.
 */
ATF_TC(links);
ATF_TC_HEAD(links, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(links, tc)
{
	static const char *const specs[] = {
		"virt1,link=shm:seg", "virt1,link=shm:seg,pcap=file", "virt1,link=raw:lo",
		"virt1,link=udp:127.0.0.1:9/127.0.0.1:9", "virt1,link=fd:0", "virt1,link=slirp",
	};
	char buf[256] = "";
	pid_t pid;

	ATF_REQUIRE_EQ(chmod(".", 0777), 0);
	server_start_with((const char *const[]){ "--allow-uid", "12345", "-i", "virt0,link=shm:wire",
	    NULL });
	pid = fork();
	if (pid == 0) {
		CHILD_CHECK(setresuid(12345, 12345, 12345) == 0);
		CHILD_CHECK(rumpclient_init() == 0);
		for (size_t i = 0; i < COUNT(specs); i++)
			CHILD_CHECK(rumpclient_syscall(RUMP_CALL_NETIF, (long[6]){ RUMP_NETIF_ADD,
			    (long)specs[i], (long)buf, sizeof(buf) }) == -EPERM);
		CHILD_CHECK(strstr(buf, "for its own user") != NULL);
		CHILD_CHECK(rumpclient_syscall(RUMP_CALL_NETIF, (long[6]){ RUMP_NETIF_DEL,
		    (long)"virt0" }) == -EPERM);
		CHILD_CHECK(rumpclient_syscall(RUMP_CALL_NETIF, (long[6]){ RUMP_NETIF_LIST, 0,
		    (long)buf, sizeof(buf) }) > 0);
		CHILD_CHECK(strstr(buf, "virt0\tvirt0,link=shm:wire") != NULL);
		_exit(0);
	}
	reap(pid);
	ATF_CHECK(access("seg", F_OK) != 0);
	ATF_CHECK(access("file", F_OK) != 0);
	/* who runs the server does both */
	ATF_REQUIRE_EQ(rumpclient_init(), 0);
	ATF_CHECK_EQ(rumpclient_syscall(RUMP_CALL_NETIF, (long[6]){ RUMP_NETIF_DEL, (long)"virt0" }), 0);
	ATF_CHECK_EQ(rumpclient_syscall(RUMP_CALL_NETIF, (long[6]){ RUMP_NETIF_ADD, (long)specs[0],
	    (long)buf, sizeof(buf) }), 0);
}

/* The server's own process is one of the kernel's, and its clients are root there. */
ATF_TC_WITHOUT_HEAD(server_itself);
ATF_TC_BODY(server_itself, tc)
{
	client_start();
	for (int sig = 1; sig <= 64; sig++)
		S(kill, server_pid(), sig);
	check_server();
	MUST(getpid);
	ATF_CHECK_EQ(kill(server_pid(), 0), 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, capabilities);
	ATF_TP_ADD_TC(tp, no_way_back);
	ATF_TP_ADD_TC(tp, files);
	ATF_TP_ADD_TC(tp, trusted);
	ATF_TP_ADD_TC(tp, pinned_pages);
	ATF_TP_ADD_TC(tp, wild_pointers);
	ATF_TP_ADD_TC(tp, memory_limit);
	ATF_TP_ADD_TC(tp, other_users);
	ATF_TP_ADD_TC(tp, no_halt_by_others);
	ATF_TP_ADD_TC(tp, usher);
	ATF_TP_ADD_TC(tp, links);
	ATF_TP_ADD_TC(tp, server_itself);
	return atf_no_error();
}
