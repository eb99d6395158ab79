# SPDX-License-Identifier: BSD-2-Clause
#
# File servers that are clients of a rump_server: programs of libfuse 2 and 3 as the
# distribution has them, and h_fuse, which dies in the middle of a request.

. "$(atf_get_srcdir)/../env.sh"
rump=$B/tools/rump
url=unix://$PWD/s
export RUMPHIJACK=path=/rump,blanket=/dev/fuse
on="$rump run --server $url --"
h_fuse=$B/tests/fuse/h_fuse

put_away() {
	[ ! -f pids ] || for p in $(cat pids); do kill -9 $p 2>/dev/null; done
	[ ! -S s ] || timeout 20 $rump halt $url
}

start() {
	$B/server/rump_server "$@" $url || atf_fail "rump_server"
	atf_check $on mkdir /rump/m
}

stop() {
	atf_check timeout 20 $rump halt $url
}

# background PROGRAM...: its pid in $pid
background() {
	: >background.out	# what the last one said is not this one's
	"$@" >background.out 2>background.err &
	pid=$!
	echo $pid >>pids
}

# says WORD: waits until the background has
says() {
	n=0
	while ! grep -q "$1" background.out; do
		n=$((n + 1))
		[ $n -lt 400 ] || { cat background.err; atf_fail "nobody says $1"; }
		sleep 0.05
	done
}

# gone PID: it has ended, or does so now
gone() {
	n=0
	while kill -0 $1 2>/dev/null && ! grep -q '^State:.Z' /proc/$1/status 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 400 ] || atf_fail "process $1 hangs"
		sleep 0.05
	done
}

