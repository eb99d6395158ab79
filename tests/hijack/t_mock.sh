# SPDX-License-Identifier: BSD-2-Clause
# librumphijack by itself: the "rump kernel" is a directory and the host's own
# sockets, at other numbers (mock/mock.c).
. "$(atf_get_srcdir)/../env.sh"

mkdir -p root/mnt
preload="LD_LIBRARY_PATH=$B/tests/hijack/mock LD_PRELOAD=$B/hijack/librumphijack.so"
hj="timeout 60 env MOCK_ROOT=$PWD/root $preload"

# One case of h_calls, on the host first: a failure there is the test's.
calls() {
	atf_test_case "$1"
	eval "${1}_body() { atf_check '$B/tests/hijack/h_calls' $1
	    atf_check $hj '$B/tests/hijack/h_calls' $1; }"
}
calls numbers
calls poll
calls select
calls epoll
calls data
calls signals

atf_test_case names
names_body() {
	mkdir host
	atf_check "$B/tests/hijack/h_calls" names "$(pwd)/host"
	atf_check $hj "$B/tests/hijack/h_calls" names /rump/mnt
}

atf_test_case coreutils
coreutils_body() {
	mkdir -p tree/a/b
	echo one >tree/a/1
	dd if=/dev/urandom of=tree/a/b/2 bs=1000 count=1234 2>dd.err
	ln -s a/1 tree/link
	atf_check $hj cp -a tree /rump/mnt
	atf_check diff -r tree root/mnt/tree
	atf_check $hj diff -r tree /rump/mnt/tree
	$hj find /rump/mnt | sed 's,^/rump,root,' | sort >ours
	find root/mnt | sort >theirs
	atf_check cmp theirs ours
	atf_check $hj tar cf /rump/mnt/t.tar -C /rump/mnt tree
	mkdir out
	atf_check tar xf root/mnt/t.tar -C out
	atf_check diff -r tree out/tree
	atf_check -o match:' /rump/mnt/t.tar$' $hj sha256sum /rump/mnt/t.tar
	atf_check $hj mv /rump/mnt/tree /rump/mnt/moved
	atf_check $hj mv /rump/mnt/t.tar moved.tar		# EXDEV: copied
	atf_check -o match:'tree/a/1' tar tf moved.tar
	atf_check $hj rm -r /rump/mnt/moved
	atf_check -o empty ls root/mnt
}

atf_test_case shell
shell_body() {
	cat >script <<-'END'
		cd /rump/mnt; pwd
		echo one >f; echo two >>f
		read x <f; echo $x
		exec 5<>f; read y <&5; read y <&5; exec 5>&-; echo $y
		for i in *; do echo "[$i]"; done
		cd ..; pwd; cd ../tmp; pwd
	END
	printf '/rump/mnt\none\ntwo\n[f]\n/rump\n/tmp\n' >expected
	atf_check -o file:expected $hj bash script
	rm root/mnt/f
	atf_check -o file:expected $hj dash script
}

atf_test_case bad_words
bad_words_body() {
	for w in 'paht=/rump' 'socket=inet4' 'path=rump' 'fdoff=x' ''; do
		atf_check -s exit:1 -e match:"^librumphijack: RUMPHIJACK: .*${w}.*(right are|must)" \
		    $hj "RUMPHIJACK=$w" echo started
	done
	atf_check -s exit:1 -e match:'"x=y": not a word; right are path=DIR' \
	    $hj RUMPHIJACK=x=y echo started
}

atf_test_case scope
scope_body() {
	mkdir -p root/data root/mnt
	echo in >root/data/f
	atf_check -o inline:'in\n' $hj RUMPHIJACK=blanket=/data cat /data/f
	atf_check -o inline:'in\n' $hj RUMPHIJACK=path=/x/y cat /x/y/data/f
	mkdir 'root/d: é,\'
	echo odd >'root/d: é,\/ü'
	atf_check -o inline:'odd\n' $hj 'RUMPHIJACK=path=/a\,b:c é' cat '/a,b:c é/d: é,\/ü'
	atf_check -o inline:'odd\n' $hj 'RUMPHIJACK=socket=all,blanket=/none:/d\: é\,\\' cat '/d: é,\/ü'
	atf_check -s exit:1 -e match:'No such file' $hj RUMPHIJACK=socket=all cat /rump/data/f
}

atf_test_case verbose
verbose_body() {
	atf_check -e match:'libc: [0-9]+ system call sites, [0-9]+ patched' \
	    $hj RUMPHIJACK_VERBOSE=1 true
}

# Each way from libc's and the dynamic linker's functions to a system call is seen.
atf_test_case coverage
coverage_body() {
	command -v python3 >/dev/null && command -v objdump >/dev/null || atf_skip "no python3 or objdump"
	$hj RUMPHIJACK_VERBOSE=3 true 2>sites
	for lib in $(sed -n 's/^librumphijack: \([^ ]*\)+0x.*/\1/p' sites | sort -u); do
		atf_check -o save:"functions.$(basename "$lib")" -e match:' functions, .* patched$' \
		    python3 "$TOP/tests/hijack/coverage.py" "$TOP" sites "$lib"
	done
	atf_check -o match:'^fopen .* openat' -o match:'^getaddrinfo .* socket' \
	    -o match:'^posix_spawn .*patched' cat functions.libc.so.6
}

