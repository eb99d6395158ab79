# SPDX-License-Identifier: BSD-2-Clause
#
# inside.sh - runs ./script with what the scripts of session.sh need, under the library.

set -eu

# The kernel is there before the first child, which would otherwise have one of its own.
read -r version </rump/proc/version

ended() {
	status=$?
	[ $status = 0 ] || tail -n 20 background.out >&2
	[ ! -f pids ] || kill $(cat pids) 2>/dev/null || :
	wait
	rm -f pids
	exit $status
}
trap ended EXIT
: >background.out

fail() {
	echo "$*" >&2
	exit 1
}
# A server, until the script's end.
background() {
	"$@" >>background.out 2>&1 </dev/null &
	echo $! >>pids
}
# wait_for COMMAND...: until it succeeds
wait_for() {
	n=600
	while ! "$@"; do
		n=$((n - 1))
		[ $n -gt 0 ] || fail "in vain: $*"
		sleep 0.1
	done
}
listens() {
	ss -Htln "sport = :$1" | grep -q .
}
# Somebody listens on that port, and nobody on the host.
await() {
	wait_for listens "$1"
	! RUMPHIJACK=path=/rump listens "$1" || fail "port $1 is the host's"
}

. ./script
