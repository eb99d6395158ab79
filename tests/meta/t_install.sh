# SPDX-License-Identifier: BSD-2-Clause
#
# What make install puts somewhere works there; Debian packages (make check-long).

# install_to DIR [VARIABLE=VALUE]...: PREFIX is /usr below DIR
install_to()
{
	case $B in
	*/kdebug*) k=KDEBUG=1 ;;
	*address* | *thread*) atf_skip "a sanitizer build is not for installing" ;;
	*) k=KDEBUG= ;;
	esac
	dest=$1
	shift
	env -u MAKEFLAGS -u MAKELEVEL make -C "$TOP" "$k" install DESTDIR="$dest" PREFIX=/usr "$@" >log 2>&1 || {
		cat log
		atf_fail "make install"
	}
}

# libraries_at DIR: ./named COMMAND... runs it where the dynamic linker finds libraries of DIR by their
# names, as if they were installed: in a mount namespace with a cache of its own.  Or skips.
libraries_at()
{
	PATH=$PATH:/usr/sbin:/sbin
	{ echo "$1"; echo "include /etc/ld.so.conf"; } >ld.conf
	ldconfig -X -f ld.conf -C ld.cache 2>ldconfig.log || atf_skip "ldconfig: $(cat ldconfig.log)"
	[ "$(id -u)" = 0 ] && user='' || user=r
	printf '#!/bin/sh\nexec unshare -m%s sh -c "mount --bind %s /etc/ld.so.cache && exec \\"\\$@\\"" sh "$@"\n' \
	    "$user" "$PWD/ld.cache" >named
	chmod +x named
	./named true 2>named.log || atf_skip "no mount namespace: $(cat named.log)"
}

atf_test_case install
install_head()
{
	atf_set descr "programs, libraries, headers, pages and pkg-config files, used from where they were installed"
}
install_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	install_to "$PWD/dest"
	d=$PWD/dest/usr
	for f in bin/rump bin/rump_server lib/librump.so lib/librump.so.1 lib/librumphijack.so lib/librumpclient.so \
	    lib/librumpuser.so include/rump/rump.h include/rump/rump_syscalls.h share/doc/rump/LICENSE.kernel \
	    share/bash-completion/completions/rump; do
		[ -s "$d/$f" ] || atf_fail "$f is not there"
	done
	for p in $(cd "$TOP" && git ls-files | grep '\.[1-8]$' | grep -v '^debian/'); do
		[ -s "$d/share/man/man${p##*.}/${p##*/}" ] || atf_fail "$p is in no MAN: it is not installed"
	done
	if grep -rl "$TOP" "$d/bin" "$d/include" "$d/share" "$d/lib" >where; then
		cat where
		atf_fail "installed files name the source tree"
	fi
	cat >t.c <<-END
	#include <rump/rump.h>
	#include <rump/rump_syscalls.h>
	int main(void) { return rump_init() != 0 || rump_sys_getpid() <= 0; }
	END
	if command -v pkg-config >/dev/null; then
		export PKG_CONFIG_PATH="$d/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$PWD/dest"
		flags=$(pkg-config --cflags --libs rump) || atf_fail "pkg-config"
		pkg-config --cflags --libs rumpclient ukfs >/dev/null || atf_fail "pkg-config rumpclient ukfs"
	else
		flags="-I$d/include -L$d/lib -lrump -lrumpuser"
	fi
	atf_check -e ignore gcc -o t t.c $flags -Wl,-rpath,"$d/lib"
	atf_check ./t
	atf_check -o match:'lo.*UNKNOWN|lo.*DOWN' "$d/bin/rump" run -- ip -brief link
	atf_check "$d/bin/rump_server" "unix://$PWD/s"
	atf_check "$d/bin/rump" halt "unix://$PWD/s"
}