# What is known of libc's code from before is used if its owner is trusted and it fits.
atf_test_case cache
cache_body() {
	export XDG_CACHE_HOME="$(pwd)/cache"
	first=$($hj RUMPHIJACK_VERBOSE=1 true 2>&1)
	known="${first% (*} (known from the cache)\n"
	file=$(ls cache/rumphijack/*)
	atf_check -o match:'cache/rumphijack/[0-9a-f]{40}$' echo "$file"
	atf_check -o match:'found by rump_sites' echo "$first"
	atf_check -e inline:"$known" $hj RUMPHIJACK_VERBOSE=1 true
	cp "$file" good
	# another format, another library, an offset that is none, too short, too long
	for at in 0 4 200; do
		cp good "$file"
		printf x | dd of="$file" bs=1 seek=$at conv=notrunc 2>dd.err
		atf_check -e inline:"$first\n" $hj RUMPHIJACK_VERBOSE=1 true
		atf_check cmp good "$file"		# made anew
	done
	head -c 100 good >"$file"
	atf_check -e inline:"$first\n" $hj RUMPHIJACK_VERBOSE=1 true
	echo >>"$file"
	atf_check -e inline:"$first\n" $hj RUMPHIJACK_VERBOSE=1 true
	chmod g+w "$file"
	atf_check -e inline:"$first\n" $hj RUMPHIJACK_VERBOSE=1 true
	# no file, or another's
	for make in mkfifo 'ln -s good' mkdir; do
		rm "$file"
		$make "$file"
		atf_check -e inline:"$first\n" $hj RUMPHIJACK_VERBOSE=1 true
		[ ! -d "$file" ] || rmdir "$file"
		: >>"$file"
	done
	rm -r cache
	: >cache					# no directory can be made
	atf_check -e inline:"${first% (*} (found in memory, without rump_sites)\n" \
	    $hj RUMPHIJACK_VERBOSE=1 true
	unset XDG_CACHE_HOME HOME			# nor is there a place for one
	atf_check -e inline:"${first% (*} (found in memory, without rump_sites)\n" \
	    $hj RUMPHIJACK_VERBOSE=1 true
}

# Where rump_sites is not, may not be started, or says what is wrong, the library looks itself.
atf_test_case sites
sites_body() {
	export XDG_CACHE_HOME="$(pwd)/cache"
	mkdir -p lib bin
	cp "$B/hijack/librumphijack.so" lib/
	here="timeout 60 env MOCK_ROOT=$PWD/root LD_LIBRARY_PATH=$B/tests/hijack/mock
	    LD_PRELOAD=$PWD/lib/librumphijack.so RUMPHIJACK_VERBOSE=1"
	atf_check -e match:'found in memory, without rump_sites' $here true
	atf_check -e match:'known from the cache' $here true
	for text in 'exit 0' 'exit 1' 'kill -9 $$' 'head -c 40000 /dev/zero >&0' 'head -c 40000 /dev/urandom >&0'; do
		printf '#!/bin/sh\n%s\n' "$text" >bin/rump_sites
		chmod +x bin/rump_sites
		rm -rf cache
		atf_check -e match:'found in memory, without rump_sites' $here true
	done
	ln -sf "$B/hijack/rump_sites" bin/rump_sites
	rm -rf cache
	atf_check -e match:'found by rump_sites' $here true
	# behind a filter that allows all there is, and might not
	cat >filter.c <<-'END'
		#include <linux/filter.h>
		#include <linux/seccomp.h>
		#include <sys/prctl.h>
		#include <unistd.h>
		int main(int argc, char **argv)
		{
			struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
			struct sock_fprog prog = { 1, &all };
			(void)argc;
			if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
				return 99;
			execvp(argv[1], argv + 1);
			return 98;
		}
	END
	atf_check gcc -o filter filter.c
	rm -rf cache
	atf_check -e match:'found in memory, without rump_sites' ./filter $here true
	# and the program has no child that it does not know of
	rm -rf cache
	cat >wait.c <<-'END'
		#include <errno.h>
		#include <sys/wait.h>
		int main(void) { return waitpid(-1, 0, 0) != -1 || errno != ECHILD; }
	END
	atf_check gcc -o wait wait.c
	atf_check -e match:'found by rump_sites' $here ./wait
}

# Where libc cannot be patched the interposed functions do the work.
atf_test_case wrappers
wrappers_body() {
	for c in numbers poll select epoll data signals left; do
		atf_check $hj RUMPHIJACK_NOPATCH=1 "$B/tests/hijack/h_calls" $c
	done
	atf_check -o inline:'one\n' $hj RUMPHIJACK_NOPATCH=1 \
	    sh -c 'echo one >/rump/mnt/f; cat /rump/mnt/f; rm /rump/mnt/f'
}

# Only the interposed names are visible.
atf_test_case exports
exports_body() {
	{
		sed -n 's/^[FA](\([^,]*\),.*/\1/p' "$TOP/hijack/wrappers.def"
		printf '%s\n' __asan_default_options __tsan_default_options __clone __fdelt_chk __fdelt_warn __sysv_signal __vfork bsd_signal clone \
		    daemon fork forkpty initgroups io_submit pthread_create setegid seteuid setgid setgroups setregid \
		    setresgid setresuid setreuid setuid sigaction signal ssignal sysv_signal vfork
	} | sort >expected
	nm -D --defined-only "$B/hijack/librumphijack.so" | sed 's/.* //' | sort >names
	atf_check diff expected names
}

# No shared library of ours is called for what libc would allocate or lock.
atf_test_case imports
imports_body() {
	nm -D --undefined-only "$B/hijack/librumphijack.so" | sed 's/.* //;s/@.*//' >names
	atf_check -s exit:1 grep -xE 'malloc|calloc|realloc|free|pthread_mutex_.*|read|write|open.*|close|printf|fprintf' names
}

atf_init_test_cases() {
	for t in numbers poll select epoll data signals names coreutils shell bad_words scope verbose coverage cache sites \
	    wrappers exports imports; do
		atf_add_test_case $t
	done
}
