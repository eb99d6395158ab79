# SPDX-License-Identifier: BSD-2-Clause
#
# lib.sh - for the tests of network links: kernels, namespaces, transfers.
#
# What a test starts it notes: servers as their sockets in the work directory, processes
# in ./pids, namespaces in ./namespaces; clean_up ends all of it.

PATH=$B/bin:$PATH

# server NAME SPEC [OPTION]...: a rump_server at ./NAME with an interface
server()
{
	_name=$1 _spec=$2
	shift 2
	rump_server -i "$_spec" "$@" "unix://$PWD/$_name" || atf_fail "rump_server $_name: $_spec"
}

# $(on NAME) PROGRAM: under the library
on()
{
	echo "$P/bin/rump" run --server "unix://$PWD/$1" --
}

# address NAME ADDRESS [INTERFACE]: gives it, and brings the interface up
address()
{
	$(on "$1") ip addr add "$2" dev "${3:-virt0}" || atf_fail "$1: $2"
	$(on "$1") ip link set "${3:-virt0}" up
}

# namespace NAME: a network namespace, and lo in it; NAME must not be used elsewhere
namespace()
{
	[ "$(id -u)" = 0 ] || atf_skip "network namespaces need root"
	ip netns add "$1" 2>/dev/null || atf_skip "network namespaces are not to be had here"
	echo "$1" >>namespaces
	ip -n "$1" link set lo up
}

# tap_and_veth NAME: a namespace with a tap, tap0, and a pair of veths, v0 and v1
tap_and_veth()
{
	namespace "$1"
	[ -c /dev/net/tun ] || atf_skip "there is no /dev/net/tun"
	ip -n "$1" tuntap add tap0 mode tap || atf_skip "no taps can be made here"
	ip -n "$1" link add v0 type veth peer name v1 || atf_skip "no veth pairs here"
	for i in tap0 v0 v1; do
		ip -n "$1" link set $i up
	done
}

# background COMMAND...: noted
background()
{
	"$@" &
	echo $! >>pids
}

# wait_for TEXT FILE: until it is there; wait_until COMMAND...
wait_for()
{
	wait_until grep -q "$1" "$2"
}
wait_until()
{
	_n=0
	until "$@" >/dev/null 2>&1; do
		_n=$((_n + 1))
		[ $_n -lt 200 ] || atf_fail "in vain: $*"
		sleep 0.05
	done
}

# transfer FROM TO ADDRESS PORT MEGABYTES [AT]: by TCP, compared by checksum; FROM and TO are
# what to put before a command; AT is where TO listens, if that is not ADDRESS
transfer()
{
	rm -f ready
	background $2 python3 "$TOP/tests/net/transfer.py" receive "${6:-$3}" "$4" >ready
	wait_for ready ready
	atf_check -o match:"^$5 MB" $1 python3 "$TOP/tests/net/transfer.py" send "$3" "$4" "$5"
}

# lossy FROM TO ADDRESS PORT [AT]: a transfer under 1 % loss and 5 % reordering both ways, where
# both are rump kernels (RUMP_NET_MB: of so many MB)
lossy()
{
	for _k in "$1" "$2"; do
		case $_k in *rump\ run*)
			atf_check $_k tc qdisc add dev virt0 root netem delay 1ms loss 1% reorder 5% limit 10000 ;;
		esac
	done
	transfer "$1" "$2" "$3" "$4" "${RUMP_NET_MB:-4}" "${5:-}"
	for _k in "$1" "$2"; do
		case $_k in *rump\ run*)
			atf_check -o match:'reorder 5%' -o match:"Sent [1-9]" $_k tc -s qdisc show dev virt0
			atf_check $_k tc qdisc del dev virt0 root ;;
		esac
	done
}

