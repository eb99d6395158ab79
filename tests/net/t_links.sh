# SPDX-License-Identifier: BSD-2-Clause
#
# Each kind of link, with what it is made for on the other end.

. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/net/lib.sh"

# Others may run the same tests on this host.
ns=rump$$
# four ports, of none that the host gives to connections
port=$((20000 + $$ % 3000 * 4))

test_case tap "the host at the other end of a tap, with one queue and with two" ping ethtool
tap_body()
{
	[ -c /dev/net/tun ] || atf_skip "there is no /dev/net/tun"
	namespace $ns
	ip -n $ns tuntap add tap0 mode tap || atf_skip "no taps can be made here"
	ip -n $ns addr add 10.2.0.1/24 dev tap0
	ip -n $ns addr add fd02::1/64 dev tap0 nodad
	ip -n $ns link set tap0 up
	ip netns exec $ns rump_server -c 2 -i "virt0,link=tap:tap0" "unix://$PWD/a" || atf_fail a
	address a 10.2.0.2/24
	between "$(on a)" "ip netns exec $ns" 10.2.0.2 10.2.0.1 tap0
	# IPv6 from what a router says: an address, and a route.
	cat >router.py <<-'END'
	import socket, struct
	s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
	s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
	prefix = struct.pack('!BBBBIII16s', 3, 4, 64, 0xc0, 3600, 3600, 0,
	                     socket.inet_pton(socket.AF_INET6, 'fd02::'))
	s.sendto(struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0) + prefix,
	         ('ff02::1', 0, 0, socket.if_nametoindex('tap0')))
	END
	wait_until sh -c "ip -n $ns -6 addr show dev tap0 scope link | grep 'fe80::' | grep -qv tentative"
	atf_check ip netns exec $ns python3 router.py
	wait_until sh -c "$(on a) ip -6 addr show virt0 | grep 'inet6 fd02::.*dynamic' | grep -qv tentative"
	atf_check -o match:"default via fe80::.* proto ra" $(on a) ip -6 route
	atf_check -o match:" 2 received" $(on a) ping -6 -q -c 2 -i 0.1 fd02::1
	# A second one cannot have it.
	atf_check -s exit:1 -e match:"tap:tap0: another process has it" \
	    ip netns exec $ns rump_server -i "virt0,link=tap:tap0" "unix://$PWD/b"
	# It goes, and one of that name comes.
	ip -n $ns link del tap0
	no_carrier "$(on a)"
	atf_check rump if --server "unix://$PWD/a" del virt0
	ip -n $ns tuntap add tap0 mode tap
	ip -n $ns addr add 10.2.0.1/24 dev tap0
	ip -n $ns link set tap0 up
	atf_check rump if --server "unix://$PWD/a" add virt0,link=tap:tap0
	address a 10.2.0.2/24
	atf_check -o match:" [12] received" ip netns exec $ns ping -q -c 2 -W 2 10.2.0.2
	rump halt "unix://$PWD/a"
	ip -n $ns tuntap add tap1 mode tap multi_queue
	ip -n $ns addr add 10.2.1.1/24 dev tap1
	ip -n $ns link set tap1 up
	ip netns exec $ns rump_server -c 2 -i "virt0,link=tap:tap1,queues=2" "unix://$PWD/a" || atf_fail a
	address a 10.2.1.2/24
	transfer "$(on a)" "ip netns exec $ns" 10.2.1.1 5001 16
	transfer "ip netns exec $ns" "$(on a)" 10.2.1.2 5002 16
	atf_check -o match:"Combined:.*2" $(on a) ethtool -l virt0
}

