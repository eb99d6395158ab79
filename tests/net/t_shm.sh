# SPDX-License-Identifier: BSD-2-Clause
#
# link=shm:PATH: rump kernels on a segment of their own; and what any link must stand.

. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/net/lib.sh"

# pair [OPTION]...: kernels a and b at 10.1.0.1 and .2
pair()
{
	server a "virt0,link=shm:$PWD/seg" "$@"
	server b "virt0,link=shm:$PWD/seg" "$@"
	address a 10.1.0.1/24
	address b 10.1.0.2/24
}

test_case traffic "ping, TCP, and large frames between three kernels; the segment goes with the last" ping
traffic_body()
{
	pair -c 2
	server c "virt0,link=shm:$PWD/seg"
	address c 10.1.0.3/24
	atf_check -o match:"3 received" $(on a) ping -q -c 3 -i 0.1 -W 2 10.1.0.2
	atf_check -o match:"2 received" $(on a) ping -q -c 2 -i 0.1 -s 20000 10.1.0.2
	# Broadcast reaches all.
	$(on b) sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0 2>/dev/null
	atf_check -o match:"2 received" $(on b) ping -q -c 2 -i 0.1 10.1.0.3
	transfer "$(on a)" "$(on b)" 10.1.0.2 5001 64
	transfer "$(on b)" "$(on a)" 10.1.0.1 5002 16
	rump halt "unix://$PWD/a"
	rump halt "unix://$PWD/b"
	[ -e seg ] || atf_fail "the segment is gone, and a member is there"
	rump halt "unix://$PWD/c"
	[ ! -e seg ] || atf_fail "the segment is still there"
}

test_case refused "what is no segment of this version is refused, and left alone"
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
	atf_check -s exit:1 -e match:"link=ham: no such kind of link; there are shm, slirp, passt" \
	    rump_server -i "virt0,link=ham" "unix://$PWD/a"
	atf_check -s exit:1 -e match:"\"seven\" is no word of link=shm" \
	    rump_server -i "virt0,link=shm:$PWD/new,seven=7" "unix://$PWD/a"
	[ ! -e new ] || atf_fail "a segment without members is left"
}

test_case stack "MTU, IPv6 by autoconfiguration, multicast, checksums made here, down and up" ping ethtool
stack_body()
{
	pair
	for k in a b; do
		$(on $k) ip link set virt0 mtu 9000
	done
	atf_check -o match:"2 received" $(on a) ping -q -M do -c 2 -i 0.1 -s 8972 10.1.0.2
	atf_check -s not-exit:0 -o ignore -e ignore $(on a) ping -q -M do -c 1 -W 1 -s 8973 10.1.0.2
	# All nodes of the link, by the addresses that each has made for itself.
	wait_until sh -c "$(on a) ip -6 addr show virt0 | grep 'fe80::' | grep -qv tentative"
	wait_until sh -c "$(on b) ip -6 addr show virt0 | grep 'fe80::' | grep -qv tentative"
	cat >all.py <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
	if sys.argv[1] == 'send':
	    index = int(open('/sys/class/net/virt0/ifindex').read())
	    s.sendto(b'hello', ('ff02::1', 5006, 0, index))
	else:
	    s.bind(('::', 5006))
	    print('ready', flush=True)
	    data, sender = s.recvfrom(100)
	    print(data.decode(), sender[0], flush=True)
	END
	background $(on b) python3 all.py receive >got
	wait_for ready got
	atf_check $(on a) python3 all.py send
	wait_for "hello fe80::" got
	multicast "$(on a)" "$(on b)" 10.1.0.1 10.1.0.2
	for how in off on; do
		$(on a) ethtool -K virt0 tx $how rx $how >log 2>&1 || atf_fail "ethtool -K"
		transfer "$(on a)" "$(on b)" 10.1.0.2 5001 4
		transfer "$(on b)" "$(on a)" 10.1.0.1 5002 4
	done
	$(on b) ip link set virt0 down
	atf_check -s not-exit:0 -o ignore $(on a) ping -q -c 1 -W 1 10.1.0.2
	$(on b) ip link set virt0 up
	atf_check -o match:"2 received" $(on a) ping -q -c 2 -i 0.1 -W 2 10.1.0.2
}

test_case autoconf "IPv6 addresses and routes from a router" ping
autoconf_body()
{
	# Slirp's own router, as the nearest that needs no further program.
	server a virt0,link=slirp
	wait_until sh -c "$(on a) ip -6 addr show virt0 | grep -q 'inet6 fec0::.*dynamic'"
	atf_check -o match:"default via fe80::" $(on a) ip -6 route
}

test_case lossy "a transfer is whole under 1 % loss and 5 % reordering (RUMP_NET_MB: more of it)" ping
lossy_body()
{
	pair -c 2
	for k in a b; do
		atf_check $(on $k) tc qdisc add dev virt0 root netem delay 1ms loss 1% reorder 5% limit 10000
	done
	transfer "$(on a)" "$(on b)" 10.1.0.2 5001 "${RUMP_NET_MB:-16}"
	atf_check -o match:"dropped [1-9]" $(on a) tc -s qdisc show dev virt0
}

