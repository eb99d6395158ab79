/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links.c - symbolic links that lead from one kernel's names into the other's.
 *
 * Each kernel follows its own links, and knows nothing of the other's names: "d -> /rump/data"
 * is a link to nothing for the host, and so is "l -> /usr/bin/python3" for the rump kernel.  A
 * call with such a name fails; then its names are walked here, a component after the other, with
 * the text of a link taken as the program sees it.  If that leads from one kernel into the other,
 * the call is made again with the name that was found; else its error stands.
 *
 * An absolute link of the rump kernel is first its own: it has a root, and perhaps a whole system
 * below it, whose links mean that.  Only if it has no such name, the program's is meant.  And
 * through such a link nothing is created in the host, which is not what it was made for in an
 * image from elsewhere: ENOENT.
 *
 * Links mean what they mean to openat2(2): with RESOLVE_BENEATH and the like no name crosses.
 *
 * Limits: the name of a file that somebody moves while it is walked may be missed, as by
 * realpath(3); after chroot(2) into the rump kernel there is no other.
 */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "links.h"

#define HOPS_MAX	40	/* Linux's own */

struct walk {
	char out[PATH_BUF];	/* where we are: the program's name, without a slash at its end */
	size_t len;
	char rest[PATH_BUF];	/* what is to be walked from there */
	char link[PATH_BUF], buf[PATH_BUF];
	enum side from;		/* whose kernel walks first */
	int crossed;		/* it would have gone elsewhere */
	int at_end;		/* a link of the rump kernel at the name's end has led out of it */
	int hops;
};

/*
 * Too large for the stack of every thread, and too slow to map each time: one stays.  Who has it
 * in the moment of another thread's fork, or in a vfork child that goes on to an exec, keeps it.
 */
static struct walk *_Atomic spare;

static struct walk *begin_walk(void)
{
	struct walk *w = atomic_exchange(&spare, NULL);
	long mem;

