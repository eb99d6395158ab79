# SPDX-License-Identifier: BSD-2-Clause
# Programs of every kind on a rump kernel's network and files, unmodified: databases, shells, and
# what copies, measures and configures.  Each is skipped where it is not installed.
. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/hijack/session.sh"

program redis "redis-server, its benchmark, and what it saves on /rump, itself and by a child" \
    redis-server redis-cli redis-benchmark
redis_test() {
	cat >script <<-'END'
		cli() { redis-cli -p 6400 "$@"; }
		saved() { cli info persistence | grep -q rdb_bgsave_in_progress:0; }
		background redis-server --port 6400 --dir /rump/tmp --save ''
		await 6400
		redis-benchmark -p 6400 -n 2000 -c 20 -q -t set,get,lpush | tr '\r' '\n' >bench
		for t in SET GET LPUSH; do grep -q "^$t: [0-9.]* requests per second" bench; done
		cli set key value
		cli save
		cli shutdown nosave || :
		background redis-server --port 6400 --dir /rump/tmp --save ''
		await 6400
		cli get key
		cli llen mylist
		cp /rump/tmp/dump.rdb first
		cli set key other >set
		cli bgsave >bgsave
		wait_for saved
		cli info persistence | grep -o last_bgsave_status:ok
		! cmp -s first /rump/tmp/dump.rdb || fail "nothing was saved"
		cli shutdown nosave || :
		background redis-server --port 6400 --dir /rump/tmp --save ''
		await 6400
		cli get key
	END
	printf 'OK\nOK\nvalue\n2000\nlast_bgsave_status:ok\nother\n' >expected
	session
}

program postgres "PostgreSQL and pgbench, over TCP" pgbench psql setpriv
postgres_test() {
	bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
	[ -x "$bin/postgres" ] || atf_skip "no PostgreSQL server"
	if [ "$(id -u)" = 0 ]; then
		# It refuses to be root; the directories above must let its user pass.
		id postgres >/dev/null 2>&1 || atf_skip "no user postgres"
		d=$(pwd)
		while [ "$d" != / ]; do
			chmod a+x "$d"
			d=$(dirname "$d")
		done
		chown postgres .
		as="setpriv --reuid=postgres --regid=postgres --clear-groups"
	fi
	cat >script <<-END
		PATH=$bin:\$PATH
		c='-h 127.0.0.1 -p 5499 -U postgres'
		export PGHOST=127.0.0.1 PGPORT=5499 PGUSER=postgres
		rm -rf data
		initdb -A trust -U postgres -D data >initdb
		cat >>data/postgresql.conf <<-CONF
			listen_addresses = '127.0.0.1'
			port = 5499
			unix_socket_directories = ''
		CONF
		pg_ctl -w -D data -l log start >start
		await 5499
		psql -At -c 'select 6 * 7' postgres
		pgbench -q -i -s 1 postgres 2>init
		pgbench -c 4 -j 2 -t 50 postgres 2>bench.err | grep -o 'actually processed: 200/200'
		psql -At -c 'select count(*) from pgbench_history' postgres
		psql -At -c 'copy (select generate_series(1, 200000)) to stdout' postgres | cksum
		pg_ctl -w -D data -m fast stop >stop
	END
	printf '42\nactually processed: 200/200\n200\n%s\n' "$(seq 200000 | cksum)" >expected
	session 512m
}

# The child that talks before the login is under a seccomp filter of its own.
program ssh "OpenSSH: a command, a copy each way, ports forwarded from here and from there" \
    sshd ssh scp ssh-keygen socat
