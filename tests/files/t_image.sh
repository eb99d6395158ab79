# SPDX-License-Identifier: BSD-2-Clause
#
# Images on a host that has its own troubles: other users of the image, no space, errors,
# and what a host is told when fsync says that all is well.

. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/files/image.sh"

loop_device()
{
	loop=$(losetup -f --show "$@" 2>/dev/null) || atf_skip "no loop devices here"
	echo "$loop" >loop
}
loop_end()
{
	[ ! -f loop ] || { umount "$(cat loop)" 2>/dev/null; losetup -d "$(cat loop)"; } || true
}

atf_test_case used_by_loop cleanup
used_by_loop_head()
{
	atf_set descr "an image under a loop device of the host, and a mounted device, are refused"
	atf_set require.progs "mkfs.ext4 losetup"
	atf_set require.user root
}
used_by_loop_body()
{
	setup
	ext4 img 16M
	loop_device img
	atf_check -s not-exit:0 -e match:'another process has SOURCE open' embedded img:/mnt ls /rump/mnt
	atf_check -s not-exit:0 -e match:'another process' embedded img:/mnt,ro ls /rump/mnt
	# The device itself may be used, by one.
	atf_check embedded "$loop:/mnt" touch /rump/mnt/new
	atf_check -o match:new embedded "$loop:/mnt,ro" ls /rump/mnt
	mkdir -p m
	mount "$loop" m || atf_skip "no mounts here"
	[ -f m/new ] || atf_fail "what was written to the device is not there"
	atf_check -s not-exit:0 -e match:'another process' embedded "$loop:/mnt" ls /rump/mnt
	umount m
	losetup -d "$loop"
	rm loop
	loop_device -r img
	atf_check -o match:new embedded img:/mnt,ro ls /rump/mnt
}
used_by_loop_cleanup() { loop_end; }

atf_test_case used_by_others
used_by_others_head()
{
	atf_set descr "one writer or many readers; QEMU's way of locking is understood"
	atf_set require.progs "mkfs.ext4 python3"
}
used_by_others_body()
{
	setup
	ext4 img 16M
	# A lock of a byte as QEMU's writers have it: a read lock that says "I write".
	cat >lock.py <<-END
		import fcntl, struct, subprocess, sys
		F_OFD_SETLK = 37
		f = open('img', 'r+b')
		fcntl.fcntl(f, F_OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, int(sys.argv[1]), 1, 0))
		sys.exit(subprocess.call(sys.argv[2:], close_fds=True))
	END
	ls="env LD_PRELOAD=$B/lib/librumphijack.so ls /rump/mnt"
	for spec in img:/mnt img:/mnt,ro; do
		atf_check -s not-exit:0 -e match:'another process' \
			python3 lock.py 101 env RUMP_MOUNT=$spec $ls
	done
	# ... and as its readers have it: "nobody else may write".
	atf_check -s not-exit:0 -e match:'another process' \
		python3 lock.py 201 env RUMP_MOUNT=img:/mnt $ls
	atf_check -o match:'lost.found' python3 lock.py 201 env RUMP_MOUNT=img:/mnt,ro $ls
	# Two of ours: the second one says so.
	"$B/bin/rump_server" --mount "$PWD/img:/mnt" "unix://$PWD/sock" || atf_fail rump_server
	atf_check -s not-exit:0 -e match:'another process' embedded img:/mnt ls /rump/mnt
	atf_check -s not-exit:0 -e match:'another process' embedded img:/mnt,ro ls /rump/mnt
	"$B/bin/rump" halt "unix://$PWD/sock"
	atf_check -o match:'lost.found' embedded img:/mnt ls /rump/mnt
}

