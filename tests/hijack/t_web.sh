# SPDX-License-Identifier: BSD-2-Clause
# Web servers and clients on a rump kernel's network, unmodified, of every language.  Each is
# skipped where it is not installed.
. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/hijack/session.sh"

program http_server "Python's http.server, and curl and wget" curl wget python3
http_server_test() {
	dd if=/dev/urandom of=file bs=1000 count=777 2>dd.err
	cat >script <<-'END'
		background python3 -m http.server 8400 --bind 127.0.0.1
		await 8400
		wget -q -O w http://127.0.0.1:8400/file
		cmp file w
		curl -s -o c http://127.0.0.1:8400/file
		cmp file c
		curl -s --no-progress-meter -o /rump/tmp/c --parallel 'http://127.0.0.1:8400/file?[1-20]' -w '%{http_code}\n' | uniq -c
		cmp file /rump/tmp/c
		wget -q -P /rump/tmp http://127.0.0.1:8400/file
		cmp file /rump/tmp/file
		RUMPHIJACK=path=/rump curl -s http://127.0.0.1:8400/file || echo "the host: $?"
	END
	printf '     20 200\nthe host: 7\n' >expected
	session
}

# Two workers, on a socket that they share and on one for each.  A reload is seen by all that is asked
# after it, and by nothing that was asked before.
program nginx "nginx with workers, and its reload under a download" nginx curl
nginx_test() {
	dd if=/dev/urandom of=big bs=1000000 count=20 2>dd.err
	head -c 200000 big >small
	chmod -R a+rX .
	cat >template <<-END
		worker_processes 2; error_log $(pwd)/log; pid $(pwd)/pid; user root;
		events { accept_mutex off; }
		http {
			access_log off; sendfile on;
			server {
				listen 127.0.0.1:8401;
				listen 127.0.0.1:8402 reuseport;
				root $(pwd);
				location /slow/ { alias $(pwd)/; limit_rate 100k; limit_rate_after 1k; }
				location /says { return 200 "WORD \$pid\n"; }
			}
		}
	END
	cat >script <<-'END'
		sed s/WORD/old/ template >conf
		nginx -p "$PWD" -c "$PWD/conf"
		cat pid >>pids
		await 8401
		await 8402
		curl -s -o got http://127.0.0.1:8401/big
		cmp big got
		workers() {
			curl -s -H 'Connection: close' 'http://127.0.0.1:8402/says?[1-64]' | sort -u
		}
		reloaded() {
			workers >after
			! grep -q old after
		}
		workers >before
		cut -d ' ' -f 1 before

		rm -f slow
		curl -s -N -o slow http://127.0.0.1:8401/slow/small &
		wait_for test -s slow
		sed s/WORD/new/ template >conf
		kill -HUP "$(cat pid)"
		wait_for reloaded
		cut -d ' ' -f 1 after
		sed 's/.* //' before after | sort | uniq -d
		wait $!
		cmp small slow

		nginx -p "$PWD" -c "$PWD/conf" -s quit 2>quit
		gone() { ! listens 8401; }
		wait_for gone
	END
	printf 'old\nold\nnew\nnew\n' >expected
	session
}

