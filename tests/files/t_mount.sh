# SPDX-License-Identifier: BSD-2-Clause
#
# Mounting: every type by its content alone, overlays, mount(8), and ends that leave the
# image clean.

. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/files/image.sh"

tree()
{
	mkdir -p tree/sub
	seq 20000 >tree/sub/numbers
	ln -s sub/numbers tree/link
}

atf_test_case guessed
guessed_head() { atf_set descr "the type is found out, without a word on stderr"; }
guessed_body()
{
	setup
	tree
	# type (ext4's driver is the one for its elders, too), size, tool, its arguments
	while read -r type size tool command; do
		if ! command -v "$tool" >/dev/null; then
			echo "$tool is not installed: no $type"
			continue
		fi
		rm -f img
		[ "$size" = 0 ] || truncate -s "$size" img
		eval "$tool $command" >mkfs.log 2>&1 || { cat mkfs.log; atf_fail "$tool"; }
		atf_check -o match:"^/dev/img0 /mnt $type " embedded "$PWD/img:/mnt" \
			cat /rump/proc/self/mounts
		case $type in
		iso9660|squashfs)
			atf_check -o file:tree/sub/numbers embedded img:/mnt cat /rump/mnt/link
			atf_check -s exit:1 -e match:'Read-only file system' \
				embedded img:/mnt,rw touch /rump/mnt/new ;;
		*)
			atf_check embedded img:/mnt cp tree/sub/numbers /rump/mnt/new
			atf_check -o file:tree/sub/numbers embedded img:/mnt,ro cat /rump/mnt/new
			atf_check -s exit:1 -e match:'Read-only file system' \
				embedded img:/mnt,ro touch /rump/mnt/other ;;
		esac
	done <<-END
		ext4 16M mkfs.ext2 -q -F img
		ext4 16M mkfs.ext3 -q -F img
		ext4 16M mkfs.ext4 -q -F img
		xfs 320M mkfs.xfs -q img
		btrfs 128M mkfs.btrfs -q img
		vfat 16M mkfs.vfat img
		exfat 16M mkfs.exfat img
		iso9660 0 xorrisofs -quiet -R -o img tree
		squashfs 0 mksquashfs tree img -quiet -no-progress
	END
}

atf_test_case overlay
overlay_head()
{
	atf_set descr "a read-only image with a writable one over it"
	atf_set require.progs "mksquashfs mkfs.ext4 e2fsck"
}
overlay_body()
{
	setup
	tree
	mksquashfs tree lower.img -quiet -no-progress >/dev/null || atf_fail mksquashfs
	truncate -s 16M upper.img
	mkfs.ext4 -q -F upper.img
	cksum lower.img >before
	specs="lower.img:/lower,ro upper.img:/upper o:/mnt,type=overlay,lowerdir=/lower,upperdir=/upper/up,workdir=/upper/work"
	atf_check -o file:tree/sub/numbers embedded "$specs" cat /rump/mnt/sub/numbers
	echo changed >new
	atf_check embedded "$specs" cp new /rump/mnt/sub/numbers
	atf_check embedded "$specs" rm /rump/mnt/link
	atf_check -o file:new embedded "$specs" cat /rump/mnt/sub/numbers
	atf_check -o inline:'sub\n' embedded "$specs" ls /rump/mnt
	atf_check -o file:before cksum lower.img
	clean upper.img
}

atf_test_case ends
ends_head()
{
	atf_set descr "exit, _exit, return from main, SIGTERM and others leave the image clean"
	atf_set require.progs "mkfs.ext4 e2fsck python3"
}
ends_body()
{
	setup
	n=0
	while read -r status code; do
		n=$((n + 1))
		rm -f img
		truncate -s 16M img
		mkfs.ext4 -q -F img
		status_is=0
		embedded img:/mnt timeout -k 60 60 python3 -c "
import os, signal, sys, threading, time
f = open('/rump/mnt/file', 'w', buffering=1)
f.write('kept\\n')
$code" >out 2>&1 || status_is=$?
		[ "$status_is" = "$status" ] || { cat out; atf_fail "$code: status $status_is"; }
		clean img
		[ "$(debugfs -R 'cat file' img 2>/dev/null)" = kept ] || atf_fail "$code: lost"
	done <<-END
		0 pass
		3 sys.exit(3)
		4 os._exit(4)
		143 os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)
		129 os.kill(os.getpid(), signal.SIGHUP); f.write('x'); time.sleep(30)
		143 import socket; s = socket.socket(); s.listen(); threading.Timer(0.2, os.kill, (os.getpid(), 15)).start(); s.accept()
	END
	# In the middle of writing, without pause.
	rm -f img
	truncate -s 64M img
	mkfs.ext4 -q -F img
	embedded img:/mnt sh -c 'while :; do echo line; done >>/rump/mnt/file' &
	pid=$!
	sleep 1
	kill -TERM $pid
	wait $pid
	[ $? = 143 ] || atf_fail "a writer that got SIGTERM ended otherwise"
	clean img
}

