# SPDX-License-Identifier: BSD-2-Clause
# The life of processes on a rump kernel: forks, executed programs, and the keeper that an
# embedded kernel is handed to.
. "$(atf_get_srcdir)/../env.sh"

embedded="timeout 60 env LD_PRELOAD=$B/lib/librumphijack.so RUMP_TEST_MARK=$PWD"
remote="$embedded RUMP_SERVER=unix://$PWD/sock"

# The keepers of this test case, by a word in their environment.
keepers() {
	local p
	for p in /proc/[0-9]*; do
		[ "$(cat $p/comm 2>/dev/null)" = rump_keeper ] &&
		    tr '\0' '\n' <$p/environ 2>/dev/null | grep -qx "RUMP_TEST_MARK=$PWD" &&
		    echo ${p#/proc/}
	done
	true
}
# All keepers end by themselves, within seconds.
no_keepers() {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		[ -z "$(keepers)" ] && return
		sleep 0.5
	done
	atf_fail "keepers are left: $(keepers)"
}
end_keepers() {
	local p
	for p in $(keepers); do kill -9 $p; done
}

# An exec keeps the process: pid, directory, umask, descriptors that are not close-on-exec.
atf_test_case exec_keeps cleanup
exec_keeps_body() {
	command -v python3 >/dev/null || atf_skip "no python3"
	cat >exec.py <<-'END'
		import os, socket, sys
		s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
		c = socket.socket(); c.bind(("127.0.0.1", 0)); c.listen()
		os.set_inheritable(s.fileno(), True)
		os.chdir("/rump/tmp"); os.umask(0o27)
		os.dup2(s.fileno(), 50, inheritable=True); s.close()
		try:
		    os.execv("/nonexistent", ["x"])
		except FileNotFoundError:
		    pass
		os.execvpe("python3", ["python3", sys.argv[1], str(c.getsockname()[1]), str(os.getpid()),
		    os.readlink("/rump/proc/self")], { "PATH": os.environ.get("PATH", os.defpath) })
	END
	cat >next.py <<-'END'
		import os, socket, sys
		assert os.getcwd() == "/rump/tmp" and os.getpid() == int(sys.argv[2])
		assert os.readlink("/rump/proc/self") == sys.argv[3]
		s = socket.socket(fileno=50)
		c = socket.create_connection(s.getsockname()); s.accept()[0].send(b"alive")
		assert c.recv(9) == b"alive"
		try:
		    socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		    assert not "the close-on-exec socket still listens"
		except ConnectionRefusedError:
		    pass
		open("f", "w").close()
		assert os.stat("f").st_mode & 0o777 == 0o640
		print("same")
	END
	atf_check -o inline:'same\n' $embedded python3 exec.py "$(pwd)/next.py"
	no_keepers
	atf_check -o ignore "$B/server/rump_server" "unix://$PWD/sock"
	atf_check -o inline:'same\n' $remote python3 exec.py "$(pwd)/next.py"
	atf_check -o inline:'same\n' $remote sh -c "exec env -i python3 exec.py '$(pwd)/next.py'"
}
exec_keeps_cleanup() {
	end_keepers
	"$B/tools/rump" halt "unix://$PWD/sock" || true
}

atf_test_case shell cleanup
shell_body() {
	cat >script <<-'END'
		cd /rump/tmp
		echo one >f; cat f | tr a-z A-Z >g; cat <g
		x=$(cat f g | wc -l); echo $x
		(cd /; pwd; ls /rump/tmp); /bin/pwd
		for i in 1 2 3; do echo $i | cat; done | wc -l
		env -i /bin/cat f
		exec sh -c 'pwd; exec cat f'
	END
	printf 'ONE\n2\n/\nf\ng\n/rump/tmp\n3\none\n/rump/tmp\none\n' >expected
	for sh in bash dash; do
		atf_check -o file:expected $embedded $sh script
		no_keepers
	done
}
shell_cleanup() { end_keepers; }

# The parent ends, also by a signal that it does not see; the child has all it had.
atf_test_case child_outlives cleanup
child_outlives_body() {
	command -v python3 >/dev/null || atf_skip "no python3"
	cat >outlive.py <<-'END'
		import os, signal, socket, sys, time
		s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
		os.chdir("/rump/tmp"); open("f", "w").write("text")
		r, w = os.pipe()
		if os.fork():
		    os.kill(os.getpid(), signal.SIGKILL)
		os.close(r)
		while os.getppid() != 1 and os.path.exists("/proc/%s/cwd" % sys.argv[1]) and \
		    os.getppid() == int(sys.argv[1]):
		    time.sleep(0.01)
		time.sleep(0.3)
		c = socket.create_connection(s.getsockname()); s.accept()[0].send(b"alive")
		print(c.recv(9), os.getcwd(), open("f").read(), file=open("/proc/self/fd/2", "w"))
	END
	$embedded python3 outlive.py 0 2>out || true
	for i in 1 2 3 4 5 6 7 8 9 10; do
		grep -q alive out && break
		sleep 0.3
	done
	atf_check -o match:"b'alive' /rump/tmp text" cat out
	no_keepers
}
child_outlives_cleanup() { end_keepers; }

# Threads that are blocked while the kernel moves do not notice.
atf_test_case threads cleanup
threads_body() {
	command -v python3 >/dev/null || atf_skip "no python3"
	cat >threads.py <<-'END'
		import os, socket, subprocess, threading
		pairs = [socket.socketpair(socket.AF_INET) if False else None for i in range(8)]
		l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(64)
		got = []
		def reader(s):
		    got.append(s.recv(100))
		ends = []
		for i in range(8):
		    c = socket.create_connection(l.getsockname()); s, _ = l.accept()
		    ends.append((c, s))
		t = [threading.Thread(target=reader, args=(c,)) for c, s in ends]
		t.append(threading.Thread(target=lambda: got.append(l.accept()[0].recv(9))))
		for x in t: x.start()
		import time; time.sleep(0.2)
		print(subprocess.check_output(["cat", "/rump/proc/self/comm"]))
		for c, s in ends: s.send(b"data")
		socket.create_connection(l.getsockname()).send(b"data")
		for x in t: x.join()
		print(len(got), set(got))
	END
	atf_check -o inline:"b'cat\\\\n'\n9 {b'data'}\n" $embedded python3 threads.py
	atf_check -o inline:"b'cat\\\\n'\n9 {b'data'}\n" $embedded RUMP_NCPU=4 python3 threads.py
	no_keepers
}
threads_cleanup() { end_keepers; }

atf_test_case image cleanup
image_body() {
	[ -x /sbin/mkfs.ext4 ] || atf_skip "mkfs.ext4 is not installed"
	truncate -s 32M img
	atf_check -o ignore -e ignore /sbin/mkfs.ext4 -q img
	export RUMP_MOUNT="$(pwd)/img:/mnt"
	atf_check -o inline:'1000 d/f\n' $embedded sh -c 'cd /rump/mnt && mkdir d &&
	    head -c 1000 /dev/zero | cat >d/f && exec wc -c d/f'
	no_keepers
	atf_check -o inline:'1000 /rump/mnt/d/f\n' $embedded wc -c /rump/mnt/d/f
	atf_check -o ignore -e ignore /sbin/e2fsck -fn img
}
image_cleanup() { end_keepers; }

# Whoever makes no rump call has no kernel, and no keeper.
atf_test_case nothing_to_keep
nothing_to_keep_body() {
	# bash asks for the user's shell if it is not told: libc looks for nscd then.
	atf_check -o inline:'1\n' $embedded env -u SHELL bash -c 'umask 22; echo x | wc -l'
	atf_check_equal "" "$(keepers)"
}

# make, git, python's subprocess.
atf_test_case programs cleanup
programs_body() {
	cat >script <<-'END'
		set -e
		unset MAKEFLAGS
		cd /rump/tmp; mkdir p; cd p
		printf 'all: a b\na b:\n\t@echo $@ >$@\n' >Makefile
		make -s -j4; cat a b
		if command -v git >/dev/null; then
			git init -q . && git add a && git -c user.name=x -c user.email=x@x commit -qm one
			git status --short | sort
			git log --format=%s
		fi
		if command -v python3 >/dev/null; then
			python3 -c 'import subprocess; print(subprocess.run("cat a", shell=True,
			    capture_output=True, cwd="/rump/tmp/p").stdout)'
		fi
	END
	printf 'a\nb\n' >expected
	command -v git >/dev/null && printf '?? Makefile\n?? b\none\n' >>expected
	command -v python3 >/dev/null && printf "b'a\\\\n'\n" >>expected
	atf_check -o file:expected $embedded sh script
	no_keepers
}
programs_cleanup() { end_keepers; }