test_case raw "the host at the other end of a veth pair, by a packet socket" ping ethtool
raw_body()
{
	namespace $ns
	ip -n $ns link add v0 type veth peer name v1 || atf_skip "no veth pairs here"
	ip -n $ns addr add 10.3.0.1/24 dev v0
	ip -n $ns link set v0 up
	ip -n $ns link set v1 up
	ip netns exec $ns rump_server -c 2 -i "virt0,link=raw:v1" "unix://$PWD/a" || atf_fail a
	address a 10.3.0.2/24
	between "$(on a)" "ip netns exec $ns" 10.3.0.2 10.3.0.1 v0
	# The host's end goes down and up; then it goes for good, and another comes.
	ip -n $ns link set v1 down
	atf_check -s not-exit:0 -o ignore $(on a) ping -q -c 1 -W 1 10.3.0.1
	ip -n $ns link set v1 up
	wait_until $(on a) ping -q -c 1 -W 1 10.3.0.1
	ip -n $ns link del v0
	$(on a) ping -q -c 1 -W 1 10.3.0.1 >log 2>&1
	no_carrier "$(on a)"
	atf_check rump if --server "unix://$PWD/a" del virt0
	ip -n $ns link add v0 type veth peer name v1
	ip -n $ns addr add 10.3.0.1/24 dev v0
	ip -n $ns link set v0 up
	ip -n $ns link set v1 up
	atf_check rump if --server "unix://$PWD/a" add virt0,link=raw:v1
	address a 10.3.0.2/24
	atf_check -o match:" [12] received" ip netns exec $ns ping -q -c 2 -W 2 10.3.0.2
	atf_check -s exit:1 -e match:"raw:nosuch: the host has no such interface" \
	    ip netns exec $ns rump_server -i "virt0,link=raw:nosuch" "unix://$PWD/b"
}

test_case udp "two kernels by datagrams of the host; one dies, and comes back" ping
udp_body()
{
	server a virt0,link=udp:127.0.0.1:$((port + 1)),local=$port
	server b virt0,link=udp:127.0.0.1:$port,local=127.0.0.1:$((port + 1))
	address a 10.4.0.1/24
	address b 10.4.0.2/24
	between "$(on a)" "$(on b)" 10.4.0.1 10.4.0.2
	# What is no frame.
	python3 -c "
	import socket
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(('127.0.0.1', $((port + 2))))
	for data in b'', b'x', bytes(60000):
	    s.sendto(data, ('127.0.0.1', $port))"
	rump halt "unix://$PWD/b"
	atf_check -s not-exit:0 -o ignore $(on a) ping -q -c 1 -W 1 10.4.0.2
	python3 -c "
	import socket
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(('127.0.0.1', $((port + 1))))
	for data in b'', b'x', bytes(60000):
	    s.sendto(data, ('127.0.0.1', $port))"
	server b virt0,link=udp:127.0.0.1:$port,local=$((port + 1))
	address b 10.4.0.2/24
	$(on a) ip neigh flush dev virt0
	atf_check -o match:" [12] received" $(on a) ping -q -c 2 -W 2 10.4.0.2
	for bad in udp:127.0.0.1 udp::1 udp:127.0.0.1:99999 "udp:127.0.0.1:1,local=x"; do
		atf_check -s exit:1 -e match:"is wanted" rump_server -i "virt0,link=$bad" "unix://$PWD/c"
	done
	atf_check -s exit:1 -e match:"our port $port: Address already in use" \
	    rump_server -i "virt0,link=udp:127.0.0.1:1,local=$port" "unix://$PWD/c"
}