ssh_test() {
	[ "$(id -u)" = 0 ] || atf_skip "sshd needs root"
	mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f host
	ssh-keygen -q -t ed25519 -N '' -f me
	cat >conf <<-END
		Port 2299
		ListenAddress 127.0.0.1
		HostKey $(pwd)/host
		AuthorizedKeysFile $(pwd)/me.pub
		StrictModes no
		UsePAM no
		PermitRootLogin yes
		PidFile none
		Subsystem sftp internal-sftp
	END
	cat >client <<-END
		Host *
			User root
			IdentityFile $(pwd)/me
			StrictHostKeyChecking no
			UserKnownHostsFile /dev/null
			LogLevel ERROR
		Host there
			HostName 127.0.0.1
			Port 2299
		Host through
			HostName 127.0.0.1
			Port 2300
	END
	dd if=/dev/urandom of=f bs=1000 count=3000 2>dd.err
	cat >script <<-'END'
		background /usr/sbin/sshd -D -e -f "$PWD/conf"
		await 2299
		on() { ssh -F client "$@"; }
		echo hello | on there 'tr a-z A-Z; exit 3' || echo $?
		scp -q -F client f "there:$PWD/g"
		cmp f g
		scp -q -F client "there:$PWD/f" /rump/tmp/h
		cmp f /rump/tmp/h
		rm g
		background ssh -F client -N -L 127.0.0.1:2300:127.0.0.1:2299 \
		    -R 127.0.0.1:2301:127.0.0.1:2302 -D 127.0.0.1:2303 there
		await 2300
		await 2301
		on through echo through
		cat f | on through 'cat | cksum' >sum
		cksum <f | cmp - sum
		background socat TCP-LISTEN:2302,bind=127.0.0.1,fork EXEC:cat
		await 2302
		echo back | socat -t 30 - TCP:127.0.0.1:2301
		# one process there, whatever it executes: its pid, and the name of its last program
		on there 'read a </rump/proc/self/stat; echo "${a%% *}"
		    exec sh -c "read a </rump/proc/self/stat; echo \${a%% *}; exec cat /rump/proc/self/stat"' >chain
		pid=$(sed -n 1p chain)
		printf '%s\n%s\n%s (cat)\n' "$pid" "$pid" "$pid" >same
		sed 's/).*/)/' chain | cmp - same
	END
	printf 'HELLO\n3\nthrough\nback\n' >expected
	session
}

program git "git clone and push over git://, and clone over http" git python3
git_test() {
	git init -q repo
	cp "$TOP"/hijack/*.c repo
	(cd repo && git add . && git -c user.email=a@b -c user.name=x commit -qm one)
	git clone -q --bare repo bare.git
	git -C bare.git config daemon.receivepack true
	touch bare.git/git-daemon-export-ok
	cat >script <<-'END'
		rm -rf one two
		git -C bare.git update-server-info
		background git daemon --base-path="$PWD" --listen=127.0.0.1 --port=9418 --reuseaddr
		background python3 -m http.server 8418 --bind 127.0.0.1
		await 9418
		await 8418
		git clone -q git://127.0.0.1/bare.git one
		diff -r -x .git repo one
		git clone -q http://127.0.0.1:8418/bare.git two
		diff -r -x .git repo two
		git -C one -c user.email=a@b -c user.name=x commit -q --allow-empty -m "by $PPID"
		git -C one push -q origin HEAD
		git -C two pull -q git://127.0.0.1/bare.git
		[ "$(git -C one rev-parse HEAD)" = "$(git -C two rev-parse HEAD)" ]
	END
	session
}

program iperf3 "iperf3, each way, over TCP and UDP" iperf3 python3
iperf3_test() {
	# What was under way at the end is not received, on the host neither.
	cat >sum.py <<-'END'
		import json, sys
		end = json.load(sys.stdin)["end"]
		sent, got = (end.get(k, end["sum"] if "sum" in end else 0) for k in ("sum_sent", "sum_received"))
		print(sent["bytes"] >= int(sys.argv[1]) and got["bytes"] > 0)
	END
	cat >script <<-'END'
		background iperf3 -s -p 5201
		for how in '-n 20M -P 2' '-n 5M -R' '-u -b 100M -n 2M'; do
			await 5201		# it listens anew after each test
			iperf3 -J -c 127.0.0.1 $how >json || { cat json; exit 1; }
			python3 sum.py $(echo "$how" | sed 's/.*-n \([0-9]*\)M.*/\1000000/') <json
		done
	END
	printf 'True\nTrue\nTrue\n' >expected
	session
}

