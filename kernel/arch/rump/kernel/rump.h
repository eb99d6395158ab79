/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rump.h - what the files of arch/rump/kernel share, and nobody else sees.
 */
#ifndef RUMP_KERNEL_RUMP_H
#define RUMP_KERNEL_RUMP_H

#include <linux/cache.h>
#include <linux/linkage.h>
#include <linux/types.h>
#include <asm/irq.h>
#include <asm/lwproc.h>
#include <asm/vcpu.h>

/* functions of librump.so's public interface (everything else is hidden) */
#define RUMP_PUBLIC	__attribute__((visibility("default")))

struct file;
struct page;
struct llist_head;
struct task_struct;
struct rumpuser_net_request;

/* A call that a host thread has made, on that thread's stack. */
struct rump_call {
	long	nr;
	long	args[6];
	long	ret;
	struct rump_signals sigs;
};

/* numbers of calls that only librump itself makes */
#define RUMP_NR_EXIT		(-1L)	/* the task ends */
#define RUMP_NR_FUNCTION	(-2L)	/* ret = args[0](args[1]) */

/*
 * A task that a host thread can be.  host: the thread that is it now.  call:
 * what that thread wants done; set before the thread asks for a vCPU, cleared
 * when the result is there.
 */
struct rump_lwp {
	struct task_struct	*task;
	struct rump_host	*host;
	struct rump_call	*call;
	struct vcpu		*last;		/* where it ran last */
	void			*stack;		/* top of its (empty) kernel stack */
	bool			moved;		/* its call is to end, and be made elsewhere */
};

/* bits of rump_host.word, which the thread sleeps on */
#define HOST_WAITING	1u	/* may be given a vCPU */
#define HOST_GRANT	2u	/* carries host->grant from now on */
#define HOST_DONE	4u	/* its call is done, by another carrier */
#define HOST_KICK	8u	/* look again: a vCPU may have work */
#define HOST_SPAWNED	16u	/* its rump_spawn is done */
#define HOST_ASLEEP	32u	/* waits in the host, not in a loop */

/* A host thread.  Never freed (others may look at it at any time), reused. */
struct rump_host {
	struct rump_lwp		*lwp;		/* NULL: helper, or none yet */
	unsigned long		base;		/* where its own stack is free */
	u32			word;
	bool			leaving;	/* its call is done; let it go */
	bool			in_call;
	s64			left;		/* when leaving was set, ns */
	u32			queued;		/* is in a vcpu->wakers */
	u32			interrupt;	/* its call is to end early; see wake_wakers() */
	int			tid;		/* on the host */
	struct rump_host	*due;		/* to be woken: its call was done by this one */
	struct vcpu		*grant;
	struct vcpu		*own;		/* a helper thread's vCPU */
	struct vcpu		*cover;		/* whose clock it watches while it waits ... */
	s64			until;		/* ... and when it looks again, ns */
	struct rump_host	*next;		/* in vcpu->wakers, or free */
} __attribute__((aligned(64)));

/* entry.S */
asmlinkage void rump_switch(unsigned long *save, unsigned long sp);
asmlinkage void rump_switch_to_host(unsigned long *save, unsigned long base,
				    void (*fn)(void *), void *arg);
asmlinkage void __noreturn rump_resume(unsigned long sp);
asmlinkage void rump_host_run(unsigned long *base, unsigned long sp,
			      void (*fn)(void *), void *arg);
asmlinkage void __noreturn rump_host_return(unsigned long base);
asmlinkage void __noreturn rump_jump(void *sp, void (*fn)(void *), void *arg);
asmlinkage void rump_task_start(void);
asmlinkage void __noreturn rump_task_main(void);

/* host.c, vcpu.c */
static __always_inline struct rump_host *this_host(void)
{
	struct rump_host *h;

	asm volatile("movq rump_tls_host@gottpoff(%%rip), %0\n\t"
		     "movq %%fs:(%0), %0" : "=r" (h));
	return h;
}
/* A signal waits at the thread's door: its call is to end, the next one need not begin. */
static __always_inline unsigned long this_signal(void)
{
	unsigned long n;

	asm volatile("movq rump_tls_signal@gottpoff(%%rip), %0\n\t"
		     "movq %%fs:(%0), %0" : "=r" (n));
	return n;
}
static __always_inline void set_this_signal(unsigned long n)
{
	asm volatile("movq rump_tls_signal@gottpoff(%%rip), %%rax\n\t"
		     "movq %0, %%fs:(%%rax)" : : "r" (n) : "rax", "memory");
}
struct rump_host *rump_host_get(void);
struct rump_host *rump_host_at(unsigned int i);
void rump_host_put(struct rump_host *h);
void rump_host_post(struct rump_host *h, u32 bit);
u32 rump_host_clear(struct rump_host *h, u32 bits);
void rump_host_await(struct rump_host *h, u32 bit);
void rump_host_call(struct rump_host *h, struct rump_call *c);
void rump_host_interrupt(struct rump_host *h);
void rump_vcpu_idle(void);
int rump_vcpu_start(unsigned int cpu, struct task_struct *idle);
void rump_vcpu_boot(struct rump_host *h, void (*fn)(void *));
void rump_vcpu_boot_done(void);
void __noreturn rump_lwp_main(struct rump_lwp *lwp);
struct rumpuser_sp_chan;
bool rump_vcpu_linger(struct rumpuser_sp_chan *chan, bool stay);
unsigned int rump_vcpu_attended(unsigned int cpu);
void rump_vcpu_freeze(void);
void rump_vcpu_thaw(void);
void rump_vcpu_leave(void);
extern u32 rump_nfrozen;
extern unsigned int rump_nvcpu;