	if (w) {
		w->crossed = w->at_end = w->hops = 0;
		return w;
	}
	mem = host(SYS_mmap, NULL, sizeof(struct walk), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return host_failed(mem) ? NULL : (struct walk *)mem;
}

static void end_walk(struct walk *w)
{
	w = atomic_exchange(&spare, w);
	if (w)
		host(SYS_munmap, w, sizeof(*w));
}

/* ---- one step ----------------------------------------------------------------------------- */

/* Whose is w->out? */
static const struct prefix *here(struct walk *w)
{
	const struct prefix *p = path_prefix_of(w->out);

	if ((p ? SIDE_RUMP : SIDE_HOST) != w->from)
		w->crossed = 1;
	return p;
}

/* readlink(2) of the program's name s, under p: the text's length, in w->link, or -errno. */
static long read_link(struct walk *w, const char *s, const struct prefix *p)
{
	const char *name;
	long n;
	int fd;

	if (p) {
		n = path_name_inside(s, p, w->buf, &name);
		if (n == 0)
			n = rump(SYS_readlink, (long)name, (long)w->link, PATH_BUF - 1);
	} else if ((fd = path_own(s, &name)) >= 0 && !*name && fdmap_get(fd) == FD_RUMP) {
		n = path_of_fd(fdmap_num[fd], w->link);
		if (n >= 0 && w->link[0] != '/')
			n = -EINVAL;		/* "socket:[1]" is no name */
	} else {
		n = host(SYS_readlink, s, w->link, PATH_BUF - 1);
	}
	if (n >= 0)
		w->link[n] = '\0';
	return n;
}

/* The text of the link, n bytes, and what is behind its name are to be walked. */
static int take_link(struct walk *w, size_t n, const char *behind)
{
	size_t more = strlen(behind);

	if (n + more + 1 > PATH_BUF)
		return -ENAMETOOLONG;
	memmove(w->rest + n, behind, more + 1);
	memcpy(w->rest, w->link, n);
	return 0;
}

/* An absolute name begins; what of it is walked. */
static const char *from_top(struct walk *w, const char *s)
{
	const struct prefix *p = path_prefix_of(s);

	w->len = p ? p->len : 0;
	memcpy(w->out, s, w->len);
	w->out[w->len] = '\0';
	if (p)
		here(w);
	return s + w->len;
}

/*
 * w->link is an absolute link of the rump kernel, of n bytes, whose name is not needed any more.
 * If it is meant inside, it becomes the program's name of that.  Length or -errno.
 */
static long own_link(struct walk *w, long n, int at_end)
{
	char c;
	long err = rump(SYS_readlink, (long)w->link, (long)&c, 1);

	if (err < 0 && err != -EINVAL) {
		w->crossed = 1;
		w->at_end |= at_end;
		return n;
	}
	n = path_outside(w->link, n + 1, PATH_BUF);
	/* Where blanket= has left it no name. */
	return n < 0 ? n : path_prefix_of(w->link) ? n - 1 : -ENOENT;
}

/* Goes up from where we are; -ENOTDIR. */
static int step_up(struct walk *w)
{
	const struct prefix *p = here(w);

	if (w->len + 2 > PATH_BUF)
		return -ENAMETOOLONG;
	memcpy(w->out + w->len, "/", 2);
	if (w->len && read_link(w, w->out, p) == -ENOTDIR)
		return -ENOTDIR;
	while (w->len && w->out[--w->len] != '/')
		;
	w->out[w->len] = '\0';
	here(w);
	return 0;
}

static int step_down(struct walk *w, const char *s, size_t n)
{
	if (w->len + n + 2 > PATH_BUF)
		return -ENAMETOOLONG;
	w->out[w->len++] = '/';
	memcpy(w->out + w->len, s, n);
	w->len += n;
	w->out[w->len] = '\0';
	return 0;
}

/*
 * Walks to the end; last: what is done with a link there.  0: w->out is the name, whether there is
 * such a file or not; or -errno.
 */
static int walk(struct walk *w, int last)
{
	const char *s = w->rest, *end, *tail, *behind;
	const struct prefix *p;
	size_t n, was;
	long len;
	int err;

	if (*s == '/')
		s = from_top(w, s);
	for (;; s = tail) {
		behind = *s == '/' && w->len ? "/" : "";
		s += strspn(s, "/");
		end = s + strcspn(s, "/");
		tail = end + strspn(end, "/");
		n = end - s;
		if (n == 0)
			break;
		if (s[0] == '.' && (n == 1 || (n == 2 && s[1] == '.'))) {
			err = n == 2 ? step_up(w) : 0;
			if (err < 0)
				return err;
			behind = w->len ? "/." : "";
			if (!*tail)
				break;
			continue;
		}
		was = w->len;
		err = step_down(w, s, n);
		if (err < 0)
			return err;
		behind = end;
		p = here(w);
		if (!*tail && (last == RUMP_P_NAME || (last == RUMP_P_LINK && !*end)))
			break;
		len = read_link(w, w->out, p);
		if (len == -EINVAL && *tail)
			continue;
		if (len < 0)
			break;		/* the end, or the kernel says what is wrong there */
		w->out[w->len = was] = '\0';
		if (p && w->link[0] == '/')
			len = own_link(w, len, !*tail);
		err = ++w->hops > HOPS_MAX ? -ELOOP : len < 0 ? len : take_link(w, len, end);
		if (err < 0)
			return err;
		tail = w->rest[0] == '/' ? from_top(w, w->rest) : w->rest;
	}
	n = strlen(behind);
	if (w->len + n + 2 > PATH_BUF)
		return -ENAMETOOLONG;
	strcpy(w->out + w->len, behind);
	if (!w->out[0])
		strcpy(w->out, "/");
	return 0;
}

/* ---- a name --------------------------------------------------------------------------------- */

static int walk_name(struct walk *w, int dirfd, const char *path, int last)
{
	long len = 0;

	if (strlen(path) >= PATH_BUF)
		return -ENAMETOOLONG;
	strcpy(w->rest, path);
	w->from = path_prefix_of(path) ? SIDE_RUMP : SIDE_HOST;
	if (path[0] != '/')
		len = path_base(dirfd, w->out, &w->from);
	w->len = len;
	return len < 0 ? len : walk(w, last);
}

int links_resolve(int dirfd, const char *path, char buf[PATH_BUF])
{
	struct walk *w = begin_walk();
	int err;

	if (!w)
		return -ENOMEM;
	err = walk_name(w, dirfd, path, RUMP_P_NAME);
	if (err == 0)
		strcpy(buf, w->out);
	end_walk(w);
	return err;
}

/* Is there a link in the name at all?  As links_maybe(), for either kernel. */
static int may_lead(int dirfd, const char *path, int last, int ahead)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | (last == RUMP_P_FOLLOW ? 0 : O_NOFOLLOW),
	    .resolve = RESOLVE_NO_SYMLINKS };
	const char *rest;
	struct where w;
	long fd;

	if ((unsigned long)path < 4096 || !*path || path_where(dirfd, path, &w) < 0)
		return 0;
	if (w.side == SIDE_HOST)
		return links_maybe(w.dirfd, w.path, last);
	/* "/proc/self/fd/N" leads to what is open, which may have no name. */
	if (ahead || (path[0] == '/' && path_own(path, &rest) != -1 && !*rest))
		return 0;
	fd = rump(SYS_openat2, w.dirfd, (long)w.path, (long)&how, sizeof(how));
	if (fd >= 0)
		rump(SYS_close, fd);
	return fd == -ELOOP;
}

