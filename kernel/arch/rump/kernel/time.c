// SPDX-License-Identifier: GPL-2.0-only
/*
 * time.c - the host's monotonic clock as clock source, and one clock event
 * device a vCPU, whose deadline is watched as vcpu.c and ticker.c tell.
 */
#include <linux/clockchips.h>
#include <linux/clocksource.h>
#include <linux/delay.h>
#include <linux/sched/clock.h>
#include <linux/timekeeping.h>
#include <rump/rumpuser.h>
#include "rump.h"

static DEFINE_PER_CPU(struct clock_event_device, clockevent);

static u64 clock_read(struct clocksource *cs)
{
	return rumpuser_clock_mono();
}

static struct clocksource clock = {
	.name	= "rump",
	.rating	= 400,
	.read	= clock_read,
	.mask	= CLOCKSOURCE_MASK(64),
	.flags	= CLOCK_SOURCE_IS_CONTINUOUS | CLOCK_SOURCE_VALID_FOR_HRES,
	.mult	= 1 << 24,
	.shift	= 24,
};

/* From the first moment: what Linux starts with would stand still for as long as booting
 * takes, and wall-clock time differ from the host's by that. */
struct clocksource *__init clocksource_default_clock(void)
{
	return &clock;
}

unsigned long long notrace sched_clock(void)
{
	return rumpuser_clock_mono() - rump_boot_ns;
}

void read_persistent_clock64(struct timespec64 *ts)
{
	*ts = ns_to_timespec64(rumpuser_clock_real());
}

static int set_next_event(unsigned long delta, struct clock_event_device *dev)
{
	(void)arch_xchg(&this_vcpu()->deadline, rumpuser_clock_mono() + (s64)delta);
	rump_ticker_wake();
	return 0;
}

static int set_shutdown(struct clock_event_device *dev)
{
	WRITE_ONCE(this_vcpu()->deadline, S64_MAX);
	return 0;
}

static void timer_interrupt(void)
{
	struct clock_event_device *dev = this_cpu_ptr(&clockevent);

	WRITE_ONCE(this_vcpu()->deadline, S64_MAX);
	if (dev->event_handler)
		dev->event_handler(dev);
	rumpuser_cpu_poll(this_vcpu()->cpu);
}

void rump_time_init_cpu(void)
{
	struct clock_event_device *dev = this_cpu_ptr(&clockevent);

	dev->name = "rump";
	dev->features = CLOCK_EVT_FEAT_ONESHOT;
	dev->rating = 400;
	dev->cpumask = cpumask_of(smp_processor_id());
	dev->set_next_event = set_next_event;
	dev->set_state_shutdown = set_shutdown;
	dev->set_state_oneshot_stopped = set_shutdown;
	clockevents_config_and_register(dev, NSEC_PER_SEC, 1, LONG_MAX);
}

void __init time_init(void)
{
	rump_irq_handler(RUMP_IRQ_TIMER, timer_interrupt);
	__clocksource_register(&clock);
	rump_time_init_cpu();
}

/* Until our clock source is in use no time passes: a few ms are missing. */
static int __init catch_up(void)
{
	struct timespec64 ts;

	read_persistent_clock64(&ts);
	return do_settimeofday64(&ts);
}
late_initcall(catch_up);

/* Loops on the clock; nothing to calibrate. */
void __delay(unsigned long ns)
{
	s64 end = rumpuser_clock_mono() + ns;

	while (rumpuser_clock_mono() < end)
		cpu_relax();
}

void __ndelay(unsigned long ns)
{
	__delay(ns);
}

void __udelay(unsigned long us)
{
	__delay(us * NSEC_PER_USEC);
}

void __const_udelay(unsigned long x)
{
	__delay((x * 1000) >> 32);
}

void calibrate_delay(void)
{
	loops_per_jiffy = NSEC_PER_SEC / HZ;
}
