# SPDX-License-Identifier: BSD-2-Clause
# Descriptors and readiness in the corners (h_fds.c): on the host, where a failure is the test's,
# embedded, and in a server, there also where libc was not patched.
. "$(atf_get_srcdir)/../env.sh"

embedded="timeout 100 env LD_PRELOAD=$B/lib/librumphijack.so"
remote="$embedded RUMP_SERVER=unix://$PWD/s"

fds() {
	test_case "$1" "$2"
	fds_cases="$fds_cases $1"
	eval "${1}_body() { in_all_ways $1; }"
}
in_all_ways() {
	mkdir dir
	run="$B/tests/hijack/h_fds $1"
	atf_check -o ignore $run "$PWD/dir"
	atf_check -o ignore $embedded $run /rump/tmp
	atf_check -o ignore $embedded RUMP_NCPU=2 $run /rump/tmp
	atf_check -o ignore "$B/server/rump_server" "unix://$PWD/s"
	atf_check -o ignore $remote $run /rump/tmp
	atf_check -o ignore $remote RUMPHIJACK_NOPATCH=1 $run /rump/tmp
	# Local sockets of the rump kernel, too.
	atf_check -o ignore $remote RUMPHIJACK=path=/rump,socket=all $run /rump/tmp
}
fds names "/proc/self/fd, /dev/fd and fdinfo show what a descriptor is"
fds limits "RLIMIT_NOFILE as on the host, and numbers that nobody else has"
fds unused "a number that is not in use is told to be so"
fds selects "select() looks at the bits it is to look at, and at what was asked for"
fds epolls "epoll_ctl() and its mistakes, copies older than the first member, exec"
fds messages "descriptors for a socket that takes none, names of another family, splice()"

atf_init_test_cases() {
	for t in $fds_cases; do
		atf_add_test_case $t
	done
}
