// SPDX-License-Identifier: GPL-2.0-only
/*
 * smp.c - several vCPUs, and the interrupts that they send each other.
 *
 * Linux is told that all vCPUs share their last cache, which makes it look for an idle one
 * whenever it wakes a task.  Where the host runs a vCPU's carrier is the host's affair and
 * changes all the time: no cache is any vCPU's own, and one that lies idle is always better
 * than a queue.
 */
#include <linux/cpu.h>
#include <linux/irq_work.h>
#include <linux/sched.h>
#include <linux/sched/hotplug.h>
#include <linux/sched/mm.h>
#include <linux/sched/topology.h>
#include <linux/smp.h>
#include "rump.h"

void __init smp_prepare_boot_cpu(void)
{
	rump_vcpus[0].pcpu_off = per_cpu_offset(0);
}

static int one_cache(void)
{
	return SD_SHARE_LLC;
}

static struct sched_domain_topology_level topology[] = {
	{ .mask = cpu_cpu_mask, .sd_flags = one_cache, SD_INIT_NAME(MC) },
	{ NULL },
};

void __init smp_prepare_cpus(unsigned int max)
{
	unsigned int cpu;

	set_sched_topology(topology);
	for_each_possible_cpu(cpu)
		set_cpu_present(cpu, true);
	rump_irq_handler(RUMP_IRQ_RESCHED, scheduler_ipi);
	rump_irq_handler(RUMP_IRQ_CALLFUNC, generic_smp_call_function_interrupt);
	rump_irq_handler(RUMP_IRQ_WORK, irq_work_run);
	if (rump_vcpu_start(0, NULL) || rump_ticker_start())
		panic("no helper threads");
}

static DECLARE_COMPLETION(online);

int __cpu_up(unsigned int cpu, struct task_struct *idle)
{
	int r = rump_vcpu_start(cpu, idle);

	if (!r)
		wait_for_completion(&online);
	return r;
}

/* First code of a secondary vCPU, on its idle task's stack, interrupts off. */
void __noreturn rump_secondary_start(void)
{
	struct vcpu *v = this_vcpu();

	mmgrab(&init_mm);
	current->active_mm = &init_mm;
	rump_time_init_cpu();
	notify_cpu_starting(v->cpu);
	set_cpu_online(v->cpu, true);
	complete(&online);
	local_irq_enable();
	cpu_startup_entry(CPUHP_AP_ONLINE_IDLE);
	unreachable();
}

void __init smp_cpus_done(unsigned int max)
{
}

void arch_smp_send_reschedule(int cpu)
{
	rump_irq_post(cpu, RUMP_IRQ_RESCHED);
}

void arch_send_call_function_single_ipi(int cpu)
{
	rump_irq_post(cpu, RUMP_IRQ_CALLFUNC);
}

void arch_send_call_function_ipi_mask(const struct cpumask *mask)
{
	unsigned int cpu;

	for_each_cpu(cpu, mask)
		rump_irq_post(cpu, RUMP_IRQ_CALLFUNC);
}

void arch_irq_work_raise(void)
{
	rump_irq_post(smp_processor_id(), RUMP_IRQ_WORK);
}

void smp_send_stop(void)
{
}