/* time.c */
void rump_time_init_cpu(void);
extern s64 rump_boot_ns;

/* ticker.c */
void rump_ticker_wake(void);
int rump_ticker_start(void);
void rump_ticker_leave(void);

/* smp.c */
void __noreturn rump_secondary_start(void);

/* process.c, agent.c, lwproc.c */
int rump_lwp_attach(void);
void rump_lwp_exit(struct task_struct *t);
void rump_lwp_free_task(void);
RUMP_PUBLIC int rump_pub_lwproc_rfork(int flags);
RUMP_PUBLIC int rump_pub_lwproc_newlwp(pid_t pid);
RUMP_PUBLIC int rump_pub_lwproc_switch(struct rump_lwp *lwp);
RUMP_PUBLIC int rump_pub_lwproc_releaselwp(void);
RUMP_PUBLIC struct rump_lwp *rump_pub_lwproc_curlwp(void);
void rump_thread_exit(void *host);
void __noreturn rump_init_process(void);

/* syscall.c */
RUMP_PUBLIC long rump_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
void rump_do_call(struct rump_call *c);
long rump_call_function(long (*fn)(void *), void *arg);
long rump_syscall_exit(void);
/*
 * The door: a thread that wants to make a call, or to become a task, has in_call set
 * while it is inside.  enter: 0, or why it may not.
 */
int rump_door_enter(struct rump_host *h);
enum rump_door { DOOR_OPEN, DOOR_SHUT, DOOR_MOVING, DOOR_MOVED };
void rump_door_set(enum rump_door state);
void rump_signals_init(void);
extern bool rump_signal_door;	/* handlers wait until their thread has left the kernel */
RUMP_PUBLIC void rump_pub_signal_door(void);
RUMP_PUBLIC void rump_pub_interrupt(void);
RUMP_PUBLIC void rump_pub_interrupt_end(void);
/* Is there a signal for t, which is outside, that its program should get now?  It does. */
bool rump_signal_due(struct task_struct *t);
void rump_signal_outside(struct rump_lwp *lwp);

/* direct.c */
asmlinkage long rump_sys_fcntl(unsigned int fd, unsigned int cmd, unsigned long arg);

/* placeholder.c */
/* The far end of fd's placeholder is far, which is ours; it stays the caller's if that fails. */
long rump_ph_attach(int fd, int far);
/* Frees those that rump_ph_close() has left on the list that rump_sp_later() gave. */
void rump_ph_free_now(struct llist_head *list);
void rump_ph_watch_all(void);
bool rump_ph_any(void);
void rump_ph_drop_all(void);
long rump_private_call(long nr, const long args[6]);
long rump_ph_close(unsigned int fd);
void rump_ph_gone(void *cookie);
bool rump_ph_of(struct file *file);

/*
 * hostfile.c: RUMP_CALL_HOST_PUT and GET, for an embedded kernel's program; and the file itself,
 * a reference, with its descriptor here, which is open as long as the file is.
 */
long rump_hostfile_put(int fd);
long rump_hostfile_get(int rfd);
bool rump_is_hostfile(const struct file *file);
struct file *rump_hostfile(int rfd, int *fdp);

/*
 * mapfile.c: while there are mapped files, a call that may concern them is between before
 * and after.  look: a program may have unmapped something, by its end.  direct: file is about
 * to be read or written without the page cache.
 */
extern int rump_nmaps;
void rump_map_before(long nr, const long args[6]);
void rump_map_after(void);
void rump_map_direct(const struct file *file);
void rump_map_look(void);
void rump_map_count(int by);
long rump_lend(struct file *file, u64 off, u64 len);
void rump_lend_look(bool forced);
long rump_map_call(long nr, const long args[6]);

/* module.c: rumpuser_symbol(), also for modules' functions */
int rump_symbol(unsigned long addr, char *buf, size_t len);

/* stacks.c */
bool rump_is_stack(gfp_t gfp, unsigned int order);
struct page *rump_stack_alloc(gfp_t gfp);

/* memory.c */
void rump_memory_fed(void);

/* block.c */
void rump_blk_done(void *cookie, int error);

/* netif.c */
void rump_net_done(struct rumpuser_net_request *r);
long rump_netif_call(int op, const char __user *text, char __user *buf, size_t len);

/* trace.c */
long rump_trace_call(int pid);
void rump_trace_exit(struct task_struct *t);

/* hostdir.c */
void rump_dir_done(void *cookie);
void rump_dir_interrupt(void);

/* sp.c: user memory of a sysproxy client's task; bytes not copied, or length/-EFAULT */
unsigned long rump_remote_copy_from(void *dst, unsigned long src, size_t n);
unsigned long rump_remote_copy_to(unsigned long dst, const void *src, size_t n);
unsigned long rump_remote_clear(unsigned long dst, size_t n);
long rump_remote_strncpy(char *dst, unsigned long src, long n);
/* such a task ends */
void rump_sp_exit(struct task_struct *t);
/* Where current, if it is a client's task, has work for after its answer; or NULL. */
struct llist_head *rump_sp_later(void);
/* current's program is of another user than the server's, or on another host (sp_doors.c) */
bool rump_is_stranger(void);

/* setup */
void rump_uaccess_init(void);
void rump_console_init(void);

#endif
