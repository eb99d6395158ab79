# SPDX-License-Identifier: BSD-2-Clause
# Names: links from one kernel into the other, programs on the way, odd names.  The prefix is below the
# test's directory, so that what lands on the host is seen there.
. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/hijack/server.sh"

embedded="timeout 60 env LD_PRELOAD=$B/lib/librumphijack.so"
remote="$embedded RUMP_SERVER=unix://$PWD/sock"
scope="path=$PWD/none,socket=all:nolocal"

# Nothing is on the host where the rump kernel's names are.
nothing_here() {
	[ ! -e none ] || atf_fail "$(ls -ld none) is on the host"
}

# The system calls, by both ways into the library.
atf_test_case calls cleanup
calls_body() {
	export RUMPHIJACK="$scope"
	serve
	for how in "$embedded" "$remote" "$embedded RUMPHIJACK_NOPATCH=1" "$remote RUMPHIJACK_NOPATCH=1"; do
		mkdir h
		case $how in *NOPATCH*) word=wrappers;; *) word=;; esac
		atf_check $how "$B/tests/hijack/h_links" "$PWD/h" "$PWD/none/run" $word
		atf_check rmdir h
		nothing_here
	done
}
calls_cleanup() { halt; }

# The host has such a directory itself: no call is to end there.
atf_test_case shadow cleanup
shadow_body() {
	mkdir none none/run none/run/sub h
	echo decoy >none/run/sub/f
	echo decoy >none/run/here
	find none -printf '%p %s %T@ %m\n' | sort >before
	export RUMPHIJACK="$scope"
	serve
	atf_check $embedded "$B/tests/hijack/h_links" "$PWD/h" "$PWD/none/run"
	atf_check rmdir h
	mkdir h
	atf_check $remote "$B/tests/hijack/h_links" "$PWD/h" "$PWD/none/run"
	ln -s "$PWD/none/run/sub" d
	ln -s "$PWD/none" n
	atf_check $remote mkdir "$PWD/none/run/sub"
	atf_check -o inline:'rump\n' $remote bash -c 'echo rump >d/f; exec cat <n/run/sub/f'
	atf_check -e match:'s a directory' -s exit:1 $remote bash -c 'echo x >n'
	find none -printf '%p %s %T@ %m\n' | sort >after
	atf_check cmp before after
	# a file that is the rump kernel's as it is
	echo host >file
	ln -s file link
	export RUMPHIJACK="path=$PWD/x,blanket=$PWD/file:$PWD/new"
	atf_check $remote mkdir -p "$PWD/x$PWD"
	ln -s new fresh
	atf_check $remote sh -c "echo rump >>link; echo made >fresh"
	atf_check -o inline:'rump\nmade\n' $remote cat file "$PWD/x$PWD/new"
	atf_check -o inline:'host\n' cat file
	[ ! -e new ] || atf_fail "new is on the host"
}
shadow_cleanup() { halt; }

# Programs by way of links, and scripts whose interpreter is the other kernel's.
atf_test_case programs cleanup
programs_body() {
	export RUMPHIJACK="$scope"
	serve
	ln -s "$PWD/none/run" d
	printf '#!%s/d/e -n\n' "$PWD" >script
	printf '#!%s/none/run/e -n\n' "$PWD" >script2
	chmod +x script script2
	cat >do.sh <<-'END'
		set -e
		cp /bin/echo d/e; d/e from rump; ln -s /bin/echo d/out; d/out host
		./script a; echo; ./script2 b; echo
		printf '#!/bin/echo script\n' >d/s; chmod +x d/s; d/s c
		printf '#!%s\n' "$PWD/none/run/self" >d/self; chmod +x d/self
		d/self 2>/dev/null || echo refused
		cd d; PATH=$OLDPWD/d:$PATH e path; env -i ../d/e env 2>/dev/null || $OLDPWD/d/e env
		find . -name e -exec {} found \;
		if command -v python3 >/dev/null; then
			ln -s "$(command -v python3)" py
			./py -c 'import os, subprocess; print(subprocess.check_output([os.getcwd() + "/e", "sub"]))'
		else
			echo "b'sub\n'"
		fi
	END
	cat >expected <<-END
		from rump
		host
		./script a
		./script2 b
		script d/s c
		refused
		path
		env
		found
		b'sub\n'
	END
	for sh in bash dash; do
		atf_check -o file:expected $remote $sh do.sh
		atf_check $remote sh -c 'rm d/*'
	done
	nothing_here
}
programs_cleanup() { halt; }

# What people use, where the directory that they are given is a link.
atf_test_case tools cleanup
tools_body() {
	export RUMPHIJACK="$scope"
	serve
	ln -s "$PWD/none/run" d
	mkdir -p src/a/b; echo 1 >src/a/1; echo 2 >src/a/b/2; ln -s ../1 src/a/b/l; ln -s /bin/sh src/a/abs
	mkdir "src/a b,c:d"; echo 3 >"src/a b,c:d/$(printf '\303\244\303\266')"
	cat >do.sh <<-'END'
		set -e; cd d; cd ..
		cp -a src d/; diff -r --no-dereference src d/src
		tar cf d/t.tar -C d src; mkdir x; tar xf d/t.tar -C x; diff -r --no-dereference src x/src
		mkdir d/y; tar xf d/t.tar -C d/y; diff -r --no-dereference x/src d/y/src; rm -r x
		if command -v rsync >/dev/null; then
			rsync -a src/ d/z/; rsync -a d/z/ back/; diff -r --no-dereference src back; rm -r back
		fi
		find -L d/src -type f | sort; (cd -P d/src/a; pwd; cd ../../..; pwd)
		mv d/src/a/1 moved; mv moved d/src/a/1; cat d/src/a/b/l; readlink d/src/a/b/l
		install -m 600 src/a/1 d/inst; stat -c %a d/inst; ls -ld d | cut -c1; touch -r src/a/1 d/inst
		sed -i s/1/one/ d/inst; cat d/inst; ln -sf /nowhere d/inst; readlink d/inst
		mktemp -d d/tmp.XXXXXX | cut -c1-5; mkdir -p d/p/q/r d/p/q/s; rmdir d/p/q/r; du -s d/p >/dev/null
		if command -v git >/dev/null; then
			git init -q d/repo; cd d/repo
			echo x >f; git add f; git -c user.name=n -c user.email=e commit -qm m; git status -s
			cd ../..; git clone -q d/repo clone; cat clone/f; git -C clone log --format=%s; rm -rf clone
		else
			printf 'x\nm\n'
		fi
	END
	cat >expected <<-END
		d/src/a b,c:d/$(printf '\303\244\303\266')
		d/src/a/1
		d/src/a/abs
		d/src/a/b/2
		d/src/a/b/l
		$PWD/none/run/src/a
		$PWD/none
		1
		../1
		600
		l
		one
		/nowhere
		d/tmp
		x
		m
	END
	atf_check -o file:expected $remote bash do.sh
	atf_check $remote sh -c 'rm -rf d/*'
	atf_check -o file:expected env RUMP_MEMLIMIT=128m $embedded bash do.sh
	nothing_here
}
tools_cleanup() { halt; }

atf_init_test_cases() {
	for t in calls shadow programs tools; do
		atf_add_test_case $t
	done
}
