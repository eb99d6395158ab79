# SPDX-License-Identifier: BSD-2-Clause
# Programs of every kind on a rump_server's network and files, unmodified: servers
# with their own clients.  Each is skipped where it is not installed.
. "$(atf_get_srcdir)/../env.sh"

remote="timeout -k 5 60 env LD_PRELOAD=$B/lib/librumphijack.so RUMP_SERVER=unix://$PWD/sock"

need() {
	for p in "$@"; do
		command -v "$p" >/dev/null || [ -x "/usr/sbin/$p" ] || atf_skip "no $p"
	done
}
serve() {
	atf_check -o ignore -e ignore "$B/server/rump_server" "$@" "unix://$PWD/sock"
}
# Runs in the background; its process is ended by the cleanup.
background() {
	$remote "$@" >background.out 2>&1 &
	echo $! >>pids
}
# Until somebody listens there.
await() {
	for i in $(seq 100); do
		$remote ss -tln | grep -q ":$1 " && return
		sleep 0.1
	done
	cat background.out
	atf_fail "nobody listens on port $1"
}
cleanup() {
	if [ -f pids ]; then
		kill $(cat pids) 2>/dev/null
	fi
	"$B/tools/rump" halt "unix://$PWD/sock" || true
}
program() {
	atf_test_case "$1" cleanup
	eval "${1}_cleanup() { cleanup; }"
}

program wget
wget_body() {
	need wget curl python3
	serve
	dd if=/dev/urandom of=file bs=1000 count=777 2>dd.err
	background python3 -m http.server 8000 --bind 127.0.0.1
	await 8000
	atf_check $remote wget -q -O w http://127.0.0.1:8000/file
	atf_check cmp file w
	atf_check $remote curl -s -o c 'http://127.0.0.1:8000/file'
	atf_check cmp file c
	atf_check -s exit:7 curl -s -m 5 http://127.0.0.1:8000/file
}

program redis
redis_body() {
	need redis-server redis-cli redis-benchmark
	serve -r 256m
	background redis-server --port 6400 --dir "$(pwd)" --save ''
	await 6400
	atf_check -o match:'SET: .* requests per second' -o match:'GET: .* requests per second' \
	    -o match:'LPUSH: .* requests per second' \
	    $remote redis-benchmark -p 6400 -n 2000 -c 20 -q -t set,get,lpush
	atf_check -o inline:'OK\n' $remote redis-cli -p 6400 set key value
	atf_check -o match:OK $remote redis-cli -p 6400 save
	atf_check -o ignore $remote redis-cli -p 6400 bgsave		# by fork
	for i in $(seq 100); do
		$remote redis-cli -p 6400 info persistence | grep -q bgsave_in_progress:0 && break
		sleep 0.1
	done
	atf_check -o match:last_bgsave_status:ok $remote redis-cli -p 6400 info persistence
	atf_check -o ignore $remote redis-cli -p 6400 shutdown
	background redis-server --port 6400 --dir "$(pwd)"
	await 6400
	atf_check -o inline:'value\n' $remote redis-cli -p 6400 get key
}

program postgres
postgres_body() {
	need pgbench psql
	bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
	[ -x "$bin/postgres" ] || atf_skip "no PostgreSQL server"
	cat >script <<-END
		set -e
		cd $(pwd)
		$B/server/rump_server -r 512m unix://$PWD/sock
		$bin/initdb -A trust -U postgres -D data
		echo "listen_addresses='127.0.0.1'" >>data/postgresql.conf
		echo "port=5499" >>data/postgresql.conf
		echo "unix_socket_directories=''" >>data/postgresql.conf
		$remote $bin/pg_ctl -w -D data -l log start
		c='-h 127.0.0.1 -p 5499 -U postgres'
		$remote psql \$c -At -c 'select 6 * 7' postgres >answer
		$remote pgbench \$c -q -i -s 1 postgres
		$remote pgbench \$c -c 4 -j 2 -t 50 postgres >bench
		$remote $bin/pg_ctl -w -D data -m fast stop
		$B/tools/rump halt unix://$PWD/sock
	END
	if [ "$(id -u)" = 0 ]; then
		# It refuses to be root; the directories above must let its user pass.
		id postgres >/dev/null 2>&1 || atf_skip "no user postgres"
		d=$(pwd)
		while [ "$d" != / ]; do
			chmod a+x "$d"
			d=$(dirname "$d")
		done
		chown postgres .
		run="setpriv --reuid=postgres --regid=postgres --clear-groups"
	fi
	atf_check -o ignore -e ignore ${run:-} sh script
	atf_check -o inline:'42\n' cat answer
	atf_check -o match:'transactions actually processed: 200/200' cat bench
}