program shells "bash's redirections and /dev/tcp, and socat of several kinds" socat bash
shells_test() {
	cat >script <<-'END'
		background socat TCP-LISTEN:7001,reuseaddr,bind=127.0.0.1,fork EXEC:'tr a-z A-Z'
		background socat TCP-LISTEN:7002,reuseaddr,bind=127.0.0.1,fork EXEC:cat
		background socat UNIX-LISTEN:/rump/run/sock,fork EXEC:rev
		background socat UDP4-RECVFROM:7003,bind=127.0.0.1,fork EXEC:cat
		await 7001
		await 7002
		wait_for test -S /rump/run/sock
		wait_for sh -c 'ss -Huln sport = :7003 | grep -q .'
		echo hello | socat -t 30 - TCP:127.0.0.1:7001
		echo hello | socat -t 30 - UNIX-CONNECT:/rump/run/sock
		bash script.bash
	END
	cat >script.bash <<-'END'
		exec 5<>/dev/tcp/127.0.0.1/7002
		echo one >&5
		read -r line <&5; echo "$line"
		exec 6>&5 5>&-
		echo two >&6
		read -r line <&6; echo "$line"
		exec {fd}<&6 6<&-
		(echo three >&$fd; exec {fd}>&-)
		read -r -u $fd line; echo "$line"
		echo four | tee /dev/fd/$fd >/dev/null 2>&1 || echo four >&$fd
		read -r -u $fd line; echo "$line"
		exec {fd}>&-
		exec 5<>/dev/tcp/127.0.0.1/7001 || exit
		{ seq 1000 | sed 's/$/x/' >&5; } 5>&5
		exec 7<>/dev/udp/127.0.0.1/7003
		echo hello >&7
		head -c 6 <&7		# in one read(), which has all of it
		! (exec 7<>/dev/tcp/127.0.0.1/7009) 2>refused || echo "nobody listens there"
		grep -c 'Connection refused' refused
		cat <(cat </rump/proc/sys/kernel/ostype) - <<<heard
	END
	printf 'HELLO\nolleh\none\ntwo\nthree\nfour\nhello\n2\nLinux\nheard\n' >expected
	session
}

program files "tar, rsync and sqlite3 on /rump" rsync tar sqlite3
files_test() {
	mkdir tree
	cp -r "$TOP/hijack" "$TOP/docs" tree
	ln -s ../docs/limits.md tree/hijack/link
	chmod 640 tree/docs/limits.md
	cat >script <<-'END'
		rsync -a tree/ /rump/run/tree
		diff -r tree /rump/run/tree
		touch /rump/run/tree/more
		rsync -a --delete --itemize-changes tree/ /rump/run/tree | grep -v '^\.d'
		tar cf - -C /rump/run tree | tar xf - -C /rump/tmp
		diff -r tree /rump/tmp/tree
		tar czf /rump/tmp/t.tgz tree
		tar tvf /rump/tmp/t.tgz >list
		tar cf - tree | tar tv | cmp - list
		stat -c %a /rump/tmp/tree/docs/limits.md
		readlink /rump/tmp/tree/hijack/link
		db() { sqlite3 /rump/run/db "$@"; }
		db 'create table t (a); insert into t values (1), (2); select sum(a) from t'
		db 'pragma journal_mode=wal; insert into t values (4)'
		echo 'begin; insert into t values (8); rollback; select sum(a) from t;' | db
		db 'pragma integrity_check'
		cp /rump/run/db copy
		env -u LD_PRELOAD sqlite3 copy 'select sum(a) from t'
	END
	printf '%s\n' '*deleting   more' 640 ../docs/limits.md 3 wal 7 ok 7 >expected
	session
}

program rsync "to and from rsync's daemon" rsync
rsync_test() {
	cp -r "$TOP/docs" tree
	cat >conf <<-END
		use chroot = no
		lock file = $(pwd)/lock
		[tree]
		path = $(pwd)/tree
		[copies]
		path = /rump/tmp
		read only = no
		uid = $(id -u)
		gid = $(id -g)
	END
	cat >script <<-'END'
		rm -rf got
		background rsync --daemon --no-detach --address=127.0.0.1 --port=8730 --config=conf
		await 8730
		rsync -a rsync://127.0.0.1:8730/tree/ got
		diff -r tree got
		rsync -a tree/ rsync://127.0.0.1:8730/copies/tree
		diff -r tree /rump/tmp/tree
	END
	session
}

