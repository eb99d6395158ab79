# SPDX-License-Identifier: BSD-2-Clause
# librumphijack for musl (make musl): wrappers alone, since that libc's text is not patched.
. "$(atf_get_srcdir)/../env.sh"

remote="timeout 60 env LD_PRELOAD=$B/musl/lib/librumphijack.so RUMP_SERVER=unix://$PWD/sock"

serve() {
	[ -e "$B/musl/lib/librumphijack.so" ] || atf_skip "not built: no musl-gcc, or with a sanitizer"
	atf_check -o ignore -e ignore "$B/server/rump_server" "$@" "unix://$PWD/sock"
	for p in h_calls h_more; do
		atf_check musl-gcc -O -D_GNU_SOURCE -pthread -I"$TOP/include" -idirafter /usr/include \
		    -idirafter "/usr/include/$(gcc -print-multiarch)" -o $p "$TOP/tests/hijack/$p.c"
	done
}
cleanup() {
	"$B/tools/rump" halt "unix://$PWD/sock" || true
}

atf_test_case calls cleanup
calls_body() {
	serve
	for t in numbers poll select epoll data signals left; do
		atf_check $remote ./h_calls $t
	done
}
calls_cleanup() { cleanup; }

atf_test_case more cleanup
more_body() {
	serve -r 256m
	for t in rights forks copies waiters servers kinds; do
		atf_check $remote ./h_more $t
	done
	atf_check $remote ./h_more unixname /rump/run
	atf_check $remote ./h_more movers /rump/run
}
more_cleanup() { cleanup; }

# What is said, and programs of the other libc, which neither library can be in.
atf_test_case said cleanup
said_body() {
	serve
	cat >sh.c <<-'END'
		#include <stdlib.h>
		#include <unistd.h>
		extern char **environ;
		int main(int c, char **v) { (void)c; return execve(v[1], v + 1, environ); }
	END
	atf_check musl-gcc -o sh sh.c
	atf_check -e match:'^librumphijack: libc was not patched .*: wrappers only' \
	    $remote RUMPHIJACK_VERBOSE=1 ./h_calls left
	atf_check -s exit:126 -e match:'"./sh" is for another C library' timeout 60 \
	    env LD_PRELOAD="$B/lib/librumphijack.so" sh -c './sh true'
	atf_check -s not-exit:0 -e match:'"/bin/true" is for another C library' $remote ./sh /bin/true
	atf_check $remote ./sh ./sh ./h_calls left
}
said_cleanup() { cleanup; }

atf_init_test_cases() {
	for t in calls more said; do
		atf_add_test_case $t
	done
}