# The child that talks before the login is under a seccomp filter of its own.
program ssh
ssh_body() {
	need sshd ssh scp ssh-keygen
	[ "$(id -u)" = 0 ] || atf_skip "sshd needs root"
	serve -r 256m
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
	background /usr/sbin/sshd -D -e -f "$(pwd)/conf"
	await 2299
	opts="-i me -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=VERBOSE"
	atf_check -e ignore -o inline:'HELLO\n' $remote sh -c \
	    "echo hello | ssh $opts -p 2299 root@127.0.0.1 tr a-z A-Z"
	dd if=/dev/urandom of=f bs=1000 count=3000 2>dd.err
	atf_check -e ignore $remote scp $opts -P 2299 f "root@127.0.0.1:$(pwd)/g"
	atf_check cmp f g
	background ssh $opts -p 2299 -N -L 127.0.0.1:2300:127.0.0.1:2299 root@127.0.0.1
	await 2300
	$remote ssh $opts -p 2300 root@127.0.0.1 echo through >through 2>err || { cat err background.out; atf_fail "the way through the tunnel"; }
	atf_check_equal through "$(cat through)"
	# one process there, whatever it executes: its pid, and the name of its last program
	atf_check -e ignore -o save:chain $remote ssh $opts -p 2299 root@127.0.0.1 \
	    'readlink /rump/proc/self >pid; read a </rump/proc/self/stat; echo "${a%% *}"
	    exec sh -c "read a </rump/proc/self/stat; echo \${a%% *}; exec cat /rump/proc/self/stat"'
	pid=$(sed -n 1p chain)
	printf '%s\n%s\n%s (cat)\n' "$pid" "$pid" "$pid" >expected
	atf_check -o file:expected sed 's/).*/)/' chain
}

# That of each is its own program's: in ss, in /proc, in rump ps.
program names
names_body() {
	need ss python3
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
	background ./speaker p.py
	for i in $(seq 200); do
		[ ! -e up ] || break
		sleep 0.05
	done
	atf_check -o save:ss $remote env RUMPHIJACK=path=/rump,socket=all:nolocal,blanket=/proc ss -tanp
	atf_check -o match:'LISTEN.*127.0.0.1:5555.*"speaker",pid=' cat ss
	atf_check_equal 2 "$(grep -c 'ESTAB.*"speaker",pid=' ss)"
	pid=$(sed -n 's/.*LISTEN.*pid=\([0-9]*\).*/\1/p' ss)
	atf_check -o inline:'speaker\n' $remote cat "/rump/proc/$pid/comm"
	atf_check -o match:"^ *$pid +1 +3 +3 .*  speaker\$" "$B/tools/rump" ps "unix://$PWD/sock"
	rm up
}

