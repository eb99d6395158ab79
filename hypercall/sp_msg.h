/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_msg.h - checks of what a sysproxy client sends (sp_msg.c).
 */
#ifndef HYPERCALL_SP_MSG_H
#define HYPERCALL_SP_MSG_H

#include <stddef.h>
#include <stdint.h>

#include <rump/rump_sp.h>

/*
 * Both return NULL, or in a few words what is wrong.  The header is checked as
 * soon as it is there, before memory is set aside for the message; the message
 * when it is complete, with as many descriptors as came along.
 */
const char *sp_header_check(const struct rump_sp_hdr *hdr);
const char *sp_message_check(const struct rump_sp_hdr *hdr, unsigned int nfds);

/*
 * The same for a message in shared memory, which can change at any time: copies the
 * header out and checks it; then the rest, behind the header that was checked.  `to' has
 * room for hdr->len bytes.
 */
const char *sp_ring_header(const struct rump_sp_ring *shm, struct rump_sp_hdr *hdr);
const char *sp_ring_message(const struct rump_sp_ring *shm, const struct rump_sp_hdr *hdr, void *to);

/* 1: the client gave the (checked) SYSCALL up while it sent it. */
int sp_aborted(const struct rump_sp_hdr *hdr);

#endif
