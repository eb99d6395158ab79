# SPDX-License-Identifier: BSD-2-Clause
#
# rump_server and rump halt: starting, bad input, sockets in the way, ending.

. "$(atf_get_srcdir)/../env.sh"
server=$B/server/rump_server
rump=$B/tools/rump
url=unix://$PWD/s

test_case daemon 'exits with 0 when it is ready; halt answers when it is gone'
daemon_body() {
	atf_check $server "$url"
	atf_check test -S s
	atf_check -o inline:'600\n' stat -c %a s
	atf_check $rump halt "$url"
	atf_check test ! -e s
	atf_check -s exit:1 -e inline:"rump: $url: no rump_server is there\n" $rump halt "$url"
}

test_case foreground 'stays with -s, ends by SIGTERM, takes its socket away'
foreground_body() {
	$server -s "$url" &
	while [ ! -S s ]; do sleep 0.05; done
	kill $!
	status=0
	wait $! || status=$?
	atf_check_equal $status 0
	atf_check test ! -e s
}

test_case in_use 'a path in use is left alone, a stale one is taken'
in_use_body() {
	atf_check $server "$url"
	for how in '' -s; do
		atf_check -s exit:1 -e inline:"rump_server: $url: in use by another server\n" \
		    $server $how "$url"
	done
	atf_check $rump halt "$url"

	$server -s "$url" &
	while [ ! -S s ]; do sleep 0.05; done
	kill -9 $!
	wait $!
	atf_check test -S s
	atf_check -s exit:1 -e inline:"rump: $url: no rump_server is there\n" $rump halt "$url"
	atf_check $server "$url"
	atf_check $rump halt "$url"

	echo precious >s
	atf_check -s exit:1 -e inline:"rump_server: $url: exists and is not a socket\n" $server "$url"
	atf_check -o inline:'precious\n' cat s
	rm s
}

test_case two_at_once 'of two that start together one serves, the other is told'
two_at_once_body() {
	for i in 1 2 3 4 5; do
		$server "$url" 2>err1 & a=$!
		$server "$url" 2>err2 & b=$!
		wait $a; sa=$?
		wait $b; sb=$?
		atf_check_equal $((sa + sb)) 1
		atf_check -o match:'in use by another server' cat err1 err2
		atf_check $rump halt "$url"
	done
}

test_case abstract 'unix://@NAME'
abstract_body() {
	u=unix://@rump-test-$$
	atf_check $server $u
	atf_check -s exit:1 -e inline:"rump_server: $u: in use by another server\n" $server $u
	# such a name has no mode: the server asks the host who it is
	user="setpriv --reuid=12345 --regid=12345 --clear-groups"
	if [ "$(id -u)" = 0 ] && $user test -x "$B/lib/librumpclient.so.1"; then
		for what in halt ps; do
			atf_check -s exit:1 -e match:"$u: the rump_server has refused the connection" \
			    $user $rump $what $u
		done
	fi
	atf_check $rump halt $u
	atf_check -s exit:1 -e inline:"rump: $u: no rump_server is there\n" $rump halt $u
}

test_case bad_url 'each wrong URL gives one line that quotes it'
bad_url_body() {
	for u in '' / s unix: unix:/x UNIX://s; do
		atf_check -s exit:1 -e inline:"rump_server: $u: not the URL of a rump_server, which is \
unix://PATH or unix://@NAME\n" $server "$u"
	done
	for u in unix:// unix://@; do
		atf_check -s exit:1 -e inline:"rump_server: $u: a path or a name is missing after unix://\n" \
		    $server $u
	done
	atf_check -s exit:1 -e match:'^rump_server: unix:///nowhere/s: No such file or directory$' \
	    $server unix:///nowhere/s
	long=unix:///$(printf %0120d 0)
	atf_check -s exit:1 -e inline:"rump_server: $long: the path of a Unix socket has at most 107 bytes\n" \
	    $server "$long"
	atf_check -s exit:1 -e match:'^rump_server: a URL is missing, such as unix://' $server
	atf_check -s exit:1 -e inline:"rump_server: more: one URL too many, after $url\n" $server "$url" more
	all='rump_server --help lists them all'
	for o in -x --nonsense --nonsense=1; do
		atf_check -s exit:1 -e inline:"rump_server: $o: no such option; $all\n" $server -s $o "$url"
	done
	atf_check -s exit:1 -e inline:"rump_server: -x: no such option; $all\n" $server -sx "$url"
	for o in -c --allow-uid; do
		atf_check -s exit:1 -e inline:"rump_server: $o: its value is missing; $all\n" $server "$url" $o
	done
	atf_check -o match:'^usage: rump_server' $server --help
}

