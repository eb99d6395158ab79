# SPDX-License-Identifier: BSD-2-Clause
# Unmodified programs on a rump kernel: in the process, and in a server.
. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/hijack/server.sh"

embedded="timeout 60 env LD_PRELOAD=$B/lib/librumphijack.so"
remote="$embedded RUMP_SERVER=unix://$PWD/sock"

calls() {
	atf_test_case "$1" cleanup
	eval "${1}_body() {
		atf_check $embedded '$B/tests/hijack/h_calls' $1
		serve
		atf_check $remote '$B/tests/hijack/h_calls' $1
	}
	${1}_cleanup() { halt; }"
}
calls numbers
calls poll
calls select
calls epoll
calls data
calls signals

# The same of h_more, which is about several threads, processes and copies.
more() {
	atf_test_case "$1" cleanup
	eval "${1}_body() {
		${3:+mkdir $3}
		atf_check '$B/tests/hijack/h_more' $1 ${3:+\$PWD/$3}
		[ -n '$2' ] || atf_check $embedded '$B/tests/hijack/h_more' $1 ${3:+/rump/run}
		serve
		atf_check $remote '$B/tests/hijack/h_more' $1 ${3:+/rump/run}
	}
	${1}_cleanup() { halt; }"
}
more rights by_fork
more forks by_fork
more copies
more waiters
more servers
more both
more kinds
more unixname '' dir
more movers '' dir

atf_test_case names cleanup
names_body() {
	atf_check $embedded "$B/tests/hijack/h_calls" names /rump/run
	serve
	atf_check $remote "$B/tests/hijack/h_calls" names /rump/run
}
names_cleanup() { halt; }

atf_test_case processes cleanup
processes_body() {
	serve
	atf_check $remote "$B/tests/hijack/h_calls" fork
	atf_check $remote "$B/tests/hijack/h_calls" left
	atf_check $remote "$B/tests/hijack/h_calls" spawn /rump/run
}
processes_cleanup() { halt; }

atf_test_case image
image_body() {
	[ -x /sbin/mkfs.ext4 ] || atf_skip "mkfs.ext4 is not installed"
	truncate -s 32M img
	atf_check -o ignore -e ignore /sbin/mkfs.ext4 -q img
	dd if=/dev/urandom of=data bs=1000 count=3000 2>dd.err
	export RUMP_MOUNT="$(pwd)/img:/mnt"
	atf_check $embedded cp data /rump/mnt/data
	atf_check $embedded cmp data /rump/mnt/data
	atf_check -o match:'data' $embedded ls -l /rump/mnt
	atf_check $embedded mkdir /rump/mnt/d
	atf_check $embedded tar cf /rump/mnt/d/t.tar -C /rump/mnt data
	atf_check -o inline:'data\n' $embedded tar tf /rump/mnt/d/t.tar
	atf_check $embedded rm /rump/mnt/data
	atf_check -o ignore -e ignore /sbin/e2fsck -fn img
}

atf_test_case shell cleanup
shell_body() {
	serve
	cat >script <<-'END'
		cd /rump/run; pwd
		echo one >f; cat f | tr a-z A-Z >g; cat <g
		exec 5<>f; cat <&5; exec 5>&-
		(cd /; pwd; ls /rump/run); /bin/pwd
		cat f g | wc -l
		cp /bin/echo e; ./e from rump
		printf '#!/bin/sh\necho $1 "$0"\n' >s; chmod +x s; ./s script
		cd ../..; pwd
	END
	cat >expected <<-'END'
		/rump/run
		ONE
		one
		/
		f
		g
		/rump/run
		2
		from rump
		script ./s
		/
	END
	for sh in bash dash; do
		atf_check -o file:expected $remote $sh script
		atf_check $remote rm /rump/run/f /rump/run/g /rump/run/e /rump/run/s
	done
	# an environment that was cleaned, and one with another library in it
	atf_check -o inline:'/rump/run\n' $remote sh -c 'cd /rump/run; exec env -i /bin/pwd'
	atf_check -o match:'init' $remote sh -c 'env -i LD_PRELOAD= ls /rump'
}
shell_cleanup() { halt; }

atf_test_case compiler cleanup
compiler_body() {
	serve -r 256m
	cat >script <<-'END'
		set -e
		mkdir /rump/run/p; cd /rump/run/p
		for i in 1 2 3 4; do printf 'int f%s(int x) { return x + %s; }\n' $i $i >f$i.c; done
		printf 'int f1(int); int f4(int); int main(void) { return f4(f1(0)) - 5; }\n' >main.c
		printf 'O=f1.o f2.o f3.o f4.o main.o\nprog: $(O)\n\tgcc -o $@ $(O)\n' >Makefile
		printf '%%.o: %%.c\n\tgcc -O1 -fPIC -c -o $@ $<\n' >>Makefile
		unset MAKEFLAGS; make -s -j4
		./prog
		gcc -shared -o f.so f1.o
	END
	atf_check $remote sh script
	if command -v python3 >/dev/null; then
		atf_check -o inline:'42\n' $remote python3 -c \
		    'import ctypes; print(ctypes.CDLL("/rump/run/p/f.so").f1(41))'
	fi
}
compiler_cleanup() { halt; }

