/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_strange.h - descriptors that a sysproxy client has sent (sp_strange.c).
 */
#ifndef HYPERCALL_SP_STRANGE_H
#define HYPERCALL_SP_STRANGE_H

/* Closes fd, soon: its last close may take as long as it likes. */
void strange_close(int fd);
/*
 * Closes a Unix stream socket of ours whose peer is a client's: at once, unless something
 * is left in it.  The peer can send no more from now on.
 */
void strange_hang_up(int fd);
/* 1: fd is a Unix stream socket, whose operations do not wait for its maker. */
int strange_is_stream(int fd);

#endif
