// SPDX-License-Identifier: GPL-2.0-only
/*
 * setup.c - from nothing to start_kernel(): memory, vCPUs, command line.
 */
#include <linux/console.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/panic_notifier.h>
#include <linux/reboot.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/start_kernel.h>
#include <linux/sysctl.h>
#include <asm/archrandom.h>
#include <asm/sections.h>
#include <asm/setup.h>
#include <rump/rumpuser.h>
#include "../../../lib/rumpk.h"
#include "rump.h"
#include "virtif.h"

unsigned long rump_ram_base, rump_ram_size;
s64 rump_boot_ns;
void *empty_zero_page;
static struct rumpk_params params;

/* ---- boot ------------------------------------------------------------------------ */

/* A program's handler may run on top of a call, but not if handlers wait until it is over. */
static int is_ours(uintptr_t pc)
{
	return this_vcpu() && (rump_signal_door ||
			       (pc >= (uintptr_t)_stext && pc < (uintptr_t)_etext));
}

static const struct rumpuser_upcalls upcalls = {
	.blk_done	= rump_blk_done,
	.dir_done	= rump_dir_done,
	.thread_exit	= rump_thread_exit,
	.ph_gone	= rump_ph_gone,
	.net_ready	= rump_net_ready,
	.net_done	= rump_net_done,
	.is_ours	= is_ours,
};

static void __ref boot(void *unused)
{
	start_kernel();
}

int rumpk_boot(const struct rumpk_params *p)
{
	struct rump_host *h;
	void *ram;
	int r;

	r = rumpuser_init(RUMPUSER_VERSION, &upcalls);
	if (r)
		return r;
	params = *p;
	r = rumpuser_ram_alloc(params.mem, &ram);
	if (r)
		return r;
	h = rump_host_get();
	if (!h)
		return -EAGAIN;
	rump_ram_base = (unsigned long)ram;
	rump_ram_size = params.mem;
	rump_boot_ns = rumpuser_clock_mono();
	rump_nvcpu = params.ncpu;
	rump_vcpu_boot(h, boot);
	return 0;
}

void __init smp_setup_processor_id(void)
{
	init_task.thread_info.cpu = 0;
}

/*
 * Devices are made when somebody asks for them (by netlink or /dev/loop-control): a set of
 * them for nobody costs a third of the time to boot and of the memory.  A debugging kernel
 * does not go on after a warning: a test would not notice.
 */
static const char command_line[] __initconst =
#ifdef CONFIG_PROVE_LOCKING
	"panic_on_warn=1 "
#endif
	"panic=-1 nbd.nbds_max=0 bonding.max_bonds=0 dummy.numdummies=0 ifb.numifbs=0 "
	"fb_tunnels=none";

void __init setup_arch(char **cmdline)
{
	unsigned long zone_end[MAX_NR_ZONES] = { };
	unsigned int cpu;

	strscpy(boot_command_line, command_line, COMMAND_LINE_SIZE);
	*cmdline = boot_command_line;
	console_loglevel = params.verbose ? CONSOLE_LOGLEVEL_DEFAULT : 3;
	rump_console_init();
	rump_uaccess_init();

	for (cpu = 0; cpu < rump_nvcpu; cpu++)
		set_cpu_possible(cpu, true);
	set_cpu_online(0, true);

	setup_initial_init_mm(_stext, _etext, _edata, _end);
	min_low_pfn = 0;
	max_pfn = max_low_pfn = PFN_DOWN(rump_ram_size);
	memblock_add(0, rump_ram_size);
	memblock_reserve(0, PAGE_SIZE);		/* physical address 0 is no memory */
	empty_zero_page = memblock_alloc(PAGE_SIZE, PAGE_SIZE);
	if (!empty_zero_page)
		panic("no memory");
	zone_end[ZONE_NORMAL] = max_pfn;
	free_area_init(zone_end);
}

void __init mem_init(void)
{
	memblock_free_all();
}

/* .init.* is part of librump.so: nothing to give back. */
void free_initmem(void)
{
}

void __init init_IRQ(void)
{
}

int show_interrupts(struct seq_file *m, void *v)
{
	return 0;
}

static int cpuinfo_show(struct seq_file *m, void *v)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		seq_printf(m, "processor\t: %u\nmodel name\t: rump vCPU\n\n", cpu);
	return 0;
}

static void *cpuinfo_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? NULL : (void *)1;
}

static void *cpuinfo_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return NULL;
}

static void cpuinfo_stop(struct seq_file *m, void *v)
{
}

const struct seq_operations cpuinfo_op = {
	.start = cpuinfo_start, .next = cpuinfo_next, .stop = cpuinfo_stop, .show = cpuinfo_show,
};

size_t rump_random_seed(unsigned long *v, size_t max)
{
	rumpuser_getrandom(v, max * sizeof(*v));
	return max;
}

/* For jent_entropy_init(), which would measure for milliseconds how random our clock is. */
int __wrap_jent_entropy_init(unsigned int osr, unsigned int flags, void *desc, void *ec);
int __init __wrap_jent_entropy_init(unsigned int osr, unsigned int flags, void *desc, void *ec)
{
	return 1;	/* "no timer service" */
}

/* ---- console and end ------------------------------------------------------------------ */

static void console_write(struct console *c, const char *s, unsigned int n)
{
	rumpuser_putchars(s, n);
}

static struct console rump_console = {
	.name	= "rump",
	.write	= console_write,
	.flags	= CON_PRINTBUFFER | CON_ENABLED,
	.index	= -1,
};

void __init rump_console_init(void)
{
	register_console(&rump_console);
}

/* panic() itself shows the stack only with DEBUG_BUGVERBOSE, which wants a real machine. */
static int at_panic(struct notifier_block *nb, unsigned long event, void *msg)
{
	dump_stack();
	console_flush_on_panic(CONSOLE_FLUSH_PENDING);
	rumpuser_exit(RUMPUSER_PANIC);
}

static struct notifier_block panic_block = { .notifier_call = at_panic, .priority = INT_MIN };

static int __init panic_init(void)
{
	atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
	return 0;
}
early_initcall(panic_init);

void machine_restart(char *cmd)
{
	rumpuser_exit(RUMPUSER_PANIC);
}

void machine_halt(void)
{
	rumpuser_exit(0);
}

void machine_power_off(void)
{
	rumpuser_exit(0);
}

/*
 * A quarter of the memory may become stacks, where Linux would allow an eighth: most of
 * our tasks are clients that wait.  (Not by sysctl.* on the command line: for that, Linux
 * mounts proc, and waits for RCU to unmount it.)
 */
static int __init set_limits(void)
{
	unsigned long tasks = rump_ram_size / THREAD_SIZE / 4;
	struct ctl_table limit = { .maxlen = sizeof(int) };
	char value[24];
	size_t len = snprintf(value, sizeof(value), "%lu", tasks);
	loff_t pos = 0;

	return sysctl_max_threads(&limit, 1, value, &len, &pos);
}
core_initcall(set_limits);
