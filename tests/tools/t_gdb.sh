# SPDX-License-Identifier: BSD-2-Clause
#
# tools/gdb/rump.py: the tasks of a rump kernel, and their stacks, in gdb.

. "$(atf_get_srcdir)/../env.sh"
rump=$B/tools/rump
url=unix://$PWD/s

# look PID COMMAND...
look() {
	pid=$1
	shift
	for c; do
		set -- "$@" -ex "$c"
		shift
	done
	# What it downloads, and what a host says of itself, is no business of ours.
	gdb -nx -p "$pid" -batch -iex 'set debuginfod enabled off' -x "$TOP/tools/gdb/rump.py" "$@" >out 2>err ||
		atf_fail "gdb: $(cat err)"
}

can_attach() {
	gdb -nx -batch -ex 'python print("python")' 2>/dev/null | grep -q python || atf_skip "gdb has no python"
	sleep 100 & sleeper=$!
	gdb -nx -p $sleeper -batch -iex 'set debuginfod enabled off' -ex 'info proc' >out 2>&1
	kill $sleeper
	! grep -q -e 'ptrace: ' -e 'not permitted' out || atf_skip "$(grep -e 'ptrace: ' -e 'not permitted' out)"
}

test_case server 'the tasks of a server, and where a client waits' gdb
server_body() {
	can_attach
	"$B/server/rump_server" -s "$url" & server=$!
	while [ ! -S s ]; do sleep 0.05; done
	$rump exec "$url" -- sh -c 'mkfifo /rump/tmp/fifo && : >up && exec 3</rump/tmp/fifo' & client=$!
	while [ ! -e up ]; do sleep 0.05; done
	# it is about to open the fifo, which nobody writes to
	while :; do
		look $server rump-ps "rump-bt $client"
		! grep -q ' fifo_open ' out || break
	done
	atf_check -o match:'^ *ID PROCESS  STATE NAME$' -o match:'^ +0 +0  [A-Za-z]+ +swapper/0$' \
	    -o match:'^ +1 +1  S +init$' -o match:"^ +$client +$client  S +sh\$" \
	    -o match:'^ +0x[0-9a-f]+ __schedule \+ [0-9]+' -o match:' sp_serve \+' cat out
	atf_check $rump exec "$url" -- sh -c ': >/rump/tmp/fifo'
	wait $client
	atf_check $rump halt "$url"
	wait $server
}

test_case embedded 'the same of a kernel in a program' gdb
embedded_body() {
	can_attach
	mkfifo fifo
	$rump run --embedded -- sh -c 'read x </rump/proc/version; : >up; read x <fifo' & program=$!
	while [ ! -e up ]; do sleep 0.05; done
	look $program rump-ps rump-bt
	atf_check -o match:'^ +0 +0  [A-Za-z]+ +swapper/0$' -o match:'  sh$' -o match:' kthreadd \+' cat out
	echo x >fifo
	wait $program
	# what has no kernel
	sleep 100 & sleeper=$!
	gdb -nx -p $sleeper -batch -x "$TOP/tools/gdb/rump.py" -ex rump-ps >out 2>&1
	kill $sleeper
	atf_check -o match:'there is no rump kernel here' cat out
}

atf_init_test_cases() {
	for t in server embedded; do
		atf_add_test_case $t
	done
}