atf_test_case durable
durable_head()
{
	atf_set descr "fsync returns after the host was told to write, by calls that are recorded"
	atf_set require.progs "mkfs.ext4 strace python3"
}
durable_body()
{
	setup
	cat >writer.py <<-END
		import os
		fd = os.open('/rump/mnt/f', os.O_CREAT | os.O_WRONLY)
		for i in range(5):
		    os.write(fd, b'x' * 5000)
		    os.fsync(fd)
		    os.write(1, b'CONFIRMED %d\n' % i)
	END
	ext4 img 32M
	RUMP_BLKIO=threads embedded img:/mnt true
	strace -f -qq -s 20 -e trace=pwritev2,pwritev,fdatasync,fsync,write -o log -E RUMP_BLKIO=threads \
		-E RUMP_MOUNT=img:/mnt -E LD_PRELOAD="$B/lib/librumphijack.so" python3 writer.py >out || {
		cat log out; atf_fail "strace"; }
	# Between two confirmations: data, then a flush (or data with DSYNC) that is over.
	awk '
		/pwritev2?\(.*DSYNC/ { flushed = 1; data = 1; next }
		/pwritev2?\(/ { data = 1; flushed = 0 }
		/fdatasync.*= 0/ { flushed = 1 }
		/write\(1, "CONFIRMED/ {
			n++
			if (!data || !flushed) { print "not on the disk:", $0; bad = 1 }
			data = flushed = 0
		}
		END { exit bad || n != 5 }' log || { cat log; atf_fail "fsync confirmed too much"; }
}

# A small file system of the host that can be full: full_host COMMAND...
full_host()
{
	mkdir -p small
	if [ "$(id -u)" = 0 ]; then
		unshare -m sh -c 'mount -t tmpfs -o size=12m small small && . ./script'
	else
		unshare -rm sh -c 'mount -t tmpfs -o size=12m small small && . ./script'
	fi
}

atf_test_case host_is_full
host_is_full_head()
{
	atf_set descr "no space on the host: errors for the program, and nothing confirmed is lost"
	atf_set require.progs "mkfs.ext4 mkfs.xfs e2fsck python3 unshare"
}
host_is_full_body()
{
	setup
	cat >writer.py <<-END
		import os, sys
		n = 0
		try:
		    while n < 1000:
		        fd = os.open('/rump/mnt/f%d' % n, os.O_CREAT | os.O_WRONLY)
		        os.write(fd, b'%06d' % n * 10000)
		        os.fsync(fd)
		        os.close(fd)
		        n += 1
		except OSError as e:
		    print('error', e.errno, file=sys.stderr)
		print(n, flush=True)
	END
	cat >reader.py <<-END
		import sys
		for i in range(int(open('confirmed').read())):
		    assert open('/rump/mnt/f%d' % i, 'rb').read() == b'%06d' % i * 10000, i
	END
	cat >script <<-END
		cp --sparse=always img small/img
		env RUMP_VERBOSE=1 RUMP_BLKIO=\$engine RUMP_MOUNT=small/img:/mnt \
			LD_PRELOAD=$B/lib/librumphijack.so python3 writer.py >confirmed 2>log
		cp --sparse=always small/img after
	END
	for engine in io_uring threads; do
		export engine
		ext4 img 64M
		full_host
		read -r n <confirmed
		echo "$engine: $n files confirmed"
		[ "$n" -gt 10 ] && [ "$n" -lt 1000 ] || { cat log; atf_fail "$n files of 60 KB on 12 MB"; }
		grep -q 'error' log || { cat log; atf_fail "no error for the program"; }
		grep -Eq 'img0.*(error|failed)|critical space|I/O error|EXT4-fs.*(error|warning)' log || {
			cat log; atf_fail "nothing in the kernel's log"; }
		e2fsck -p after >fsck.log 2>&1
		[ $? -le 1 ] || { e2fsck -f -y after; cat fsck.log; atf_fail "not repaired by the journal"; }
		atf_check embedded after:/mnt python3 reader.py
	done
}

atf_test_case host_errors
host_errors_head()
{
	atf_set descr "an error of the host reaches the program as EIO, and the kernel's log"
	atf_set require.progs "mkfs.ext4 python3"
}
host_errors_body()
{
	setup
	ext4 img 32M
	atf_check embedded img:/mnt python3 -c "open('/rump/mnt/f', 'w').write('x' * (20 << 20))"
	embedded img:/mnt env RUMP_VERBOSE=1 python3 -c "
import os
fd = os.open('/rump/mnt/f', os.O_RDONLY)
os.truncate('img', 4 << 20)
try:
    while os.read(fd, 65536):
        pass
    print('no error', flush=True)
except OSError as e:
    print('errno', e.errno, flush=True)
os._exit(0)" >out 2>log
	grep -qx 'errno 5' out || { cat out log; atf_fail "no EIO"; }
	grep -q 'I/O error, dev img0' log || { cat log; atf_fail "nothing in the kernel's log"; }
}

atf_init_test_cases()
{
	atf_add_test_case used_by_loop
	atf_add_test_case used_by_others
	atf_add_test_case durable
	atf_add_test_case host_is_full
	atf_add_test_case host_errors
}
