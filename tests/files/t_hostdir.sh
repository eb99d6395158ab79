# SPDX-License-Identifier: BSD-2-Clause
#
# Directories of the host in the rump kernel's tree (type=hostdir).

setup()
{
	. "$(atf_get_srcdir)/../env.sh"
	export LC_ALL=C
	mkdir src bin
	src=$PWD/src
	# A script of the shell, with the directory as /rump/h: hostdir [-o OPTIONS] SCRIPT
	cat >bin/hostdir <<-END
		#!/bin/sh
		opt=
		[ "\$1" != -o ] || { opt=,\$2; shift 2; }
		exec "$B/bin/rump" run --mount "$src:/h,type=hostdir\$opt" -- sh -ec "cd /rump/h; \$1"
	END
	chmod +x bin/hostdir
	PATH=$PWD/bin:$PATH
}

atf_test_case both_ways
both_ways_head() { atf_set descr "both kernels see each other's changes at once"; }
both_ways_body()
{
	setup
	seq 100000 >src/numbers
	mkdir -p src/a/b
	ln -s a/b src/link
	ln -s /etc/passwd src/absolute
	ln -s ../.. src/up
	atf_check -o file:src/numbers hostdir 'cat numbers'
	atf_check -o inline:'a\nabsolute\nlink\nnumbers\nup\n' hostdir ls
	# Links lead through the rump kernel's own tree, and what it does not have, the program's.
	atf_check -o file:/etc/passwd hostdir 'cat absolute'
	atf_check -o inline:'found\n' hostdir \
		'echo found >/rump/etc/passwd; cat absolute; ls up | grep -q h'
	atf_check hostdir '
		mkdir new; cp numbers new/copy; cmp numbers new/copy; ln new/copy new/hard; ln -s x new/sym
		mv new/copy new/moved; mkdir new/gone; rmdir new/gone; echo t >new/removed; rm new/removed
		printf abc >>new/appended; printf def >>new/appended; chmod 640 new/appended
		truncate -s 5000000 new/holes; mkfifo new/fifo
		touch -d "2001-02-03 04:05:06.123456789Z" new/appended'
	atf_check cmp src/numbers src/new/moved
	atf_check -o inline:'2\n' stat -c %h src/new/hard
	atf_check -o inline:'640 6 2001-02-03 04:05:06.123456789 +0000\n' env TZ=UTC \
		stat -c '%a %s %y' src/new/appended
	atf_check -o inline:'abcdef' cat src/new/appended
	atf_check -o inline:'x\n' readlink src/new/sym
	atf_check -o inline:'appended\nfifo\nhard\nholes\nmoved\nsym\n' ls src/new
	[ -p src/new/fifo ] || atf_fail "no pipe"
	# While both are at work.
	atf_check -o inline:'one\ntwo\nthree\n' hostdir '
		echo one >shared; cat shared
		LD_PRELOAD= sh -c "echo two >'"$src"'/shared"; cat shared
		LD_PRELOAD= sh -c "echo three >'"$src"'/t; mv '"$src"'/t '"$src"'/shared"; cat shared'
	atf_check hostdir 'LD_PRELOAD= rm '"$src"'/shared; ! [ -e shared ]; LD_PRELOAD= touch '"$src"'/late; [ -f late ]'
}

atf_test_case read_only
read_only_head() { atf_set descr "ro holds, also against a remount"; }
read_only_body()
{
	setup
	echo text >src/f
	atf_check -o inline:'text\n' hostdir -o ro 'cat f'
	atf_check -s not-exit:0 -e match:'Read-only file system' hostdir -o ro 'touch new'
	if [ "$(id -u)" = 0 ]; then
		atf_check -s not-exit:0 -o ignore -e match:'Read-only file system' hostdir -o ro \
			'cd /; mount -o remount,rw /rump/h; echo >>/rump/h/f'
	fi
	atf_check -o inline:'text\n' cat src/f
	atf_check -o inline:'f\n' ls src
}

