/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rump.h"

static int is_coloured(void)
{
	static int known = -1;
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (known < 0)
		known = !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(1);
	return known;
}

const char *rump_colour(enum rump_colour c)
{
	static const char *const codes[NCOLOURS] = {
		[PLAIN] = "\33[0m", [BOLD] = "\33[1m", [RED] = "\33[31m", [GREEN] = "\33[32m",
		[YELLOW] = "\33[33m", [CYAN] = "\33[36m",
	};

	return is_coloured() ? codes[c] : "";
}
