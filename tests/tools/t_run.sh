# SPDX-License-Identifier: BSD-2-Clause
#
# rump run: a program on a kernel of its own, or a server's, as if nothing were in between.

. "$(atf_get_srcdir)/../env.sh"
rump=$B/tools/rump
server=$B/server/rump_server
url=unix://$PWD/s
# where private servers have their sockets
export TMPDIR=$PWD
unset XDG_RUNTIME_DIR

# No private server, and no directory of one, is left (after a moment).
nothing_left() {
	for i in 1 2 3 4 5 6 7 8 9 10; do
		[ -z "$(ls -d rump.* 2>/dev/null)" ] && return
		sleep 0.1
	done
	atf_fail "left behind: $(ls -d rump.*)"
}

test_case own_kernel 'the program sees a kernel of its own, which goes with it'
own_kernel_body() {
	atf_check -o match:'^Linux version 6\.12\.' $rump run -- cat /rump/proc/version
	nothing_left
	atf_check -o inline:'a b\n' $rump run echo 'a b'
	atf_check -o inline:'1\n' $rump run --ncpu 1 --mem 64m -- grep -c ^processor /rump/proc/cpuinfo
	# a shell and all that it starts share one
	atf_check -o inline:'shared\n' $rump run -- sh -c 'echo shared >/rump/tmp/x; cat /rump/tmp/x | cat'
	atf_check -s exit:1 -e ignore $rump run -- cat /rump/tmp/x
	nothing_left
}

test_case status 'exit status and signals of the program are those of the command'
status_body() {
	atf_check -s exit:7 $rump run -- sh -c 'exit 7'
	atf_check -s signal:term $rump run -- sh -c 'kill -TERM $$'
	atf_check -s signal:kill $rump run -- sh -c 'kill -KILL $$'
	atf_check -s exit:127 -e inline:'rump: no-such-program: No such file or directory\n' \
	    $rump run -- no-such-program
	touch not-executable
	atf_check -s exit:126 -e inline:'rump: ./not-executable: Permission denied\n' \
	    $rump run -- ./not-executable
	nothing_left
	# one that is sent to the command reaches the program
	$rump run -- sh -c 'trap "echo got; exit 3" TERM; touch up; while :; do sleep 0.05; done' >out &
	while [ ! -e up ]; do sleep 0.05; done
	kill -TERM $!
	status=0
	wait $! || status=$?
	atf_check_equal $status 3
	atf_check -o inline:'got\n' cat out
	nothing_left
}

test_case image 'an image is unmounted, and clean, when the command is back'
image_body() {
	truncate -s 16m img
	atf_check -e ignore mkfs.ext4 -q img
	for i in 1 2 3; do
		atf_check $rump run --mount img:/mnt -- sh -c "echo $i >/rump/mnt/f$i"
		atf_check -o ignore -e ignore e2fsck -fn img
		atf_check -o not-match:needs_recovery -e ignore dumpe2fs -h img
	done
	atf_check -o inline:'1\n2\n3\n' $rump run --mount img:/mnt,ro -- sh -c 'cat /rump/mnt/f?'
	nothing_left
}

test_case left_running 'a child that lives on keeps the kernel, until it ends'
left_running_body() {
	atf_check $rump run -- sh -c '{ sleep 2; cat /rump/tmp/x >out; } & echo late >/rump/tmp/x'
	atf_check test -n "$(ls -d rump.*)"
	sleep 2.5
	atf_check -o inline:'late\n' cat out
	nothing_left
}

