/* SPDX-License-Identifier: BSD-2-Clause */
/* What rump_trap makes of calls that are not as they should be. */
#include <atf-c.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../fuzz.h"

#define SIZE	6000
#define HEAD	(3 + 6 * 3)

unsigned char *fuzz_memory(void);	/* fuzz_trap.c */

static unsigned char input[SIZE];

static void set_arg(int i, int kind, unsigned int v)
{
	unsigned char *a = input + 3 + 3 * i;

	a[0] = kind;
	a[1] = v;
	a[2] = v >> 8;
}

/* Descriptors that are open, so that none is lost. */
static int open_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

ATF_TC_WITHOUT_HEAD(random_calls);
ATF_TC_BODY(random_calls, tc)
{
	static const char *const parts[] = {
		"/rump", "/", "..", ".", "//", "/proc/self/fd/", "/dev/fd/", "3", "6", "99999999", "/etc",
		"rump", "a", "/dev/stdin", "\xff",
	};
	int before = open_fds(), i, k;
	unsigned int n;

	signal(SIGPIPE, SIG_IGN);	/* which a target gets */
	srandom(7);
	for (i = 0; i < 60000; i++) {
		input[0] = random();
		n = random() % 460;
		input[1] = n;
		input[2] = n >> 8;
		for (k = 0; k < 6; k++)
			set_arg(k, random(), random() % 4 ? random() % 12 : random());
		for (k = 0; k < 200; k++)
			input[HEAD + k] = random() % 3 ? 0 : random();
		fuzz_words((char *)input + HEAD, parts, sizeof(parts) / sizeof(parts[0]), 12, "/");
		fuzz(input, SIZE);
	}
	ATF_CHECK_EQ(open_fds(), before);
}

/* Messages whose control data is bent. */
ATF_TC_WITHOUT_HEAD(messages);
ATF_TC_BODY(messages, tc)
{
	static const int calls[] = { SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg };
	int before, i, k, fd;
	struct cmsghdr cm = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	struct msghdr m;

	signal(SIGPIPE, SIG_IGN);	/* which a target gets */
	srandom(8);
	memset(input, 0, sizeof(input));
	fuzz(input, SIZE);		/* so that there is memory */
	before = open_fds();
	for (i = 0; i < 40000; i++) {
		input[0] = random();
		input[1] = calls[i % 4];
		input[2] = calls[i % 4] >> 8;
		set_arg(0, 7, 3 * (random() % 4));
		set_arg(1, 4, 0);
		for (k = 2; k < 6; k++)
			set_arg(k, 7, random() % 3);
		memset(&m, 0, sizeof(m));
		m.msg_control = fuzz_memory() + 256;
		m.msg_controllen = random() % 8 ? random() % 1200 : random();
		memcpy(input + HEAD, &m, sizeof(m));
		for (k = 256; k < 256 + 1200; k++)
			input[HEAD + k] = random() % 4 ? 0 : random();
		cm.cmsg_len = random() % 8 ? CMSG_LEN(sizeof(int) * (random() % 9)) : (size_t)random();
		memcpy(input + HEAD + 256, &cm, sizeof(cm));
		for (k = 0; k < 8; k++) {
			fd = random() % 4 ? random() % 12 : random();
			memcpy(input + HEAD + 256 + sizeof(cm) + k * sizeof(fd), &fd, sizeof(fd));
		}
		fuzz(input, SIZE);
	}
	ATF_CHECK_EQ(open_fds(), before);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, random_calls);
	ATF_TP_ADD_TC(tp, messages);
	return atf_no_error();
}
