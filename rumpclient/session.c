/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - our process on a rump_server, and the channels of its threads.
 *
 * Each thread has a channel of its own, opened by its first call, and closed by
 * its end (a pthread key's destructor, which lets those of the program run
 * first).  Nothing is shared between threads but the session's cookie.  Our process
 * there ends with its last channel: that one stays open when its thread ends, until
 * another thread has opened one.
 *
 * A signal handler may make calls while its thread is in one: that call takes
 * the thread's next channel.  A handler that leaves by longjmp(3) leaves a call
 * behind, which ends when its channel is reused or closed.
 *
 * A session is over when its server is gone, or does not know us any more.  The
 * call that notices gives -ENOTCONN; a later one, of any thread, begins the next
 * session, as the retry policy says.  Descriptors of the old one are gone, and the
 * preload library is told before their numbers can come again.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "remote.h"

#define DEPTH		4		/* calls on top of each other in one thread */
#define ROUNDS		4		/* of destructors, see thread_ends() */
#define RETRY_NS	100000000	/* between two looks for a server that is gone */

struct thread {
	struct chan chan[DEPTH];
	unsigned int depth;		/* calls under way */
	int impatient;			/* does not wait for the next server */
	int registered;
	void *bounce;
};

static struct {
	atomic_uint gen;		/* counts forks: a channel of another one is not ours */
	atomic_uint life;		/* counts sessions: a descriptor of another one is dead */
	struct rump_sp_cookie cookie;	/* of our process there; id 0: none yet */
	atomic_uint joining;		/* 1: the first thread is making it; 2: it is made */
	int begun;			/* there was one */
	atomic_ullong open;		/* life << 32 | channels that threads have */
	atomic_int parked;		/* the last one, whose thread has ended: or -1 */
	int64_t retry;			/* seconds, or RUMPCLIENT_RETRYCONN_... */
	void (*on_lost)(void);
} session = { .retry = RUMPCLIENT_RETRYCONN_ONCE, .parked = -1 };

static __thread struct thread self;
static pthread_key_t key;

/* All open channels, for remote_move_fd(): anywhere behind their fd's place. */
#define CHANS_MAX	8192
static _Atomic(struct chan *) chans[CHANS_MAX];

/* ---- opening a channel ---------------------------------------------------------------- */

/* A connection of ours on which the server has said yes; -errno. */
static int enter(enum rump_sp_kind kind, const struct rump_sp_cookie *cookie,
    struct rump_sp_hello_reply *r)
{
	int fd = server_connect(0), err;

	if (fd < 0)
		return fd;
	err = server_hello(fd, kind, cookie, r);
	if (err)
		ownfd_close(fd);
	return err ? err : fd;
}

/* Another thread may be looking, which finds out afterwards that it came at the wrong moment. */
static void set_cookie(const struct rump_sp_cookie *c)
{
	__atomic_store_n(&session.cookie.id, c->id, __ATOMIC_RELAXED);
	__atomic_store_n(&session.cookie.secret, c->secret, __ATOMIC_RELAXED);
}

static struct rump_sp_cookie get_cookie(void)
{
	return (struct rump_sp_cookie){
		.id = __atomic_load_n(&session.cookie.id, __ATOMIC_RELAXED),
		.secret = __atomic_load_n(&session.cookie.secret, __ATOMIC_RELAXED),
	};
}

/*
 * The session: who comes first makes our process there, the others wait for it.
 * A fork meanwhile is harmless: remote_forget() starts anew.
 */
static int join(int *fdp, unsigned int *lifep)
{
	struct rump_sp_hello_reply r;
	unsigned int state = 0;
	int fd;

	while (!atomic_compare_exchange_strong(&session.joining, &state, 1)) {
		if (state == 2)
			return 1;
		state = 0;
		host(SYS_sched_yield, 0);
	}
	fd = enter(RUMP_SP_GUEST, NULL, &r);
	if (fd >= 0) {
		set_cookie(&r.cookie);
		session.begun = 1;
		*fdp = fd;
		*lifep = atomic_load(&session.life);
	}
	atomic_store(&session.joining, fd < 0 ? 0 : 2);
	return fd < 0 ? fd : 0;
}

/* ---- the end of a session ------------------------------------------------------------- */

