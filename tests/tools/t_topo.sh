# SPDX-License-Identifier: BSD-2-Clause
#
# rump topo: networks from files; the examples are the tests.

. "$(atf_get_srcdir)/../env.sh"
rump=$B/tools/rump
examples=$TOP/examples/topo
export XDG_RUNTIME_DIR=$PWD/run
unset TMPDIR

# Neither directories nor servers of ours are there any more (after a moment).
nothing_left() {
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		[ -z "$(ls run/rump-topo.*)" ] && ! pgrep -f "rump_server.*unix://$PWD/run/" >/dev/null && return
		sleep 0.1
	done
	pgrep -af "rump_server.*unix://$PWD/run/"
	ls -R run
	atf_fail "something was left behind"
}

# An example runs through, and leaves nothing.
example() {
	mkdir -p run
	atf_check -o save:log -e ignore -s exit:0 $rump topo run -o out $examples/$1.topo
	atf_check -o ignore grep "topo $1: done" log
	nothing_left
}

test_case two_hosts 'two hosts and a wire: ping, ping over IPv6, http; captures' 'ip ping curl python3'
two_hosts_body() {
	example two-hosts
	for f in out/wire.left.eth0.pcapng out/wire.right.eth0.pcapng; do
		atf_check -o inline:' 0a 0d 0d 0a\n' od -An -tx1 -N4 $f
	done
}

test_case router 'forwarding, time to live, path MTU' 'ip ping'
router_body() { example router; }

test_case nat 'nft: masquerading, a forwarded port, a filter' 'ip nft ping curl python3'
nat_body() { example nat; }

test_case vlan_bridge 'a bridge that filters VLANs, and a trunk' 'ip bridge ping'
vlan_bridge_body() { example vlan-bridge; }

test_case wireguard 'a tunnel whose contents are not on the wire' 'ip wg ping'
wireguard_body() { example wireguard; }

test_case vxlan 'one Ethernet over a routed network' 'ip ping'
vxlan_body() { example vxlan; }

test_case partition 'a transfer survives a cut and a healed link' 'ip tc ping curl python3'
partition_body() { example partition; }

test_case mptcp 'two lossy paths, one of which is cut' 'ip tc ss python3'
mptcp_body() {
	example mptcp
	atf_check -o match:'3000000 bytes' cat out/sink.log
}

# Who wins is a matter of time, and so of the machine; what is asked for, and shown, is not.
test_case congestion 'two congestion controls on one path, and a plot' 'ip tc ss iperf3 python3'
congestion_body() {
	export TOPO_SECONDS=2
	example congestion
	for c in cubic bbr; do
		atf_check -o inline:"$c\n" python3 -c "
import json
end = json.load(open('out/$c.json'))['end']
assert end['sum_received']['bytes'] > 10000, end
print(end['sender_tcp_congestion'])"
	done
	atf_check -o inline:'2\n' python3 -c "
import xml.etree.ElementTree as e
svg = '{http://www.w3.org/2000/svg}'
t = e.parse('out/congestion.svg')
lines = [p.get('points').split() for p in t.iter(svg + 'polyline')]
assert all(len(l) >= 3 for l in lines), lines
assert {'cubic', 'bbr'} <= {x.text for x in t.iter(svg + 'text')}
print(len(lines))"
}

test_case ring 'a ring of kernels' 'ip ping'
ring_body() {
	mkdir run
	sh $examples/ring.sh 12 >ring.topo
	atf_check -o match:'topo ring: done' -e ignore $rump topo run ring.topo
	nothing_left
}

test_case failure 'what is not as the file says ends the run, and everything with it' 'ip'
failure_body() {
	mkdir run
	printf 'kernel a\nrun a: exit 3\nrun a: echo not reached\n' >f.topo
	atf_check -s exit:1 -o not-match:'not reached' -e match:'f.topo:2: a: exit status 3: exit 3' \
	    $rump topo run f.topo
	nothing_left
	printf 'kernel a\nfail a: true\n' >f.topo
	atf_check -s exit:1 -o ignore -e match:'exit status 0, and it was to fail' $rump topo run f.topo
	printf 'kernel a b\nlink l a:e b:e\nroute a default via 1.2.3.4\n' >f.topo
	atf_check -s exit:1 -o ignore -e match:'f.topo: kernel a: set-up failed' \
	    -e match:'route add default via 1.2.3.4 # line 3' $rump topo run f.topo
	printf 'kernel a\n\nsysctl a net.ipv4.nonsense=1\n' >f.topo
	atf_check -s exit:1 -o ignore -e match:'net/ipv4/nonsense 1 # line 3' $rump topo run f.topo
	printf 'kernel a b\nlink l a:e b:e\naddr a:e 10.0.0.999/24\n' >f.topo
	atf_check -s exit:1 -e match:'f.topo:3: 10.0.0.999/24: an address and' $rump topo run f.topo
	printf 'kernel a\nlink l a:e on=nonsense:x\n' >f.topo
	atf_check -s exit:1 -o ignore -e match:'f.topo:1: kernel a has not started: .*nonsense' $rump topo up f.topo
	nothing_left
	printf 'kernel a\nlonk l a:e\n' >f.topo
	atf_check -s exit:1 -e match:'f.topo:2: lonk: no such statement' $rump topo run f.topo
	atf_check -s exit:1 -e match:'no.topo: No such file' $rump topo run no.topo
	nothing_left
}

test_case up_exec_down 'a topology that stays until it is told' 'ip ping'
up_exec_down_body() {
	mkdir run
	printf 'kernel a b\nlink l a:e b:e\naddr a:e 10.0.0.1/24\naddr b:e 10.0.0.2/24\n' >x.topo
	atf_check -s exit:1 -e match:'x is not up' $rump topo exec x.topo a true
	atf_check -o match:'2 kernels, 1 links' $rump topo up x.topo
	atf_check -s exit:1 -e match:'x is up already' $rump topo up x.topo
	rm x.topo
	atf_check -o match:'1 received' $rump topo exec x.topo a ping -c 1 10.0.0.2
	atf_check -s exit:5 $rump topo exec x.topo b sh -c 'exit 5'
	atf_check -s exit:1 -e match:'c: x has no kernel of that name' $rump topo exec x.topo c true
	atf_check $rump topo down x.topo
	nothing_left
	atf_check -s exit:1 -e match:'x is not up' $rump topo down x.topo
}

test_case ends 'Ctrl-C, and the death of rump topo, end everything' 'ip'
ends_body() {
	mkdir run
	cat >e.topo <<-EOF
		kernel a b
		start bg a: sleep 1000
		run b: touch $PWD/up && sleep 1000
	EOF
	for sig in INT TERM KILL; do
		rm -f up
		$rump topo run e.topo >out 2>&1 &
		while [ ! -e up ]; do sleep 0.1; kill -0 $! || atf_fail "it ended: $(cat out)"; done
		kill -$sig $!
		status=0
		wait $! || status=$?
		[ $sig = INT ] && atf_check_equal $status 130
		if [ $sig = KILL ]; then
			# what it has left does not stand in the way
			sed -i 's/ && sleep 1000//' e.topo
			for i in 1 2 3 4 5 6 7 8 9 10; do
				pgrep -f "rump_server.*unix://$PWD/run/" >/dev/null || break
				sleep 0.2
			done
			atf_check -o match:'topo e: done' $rump topo run e.topo
		fi
		nothing_left
	done
}

atf_init_test_cases() {
	for t in two_hosts router nat vlan_bridge wireguard vxlan partition mptcp congestion ring failure \
	    up_exec_down ends; do
		atf_add_test_case $t
	done
}
