# SPDX-License-Identifier: BSD-2-Clause
#
# isolate on a mount: the process that reads and writes the image dies, and nothing is lost.

. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/files/image.sh"

# The processes of images among the children of $1.
disks() { pgrep -P "$1" -x rump_disk; }

# server IMAGE...: each at /a, /b, ...; its pid in $pid
server()
{
	url=unix://$PWD/s
	on="$B/bin/rump run --server $url --"
	"$B/bin/rump_server" -s --mount "$PWD/$1:/a,isolate" ${2:+--mount "$PWD/$2:/b,isolate"} "$url" 2>log &
	pid=$!
	for i in $(seq 400); do [ -S s ] && break; sleep 0.05; done
}

server_end()
{
	[ ! -S s ] || "$B/bin/rump" halt "unix://$PWD/s"
}

# write.py DIR: files until ./stop is there, each confirmed by a line once fsync has returned
programs()
{
	cat >write.py <<-END
		import os, sys
		os.mkdir(sys.argv[1])
		n = 0
		while not os.path.exists('stop'):
		    fd = os.open('%s/f%d' % (sys.argv[1], n), os.O_CREAT | os.O_RDWR)
		    os.write(fd, b'%06d' % n * 30000)
		    os.fsync(fd)
		    os.close(fd)
		    n += 1
		    print(n, flush=True)
	END
	cat >read.py <<-END
		import sys
		for n in range(int(sys.argv[2])):
		    assert open('%s/f%d' % (sys.argv[1], n), 'rb').read() == b'%06d' % n * 30000, n
	END
}

atf_test_case killed cleanup
killed_head()
{
	atf_set descr "it is killed without pause, also while the next one begins; all goes on"
	atf_set require.progs "mkfs.ext4 mkfs.xfs e2fsck xfs_repair python3 pgrep"
}
killed_body()
{
	setup
	programs
	ext4 a.img 128M
	truncate -s 320M b.img && mkfs.xfs -q b.img
	server a.img b.img
	[ "$(disks $pid | wc -l)" = 2 ] || atf_fail "$(disks $pid | wc -l) processes for two images"
	$on python3 write.py /rump/a/d >out.a 2>&1 &
	writer=$!
	$on python3 write.py /rump/b/d >out.b 2>&1 &
	while ! [ -s out.a ] || ! [ -s out.b ]; do sleep 0.05; done
	killed=0
	while [ $killed -lt 40 ]; do
		for p in $(disks $pid); do
			kill -9 $p 2>/dev/null && killed=$((killed + 1))
		done
		# often at once, so that the next one dies before it has said a word
		[ $((killed % 3)) = 0 ] || sleep 0.05
	done
	n=$(wc -l <out.a)
	while [ "$(wc -l <out.a)" = "$n" ]; do sleep 0.05; done
	touch stop
	wait $writer || { cat out.a; atf_fail "a program has met an error"; }
	wait $! || { cat out.b; atf_fail "a program has met an error"; }
	atf_check $on python3 read.py /rump/a/d $(wc -l <out.a)
	atf_check $on python3 read.py /rump/b/d $(wc -l <out.b)
	atf_check "$B/bin/rump" halt $url
	wait $pid || atf_fail "rump_server: $?"
	clean a.img
	atf_check -o ignore -e ignore xfs_repair -n b.img
	atf_check embedded a.img:/a python3 read.py /rump/a/d $(wc -l <out.a)
	atf_check embedded b.img:/b python3 read.py /rump/b/d $(wc -l <out.b)
}
killed_cleanup() { server_end; }

atf_test_case kernel_killed
kernel_killed_head()
{
	atf_set descr "the kernel is killed: its process ends, too, and the journal repairs the image"
	atf_set require.progs "mkfs.ext4 e2fsck python3 pgrep"
}
kernel_killed_body()
{
	setup
	programs
	ext4 a.img 128M
	for round in 1 2 3; do
		server a.img
		$on python3 write.py /rump/a/d$round >out 2>err &
		while [ "$(wc -l <out)" -lt 20 ]; do sleep 0.05; done
		kill -9 $pid
		wait
		n=$(wc -l <out)
		# Whoever comes next finds it free, and all that was confirmed.
		for i in $(seq 100); do
			embedded a.img:/a true 2>err && break
			sleep 0.05
		done
		atf_check embedded a.img:/a,isolate python3 read.py /rump/a/d$round $n
		clean a.img
		rm -f s
	done
}

