/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lvm.c - logical volumes: the metadata that LVM2 keeps on its physical volumes say
 * where the pieces of a volume lie; device mapper puts them together.
 *
 * The newest metadata of all physical volumes that are there count (seqno).
 *
 * Limits: linear and striped volumes; metadata on the devices themselves.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev.h"
#include "lvmtext.h"
#include "ukfs.h"

#define SECTOR		512
#define LABEL_SECTORS	4
#define AREAS_MAX	16
#define TEXT_MAX	(64 << 20)
#define UUID_LEN	32
#define PARAMS_LEN	4096
#define LINES_MAX	1024

struct label {
	char id[8];		/* "LABELONE" */
	uint64_t sector;
	uint32_t crc;
	uint32_t offset;	/* of the header of the physical volume, from here */
	char type[8];		/* "LVM2 001" */
} __attribute__((packed));

struct area {
	uint64_t offset, size;
} __attribute__((packed));

struct pv_header {
	char uuid[UUID_LEN];
	uint64_t size;
	struct area areas[2 * AREAS_MAX];	/* data, {0, 0}, metadata, {0, 0} */
} __attribute__((packed));

struct mda_header {
	uint32_t crc;
	char magic[16];
	uint32_t version;
	uint64_t start, size;
	struct { uint64_t offset, size; uint32_t crc, flags; } __attribute__((packed)) text;
} __attribute__((packed));

static const char mda_magic[] = " LVM2 x[5A%r0N*>";

static int read_label(const char *dev, struct pv_header *pv)
{
	char buf[LABEL_SECTORS * SECTOR + sizeof(*pv)];
	const struct label *l;
	unsigned int i;
	uint32_t off;

	if (dev_read(dev, 0, buf, sizeof(buf)))
		return -EINVAL;
	for (i = 0; i < LABEL_SECTORS; i++) {
		l = (const void *)(buf + i * SECTOR);
		if (memcmp(l->id, "LABELONE", 8) || memcmp(l->type, "LVM2 001", 8))
			continue;
		off = le32toh(l->offset);
		if (off > SECTOR)
			continue;
		memcpy(pv, buf + i * SECTOR + off, sizeof(*pv));
		return 0;
	}
	return -EINVAL;
}

bool lvm_probe(const char *dev)
{
	struct pv_header pv;

	return !read_label(dev, &pv);
}