test_case fd "two kernels on a socketpair that they were given: a stream, messages, with virtio headers" ping
fd_body()
{
	cat >pair.py <<-'END'
	import os, socket, subprocess, sys
	kind, word = getattr(socket, sys.argv[1]), sys.argv[2]
	for name, s in zip('ab', socket.socketpair(socket.AF_UNIX, kind)):
	    n = s.fileno()
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 100000)    # short writes
	    subprocess.run(['rump_server', '-i', f'virt0,link=fd:{n}{word}', f'unix://{os.getcwd()}/{name}'],
	                   pass_fds=[n], check=True)
	END
	for how in "SOCK_STREAM" "SOCK_SEQPACKET" "SOCK_DGRAM ,vnet"; do
		set -- $how
		atf_check python3 pair.py "$1" "${2:-}"
		address a 10.7.0.1/24
		address b 10.7.0.2/24
		if [ "$1" = SOCK_STREAM ]; then
			between "$(on a)" "$(on b)" 10.7.0.1 10.7.0.2
		else
			transfer "$(on a)" "$(on b)" 10.7.0.2 5001 8
			lossy "$(on b)" "$(on a)" 10.7.0.1 5002
		fi
		# One goes, and there is nothing that could come in its place.
		atf_check rump halt "unix://$PWD/b"
		[ "$1" = SOCK_DGRAM ] || no_carrier "$(on a)"
		atf_check rump halt "unix://$PWD/a"
	done
	atf_check -s exit:1 -e match:"link=fd:77: no such descriptor is open" \
	    rump_server -i virt0,link=fd:77 "unix://$PWD/c"
}

test_case vde "two kernels on a switch of VDE, which goes away and comes back" ping vde_switch
vde_body()
{
	case $B in *address*) atf_skip "the runtime of the sanitizer lets no plug-in of VDE be loaded" ;; esac
	mkdir vde
	vde_switch -d -s "$PWD/sw" -M "$PWD/vde/mgmt" -p "$PWD/sw.pid" </dev/null || atf_fail vde_switch
	cat sw.pid >>pids
	server a "virt0,link=vde:$PWD/sw"
	server b "virt0,link=vde:vde\\://$PWD/sw"
	address a 10.5.0.1/24
	address b 10.5.0.2/24
	between "$(on a)" "$(on b)" 10.5.0.1 10.5.0.2
	kill "$(cat sw.pid)"
	no_carrier "$(on a)"
	vde_switch -d -s "$PWD/sw" -M "$PWD/vde/mgmt" -p "$PWD/sw.pid" </dev/null || atf_fail vde_switch
	cat sw.pid >>pids
	carrier "$(on a)"
	carrier "$(on b)"
	atf_check -o match:" [12] received" $(on a) ping -q -c 2 -W 2 10.5.0.2
	atf_check -s exit:1 -e match:"link=vde:$PWD/nosuch: " \
	    rump_server -i "virt0,link=vde:$PWD/nosuch" "unix://$PWD/c"
}

test_case slirp "the loopback of the host by slirp, both ways; configured, with a resolver" curl ethtool
slirp_body()
{
	mkdir www
	dd if=/dev/urandom of=www/file bs=1M count=16 2>/dev/null
	background python3 -m http.server $port --bind 127.0.0.1 -d www >/dev/null 2>&1
	wait_until curl -s http://127.0.0.1:$port/
	atf_check -o file:www/file "$P/bin/rump" run --net -- curl -s http://10.0.2.2:$port/file
	atf_check -o file:www/file env LD_PRELOAD="$P/lib/librumphijack.so" RUMP_IF="virt0,link=slirp" \
	    curl -s http://10.0.2.2:$port/file
	server a "virt0,link=slirp,hostfwd=tcp::$((port + 1))-:80,hostfwd=udp:127.0.0.1:$((port + 2))-10.0.2.15:53"
	atf_check -o match:"10.0.2.15/24" $(on a) ip addr show virt0
	atf_check -o match:"default via 10.0.2.2 dev virt0" $(on a) ip route
	atf_check -o inline:'nameserver 10.0.2.3\n' $(on a) cat /etc/resolv.conf
	background $(on a) python3 -m http.server 80 -d www >/dev/null 2>&1
	wait_until curl -s http://127.0.0.1:$((port + 1))/
	atf_check -o file:www/file curl -s http://127.0.0.1:$((port + 1))/file
	lossy "$(on a)" "" 10.0.2.2 $((port + 3)) 127.0.0.1
	for how in off on; do
		$(on a) ethtool -K virt0 tx $how rx $how >log 2>&1 || atf_fail "ethtool -K"
		transfer "$(on a)" "" 10.0.2.2 $((port + 3)) 4 127.0.0.1
	done
	$(on a) ip link set virt0 down
	atf_check -s not-exit:0 $(on a) curl -s -m 2 http://10.0.2.2:$port/
	$(on a) ip link set virt0 up
	$(on a) ip route replace default via 10.0.2.2
	atf_check -o file:www/file $(on a) curl -s http://10.0.2.2:$port/file
	rump halt "unix://$PWD/a"
	server a "virt0,link=slirp,mtu=1400"
	atf_check -o file:www/file $(on a) curl -s http://10.0.2.2:$port/file
	transfer "$(on a)" "" 10.0.2.2 $((port + 3)) 4 127.0.0.1
	rump halt "unix://$PWD/a"
	server a "virt0,link=slirp,noconfig"
	atf_check -o not-match:"inet " $(on a) ip addr show virt0
	atf_check -s exit:1 -e match:"hostfwd=80: want tcp.udp:.HOSTADDR.:PORT" \
	    rump_server -i virt0,link=slirp,hostfwd=80 "unix://$PWD/c"
	atf_check -s exit:1 -e match:"hostfwd=tcp::$port-:1: Address already in use" \
	    rump_server -i virt0,link=slirp,hostfwd=tcp::$port-:1 "unix://$PWD/c"
}

