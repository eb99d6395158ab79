/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostfile.c - descriptors of the host that travel through the kernel
 * (kernel/arch/rump/kernel/hostfile.c has the theory).
 *
 * What a client's file does is its maker's choice: nothing is asked of it here, and its close
 * is not waited for (sp_strange.c).
 */
#include <fcntl.h>

#include "hostcall.h"
#include "internal.h"
#include "sp.h"
#include "sp_strange.h"

int rumpuser_hostfile_keep(int fd)
{
	return hostfd_copy(fd);
}

int rumpuser_hostfile_give(int file)
{
	return host(SYS_fcntl, file, F_DUPFD_CLOEXEC, 0);
}

void rumpuser_hostfile_drop(int file)
{
	hostfd_forget(file);
	if (sp_epoll_fd >= 0)
		strange_close(file);
	else
		host(SYS_close, file);
}
