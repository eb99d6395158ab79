#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh BUILDDIR [TEST]... - runs the tests by kyua, several at a time, shows what failed, and ends with
# the line "N passed, N failed, N skipped" (a broken test has failed).  Exit 0: none failed.

set -u

b=$1
shift
# Several runs at once, of parts, do not mix.
db=$PWD/$b/tests/results.$$.db
log=$PWD/$b/tests/kyua.log
kyua="kyua --config=none --logfile=$log -v parallelism=${RUMP_TEST_JOBS:-$(nproc)}"

# Faults are ours to handle, and freed memory is not to pile up.
export ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:quarantine_size_mb=0:thread_local_quarantine_size_kb=0
export TSAN_OPTIONS=handle_segv=0:handle_sigbus=0
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
unset RUMP_SERVER RUMP_NCPU RUMP_MEMLIMIT RUMP_VERBOSE RUMP_MOUNT RUMPHIJACK LD_PRELOAD
trap 'mv -f "$db" "$PWD/$b/tests/results.db" 2>/dev/null' EXIT
$kyua test --kyuafile="$b/tests/Kyuafile" --results-file="$db" "$@" |
	grep -v -e '->  passed' -e '->  skipped' -e '^Results' -e '^$'

kyua report --results-file="$db" --verbose --results-filter=broken,failed |
	awk '/^===> /		{ show = /\// }
	     /^Start time|^End time|^Duration|^Metadata|^$/ { next }
	     /^    [a-z_]+ (=|is)/	{ next }
	     show'

kyua report --results-file="$db" --results-filter=skipped | sed -n 's/  ->  skipped: /: skipped: /p'
# Test cases: 9 total, 1 skipped, 0 expected failures, 1 broken, 1 failed
kyua report --results-file="$db" | sed -n 's/^Test cases: //p' | tr , '\n' | awk '
	{ n[$2] += $1 }
	END {
		if (n["total"] == 0)
			n["total"] = n["broken"] = 1	# nothing was run
		failed = n["failed"] + n["broken"]
		printf "%d passed, %d failed, %d skipped\n",
		    n["total"] - failed - n["skipped"], failed, n["skipped"]
		exit failed > 0
	}'
