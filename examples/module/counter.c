// SPDX-License-Identifier: BSD-2-Clause
/*
 * counter.c - a module for a rump kernel, as one for any Linux: /proc/counter counts its
 * readers, per CPU; the parameter "start" is where it begins.
 */
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static long start;
module_param(start, long, 0444);
MODULE_PARM_DESC(start, "the first number");

static DEFINE_PER_CPU(long, readers);

static int counter_show(struct seq_file *m, void *unused)
{
	long sum = start;
	unsigned int cpu;

	this_cpu_inc(readers);
	for_each_possible_cpu(cpu)
		sum += per_cpu(readers, cpu);
	seq_printf(m, "%ld %s\n", sum, current->comm);
	return 0;
}

static int __init counter_init(void)
{
	if (!proc_create_single("counter", 0444, NULL, counter_show))
		return -ENOMEM;
	pr_info("counter: from %ld\n", start);
	return 0;
}

static void __exit counter_exit(void)
{
	remove_proc_entry("counter", NULL);
}

module_init(counter_init);
module_exit(counter_exit);
MODULE_DESCRIPTION("Counts those who read /proc/counter");
MODULE_LICENSE("Dual BSD/GPL");