int links_lead(int dirfd, const char *path, int last, int ahead, char buf[PATH_BUF])
{
	struct walk *w;
	int ret = 0;

	if (!scope.links || path_root_is_rump() || !may_lead(dirfd, path, last, ahead))
		return 0;
	w = begin_walk();
	if (!w)
		return 0;
	if (walk_name(w, dirfd, path, last) == 0 && w->crossed) {
		strcpy(buf, w->out);
		ret = w->at_end && !path_prefix_of(w->out) ? LEADS_OUT : LEADS;
	}
	end_walk(w);
	return ret;
}

/* ---- a call ---------------------------------------------------------------------------------- */

/* The call is not to create the file that b names; how is room for its arguments.  -ENOENT. */
static int create_none(long *nr, long b[6], struct open_how *how)
{
	switch (*nr) {
	case SYS_creat:
		*nr = SYS_open;
		b[1] = O_WRONLY | O_TRUNC;
		return 0;
	case SYS_open:
		b[1] &= ~O_CREAT;
		return 0;
	case SYS_openat:
		b[2] &= ~O_CREAT;
		return 0;
	case SYS_openat2:
		if (b[3] != sizeof(*how))
			return -ENOENT;
		*how = *(const struct open_how *)b[2];
		how->flags &= ~(uint64_t)O_CREAT;
		how->mode = 0;
		b[2] = (long)how;
		return 0;
	}
	return 0;
}

/*
 * The name in the address of a local socket, argument i; un is room for another one.  (Nobody
 * listens in a kernel that is not booted, which is not to be for who connects.)
 */
static int lead_address(long nr, long b[6], int i, struct sockaddr_un *un)
{
	const struct sockaddr_un *theirs = (const void *)b[i];
	size_t size = (unsigned int)b[i + 1], n = size - offsetof(struct sockaddr_un, sun_path);
	char name[sizeof(un->sun_path) + 1], buf[PATH_BUF];

	if ((unsigned long)theirs < 4096 || size <= offsetof(struct sockaddr_un, sun_path) ||
	    size > sizeof(*un) || theirs->sun_family != AF_UNIX ||
	    (nr == SYS_connect && !rumpclient_is_up()))
		return 0;
	memcpy(name, theirs->sun_path, n);
	name[n] = '\0';
	if (!links_lead(AT_FDCWD, name, nr == SYS_bind ? RUMP_P_NAME : RUMP_P_FOLLOW, 0, buf))
		return 0;
	n = strlen(buf);
	if (n > sizeof(un->sun_path))
		return 0;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, buf, n);
	b[i] = (long)un;
	b[i + 1] = offsetof(struct sockaddr_un, sun_path) + n;
	return 1;
}

