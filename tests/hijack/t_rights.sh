# SPDX-License-Identifier: BSD-2-Clause
# Descriptors of both kernels in messages: over the host's AF_UNIX sockets and the rump kernel's,
# on the host, embedded, and in a server.
. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/hijack/server.sh"

preload="timeout 120 env LD_PRELOAD=$B/lib/librumphijack.so"
server="RUMP_SERVER=unix://$PWD/sock"
unix="RUMPHIJACK=path=/rump,socket=all"
h=$B/tests/hijack/h_rights

rights() {
	atf_test_case "$1" cleanup
	eval "${1}_body() {
		atf_check '$h' $1
		atf_check $preload '$h' $1
		atf_check $preload $unix '$h' $1
		serve
		atf_check $preload $server '$h' $1
		atf_check $preload $server $unix '$h' $1
	}
	${1}_cleanup() { halt; }"
}
for t in mixed peek truncated lost wrong forked; do
	rights $t
done

# The host has no such end for root, nor one that is ours to test.
atf_test_case hoard cleanup
hoard_body() {
	atf_check $preload $unix "$h" hoard
	serve
	atf_check $preload $server $unix "$h" hoard
	atf_check $preload $server $unix "$h" mixed
}
hoard_cleanup() { halt; }

# Two programs, by names of both kernels.
atf_test_case programs cleanup
programs_body() {
	serve
	for dir in $PWD /rump/run; do
		rm -f out
		$preload $server "$h" serve $dir/name >out &
		echo $! >pid
		for i in $(seq 200); do
			[ ! -s out ] || break
			sleep 0.1
		done
		atf_check $preload $server "$h" ask $dir/name
		wait $(cat pid) || atf_fail "the one that was asked failed, in $dir"
	done
}
programs_cleanup() {
	[ ! -f pid ] || kill $(cat pid) 2>/dev/null
	halt
}

atf_init_test_cases() {
	for t in mixed peek truncated lost wrong forked hoard programs; do
		atf_add_test_case $t
	done
}