# name_server ADDRESS: in the background, after COMMAND...; all names are those of 10.0.2.2
name_server()
{
	cat >dns.py <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind((sys.argv[1], 53))
	print('ready', flush=True)
	while True:
	    q, a = s.recvfrom(512)
	    end = q.index(b'\0', 12) + 5
	    v4 = q[end - 4:end - 2] == b'\0\1'
	    answer = b'\xc0\x0c\0\1\0\1\0\0\0\1\0\4' + bytes([10, 0, 2, 2]) if v4 else b''
	    s.sendto(q[:2] + b'\x81\x80\0\1' + (b'\0\1' if v4 else b'\0\0') + b'\0\0\0\0' + q[12:end] + answer, a)
	END
	_at=$1
	shift
	echo "import socket; print(socket.gethostbyname('any.name.example'))" >ask.py
	rm -f ready
	background "$@" python3 dns.py "$_at" >ready
	wait_for ready ready
}

test_case dns "a hijacked program finds names by what the link says" curl
dns_body()
{
	server a virt0,link=slirp
	name_server 10.0.2.15 $(on a)
	echo nameserver 10.0.2.15 >resolv
	$(on a) cp resolv /rump/etc/resolv.conf
	atf_check -o inline:'10.0.2.2\n' $(on a) python3 ask.py
}

# The name server that the host has, on its loopback, for links that come configured.
test_case upstream "slirp and passt ask the resolver of the host" passt
upstream_body()
{
	connected_namespace
	name_server 127.0.0.1 ip netns exec $ns
	echo nameserver 127.0.0.1 >resolv
	# The file is in place for these processes only.
	atf_check ip netns exec $ns sh -c "mount --bind resolv /etc/resolv.conf &&
	    exec rump_server -i virt0,link=slirp unix://$PWD/a"
	atf_check -o inline:'nameserver 10.0.2.3\n' $(on a) cat /etc/resolv.conf
	atf_check -o inline:'10.0.2.2\n' $(on a) python3 ask.py
	background ip netns exec $ns sh -c "mount --bind resolv /etc/resolv.conf &&
	    exec passt --runas 0 -f -s $PWD/p" >log 2>&1
	wait_until test -S p
	server b "virt0,link=passt:$PWD/p"
	atf_check -o match:'nameserver 192.0.2.1' $(on b) cat /etc/resolv.conf
	atf_check -o inline:'10.0.2.2\n' $(on b) python3 ask.py
}