program dig "dig, by resolv.conf and by an address, over UDP and TCP" dig python3
dig_test() {
	cat >script <<-END
		mkdir -p /rump/etc
		echo nameserver 127.0.0.1 >/rump/etc/resolv.conf
		background python3 "$TOP/tests/hijack/dns.py"
		wait_for grep -q ready background.out
		export RUMPHIJACK=path=/rump,socket=all:nolocal,blanket=/etc/resolv.conf
		dig +short name.example
		dig +short @127.0.0.1 other.example A
		dig +short +tcp @127.0.0.1 tcp.example A
		dig @127.0.0.1 -x 10.1.2.3 | grep -o 'status: [A-Z]*, '
	END
	printf '10.1.2.3\n10.1.2.3\n10.1.2.3\nstatus: NOERROR, \n' >expected
	session
}

# What configures and watches a network finds the rump kernel's.
program network "ip, tc, nft, ping, ss and sysctl" ip ss tc nft ping sysctl
network_test() {
	cat >script <<-'END'
		ip link add v0 type veth peer name v1
		ip addr add 10.9.0.1/24 dev v0
		ip link set v0 up
		ip link set v1 up
		ip -br addr show v0 | grep -o ' 10\.9\.0\.1/24'
		ip -br link | awk '{ print $1 }'
		tc qdisc add dev v0 root netem delay 2ms
		# (later tc(8) say what the losses are rolled from, too)
		tc qdisc show dev v0 | sed 's/8001: root refcnt [0-9]* //; s/ seed [0-9]*$//'
		nft 'add table inet t; add chain inet t c { type filter hook input priority 0; };
		    add rule inet t c tcp dport 81 drop'
		nft list ruleset | grep -o 'tcp dport 81 drop'
		ping -c 2 -i 0.01 10.9.0.1 | grep -o '2 received'
		ss -H -s | grep -o '^RAW'
		ip tuntap add dev rumptun0 mode tun
		ip tuntap list
		sysctl -w net.ipv4.ip_default_ttl=63
		sysctl net.ipv4.ip_default_ttl
		export RUMPHIJACK=socket=all:nolocal,sysctl=no
		sysctl -n net.ipv4.ip_default_ttl
	END
	cat >expected <<-'END'
		 10.9.0.1/24
		lo
		v1@v0
		v0@v1
		qdisc netem limit 1000 delay 2ms
		tcp dport 81 drop
		2 received
		RAW
		rumptun0: tun persist
		net.ipv4.ip_default_ttl = 63
		net.ipv4.ip_default_ttl = 63
	END
	cat /proc/sys/net/ipv4/ip_default_ttl >>expected	# the host's is as it was
	session
}

# That of each is its own program's: in ss, in /proc, in rump ps.
program names "the names of programs in the rump kernel" ss python3
names_test() {
	serve
	cat >p.py <<-'END'
		import os, socket, time
		l = socket.socket()
		l.bind(("127.0.0.1", 5555))
		l.listen()
		c = socket.create_connection(l.getsockname())
		a = l.accept()[0]
		open("up", "w").close()
		while os.path.exists("up"):
		    time.sleep(0.05)
	END
	ln -s "$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')" speaker
	$remote ./speaker p.py &
	echo $! >pids
	for i in $(seq 600); do
		[ ! -e up ] || break
		sleep 0.1
	done
	atf_check -o save:ss $remote env RUMPHIJACK=path=/rump,socket=all:nolocal,blanket=/proc ss -tanp
	atf_check -o match:'LISTEN.*127.0.0.1:5555.*"speaker",pid=' cat ss
	atf_check_equal 2 "$(grep -c 'ESTAB.*"speaker",pid=' ss)"
	pid=$(sed -n 's/.*LISTEN.*pid=\([0-9]*\).*/\1/p' ss)
	atf_check -o inline:'speaker\n' $remote cat "/rump/proc/$pid/comm"
	atf_check -o match:"^ *$pid +1 +3 +3 .*  speaker\$" "$B/tools/rump" ps "unix://$PWD/sock"
	rm up
}

atf_init_test_cases() {
	for t in $programs; do
		atf_add_test_case "$t"
	done
}
