/* SPDX-License-Identifier: BSD-2-Clause */
/* elfsites.h - the system call instructions of a file of machine code (elfsites.c). */
#ifndef HIJACK_ELFSITES_H
#define HIJACK_ELFSITES_H

#include "../site.h"

/*
 * Of the ELF file at image, size bytes: *t is its largest executable segment, in there, and the
 * result how many sites were found in that, at most max; 0: it is no such file, and *why says
 * what is wrong.
 */
unsigned int elfsites_find(char *image, size_t size, struct text *t, struct site *sites,
    unsigned int max, const char **why);

#endif
