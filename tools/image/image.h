/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image.h - what rump ls, cat, cp and sh share.
 */
#ifndef TOOLS_IMAGE_H
#define TOOLS_IMAGE_H

#include <rump/ukfs.h>

#include "../rump.h"

/* Sub-commands: argv[0] is the command's name; the result is the exit status. */
int image_ls(int argc, char **argv);
int image_cat(int argc, char **argv);
int image_cp(int argc, char **argv);
int image_sh(int argc, char **argv);

/*
 * Opens "SPEC:/PATH", an image only once (for reading and writing if the first to ask
 * for it wants that).  *fs is NULL for a name of the host's, where that is allowed
 * (else it ends the program).  The path is argv's to keep, as long as the program runs.
 */
struct ukfs_place image_place(const char *arg, int flags, int host_too);
/* Opens an image by its name alone; NULL after one line on stderr. */
struct ukfs *image_open(const char *spec, int flags);

/* One line on stderr, and the exit status of the program will be 1. */
void image_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A signal has come that wants the program to end; images are released first. */
int image_stop(void);

#endif
