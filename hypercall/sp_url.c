/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>
#include <string.h>

#include "sp_url.h"

#define SCHEME	"unix://"

const char *sp_url_parse(const char *url, struct sockaddr_un *sun, socklen_t *len)
{
	const char *path;
	size_t n;

	if (strncmp(url, "tls://", 6) == 0 || strncmp(url, "tcp://", 6) == 0)
		return "a server for other hosts, to be reached by rump run --server or rump relay";
	if (strncmp(url, SCHEME, strlen(SCHEME)))
		return "not the URL of a rump_server, which is unix://PATH or unix://@NAME";
	path = url + strlen(SCHEME);
	n = strlen(path);
	if (n == 0 || (n == 1 && path[0] == '@'))
		return "a path or a name is missing after unix://";
	if (n >= sizeof(sun->sun_path))
		return "the path of a Unix socket has at most 107 bytes";
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, n);
	*len = offsetof(struct sockaddr_un, sun_path) + n + 1;
	if (path[0] == '@') {
		sun->sun_path[0] = '\0';
		*len -= 1;		/* every byte counts in such a name */
	}
	return NULL;
}
