# SPDX-License-Identifier: BSD-2-Clause
# Programs that make their system calls without libc, under rump run --static=trap.
. "$(atf_get_srcdir)/../env.sh"

url=unix://$PWD/sock
rump=$B/tools/rump
trap="timeout 60 $rump run --server $url --static=trap"
hijack="timeout 60 env LD_PRELOAD=$B/lib/librumphijack.so RUMP_SERVER=$url"

serve() {
	atf_check -o ignore -e ignore "$B/server/rump_server" "$@" "$url"
}
cleanup() {
	[ ! -f pids ] || kill $(cat pids) 2>/dev/null
	"$rump" halt "unix://$PWD/sock" || true
}
with_server() {
	atf_test_case "$1" cleanup
	eval "${1}_cleanup() { cleanup; }"
}
# curl and sh have no sanitizer's runtime, which the library would need before it.
preloads() {
	case $B in
	*address* | *thread*) return 1 ;;
	esac
}
# No supervisor is left, and so no descriptor of its targets'.
no_supervisor() {
	local i
	for i in $(seq 50); do
		"$rump" ps "$url" | grep -q rump_trap || return 0
		sleep 0.1
	done
	atf_fail "left: $("$rump" ps "$url")"
}
static() {
	atf_check gcc -static -O -pthread -D_GNU_SOURCE -I"$TOP/include" -o "$1" "$TOP/tests/hijack/$1.c"
}

# The same program as under the library: what it waits for is ready when it should be.
with_server ready
ready_body() {
	static h_calls
	static h_more
	serve -r 256m
	for t in poll epoll signals left; do
		atf_check $trap ./h_calls $t
	done
	for t in waiters servers copies; do
		atf_check $trap ./h_more $t
	done
	no_supervisor
}

with_server calls
calls_body() {
	static h_trap
	serve
	atf_check -e match:'^rump: dup2\([0-9]*, 100\): a rump descriptor cannot be from 3 to 511 with' \
	    $trap ./h_trap errors
	atf_check $trap ./h_trap files /rump/run
	for t in where maps low; do
		atf_check $trap ./h_trap $t /rump/run
	done
	RUMPHIJACK=path=/rump,socket=all atf_check $trap ./h_trap rights /rump/run
	atf_check $trap ./h_trap limit
	atf_check -s signal:15 "$rump" run --server "$url" --static=trap ./h_trap life
	no_supervisor
}

# From a shell that has the library: what it executes, with what it has opened for it.
with_server mixed
mixed_body() {
	preloads || atf_skip "a preload library with a sanitizer works in its own programs only"
	static h_trap
	serve
	cat >script <<-END
		echo from rump >/rump/run/f
		exec 5</rump/run/f
		./h_trap input 5
		./h_trap input 0 </rump/run/f
		echo from host | ./h_trap input 0
		cp h_trap /rump/run/; /rump/run/h_trap input 5 5</rump/run/f
		env -i ./h_trap limit; echo \$?
		./h_trap limit & wait \$!; echo \$?
	END
	printf 'from rump\nfrom rump\nfrom host\nfrom rump\n0\n0\n' >expected
	atf_check -o file:expected $trap sh script
	RUMPHIJACK=path=/rump,socket=all:nolocal,static=trap atf_check -o file:expected $hijack sh script
	RUMPHIJACK=path=/rump,socket=all:nolocal,static=trap \
	    atf_check -o file:expected env -u RUMP_SERVER timeout 60 \
	    env LD_PRELOAD="$B/lib/librumphijack.so" sh script	# a kernel that moves to a keeper
	no_supervisor
}

# A shell without libc's help: directories, redirections, pipes, programs, of both kernels.
with_server shell
shell_body() {
	sh=$(command -v busybox) && ! ldd "$sh" >/dev/null 2>&1 || atf_skip "no busybox that is static"
	serve
	cat >script <<-END
		cd /rump/run && pwd
		echo hello >x; cat x | tee y; cat <y
		mkdir -p d/e; cd d/e; pwd; echo deep >f; cat ../../x; cd ..; pwd; ls; cat e/f
		find /rump/run/d | sort
		tar c . | tar t
		cd ../../..; pwd; cat rump/run/x
		cd /rump/run; cat ../../etc/passwd | cmp - /etc/passwd && echo theirs
		(umask 077; echo a >m); ls -l m | cut -c1-10
		while read l; do echo "line \$l"; done <x
		ls -l /proc/self/fd/0 <x | sed 's/.*-> //'
		cp $sh busybox; ./busybox echo ran
		printf '#!/bin/sh\necho script "\$@"\n' >s; chmod 755 s; ./s 1 2
		rm -r d; ls; (cd /tmp; pwd); pwd
		sed -i s/hello/bye/ x; cat x; dd if=x of=z bs=1 2>/dev/null; cmp x z && echo same
		gzip x; zcat x.gz; mv x.gz w.gz; ln -s w.gz l; readlink l; readlink -f l
		grep -c . /proc/self/status >/dev/null && echo \$?
	END
	cat >expected <<-END
		/rump/run
		hello
		hello
		/rump/run/d/e
		hello
		/rump/run/d
		e
		deep
		/rump/run/d
		/rump/run/d/e
		/rump/run/d/e/f
		./
		./e/
		./e/f
		/
		hello
		theirs
		-rw-------
		line hello
		/rump/run/x
		ran
		script 1 2
		busybox
		m
		s
		x
		y
		/tmp
		/rump/run
		bye
		same
		bye
		w.gz
		/rump/run/w.gz
		0
	END
	atf_check -o file:expected $trap busybox sh script
	atf_check -o ignore $trap busybox rm -r /rump/run
	cat >>script <<-END
		exec 5<>w.gz; readlink /proc/self/fd/5; echo six >six 6>&5 >&6
	END
	echo /rump/run/w.gz >>expected
	RUMPHIJACK=path=/rump,socket=all:nolocal,fdoff=3 atf_check -o file:expected \
	    $trap busybox sh -c 'mkdir -p /rump/run; . ./script'
	no_supervisor
}

