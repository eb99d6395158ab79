/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * early.h - calls of a program at moments when few make any: early.c is a library whose
 * constructor makes them before librumphijack's has run, and its destructor after.
 */
#ifndef TESTS_EARLY_H
#define TESTS_EARLY_H

/* What was found; 0 or the line that failed, and a socket that listens on loopback. */
struct early {
	int failed;
	int err;
	int listener;
};

/*
 * Makes a file in $EARLY_DIR, looks at it in the ways of libselinux (statfs, stdio), and
 * removes it; makes a socket that listens.
 */
void early_look(struct early *e);

extern struct early early_constructor;

#endif
