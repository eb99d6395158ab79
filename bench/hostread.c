/* SPDX-License-Identifier: BSD-2-Clause */
/* hostread MS - reads one byte of /dev/zero at a time for MS milliseconds; prints ns a read. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

int
main(int argc, char **argv)
{
	double end, t0, ns = (argc > 1 ? atof(argv[1]) : 100) * 1e6;
	int fd = open("/dev/zero", O_RDONLY);
	long n = 0;
	char c;

	for (int i = 0; i < 1000; i++)
		if (read(fd, &c, 1) != 1)
			return 1;
	t0 = now();
	do {
		for (int i = 0; i < 1000; i++)
			if (read(fd, &c, 1) != 1)
				return 1;
		n += 1000;
	} while ((end = now()) - t0 < ns);
	printf("%.3f\n", (end - t0) / n);
	return 0;
}
