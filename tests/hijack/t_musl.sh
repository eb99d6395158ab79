# SPDX-License-Identifier: BSD-2-Clause
# librumphijack for musl (make musl): the tests of the preload library, built for that libc, with its
# own system calls redirected as glibc's are; and what the interposed functions do alone.
. "$(atf_get_srcdir)/../env.sh"

lib="$B/musl/lib/librumphijack.so"
with="timeout 60 env LD_PRELOAD=$lib RUMP_SERVER=unix://$PWD/sock EARLY_DIR=/rump/run"
glibc="timeout 60 env LD_PRELOAD=$B/lib/librumphijack.so RUMP_SERVER=unix://$PWD/sock"

# compile PROGRAM [FLAG]...
compile() {
	program=$1
	shift
	atf_check musl-gcc -O -D_GNU_SOURCE -pthread -I"$TOP/include" -idirafter /usr/include \
	    -idirafter "/usr/include/$(gcc -print-multiarch)" "$@" -o $program "$TOP/tests/hijack/$program.c"
}
serve() {
	[ -e "$lib" ] || atf_skip "not built: no musl-gcc, or with a sanitizer"
	atf_check -o ignore -e ignore "$B/server/rump_server" "$@" "unix://$PWD/sock"
}
cleanup() {
	[ ! -f dns.pid ] || kill $(cat dns.pid)
	[ ! -S sock ] || "$B/tools/rump" halt "unix://$PWD/sock" || true
}

# What both libraries are tested with: NAME, PROGRAM, its cases; with / in front also where
# libc was not patched.  Those of a program are run on the host, too, where a failure is the test's.
list="
calls	h_calls	/numbers /poll /select /epoll /data /signals /left fork spawn:DIR names:DIR
more	h_more	/rights /forks /copies /waiters /servers both /kinds /unixname:DIR /movers:DIR
door	h_door	jump restart storm cancel cancel_later exit view masks pending within setuid fault children idle pipe
early	h_early	/constructors /exit /threads forks /handlers pid1 /select /close
odd	h_odd	clone:DIR chroot:DIR limit:DIR listen:DIR epoll:DIR spawn:DIR stack:DIR
move	h_move	pairs:DIR refused:DIR vectors:DIR zerocopy:DIR inotify:DIR locks:DIR aio:DIR direct:DIR
rights	h_rights mixed peek truncated lost forked
map	h_map	shared:DIR parts:DIR sharers:DIR many:DIR
libc	h_libc	DIR/new
funcs	h_funcs	streams:DIR/s files:DIR/f taken:DIR/t aio:DIR/a directories:DIR/d programs:DIR/p
"
# run NAME: that line of the list
run() {
	set -- $(echo "$list" | sed -n "s/^$1	//p")
	program=$1
	shift
	serve -r 256m
	case $program in
	h_early) compile h_early "$TOP/tests/hijack/early.c" ;;
	*) compile $program ;;
	esac
	mkdir dir
	for t in "$@"; do
		args=$(echo "${t#/}" | tr : ' ')
		[ "$args" = 'chroot DIR' ] && [ $(id -u) != 0 ] && continue
		EARLY_DIR=$PWD/dir atf_check ./$program $(echo "$args" | sed "s,DIR,$PWD/dir,")
		args=$(echo "$args" | sed "s,DIR,/rump/run,")
		atf_check $with ./$program $args
		[ "$t" = "${t#/}" ] || atf_check $with RUMPHIJACK_NOPATCH=1 ./$program $args
	done
}
for t in $(echo "$list" | cut -f1); do
	atf_test_case $t cleanup
	eval "${t}_body() { run $t; }
	${t}_cleanup() { cleanup; }"
done

# Forks and executed programs, with descriptors of the rump kernel.
atf_test_case processes cleanup
processes_body() {
	serve
	compile h_musl
	atf_check ./h_musl processes
	atf_check $with ./h_musl processes
	atf_check $with RUMPHIJACK_NOPATCH=1 ./h_musl processes
}
processes_cleanup() { cleanup; }