# Nothing of the clients is killed, only the kernels.
test_case killed "members that are killed, in the midst of sending, leave the others at work" ping
killed_body()
{
	server a "virt0,link=shm:$PWD/seg"
	address a 10.1.0.1/24
	for i in 1 2 3 4 5 6; do
		rump_server -s -i "virt0,link=shm:$PWD/seg" "unix://$PWD/k$i" &
		pid=$!
		wait_until test -S "k$i"
		address "k$i" "10.1.0.1$i/24"
		timeout 20 $(on "k$i") python3 -c "
	import socket
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	while True:
	    s.sendto(bytes(1400), ('10.1.0.1', 9))" 2>/dev/null &
		sleep 0.3
		kill -9 $pid
		wait
		rm -f "k$i"
	done
	server b "virt0,link=shm:$PWD/seg"
	address b 10.1.0.2/24
	atf_check -o match:"2 received" $(on a) ping -q -c 2 -i 0.1 -W 2 10.1.0.2
	transfer "$(on b)" "$(on a)" 10.1.0.1 5001 16
	# One that is stopped holds nobody up.
	server c "virt0,link=shm:$PWD/seg"
	address c 10.1.0.3/24
	atf_check -o match:"1 received" $(on a) ping -q -c 1 -W 2 10.1.0.3
	c=$(pgrep -f "$PWD/c\$")
	kill -STOP "$c"
	timeout 20 $(on b) python3 -c "
	import socket
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	for i in range(5000):
	    s.sendto(bytes(1400), ('10.1.0.3', 9))"
	transfer "$(on b)" "$(on a)" 10.1.0.1 5002 4
	kill -CONT "$c"
	atf_check -o match:"[12] received" $(on a) ping -q -c 2 -W 2 10.1.0.3
}

test_case cut "a segment that is cut short or overwritten loses the carrier, and no kernel" ping
cut_body()
{
	pair
	atf_check -o match:"1 received" $(on a) ping -q -c 1 -W 2 10.1.0.2
	# The next kernel that touches it finds zeroes.
	truncate -s 0 seg
	$(on a) ping -q -c 2 -i 0.2 -W 1 10.1.0.2 >log 2>&1
	no_carrier "$(on a)"
	atf_check -o match:"1 received" $(on a) ping -q -c 1 127.0.0.1
	atf_check rump halt "unix://$PWD/a"
	$(on b) ping -q -c 2 -i 0.2 -W 1 10.1.0.1 >log 2>&1
	atf_check -o match:"1 received" $(on b) ping -q -c 1 127.0.0.1
	atf_check rump halt "unix://$PWD/b"
	rm -f seg
	pair
	dd if=/dev/urandom of=seg bs=64k count=64 conv=notrunc 2>/dev/null
	$(on a) ping -q -c 2 -i 0.2 -W 1 10.1.0.2 >log 2>&1
	atf_check -o match:"1 received" $(on a) ping -q -c 1 127.0.0.1
	atf_check -o match:"1 received" $(on b) ping -q -c 1 127.0.0.1
	atf_check rump halt "unix://$PWD/a"
	atf_check rump halt "unix://$PWD/b"
}

test_case isolated "the process of an isolated link is killed, also while it recovers" ping pgrep
isolated_body()
{
	server a "virt0,link=shm:$PWD/seg,isolate,pcap=$PWD/p"
	server b "virt0,link=shm:$PWD/seg"
	address a 10.1.0.1/24
	address b 10.1.0.2/24
	transfer "$(on a)" "$(on b)" 10.1.0.2 5001 8
	# Each as soon as it is there.
	for i in 1 2 3 4 5 6; do
		wait_until kill_link "virt0,link=shm:$PWD/seg,isolate"
	done
	carrier "$(on a)"
	wait_until $(on a) ping -q -c 1 -W 1 10.1.0.2
	transfer "$(on b)" "$(on a)" 10.1.0.1 5002 8
	atf_check -s exit:1 -e match:"\"x\" is no word of link=shm" \
	    rump_server -i "virt0,link=shm:$PWD/seg,isolate,x" "unix://$PWD/c"
	atf_check rump halt "unix://$PWD/a"
	! link_process "virt0,link=shm:$PWD/seg,isolate" || atf_fail "its process is still there"
}

test_case runtime "interfaces come and go while the kernel runs" ping
runtime_body()
{
	pair
	url=unix://$PWD/a
	atf_check rump if --server "$url" add "v1,link=shm:$PWD/seg2,mac=02:00:00:00:00:77,mtu=1400"
	atf_check -o match:"^virt0	virt0,link=shm" -o match:"^v1	v1,link=shm:.*mtu=1400" \
	    rump if --server "$url" list
	atf_check -o match:"mtu 1400" -o match:"02:00:00:00:00:77" $(on a) ip link show v1
	atf_check -s exit:1 -e match:"if add v1,link=slirp: there is an interface v1 already" \
	    rump if --server "$url" add v1,link=slirp
	atf_check -s exit:1 -e match:"fd is for the program that runs the kernel" \
	    rump if --server "$url" add v2,link=fd:3
	# While frames flow.
	background $(on b) ping -q -f -c 100000 10.1.0.1 >/dev/null 2>&1
	for i in 1 2 3 4 5; do
		atf_check rump if --server "$url" del virt0
		atf_check rump if --server "$url" add "virt0,link=shm:$PWD/seg"
		address a 10.1.0.1/24
	done
	atf_check -o match:" [12] received" $(on a) ping -q -c 2 -W 2 10.1.0.2
	atf_check rump if --server "$url" del v1
	[ ! -e seg2 ] || atf_fail "seg2 is still there"
	atf_check -s exit:1 -e match:"if del v1: there is no such interface" rump if --server "$url" del v1
	# Embedded, and its own variable.
	atf_check -o match:"virt9.*02:00:00:00:00:99" env LD_PRELOAD="$P/lib/librumphijack.so" \
	    RUMP_IF="virt9,link=shm:$PWD/seg2,mac=02:00:00:00:00:99" ip -br link show virt9
}

atf_init_test_cases()
{
	for t in traffic refused stack autoconf lossy killed cut isolated runtime; do
		atf_add_test_case $t
	done
}
