# SPDX-License-Identifier: BSD-2-Clause
#
# The ABI: what programs were linked with stays there, with the same meaning.

exported() { nm -D --defined-only "$1" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u; }

atf_test_case symbols
symbols_head() { atf_set descr "each library exports what debian/*.symbols say, under the name that they say"; }
symbols_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	case $B in *address* | *thread*) atf_skip "sanitizers add names of their own" ;; esac
	for s in "$TOP"/debian/*.symbols; do
		for soname in $(sed -n 's/^\([^ #]*\.so\.[0-9]*\) .*/\1/p' "$s"); do
			name=${soname%.[0-9]*}
			objdump -p "$B/lib/$name" | grep -q "SONAME *$soname\$" ||
				atf_fail "$name: its SONAME is not $soname; see ABI in Makefile"
			exported "$B/lib/$name" >have
			sed -n "/^$soname /,/^[^ ]/s/^ \(.*\)@.*/\1/p" "$s" | sort -u >promised
			[ -s promised ] || atf_fail "$soname: no symbols in $s"
			comm -23 promised have | sed "s|^|$name has lost |"
			echo "$name" >>seen
		done
	done >bad
	[ ! -s bad ] || { cat bad; atf_fail "programs that were linked with this ABI would not start"; }
	for l in librump.so librumpclient.so librumpuser.so libukfs.so; do
		grep -qx $l seen || atf_fail "$l is in no debian/*.symbols (make symbols)"
	done
	# The client loads the kernel by name.
	grep -q "\"$(objdump -p "$B/lib/librump.so" | awk '$1 == "SONAME" { print $2 }')\"" \
	    "$TOP/rumpclient/embedded.c" || atf_fail "embedded.c does not load librump.so by its SONAME"
}

atf_test_case layout
layout_head() { atf_set descr "structures of programs and constants have the layout that they had"; }
layout_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	cat >t.c <<-END
	#include <stddef.h>
	#include <rump/rump.h>
	#include <rump/rump_calls.h>
	#include <rump/rumpclient.h>
	#include <rump/ukfs.h>
	#define AT(s, m, o) _Static_assert(offsetof(struct s, m) == o, #s "." #m)
	#define IS(e, v) _Static_assert((e) == (v), #e)
	IS(sizeof(struct rump_keeper), 88); AT(rump_keeper, id, 64); AT(rump_keeper, hold, 80);
	IS(sizeof(struct rumpclient_fork), 16);
	IS(sizeof(struct rumpclient_exec), 416); AT(rumpclient_exec, heir, 24); AT(rumpclient_exec, store, 32);
	IS(sizeof(struct ukfs_place), 16); AT(ukfs_place, path, 8);
	IS(sizeof(struct ukfs_progress), 24); AT(ukfs_progress, name, 16);
	IS(sizeof(struct ukfs_copy), 32); AT(ukfs_copy, arg, 8); AT(ukfs_copy, progress, 16); AT(ukfs_copy, say, 24);
	IS(RUMP_RFFD_COPY, 0); IS(RUMP_RFFD_SHARE, 1); IS(RUMP_RFFD_CLEAR, 2);
	IS(RUMP_ETFS_BLK, 0); IS(RUMP_ETFS_BLK_RO, 1); IS(UKFS_RDONLY, 1);
	IS(RUMP_CALL_BASE, 0x5200); IS(RUMP_CALL_FD_ATTACH, 0x5200); IS(RUMP_CALL_FD_ADOPT, 0x5201);
	IS(RUMP_CALL_POLL_ARM, 0x5202); IS(RUMP_CALL_NETIF, 0x5203); IS(RUMP_EMOVED, 4000);
	IS(RUMPCLIENT_RETRYCONN_INFTIME, -1); IS(RUMPCLIENT_RETRYCONN_ONCE, -2); IS(RUMPCLIENT_RETRYCONN_DIE, -3);
	END
	atf_check gcc -std=gnu11 -Wall -Werror -I"$TOP/include" -fsyntax-only t.c
}

atf_init_test_cases()
{
	atf_add_test_case symbols
	atf_add_test_case layout
}
