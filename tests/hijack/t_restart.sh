# SPDX-License-Identifier: BSD-2-Clause
# The server of hijacked programs is killed, and another one comes (RUMPHIJACK_RETRYCONNECT).
. "$(atf_get_srcdir)/../env.sh"

url=unix://$PWD/sock

serve() {
	"$B/server/rump_server" "$url"
}

halt() {
	. "$(atf_get_srcdir)/../env.sh"
	[ ! -e starter ] || kill "$(cat starter)" || :
	[ ! -S sock ] || "$B/tools/rump" halt "unix://$PWD/sock" 2>/dev/null || :
}

# Starts a server whenever a program says so: what a hijacked one execs is hijacked too.
starter() {
	while sleep 0.05; do
		[ ! -e want ] || { serve; rm want; }
	done
}

# A server that dies at the program's own word, and comes again.
cat_helpers() {
	starter >/dev/null 2>&1 &
	echo $! >starter
	cat >restart.py <<-END
	import os, select, signal, socket, subprocess, sys, time

	def server():
	    open("want", "w").close()		# see starter()
	    while os.path.exists("want"):
	        time.sleep(0.01)

	def kill():
	    # the one whose command line has our socket
	    for p in filter(str.isdigit, os.listdir("/proc")):
	        try:
	            line = open("/proc/%s/cmdline" % p, "rb").read()
	        except OSError:
	            continue
	        if line.startswith(b"$B/server/rump_server\0") and b"$url\0" in line:
	            os.kill(int(p), signal.SIGKILL)
	            while os.path.exists("/proc/%s/fd/0" % p):
	                time.sleep(0.01)

	def pair():
	    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
	    l = socket.socket()
	    l.bind(("127.0.0.1", 0))
	    l.listen()
	    c = socket.create_connection(l.getsockname())
	    return l, c, l.accept()[0]
	END
}

atf_test_case epoll cleanup
epoll_head() {
	atf_set descr 'a hang-up is shown once, nothing spins, the set goes on with new sockets'
}
epoll_body() {
	cat_helpers
	cat >p.py <<-END
	from restart import *
	e = select.epoll()
	r, w = os.pipe()			# the host's
	e.register(r, select.EPOLLIN)
	for round in range(3):
	    l, c, a = pair()
	    gone = socket.socket()		# a member that is no more
	    e.register(gone, select.EPOLLIN)
	    gone.close()
	    for s in l, a:
	        e.register(s, select.EPOLLIN)
	    c.send(b"x")
	    assert e.poll(5) == [(a.fileno(), select.EPOLLIN)]
	    a.recv(1)
	    kill()
	    seen = e.poll(5) + e.poll(0.2)
	    assert sorted(fd for fd, ev in seen) == sorted((l.fileno(), a.fileno())), seen
	    assert all(ev & select.EPOLLHUP for fd, ev in seen), seen
	    start, cpu = time.time(), time.process_time()
	    assert e.poll(0.5) == []
	    assert time.time() - start >= 0.4 and time.process_time() - cpu < 0.2
	    os.write(w, b"h")			# the host's members are what they were
	    assert e.poll(5) == [(r, select.EPOLLIN)]
	    os.read(r, 1)
	    for call in lambda: a.recv(1), lambda: c.send(b"x"), lambda: l.accept():
	        try:
	            call()
	            assert False
	        except OSError as x:
	            assert x.errno in (107, 9), x	# ENOTCONN, EBADF
	    server()
	    try:
	        a.recv(1)
	        assert False
	    except OSError as x:
	        assert x.errno == 9, x
	    for s in l, c, a:
	        s.close()
	END
	serve
	atf_check timeout 60 env LD_PRELOAD="$B/lib/librumphijack.so" RUMP_SERVER="$url" python3 p.py
}
epoll_cleanup() { halt; }

atf_test_case others cleanup
others_head() {
	atf_set descr 'poll and select show a dead descriptor; blocked calls end'
}
others_body() {
	cat_helpers
	cat >p.py <<-END
	from restart import *
	import threading
	l, c, a = pair()
	r, w = os.pipe()
	ended = []
	def block():
	    try:
	        a.recv(1)
	    except OSError as x:
	        ended.append(x.errno)
	t = threading.Thread(target=block)
	t.start()
	time.sleep(0.1)
	kill()
	t.join(10)
	assert ended == [107], ended
	p = select.poll()
	p.register(c, select.POLLIN)
	p.register(r, select.POLLIN)
	got = dict(p.poll(5000))
	assert set(got) == {c.fileno()} and got[c.fileno()] & select.POLLHUP, got
	assert select.select([c, r], [], [], 5)[0] == [c]
	server()
	l, c, a = pair()
	c.send(b"new")
	assert a.recv(3) == b"new"
	END
	serve
	atf_check timeout 60 env LD_PRELOAD="$B/lib/librumphijack.so" RUMP_SERVER="$url" python3 p.py
}
others_cleanup() { halt; }

atf_test_case waits cleanup
waits_head() {
	atf_set descr 'inftime and seconds wait for the next server, die ends the program'
}
waits_body() {
	cat_helpers
	for how in inftime 30; do
		cat >p.py <<-END
		from restart import *
		s = socket.socket()
		kill()
		try:
		    s.listen()
		except OSError as x:
		    assert x.errno == 107, x
		if os.fork() == 0:
		    time.sleep(0.3)
		    server()
		    os._exit(0)
		socket.socket().listen()	# waits
		pair()
		END
		serve
		atf_check timeout 60 env LD_PRELOAD="$B/lib/librumphijack.so" RUMP_SERVER="$url" \
		    RUMPHIJACK_RETRYCONNECT=$how python3 p.py
		atf_check "$B/tools/rump" halt "$url"
	done
	cat >p.py <<-END
	from restart import *
	s = socket.socket()
	kill()
	s.listen()
	END
	serve
	atf_check -s exit:1 -e match:"^python3.*: $url: the rump_server is gone\$" timeout 60 \
	    env LD_PRELOAD="$B/lib/librumphijack.so" RUMP_SERVER="$url" \
	    RUMPHIJACK_RETRYCONNECT=die python3 p.py
	for bad in never -1 '3 s' onceagain; do
		atf_check -s exit:1 -e inline:"librumphijack: RUMPHIJACK_RETRYCONNECT: \"$bad\": inftime, \
once, die or a number of seconds is wanted\n" env LD_PRELOAD="$B/lib/librumphijack.so" \
		    RUMP_SERVER="$url" RUMPHIJACK_RETRYCONNECT="$bad" true
	done
}
waits_cleanup() { halt; }

atf_init_test_cases() {
	atf_add_test_case epoll
	atf_add_test_case others
	atf_add_test_case waits
}
