# SPDX-License-Identifier: BSD-2-Clause
# Calls at odd moments: in constructors before the library's own, in signal handlers, in malloc(),
# at the end of threads and processes; programs with more rights than their user; and what looks
# harmless only (h_early.c).
. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/hijack/server.sh"

embedded="timeout 100 env LD_PRELOAD=$B/lib/librumphijack.so EARLY_DIR=/rump/run"
remote="$embedded RUMP_SERVER=unix://$PWD/sock"

servers() {
	atf_test_case "$1" cleanup
	eval "${1}_cleanup() { halt; }"
	early_cases="$early_cases $1"
}
# On the host, where a failure is the test's, embedded and in a server; there also where libc was
# not patched.
early() {
	servers "$1"
	eval "${1}_head() { atf_set descr \"$2\"; }
	${1}_body() {
		mkdir dir
		[ '$1' = fortify ] || EARLY_DIR=\$PWD/dir '$B/tests/hijack/h_early' $1 ||
			case \$? in
			77) atf_skip 'not on this host' ;;
			*) atf_fail 'on the host' ;;
			esac
		atf_check $embedded '$B/tests/hijack/h_early' $1
		serve -r 256m
		atf_check $remote '$B/tests/hijack/h_early' $1
		[ '$1' = forks ] || atf_check $remote RUMPHIJACK_NOPATCH=1 '$B/tests/hijack/h_early' $1
	}"
}
early constructors "other libraries' constructors make calls before ours has run"
early exit "atexit() handlers, destructors of the program and of a library after ours"
early threads "what thread-specific data need when their thread ends"
early forks "forks while other threads make calls and allocate"
early handlers "signal handlers make calls of both kernels"
early pid1 "a zygote's children are process 1"
early select "select() counts bits, keeps out-of-band data, and a hang-up is readable"
early close "fclose(), syscall(SYS_close) and others close"
early fortify "FD_SET() of large numbers in a program with _FORTIFY_SOURCE"

# A malloc() of the program's own, whose first call comes before any constructor.
servers malloc
malloc_body() {
	[ -x "$B/tests/hijack/h_malloc" ] || atf_fail "not built"
	for how in RUMPHIJACK_VERBOSE=0 RUMPHIJACK_NOPATCH=1; do
		atf_check $embedded $how "$B/tests/hijack/h_malloc"
	done
	serve
	for how in RUMPHIJACK_VERBOSE=0 RUMPHIJACK_NOPATCH=1; do
		atf_check $remote $how "$B/tests/hijack/h_malloc"
	done
}

# ls has libselinux, whose constructor looks for a file system.
servers selinux
selinux_body() {
	ldd "$(command -v ls)" | grep -q libselinux || atf_skip "ls is without libselinux"
	printf 'f\n' >expected
	serve
	for way in "$embedded" "$remote"; do
		for w in path=/rump blanket=/proc:/run path=/rump,blanket=/sys; do
			case $w in
			path*) d=/rump/run ;;
			*) d=/run ;;
			esac
			atf_check -o file:expected $way RUMPHIJACK=$w sh -c ": >$d/f; ls $d; rm $d/f"
		done
		for p in id 'find /rump -maxdepth 1' 'cp -a /etc/passwd /rump/run/p' 'stat -f /rump/run'; do
			atf_check -o ignore $way $p
		done
	done
}

# Other mallocs, preloaded before and behind the library, and linked; the first that is there.
allocator() {
	servers "$1"
	eval "${1}_body() { with_allocator $2; }"
}
with_allocator() {
	known=$(PATH=$PATH:/sbin ldconfig -p)
	for name in "$@"; do
		malloc=$(echo "$known" | sed -n "s,.*$name .*=> ,,p" | head -n 1)
		[ ! -e "$malloc" ] || break
	done
	[ -e "$malloc" ] || atf_skip "no $1"
	serve -r 256m
	lib="$B/lib/librumphijack.so"
	for way in "$embedded" "$remote"; do
		for c in constructors exit forks; do
			atf_check $way LD_PRELOAD="$lib:$malloc" "$B/tests/hijack/h_early" $c
		done
		for c in constructors threads; do
			atf_check $way LD_PRELOAD="$malloc:$lib" "$B/tests/hijack/h_early" $c
		done
	done
	atf_check gcc -O -D_GNU_SOURCE -pthread -o linked "$TOP/tests/hijack/h_san.c" \
	    -Wl,--no-as-needed "$malloc"
	atf_check -o inline:'all\n' $embedded ./linked /rump/run
	atf_check -o inline:'all\n' $remote ./linked /rump/run
}
allocator jemalloc libjemalloc.so.2
allocator tcmalloc "libtcmalloc.so.4 libtcmalloc_minimal.so.4"

