# SPDX-License-Identifier: BSD-2-Clause
#
# What librump.so shows to the world, asks of it, and has in it.

atf_test_case exports
exports_head() { atf_set descr "librump.so exports the public rump_* names of its headers and nothing else"; }
exports_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	nm -D --defined-only "$B/kernel/librump.so" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u >have
	cat "$TOP"/include/rump/*.h "$B"/include/rump/*.h 2>/dev/null |
		grep -o '\<rump_[a-z0-9_]*\>' | sort -u >declared
	[ -s have ] || atf_fail "librump.so exports nothing"
	comm -23 have declared >extra
	while read -r name; do
		echo "librump.so exports $name, which no public header declares"
	done <extra
	[ ! -s extra ] || atf_fail "names too many: $(tr '\n' ' ' <extra)"
	for name in rump_init rump_init_server rump_syscall rump_pub_lwproc_rfork rump_pub_etfs_register \
	    rump_sys_getpid rump_sys_openat; do
		grep -qx "$name" have || atf_fail "librump.so does not export $name"
	done
}

atf_test_case undefined
undefined_head() { atf_set descr "the kernel object asks the host for nothing but hypercalls and mem*/str*"; }
undefined_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	cat "$TOP"/include/rump/rumpuser*.h | grep -o '\<rumpuser_[a-z0-9_]*(' | tr -d '(' | sort -u >allowed
	# Of kernel/lib: what the seam between the two halves names.
	grep -o '\<rump[a-z_]*(' "$TOP"/kernel/lib/rumpk.h | tr -d '(' >>allowed
	# What the linker and its script define: it is in the library, and in no object.
	nm --defined-only "$B/kernel/librump.so" | awk '{ print $3 }' | sort -u >linked
	nm --defined-only "$KB/vmlinux.o" "$B"/kernel/lib/*.o | awk '{ print $3 }' | sort -u >objects
	comm -23 linked objects >>allowed
	echo _GLOBAL_OFFSET_TABLE_ >>allowed
	sort -u -o allowed allowed
	nm -u "$KB/vmlinux.o" | awk '$1 == "U" { print $2 }' | sort -u >asked
	# Of libc: memory and strings only.
	comm -23 asked allowed | grep -v '^\(mem\|str\)[a-z]*$' >extra
	while read -r name; do
		echo "the kernel object refers to $name, which rumpuser.h does not have"
	done <extra
	[ ! -s extra ] || atf_fail "host names too many: $(tr '\n' ' ' <extra)"
	nm -D -u "$B/kernel/librump.so" | awk '{ sub(/@.*/, "", $2); print $2 }' | grep '^rumpuser_' >/dev/null ||
		atf_fail "librump.so makes no hypercall at all?"
}

atf_test_case config
config_head() { atf_set descr "each promised option is built in"; }
config_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	awk '!/^#/ { for (i = 1; i <= NF; i++) print $i }' "$TOP/tests/meta/data/config" >want
	case $B in
	*/kdebug*) awk '!/^#/ { for (i = 1; i <= NF; i++) print $i }' "$TOP/tests/meta/data/config.kdebug" >>want ;;
	esac
	while read -r o; do
		grep -qx "CONFIG_$o=y" "$KB/.config" || echo "CONFIG_$o is not =y"
	done <want >bad
	[ ! -s bad ] || { cat bad; atf_fail "options that are missing: $(wc -l <bad)"; }
}

atf_init_test_cases()
{
	atf_add_test_case exports
	atf_add_test_case undefined
	atf_add_test_case config
}
