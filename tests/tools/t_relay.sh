# SPDX-License-Identifier: BSD-2-Clause
# rump relay: clients of tls:// and tcp:// servers; and rump ps.
. "$(atf_get_srcdir)/../env.sh"

rump=$B/tools/rump
server=$B/server/rump_server

# A port of the loopback interface that nobody has.
port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

new_key() {
	{ printf 'me:'; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; } >"$1"
	chmod 600 "$1"
}

# serve URL: a server for other hosts, whose process is in the file "pid".
serve() {
	$server -s "$1" 2>server.err &
	echo $! >pid
	p=${1##*:}
	for i in $(seq 200); do
		grep -q ":$(printf %04X "$p") 0*:0* 0A" /proc/net/tcp && return
		sleep 0.05
	done
	cat server.err
	atf_fail "no relay listens"
}

put_away() {
	for f in pid pid2; do [ ! -e $f ] || kill $(cat $f) || :; done
}

# Network, files, inherited descriptors, readiness of mixed sets: all as on one host.
cat_program() {
	cat >p.py <<-END
	import os, selectors, socket, subprocess, sys
	subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
	l = socket.socket()
	l.bind(("127.0.0.1", 0))
	l.listen()
	r, w = os.pipe()			# the host's
	sel = selectors.DefaultSelector()
	sel.register(l, selectors.EVENT_READ)
	sel.register(r, selectors.EVENT_READ)
	pid = os.fork()
	if pid == 0:
	    c = socket.create_connection(l.getsockname())
	    os.write(w, b"h")
	    c.sendall(b"x" * 3000000)
	    c.shutdown(socket.SHUT_WR)
	    assert c.recv(100) == b"got it"
	    os._exit(0)
	seen = set()
	while len(seen) < 2:
	    for key, ev in sel.select(20):
	        seen.add(key.fd)
	        sel.unregister(key.fileobj)
	a = l.accept()[0]
	sel.register(a, selectors.EVENT_READ)
	n = 0
	while True:
	    assert sel.select(20)
	    data = a.recv(100000)
	    if not data:
	        break
	    n += len(data)
	assert n == 3000000, n
	# a program that was executed finds what it has inherited
	subprocess.run(["python3", "-c", "import socket; socket.socket(fileno=%d).send(b'got it')"
	    % a.fileno()], pass_fds=[a.fileno()], check=True)
	assert os.waitpid(pid, 0)[1] == 0
	addr = l.getsockname()
	for s in l, a:
	    sel.unregister(s) if s is a else None
	    s.close()
	# closed means closed: the port is free at once
	l = socket.socket()
	l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	l.bind(addr)
	name = "/rump/tmp/%d" % os.getpid()
	with open(name, "w") as f:
	    f.write("y" * 2000000)
	assert len(open(name).read()) == 2000000
	print("all is well")
	END
}

test_case psk 'a key that both sides have'
psk_body() {
	url=tls://127.0.0.1:$(port)
	new_key psk
	export RUMP_TLS_PSK=psk
	cat_program
	serve "$url"
	atf_check -o inline:'all is well\n' timeout 60 $rump run --server "$url" -- python3 p.py
	# several programs at once, by one relay, which is gone with the last
	$rump relay "unix://$PWD/near" "$url" & echo $! >pid2
	while [ ! -S near ]; do sleep 0.05; done
	for i in 1 2 3; do
		timeout 60 $rump run --server "unix://$PWD/near" -- python3 p.py >out$i &
		eval "p$i=$!"
	done
	wait $p1 && wait $p2 && wait $p3 || atf_fail 'one of three'
	# who comes by a relay is a guest
	atf_check -s exit:1 -e match:'cannot be halted' $rump halt "unix://$PWD/near"
	atf_check -s exit:1 -e match:'links reach the host of the server, and are for its own user' \
	    $rump if --server "unix://$PWD/near" add "virt9,link=shm:$PWD/seg,pcap=$PWD/pcap"
	atf_check test ! -e seg -a ! -e pcap
	# another key, none, one that others can read
	new_key other
	atf_check -s exit:1 -e match:"^rump_relay: $url: the relay there refuses us" \
	    $rump relay --psk other "unix://$PWD/n2" "$url"
	chmod 644 other
	atf_check -s exit:1 -e match:'others than its owner can read this key' \
	    $rump relay --psk other "unix://$PWD/n2" "$url"
	printf 'me:123\n' >bad
	chmod 600 bad
	atf_check -s exit:1 -e match:'^rump_relay: bad: not a line IDENTITY:KEY' \
	    $rump relay --psk bad "unix://$PWD/n2" "$url"
	unset RUMP_TLS_PSK
	atf_check -s exit:1 -e match:'needs a key that both sides have' \
	    $rump relay "unix://$PWD/n2" "$url"
}

test_case certificates 'certificates of one authority'
certificates_body() {
	command -v openssl >/dev/null || atf_skip 'openssl is not installed'
	for ca in ca wrong; do
		atf_check -e ignore openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		    -nodes -keyout $ca.key -out $ca.pem -days 2 -subj "/CN=$ca"
	done
	for who in server client stranger; do
		ca=ca
		[ $who != stranger ] || ca=wrong
		atf_check -e ignore openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		    -keyout $who.key -out $who.csr -subj "/CN=$who"
		printf 'subjectAltName=DNS:localhost\n' >ext
		atf_check -e ignore openssl x509 -req -in $who.csr -CA $ca.pem -CAkey $ca.key \
		    -CAcreateserial -days 2 -extfile ext -out $who.pem
	done
	# It may also be ::1, and then is that first.
	at=$(port) url=tls://localhost:$at
	cat_program
	export RUMP_TLS_CA=ca.pem RUMP_TLS_CERT=server.pem RUMP_TLS_KEY=server.key
	serve "tls://127.0.0.1:$at"
	export RUMP_TLS_CERT=client.pem RUMP_TLS_KEY=client.key
	atf_check -o inline:'all is well\n' timeout 60 $rump run --server "$url" -- python3 p.py
	# the server's certificate is for another name
	atf_check -s exit:1 -e match:'certificate verify failed' \
	    $rump relay "unix://$PWD/n" "tls://127.0.0.1:$at"
	# not of this authority, on either side
	atf_check -s exit:1 -e match:'refuses us' $rump relay --cert stranger.pem --key stranger.key \
	    "unix://$PWD/n" "$url"
	atf_check -s exit:1 -e match:'certificate verify failed' $rump relay --ca wrong.pem \
	    "unix://$PWD/n" "$url"
}

test_case plain 'tcp:// stays on this host'
plain_body() {
	url=tcp://127.0.0.1:$(port)
	cat_program
	serve "$url"
	atf_check -o inline:'all is well\n' timeout 60 $rump run --server "$url" -- python3 p.py
	for u in tcp://192.0.2.1:99 tcp://0.0.0.0:99 'tcp://[2001:db8::1]:99'; do
		atf_check -s exit:1 -e match:'not on this host, and plain tcp can be read' \
		    $rump relay "unix://$PWD/n" "$u"
		atf_check -s exit:1 -e match:'not on this host, and plain tcp can be read' \
		    $rump relay "$u" "unix://$PWD/n"
	done
	for u in tls:// tls://x tls://:1 tls://x: 'tcp://[::1:1' http://x:1; do
		atf_check -s exit:1 -e match:"^rump_relay: " $rump relay "unix://$PWD/n" "$u"
	done
	atf_check -s exit:2 -e match:'^rump_relay: unix://@x: one of the two is unix://PATH' \
	    $rump relay "unix://$PWD/n" unix://@x
	atf_check -s exit:1 -e match:'Connection refused' $rump relay "unix://$PWD/n" \
	    "tcp://127.0.0.1:$(port)"
}

test_case hostile 'bytes that are no frames, and frames that lie'
hostile_body() {
	p=$(port)
	serve "tcp://127.0.0.1:$p"
	cat >h.py <<-END
	import random, socket, struct
	random.seed(1)
	BANNER = struct.pack("<IIII", 16, 1, 0x4c455250, 1)
	kept = []
	for i in range(1500):
	    s = socket.create_connection(("127.0.0.1", $p))
	    out = b"" if i % 7 == 0 else BANNER
	    for k in range(random.randrange(6)):
	        t = random.choice([1, 2, 2, 3, 3, 3, 4, 5, 6, 7, 0, 0xffffffff])
	        n = random.choice([0, 1, 16, 17, 24, 32, 100, 65552, 65553, 0xffffffff])
	        a = random.choice([0, 0, 0, 1, 2, 16, 17, 0xffffffff])
	        out += struct.pack("<IIII", n, t, random.randrange(4), a)
	        out += random.randbytes(min(n, 70000) - 16 if random.random() < .7 and n > 16 else
	            random.randrange(40))
	    try:
	        s.sendall(out)
	    except OSError:
	        pass
	    if i % 10 == 0:
	        kept.append(s)			# and does not read
	    else:
	        s.close()
	END
	atf_check timeout 60 python3 h.py
	cat_program
	atf_check -o inline:'all is well\n' timeout 60 $rump run --server "tcp://127.0.0.1:$p" -- \
	    python3 p.py
	fds=$(ls /proc/$(pgrep -P "$(cat pid)")/fd | wc -l)
	[ "$fds" -lt 60 ] || atf_fail "$fds descriptors are left"
}

test_case gone 'the server, or the relay beside it, dies: errors, and the next one serves'
gone_body() {
	url=tcp://127.0.0.1:$(port)
	serve "$url"
	$rump relay "unix://$PWD/near" "$url" 2>near.err & echo $! >pid2
	while [ ! -S near ]; do sleep 0.05; done
	cat >p.py <<-END
	import os, socket, time
	s = socket.socket()
	open("up", "w").close()
	while os.path.exists("up"):
	    time.sleep(0.02)
	try:
	    s.listen()
	    assert False
	except OSError as x:
	    assert x.errno == 107, x
	socket.socket().listen()		# waits
	END
	timeout 60 env RUMPHIJACK_RETRYCONNECT=30 $rump run --server "unix://$PWD/near" -- \
	    python3 p.py & prog=$!
	while [ ! -e up ]; do sleep 0.05; done
	kill -9 "$(cat pid)"
	wait "$(cat pid)"
	rm up
	sleep 0.2
	serve "$url"
	wait $prog || atf_fail "the program: $?"
}

test_case ps 'rump ps: programs by their own names and pids'
ps_body() {
	url=unix://@rump-test-ps-$$
	$server -s "$url" & echo $! >pid
	for i in $(seq 100); do
		! timeout 5 $rump ps "$url" >out 2>err || break
		sleep 0.05
	done
	# nobody
	atf_check -o match:'^Linux 6\..* up .* MB in use$' -o match:'^ *PID THREADS' cat out
	atf_check_equal "$(wc -l <out)" 2
	timeout 60 $rump run --server "$url" -- python3 -c 'import socket, time
s = [socket.socket() for i in range(3)]
time.sleep(50)' &
	sleeper=$!
	for i in $(seq 100); do
		$rump ps "$url" >out
		! grep -q ' 3 .*  python3' out || break
		sleep 0.05
	done
	host=$(pgrep -P $sleeper python3)
	atf_check -o match:"^ *$host +1 +3 +3 +[0-9.]+ MB +[0-9:.]+  python3" cat out
	# and the server among this user's, by its process id
	atf_check -o match:"^ *$(cat pid) +[0-9.]+ MB +[0-9:.]+  rump_server +$url\$" $rump ps
	kill $sleeper
	atf_check -s exit:2 -e match:'^rump: ps: more: one operand too many' $rump ps "$url" more
	atf_check -s exit:1 -e match:'no rump_server is there' $rump ps unix://@nobody-$$
}

atf_init_test_cases() {
	for t in psk certificates plain hostile gone ps; do
		atf_add_test_case $t
	done
}
