/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * place.c - where rump_server and the libraries are: beside this program, built or
 * installed; and the environment in which a program uses a rump kernel.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "rump.h"

static int try_path(char *path, const char *base, const char *rel)
{
	char real[PATH_MAX];

	if (snprintf(path, PATH_MAX, "%s/%s", base, rel) >= PATH_MAX || !realpath(path, real))
		return 0;
	strcpy(path, real);
	return 1;
}

static void find(char *path, const char *what, const char *const *places)
{
	char base[PATH_MAX];
	ssize_t n;

	n = readlink("/proc/self/exe", base, sizeof(base) - 1);
	if (n < 0)
		die(127, "/proc/self/exe: %s", strerror(errno));
	base[n] = '\0';
	*strrchr(base, '/') = '\0';
	for (; *places; places++)
		if (try_path(path, base, *places))
			return;
	die(127, "%s: not found beside %s", what, base);
}

void rump_server_path(char path[PATH_MAX])
{
	static const char *const places[] = {
		"rump_server", "../server/rump_server", "../sbin/rump_server", NULL
	};

	find(path, "rump_server", places);
}

void rump_image_path(char path[PATH_MAX])
{
	static const char *const places[] = { "rump_image", "../tools/rump_image", NULL };

	find(path, "rump_image", places);
}

void rump_trap_path(char path[PATH_MAX])
{
	static const char *const places[] = { "rump_trap", "../tools/rump_trap", NULL };

	find(path, "rump_trap", places);
}

void rump_relay_path(char path[PATH_MAX])
{
	static const char *const places[] = { "rump_relay", "../tools/rump_relay", NULL };

	find(path, "rump_relay", places);
}

void rump_environment(const char *server)
{
	static const char *const places[] = {
		"../hijack/librumphijack.so", "../lib/librumphijack.so",
		"../lib/x86_64-linux-gnu/librumphijack.so", NULL
	};
	const char *old = getenv("LD_PRELOAD");
	char hijack[PATH_MAX], *value;

	find(hijack, "librumphijack.so", places);
	if (asprintf(&value, "%s%s%s", hijack, old && *old ? ":" : "", old ? old : "") < 0)
		die(127, "out of memory");
	if (setenv("LD_PRELOAD", value, 1) || (server && setenv("RUMP_SERVER", server, 1)))
		die(127, "out of memory");
	if (!server)
		unsetenv("RUMP_SERVER");
	free(value);
}

void rump_socket_directory(char dir[PATH_MAX], char url[RUMP_URL_MAX])
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	struct sockaddr_un sun;

	if (!base || access(base, W_OK))
		base = getenv("TMPDIR");
	/* The path of a Unix socket is short. */
	if (!base || !*base || strlen(base) > sizeof(sun.sun_path) - 32)
		base = "/tmp";
	snprintf(dir, PATH_MAX, "%s/rump.XXXXXX", base);
	if (!mkdtemp(dir))
		die(127, "%s: %s", dir, strerror(errno));
	snprintf(url, RUMP_URL_MAX, "unix://%s/s", dir);
}
