# SPDX-License-Identifier: BSD-2-Clause
#
# Bad input from the other end of a link: frames that are none, floods, ends that stop
# reading, and processes of links that die in the midst of something.

. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/net/lib.sh"

ns=rump$$
mac=02:00:00:00:00:42
frames="python3 $TOP/tests/net/frames.py"

# alive NAME: it answers, and counts what it has got
alive()
{
	atf_check -o match:" 1 received" $(on "$1") ping -q -c 1 -W 5 127.0.0.1
	atf_check -o match:"RX:" $(on "$1") ip -s link show virt0
}

test_case host "frames from the host by tap and raw" ping
host_body()
{
	tap_and_veth $ns
	ip -n $ns addr add 10.8.0.1/24 dev tap0
	for how in tap0=tap:tap0 v0=raw:v1; do
		atf_check ip netns exec $ns rump_server -c 2 -i "virt0,link=${how#*=},mac=$mac" "unix://$PWD/a"
		address a 10.8.0.2/24
		atf_check ip netns exec $ns $frames packet ${how%=*}
		alive a
		# A flood of what the other side takes no notice of, while it works.
		background ip netns exec $ns sh -c "while $frames packet ${how%=*}; do :; done"
		for i in 1 2 3; do
			alive a
		done
		kill "$(tail -n 1 pids)"
		# Longer than the interface takes.
		ip -n $ns link set ${how%=*} mtu 9000
		atf_check $(on a) ip link set virt0 mtu 600
		atf_check ip netns exec $ns $frames packet ${how%=*}
		alive a
		ip -n $ns addr flush dev tap0
		ip -n $ns addr replace 10.8.0.1/24 dev v0
		if [ ${how%=*} = v0 ]; then
			atf_check $(on a) ip link set virt0 mtu 1500
			wait_until ip netns exec $ns ping -q -c 1 -W 1 10.8.0.2
		fi
		atf_check rump halt "unix://$PWD/a"
	done
}

test_case sockets "frames, lengths and virtio headers that lie, from the other end of a socket" ping
sockets_body()
{
	cat >one.py <<-'END'
	import os, socket, subprocess, sys
	kind, vnet = sys.argv[1], sys.argv[2:]
	ours, theirs = socket.socketpair(socket.AF_UNIX, getattr(socket, 'SOCK_' + kind.upper()))
	n, m = theirs.fileno(), ours.fileno()
	subprocess.run(['rump_server', '-c', '2', '-i', f'virt0,link=fd:{n},mac=02:00:00:00:00:42' +
	                ''.join(',' + v for v in vnet), f'unix://{os.getcwd()}/a'], pass_fds=[n], check=True)
	theirs.close()
	on = [os.environ['P'] + '/bin/rump', 'run', '--server', f'unix://{os.getcwd()}/a', '--']
	subprocess.run([*on, 'ip', 'addr', 'add', '10.8.0.2/24', 'dev', 'virt0'], check=True)
	subprocess.run([*on, 'ip', 'link', 'set', 'virt0', 'up'], check=True)
	subprocess.run(['python3', os.environ['TOP'] + '/tests/net/frames.py', 'socket', str(m), kind, *vnet],
	               pass_fds=[m], check=True)
	# From now on nobody reads: what is sent is dropped, or waits, and nobody hangs.
	subprocess.run([*on, 'python3', 'shout.py'], check=True)
	subprocess.run([*on, 'ping', '-q', '-c', '1', '127.0.0.1'], stdout=subprocess.DEVNULL, check=True)
	END
	# More than the buffers of the socket and the queue of the interface hold.
	cat >shout.py <<-'END'
	import socket
	for i in range(20):
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
	    s.setblocking(False)
	    for n in range(100):
	        try:
	            s.sendto(bytes(1400), ('10.8.0.255', 9))
	        except BlockingIOError:
	            break
	END
	export TOP P
	for how in "stream" "seqpacket" "dgram" "dgram vnet" "seqpacket vnet"; do
		atf_check python3 one.py $how
		alive a
		# All that was no frame is counted.
		atf_check $(on a) sh -c 'cd /sys/class/net/virt0/statistics &&
		    [ $(cat rx_errors) -ge 20 ] && [ $(cat rx_dropped) -ge 20 ]'
		# A stream has ended with what is no length.
		[ "$how" = dgram ] || [ "$how" = "dgram vnet" ] || no_carrier "$(on a)"
		atf_check rump halt "unix://$PWD/a"
	done
}

test_case isolated "processes of links are killed: while they open, while data flows; each kind comes back" ping curl pgrep
isolated_body()
{
	# passt that takes a connection, and never answers.
	cat >mute.py <<-'END'
	import socket, sys, time
	s = socket.socket(socket.AF_UNIX)
	s.bind('mute')
	s.listen()
	print('ready', flush=True)
	c = s.accept()
	print('connected', flush=True)
	time.sleep(1000)
	END
	server a "virt0,link=shm:$PWD/seg,isolate"
	server b "virt0,link=shm:$PWD/seg"
	background python3 mute.py >mute.out
	wait_for ready mute.out
	rump if --server "unix://$PWD/a" add "v1,link=passt:$PWD/mute,isolate" 2>log &
	pid=$!
	wait_for connected mute.out
	kill_link "v1,link=passt:$PWD/mute"
	! wait $pid || atf_fail "an interface without a link"
	atf_check -o match:'if add v1' cat log
	atf_check -s exit:1 -o ignore -e ignore $(on a) ip link show v1
	# A transfer goes on when the process is there again, and whoever reads meanwhile waits.
	address a 10.1.0.1/24
	address b 10.1.0.2/24
	rm -f ready
	background $(on b) python3 "$TOP/tests/net/transfer.py" receive 10.1.0.2 5001 >ready
	wait_for ready ready
	atf_check $(on a) tc qdisc add dev virt0 root tbf rate 100mbit burst 64k latency 50ms
	$(on a) python3 "$TOP/tests/net/transfer.py" send 10.1.0.2 5001 20 >sent 2>&1 &
	sender=$!
	for i in 1 2 3; do
		wait_until kill_link "virt0,link=shm:$PWD/seg"
		carrier "$(on a)"
	done
	wait $sender || atf_fail "$(cat sent)"
	atf_check -o match:'^20 MB' cat sent
	atf_check rump halt "unix://$PWD/a"
	# slirp: connections are lost, new ones can be made.
	background python3 -m http.server $((20000 + $$ % 3000 * 4)) --bind 127.0.0.1 >/dev/null 2>&1
	server a "virt0,link=slirp,pcap=$PWD/frames,isolate"
	for i in 1 2; do
		wait_until $(on a) curl -s -m 5 -o /dev/null http://10.0.2.2:$((20000 + $$ % 3000 * 4))/
		kill_link "virt0,link=slirp,pcap=$PWD/frames"
	done
	carrier "$(on a)"
	wait_until $(on a) curl -s -m 5 -o /dev/null http://10.0.2.2:$((20000 + $$ % 3000 * 4))/
}

atf_init_test_cases()
{
	for t in host sockets isolated; do
		atf_add_test_case $t
	done
}