# Its servers and clients: what is accepted becomes the input and output of a program.
with_server sockets
sockets_body() {
	sh=$(command -v busybox) && ! ldd "$sh" >/dev/null 2>&1 || atf_skip "no busybox that is static"
	serve
	echo page >page
	"$rump" run --server "$url" --static=trap busybox httpd -f -p 127.0.0.1:8000 -h "$PWD" &
	pid=$!
	"$rump" run --server "$url" --static=trap busybox nc -ll -p 8001 -e busybox tr a-z A-Z &
	echo $pid $! >pids
	for port in 8000 8001; do
		for i in $(seq 100); do
			$trap busybox nc 127.0.0.1 $port </dev/null >nc.out 2>&1 && break
			sleep 0.1
		done
	done
	atf_check -o file:page $trap busybox wget -q -O - http://127.0.0.1:8000/page
	atf_check -o file:page $trap busybox sh -c 'busybox wget -q -O /rump/run/page http://127.0.0.1:8000/page; cat /rump/run/page'
	atf_check -o inline:'LOUD\n' $trap busybox sh -c 'echo loud | busybox nc 127.0.0.1 8001'
	atf_check -s exit:1 -e match:refused busybox nc 127.0.0.1 8000	# the host has no such port
	kill $(cat pids)
	wait $(cat pids) || true
	rm pids
	no_supervisor
}

# Whoever of the three is killed: nothing is left, and nothing of it goes to the host.
with_server killed
killed_body() {
	static h_trap
	serve
	for who in stand supervisor target; do
		rm -f out		# or it may still name the one before
		"$rump" run --server "$url" --static=trap ./h_trap wait >out 2>&1 &
		stand=$!
		echo $stand >pids
		for i in $(seq 100); do
			[ -s out ] && break
			sleep 0.1
		done
		target=$(cat out)
		supervisor=$(cut -d' ' -f4 /proc/$target/stat)
		eval kill -9 \$$who
		wait $stand
		[ $? = 137 ] || atf_fail "$who was killed, and the end is not by SIGKILL"
		for i in $(seq 100); do
			kill -0 $target 2>/dev/null || break
			sleep 0.1
		done
		! kill -0 $target 2>/dev/null || atf_fail "$who was killed, and the program lives"
		no_supervisor
	done
	rm pids
}

with_server refused
refused_body() {
	echo 'int execvp(const char *, char **); int main(int c, char **v) { return execvp(v[1], v + 1); }' >e.c
	atf_check gcc -static -o exec e.c
	serve
	atf_check -s exit:127 -e match:'another supervisor listens' $trap ./exec "$rump" run \
	    --server "$url" --static=trap ./exec true
	atf_check $trap ./exec true
	atf_check -s exit:127 -e match:"right are refuse, trap and host" \
	    "$rump" run --static=no ./exec true
	if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
		chmod u+s exec
		atf_check -s exit:127 -e match:'more rights than its user: .*no_new_privs' \
		    setpriv --bounding-set=-all $trap ./exec true
		chmod u-s exec
		atf_check setpriv --bounding-set=-all $trap ./exec true
	fi
	no_supervisor
}

# A static and a dynamic one, each as the server of both; and of curl under the library.
with_server go
go_body() {
	command -v curl >/dev/null || atf_skip "no curl"
	for web in h_web h_webdyn; do
		[ -x "$B/tests/hijack/$web" ] || atf_skip "not built: no go"
	done
	serve -r 256m
	dd if=/dev/urandom of=file bs=1000 count=3000 2>dd.err
	for web in h_web h_webdyn; do
		: >out
		"$rump" run --server "$url" --static=trap "$B/tests/hijack/$web" serve >out 2>&1 &
		echo $! >pids
		for i in $(seq 300); do
			[ -s out ] && break
			sleep 0.1
		done
		for get in h_web h_webdyn; do
			atf_check -o inline:'525000\n' $trap "$B/tests/hijack/$get" get
			atf_check -o inline:'file\nsub\n/rump/run/go\ntext\ntext\n' \
			    $trap "$B/tests/hijack/$get" files
		done
		if preloads; then
			atf_check $hijack curl -s -o got "http://127.0.0.1:8000$(pwd)/file"
			atf_check cmp file got
			rm got
		fi
		atf_check -s exit:7 curl -s -m 5 http://127.0.0.1:8000/	# the host has no such port
		kill $(cat pids)
		wait $(cat pids) || true
		rm pids
		no_supervisor
		! preloads || atf_check -s exit:7 $hijack curl -s http://127.0.0.1:8000/
	done
}

atf_init_test_cases() {
	for t in ready calls mixed shell sockets killed refused go; do
		atf_add_test_case $t
	done
}