/* Whether err, of connecting, says that the server or our process there is gone. */
static int is_gone(int err)
{
	return err == -ECONNREFUSED || err == -ENOENT || err == -ECONNRESET || err == -EPIPE ||
	    err == -ESRCH || err == -ESHUTDOWN;
}

static void die_if_wanted(void)
{
	if (session.retry != RUMPCLIENT_RETRYCONN_DIE)
		return;
	client_warn("%s: the rump_server is gone", server_url());
	for (;;)
		host(SYS_exit_group, 1);
}

/* The session that was the life'th is over, unless somebody else has noticed before. */
static void session_end(unsigned int life)
{
	unsigned int made = 2;

	die_if_wanted();
	if (!atomic_compare_exchange_strong(&session.joining, &made, 1))
		return;
	if (atomic_load(&session.life) == life) {
		atomic_fetch_add(&session.life, 1);
		if (session.on_lost)
			session.on_lost();
		made = 0;
	}
	atomic_store(&session.joining, made);
}

static int64_t now(void)
{
	struct timespec ts;

	host(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/*
 * No server is there: 0 if it is to be looked for again; waits meanwhile.  Signals are
 * blocked but here, so that a handler that runs is noticed: -EINTR.
 */
static int wait_for_server(int64_t since, int err, const uint64_t *mask)
{
	struct timespec nap = { .tv_nsec = RETRY_NS };

	if (!session.begun || self.impatient || !is_gone(err) ||
	    session.retry == RUMPCLIENT_RETRYCONN_ONCE ||
	    (session.retry >= 0 && now() - since >= session.retry * 1000000000ll))
		return err;
	return host(SYS_ppoll, NULL, 0, &nap, mask, sizeof(*mask));
}

unsigned int session_life(void)
{
	return atomic_load(&session.life);
}

void remote_setconnretry(int64_t seconds)
{
	session.retry = seconds;
}

void remote_on_lost(void (*fn)(void))
{
	session.on_lost = fn;
}

/* Keeps connection fd, or none, in place of the one that was kept. */
static void park(int fd)
{
	fd = atomic_exchange(&session.parked, fd);
	if (fd >= 0)
		ownfd_close(fd);
}

/* Counts one more or less for session life; how many it has, or -1 if it is over. */
static int count_open(unsigned int life, int change)
{
	unsigned long long old = atomic_load(&session.open), new;

	do {
		if (old >> 32 == life)
			new = old + change;
		else if (change > 0 && (int)(life - (unsigned int)(old >> 32)) > 0)
			new = (unsigned long long)life << 32 | 1;
		else
			return -1;
	} while (!atomic_compare_exchange_weak(&session.open, &old, new));
	return (unsigned int)new;
}

/* fd is a channel of session life; 1: which is over. */
static int chan_use(struct chan *c, int fd, unsigned int life)
{
	struct chan *none;
	unsigned int i;

	if (life != atomic_load(&session.life)) {
		ownfd_close(fd);
		return 1;
	}
	c->fd = fd;
	c->reqno = 0;
	c->ring = NULL;
	stock_forget(c);
	for (i = 0; i < CHANS_MAX; i++) {
		none = NULL;
		if (atomic_compare_exchange_strong(&chans[(fd + i) % CHANS_MAX], &none, c)) {
			c->gen = atomic_load(&session.gen);
			c->life = life;
			count_open(life, 1);
			park(-1);
			return 0;
		}
	}
	ownfd_close(fd);
	return -EMFILE;
}

static void register_thread(void);

/* A further connection of our process, if it is still there; 1: there is no session. */
static int join_again(int *fdp, unsigned int *lifep)
{
	unsigned int life = atomic_load(&session.life);
	int made = atomic_load(&session.joining) == 2;
	struct rump_sp_cookie cookie = get_cookie();
	struct rump_sp_hello_reply r;
	int fd;

	/* The cookie of just this session?  Else the next one could be taken for dead. */
	if (!made || atomic_load(&session.joining) != 2 || atomic_load(&session.life) != life)
		return 1;
	fd = enter(RUMP_SP_THREAD, &cookie, &r);
	*fdp = fd;
	*lifep = life;
	if (is_gone(fd))
		session_end(life);
	return fd < 0 ? fd : 0;
}

static int chan_open(struct chan *c)
{
	uint64_t all = ~0ULL, mask;
	unsigned int life;
	int64_t since = 0;
	int fd, err;

	for (;;) {
		err = join_again(&fd, &life);
		if (err == 1 || is_gone(err))
			err = join(&fd, &life);
		if (err == 0)
			err = chan_use(c, fd, life);
		if (err == 1)		/* another thread was first */
			continue;
		if (err == 0 || !is_gone(err))
			break;
		if (!since) {
			since = now();
			host(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &mask, sizeof(mask));
		}
		err = wait_for_server(since, err, &mask);
		if (err)
			break;
	}
	if (since)
		host(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &mask, NULL, sizeof(mask));
	if (!err)
		register_thread();
	return err;
}

static int chan_is_open(const struct chan *c)
{
	return c->gen && c->gen == atomic_load_explicit(&session.gen, memory_order_relaxed);
}

/* c is closed; its connection is the caller's, if *last says that it is the only one. */
static int chan_leave(struct chan *c, int *last)
{
	struct chan *me = c;
	unsigned int i;
	int fd = -1;

	*last = 0;
	if (chan_is_open(c)) {
		stock_drop(c);
		ring_close(c);
		for (i = 0; i < CHANS_MAX; i++, me = c)
			if (atomic_compare_exchange_strong(&chans[(c->fd + i) % CHANS_MAX],
			    &me, NULL))
				break;
		fd = c->fd;
		*last = count_open(c->life, -1) == 0;
		if (!*last)
			ownfd_close(fd);
	}
	c->gen = 0;
	return fd;
}

static void chan_close(struct chan *c)
{
	int last, fd = chan_leave(c, &last);

	if (last)
		ownfd_close(fd);
}

int remote_move_fd(int fd)
{
	atomic_int *number;
	struct chan *c;
	unsigned int i;
	int new = usher_move(fd);

	if (new <= 0)
		return new;
	for (i = 0; i < CHANS_MAX; i++) {
		c = atomic_load(&chans[i]);
		if (!c)
			continue;
		new = stock_move(c, fd);
		if (new <= 0)
			return new;
		number = c->fd == fd ? &c->fd : !c->ring ? NULL : c->memfd == fd ? &c->memfd :
		    c->bell == fd ? &c->bell : NULL;
		if (!number)
			continue;
		new = ownfd_dup(fd);
		if (new < 0)
			return new;
		*number = new;
		host(SYS_close, fd);
		return 0;
	}
	if (atomic_load(&session.parked) == fd) {
		new = ownfd_dup(fd);
		if (new < 0)
			return new;
		atomic_store(&session.parked, new);
		host(SYS_close, fd);
	}
	return 0;
}

/* ---- threads ------------------------------------------------------------------------------ */

static void thread_ends(void *round)
{
	uint64_t all = ~0ULL, mask;
	unsigned int i;
	int fd, last;

	/* The program's destructors may make calls: ours waits for the last round. */
	if ((uintptr_t)round < ROUNDS &&
	    pthread_setspecific(key, (void *)((uintptr_t)round + 1)) == 0)
		return;
	/* No handler is to run on top of this, or even leave it. */
	host(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &mask, sizeof(mask));
	for (i = 0; i < DEPTH; i++) {
		fd = chan_leave(&self.chan[i], &last);
		if (last)
			park(fd);
	}
	if (self.bounce)
		host(SYS_munmap, self.bounce, BOUNCE);
	self.bounce = NULL;
	self.registered = 0;
	host(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &mask, NULL, sizeof(mask));
}

static void register_thread(void)
{
	if (!self.registered) {
		self.registered = 1;
		pthread_setspecific(key, (void *)1);
	}
}

void *bounce(void)
{
	long p;

	if (!self.bounce) {
		p = host(SYS_mmap, NULL, BOUNCE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		self.bounce = host_failed(p) ? NULL : (void *)p;
	}
	return self.bounce;
}

int chan_get(struct chan **cp)
{
	struct chan *c;
	unsigned int i;
	int err;

	if (self.depth == DEPTH) {
		/* Handlers have left by longjmp(): nobody waits on these any more.  One
		 * stays open at any moment, for the process there to live on. */
		chan_close(&self.chan[0]);
		err = chan_open(&self.chan[0]);
		if (err)
			return err;
		for (i = 1; i < DEPTH; i++)
			chan_close(&self.chan[i]);
		self.depth = 0;
	}
	c = &self.chan[self.depth++];
	if (chan_is_open(c) && c->life != atomic_load_explicit(&session.life, memory_order_relaxed))
		chan_close(c);
	if (!chan_is_open(c)) {
		err = chan_open(c);
		if (err) {
			self.depth--;
			return err;
		}
	}
	/* Asked for now and then.  A child that shares our memory has descriptors of its own:
	 * a ring of its making would be no use to us. */
	if (!c->ring && c->reqno >= RING_CALLS && !(c->reqno & (c->reqno - 1)) &&
	    !client_is_shared()) {
		err = ring_open(c);
		if (err) {
			chan_close(c);
			self.depth--;
			return err;
		}
	}
	*cp = c;
	return 0;
}

struct chan *chan_next(void)
{
	struct chan *c = &self.chan[self.depth];

	return self.depth < DEPTH && chan_is_open(c) && c->life == session_life() ? c : NULL;
}

int chan_get_now(struct chan **cp)
{
	int err;

	self.impatient = 1;
	err = chan_get(cp);
	self.impatient = 0;
	return err;
}

void chan_put(struct chan *c)
{
	self.depth = c - self.chan;
}

long lost(struct chan *c, int err)
{
	unsigned int life = c->life, now_life;
	int fd;

	chan_close(c);
	if (err == -EPROTO) {
		client_warn("%s: the server does not follow the protocol", server_url());
		return -ENOTCONN;
	}
	die_if_wanted();
	/* Was it this connection, or all? */
	err = join_again(&fd, &now_life);
	if (err == 0)
		chan_use(c, fd, now_life);
	/* Who has given up the right to connect (setuid) will never know more. */
	else if (err == -EACCES || err == -EPERM)
		session_end(life);
	return -ENOTCONN;
}

/* ---- fork --------------------------------------------------------------------------------- */

void remote_forget(void)
{
	unsigned int i;

	memset(chans, 0, sizeof(chans));
	ownfd_forget(usher_forked());
	if (atomic_fetch_add(&session.gen, 1) + 1 == 0)
		atomic_store(&session.gen, 1);
	atomic_store(&session.joining, 0);
	session.cookie = (struct rump_sp_cookie){ 0 };
	for (i = 0; i < DEPTH; i++) {
		ring_forget(&self.chan[i], i < self.depth);
		stock_forget(&self.chan[i]);
	}
	atomic_store(&session.open, 0);
	atomic_store(&session.parked, -1);
	self.depth = 0;
}

/* The process is the server's that r tells of, and fd this thread's channel. */
static int take_over(int fd, const struct rump_sp_hello_reply *r)
{
	int err;

	session.cookie = r->cookie;
	session.begun = 1;
	atomic_store(&session.joining, 2);
	err = chan_use(&self.chan[0], fd, session_life());
	if (!err)
		register_thread();
	return err;
}

int remote_fork_init(const struct rump_sp_cookie *cookie)
{
	struct rump_sp_hello_reply r;
	int fd = enter(RUMP_SP_FORK, cookie, &r);

	return fd < 0 ? fd : take_over(fd, &r);
}

int session_cookie(struct rump_sp_cookie *cookie)
{
	if (atomic_load(&session.joining) != 2)
		return -ENOTCONN;
	*cookie = session.cookie;
	return 0;
}

int session_continue(int fd)
{
	struct rump_sp_hello_reply r;
	int err = server_reply(fd, &r);

	if (!err)
		err = fd = ownfd_take(fd);
	else
		host(SYS_close, fd);
	return err < 0 ? err : take_over(fd, &r);
}

/* ---- start ------------------------------------------------------------------------------------------ */

static int begin(const char *url)
{
	int err = server_set(url);

	if (err)
		return err;
	atomic_store(&session.gen, 1);
	return -pthread_key_create(&key, thread_ends);
}

int remote_take(const char *url, const struct rump_sp_cookie *cookie)
{
	struct chan *c;
	int err;

	err = begin(url);
	if (err)
		return err;
	session.cookie = *cookie;
	atomic_store(&session.joining, 2);
	err = chan_get(&c);
	if (!err)
		chan_put(c);
	return err;
}

int remote_init(const char *url)
{
	struct chan *c;
	int err;

	err = begin(url);
	if (err)
		return err;
	remote_exec_init();
	err = chan_get(&c);
	if (err) {
		if (err != -EPROTO)
			client_warn("RUMP_SERVER=%s: %s", url, server_refusal(-err));
		return err;
	}
	chan_put(c);
	return 0;
}