atf_test_case programs
programs_head()
{
	atf_set descr "big directories, open files that are unlinked, xattrs, locks, holes, tar"
	atf_set require.progs "python3 tar"
}
programs_body()
{
	setup
	cat >work.py <<-END
		import fcntl, os, time
		os.chdir('/rump/h')
		os.mkdir('big')
		names = ['name-%06d' % i for i in range(2000)]
		for n in names:
		    os.close(os.open('big/' + n, os.O_CREAT | os.O_WRONLY, 0o600))
		assert sorted(os.listdir('big')) == names
		for n in names[::2]:
		    os.unlink('big/' + n)
		assert sorted(os.listdir('big')) == names[1::2]

		fd = os.open('open', os.O_CREAT | os.O_RDWR)
		os.write(fd, b'still here')
		os.unlink('open')
		assert os.fstat(fd).st_nlink == 0 and os.fstat(fd).st_size == 10
		assert os.pread(fd, 100, 0) == b'still here'
		os.fchmod(fd, 0o640)
		os.ftruncate(fd, 5)
		assert os.pread(fd, 100, 0) == b'still'
		os.close(fd)

		fd = os.open('locked', os.O_CREAT | os.O_RDWR)
		fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
		pid = os.fork()
		if pid == 0:
		    try:
		        fcntl.lockf(os.open('locked', os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
		        os._exit(0)
		    except OSError:
		        os._exit(7)
		assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7

		try:
		    os.setxattr('locked', 'user.color', b'blue')
		    assert os.getxattr('locked', 'user.color') == b'blue'
		    assert 'user.color' in os.listxattr('locked')
		    os.removexattr('locked', 'user.color')
		except OSError as e:
		    assert e.errno == 95, e

		os.utime('locked', ns=(1000000001, 2000000000000000003))
		s = os.stat('locked')
		assert (s.st_atime_ns, s.st_mtime_ns) == (1000000001, 2000000000000000003)

		fd = os.open('sparse', os.O_CREAT | os.O_RDWR)
		os.pwrite(fd, b'end', 8 << 30)
		os.fsync(fd)
		assert os.stat('sparse').st_blocks < 1000
		assert os.pread(fd, 10, (8 << 30) - 1) == b'\0end'

		data = os.urandom(3000001)
		with open('data', 'wb') as f:
		    f.write(data)
		os.rename('data', 'data2')
		assert open('data2', 'rb').read() == data
		for e, call in ((17, lambda: os.mkdir('big')), (39, lambda: os.rmdir('big')),
		                (2, lambda: os.unlink('none')), (36, lambda: os.mkdir('n' * 256)),
		                (18, lambda: os.link('data2', '/rump/tmp/x'))):
		    try:
		        call()
		        assert False, e
		    except OSError as err:
		        assert err.errno == e, err
		os.mkdir('n' * 255)
	END
	atf_check "$B/bin/rump" run --mount "$src:/h,type=hostdir" -- python3 work.py
	atf_check -o inline:'1000\n' sh -c 'ls src/big | wc -l'
	rm -rf src/*
	# A tree there and back.
	mkdir -p tree
	(cd "$TOP" && tar cf - hypercall kernel/lib tests) | tar xf - -C tree
	tar cf tree.tar tree
	atf_check hostdir "tar xf '$PWD/tree.tar'; tar cf /rump/tmp/again.tar tree; rm -r tree; tar xf /rump/tmp/again.tar"
	atf_check diff -r tree src/tree
	# The host's error is the program's.
	if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
		cat >script <<-END
			mount -t tmpfs -o size=1m none src
			exec "$B/bin/rump" run --mount "$src:/h,type=hostdir" -- \
				sh -c 'head -c 3000000 /dev/zero >/rump/h/full'
		END
		atf_check -s not-exit:0 -e match:'No space left on device' unshare -m sh script
	fi
}

# A user who may not do something on the host may not do it here.
atf_test_case owners
owners_head()
{
	atf_set descr "files belong to whom they belong on the host"
	atf_set require.user root
	atf_set require.progs "setpriv"
}
owners_body()
{
	setup
	chmod 711 .
	mkdir src/own src/other
	echo secret >src/other/f
	chmod 700 src/other
	chown 12345:12345 src/own
	user="setpriv --reuid 12345 --regid 12345 --clear-groups"
	$user test -x "$B/bin/rump" -a -d "$src" || atf_skip "another user cannot come here"
	run="$user env TMPDIR=/tmp XDG_RUNTIME_DIR= $B/bin/rump run --mount $src:/h,type=hostdir --"
	atf_check -o inline:'12345 12345\n' $run stat -c '%u %g' /rump/h/own
	atf_check $run sh -c 'echo mine >/rump/h/own/f'
	atf_check -o inline:'12345 12345\n' stat -c '%u %g' src/own/f
	atf_check -s not-exit:0 -e match:'Permission denied' $run cat /rump/h/other/f
	atf_check -s not-exit:0 -e match:'Permission denied' $run touch /rump/h/new
}

atf_test_case errors
errors_body()
{
	setup
	echo >file
	atf_check -s not-exit:0 -e match:'"none:/h,type=hostdir": SOURCE cannot be had as a directory of the host: No such file' \
		"$B/bin/rump" run --mount none:/h,type=hostdir -- true
	atf_check -s not-exit:0 -e match:'Not a directory' "$B/bin/rump" run --mount file:/h,type=hostdir -- true
	# Only what was given at the start can be mounted.
	if [ "$(id -u)" = 0 ]; then
		atf_check -s not-exit:0 -e ignore hostdir 'mkdir /rump/m; mount -t hostdir /etc /rump/m'
		atf_check hostdir 'touch x; mkdir /rump/m; mount -t hostdir dir0 /rump/m; [ -f /rump/m/x ]'
	fi
}

atf_init_test_cases()
{
	atf_add_test_case both_ways
	atf_add_test_case read_only
	atf_add_test_case programs
	atf_add_test_case owners
	atf_add_test_case errors
}