# Both are in the rump kernel, with all their connections: the host sees none.
program wrk
wrk_body() {
	need nginx wrk ss
	serve -r 256m
	mkdir www
	head -c 1000 /dev/zero >www/file
	chmod -R a+rX .
	cat >conf <<-END
		daemon off; master_process off; error_log $(pwd)/log; pid $(pwd)/pid;
		events { worker_connections 256; }
		http { access_log off; server { listen 127.0.0.1:8090; root $(pwd)/www; } }
	END
	background nginx -p "$(pwd)" -c "$(pwd)/conf"
	await 8090
	$remote wrk -t 1 -c 64 -d 3 --timeout 60s http://127.0.0.1:8090/file >wrk.out 2>&1 &
	most=0
	for i in $(seq 200); do
		"$B/tools/rump" ps "unix://$PWD/sock" >ps.now
		n=$(sed -n 's/.*  nginx$/&/p' ps.now | awk '{ print $4 }')
		[ "${n:-0}" -le "$most" ] || { most=$n; cp ps.now ps; }
		[ "$most" -lt 65 ] || break
		sleep 0.1
	done
	atf_check -o match:'  wrk$' cat ps
	[ "$most" -ge 65 ] || atf_fail "nginx has $most sockets there"
	atf_check -o not-match:':8090' ss -tan
	wait $!
	atf_check -o match:'Requests/sec' -o not-match:'Socket errors' -o not-match:'Non-2xx' cat wrk.out
}