# A namespace that looks as if it were connected, as passt wants it.
connected_namespace()
{
	namespace $ns
	ip -n $ns link add d0 type veth peer name d1 || atf_skip "no veth pairs here"
	ip -n $ns addr add 192.0.2.7/24 dev d0
	ip -n $ns link set d0 up
	ip -n $ns link set d1 up
	ip -n $ns route add default via 192.0.2.1
}

test_case passt "passt, which has an address for us" passt curl ethtool
passt_body()
{
	connected_namespace
	background ip netns exec $ns passt --runas 0 -f -s "$PWD/p" -D 192.0.2.53 >log 2>&1
	wait_until test -S p
	server a "virt0,link=passt:$PWD/p"
	atf_check -o match:"192.0.2.7/24" $(on a) ip addr show virt0
	atf_check -o match:"default via 192.0.2.1 dev virt0" $(on a) ip route
	atf_check -o inline:'nameserver 192.0.2.53\n' $(on a) cat /etc/resolv.conf
	mkdir www
	dd if=/dev/urandom of=www/file bs=1M count=16 2>/dev/null
	background ip netns exec $ns python3 -m http.server 8000 --bind 127.0.0.1 -d www >/dev/null 2>&1
	wait_until ip netns exec $ns curl -s http://127.0.0.1:8000/
	atf_check -o file:www/file $(on a) curl -s http://192.0.2.1:8000/file
	# Not with losses: some of the transfers do not arrive whole then, or at all (docs/limits.md).
	transfer "$(on a)" "ip netns exec $ns" 192.0.2.1 5001 4 127.0.0.1
	for how in off on; do
		$(on a) ethtool -K virt0 tx $how rx $how >log2 2>&1 || atf_fail "ethtool -K"
		transfer "$(on a)" "ip netns exec $ns" 192.0.2.1 5002 4 127.0.0.1
	done
	# Packets that are small, and an interface that was down.
	atf_check $(on a) ip link set virt0 mtu 1400
	transfer "$(on a)" "ip netns exec $ns" 192.0.2.1 5003 4 127.0.0.1
	atf_check -o file:www/file $(on a) curl -s http://192.0.2.1:8000/file
	atf_check $(on a) ip link set virt0 down
	atf_check -s not-exit:0 $(on a) curl -s -m 2 http://192.0.2.1:8000/
	atf_check $(on a) ip link set virt0 up
	atf_check $(on a) ip route replace default via 192.0.2.1
	atf_check -o file:www/file $(on a) curl -s http://192.0.2.1:8000/file
	# It goes: no carrier, and no harm.
	kill "$(cat pids | head -n 1)"
	no_carrier "$(on a)"
	# One that is isolated finds the next.
	background ip netns exec $ns passt --runas 0 -f -s "$PWD/p2" >log 2>&1
	passt=$!
	wait_until test -S p2
	server b "virt0,link=passt:$PWD/p2,isolate"
	atf_check -o file:www/file $(on b) curl -s http://192.0.2.1:8000/file
	kill $passt
	wait $passt 2>/dev/null
	no_carrier "$(on b)"
	rm -f p2
	background ip netns exec $ns passt --runas 0 -f -s "$PWD/p2" >log 2>&1
	carrier "$(on b)"
	wait_until $(on b) curl -s -m 5 -o /dev/null http://192.0.2.1:8000/
	atf_check -s exit:1 -e match:"passt:$PWD/q: No such file or directory; start it with: passt -s" \
	    rump_server -i "virt0,link=passt:$PWD/q" "unix://$PWD/c"
}

