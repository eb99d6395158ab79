/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump.h - what the sub-commands of rump share.
 */
#ifndef TOOLS_RUMP_H
#define TOOLS_RUMP_H

#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

/* Exit status of what was called wrongly; of a program that could not be started. */
#define EXIT_USAGE	2
#define EXIT_LAUNCH	127

/* One line on stderr, "rump: " in front, and exit with status. */
void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* Ends this process in the way in which another one has, whose wait status st is. */
void end_likewise(int st) __attribute__((noreturn));

/* ---- options.c: the table of sub-commands, and what is read from it ------------------- */

struct rump_option {
	char letter;		/* 0: none */
	const char *name;	/* long; NULL: none */
	const char *value;	/* what its value is called, or "word|word"; NULL: it has none */
	const char *what;
};

struct rump_command {
	const char *name;
	int (*fn)(int argc, char **argv);	/* argv[0] is the name; the exit status */
	const char *operands;
	const char *what;			/* one line */
	const char *example;
	const struct rump_option *options;	/* a row without letter and name ends them */
	/* For completion, what each operand is, the last one also what more of them are. */
	const char *kinds;
};
extern const struct rump_command rump_commands[];	/* one without a name ends them */

/* The row of that name, or NULL. */
const struct rump_command *rump_command_find(const char *name);
/*
 * The next option of the sub-command argv[0]: its index among the options, and its value
 * in optarg; -1: operands begin at argv[optind].  What is no option of it ends the program.
 */
int rump_next_option(int argc, char **argv);
/* At least min operands, at most max (-1: any number) are left, or the program ends. */
void rump_operands(int argc, char **argv, int min, int max);
void rump_help(const struct rump_command *c, FILE *to);
/* `rump --complete WORD...': what the last of the words could be, one a line. */
int rump_complete(int argc, char **argv);

/* ---- place.c -------------------------------------------------------------------------------- */

/* The server's program; exits with 127 if there is none. */
void rump_server_path(char path[PATH_MAX]);
/* That of the sub-commands for images. */
void rump_image_path(char path[PATH_MAX]);
/* What runs programs that cannot load the preload library. */
void rump_trap_path(char path[PATH_MAX]);
/* What speaks for clients on other hosts. */
void rump_relay_path(char path[PATH_MAX]);
/* From now on what this process executes uses the server at this URL, or (NULL) a kernel
 * of its own. */
void rump_environment(const char *server);
#define RUMP_URL_MAX	(PATH_MAX + 16)
/* Makes a directory for the socket of a private server, and the socket's URL. */
void rump_socket_directory(char dir[PATH_MAX], char url[RUMP_URL_MAX]);

/* ---- client.c: this process as a client of a server -------------------------------------- */

/* A connection to a server, or the end of the program, with a line and that status. */
int rump_reach(const char *url, int status);
/* Connects, or ends the program. */
void rump_connect(const char *url);
/* What argv[optind] names, if it is a URL (optind goes on); else RUMP_SERVER's, or NULL. */
const char *rump_url_operand(int argc, char **argv);
/* System call nr there; value or -errno. */
#define RUMP_CALL(nr, a, b, c)	\
	rumpclient_syscall(nr, (const long[6]){ (long)(a), (long)(b), (long)(c) })
/* All of a file there, up to size - 1 bytes, and a NUL; bytes or -errno. */
long rump_read_file(const char *path, char *buf, size_t size);

/* ---- servers.c: rump kernels of this user that serve ---------------------------------------- */

struct rump_found {
	pid_t pid;
	char url[RUMP_URL_MAX];
};
/* Calls fn for each, in the order of their process ids. */
void rump_find_servers(void (*fn)(const struct rump_found *server));

/* ---- terminal.c ---------------------------------------------------------------------------------- */

enum rump_colour { PLAIN, BOLD, RED, GREEN, YELLOW, CYAN, NCOLOURS };
/* The sequence that switches to a colour; "" where stdout is no terminal, or NO_COLOR is set. */
const char *rump_colour(enum rump_colour c);

/* ---- halt.c ---------------------------------------------------------------------------------------- */

/* Ends the server, or the program with a line; returns when it is gone. */
int rump_halt(const char *url);

/* ---- the sub-commands ------------------------------------------------------------------------------- */

int cmd_run(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_halt(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_sysctl(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_if(int argc, char **argv);
int cmd_insmod(int argc, char **argv);
int cmd_rmmod(int argc, char **argv);
int cmd_topo(int argc, char **argv);

extern const struct rump_option run_options[], exec_options[], ps_options[], log_options[], trace_options[],
    sysctl_options[];

#endif
