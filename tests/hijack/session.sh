# SPDX-License-Identifier: BSD-2-Clause
#
# session.sh - for tests of programs of every kind: a shell script of servers and their clients,
# unmodified, all of it under the library, and so on one rump kernel.
#
# It runs twice: on the kernel of a rump_server, then on one of the shell's own, which a keeper
# has from the shell's first child on.

. "$TOP/tests/hijack/server.sh"

# program NAME DESCR [PROGRAM]...: a case, which needs these programs
program() {
	_name=$1 _descr=$2
	shift 2
	atf_test_case "$_name" cleanup
	eval "${_name}_head() { atf_set descr \"$_descr\"; atf_set timeout 300; }
	${_name}_body() { need $*; ${_name}_test; }
	${_name}_cleanup() { end_session; }"
	programs="$programs $_name"
}
need() {
	for _p in "$@"; do
		PATH=$PATH:/usr/sbin:/sbin command -v "$_p" >/dev/null || atf_skip "$_p is not installed"
	done
}

embedded="timeout -k 5 120 env LD_PRELOAD=$B/lib/librumphijack.so RUMP_TEST_MARK=$PWD"
remote="$embedded RUMP_SERVER=unix://$PWD/sock"

# What is left of a case, also of one that failed.
end_session() {
	[ ! -f pids ] || kill $(cat pids) 2>/dev/null
	halt
	for _p in $(keepers); do kill -9 "$_p"; done
}
# The keepers of this case, by a word in their environment.
keepers() {
	for _p in /proc/[0-9]*; do
		[ "$(cat "$_p/comm" 2>/dev/null)" = rump_keeper ] &&
		    tr '\0' '\n' 2>/dev/null <"$_p/environ" | grep -qx "RUMP_TEST_MARK=$PWD" &&
		    echo "${_p#/proc/}"
	done
	true
}

# session [RAM]: runs ./script, as inside.sh does, on a kernel of each kind; ./expected is
# what it writes
session() {
	_ram=${1:-256m}
	[ -f expected ] || : >expected
	serve -r "$_ram"
	atf_check -o file:expected ${as:-} $remote sh "$TOP/tests/hijack/inside.sh"
	halt
	atf_check -o file:expected ${as:-} $embedded RUMP_MEMLIMIT="$_ram" \
	    sh "$TOP/tests/hijack/inside.sh"
	for _i in $(seq 100); do
		[ -n "$(keepers)" ] || return 0
		sleep 0.1
	done
	atf_fail "its keeper is left: $(keepers)"
}