atf_test_case outsiders
outsiders_body() {
	echo 'int main(void) { return 7; }' >s.c
	atf_check gcc -static -o static s.c
	atf_check -s exit:126 -e match:'"./static" is statically linked: it cannot load .* refused' \
	    -e match:'static=host' $embedded sh -c ./static
	printf '#! %s\n' "$(pwd)/static" >script
	chmod +x script
	atf_check -s exit:126 -e match:'"./script" is statically linked' $embedded sh -c ./script
	atf_check -s exit:7 env RUMPHIJACK=path=/rump,socket=all:nolocal,static=host $embedded sh -c ./static
	atf_check -s exit:127 -e match:'^rump: "./static" is statically linked: .* refused' \
	    "$B/tools/rump" run ./static
	atf_check -s exit:126 -e match:'"/rump/run/s" is statically linked: .* refused' \
	    $embedded sh -c 'cd /rump; cp "$OLDPWD/static" run/s; /rump/run/s'
	# a kernel that a child would have to start in its parent's memory
	for sh in bash dash; do
		atf_check -s not-exit:124 -e ignore $embedded $sh -c '/rump/run/none; true'
	done
	PATH="$(pwd):$PATH" atf_check -s exit:127 -e match:'"static" is statically' "$B/tools/rump" run static
	if command -v go >/dev/null; then
		printf 'package main\nimport "net"\nfunc main() { net.LookupHost("a"); println(1) }\n' >g.go
		GOCACHE="$(pwd)/go" GO111MODULE=off go build -o g g.go
		atf_check -s exit:126 -e match:'"./g" is a Go program' $embedded sh -c ./g
	fi
}

# Functions of libc that make their system calls themselves.
atf_test_case libc cleanup
libc_body() {
	atf_check "$B/tests/hijack/h_libc" "$(pwd)/dir"
	serve
	atf_check $remote "$B/tests/hijack/h_libc" /rump/run/dir
}
libc_cleanup() { halt; }

# ... and those that few programs call.
atf_test_case funcs cleanup
funcs_body() {
	mkdir dir
	serve
	for t in streams files taken aio directories programs; do
		atf_check "$B/tests/hijack/h_funcs" $t "$PWD/dir/$t"
		atf_check $embedded "$B/tests/hijack/h_funcs" $t /rump/run/$t
		atf_check $remote "$B/tests/hijack/h_funcs" $t /rump/run/$t
	done
	# a program that is started by the dynamic linker
	atf_check -o match:'libc\.so\.6' $remote bash -c 'ldd /bin/sh'
}
funcs_cleanup() { halt; }

# Names are looked up by the rump kernel's network and files.
atf_test_case resolver cleanup
resolver_body() {
	command -v python3 >/dev/null || atf_skip "no python3"
	serve
	$remote python3 "$TOP/tests/hijack/dns.py" >dns.out 2>&1 &
	echo $! >dns.pid
	for i in $(seq 100); do
		[ -s dns.out ] && break
		sleep 0.1
	done
	atf_check $remote sh -c 'mkdir -p /rump/etc; cd /rump/etc; echo nameserver 127.0.0.1 >resolv.conf
	    echo 10.7.7.7 inhosts >hosts; echo inservices 4713/tcp >services; echo ingroup:x:4712:inpasswd >group
	    echo inpasswd:x:4711:4712::/:/bin/sh >passwd'
	atf_check $remote RUMPHIJACK=path=/rump,socket=all:nolocal,blanket=/etc "$B/tests/hijack/h_funcs" names
	export RUMPHIJACK=path=/rump,socket=all:nolocal,blanket=/etc/resolv.conf:/etc/hosts
	atf_check -o match:'^10\.7\.7\.7 ' $remote getent hosts inhosts
	atf_check -o match:'^10\.1\.2\.3 ' $remote getent hosts name.example
	atf_check -o inline:'10.1.2.3\n' $remote python3 -c \
	    'import socket; print(socket.gethostbyname("other.example"))'
}
resolver_cleanup() {
	kill $(cat dns.pid)
	halt
}

# Replacements of malloc, before and behind the library.
atf_test_case mallocs cleanup
mallocs_body() {
	serve
	lib="$B/lib/librumphijack.so"
	for name in libjemalloc.so.2 libtcmalloc_minimal.so.4; do
		[ -e "/usr/lib/x86_64-linux-gnu/$name" ] || continue
		for order in "$lib:$name" "$name:$lib"; do
			for c in epoll data; do
				atf_check $embedded LD_PRELOAD="$order" "$B/tests/hijack/h_calls" $c
				atf_check $remote LD_PRELOAD="$order" "$B/tests/hijack/h_calls" $c
			done
		done
	done
}
mallocs_cleanup() { halt; }

atf_test_case no_server
no_server_body() {
	atf_check -s not-exit:0 -o empty -e match:"$(pwd)/sock" $remote echo started
}

atf_init_test_cases() {
	for t in numbers poll select epoll data signals rights forks copies waiters servers both kinds \
	    unixname movers names processes image shell compiler outsiders libc funcs resolver mallocs no_server; do
		atf_add_test_case $t
	done
}
