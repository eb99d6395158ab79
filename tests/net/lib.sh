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
	echo rump run --server "unix://$PWD/$1" --
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

# transfer FROM TO ADDRESS PORT MEGABYTES: by TCP, compared by checksum; FROM and TO are
# what to put before a command
transfer()
{
	rm -f ready
	background $2 python3 "$TOP/tests/net/transfer.py" receive "$3" "$4" >ready
	wait_for ready ready
	atf_check -o match:"^$5 MB" $1 python3 "$TOP/tests/net/transfer.py" send "$3" "$4" "$5"
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
	eval "${_name}_head() { atf_set descr '$_descr'; atf_set require.progs 'ip python3 $*'; }"
	eval "${_name}_cleanup() { clean_up; }"
}
