/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_parse.c - any bytes as the name of an image, and as LVM's metadata.  t_parse
 * runs it on bent input; with libFuzzer:
 *
 *	clang -g -D_GNU_SOURCE -Iinclude -fsanitize=fuzzer,address,undefined -DLIBFUZZER \
 *	    tests/ukfs/fuzz_parse.c ukfs/spec.c ukfs/lvmtext.c
 */
#include <errno.h>
#include <string.h>

#include <rump/ukfs.h>

#include "../../ukfs/lvmtext.h"
#include "../../ukfs/spec.h"
#include "../fuzz.h"

static int fuzz_spec(const char *text)
{
	char why[64] = "", *spec, *path;
	struct spec s;
	int err;

	if (ukfs_split(text, &spec, &path) == 1) {
		check(path[0] == '/' && *spec && !strcmp(path, text + strlen(spec) + 1));
		free(spec);
	}
	err = spec_parse(&s, text, why, sizeof(why));
	if (err) {
		check(err == -EINVAL && why[0] && memchr(why, '\0', sizeof(why)));
		return 0;
	}
	check(s.image[0] && s.part <= SPEC_PART_MAX && s.nwith <= SPEC_WITH_MAX);
	check(!s.type || s.type[0]);
	check(!s.crypt || s.crypt[0]);
	check(strlen(s.options) <= strlen(text) && (!s.options[0] || s.options[0] == ','));
	spec_free(&s);
	return 1;
}

/* The number of nodes, each of which lies in the text. */
static size_t walk(const struct lvm_node *n, const char *text, size_t len, int depth)
{
	size_t count = 0;

	check(depth < 64);
	for (; n; n = n->next) {
		check(n->text >= text && n->text + strlen(n->text) <= text + len);
		count += 1 + walk(n->child, text, len, depth + 1);
	}
	return count;
}

static int fuzz_lvm(const char *bytes, size_t len)
{
	char *text = strndup(bytes, len);
	struct lvm_node *root = lvm_parse(text);
	int ok = root != NULL;

	if (root) {
		check(walk(root->child, text, len, 0) <= len);
		lvm_number(root, "version", 1);
		lvm_string(lvm_find(root, "vg"), "id");
	}
	lvm_free(root);
	free(text);
	return ok;
}

int fuzz(const unsigned char *bytes, size_t len)
{
	char *text = malloc(len + 1);
	int ok;

	memcpy(text, bytes, len);
	text[len] = '\0';
	ok = fuzz_spec(text) | fuzz_lvm(text, len);
	free(text);
	return ok;
}