# Both are in the rump kernel, with all their connections: the host sees none.
program wrk "nginx and wrk" nginx wrk ss
wrk_test() {
	serve -r 256m
	mkdir www
	head -c 1000 /dev/zero >www/file
	chmod -R a+rX .
	cat >conf <<-END
		daemon off; master_process off; error_log $(pwd)/log; pid $(pwd)/pid;
		events { worker_connections 256; }
		http { access_log off; server { listen 127.0.0.1:8090; root $(pwd)/www; } }
	END
	$remote nginx -p "$(pwd)" -c "$(pwd)/conf" &
	echo $! >pids
	for i in $(seq 600); do
		! $remote ss -Htln | grep -q ':8090 ' || break
		sleep 0.1
	done
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

program asyncio "Python's asyncio: servers, clients, processes and signals" python3
asyncio_test() {
	cat >t.py <<-'END'
		import asyncio, glob, os, signal, subprocess, tempfile

		class Echo(asyncio.DatagramProtocol):
		    def connection_made(self, t): self.t = t
		    def datagram_received(self, d, a): self.t.sendto(d[::-1], a)

		async def talk(a, i):
		    r, w = await asyncio.open_connection(*a)
		    n = 0
		    for k in range(5):
		        w.write(b"x" * (1000 * i) + b"\n"); await w.drain()
		        n += (await r.readline()).count(b"X")
		    w.close(); await w.wait_closed()
		    return n

		async def main():
		    async def serve(r, w):
		        try:
		            while line := await r.readline():
		                w.write(line.upper()); await w.drain()
		            w.close()
		        except asyncio.CancelledError:		# the program ends
		            pass
		    s = await asyncio.start_server(serve, "127.0.0.1", 0)
		    a = s.sockets[0].getsockname()
		    print(sum(await asyncio.gather(*(talk(a, i) for i in range(30)))))

		    loop = asyncio.get_running_loop()
		    t, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
		    got = loop.create_future()
		    class Ask(asyncio.DatagramProtocol):
		        def connection_made(self, t): t.sendto(b"abc")
		        def datagram_received(self, d, a): got.set_result(d)
		    c, _ = await loop.create_datagram_endpoint(Ask, remote_addr=t.get_extra_info("sockname"))
		    print(await got)

		    p = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
		    print((await p.communicate(b"sub"))[0])
		    signalled = asyncio.Event()
		    loop.add_signal_handler(signal.SIGUSR1, signalled.set)
		    os.kill(os.getpid(), signal.SIGUSR1)
		    await signalled.wait()
		    try:
		        r, w = await asyncio.open_connection(*a)
		        await asyncio.wait_for(r.readline(), 0.05)
		    except asyncio.TimeoutError:
		        print("timeout")
		    w.close()
		    print((await asyncio.to_thread(subprocess.check_output, "/bin/pwd")).decode().strip())

		os.chdir("/rump/run")
		asyncio.run(main())
		with tempfile.TemporaryDirectory(dir=".") as d:
		    open(d + "/x", "w").write("text")
		    print(glob.glob(d + "/*")[0][-2:], subprocess.check_output(["cat", d + "/x"]))
		print(os.listdir("."), subprocess.check_output("pwd", cwd="/rump/tmp"))
	END
	echo 'python3 t.py' >script
	cat >expected <<-'END'
		2175000
		b'cba'
		b'sub'
		timeout
		/rump/run
		/x b'text'
		[] b'/rump/tmp\n'
	END
	session
}

program node "Node's http server and client, its children and files" node
node_test() {
	cat >t.js <<-'END'
		const http = require('http');
		const s = http.createServer((q, r) => r.end('x'.repeat(100000))).listen(8404, '127.0.0.1', () => {
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
			for (let i = 0; i < 30; i++) http.get('http://127.0.0.1:8404/', got);
		});
	END
	echo 'node t.js' >script
	printf '3000000\nchild\ntrue\n' >expected
	session
}

program java "Java's HttpServer and HttpClient" java javac
java_test() {
	cat >H.java <<-'END'
		import com.sun.net.httpserver.*;
		import java.net.*;
		import java.net.http.*;
		import java.util.*;
		import java.util.concurrent.*;
		public class H {
			public static void main(String[] a) throws Exception {
				HttpServer s = HttpServer.create(new InetSocketAddress("127.0.0.1", 8405), 10);
				s.setExecutor(Executors.newFixedThreadPool(4));
				s.createContext("/", x -> {
					byte[] b = new byte[100000];
					x.sendResponseHeaders(200, b.length);
					x.getResponseBody().write(b);
					x.close();
				});
				s.start();
				HttpClient c = HttpClient.newHttpClient();
				HttpRequest r = HttpRequest.newBuilder(URI.create("http://127.0.0.1:8405/")).build();
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
	atf_check javac H.java
	echo 'java H' >script
	printf '2000000\n' >expected
	session
}

# Its two processes that have a kernel of their own tell nobody; they are in no session.
firefox="firefox-esr --headless --no-remote"
web_page() {
	export HOME="$(pwd)" MOZ_HEADLESS=1
	mkdir www
	cat >conf <<-END
		worker_processes 1; error_log $(pwd)/log; user root; daemon off; master_process off;
		pid $(pwd)/pid;
		events { }
		http {
			access_log $(pwd)/access; types { text/html html; image/svg+xml svg; }
			server { listen 127.0.0.1:8642; root $(pwd)/www; }
		}
	END
	cat >shot <<-END
		: >access
		$firefox --window-size=400,300 --profile "\$(mktemp -d profile.XXXXXX)" \
		    --screenshot "$(pwd)/\$1" http://127.0.0.1:8642/ >firefox.out 2>&1 || { cat firefox.out; exit 1; }
		grep -q 'GET /i.svg HTTP/1.1" 200' access
	END
}

program firefox "firefox's picture of a page of nginx there, as on the host's network" firefox-esr nginx
firefox_test() {
	web_page
	cat >www/index.html <<-'END'
		<body style="background:#dfd"><h1>A page</h1><img src="i.svg"><p id="p"></p>
		<script>document.getElementById("p").textContent = [..."txet"].reverse().join("")</script>
	END
	echo '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60">
	    <circle cx="30" cy="30" r="25" fill="red"/></svg>' >www/i.svg
	# the host's, in a network namespace where nobody else is
	[ "$(id -u)" = 0 ] && user= || user=r
	unshare -n$user true 2>unshare.err || atf_skip "no network namespace: $(cat unshare.err)"
	atf_check -e ignore timeout -k 5 120 unshare -n$user sh -c 'ip link set lo up
	    nginx -p "$PWD" -c "$PWD/conf" & while [ ! -s pid ]; do sleep 0.1; done
	    sh -e shot theirs.png; status=$?; kill $!; wait; exit $status'
	cat >script <<-'END'
		background nginx -p "$PWD" -c "$PWD/conf"
		await 8642
		sh -e shot ours.png
		cmp theirs.png ours.png
		rm ours.png
	END
	session 512m
	# and it is of something
	sed -i 's/red/blue/' www/i.svg
	sed -i 's/^cmp.*/! cmp -s theirs.png ours.png/' script
	serve -r 512m
	atf_check $remote sh "$TOP/tests/hijack/inside.sh"
}

# The rump_server is killed under a browser, whose page asks for more and more; then there is
# another one, and another web server on it.
program firefox_goes_on "firefox after its rump_server was killed and restarted" firefox-esr nginx
firefox_goes_on_test() {
	web_page
	mkdir profile
	cat >www/index.html <<-'END'
		<script>
		let n = 0;
		setInterval(() => fetch("/tick" + n++).catch(() => 0), 300);
		</script>
	END
	for round in 1 2; do
		rm -f sock access pid
		"$B/server/rump_server" -s -r 512m "unix://$(pwd)/sock" >server.out 2>&1 &
		server=$!
		for i in $(seq 600); do
			[ -S sock ] && break
			sleep 0.1
		done
		$remote nginx -p "$(pwd)" -c "$(pwd)/conf" &
		nginx=$!
		echo $nginx >>pids
		for i in $(seq 600); do
			! $remote ss -Htln | grep -q ':8642 ' || break
			sleep 0.1
		done
		if [ $round = 1 ]; then
			RUMPHIJACK_RETRYCONNECT=60 $remote $firefox --profile "$(pwd)/profile" \
			    http://127.0.0.1:8642/ >firefox.out 2>&1 &
			browser=$!
			echo $browser >>pids
		fi
		ticks=0
		for i in $(seq 600); do
			ticks=$(grep -c '"GET /tick[0-9]* HTTP/1.1" 404' access)
			[ "$ticks" -le 5 ] || break
			sleep 0.1
		done
		[ "$ticks" -gt 5 ] || atf_fail "round $round: asked $ticks times; $(tail -n 3 firefox.out)"
		# it is the same page, which was not loaded again
		[ $round = 1 ] || atf_check -s exit:1 grep -q '"GET / ' access
		atf_check kill -0 $browser
		[ $round = 2 ] || kill -9 $server
		kill $nginx || true
		wait $nginx || true
	done
}

atf_init_test_cases() {
	for t in $programs; do
		atf_add_test_case "$t"
	done
}