atf_test_case by_name
by_name_head() { atf_set descr "LD_PRELOAD=librumphijack.so PROGRAM, by the libraries' names"; }
by_name_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	# As the Debian packages have it: no run paths, libraries in a directory of the machine.
	install_to "$PWD/dest" LIBDIR=/usr/lib/x86_64-linux-gnu
	d=$PWD/dest/usr lib=$PWD/dest/usr/lib/x86_64-linux-gnu
	libraries_at "$lib"
	# Nothing of the build directory is to be found.
	atf_check -o match:"$lib/librumpclient.so.1" -o not-match:"$B" ./named env LD_PRELOAD=librumphijack.so cat /proc/self/maps
	atf_check -o match:'^lo' ./named env LD_PRELOAD=librumphijack.so ip -brief link
	atf_check -o inline:'rump\n' ./named env LD_PRELOAD=librumphijack.so \
	    sh -c 'echo rump >/rump/file && cat /rump/file'
	atf_check -o match:'^lo' ./named "$d/bin/rump" run -- ip -brief link
	# The process of an isolated link is a program, found from a library.
	atf_check -o match:'^v0' ./named "$d/bin/rump" run --if "v0,link=shm:$PWD/wire,isolate" -- \
	    ip -brief link
	atf_check ./named "$d/bin/rump_server" "unix://$PWD/s"
	atf_check -o match:'^lo' ./named env LD_PRELOAD=librumphijack.so RUMP_SERVER="unix://$PWD/s" \
	    ip -brief link
	atf_check ./named "$d/bin/rump" halt "unix://$PWD/s"
}

atf_test_case firefox cleanup
firefox_head()
{
	atf_set descr "LD_PRELOAD=librumphijack.so firefox shows a page, by slirp"
	atf_set require.progs "firefox-esr python3"
	atf_set timeout 300
}
firefox_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	PATH=$PATH:/sbin:/usr/sbin
	ldconfig -p | grep -q libslirp.so.0 || atf_skip "no libslirp"
	install_to "$PWD/dest" LIBDIR=/usr/lib/x86_64-linux-gnu
	lib=$PWD/dest/usr/lib/x86_64-linux-gnu
	libraries_at "$lib"
	mkdir www profile
	echo '<body style="background:#dfd"><h1>A page</h1>' >www/index.html
	cat >serve.py <<-END
	import http.server, os
	os.chdir('www')
	s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
	open('../port.new', 'w').write(str(s.server_port))
	os.rename('../port.new', '../port')
	s.serve_forever()
	END
	python3 serve.py 2>requests &
	echo $! >pid
	for i in $(seq 100); do
		[ -s port ] && break
		sleep 0.1
	done
	export HOME="$PWD" MOZ_HEADLESS=1
	atf_check -o ignore -e ignore ./named env RUMP_IF=virt0,link=slirp LD_PRELOAD=librumphijack.so \
	    timeout 250 firefox-esr --headless --no-remote --window-size=400,300 --profile "$PWD/profile" \
	    --screenshot "$PWD/page.png" "http://10.0.2.2:$(cat port)/"
	atf_check -o match:'GET / HTTP' cat requests
	[ -s page.png ] || atf_fail "there is no picture"
}
firefox_cleanup() { kill "$(cat pid)" 2>/dev/null; }

atf_test_case packages
packages_head()
{
	atf_set descr "make deb: packages that lintian accepts, the same twice, and they work (make check-long)"
	atf_set timeout 7200		# two builds of Linux
}
packages_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	[ -n "${RUMP_FULL:-}" ] || atf_skip "builds the kernel twice; make check-long"
	case $B in *address* | *thread* | */kdebug*) atf_skip "the same as without" ;; esac
	cd "$TOP" || atf_fail "$TOP: cannot go there"
	deb() { env -u MAKEFLAGS -u MAKELEVEL make deb O="$1" >"$2" 2>&1 || { tail -n 50 "$2"; atf_fail "make deb"; }; }
	work=$OLDPWD
	deb "$work/first" "$work/log1"
	deb "$work/the-second" "$work/log2"
	cd "$work" || atf_fail "$work"
	for f in first/deb/*.deb; do
		cmp "$f" "the-second/deb/${f##*/}" || atf_fail "$f is not the same when built again, elsewhere"
		case $f in *dbgsym*) ;; *) dpkg-deb -x "$f" root ;; esac
	done
	lib=$PWD/root/usr/lib/x86_64-linux-gnu
	libraries_at "$lib"
	atf_check -o match:'^lo' ./named env LD_PRELOAD=librumphijack.so ip -brief link
	atf_check -o match:'^lo' ./named "$PWD/root/usr/bin/rump" run -- ip -brief link
}

atf_init_test_cases()
{
	atf_add_test_case install
	atf_add_test_case by_name
	atf_add_test_case firefox
	atf_add_test_case packages
}