atf_test_case server
server_head()
{
	atf_set descr "rump_server --mount; SIGTERM unmounts; mount and umount under the library"
	atf_set require.progs "mkfs.ext4 e2fsck"
}
server_body()
{
	setup
	for i in a b; do
		truncate -s 16M $i.img
		mkfs.ext4 -q -F $i.img
	done
	"$B/bin/rump_server" -s --mount "$PWD/a.img:/a" -d "key=/dev/b,hostpath=$PWD/b.img,size=host" \
		"unix://$PWD/sock" &
	pid=$!
	for i in $(seq 200); do [ -S sock ] && break; sleep 0.05; done
	run="$B/bin/rump run --server unix://$PWD/sock --"
	atf_check $run sh -c 'echo one >/rump/a/f && mkdir /rump/b'
	if [ "$(id -u)" = 0 ]; then
		atf_check $run mount -t ext4 /dev/b /rump/b
		atf_check -o match:'^/dev/b /b ext4' $run cat /rump/proc/mounts
		atf_check $run sh -c 'echo two >/rump/b/f'
		atf_check $run umount /rump/b
		atf_check -o inline:'' $run ls /rump/b
	fi
	kill -TERM $pid
	wait $pid || atf_fail "rump_server: $?"
	clean a.img
	clean b.img
	[ "$(debugfs -R 'cat f' a.img 2>/dev/null)" = one ] || atf_fail "a.img"
	[ "$(id -u)" != 0 ] || [ "$(debugfs -R 'cat f' b.img 2>/dev/null)" = two ] ||
		atf_fail "b.img"
}

atf_test_case refused
refused_head()
{
	atf_set descr "what is wrong in an embedded kernel's environment: one line, and the program does not run"
	atf_set require.progs "mkfs.ext4"
}
refused_body()
{
	setup
	ext4 img 16M
	echo 'no image' >text
	mkdir dir
	# before the program starts
	while IFS='|' read -r word line; do
		atf_check -s exit:1 -e match:"^rump: RUMP_[^ =]*[ =]\"?$line" \
			env "$word" LD_PRELOAD="$B/lib/librumphijack.so" sh -c 'echo started'
	done <<-END
		RUMP_MOUNT=$PWD/missing:/mnt|$PWD/missing:/mnt": SOURCE is no file of the host: No such file
		RUMP_MOUNT=img|img": no colon: SOURCE:DIR
		RUMP_MOUNT=img:mnt|img:mnt": DIR does not begin with a slash
		RUMP_MOUNT=img:/mnt,part=x|img:/mnt,part=x": part= wants a number
		RUMP_MOUNT=img:/mnt $PWD/missing:/x|$PWD/missing:/x": SOURCE is no file of the host
		RUMP_MOUNT=$PWD/missing:/d,type=hostdir|$PWD/missing:/d,type=hostdir": SOURCE is no directory
		RUMP_IF=v0|v0": link= is missing
		RUMP_IF=v0,link=string|v0,link=string": link=string: no such kind of link; there are
		RUMP_NCPU=0|0: a number of virtual CPUs from 1 to 64
		RUMP_MEMLIMIT=much|much: bytes, or a number with k, m or g
		RUMP_VERBOSE=yes|yes: 0 or 1 is wanted
	END
	# when the kernel boots, at the first call: there is no second
	while IFS='|' read -r spec line; do
		atf_check -s exit:1 -e match:"^rump: RUMP_MOUNT \"$spec\": $line" -e not-match:'cannot access' \
			embedded "$spec" ls /rump/mnt /etc
	done <<-END
		missing:/mnt|SOURCE is neither a file of the host nor a device
		dir:/mnt|SOURCE is a directory, which type=hostdir is for
		text:/mnt|no file system of a known type is there
		img:/mnt,type=xfs|no such file system is there
		img:/mnt,type=nonsense|this kernel has no file system of that type
		img:/mnt,part=2|SOURCE has no such partition
		/dev/none:/mnt|SOURCE is neither a file of the host nor a device of the rump kernel
	END
	# of no concern to who has a server, or no word of these
	atf_check -o inline:'started\n' env RUMP_SERVER= LD_PRELOAD="$B/lib/librumphijack.so" echo started
}

atf_init_test_cases()
{
	atf_add_test_case refused
	atf_add_test_case guessed
	atf_add_test_case overlay
	atf_add_test_case ends
	atf_add_test_case server
}
