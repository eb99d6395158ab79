# SPDX-License-Identifier: BSD-2-Clause
# librumphijack for musl (make musl): wrappers alone, since that libc's text is not patched.
. "$(atf_get_srcdir)/../env.sh"

remote="timeout 60 env LD_PRELOAD=$B/musl/lib/librumphijack.so RUMP_SERVER=unix://$PWD/sock"

compile() {
	atf_check musl-gcc -O -D_GNU_SOURCE -pthread -I"$TOP/include" -idirafter /usr/include \
	    -idirafter "/usr/include/$(gcc -print-multiarch)" -o $1 "$TOP/tests/hijack/$1.c" \
	    ${2:+"$TOP/tests/hijack/$2.c"}
}
serve() {
	[ -e "$B/musl/lib/librumphijack.so" ] || atf_skip "not built: no musl-gcc, or with a sanitizer"
	atf_check -o ignore -e ignore "$B/server/rump_server" "$@" "unix://$PWD/sock"
	compile h_calls
	compile h_more
}
cleanup() {
	[ ! -f dns.pid ] || kill $(cat dns.pid)
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

# Forks and executed programs, with descriptors of the rump kernel.
atf_test_case processes cleanup
processes_body() {
	serve
	compile h_musl
	atf_check ./h_musl processes
	atf_check $remote ./h_musl processes
}
processes_cleanup() { cleanup; }

atf_test_case moments cleanup
moments_body() {
	serve
	compile h_early early
	export EARLY_DIR=/rump/run RUMPHIJACK_NOPATCH=1		# nothing by stdio
	for t in constructors exit threads handlers select close; do
		atf_check $remote ./h_early $t
	done
}
moments_cleanup() { cleanup; }

# Names are asked for in the rump kernel, though libc would ask on the host.
atf_test_case names cleanup
names_body() {
	command -v python3 >/dev/null || atf_skip "no python3"
	serve
	compile h_musl
	glibc="timeout 60 env LD_PRELOAD=$B/lib/librumphijack.so RUMP_SERVER=unix://$PWD/sock"
	$glibc python3 "$TOP/tests/hijack/dns.py" >dns.out 2>&1 &
	echo $! >dns.pid
	for i in $(seq 100); do
		[ -s dns.out ] && break
		sleep 0.1
	done
	atf_check $glibc sh -c 'mkdir -p /rump/etc; echo "nameserver 127.0.0.1 # ours" >/rump/etc/resolv.conf
	    printf "# hosts\n10.7.7.7\tinhosts alias\nfd00::7 inhosts6\n" >/rump/etc/hosts'
	export RUMPHIJACK=path=/rump,socket=all:nolocal,blanket=/etc/resolv.conf:/etc/hosts
	atf_check $remote ./h_musl names
}
names_cleanup() { cleanup; }

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
	for t in calls more processes moments names said; do
		atf_add_test_case $t
	done
}