# Names are asked for in the rump kernel: by libc, or for it.
atf_test_case names cleanup
names_body() {
	command -v python3 >/dev/null || atf_skip "no python3"
	serve
	compile h_musl
	$glibc python3 "$TOP/tests/hijack/dns.py" >dns.out 2>&1 &
	echo $! >dns.pid
	for i in $(seq 100); do
		[ -s dns.out ] && break
		sleep 0.1
	done
	atf_check $glibc sh -c 'mkdir -p /rump/etc; echo "nameserver 127.0.0.1 # ours" >/rump/etc/resolv.conf
	    printf "# hosts\n10.7.7.7\tinhosts alias\nfd00::7 inhosts6\n" >/rump/etc/hosts'
	export RUMPHIJACK=path=/rump,socket=all:nolocal,blanket=/etc/resolv.conf:/etc/hosts
	atf_check $with ./h_musl names
	atf_check $with RUMPHIJACK_NOPATCH=1 ./h_musl names
}
names_cleanup() { cleanup; }

# What is said of libc, and what is done with it.
atf_test_case said cleanup
said_body() {
	serve
	compile h_calls
	export XDG_CACHE_HOME="$PWD/cache"
	text='^librumphijack: libc: [0-9]+ system call sites, [0-9]+ patched, [0-9]+ of no interest, [0-9]+ not understood'
	atf_check -e match:"$text \(found by rump_sites\)" $with RUMPHIJACK_VERBOSE=1 ./h_calls left
	atf_check -e match:"$text \(known from the cache\)" $with RUMPHIJACK_VERBOSE=1 ./h_calls left
	atf_check -e match:'^librumphijack: libc was not patched .*: wrappers only' \
	    $with RUMPHIJACK_NOPATCH=1 RUMPHIJACK_VERBOSE=1 ./h_calls left
	command -v python3 >/dev/null && command -v objdump >/dev/null || return 0
	$with RUMPHIJACK_VERBOSE=3 ./h_calls left 2>sites
	atf_check -o save:functions -e match:' functions, .* patched$' \
	    python3 "$TOP/tests/hijack/coverage.py" "$TOP" sites /lib/ld-musl-x86_64.so.1
	atf_check -o match:'^fopen .* open' -o match:'^getaddrinfo .* socket' -o match:'^posix_spawn .*patched' \
	    cat functions
}
said_cleanup() { cleanup; }

# Programs of one libc execute those of the other, which get the library that is for them.
atf_test_case both_libcs cleanup
both_libcs_body() {
	serve
	cat >sh.c <<-'END'
		#include <stdlib.h>
		#include <unistd.h>
		extern char **environ;
		int main(int c, char **v) { (void)c; return execve(v[1], v + 1, environ); }
	END
	atf_check musl-gcc -o sh sh.c
	compile h_calls
	atf_check $with ./sh ./sh ./h_calls left
	# a descriptor, the directory and the session, there and back and there
	printf 'text\n/rump/run\n%s\nagain text\n' "$(readlink -f "$B/lib")/librumphijack.so" >expected
	atf_check -o file:expected $glibc bash -c 'cd /rump/run && echo text >f && exec 5<f &&
	    exec "$0" /bin/sh -c "cat <&5; pwd; echo \$LD_PRELOAD
	    exec \"$0\" /bin/sh -c \"read x <f; echo again \\\$x\""' "$PWD/sh"
	atf_check $glibc sh -c "./h_calls numbers"
	# a library that is by itself refuses what it cannot be in
	mkdir -p alone/lib
	cp "$B/hijack/librumphijack.so" "$B/lib/librumpclient.so.1" alone/lib
	atf_check -s exit:126 -e match:'"./sh" is for another C library' timeout 60 \
	    env LD_LIBRARY_PATH="$PWD/alone/lib" LD_PRELOAD="$PWD/alone/lib/librumphijack.so" sh -c './sh true'
}
both_libcs_cleanup() { cleanup; }

atf_init_test_cases() {
	for t in $(echo "$list" | cut -f1) processes names said both_libcs; do
		atf_add_test_case $t
	done
}