program git
git_body() {
	need git python3
	serve
	git init -q repo
	cp "$TOP"/hijack/*.c repo
	(cd repo && git add . && git -c user.email=a@b -c user.name=x commit -qm one)
	git clone -q --bare repo bare.git
	git -C bare.git update-server-info
	touch bare.git/git-daemon-export-ok
	background git daemon --base-path="$(pwd)" --listen=127.0.0.1 --port=9418 --reuseaddr
	background python3 -m http.server 8000 --bind 127.0.0.1
	await 9418
	await 8000
	atf_check $remote git clone -q git://127.0.0.1/bare.git one
	atf_check diff -r -x .git repo one
	atf_check $remote git clone -q http://127.0.0.1:8000/bare.git two
	atf_check diff -r -x .git repo two
}

program node
node_body() {
	need node
	serve -r 256m
	cat >t.js <<-'END'
		const http = require('http');
		const s = http.createServer((q, r) => r.end('x'.repeat(100000))).listen(8000, '127.0.0.1', () => {
			let left = 30, n = 0;
			const got = r => { r.on('data', d => n += d.length); r.on('end', () => {
				if (--left) return;
				s.close();
				console.log(n);
				require('child_process').exec('echo child', (e, out) => {
					console.log(out.trim());
					console.log(require('fs').existsSync('/rump/init'));
				});
			}); };
			for (let i = 0; i < 30; i++) http.get('http://127.0.0.1:8000/', got);
		});
	END
	atf_check -o inline:'3000000\nchild\ntrue\n' $remote node t.js
}

program java
java_body() {
	need java javac
	serve -r 256m
	cat >H.java <<-'END'
		import com.sun.net.httpserver.*;
		import java.net.*;
		import java.net.http.*;
		import java.util.*;
		import java.util.concurrent.*;
		public class H {
			public static void main(String[] a) throws Exception {
				HttpServer s = HttpServer.create(new InetSocketAddress("127.0.0.1", 8000), 10);
				s.setExecutor(Executors.newFixedThreadPool(4));
				s.createContext("/", x -> {
					byte[] b = new byte[100000];
					x.sendResponseHeaders(200, b.length);
					x.getResponseBody().write(b);
					x.close();
				});
				s.start();
				HttpClient c = HttpClient.newHttpClient();
				HttpRequest r = HttpRequest.newBuilder(URI.create("http://127.0.0.1:8000/")).build();
				List<CompletableFuture<HttpResponse<byte[]>>> l = new ArrayList<>();
				for (int i = 0; i < 20; i++)
					l.add(c.sendAsync(r, HttpResponse.BodyHandlers.ofByteArray()));
				int n = 0;
				for (CompletableFuture<HttpResponse<byte[]>> f : l)
					n += f.get().body().length;
				System.out.println(n);
				System.exit(0);
			}
		}
	END
	javac H.java
	atf_check -o inline:'2000000\n' $remote java H
}

program iperf3
iperf3_body() {
	need iperf3
	serve -r 256m
	background iperf3 -s -p 5201
	await 5201
	atf_check -o match:'iperf Done' $remote iperf3 -c 127.0.0.1 -n 20M -P 2
	await 5201		# it listens anew after each test
	atf_check -o match:'iperf Done' $remote iperf3 -c 127.0.0.1 -n 5M -R
	await 5201
	atf_check -o match:'iperf Done' $remote iperf3 -c 127.0.0.1 -u -b 100M -n 2M
}

program shells
shells_body() {
	need socat bash
	serve
	background socat TCP-LISTEN:7001,reuseaddr,bind=127.0.0.1,fork EXEC:'tr a-z A-Z'
	background socat UNIX-LISTEN:/rump/run/sock,fork EXEC:rev
	await 7001
	atf_check -o inline:'HELLO\n' $remote sh -c 'echo hello | socat -t 5 - TCP:127.0.0.1:7001'
	atf_check -o inline:'olleh\n' $remote sh -c 'echo hello | socat -t 5 - UNIX-CONNECT:/rump/run/sock'
	cat >script <<-'END'
		exec 5<>/dev/tcp/127.0.0.1/7001
		echo one >&5
		exec 6>&5 5>&-
		echo two >&6
		exec 6>&-
		exec 5<>/dev/tcp/127.0.0.1/7001
		(echo three >&5; exec 5>&-)
		echo ok
	END
	atf_check -o inline:'ok\n' $remote bash script
}

program files
files_body() {
	need rsync tar sqlite3
	serve -r 256m
	mkdir tree
	cp -r "$TOP/hijack" "$TOP/docs" tree
	atf_check $remote rsync -a tree/ /rump/run/tree
	atf_check $remote diff -r tree /rump/run/tree
	atf_check -o ignore $remote sh -c 'tar cf - -C /rump/run tree | tar xf - -C /rump/tmp'
	atf_check $remote diff -r tree /rump/tmp/tree
	atf_check -o inline:'3\n' $remote sqlite3 /rump/run/db \
	    'create table t (a); insert into t values (1), (2); select sum(a) from t'
	atf_check -o inline:'3\n' $remote sqlite3 /rump/run/db 'select sum(a) from t'
}

# What configures and watches a network finds the rump kernel's.
program network
network_body() {
	need ip ss
	serve
	atf_check $remote ip link add v0 type veth peer name v1
	atf_check $remote ip addr add 10.9.0.1/24 dev v0
	atf_check $remote ip link set v0 up
	atf_check -o match:'10\.9\.0\.1/24' $remote ip addr show v0
	atf_check -o match:' v0@v1: ' -o not-match:' eth0' $remote ip -o link
	if command -v tc >/dev/null; then
		atf_check $remote tc qdisc add dev v0 root netem delay 2ms
		atf_check -o match:'netem .* delay 2ms' $remote tc qdisc show dev v0
	fi
	if command -v nft >/dev/null; then
		atf_check $remote nft "add table inet t; add chain inet t c { type filter hook input \
		    priority 0; }; add rule inet t c tcp dport 81 drop"
		atf_check -o match:'tcp dport 81 drop' $remote nft list ruleset
	fi
	if command -v ping >/dev/null; then
		atf_check -o match:' 2 received' $remote ping -c 2 -i 0.01 10.9.0.1
	fi
	if command -v sysctl >/dev/null; then
		theirs=$(cat /proc/sys/net/ipv4/ip_default_ttl)
		atf_check -o match:'= 63' $remote sysctl -w net.ipv4.ip_default_ttl=63
		atf_check -o match:'= 63' $remote sysctl net.ipv4.ip_default_ttl
		atf_check -o inline:"$theirs\n" cat /proc/sys/net/ipv4/ip_default_ttl
		RUMPHIJACK=socket=all:nolocal,sysctl=no atf_check -o match:"= $theirs" \
		    $remote sysctl net.ipv4.ip_default_ttl
	fi
}

# A picture of a page that nginx serves inside the rump network, compared with the
# one that the host's network shows.
program firefox
firefox_body() {
	need firefox-esr nginx
	serve -r 512m
	export HOME="$(pwd)" MOZ_HEADLESS=1
	mkdir www
	echo '<body style="background:#dfd"><h1>A page</h1><img src="i.svg">' >www/index.html
	echo '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60">
	    <circle cx="30" cy="30" r="25" fill="red"/></svg>' >www/i.svg
	cat >conf <<-END
		worker_processes 1; error_log $(pwd)/log; user root; daemon off;
		events { }
		http {
			access_log $(pwd)/access; types { text/html html; image/svg+xml svg; }
			server { listen 127.0.0.1:8642; root $(pwd)/www; }
		}
	END
	shot="firefox-esr --headless --no-remote --window-size=400,300"
	background nginx -p "$(pwd)" -c "$(pwd)/conf" -g "pid $(pwd)/pid;"
	await 8642
	atf_check -o ignore -e ignore $remote $shot --profile "$(mktemp -d p1.XXXXXX)" \
	    --screenshot "$(pwd)/ours.png" http://127.0.0.1:8642/
	atf_check -o match:'GET /i.svg HTTP/1.1" 200' cat access
	kill "$(cat pid)"
	nginx -p "$(pwd)" -c "$(pwd)/conf" -g "pid $(pwd)/pid2;" &
	echo $! >>pids
	for i in $(seq 100); do
		[ -s pid2 ] && break
		sleep 0.1
	done
	atf_check -o ignore -e ignore timeout 60 $shot --profile "$(mktemp -d p2.XXXXXX)" \
	    --screenshot "$(pwd)/theirs.png" http://127.0.0.1:8642/
	atf_check cmp theirs.png ours.png
}

# The rump_server is killed under a browser, whose page asks for more and more; then there is
# another one, and another web server on it.
program firefox_goes_on
firefox_goes_on_body() {
	need firefox-esr nginx
	export HOME="$(pwd)" MOZ_HEADLESS=1
	mkdir www profile
	cat >www/index.html <<-'END'
		<script>
		let n = 0;
		setInterval(() => fetch("/tick" + n++).catch(() => 0), 300);
		</script>
	END
	cat >conf <<-END
		worker_processes 1; error_log $(pwd)/log; user root; daemon off; master_process off;
		events { }
		http {
			access_log $(pwd)/access; types { text/html html; }
			server { listen 127.0.0.1:8642; root $(pwd)/www; }
		}
	END
	for round in 1 2; do
		rm -f sock access pid
		"$B/server/rump_server" -s -r 512m "unix://$(pwd)/sock" >server.out 2>&1 &
		server=$!
		for i in $(seq 100); do
			[ -S sock ] && break
			sleep 0.1
		done
		$remote nginx -p "$(pwd)" -c "$(pwd)/conf" -g "pid $(pwd)/pid;" &
		nginx=$!
		await 8642
		if [ $round = 1 ]; then
			RUMPHIJACK_RETRYCONNECT=60 background firefox-esr --headless --no-remote \
			    --profile "$(pwd)/profile" http://127.0.0.1:8642/
		fi
		for i in $(seq 500); do
			[ "$(grep -c '"GET /tick' access)" -gt 5 ] && break
			sleep 0.1
		done
		atf_check -o match:'"GET /tick' cat access
		[ $round = 2 ] || kill -9 $server
		kill $nginx || true
		wait $nginx || true
	done
}

# To and from its daemon.
program rsync
rsync_body() {
	need rsync ss
	serve
	cp -r "$TOP/docs" tree
	mkdir copies
	cat >conf <<-END
		use chroot = no
		lock file = $(pwd)/lock
		[tree]
		path = $(pwd)/tree
		[copies]
		path = $(pwd)/copies
		read only = no
		uid = $(id -u)
		gid = $(id -g)
	END
	background rsync --daemon --no-detach --address=127.0.0.1 --port=8730 --config=conf
	await 8730
	atf_check $remote rsync -a rsync://127.0.0.1:8730/tree/ got
	atf_check diff -r tree got
	atf_check $remote rsync -a tree/ rsync://127.0.0.1:8730/copies/
	atf_check diff -r tree copies
}

atf_init_test_cases() {
	for t in wget redis postgres ssh names wrk git node java iperf3 shells files rsync network firefox firefox_goes_on; do
		atf_add_test_case $t
	done
}
