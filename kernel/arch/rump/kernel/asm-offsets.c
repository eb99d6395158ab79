// SPDX-License-Identifier: GPL-2.0-only
/* Constants for entry.S. */
#include <linux/kbuild.h>
#include <linux/sched.h>
#include <asm/vcpu.h>

int main(void);
int main(void)
{
	OFFSET(VCPU_CURR, vcpu, curr);
	OFFSET(THREAD_SP, task_struct, thread.sp);
	return 0;
}
