/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump.h - what the sub-commands of rump share.
 */
#ifndef TOOLS_RUMP_H
#define TOOLS_RUMP_H

#include <limits.h>

/* One line on stderr, "rump: " in front, and exit with status. */
void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* The server's program; exits with 127 if there is none. */
void rump_server_path(char path[PATH_MAX]);
/* That of the sub-commands for images. */
void rump_image_path(char path[PATH_MAX]);
/* What speaks for clients on other hosts. */
void rump_relay_path(char path[PATH_MAX]);
/* From now on what this process executes uses the server at this URL. */
void rump_environment(const char *server);
#define RUMP_URL_MAX	(PATH_MAX + 16)
/* Makes a directory for the socket of a private server, and the socket's URL. */
void rump_socket_directory(char dir[PATH_MAX], char url[RUMP_URL_MAX]);

/* Sub-commands: argv[0] is the command's name; the result is the exit status. */
int cmd_run(int argc, char **argv);
int cmd_halt(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_if(int argc, char **argv);
int cmd_insmod(int argc, char **argv);
int cmd_rmmod(int argc, char **argv);
int cmd_topo(int argc, char **argv);

#endif
