# SPDX-License-Identifier: BSD-2-Clause
#
# What make install puts somewhere works there.

atf_test_case install
install_head()
{
	atf_set descr "programs, libraries, headers and pages, used from where they were installed"
	atf_set require.progs curl
}
install_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	KDEBUG=; case $B in */kdebug*) KDEBUG=1 ;; esac
	case $B in *address* | *thread*) atf_skip "a sanitizer build is not for installing" ;; esac
	d=$PWD/dest/usr
	env -u MAKEFLAGS -u MAKELEVEL make -C "$TOP" KDEBUG=$KDEBUG install DESTDIR="$PWD/dest" PREFIX=/usr >log 2>&1 || {
		cat log
		atf_fail "make install"
	}
	for f in bin/rump bin/rump_server lib/librump.so lib/librumphijack.so lib/librumpclient.so lib/librumpuser.so \
	    include/rump/rump.h include/rump/rump_syscalls.h share/doc/rump/LICENSE.kernel; do
		[ -s "$d/$f" ] || atf_fail "$f is not there"
	done
	if grep -rl "$TOP" "$d/bin" "$d/include" "$d/share" >where; then
		cat where
		atf_fail "installed files name the source tree"
	fi
	cat >t.c <<-END
	#include <rump/rump.h>
	#include <rump/rump_syscalls.h>
	int main(void) { return rump_init() != 0 || rump_sys_getpid() <= 0; }
	END
	atf_check -e ignore gcc -I"$d/include" -o t t.c -L"$d/lib" -lrump -lrumpuser -Wl,-rpath,"$d/lib"
	atf_check ./t
	atf_check -o match:'lo.*UNKNOWN|lo.*DOWN' "$d/bin/rump" run -- ip -brief link
	atf_check "$d/bin/rump_server" "unix://$PWD/s"
	atf_check "$d/bin/rump" halt "unix://$PWD/s"
}

atf_init_test_cases()
{
	atf_add_test_case install
}