static uint32_t checksum(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t crc = 0xf597a6cf;
	int bit;

	while (len--)
		for (crc ^= *p++, bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	return crc;
}

/* The text of one metadata area, to be freed; NULL: there is none, or it is broken. */
static char *read_area(const char *dev, uint64_t where)
{
	uint64_t off, size, room, first;
	struct mda_header h;
	char *text;

	if (dev_read(dev, where, &h, sizeof(h)) || memcmp(h.magic, mda_magic, sizeof(h.magic)))
		return NULL;
	off = le64toh(h.text.offset);
	size = le64toh(h.text.size);
	room = le64toh(h.size);
	if (!size || size > TEXT_MAX || room <= SECTOR || off < SECTOR || off >= room ||
	    size > room - SECTOR || le64toh(h.start) != where)
		return NULL;
	/* It goes round: on behind the header. */
	first = size < room - off ? size : room - off;
	text = malloc(size + 1);
	if (text && !dev_read(dev, where + off, text, first) &&
	    !(first < size && dev_read(dev, where + SECTOR, text + first, size - first)) &&
	    checksum(text, size) == le32toh(h.text.crc)) {
		text[size] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

/* ---- the volume group --------------------------------------------------------------- */

struct group {
	struct lvm_node *root, *vg;
	char *text;
	uint64_t seqno, extent;
	unsigned int ndevs;
	char (*devs)[DEV_NAME_LEN];
	char (*uuids)[UUID_LEN];
};

/* Takes text, if it is newer than what is there. */
static void take_text(struct group *g, char *text)
{
	struct lvm_node *root = lvm_parse(text), *vg = root ? root->child : NULL;

	while (vg && !vg->section)
		vg = vg->next;
	if (vg && (!g->vg || lvm_number(vg, "seqno", 0) > g->seqno)) {
		lvm_free(g->root);
		free(g->text);
		g->root = root;
		g->vg = vg;
		g->text = text;
		g->seqno = lvm_number(vg, "seqno", 0);
		g->extent = lvm_number(vg, "extent_size", 0);
		return;
	}
	lvm_free(root);
	free(text);
}

static void read_volume(struct group *g, unsigned int i)
{
	struct pv_header pv;
	unsigned int a = 0;
	char *text;

	memset(g->uuids[i], 0, UUID_LEN);
	if (read_label(g->devs[i], &pv))
		return;
	memcpy(g->uuids[i], pv.uuid, UUID_LEN);
	while (a < 2 * AREAS_MAX && pv.areas[a].offset)		/* of data */
		a++;
	for (a++; a < 2 * AREAS_MAX && pv.areas[a].offset; a++) {
		text = read_area(g->devs[i], le64toh(pv.areas[a].offset));
		if (text)
			take_text(g, text);
	}
}

/* The device that is called name in the metadata; pe: where its extents begin. */
static const char *device_of(const struct group *g, const char *name, uint64_t *pe)
{
	struct lvm_node *pv = lvm_find(lvm_find(g->vg, "physical_volumes"), name);
	const char *id = lvm_string(pv, "id");
	char uuid[UUID_LEN];
	unsigned int i, n = 0;

	for (; *id && n < UUID_LEN; id++)
		if (*id != '-')
			uuid[n++] = *id;
	*pe = lvm_number(pv, "pe_start", 0);
	for (i = 0; n == UUID_LEN && i < g->ndevs; i++)
		if (!memcmp(g->uuids[i], uuid, UUID_LEN))
			return g->devs[i];
	return NULL;
}

static bool is_visible(const struct lvm_node *lv)
{
	const struct lvm_node *s = lvm_find(lv, "status");

	for (s = s && !s->section ? s->child : NULL; s; s = s->next)
		if (!strcmp(s->text, "VISIBLE"))
			return true;
	return false;
}

/* The volume that is wanted, or the only one. */
static struct lvm_node *choose(struct dev_stack *ds, const struct group *g, const char *want)
{
	struct lvm_node *lvs = lvm_find(g->vg, "logical_volumes"), *lv, *found = NULL;
	const char *name = want ? strrchr(want, '/') : NULL;
	char list[512] = "";
	size_t len = 0;
	int n = 0;

	name = name ? name + 1 : want;
	for (lv = lvs ? lvs->child : NULL; lv; lv = lv->next) {
		if (!lv->section || !is_visible(lv))
			continue;
		if (!name || !strcmp(name, lv->text)) {
			found = lv;
			n++;
		}
		if (len < sizeof(list))
			len += snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "", lv->text);
	}
	if (want && name != want && (strncmp(want, g->vg->text, name - want - 1) ||
	    g->vg->text[name - want - 1]))
		n = 0;
	if (n == 1)
		return found;
	ukfs_say(-ENOENT, n ? "%s: lv=NAME is wanted: volume group %s has %s" : want ?
	    "%s: there is no such logical volume: volume group %s has %s" :
	    "%s: there is no logical volume: volume group %s has %s", ds->image, g->vg->text,
	    *list ? list : "none");
	return NULL;
}

/* ---- the table ------------------------------------------------------------------------ */

struct table {
	struct dm_line lines[LINES_MAX];
	unsigned int n;
};

/* " DEVICE OFFSET" for each of the stripes behind what is in params. */
static int add_stripes(struct dev_stack *ds, const struct group *g, const struct lvm_node *s,
    unsigned int stripes, char *params, size_t len)
{
	const char *dev;
	uint64_t extent, pe;

	for (; stripes; stripes--, s = s->next->next) {
		if (!s || !lvm_value(s->next, &extent))
			return ukfs_say(-EINVAL, "%s: a segment of LVM's metadata is broken", ds->image);
		dev = device_of(g, s->text, &pe);
		if (!dev)
			return ukfs_say(-ENODEV, "%s: physical volume %s of group %s is missing: its "
			    "image is wanted, as with=IMAGE", ds->image, s->text, g->vg->text);
		len += snprintf(params + len, PARAMS_LEN - len, "%s%s %llu", len ? " " : "", dev,
		    (unsigned long long)(pe + extent * g->extent));
		if (len >= PARAMS_LEN)
			return ukfs_say(-E2BIG, "%s: too many stripes", ds->image);
	}
	return 0;
}

static int add_segment(struct dev_stack *ds, const struct group *g, const struct lvm_node *seg,
    struct table *t)
{
	const char *type = lvm_string(seg, "type");
	uint64_t stripes = lvm_number(seg, "stripe_count", 0);
	const struct lvm_node *list = lvm_find(seg, "stripes");
	struct dm_line *line = &t->lines[t->n];
	char *params;
	size_t len = 0;

	if (strcmp(type, "striped") && strcmp(type, "linear"))
		return ukfs_say(-EOPNOTSUPP, "%s: the logical volume is of type \"%s\"; linear and striped "
		    "ones can be opened", ds->image, type);
	params = t->n < LINES_MAX && stripes && list ? malloc(PARAMS_LEN) : NULL;
	if (!params)
		return ukfs_say(-EINVAL, "%s: LVM's metadata are broken, or too large", ds->image);
	line->params = params;
	line->type = stripes > 1 ? "striped" : "linear";
	line->start = lvm_number(seg, "start_extent", 0) * g->extent;
	line->sectors = lvm_number(seg, "extent_count", 0) * g->extent;
	t->n++;
	if (stripes > 1)
		len = snprintf(params, PARAMS_LEN, "%llu %llu", (unsigned long long)stripes,
		    (unsigned long long)lvm_number(seg, "stripe_size", 0));
	return add_stripes(ds, g, list->child, stripes, params, len);
}

static int by_start(const void *a, const void *b)
{
	const struct dm_line *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int make_volume(struct dev_stack *ds, const struct group *g, const struct lvm_node *lv,
    char dev[DEV_NAME_LEN])
{
	struct table *t = calloc(1, sizeof(*t));
	const struct lvm_node *seg;
	unsigned int i;
	int r = t ? 0 : -ENOMEM;

	for (seg = lv->child; !r && seg; seg = seg->next)
		if (seg->section && !strncmp(seg->text, "segment", 7))
			r = add_segment(ds, g, seg, t);
	if (!r) {
		qsort(t->lines, t->n, sizeof(t->lines[0]), by_start);
		r = dm_make(ds, "a logical volume", t->lines, t->n, dev);
	}
	for (i = 0; t && i < t->n; i++)
		free((char *)t->lines[i].params);
	free(t);
	return r;
}

int lvm_open(struct dev_stack *ds, const char *want, char (*devs)[DEV_NAME_LEN],
    unsigned int ndevs, char dev[DEV_NAME_LEN])
{
	struct group g = { .ndevs = ndevs, .devs = devs };
	struct lvm_node *lv;
	unsigned int i;
	int r = -ENOENT;

	g.uuids = calloc(ndevs, sizeof(*g.uuids));
	if (!g.uuids)
		return -ENOMEM;
	for (i = 0; i < ndevs; i++)
		read_volume(&g, i);
	if (!g.vg || !g.extent || g.extent > 1ULL << 40) {
		r = ukfs_say(-EINVAL, "%s: is a physical volume of LVM without usable metadata",
		    ds->image);
	} else {
		lv = choose(ds, &g, want);
		if (lv)
			r = make_volume(ds, &g, lv, dev);
	}
	lvm_free(g.root);
	free(g.text);
	free(g.uuids);
	return r;
}
