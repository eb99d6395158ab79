# SPDX-License-Identifier: BSD-2-Clause
#
# What programs see of interfaces: their frames (packet rings, tcpdump, tshark), their names,
# and what the tools of networks say.

. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/net/lib.sh"

# four ports, of none that the host gives to connections
port=$((20000 + $$ % 3000 * 4))
embedded="env LD_PRELOAD=$P/lib/librumphijack.so"

# capture WORD COMMAND...: in the background, as $pid, from when it says WORD in ./log; its
# output is ./out
capture()
{
	word=$1
	shift
	rm -f log
	"$@" >out 2>log &
	pid=$!
	wait_for "$word" log
}

# captured: it ends by itself
captured()
{
	wait $pid || atf_fail "$(cat log)"
}

test_case rings "rings of packet sockets are mapped, by clients and in an embedded kernel" ip
rings_body()
{
	for n in 1 2; do
		atf_check rump_server -c $n "unix://$PWD/a"
		atf_check -o inline:'ok\n' $(on a) "$B/tests/net/h_ring"
		# One that is killed with a ring leaves nothing behind.
		for i in 1 2 3; do
			capture listening $(on a) tcpdump -i lo -n -U -w killed
			kill -9 $pid
			wait $pid 2>/dev/null
		done
		atf_check -o inline:'ok\n' $(on a) "$B/tests/net/h_ring"
		atf_check rump halt "unix://$PWD/a"
		atf_check -o inline:'ok\n' $embedded RUMP_NCPU=$n "$B/tests/net/h_ring"
	done
}

test_case tcpdump "tcpdump live: a filter, all interfaces, a file, Ctrl-C; beside a kernel and in one" tcpdump ping curl
tcpdump_body()
{
	server a "virt0,link=shm:$PWD/seg"
	server b "virt0,link=shm:$PWD/seg"
	address a 10.6.0.1/24
	address b 10.6.0.2/24
	capture listening $(on a) tcpdump -n -i virt0 -c 3 icmp and dst 10.6.0.2
	atf_check -o match:"3 received" $(on a) ping -q -c 3 -i 0.1 10.6.0.2
	captured
	atf_check -o inline:'3\n' grep -c 'IP 10.6.0.1 > 10.6.0.2: ICMP echo request' out
	atf_check -o inline:'3\n' grep -c . out
	# All interfaces, to a file.
	capture listening $(on a) tcpdump -i any -c 4 -w any.pcap icmp
	atf_check -o match:"2 received" $(on b) ping -q -c 2 -i 0.1 10.6.0.1
	captured
	atf_check -e ignore -o save:packets $(on a) tcpdump -nr any.pcap
	atf_check -o inline:'2\n' grep -c 'virt0 In  IP 10.6.0.2 > 10.6.0.1: ICMP echo request' packets
	atf_check -o inline:'2\n' grep -c 'virt0 Out IP 10.6.0.1 > 10.6.0.2: ICMP echo reply' packets
	# A signal ends it, with what it counted; the file is whole.
	capture listening $(on a) tcpdump -i virt0 -U -w cut.pcap icmp
	atf_check -o match:"2 received" $(on a) ping -q -c 2 -i 0.1 10.6.0.2
	wait_until sh -c 'tcpdump -nr cut.pcap 2>/dev/null | grep -c . | grep -q 4'
	kill -INT $pid
	captured
	atf_check -o match:'^4 packets captured' -o match:'^4 packets received by filter' \
	    -o match:'^0 packets dropped' cat log
	# In the kernel that has the interface.
	capture listening $embedded RUMP_IF="virt0,link=slirp,hostfwd=tcp:127.0.0.1:$port-:80" \
	    tcpdump -n -i virt0 -c 2 tcp port 80
	curl -s -m 10 http://127.0.0.1:$port/
	captured
	atf_check -o match:'IP 10.0.2.2.* > 10.0.2.15.80: Flags \[S\]' \
	    -o match:'IP 10.0.2.15.80 > 10.0.2.2.*: Flags \[R' cat out
	atf_check -s exit:1 -e match:'nosuch: No such device exists' $(on a) tcpdump -i nosuch
}

test_case tshark "tshark, which has dumpcap capture for it" tshark ping
tshark_body()
{
	server a "virt0,link=shm:$PWD/seg"
	server b "virt0,link=shm:$PWD/seg"
	address a 10.6.0.1/24
	address b 10.6.0.2/24
	capture "Capturing on" $(on a) tshark -n -l -i virt0 -c 4 -f icmp
	# It says so before it does.
	background $(on a) ping -q -i 0.2 10.6.0.2 >/dev/null
	captured
	atf_check -o inline:'2\n' grep -c '10.6.0.1 → 10.6.0.2 *ICMP.*request' out
	$(on a) tshark -i virt0 -c 4 -f icmp -w file.pcapng 2>log || atf_fail "tshark: $(cat log)"
	atf_check -e ignore -o match:'ICMP echo' tcpdump -nr file.pcapng
}

