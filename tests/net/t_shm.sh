# SPDX-License-Identifier: BSD-2-Clause
#
# link=shm:PATH: rump kernels on a segment of their own.

. "$(atf_get_srcdir)/../env.sh"
PATH=$B/bin:$PATH

# server NAME ADDRESS [OPTION]...: a kernel on the segment ./seg
server()
{
	name=$1 addr=$2
	shift 2
	rump_server -i "virt0,link=shm:$PWD/seg" "$@" "unix://$PWD/$name" || atf_fail "rump_server $name"
	$(on "$name") ip addr add "$addr" dev virt0
	$(on "$name") ip link set virt0 up
}

# $(on NAME) PROGRAM: under the library
on()
{
	echo rump run --server "unix://$PWD/$1" --
}

halt_all()
{
	for s in "$@"; do
		[ ! -S "$s" ] || rump halt "unix://$PWD/$s" || :
	done
}

atf_test_case traffic cleanup
traffic_head()
{
	atf_set descr "ping, TCP with a checksum, and large frames between two kernels; the segment goes with the last"
	atf_set require.progs "ip ping python3"
}
traffic_body()
{
	server a 10.1.0.1/24
	server b 10.1.0.2/24 -c 2
	server c 10.1.0.3/24
	atf_check -o match:"3 received" $(on a) ping -q -c 3 -i 0.1 -W 2 10.1.0.2
	atf_check -o match:"2 received" $(on a) ping -q -c 2 -i 0.1 -s 20000 10.1.0.2
	# Broadcast reaches all, unicast one.
	atf_check -o match:"[23] received" $(on b) ping -q -c 2 -i 0.1 10.1.0.3
	cat >recv.py <<-'END'
	import socket, hashlib
	l = socket.create_server(('10.1.0.2', 5000))
	print('ready', flush=True)
	s, _ = l.accept()
	h, n = hashlib.sha256(), 0
	while True:
	    d = s.recv(65536)
	    if not d:
	        break
	    h.update(d)
	    n += len(d)
	s.sendall(h.hexdigest().encode())
	END
	cat >send.py <<-'END'
	import os, socket, hashlib
	s = socket.create_connection(('10.1.0.2', 5000))
	h = hashlib.sha256()
	for i in range(256):
	    d = os.urandom(65536) * 4
	    h.update(d)
	    s.sendall(d)
	s.shutdown(socket.SHUT_WR)
	got = s.makefile().read()
	assert got == h.hexdigest(), got
	END
	$(on b) python3 recv.py >ready &
	while ! grep -q ready ready; do sleep 0.1; done
	atf_check $(on a) python3 send.py
	wait
	halt_all a b
	[ -e seg ] || atf_fail "the segment is gone, and a member is there"
	halt_all c
	[ ! -e seg ] || atf_fail "the segment is still there"
}
traffic_cleanup() { halt_all a b c; }

atf_test_case refused
refused_head() { atf_set descr "what is no segment of this version is refused, and left alone"; }
refused_body()
{
	echo "something else" >seg
	cp seg before
	atf_check -s exit:1 -e match:"seg is there, and is no network segment" \
	    rump_server -i "virt0,link=shm:$PWD/seg" "unix://$PWD/a"
	atf_check cmp seg before
	# magic, version 7
	printf 'rumpshm\0\007\0\0\0' >seg
	truncate -s 1M seg
	atf_check -s exit:1 -e match:"a segment of version 7, this library has version 1" \
	    rump_server -i "virt0,link=shm:$PWD/seg" "unix://$PWD/a"
	atf_check -s exit:1 -e match:"/nowhere/seg: No such file or directory" \
	    rump_server -i "virt0,link=shm:/nowhere/seg" "unix://$PWD/a"
	atf_check -s exit:1 -e match:"link=ham: no such kind of link; there are shm, slirp, passt, tap, raw, vde, udp, fd" \
	    rump_server -i "virt0,link=ham" "unix://$PWD/a"
	atf_check -s exit:1 -e match:"\"seven\" is no word of link=shm" \
	    rump_server -i "virt0,link=shm:$PWD/new,seven=7" "unix://$PWD/a"
	[ ! -e new ] || atf_fail "a segment without members is left"
}

atf_init_test_cases()
{
	atf_add_test_case traffic
	atf_add_test_case refused
}