# What few programs do: the host first, where a failure is the test's.
odd() {
	atf_test_case "$1" cleanup
	eval "${1}_body() {
		mkdir dir
		[ '$1' != chroot ] || [ \$(id -u) = 0 ] || atf_skip 'chroot needs root'
		atf_check '$B/tests/hijack/h_odd' $1 \$PWD/dir
		[ '$1' = epoll ] || atf_check $embedded '$B/tests/hijack/h_odd' $1 /rump/run
		atf_check -o ignore '$B/server/rump_server' unix://\$PWD/sock
		atf_check $remote '$B/tests/hijack/h_odd' $1 /rump/run
	}
	${1}_cleanup() { end_keepers; '$B/tools/rump' halt unix://\$PWD/sock || true; }"
}
odd clone
odd chroot
odd limit
odd listen
odd epoll
odd spawn
odd stack
odd closer

# Servers that become another user, or change their root.  That user sees the program, the
# library and nothing else of this test.
drop() {
	atf_test_case "drop_$1" cleanup
	eval "drop_${1}_body() {
		[ \$(id -u) = 0 ] || atf_skip 'becoming another user needs root'
		cp -L '$B'/lib/*.so* '$B/tests/hijack/h_drop' .
		mkdir empty
		chmod -R a+rX .
		d=\$PWD
		while [ \$d != / ]; do
			d=\$(dirname \$d)
			setpriv --reuid=65534 --regid=65534 --clear-groups test -x \$d || chmod a+x \$d
		done
		atf_check ./h_drop $1
		export LD_LIBRARY_PATH=\$PWD
		lib=LD_PRELOAD=\$PWD/librumphijack.so
		[ '$1' = filter ] || atf_check timeout 60 env \$lib RUMP_TEST_MARK=\$PWD ./h_drop $1
		atf_check -o ignore '$B/server/rump_server' unix://\$PWD/sock
		atf_check timeout 60 env \$lib RUMP_SERVER=unix://\$PWD/sock ./h_drop $1
	}
	drop_${1}_cleanup() { end_keepers; '$B/tools/rump' halt unix://\$PWD/sock || true; }"
}
drop user
drop threads
drop root
drop vfork
drop filter

# Of the scope: fdoff=, vfs=; and what is answered so that programs do without.
atf_test_case words cleanup
words_body() {
	for t in "fdoff RUMPHIJACK=path=/rump,socket=all:nolocal,fdoff=100" absent; do
		set -- $t
		atf_check $embedded ${2:+"$2"} "$B/tests/hijack/h_odd" $1 /rump/run
	done
	atf_check -o ignore "$B/server/rump_server" "unix://$PWD/sock"
	for t in "fdoff RUMPHIJACK=path=/rump,socket=all:nolocal,fdoff=100" absent; do
		set -- $t
		atf_check $remote ${2:+"$2"} "$B/tests/hijack/h_odd" $1 /rump/run
	done
	# sync(2) reaches the rump kernel, or does not
	for w in all sync none nosync; do
		$remote RUMPHIJACK=path=/rump,vfs=$w RUMPHIJACK_VERBOSE=2 sync 2>trace
		case $w in
		all | sync) atf_check -o match:' sync\(' cat trace ;;
		*) atf_check -o not-match:' sync\(' cat trace ;;
		esac
	done
}
words_cleanup() {
	end_keepers
	"$B/tools/rump" halt "unix://$PWD/sock" || true
}

atf_test_case syslog cleanup
syslog_body() {
	atf_check -o ignore "$B/server/rump_server" "unix://$PWD/sock"
	atf_check $remote RUMPHIJACK=path=/rump,socket=all:nolocal,blanket=/dev/log \
	    "$B/tests/hijack/h_odd" syslog /dev
}
syslog_cleanup() { "$B/tools/rump" halt "unix://$PWD/sock" || true; }

atf_init_test_cases() {
	for t in drop_user drop_threads drop_root drop_vfork drop_filter clone chroot limit listen epoll spawn stack closer syslog words exec_keeps shell child_outlives threads image nothing_to_keep programs; do
		atf_add_test_case $t
	done
}
