/* SPDX-License-Identifier: BSD-2-Clause */
/* wrap.h - the interposed functions; see wrapcall.c. */
#ifndef HIJACK_WRAP_H
#define HIJACK_WRAP_H

/* Finds the functions behind ours.  Before anything is called through them. */
void wrap_resolve(void);
/* libc's text is patched: what needs no look at a descriptor goes there at once. */
void wrap_bypass(void);

#endif