# multicast FROM TO FROM-ADDRESS TO-ADDRESS
multicast()
{
	cat >group.py <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	me = socket.inet_aton(sys.argv[2])
	if sys.argv[1] == 'send':
	    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, me)
	    for i in range(3):
	        s.sendto(b'hello', ('239.1.2.3', 5005))
	else:
	    s.bind(('', 5005))
	    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('239.1.2.3') + me)
	    print('ready', flush=True)
	    print(s.recv(100).decode(), flush=True)
	END
	rm -f got
	background $2 python3 group.py receive "$4" >got
	wait_for ready got
	atf_check $1 python3 group.py send "$3"
	wait_for hello got
}

# between FROM TO FROM-ADDRESS TO-ADDRESS [TO-INTERFACE]: all that can go wrong between two
# stacks, one of which is a rump kernel's at virt0
between()
{
	atf_check -o match:" 2 received" $2 ping -q -c 2 -i 0.1 -W 2 "$3"
	# Fragments, of both; a path that is narrower.
	atf_check -o match:" 2 received" $2 ping -q -c 2 -i 0.1 -s 9000 "$3"
	atf_check -o match:" 2 received" $1 ping -q -c 2 -i 0.1 -s 9000 "$4"
	_mtu=$($1 cat /sys/class/net/virt0/mtu)
	atf_check $1 ip link set virt0 mtu 1400
	atf_check -o match:" 1 received" $1 ping -q -M do -c 1 -W 2 -s 1372 "$4"
	atf_check -s not-exit:0 -o ignore -e ignore $1 ping -q -M do -c 1 -W 1 -s 1373 "$4"
	atf_check $1 ip link set virt0 mtu "$_mtu"
	# IPv6, by the address that the other has made for itself.
	wait_until sh -c "$2 ip -6 -o addr show dev ${5:-virt0} scope link | grep -q fe80"
	_v6=$($2 ip -6 -o addr show dev "${5:-virt0}" scope link | sed 's,.*inet6 \([^/]*\)/.*,\1,')
	wait_until $1 ping -6 -q -c 1 -W 1 "$_v6%virt0"
	multicast "$1" "$2" "$3" "$4"
	# Checksums made by the stack, and left to the link.
	for _how in off on; do
		$1 ethtool -K virt0 tx $_how rx $_how >log 2>&1 || atf_fail "ethtool -K"
		transfer "$1" "$2" "$4" 5001 4
		transfer "$2" "$1" "$3" 5002 4
	done
	lossy "$1" "$2" "$4" 5003
	$1 ip link set virt0 down
	atf_check -s not-exit:0 -o ignore $2 ping -q -c 1 -W 1 "$3"
	$1 ip link set virt0 up
	atf_check -o match:" [12] received" $2 ping -q -c 2 -W 2 "$3"
}

# no_carrier COMMAND-PREFIX, carrier COMMAND-PREFIX: waits for it
no_carrier()
{
	wait_until sh -c "$1 ip link show virt0 | grep -q NO-CARRIER"
}
carrier()
{
	wait_until sh -c "$1 ip link show virt0 | grep -q LOWER_UP"
}

# link_process SPEC: of an isolated link; kill_link SPEC: until that one is gone, not the next one
link_process()
{
	pgrep -f "rump_link (remote )?$1"
}
kill_link()
{
	_p=$(link_process "$1") && kill -9 "$_p" || return
	while link_process "$1" | grep -qx "$_p"; do
		sleep 0.01
	done
}

clean_up()
{
	for _s in *; do
		[ ! -S "$_s" ] || rump halt "unix://$PWD/$_s" 2>/dev/null || :
	done
	[ ! -f pids ] || kill $(cat pids) 2>/dev/null || :
	[ ! -f namespaces ] || for _n in $(cat namespaces); do
		ip netns del "$_n"
	done
}

# test_case NAME DESCRIPTION PROGRAM...: which it needs.  (atf_test_case makes empty
# functions, so that ours come after it.)
test_case()
{
	_name=$1 _descr=$2
	shift 2
	atf_test_case "$_name" cleanup
	eval "${_name}_head() { atf_set descr '$_descr'; atf_set require.progs 'ip python3 $*';
		atf_set timeout ${RUMP_NET_MB:+3}600; }"
	eval "${_name}_cleanup() { clean_up; }"
}