# A program with a sanitizer's runtime has its kernel in a server of its own, if not in another.
sanitized() {
	servers "$1"
	eval "${1}_body() {
		echo 'int main(void) { return 0; }' >x.c
		gcc -fsanitize=$2 -o x x.c 2>gcc.err && ./x || atf_skip 'gcc cannot -fsanitize=$2 here'
		atf_check gcc -g -O -D_GNU_SOURCE -pthread -fsanitize=$2 -fno-sanitize-recover=all \
		    -o san '$TOP/tests/hijack/h_san.c'
		lib=$B/lib/librumphijack.so
		runtime=\$(ldd san | sed -n 's/.*lib[at]san.* => \\([^ ]*\\) .*/\\1/p')
		serve -r 256m
		for preload in \$lib \${runtime:+\$runtime:\$lib}; do
			# Its own defaults come before ours if it comes before us.
			[ \$preload = \$lib ] || export TSAN_OPTIONS=ignore_noninstrumented_modules=1
			atf_check -o inline:'all\n' $embedded LD_PRELOAD=\$preload ./san /rump/run
			atf_check -o inline:'all\n' $remote LD_PRELOAD=\$preload ./san /rump/run
		done
		# Its files are on the disk a moment after its end.
		[ -x /sbin/mkfs.ext4 ] || return 0
		truncate -s 32M img
		atf_check -o ignore -e ignore /sbin/mkfs.ext4 -q img
		atf_check -o inline:'all\n' $embedded RUMP_MOUNT=\$PWD/img:/mnt ./san /rump/mnt
		for i in \$(seq 100); do
			! /sbin/e2fsck -fn img >fsck 2>&1 || break
			sleep 0.1
		done
		[ \$i -lt 100 ] || atf_fail \"\$(cat fsck)\"
		atf_check -s exit:1 -e match:'none' $embedded RUMP_MOUNT=none:/mnt ./san /rump/mnt
	}"
}
sanitized asan address
sanitized tsan thread
sanitized ubsan undefined

# A limit on the size of files is not met by what the library does for a program.
servers file_size
file_size_body() {
	cat >script <<-'END'
		i=0
		while [ $i -lt 100 ]; do read x </rump/proc/version; i=$((i + 1)); done
		ulimit -f 0
		while [ $i -lt 200 ]; do echo $i >>/rump/run/g; i=$((i + 1)); done
		wc -l </rump/run/g
		head -c 300000 /dev/zero | cat >/rump/run/f
		wc -c </rump/run/f
	END
	printf '100\n300000\n' >expected
	serve
	for sh in dash bash; do
		atf_check -o file:expected sh -c "$remote $sh script | cat"	# not to a file
		atf_check $remote rm /rump/run/f /rump/run/g
	done
}

# With more rights than its user has, a program is left alone: neither messages nor files, and its
# calls are the host's.
servers secure
secure_body() {
	[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || atf_skip "needs root and setpriv"
	cat >secure.c <<-'END'
		#include <arpa/inet.h>
		#include <fcntl.h>
		#include <stdio.h>
		#include <string.h>
		#include <sys/auxv.h>
		#include <sys/socket.h>
		#include <sys/stat.h>
		#include <unistd.h>
		int main(void)
		{
			char line[4096];
			FILE *f = fopen("/proc/self/maps", "r");
			int s, ours = 0, kernel = 0, memfd = 0;
			struct stat st;

			while (f && fgets(line, sizeof(line), f)) {
				ours += strstr(line, "librumphijack") != NULL;
				kernel += strstr(line, "librump.so") != NULL;
				memfd += strstr(line, "memfd:") != NULL;
			}
			s = socket(AF_INET, SOCK_STREAM, 0);
			printf("secure %lu library %d kernel %d socket %d rump %d\n", getauxval(AT_SECURE),
			    ours > 0, kernel + memfd > 0, fstat(s, &st) == 0 && S_ISSOCK(st.st_mode) &&
			    readlink("/proc/self/fd/3", line, 9) > 0, access("/rump/run", F_OK) == 0);
			return 0;
		}
	END
	# The dynamic linker does not preload it, then: here it is linked.
	atf_check gcc -o secure secure.c -Wl,--no-as-needed "$B/lib/librumphijack.so" \
	    -Wl,--disable-new-dtags,-rpath,"$B/lib"
	d=$(pwd)
	while [ "$d" != / ]; do
		[ -x "$d" ] && chmod a+x "$d"
		d=$(dirname "$d")
	done
	mkdir cache home
	chmod 777 cache home
	serve
	user="setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=$PWD/home XDG_CACHE_HOME=$PWD/cache
	    RUMPHIJACK_VERBOSE=1 RUMP_VERBOSE=1"
	setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$B/lib/librumphijack.so" ||
		atf_skip "another user cannot read $B"
	# as an ordinary program it is at work
	atf_check -o match:'^secure 0 library 1 .* rump 1$' -e match:'^librumphijack: ' $user ./secure
	rm -rf cache/* home/*
	atf_check chmod u+s secure
	[ "$(setpriv --reuid=65534 --regid=65534 --clear-groups ./secure | cut -c 1-8)" = "secure 1" ] ||
		atf_skip "set-user-id bits do nothing here"
	for words in path=/rump,socket=all no=word; do
		for server in "unix://$PWD/sock" "unix://$PWD/none" ''; do
			atf_check -o inline:'secure 1 library 1 kernel 0 socket 1 rump 0\n' \
			    $user RUMPHIJACK=$words RUMP_SERVER=$server ./secure
		done
	done
	atf_check -o empty find cache home -mindepth 1
	# and preloaded, as su and sudo are
	atf_check -o inline:'secure 1 library 1 kernel 0 socket 1 rump 0\n' -e ignore \
	    $user LD_PRELOAD="$B/lib/librumphijack.so" ./secure
}

atf_init_test_cases() {
	for t in $early_cases; do
		atf_add_test_case $t
	done
}
