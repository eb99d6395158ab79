#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# apps.sh BUILDDIR APP HOW SECONDS - real programs, with their load beside them; prints a figure.
#	APP	nginx	requests/s that wrk gets answered: 64 connections, 1 KB, keep-alive
#		redis	GETs/s of redis-benchmark: 50 connections
#		pgbench	transactions/s, read only: 8 clients
#		iperf3	Gbit/s, one flow
#	HOW	native		on the host
#		remote		server and load are clients of one rump_server
#		embedded	server and load have a kernel each, on a shared-memory segment
#		keeper		the same kernel for both, started by a shell: for servers that fork
# Everything is in a directory of its own, and gone at the end.  Kernels have the number of vCPUs
# that was found to be the best for the program; BENCH_NCPU is another one.

set -eu

b=$(realpath "$1") app=$2 how=$3 seconds=$4

# PostgreSQL does not run as root.
if [ "$app:$(id -u)" = pgbench:0 ]; then
	exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0" "$@"
fi

lib=$b/lib
dir=$(mktemp -d /tmp/rump-bench.XXXXXX)
server= pid=
cleanup()
{
	[ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null || :
	[ -z "$server" ] || "$b/bin/rump" halt "$server" || :
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
fail() { echo "apps.sh: $app, $how: $*" >&2; exit 1; }

# ---- how ---------------------------------------------------------------------------------

at=127.0.0.1 as_server='' as_load=''
hijack="RUMPHIJACK=socket=inet LD_PRELOAD=$lib/librumphijack.so"
case $app in
nginx | redis) cpus=2 ;;
*) cpus=1 ;;
esac
cpus=${BENCH_NCPU:-$cpus}
case $how in
native)
	;;
remote)
	server=unix://$dir/kernel
	"$b/bin/rump_server" -c "$cpus" -r 512m "$server"
	as_server="env RUMP_SERVER=$server $hijack" as_load=$as_server
	$as_server ip link set lo up
	;;
embedded)
	at=10.9.0.1
	for end in server load; do
		[ $end = server ] && ip=10.9.0.1 || ip=10.9.0.2
		eval "as_$end='env RUMP_NCPU=$cpus RUMP_IF=virt0,link=shm:$dir/wire BENCH_ADDRESS=$ip" \
		    "$hijack:$b/bench/address.so'"
	done
	;;
keeper)
	# Once more, as a shell whose kernel is booted before it forks.
	if [ -z "${BENCH_INSIDE:-}" ]; then
		rm -rf "$dir"
		exec env BENCH_INSIDE=1 RUMP_NCPU="$cpus" RUMP_MEMLIMIT=512m RUMPHIJACK=path=/rump,socket=inet \
		    LD_PRELOAD="$lib/librumphijack.so" "$0" "$@"
	fi
	: </rump/proc/version
	ip link set lo up
	;;
*)
	fail "native, remote, embedded or keeper?"
	;;
esac

# A server is there when its port is, or its log says so.
await()
{
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
		! "$@" >/dev/null 2>&1 || return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.2
	done
	cat "$dir"/log >&2
	fail "the server does not start"
}

# ---- what --------------------------------------------------------------------------------

case $app in
nginx)
	mkdir "$dir/www"
	head -c 1024 /dev/zero >"$dir/www/file"
	cat >"$dir/conf" <<-END
	daemon off; master_process off; worker_processes 1; pid p; error_log e;
	events { worker_connections 512; }
	http {
		access_log off; keepalive_requests 10000000;
		client_body_temp_path b; proxy_temp_path x; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
		server { listen $at:18080; root www; }
	}
	END
	PATH=$PATH:/usr/sbin
	chmod -R a+rX "$dir"
	$as_server nginx -p "$dir" -c conf >"$dir/log" 2>&1 &
	pid=$!
	sleep 1
	$as_load wrk -t 1 -c 64 -d "$seconds" "http://$at:18080/file" >"$dir/out" 2>&1 ||
		{ cat "$dir/out" "$dir/log" >&2; fail "wrk: status $?"; }
	awk '/^Requests.sec/ { print $2 }' "$dir/out"
	;;
redis)
	cd "$dir"
	$as_server redis-server --bind "$at" --port 16379 --save '' --appendonly no --protected-mode no \
	    --daemonize no >log 2>&1 &
	pid=$!
	sleep 1
	$as_load redis-benchmark -h "$at" -p 16379 -t get -c 50 -n $((seconds * 40000)) --csv >out 2>err ||
		{ cat err log >&2; fail "redis-benchmark: status $?"; }
	awk -F '"' '$2 == "GET" { print $4 }' out
	;;
pgbench)
	PATH=$(echo /usr/lib/postgresql/*/bin | sed 's/.* //'):$PATH
	cd "$dir"
	# The data are the host's, and made by the host.
	plain="env -u LD_PRELOAD -u RUMPHIJACK"
	$plain initdb -A trust -U bench -D data >log 2>&1 || { cat log >&2; fail initdb; }
	$plain pg_ctl -w -D data -l log -o "-c listen_addresses= -c unix_socket_directories=$dir" start >out
	$plain pgbench -i -q -s 5 -h "$dir" -U bench postgres >>log 2>&1 || { cat log >&2; fail "pgbench -i"; }
	$plain pg_ctl -w -D data stop >>out
	$as_server postgres -D data -c listen_addresses="$at" -c port=15432 -c unix_socket_directories= \
	    -c fsync=off >log 2>&1 &
	pid=$!
	await grep 'ready to accept' log
	$as_load pgbench -n -S -c 8 -j 2 -T "$seconds" -h "$at" -p 15432 -U bench postgres >out 2>err ||
		{ cat err log >&2; fail "pgbench: status $?"; }
	awk '$1 == "tps" { print $3 }' out
	;;
iperf3)
	$as_server iperf3 -s -1 -B "$at" -p 15201 >"$dir/log" 2>&1 &
	pid=$!
	sleep 1
	$as_load iperf3 -c "$at" -p 15201 -t "$seconds" -f g >"$dir/out" 2>&1 ||
		{ cat "$dir/out" "$dir/log" >&2; fail "iperf3: status $?"; }
	awk '/receiver/ { for (i = 1; i < NF; i++) if ($(i + 1) == "Gbits/sec") print $i }' "$dir/out"
	;;
*)
	fail "nginx, redis, pgbench or iperf3?"
	;;
esac >"$dir/figure"
[ -s "$dir/figure" ] || fail "no figure"
cat "$dir/figure"