test_case becomes 'the command becomes the program; the server is nobody of its, and has none of its descriptors'
becomes_body() {
	$rump run -- sh -c 'echo $$ $PPID' >out & pid=$!
	wait $pid
	atf_check -o inline:"$pid $$\n" cat out
	# no child that it has not made, and that no wait() would know
	atf_check -o inline:'no children\n' $rump run -- python3 -c 'import os
try:
	os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
	print("no children")'
	exec 9>lock
	atf_check -o match:'^/dev/null /dev/null .*[0-9]' $rump run -- sh -c '
		pid=$('$rump' ps -a | grep "$RUMP_SERVER\$" | sed "s/^ *//; s/ .*//")
		echo $(readlink /proc/$pid/fd/0 /proc/$pid/fd/1) $pid
		readlink /proc/$pid/fd/* | grep lock || :'
	# its standard error is left when the program ends, so that a pipe ends
	atf_check -o inline:'' sh -c "$rump run -- true 2>&1 | cat"
	# one that stays counts as it: it stops, goes on, and ends as the program does
	mkdir dir
	$rump run --mount dir:/dir,type=hostdir -- sh -c 'echo $$ >pid.new; mv pid.new pid
		while [ ! -e go ]; do sleep 0.05; done; exit 9' & pid=$!
	while [ ! -e pid ]; do sleep 0.05; done
	kill -STOP "$(cat pid)"
	while ! grep -q '^State:.*T (stopped)' /proc/$pid/status; do sleep 0.05; done
	kill -CONT $pid
	while grep -q '^State:.*T (stopped)' "/proc/$(cat pid)/status"; do sleep 0.05; done
	touch go
	status=0
	wait $pid || status=$?
	atf_check_equal $status 9
	nothing_left
}

test_case terminal 'at a terminal: its size, Ctrl-C, end of input, jobs of a shell'
terminal_body() {
	mkdir dir
	for c in size interrupt quit hangup jobs shell; do
		# itself, and one that waits; first of all the test, without us
		for how in env "$rump run --" "$rump run --mount $PWD/dir:/dir,type=hostdir --"; do
			# shellcheck disable=SC2086
			atf_check python3 "$TOP/tests/tools/terminal.py" $c $how
		done
	done
	nothing_left
}

test_case embedded '--embedded: the kernel is in the program'
embedded_body() {
	atf_check -o match:'librump\.so' $rump run --embedded -- \
	    sh -c 'read x </rump/proc/version; cat /proc/$$/maps'
	atf_check -o inline:'2\n' $rump run -e --ncpu 2 --mem 64m -- grep -c ^processor /rump/proc/cpuinfo
	mkdir 'a dir' b
	echo one >'a dir/f'
	echo two >b/f
	atf_check -o inline:'one\ntwo\n' env RUMP_SERVER="$url" $rump run -e --mount "$PWD/a dir:/a,type=hostdir" \
	    --mount "$PWD/b:/b,type=hostdir" -- cat /rump/a/f /rump/b/f
	atf_check -o match:virt0 $rump run -e --net -- cat /rump/proc/net/dev
	atf_check -s exit:3 $rump run -e -- sh -c 'exit 3'
	nothing_left
}

test_case scope '--path, --socket and --static take the place of words in RUMPHIJACK'
scope_body() {
	atf_check -o match:'^Linux version 6' $rump run --path '/my,own:path' -- cat '/my,own:path/proc/version'
	atf_check -s exit:1 -e ignore $rump run --path /r -- cat /rump/proc/version
	atf_check -o inline:'RUMPHIJACK=socket=all:nolocal,path=/a,path=/b\n' $rump run -p /a -p /b -- sh -c \
	    'env | grep ^RUMPHIJACK='
	atf_check -o inline:'RUMPHIJACK=path=/x,fdoff=64,socket=none\n' \
	    env RUMPHIJACK=path=/x,socket=inet,fdoff=64 $rump run --socket none -- sh -c 'env | grep ^RUMPHIJACK='
	# whose network is it?
	port='import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); s.accept()'
	python3 -c "$port" >port & server=$!
	while [ ! -s port ]; do sleep 0.05; done
	connect="import socket; socket.create_connection((\"127.0.0.1\", $(cat port)))"
	atf_check -s exit:1 -e match:'Connection refused' $rump run -- python3 -c "$connect"
	atf_check $rump run --socket none -- python3 -c "$connect"
	wait $server
	cat >static.c <<-END
	int main(void) { return 6; }
	END
	atf_check gcc -static -o static static.c
	atf_check -s exit:127 -e match:'"./static" is statically linked.*--static=host' $rump run -- ./static
	atf_check -s exit:6 $rump run --static=host -- ./static
	atf_check -s exit:127 -e match:'is refused' env RUMPHIJACK=path=/r,static=host \
	    $rump run --static=refuse -- ./static
}

test_case exec 'rump exec: the kernel of a server'
exec_body() {
	atf_check $server "$url"
	atf_check $rump exec "$url" -- sh -c 'echo kept >/rump/tmp/x'
	atf_check -o inline:'kept\n' $rump exec --path /r "$url" cat /r/tmp/x
	atf_check -s exit:4 $rump exec "$url" sh -c 'exit 4'
	# from a program that is on another kernel
	atf_check -o inline:'kept\n' $rump run -- $rump exec "$url" -- cat /rump/tmp/x
	atf_check $rump halt "$url"
	atf_check -s exit:127 -e match:'^rump: s: not the URL' $rump exec s true
	atf_check -s not-exit:0 -e match:"$url.*no rump_server is there" $rump exec "$url" true
}

test_case with_server '--server: the kernel is that of a server, and stays'
with_server_body() {
	atf_check $server "$url"
	atf_check $rump run --server "$url" -- sh -c 'echo kept >/rump/tmp/x'
	atf_check -o inline:'kept\n' $rump run --server "$url" cat /rump/tmp/x
	atf_check -s exit:4 $rump run --server "$url" -- sh -c 'exit 4'
	atf_check $rump halt "$url"
	for how in "run --server" exec; do
		atf_check -s exit:127 -e inline:"rump: $url: no rump_server is there\n" $rump $how "$url" true
	done
}

test_case bad_input 'one line, and nothing is started'
bad_input_body() {
	usage="-s exit:2 -e"
	atf_check $usage inline:'rump: run: PROGRAM [ARG]... is wanted; see rump run --help\n' $rump run
	atf_check $usage match:'^rump: run: --bogus: not an option' $rump run --bogus -- true
	atf_check $usage match:'^rump: run: -x: not an option' $rump run -nx -- true
	atf_check $usage match:'^rump: run: --mount: its value is missing' $rump run --mount
	atf_check $usage match:'^rump: run: --mount is .* not possible with --server' \
	    $rump run --server "$url" --mount a:/b -- true
	atf_check $usage match:"^rump: run: --server $url and --embedded" $rump run --server "$url" -e -- true
	atf_check $usage match:'^rump: --path etc: a path must begin with /' $rump run --path etc -- true
	atf_check -s exit:127 -e match:'^rump: .*socket=ipx.*not a kind of socket' $rump run --socket ipx -- true
	atf_check -s exit:127 -e match:'^rump: .*static=dynamic' $rump run --static dynamic -- true
	atf_check $usage match:'^rump: exec: URL .* is wanted' $rump exec "$url"
	atf_check -s exit:127 -e match:'^rump: tls:x: not the URL' \
	    $rump run --server tls:x -- touch started
	atf_check -s exit:127 -e match:'^rump_relay: tcp://x: HOST:PORT is wanted' \
	    $rump run --server tcp://x -- touch started
	atf_check -s exit:127 -e match:'missing.img' $rump run --mount missing.img:/mnt -- touch started
	atf_check -s exit:127 -e match:'-c 0' $rump run --ncpu 0 -- touch started
	atf_check test ! -e started
	nothing_left
}

test_case at_once 'many private kernels at the same time'
at_once_body() {
	for i in 1 2 3 4 5 6 7 8; do
		$rump run -- sh -c "echo $i >/rump/tmp/x; sleep 0.2; cat /rump/tmp/x" >out$i &
	done
	wait
	atf_check -o inline:'1\n2\n3\n4\n5\n6\n7\n8\n' sh -c 'cat out?'
	nothing_left
}

test_case browser 'one line for a browser on a private stack, with slirp'
browser_head() { atf_set require.progs 'firefox-esr python3'; }
browser_body() {
	ldconfig -p 2>/dev/null | grep -q libslirp.so.0 || /sbin/ldconfig -p | grep -q libslirp.so.0 ||
	    atf_skip "no libslirp"
	case $B in *address* | *thread*) atf_skip "the same as without" ;; esac
	mkdir www profile
	echo '<body style="background:#dfd"><h1>A page of the host</h1>' >www/index.html
	cat >serve.py <<-END
	import http.server, os
	os.chdir('www')
	s = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
	open('../port.new', 'w').write(str(s.server_port))
	os.rename('../port.new', '../port')
	s.serve_forever()
	END
	python3 serve.py 2>requests &
	web=$!
	while [ ! -s port ]; do sleep 0.05; done
	export HOME="$PWD" MOZ_HEADLESS=1
	atf_check -o ignore -e ignore timeout 250 $rump run --net -- firefox-esr --headless --no-remote \
	    --window-size=400,300 --profile "$PWD/profile" --screenshot "$PWD/page.png" \
	    "http://10.0.2.2:$(cat port)/"
	kill $web
	atf_check -o match:'GET / HTTP' cat requests
	[ -s page.png ] || atf_fail "there is no picture"
	nothing_left
}

atf_init_test_cases() {
	for t in own_kernel status image left_running becomes terminal embedded scope exec with_server bad_input \
	    at_once browser; do
		atf_add_test_case $t
	done
}
