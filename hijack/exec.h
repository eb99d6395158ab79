/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec.h - what exec.c (which program) and execenv.c (what it is handed) share.
 */
#ifndef HIJACK_EXEC_H
#define HIJACK_EXEC_H

struct image {
	int dirfd;
	const char *path;	/* "" with flags AT_EMPTY_PATH: dirfd itself */
	int flags;
	int bare;		/* it is not to load this library, ... */
	const char *instead;	/* ... but this variable says what; or NULL */
};

/* At the program's start: exec_init() looks for rump_trap, execenv_init() copies the environment. */
void exec_init(void);
void execenv_init(void);

/* Why im will load no library of ours, or NULL; it may get the one for the other C library. */
const char *exec_not_for_us(struct image *im);
/* The host's exec of im, with the session and its environment; -errno, if it returns. */
long exec_enter(const struct image *im, char *const *argv, char *const *envp);

#endif
