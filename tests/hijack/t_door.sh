# SPDX-License-Identifier: BSD-2-Clause
# Signals: what a program does with them works as on the host, whatever its threads do in a
# rump kernel at that moment (h_door.c).
. "$(atf_get_srcdir)/../env.sh"

embedded="timeout 100 env LD_PRELOAD=$B/lib/librumphijack.so"
remote="$embedded RUMP_SERVER=unix://$PWD/sock"

door() {
	atf_test_case "$1" cleanup
	eval "${1}_head() { atf_set descr \"$2\"; }
	${1}_body() {
		atf_check '$B/tests/hijack/h_door' $1
		atf_check $embedded RUMP_NCPU=1 '$B/tests/hijack/h_door' $1
		atf_check $embedded RUMP_NCPU=2 '$B/tests/hijack/h_door' $1
		atf_check -o ignore '$B/server/rump_server' 'unix://$PWD/sock'
		atf_check $remote '$B/tests/hijack/h_door' $1
	}
	${1}_cleanup() { '$B/tools/rump' halt 'unix://$PWD/sock' || true; }"
	door_cases="$door_cases $1"
}
door jump "a handler leaves calls by siglongjmp() 10,000 times"
door restart "EINTR or SA_RESTART for each kind of call"
door storm "data are right in a storm of signals"
door cancel "pthread_cancel() ends blocked calls at once, with cleanup"
door cancel_later "a thread that may not be cancelled goes on"
door exit "a handler ends its thread"
door view "actions, masks, stacks and information are as the program wants"
door masks "ppoll(), pselect() and the like let signals in"
door pending "a blocked signal ends nothing and costs nothing; signalfd(), sigwait()"
door within "a handler makes calls itself"
door setuid "setuid() of all threads, wherever they are"
door fault "bad pointers are EFAULT, faults are the program's own"
door children "children by vfork() have actions of their own"
door idle "SIGIO reaches a thread that makes no call"
door pipe "SIGPIPE is there when send() returns"

atf_init_test_cases() {
	for t in $door_cases; do
		atf_add_test_case $t
	done
}