test_case bad_option 'wrong values of options, a missing image'
bad_option_body() {
	for n in 0 -1 65 x 1x ''; do
		atf_check -s exit:1 -e inline:"rump_server: -c $n: a number from 1 to 64 is wanted\n" \
		    $server -c "$n" "$url"
	done
	for n in x -1 1kk ''; do
		atf_check -s exit:1 -e inline:"rump_server: -r $n: a number of bytes, or with a suffix k, m, \
g, is wanted\n" $server -r "$n" "$url"
	done
	atf_check -s exit:1 -e match:'^rump(_server)?: .*1k' $server -r 1k "$url"
	atf_check -s exit:1 -e match:'^rump_server: -d foo: "foo" is none of key=, hostpath=, size=' \
	    $server -d foo "$url"
	d=key=/dev/a,hostpath=missing,size=host
	atf_check -s exit:1 -e match:"missing.*No such file" $server -d $d "$url"
	atf_check -s exit:1 -e match:missing $server -M missing:/mnt "$url"
	atf_check test ! -e s
}

test_case drive 'a file of the host is a device, mounted, and clean after halt'
drive_body() {
	truncate -s 16m img
	atf_check -o ignore -e ignore mkfs.ext4 -q img
	atf_check $server -d key=/dev/img,hostpath=img,size=host -M /dev/img:/mnt,type=ext4 "$url"
	# one writer at a time
	atf_check -s exit:1 -e match:'img' $server -d key=/dev/img,hostpath=img,size=host unix://$PWD/s2
	atf_check $rump halt "$url"
	atf_check -o ignore -e ignore e2fsck -fn img
	atf_check -o not-match:'needs_recovery' -e ignore sh -c 'dumpe2fs -h img'
}

test_case halt_is_over 'when halt answers, or the process is gone by SIGTERM, nothing is left to wait for'
halt_is_over_body() {
	truncate -s 16m img
	atf_check -o ignore -e ignore mkfs.ext4 -q img
	for i in 1 2 3 4 5 6; do
		$server -s -d key=/dev/img,hostpath=img,size=host "$url" & pid=$!
		while [ ! -S s ]; do sleep 0.02; done
		# a mount that a client has made, and a client in the middle of writing there
		timeout 60 $rump run --server "$url" -- sh -c \
		    'mkdir -p /rump/tmp/m && mount -t ext4 /dev/img /rump/tmp/m' 2>err || \
		    timeout 60 $rump run --server "$url" -- python3 -c 'import ctypes, os
os.makedirs("/rump/tmp/m", exist_ok=True)
assert ctypes.CDLL(None).mount(b"/dev/img", b"/rump/tmp/m", b"ext4", 0, None) == 0'
		timeout 60 $rump run --server "$url" -- sh -c \
		    'while echo x; do :; done >>/rump/tmp/m/f' 2>/dev/null & writer=$!
		sleep 0.2
		if [ $((i % 2)) = 0 ]; then
			atf_check $rump halt "$url"
			# its name and its image are free
			atf_check $server -d key=/dev/img,hostpath=img,size=host "$url"
			atf_check $rump halt "$url"
			wait $pid || atf_fail "status $?"
		else
			kill $pid
			wait $pid || atf_fail "status $?"
		fi
		atf_check test ! -e s
		wait $writer		# its write has failed
		atf_check -o ignore -e ignore e2fsck -fn img
		atf_check -o not-match:'needs_recovery' -e ignore dumpe2fs -h img
	done
}

test_case allow_usage 'who is named by --allow-uid and --allow-gid must be somebody'
allow_usage_body() {
	for o in --allow-uid --allow-gid; do
		for who in nobody-of-that-name -1 4294967295 ''; do
			atf_check -s exit:1 -e inline:"rump_server: $o $who: there is none of that \
name, and it is no number\n" $server $o "$who" "$url"
		done
	done
	atf_check $server --allow-uid 4711 --allow-gid daemon "$url"
	atf_check -o inline:'666\n' stat -c %a s
	atf_check $rump halt "$url"
}

test_case halt_usage 'rump and rump halt, misused'
halt_usage_body() {
	atf_check -s exit:2 -e inline:'rump: halt: URL is wanted; see rump halt --help\n' $rump halt
	atf_check -s exit:1 -e match:'^rump: x: not the URL of a rump_server, which is unix://PATH' \
	    $rump halt x
	atf_check -s exit:2 -e match:'^usage:' $rump
	atf_check -s exit:2 -e match:'^rump: dance: no such command; rump --help lists them$' $rump dance
	atf_check -o match:'  halt +end a server' $rump --help
}

atf_init_test_cases() {
	for t in daemon foreground in_use two_at_once abstract bad_url bad_option drive halt_is_over allow_usage halt_usage; do
		atf_add_test_case $t
	done
}
