/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts are synchronous here (they are taken where they are enabled), so a
 * per-CPU operation that enables none needs no protection: this_cpu_* is raw_cpu_*.
 */
#ifndef _ASM_RUMP_PERCPU_H
#define _ASM_RUMP_PERCPU_H

#include <asm/vcpu.h>

#define __my_cpu_offset		(this_vcpu()->pcpu_off)

#define RUMP_PCPU(op, ...)	raw_cpu_generic_##op(__VA_ARGS__)

#define this_cpu_read_1(p)	__raw_pcpu_read(p)
#define this_cpu_read_2(p)	__raw_pcpu_read(p)
#define this_cpu_read_4(p)	__raw_pcpu_read(p)
#define this_cpu_read_8(p)	__raw_pcpu_read(p)
#define __raw_pcpu_read(p)	RUMP_PCPU(read, p)

#define this_cpu_write_1(p, v)	__raw_pcpu_op(p, v, =)
#define this_cpu_write_2(p, v)	__raw_pcpu_op(p, v, =)
#define this_cpu_write_4(p, v)	__raw_pcpu_op(p, v, =)
#define this_cpu_write_8(p, v)	__raw_pcpu_op(p, v, =)
#define this_cpu_add_1(p, v)	__raw_pcpu_op(p, v, +=)
#define this_cpu_add_2(p, v)	__raw_pcpu_op(p, v, +=)
#define this_cpu_add_4(p, v)	__raw_pcpu_op(p, v, +=)
#define this_cpu_add_8(p, v)	__raw_pcpu_op(p, v, +=)
#define this_cpu_and_1(p, v)	__raw_pcpu_op(p, v, &=)
#define this_cpu_and_2(p, v)	__raw_pcpu_op(p, v, &=)
#define this_cpu_and_4(p, v)	__raw_pcpu_op(p, v, &=)
#define this_cpu_and_8(p, v)	__raw_pcpu_op(p, v, &=)
#define this_cpu_or_1(p, v)	__raw_pcpu_op(p, v, |=)
#define this_cpu_or_2(p, v)	__raw_pcpu_op(p, v, |=)
#define this_cpu_or_4(p, v)	__raw_pcpu_op(p, v, |=)
#define this_cpu_or_8(p, v)	__raw_pcpu_op(p, v, |=)
#define __raw_pcpu_op(p, v, op)	RUMP_PCPU(to_op, p, v, op)

#define this_cpu_add_return_1(p, v)	__raw_pcpu_ar(p, v)
#define this_cpu_add_return_2(p, v)	__raw_pcpu_ar(p, v)
#define this_cpu_add_return_4(p, v)	__raw_pcpu_ar(p, v)
#define this_cpu_add_return_8(p, v)	__raw_pcpu_ar(p, v)
#define __raw_pcpu_ar(p, v)		RUMP_PCPU(add_return, p, v)

#define this_cpu_xchg_1(p, v)	__raw_pcpu_xchg(p, v)
#define this_cpu_xchg_2(p, v)	__raw_pcpu_xchg(p, v)
#define this_cpu_xchg_4(p, v)	__raw_pcpu_xchg(p, v)
#define this_cpu_xchg_8(p, v)	__raw_pcpu_xchg(p, v)
#define __raw_pcpu_xchg(p, v)	RUMP_PCPU(xchg, p, v)

#define this_cpu_cmpxchg_1(p, o, n)	__raw_pcpu_cx(p, o, n)
#define this_cpu_cmpxchg_2(p, o, n)	__raw_pcpu_cx(p, o, n)
#define this_cpu_cmpxchg_4(p, o, n)	__raw_pcpu_cx(p, o, n)
#define this_cpu_cmpxchg_8(p, o, n)	__raw_pcpu_cx(p, o, n)
#define __raw_pcpu_cx(p, o, n)		RUMP_PCPU(cmpxchg, p, o, n)

#define this_cpu_try_cmpxchg_1(p, o, n)	__raw_pcpu_tcx(p, o, n)
#define this_cpu_try_cmpxchg_2(p, o, n)	__raw_pcpu_tcx(p, o, n)
#define this_cpu_try_cmpxchg_4(p, o, n)	__raw_pcpu_tcx(p, o, n)
#define this_cpu_try_cmpxchg_8(p, o, n)	__raw_pcpu_tcx(p, o, n)
#define __raw_pcpu_tcx(p, o, n)		RUMP_PCPU(try_cmpxchg, p, o, n)

#include <asm-generic/percpu.h>

#endif
