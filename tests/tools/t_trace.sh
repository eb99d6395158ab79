# SPDX-License-Identifier: BSD-2-Clause
#
# rump trace: the calls of clients as they happen, whatever becomes of who reads them.

. "$(atf_get_srcdir)/../env.sh"
rump=$B/tools/rump
url=unix://$PWD/s

# Until a line that matches is in a file.
await() {
	while ! grep -qE "$2" "$1"; do sleep 0.05; done
}

# A tracer into out; its first line is that of a call that we made to see it at work.
start_trace() {
	$rump trace "$@" >out 2>err & tracer=$!
	while [ ! -s out ]; do
		$rump exec "$url" -- sh -c 'umask 22 </rump/proc/version'
		sleep 0.05
	done
}

test_case lines 'a line for each call: who, what, which result, how long'
lines_body() {
	atf_check "$B/server/rump_server" "$url"
	start_trace -t "$url"
	$rump exec "$url" -- python3 -c 'import os, socket
s = socket.socket()
try:
	s.connect(("127.0.0.1", 9))
except ConnectionRefusedError:
	pass
os.lseek(os.open("/rump/proc/version", os.O_RDONLY), 77, os.SEEK_SET)
print(os.getpid())' >pid
	await out "python3\\[$(cat pid)\\] lseek"
	w="^[0-9:]{8}\\.[0-9]{6} python3\\[$(cat pid)\\]"
	t='<[0-9]+\.[0-9]{6}>$'
	atf_check -o match:"$w socket\\(2, [0-9x]+, [0-9]+\\) = [0-9]+ $t" \
	    -o match:"$w connect\\([0-9]+, 0x[0-9a-f]+, 16\\) = -1 ECONNREFUSED \\(Connection refused\\) $t" \
	    -o match:"$w openat\\(-100, 0x[0-9a-f]+, [0-9x]+, [0-9]+\\) = [0-9]+ $t" \
	    -o match:"$w lseek\\([0-9]+, 77, 0\\) = 77 $t" cat out
	atf_check $rump halt "$url"
	wait $tracer || atf_fail "status $?"
	atf_check -o inline:"rump: $url: the server has ended\n" cat err
}

test_case lasting 'a call that waits is told before it returns; a process that ends ends its trace'
lasting_body() {
	atf_check "$B/server/rump_server" "$url"
	$rump exec "$url" -- python3 -c 'import os, socket, threading, time
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for i in "ab")
for s in a, b:
	s.bind(("127.0.0.1", 0))
with open("pid.new", "w") as f:
	f.write(str(os.getpid()))
os.rename("pid.new", "pid")
while not os.path.exists("begin"):
	time.sleep(0.05)
t = threading.Thread(target=lambda: a.recv(9))
t.start()
while not os.path.exists("go"):
	time.sleep(0.05)
b.sendto(b"x", a.getsockname())
t.join()' & prog=$!
	while [ ! -e pid ]; do sleep 0.05; done
	# of another process nothing is told
	$rump trace "$url" "$(cat pid)" >out 2>err & tracer=$!
	$rump trace "$url" >all & all=$!
	while [ ! -s all ]; do
		$rump exec "$url" -- sh -c 'umask 22 </rump/proc/version'
		sleep 0.05
	done
	touch begin
	await out 'recvfrom\(.*\) <unfinished \.\.\.>$'
	touch go
	wait $prog
	wait $tracer || atf_fail "status $?"
	atf_check -o inline:"rump: $url: process $(cat pid) has ended\n" cat err
	atf_check -o match:"^python3\\[$(cat pid)/[0-9]+\\] <\\.\\.\\. recvfrom resumed> = 1 <[0-9.]+>\$" \
	    -o match:"^python3\\[$(cat pid)\\] sendto\\(.* = 1 <" -o not-match:'sh\[' cat out
	atf_check -o match:'^sh\[' -o match:"^python3\\[$(cat pid)\\] sendto" cat all
	# two that look at each other see nothing of it, or they would never end
	atf_check -o not-match:'rump\[' cat all
	kill $all
}

test_case slow 'a reader that does not read loses lines, is told how many, and stops nobody'
slow_body() {
	atf_check "$B/server/rump_server" "$url"
	mkfifo fifo
	$rump trace "$url" >fifo 2>err & tracer=$!
	exec 8<fifo
	cat >calls.py <<-'END'
	import os
	fd = os.open("/rump/proc/version", os.O_RDONLY)
	for i in range(20000):
	    os.lseek(fd, i, os.SEEK_SET)
	END
	# Its first line shows that it is at work; then nobody reads any more.
	head -n 1 <&8 >first & head=$!
	while kill -0 $head 2>/dev/null; do
		$rump exec "$url" -- sh -c 'umask 22 </rump/proc/version'
		sleep 0.05
	done
	atf_check $rump exec "$url" -- python3 calls.py
	cat <&8 >rest & reader=$!
	# the rest comes, and what is new after it
	while ! grep -q 'records were lost' rest; do
		$rump exec "$url" -- sh -c 'umask 22 </rump/proc/version'
		sleep 0.05
	done
	atf_check -o match:'^--- [0-9]{4,} records were lost: they came faster than they were read ---$' cat rest
	atf_check $rump halt "$url"
	wait $tracer || atf_fail "status $?"
	exec 8<&-
	wait $reader
}

test_case errors 'what cannot be traced'
errors_body() {
	atf_check -s exit:1 -e match:'no rump_server is there' $rump trace "$url"
	atf_check "$B/server/rump_server" "$url"
	atf_check -s exit:1 -e match:"^rump: trace: $url: 2: the server has no client of this id; see rump ps $url" \
	    $rump trace "$url" 2
	atf_check -s exit:1 -e match:'999999: the server has no client' $rump trace "$url" 999999
	# tracers come and go, also by force; the server has no more of them
	for i in 1 2 3 4 5; do
		$rump trace "$url" >out & tracer=$!
		while [ ! -s out ]; do
			$rump exec "$url" -- sh -c 'umask 22 </rump/proc/version'
			sleep 0.05
		done
		kill -KILL $tracer
		wait $tracer
		: >out
	done
	atf_check $rump halt "$url"
}

atf_init_test_cases() {
	for t in lines lasting slow errors; do
		atf_add_test_case $t
	done
}