test_case pcap "frames are in a file that can be read while it grows" tcpdump ping
pcap_body()
{
	server a "virt0,link=shm:$PWD/seg,pcap=$PWD/a.pcapng"
	server b "virt0,link=shm:$PWD/seg"
	address a 10.6.0.1/24
	address b 10.6.0.2/24
	atf_check -o match:" 3 received" $(on a) ping -q -c 3 -i 0.1 10.6.0.2
	atf_check -e ignore -o save:packets tcpdump --time-stamp-precision=nano -nr a.pcapng icmp
	atf_check -o inline:'3\n' grep -c 'IP 10.6.0.1 > 10.6.0.2: ICMP echo request' packets
	atf_check -o inline:'3\n' grep -c 'IP 10.6.0.2 > 10.6.0.1: ICMP echo reply' packets
	atf_check -o match:'^[0-9:]*\.[0-9]{9} IP' head -n 1 packets
	atf_check -s exit:1 -e match:"pcap=/nowhere/x: No such file" \
	    rump_server -i "virt0,link=slirp,pcap=/nowhere/x" "unix://$PWD/c"
}

test_case missing "a library that is not there: which package has it" unshare
missing_body()
{
	unshare -m true || atf_skip "mount namespaces are not to be had here"
	for l in slirp=libslirp.so.0=libslirp0 vde:x=libvdeplug.so.2=libvdeplug2; do
		IFS== read -r kind lib package <<-END
		$l
		END
		path=$(ldconfig -p | sed -n "s/^[[:space:]]*$lib .*x86-64.* => //p" | head -n 1)
		[ -n "$path" ] || path=/nonexistent
		atf_check -s exit:1 -e match:"$lib is needed, from the package $package" \
		    unshare -m sh -c "[ ! -e $path ] || mount --bind /dev/null $path || exit 9
			exec rump_server -i virt0,link=$kind unix://$PWD/a"
	done
}

test_case isolated "each kind of link whose process is killed comes back, twice" ping pgrep
isolated_body()
{
	tap_and_veth $ns
	for how in tap0=tap:tap0 v0=raw:v1 "=udp:127.0.0.1:$((port + 1)),local=$port"; do
		spec="virt0,link=${how#*=},isolate" there=${how%%=*}
		atf_check ip netns exec $ns rump_server -i "$spec" "unix://$PWD/a"
		address a 10.2.0.2/24
		if [ $there ]; then
			ip -n $ns addr flush to 10.2.0.1
			ip -n $ns addr add 10.2.0.1/24 dev $there
			peer="ip netns exec $ns"
		else
			atf_check ip netns exec $ns rump_server \
			    -i "virt0,link=udp:127.0.0.1:$port,local=$((port + 1))" "unix://$PWD/b"
			address b 10.2.0.1/24
			peer=$(on b)
		fi
		atf_check -o match:" [12] received" $peer ping -q -c 2 -W 2 10.2.0.2
		# One process dies, and the next as soon as there is one.
		for i in 1 2; do
			wait_until kill_link "$spec"
		done
		carrier "$(on a)"
		wait_until $peer ping -q -c 1 -W 1 10.2.0.2
		transfer "$peer" "$(on a)" 10.2.0.2 5001 4
		atf_check rump halt "unix://$PWD/a"
	done
}

test_case addresses "no two interfaces have one address; each is one that nobody has been given" ping
addresses_body()
{
	# At the same instant.
	for k in a b c; do
		server $k "virt0,link=shm:$PWD/seg" &
	done
	wait
	for k in a b c; do
		atf_check -o match:"lo +UNKNOWN +127.0.0.1/8 ::1/128" $(on $k) ip -br addr show lo
		for i in 1 2 3 4 5 6 7 8; do
			atf_check rump if --server "unix://$PWD/$k" add "v$i,link=shm:$PWD/seg"
		done
		$(on $k) sh -c 'cat /sys/class/net/v*/address' >>all
	done
	atf_check -o inline:'27\n' grep -c . all
	atf_check -o inline:'27\n' sh -c 'sort -u all | grep -c .'
	# Locally administered, and of one station: the second digit.
	atf_check -o inline:'27\n' grep -c '^.[26ae]:' all
}

atf_init_test_cases()
{
	for t in tap raw udp fd vde slirp dns upstream passt pcap missing isolated addresses; do
		atf_add_test_case $t
	done
}