int links_follow(long nr, const long a[6], long err, hijack_fn *fn, long *ret)
{
	const struct rump_sysrow *row = &hijack_rows[nr];
	long b[6] = { a[0], a[1], a[2], a[3], a[4], a[5] };
	int i, dir, led, leads = 0, how = hijack_how[nr];
	char buf[PATH_BUF], *name;
	struct open_how open_how;
	struct sockaddr_un un;

	if (!scope.links || links_forbidden(nr, a))
		return 0;
	if (how == HOW_address || how == HOW_sendto)
		leads = lead_address(nr, b, how == HOW_address ? 1 : 4, &un);
	for (i = 0; i < 6; i++) {
		dir = row->a[i].kind == RUMP_A_DIR;
		if (!dir && row->a[i].kind != RUMP_A_PATH)
			continue;
		i += dir;
		led = links_lead(dir ? (int)a[i - 1] : AT_FDCWD, (const char *)a[i], links_last(nr, a, i),
		    err == 0, buf);
		if (!led)
			continue;
		/* At most two, of a call that has room for two names already. */
		name = alloca(strlen(buf) + 1); /* cppcheck-suppress allocaCalled */
		b[i] = (long)strcpy(name, buf);
		if (dir)
			b[i - 1] = AT_FDCWD;
		leads = 1;
		if (led == LEADS_OUT && how == HOW_open && create_none(&nr, b, &open_how) < 0) {
			*ret = -ENOENT;
			return 1;
		}
	}
	if (leads)
		*ret = fn(nr, b);
	return leads;
}

/* ---- the prefixes ------------------------------------------------------------------------------ */

/*
 * A prefix whose directory has, on the host, another name without links in it, is one by that
 * name, too: what getcwd(2) says has none.
 */
static void add_alias(const struct prefix *p)
{
	static char store[PATH_BUF];
	static size_t used;
	struct prefix *alias = &scope.prefix[scope.nprefix];
	size_t base = p->len, n;
	char link[PATH_PROC];
	char *dir = store + used;
	long fd, len;

	while (p->s[--base] != '/')
		;
	if (base == 0 || scope.nprefix == SCOPE_PREFIXES || used + base + 1 > sizeof(store))
		return;
	memcpy(dir, p->s, base);
	dir[base] = '\0';
	fd = host(SYS_open, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	path_proc(fd, link);
	len = host(SYS_readlink, link, dir, sizeof(store) - used);
	host(SYS_close, fd);
	n = p->len - base;
	if (len < 1 || dir[0] != '/' || used + len + n + 1 > sizeof(store))
		return;
	len -= len == 1;		/* the root */
	if ((size_t)len == base && memcmp(dir, p->s, base) == 0)
		return;
	memcpy(dir + len, p->s + base, n + 1);
	used += len + n + 1;
	*alias = *p;
	alias->s = dir;
	alias->len = len + n;
	alias->as = p->s;
	scope.nprefix++;
}

void links_init(void)
{
	char dir[PATH_BUF];
	struct prefix *p;
	size_t n;
	int i, given = scope.nprefix;
	long err;

	for (i = 0; i < given; i++) {
		p = &scope.prefix[i];
		if (p->implied)
			continue;
		scope.links = 1;
		add_alias(p);
		err = host(SYS_readlink, p->s, dir, sizeof(dir));
		if (err >= 0 || err == -EINVAL) {
			scope.shadow = 1;
			continue;
		}
		for (n = p->len; p->s[--n] != '/'; )
			;
		memcpy(dir, p->s, n);
		strcpy(dir + n, n ? "" : "/");
		if (host(SYS_access, dir, W_OK) == 0)
			scope.creatable = 1;
	}
	scope.names = scope.shadow ? WANT_CALL : scope.links ? WANT_LOOK : WANT_HOST;
}