test_case programs 'fuse2fs, squashfuse, sshfs, ntfs-3g and archivemount, as they are, and what others see'
programs_body() {
	start -r 256m
	mkdir src && echo hello >src/f && head -c 3000000 /dev/urandom >src/big
	mksquashfs src sq.img -noappend -quiet >/dev/null
	tar cf ar.tar -C src .
	truncate -s 32M nt.img ext.img
	mkntfs -qF nt.img >/dev/null 2>&1
	mkfs.ext2 -qF ext.img
	printf '#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n' >ssh && chmod +x ssh
	mkdir exp && cp src/* exp

	for server in "squashfuse sq.img" "archivemount ar.tar" "sshfs -o ssh_command=$PWD/ssh host:$PWD/exp" \
	    "fuse2fs -o fakeroot ext.img" "ntfs-3g nt.img" "archivemount -o direct_io ar.tar" \
	    "sshfs -o direct_io -o ssh_command=$PWD/ssh host:$PWD/exp"; do
		set -- $server
		echo "== $*"
		# the file system is last but for fuse2fs's and ntfs-3g's options, which do not mind
		atf_check -e ignore -o ignore timeout 60 $on "$@" /rump/m
		case $1 in
		fuse2fs | ntfs-3g) atf_check $on cp src/f src/big /rump/m ;;
		esac
		atf_check -o match:' /m fuse' $on cat /rump/proc/mounts
		atf_check -o inline:'hello\n' $on cat /rump/m/f
		atf_check $on cmp /rump/m/big src/big
		atf_check -e ignore $on dd if=/rump/m/big of=direct bs=64k iflag=direct
		atf_check cmp direct src/big
		case $1 in
		fuse2fs | ntfs-3g | sshfs)
			atf_check $on sh -c 'cd /rump/m && rm -rf d && mkdir d && cp big d/x && mv d/x d/y && rm big && cmp d/y '$PWD'/src/big'
			atf_check $on cp src/big /rump/m ;;
		esac
		# nobody has it open: there is nothing to wait for
		atf_check $on umount /rump/m
		atf_check -s exit:1 $on grep -q fuse /rump/proc/mounts
	done
	atf_check cmp exp/d/y src/big
	stop
	# fuse2fs writes its last when its mount has gone, after those who wait for it
	n=0
	while fuser -s ext.img 2>/dev/null && [ $n -lt 100 ]; do
		sleep 0.1
		n=$((n + 1))
	done
	atf_check -o ignore -e ignore e2fsck -fn ext.img
	atf_check -o match:'^hello$' sh -c 'debugfs -R "cat f" ext.img 2>/dev/null'
}

test_case user 'as an ordinary user, with no privilege at all'
user_body() {
	mkdir exp && echo hello >exp/f
	printf '#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n' >ssh && chmod +x ssh
	as=
	if [ "$(id -u)" = 0 ]; then
		chmod 777 . exp
		as="setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs"
		$as test -x $rump || atf_skip "another user cannot come here"
	fi
	atf_check $as $B/server/rump_server $url
	atf_check $as $on mkdir /rump/m
	atf_check $as timeout 60 $on sshfs -o ssh_command=$PWD/ssh host:$PWD/exp /rump/m
	atf_check -o inline:'hello\n' $as $on cat /rump/m/f
	atf_check $as $on sh -c 'echo new >/rump/m/g'
	atf_check -o inline:'new\n' cat exp/g
	atf_check $as timeout 20 $rump halt $url
}

test_case dies 'a server that is killed in a request fails it; its mount can go, and it can come again'
dies_body() {
	start
	background $on $h_fuse /rump/m stall
	server=$pid
	says mounted
	$on cat /rump/m/file >out 2>err &
	client=$!
	echo $client >>pids
	says reading
	kill -9 $server
	gone $client
	wait $client
	atf_check_equal 1 $?
	atf_check grep -q 'Software caused connection abort\|Transport endpoint is not connected' err
	atf_check -s exit:1 -e match:'Transport endpoint is not connected' $on cat /rump/m/file
	atf_check $on umount /rump/m
	for again in 1 2; do
		background $on $h_fuse /rump/m
		says mounted
		atf_check -o inline:'hello\n' $on cat /rump/m/file
		kill -9 $pid
		gone $pid
		# over the dead one, too
	done
	background $on $h_fuse /rump/m
	says mounted
	atf_check -o inline:'hello\n' $on cat /rump/m/file
	atf_check $on umount /rump/m
	gone $pid
	stop
}

test_case client_dies 'a client that is killed while it waits is gone; the server serves others'
client_dies_body() {
	start
	background $on $h_fuse /rump/m stall
	says mounted
	$on cat /rump/m/file >out 2>err &
	client=$!
	echo $client >>pids
	says reading
	kill -9 $client
	gone $client
	atf_check -o inline:'6\n' $on stat -c %s /rump/m/file
	# one that is interrupted, too
	$on timeout -s INT -k 2 1 cat /rump/m/file >out 2>err
	atf_check -o inline:'6\n' $on stat -c %s /rump/m/file
	kill -0 $pid || atf_fail "the server has ended"
	stop
	gone $pid
}

test_case stopped 'a server that does nothing any more holds up neither clients that are killed nor the end'
stopped_body() {
	start
	background $on $h_fuse /rump/m
	says mounted
	kill -STOP $pid
	$on cat /rump/m/file >out 2>err &
	client=$!
	echo $client >>pids
	sleep 0.3
	kill -9 $client
	gone $client
	atf_check -o ignore $on ls /rump/proc
	stop
	kill -CONT $pid
	gone $pid
}

test_case group 'a server and its client that are killed together, in one process group'
group_body() {
	start
	: >background.out
	for round in 1 2 3 4 5; do
		setsid sh -c "$on $h_fuse /rump/m stall >background.out & sleep 0.3; $on cat /rump/m/file & $on cat /rump/m/file & wait" \
		    >/dev/null 2>&1 &
		leader=$!
		says reading
		# setsid has not forked: it led no group before
		[ "$(ps -o pgid= -p $leader)" -eq $leader ] || atf_fail "$leader is no leader"
		kill -9 -- -$leader
		: >background.out
		sleep 0.1
		n=0
		until $on umount /rump/m 2>err; do
			n=$((n + 1))
			[ $n -lt 100 ] || { cat err; atf_fail "the mount stays"; }
			sleep 0.05
		done
	done
	stop
}

test_case own_file 'a server that has a file of its own mount open ends all the same'
own_file_body() {
	start
	background $on $h_fuse /rump/m self
	says mounted
	kill -9 $pid
	gone $pid
	n=0
	until $on umount /rump/m 2>err; do
		n=$((n + 1))
		[ $n -lt 100 ] || { cat err; atf_fail "the mount stays"; }
		sleep 0.05
	done
	background $on $h_fuse /rump/m self exit
	says mounted
	gone $pid
	n=0
	until $on umount /rump/m 2>err; do
		n=$((n + 1))
		[ $n -lt 100 ] || { cat err; atf_fail "the mount stays"; }
		sleep 0.05
	done
	background $on $h_fuse /rump/m
	says mounted
	atf_check -o inline:'hello\n' $on cat /rump/m/file
	kill -9 $pid
	stop
}

atf_init_test_cases() {
	atf_add_test_case programs
	atf_add_test_case user
	atf_add_test_case dies
	atf_add_test_case client_dies
	atf_add_test_case stopped
	atf_add_test_case group
	atf_add_test_case own_file
}