test_case names "interfaces have the names and numbers of the rump kernel, whoever asks, however" ping
names_body()
{
	server a "virt0,link=shm:$PWD/seg"
	address a 10.6.0.1/24
	address a fd06::1/64
	cat >names.py <<-'END'
	import ctypes, fcntl, os, socket, struct, sys
	assert socket.if_nametoindex('lo') == 1
	i = socket.if_nametoindex('virt0')
	assert socket.if_indextoname(i) == 'virt0'
	assert [n for _, n in socket.if_nameindex()] == ['lo', 'virt0'], socket.if_nameindex()
	assert set(os.listdir('/sys/class/net')) - {'bonding_masters'} == {'lo', 'virt0'}
	for family in socket.AF_UNIX, socket.AF_INET, socket.AF_PACKET, socket.AF_NETLINK:
	    s = socket.socket(family, socket.SOCK_RAW if family == socket.AF_NETLINK else socket.SOCK_DGRAM)
	    r = fcntl.ioctl(s, 0x8933, struct.pack('16si20x', b'virt0', 0))    # SIOCGIFINDEX
	    assert struct.unpack('16si20x', r)[1] == i, family
	    if family in (socket.AF_INET, socket.AF_PACKET):    # else Linux has none
	        r = fcntl.ioctl(s, 0x8915, struct.pack('16s24x', b'virt0'))    # SIOCGIFADDR
	        assert socket.inet_ntoa(r[20:24]) == '10.6.0.1', family
	class ifaddrs(ctypes.Structure): pass
	ifaddrs._fields_ = [('next', ctypes.POINTER(ifaddrs)), ('name', ctypes.c_char_p),
	                    ('flags', ctypes.c_uint), ('addr', ctypes.c_void_p)]
	libc, p, seen = ctypes.CDLL(None), ctypes.POINTER(ifaddrs)(), set()
	assert libc.getifaddrs(ctypes.byref(p)) == 0
	while p:
	    if p.contents.addr:
	        seen.add((p.contents.name.decode(), ctypes.c_ushort.from_address(p.contents.addr).value))
	    p = p.contents.next
	assert {('virt0', socket.AF_INET), ('virt0', socket.AF_INET6), ('virt0', socket.AF_PACKET)} <= seen, seen
	assert {n for n, _ in seen} == {'lo', 'virt0'}, seen
	print('ok')
	END
	atf_check -o inline:'ok\n' $(on a) python3 names.py
	# Where Internet sockets are the host's, so are the interfaces.
	atf_check -o inline:"$(cat /sys/class/net/lo/ifindex)\n" env RUMPHIJACK=path=/rump,socket=none \
	    $(on a) python3 -c 'import socket; print(socket.if_nametoindex("lo"))'
	server b "virt0,link=shm:$PWD/seg"
	address b 10.6.0.2/24
	atf_check -o match:"1 received" $(on b) ping -q -c 1 -W 2 -I virt0 10.6.0.1
	atf_check -s exit:2 -o ignore -e match:"nosuch" $(on b) ping -q -c 1 -I nosuch 10.6.0.1
}

test_case tools "ip, ss, nft, tc, sysctl, bridge and a DHCP client find the network of the rump kernel" \
    ss nft tc sysctl bridge dhclient
tools_body()
{
	server a "virt0,link=slirp,noconfig"
	cat >script <<-'END'
	#!/bin/sh
	case $reason in
	PREINIT) ip link set "$interface" up ;;
	BOUND) ip addr add "$new_ip_address/24" dev "$interface"
	    ip route add default via "$new_routers"
	    echo "nameserver $new_domain_name_servers" >/etc/resolv.conf
	    echo bound ;;
	esac
	END
	chmod +x script
	before=$(cat /etc/resolv.conf)
	background $(on a) dhclient -1 -d -sf "$PWD/script" -lf "$PWD/leases" -pf "$PWD/pid" virt0 >out 2>&1
	wait_for '^bound' out
	[ "$before" = "$(cat /etc/resolv.conf)" ] || atf_fail "the resolv.conf of the host has changed"
	atf_check -o inline:'nameserver 10.0.2.3\n' $(on a) cat /etc/resolv.conf
	atf_check -o match:'default via 10.0.2.2 dev virt0' $(on a) ip route
	cat >listen.py <<-'END'
	import socket, sys, time
	s = socket.create_server(('127.0.0.1', 8123))
	c = socket.create_connection(('127.0.0.1', 8123))
	print('ready', flush=True)
	time.sleep(1000)
	END
	background $(on a) python3 listen.py >ready
	wait_for ready ready
	# Whose they are, ss finds out by /proc, which is the host's unless it is told.
	atf_check -o match:'^ESTAB.*127.0.0.1:8123 ' $(on a) ss -tnp
	atf_check -o match:'^ESTAB.*127.0.0.1:8123 .*"python3",pid='$! -o match:'^LISTEN.*"python3",pid='$! \
	    env PROC_ROOT=/rump/proc $(on a) ss -tanp
	atf_check -o match:'^LISTEN.*127.0.0.1:8123 ' $(on a) ss -tlnp
	atf_check -o not-match:':8123 ' ss -tln
	atf_check $(on a) nft add table inet wire
	atf_check -o inline:'table inet wire\n' $(on a) nft list tables
	atf_check $(on a) tc qdisc replace dev virt0 root fq_codel
	atf_check -o match:'fq_codel' $(on a) tc qdisc show dev virt0
	atf_check -o ignore $(on a) sysctl -w net.ipv4.ip_forward=1
	atf_check -o inline:'1\n' $(on a) cat /proc/sys/net/ipv4/ip_forward
	atf_check $(on a) ip link add br0 type bridge
	atf_check $(on a) ip link set virt0 master br0
	atf_check -o match:'virt0.*master br0' $(on a) bridge link
	# In an embedded kernel: one program that does all.
	atf_check -o match:'inet6? .*scope' $embedded RUMP_IF=virt0,link=slirp ip addr show virt0
	printf 'add table inet wire\nlist tables\n' >rules
	atf_check -o inline:'table inet wire\n' $embedded nft -f rules
}

atf_init_test_cases()
{
	for t in rings tcpdump tshark names tools; do
		atf_add_test_case $t
	done
}
