# SPDX-License-Identifier: BSD-2-Clause
#
# Kernel modules: examples/module built out of tree, loaded, used, unloaded and loaded again.

. "$(atf_get_srcdir)/../env.sh"
server=$B/server/rump_server
rump=$B/tools/rump
url=unix://$PWD/s

# build KDIR
build() {
	cp -r "$TOP/examples/module" module
	make -C module KDIR="$1" >make.log 2>&1 || { cat make.log; atf_fail "the example does not build"; }
	ko=$PWD/module/counter.ko
}

# cat has no sanitizer's runtime, and so a library without one.
run="$P/bin/rump run --server $url --"
count="$run cat /rump/proc/counter"

test_case server 'rump_server -m: parameters, use from several clients, lsmod'
server_body() {
	build "$KB"
	atf_check -s exit:1 -e match:'^rump_server: -m missing.ko: No such file' $server -m missing.ko "$url"
	atf_check -e ignore $server -c 2 -m "$ko,start=40" "$url"
	atf_check -o inline:'41 cat\n' $count
	atf_check -o inline:'42 cat\n' $count
	atf_check -o inline:'40\n' $run cat /rump/sys/module/counter/parameters/start
	atf_check -o match:'^counter [0-9]+ 0 ' $run cat /rump/proc/modules
	# A client of a server that does not trust it can neither unload nor load.
	atf_check -s exit:1 -e match:'was not started with --trust-clients' $rump rmmod "$url" counter
	atf_check -s exit:1 -e match:'was not started with --trust-clients' $rump insmod "$url" "$ko"
	atf_check -o inline:'43 cat\n' $count
}

test_case insmod 'rump insmod and rmmod: again and again; what is no module, or twice the same, is refused'
insmod_body() {
	build "$KB"
	atf_check -e ignore $server --trust-clients "$url"
	atf_check -s exit:1 -e match:'counter: no such module is loaded' $rump rmmod "$url" counter
	for i in 1 2 3 4 5; do
		atf_check $rump insmod "$url" "$ko" start=$i
		atf_check -o inline:"$((i + 1)) cat\n" $count
		atf_check -s exit:1 -e match:'File exists' $rump insmod "$url" "$ko"
		atf_check $rump rmmod "$url" counter
		atf_check -s exit:1 -e match:'No such file' $count
	done
	head -c 1000 "$ko" >short.ko
	atf_check -s exit:1 -e match:'not built for this kernel' $rump insmod "$url" short.ko
	sed 's/vermagic=6/vermagic=5/' "$ko" >other.ko
	atf_check -s exit:1 -e match:'not built for this kernel' $rump insmod "$url" other.ko
	atf_check -s exit:1 -e match:'Unknown error|not built|Invalid' $rump insmod "$url" "$ko" start=nonsense
	atf_check -o inline:'' $run cat /rump/proc/modules
}

test_case headers 'what make install-headers installs is enough, and is of no other place'
headers_body() {
	case $B in */kdebug*) k=1 ;; *) k= ;; esac
	env -u MAKEFLAGS -u MAKELEVEL make -C "$TOP" KDEBUG=$k install-headers DESTDIR="$PWD/dest" PREFIX=/usr \
	    >log 2>&1 || { cat log; atf_fail "make install-headers"; }
	if grep -rl "$TOP" dest >where; then
		cat where
		atf_fail "these files name the source tree"
	fi
	mv dest moved
	build "$PWD/moved/usr/src/rump-headers"
	atf_check -e ignore $server -m "$ko,start=7" "$url"
	atf_check -o inline:'8 cat\n' $count
}

test_case embedded 'rump_module_load() and unload(), twice; why it is refused is printed'
embedded_body() {
	case $B in *thread*) atf_skip "a kernel in the process looks like one race" ;; esac
	build "$KB"
	atf_check -o match:'^11 ' -o match:'^21 ' -e match:'counter: from 20' \
	    env RUMP_VERBOSE=1 "$(atf_get_srcdir)/h_module" "$ko"
	sed 's/vermagic=6/vermagic=5/' "$ko" >other.ko
	atf_check -s exit:1 -o inline:'Exec format error\n' -e match:'version magic .5' \
	    "$(atf_get_srcdir)/h_module" "$PWD/other.ko"
}

atf_init_test_cases() {
	atf_add_test_case server
	atf_add_test_case insmod
	atf_add_test_case embedded
	atf_add_test_case headers
}
