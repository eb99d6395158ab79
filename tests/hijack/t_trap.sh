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
	atf_check -e match:'^rump: dup2\([0-9]*, 1\): a rump descriptor cannot be below [0-9]* with' \
	    $trap ./h_trap errors
	atf_check $trap ./h_trap files /rump/run
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

with_server refused
refused_body() {
	echo 'int execvp(const char *, char **); int main(int c, char **v) { return execvp(v[1], v + 1); }' >e.c
	atf_check gcc -static -o exec e.c
	serve
	atf_check -s exit:127 -e match:'another supervisor listens' $trap ./exec "$rump" run \
	    --server "$url" --static=trap ./exec true
	atf_check $trap ./exec true
	atf_check -s exit:2 -e match:"right are refuse, trap and host" \
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

with_server go
go_body() {
	command -v curl >/dev/null || atf_skip "no curl"
	web=$B/tests/hijack/h_web
	[ -x "$web" ] || atf_skip "not built: no go"
	serve -r 256m
	dd if=/dev/urandom of=file bs=1000 count=3000 2>dd.err
	"$rump" run --server "$url" --static=trap "$web" serve >out 2>&1 &
	echo $! >pids
	for i in $(seq 100); do
		[ -s out ] && break
		sleep 0.1
	done
	atf_check -o inline:'525000\n' $trap "$web" get
	if preloads; then
		atf_check $hijack curl -s -o got "http://127.0.0.1:8000$(pwd)/file"
		atf_check cmp file got
	fi
	atf_check -s exit:7 curl -s -m 5 http://127.0.0.1:8000/		# the host has no such port
	kill $(cat pids)
	wait $(cat pids) || true
	rm pids
	no_supervisor
	! preloads || atf_check -s exit:7 $hijack curl -s http://127.0.0.1:8000/
}

atf_init_test_cases() {
	for t in ready calls mixed refused go; do
		atf_add_test_case $t
	done
}
