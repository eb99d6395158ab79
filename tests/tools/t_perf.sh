# SPDX-License-Identifier: BSD-2-Clause
#
# perf: the kernel's functions have their names there, and those who called them.

. "$(atf_get_srcdir)/../env.sh"

test_case chains 'perf record -g shows calls of the kernel by name, down to the system call' perf
chains_body() {
	case $B in *address* | *thread*) atf_skip "a preload library with a sanitizer works in its own programs only" ;; esac
	perf record -q -g -e cpu-clock -o probe -- true >log 2>&1 || atf_skip "perf: $(head -n 1 log)"
	atf_check -e ignore env LD_PRELOAD="$B/lib/librumphijack.so" perf record -q -g -e cpu-clock -o data -- \
	    dd if=/rump/dev/zero of=/dev/null bs=64k count=100000
	perf script -i data -F ip,sym,dso >chains 2>/dev/null || atf_fail "perf script"
	# A sample is a paragraph, from the innermost function on.
	awk -v RS= '/ read_zero .*librump.so.* vfs_read .*librump.so.* sys_read .*librump.so/ { n++ }
		END { print n + 0; exit n < 10 }' chains >count || {
		head -n 60 chains
		atf_fail "$(cat count) of $(grep -c '^$' chains) samples are a whole chain of calls in read()"
	}
}

atf_init_test_cases() {
	atf_add_test_case chains
}