atf_test_case embedded
embedded_head()
{
	atf_set descr "in a program's own process, and in the keeper that gets its kernel"
	atf_set require.progs "mkfs.ext4 e2fsck python3 setsid"
}
embedded_body()
{
	setup
	programs
	ext4 a.img 64M
	atf_check embedded a.img:/a,isolate cp "$TOP/LICENSE" /rump/a/
	clean a.img
	atf_check -o file:"$TOP/LICENSE" embedded a.img:/a,isolate,ro cat /rump/a/LICENSE
	# a shell forks: its kernel moves to a keeper, and takes its device along
	atf_check embedded a.img:/a,isolate \
		sh -c 'echo one >/rump/a/f; cat /rump/a/f >/rump/a/g; cp /rump/a/g /rump/a/h; :'
	for i in $(seq 100); do
		embedded a.img:/a cat /rump/a/h >out 2>err && break
		sleep 0.05
	done
	atf_check -o inline:'one\n' cat out
	clean a.img
	# Ctrl-C is for the program; the process has something to do until the end
	setsid -w embedded a.img:/a,isolate python3 -c "
import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
f = open('/rump/a/last', 'w', buffering=1)
f.write('kept\\n')
os.kill(0, signal.SIGINT)
time.sleep(60)" 2>err && atf_fail "SIGINT has not ended it"
	clean a.img
	[ "$(debugfs -R 'cat last' a.img 2>/dev/null)" = kept ] || atf_fail "lost"
}

atf_test_case errors cleanup
errors_head()
{
	atf_set descr "errors of the host, and a process that cannot be started again"
	atf_set require.progs "mkfs.ext4 python3 pgrep"
}
errors_body()
{
	setup
	atf_check -s not-exit:0 \
	    -e match:'rump: RUMP_MOUNT "p:/p,type=ramfs,isolate": isolate is for files and block devices of the host: Invalid argument' \
	    embedded p:/p,type=ramfs,isolate ls /rump/p
	ext4 a.img 32M
	atf_check embedded a.img:/a python3 -c "open('/rump/a/f', 'w').write('x' * (20 << 20))"
	# what is installed, to be broken
	mkdir -p x/bin x/lib
	cp -L "$B/bin/rump_server" "$B/bin/rump_disk" x/bin
	cp -L "$B"/lib/librump.so* "$B"/lib/librumpuser.so* x/lib
	url=unix://$PWD/s
	on="$B/bin/rump run --server $url --"
	x/bin/rump_server -s -v --mount "$PWD/a.img:/a,isolate" "$url" 2>log &
	pid=$!
	for i in $(seq 400); do [ -S s ] && break; sleep 0.05; done
	mv x/bin/rump_disk x/bin/gone
	kill -9 $(disks $pid)
	atf_check -s not-exit:0 -e match:'Input/output error' $on cat /rump/a/f
	atf_check -o ignore grep "a.img: the process for its I/O does not stay alive: what was under way has failed" log
	mv x/bin/gone x/bin/rump_disk
	atf_check $on python3 -c "
assert open('/rump/dev/img0', 'rb').read()[1080:1082] == b'\\x53\\xef'"
	# the host's errors are the program's
	truncate -s 4M a.img
	atf_check -s not-exit:0 -e match:'Input/output error' \
		$on python3 -c "
import os
fd = os.open('/rump/a/f', os.O_RDONLY)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
while os.read(fd, 65536): pass"
	"$B/bin/rump" halt $url || true
	wait $pid || true
	mv x/bin/rump_disk x/bin/gone
	atf_check -s not-exit:0 -e match:'a.img: isolate: there is no rump_disk at .*/bin/rump_disk' \
		x/bin/rump_server -s --mount "$PWD/a.img:/a,isolate" "$url"
}
errors_cleanup() { server_end; }

atf_init_test_cases()
{
	atf_add_test_case killed
	atf_add_test_case kernel_killed
	atf_add_test_case embedded
	atf_add_test_case errors
}
