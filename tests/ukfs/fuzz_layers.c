/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_layers.c - any bytes as a device that is looked at for LVM and MD (ukfs/lvm.c, md.c).
 * t_bent runs it on bent input; with libFuzzer:
 *
 *	clang -g -D_GNU_SOURCE -Iinclude -fsanitize=fuzzer,address,undefined -DLIBFUZZER \
 *	    tests/ukfs/fuzz_layers.c ukfs/lvm.c ukfs/lvmtext.c ukfs/md.c
 *
 * The bytes are PATCHES places and values, three bytes each, then LVM's metadata, which are
 * given a right checksum, so that what lies behind it is reached, too.  The device is a
 * physical volume of that metadata, and a member of an array, before it is patched.
 */
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../ukfs/dev.h"
#include "../../ukfs/ukfs.h"
#include "../fuzz.h"

#define SIZE	(1 << 20)
#define AREA	8192			/* of metadata; its header is 512 bytes */
#define AREA_LEN (SIZE / 2)
#define PATCHES	8

static unsigned char device[SIZE];
static int made;

/* ---- what lvm.c and md.c need of the others ------------------------------------------------ */

int dev_read(const char *dev, uint64_t off, void *buf, size_t len)
{
	check(!strcmp(dev, "/dev/fuzz"));
	if (off > SIZE || len > SIZE - off)
		return -ENODATA;
	memcpy(buf, device + off, len);
	return 0;
}

int64_t dev_size(const char *dev)
{
	(void)dev;
	return SIZE;
}

int dev_push(struct dev_stack *ds, int (*unmake)(const char *), const char *name)
{
	(void)ds, (void)unmake, (void)name;
	return 0;
}

int dm_make(struct dev_stack *ds, const char *what, const struct dm_line *lines, unsigned int n,
    char dev[DEV_NAME_LEN])
{
	unsigned int i;

	(void)ds, (void)what;
	for (i = 0; i < n; i++) {
		check(lines[i].params && strlen(lines[i].params) < 4096);
		check(!strcmp(lines[i].type, "linear") || !strcmp(lines[i].type, "striped"));
		check(!i || lines[i - 1].start <= lines[i].start);
	}
	strcpy(dev, "/dev/mapper/fuzz");
	made = 1;
	return 0;
}

int ukfs_say(int error, const char *fmt, ...)
{
	char line[8192];
	va_list ap;

	va_start(ap, fmt);
	check(vsnprintf(line, sizeof(line), fmt, ap) > 0);
	va_end(ap);
	return error;
}

long rump_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	(void)nr, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
	return -ENODEV;
}

/* ---- the device ------------------------------------------------------------------------------- */

static uint32_t checksum(const unsigned char *p, size_t len)
{
	uint32_t crc = 0xf597a6cf;
	int bit;

	while (len--)
		for (crc ^= *p++, bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	return crc;
}

static void put(size_t off, uint64_t value, size_t len)
{
	value = htole64(value);
	memcpy(device + off, &value, len);
}

static void build(const unsigned char *text, size_t len)
{
	static const char uuid[] = "0123456789abcdefghijklmnopqrstuv";

	memset(device, 0, AREA + 512);
	memcpy(device + 512, "LABELONE", 8);
	put(512 + 20, 32, 4);
	memcpy(device + 512 + 24, "LVM2 001", 8);
	memcpy(device + 512 + 32, uuid, 32);
	put(512 + 64, SIZE, 8);
	put(512 + 72, SIZE / 2, 8);		/* data, to the end */
	put(512 + 104, AREA, 8);		/* metadata */
	put(512 + 112, AREA_LEN, 8);
	memcpy(device + AREA + 4, " LVM2 x[5A%r0N*>", 16);
	put(AREA + 20, 1, 4);
	put(AREA + 24, AREA, 8);
	put(AREA + 32, AREA_LEN, 8);
	put(AREA + 40, 512, 8);
	put(AREA + 48, len, 8);
	put(AREA + 56, checksum(text, len), 4);
	memcpy(device + AREA + 512, text, len);
	put(4096, 0xa92b4efc, 4);
	put(4100, 1, 4);
}

int fuzz(const unsigned char *bytes, size_t len)
{
	struct dev_stack ds = { .image = "fuzz.img" };
	char devs[1][DEV_NAME_LEN] = { "/dev/fuzz" }, dev[DEV_NAME_LEN] = "/dev/fuzz";
	size_t at;
	int i, r;

	if (len < 3 * PATCHES || len - 3 * PATCHES >= AREA_LEN - 512)
		return 0;
	build(bytes + 3 * PATCHES, len - 3 * PATCHES);
	for (i = 0; i < PATCHES; i++, bytes += 3) {
		at = bytes[0] << 8 | bytes[1];
		if (at && at < AREA + 512)
			device[at] = bytes[2];
	}
	made = 0;
	if (lvm_probe(dev)) {
		r = lvm_open(&ds, "lv", devs, 1, dev);
		check(r < 0 || made);
		strcpy(dev, "/dev/fuzz");
	}
	if (md_probe(dev))
		check(md_open(&ds, devs, 1, dev) < 0);
	return made;
}
