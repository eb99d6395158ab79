/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's RAM (hypercall/memory.c). */
#include <atf-c.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rumpuser.h>

#define MB	(1UL << 20)
#define PAGE	4096

ATF_TC_WITHOUT_HEAD(alloc);
ATF_TC_BODY(alloc, tc)
{
	void *base, *again;
	char *p;
	size_t i;

	ATF_CHECK_EQ(-EINVAL, rumpuser_ram_alloc(0, &base));
	ATF_CHECK_EQ(-EINVAL, rumpuser_ram_alloc(4 * MB + PAGE, &base));
	ATF_REQUIRE_EQ(0, rumpuser_ram_alloc(64 * MB, &base));
	ATF_CHECK_EQ(0, (uintptr_t)base % (4 * MB));
	for (p = base, i = 0; i < 64 * MB; i += PAGE)
		ATF_REQUIRE_EQ(0, p[i]);
	memset(p, 0xa5, 64 * MB);
	ATF_CHECK_EQ(-EBUSY, rumpuser_ram_alloc(4 * MB, &again));
}

ATF_TC(map);
ATF_TC_HEAD(map, tc)
{
	atf_tc_set_md_var(tc, "descr", "a second mapping shows the same pages, in the order given");
}
ATF_TC_BODY(map, tc)
{
	uint64_t offsets[] = { 5 * PAGE, 6 * PAGE, 7 * PAGE, 1 * PAGE, 9 * PAGE, 0 };
	uint64_t wrong[] = { 4 * MB }, odd[] = { 1 };
	const size_t n = sizeof(offsets) / sizeof(offsets[0]);
	void *base, *va;
	size_t i;

	ATF_REQUIRE_EQ(0, rumpuser_ram_alloc(4 * MB, &base));
	for (i = 0; i < n; i++)
		*(uint64_t *)((char *)base + offsets[i]) = offsets[i];
	ATF_REQUIRE_EQ(0, rumpuser_ram_map(offsets, n, &va));
	for (i = 0; i < n; i++) {
		ATF_CHECK_EQ(offsets[i], *(uint64_t *)((char *)va + i * PAGE));
		*(uint64_t *)((char *)va + i * PAGE + 8) = i;
		ATF_CHECK_EQ(i, *(uint64_t *)((char *)base + offsets[i] + 8));
	}
	rumpuser_ram_unmap(va, n);
	ATF_CHECK_EQ(3, *(uint64_t *)((char *)base + PAGE + 8));
	ATF_CHECK_EQ(-EINVAL, rumpuser_ram_map(wrong, 1, &va));
	ATF_CHECK_EQ(-EINVAL, rumpuser_ram_map(odd, 1, &va));
}

ATF_TC_WITHOUT_HEAD(not_inherited);
ATF_TC_BODY(not_inherited, tc)
{
	void *base;
	int status;

	ATF_REQUIRE_EQ(0, rumpuser_ram_alloc(4 * MB, &base));
	*(volatile char *)base = 1;
	if (fork() == 0) {
		*(volatile char *)base = 2;
		_exit(0);
	}
	wait(&status);
	ATF_CHECK(WIFSIGNALED(status));
	ATF_CHECK_EQ(1, *(volatile char *)base);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, alloc);
	ATF_TP_ADD_TC(tp, map);
	ATF_TP_ADD_TC(tp, not_inherited);
	return atf_no_error();
}
