#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# kallsyms.sh DIR CC LINK... - makes DIR/kallsyms.o, the kernel's table of its own symbols, which
# lockdep and others of a debugging kernel print names from.  DIR is kbuild's; LINK the
# command that links librump.so, but for the object and for -o.
#
# The table is part of what it describes: the library is linked with an empty one, then with one
# that has the right size, then with the right one; a further round must change nothing.

set -eu

dir=$1 cc=$2
shift 2
tmp=$dir/.kallsyms
trap 'rm -f "$tmp".*' EXIT

table()
{
	# It has one address in it, which is relocated.
	"$dir/scripts/kallsyms" "$tmp.map" | sed 's/\.section \.rodata, "a"/.section .data.rel.ro, "aw"/' >"$tmp.S"
	$cc -c -fPIC -DBITS_PER_LONG=64 -o "$dir/kallsyms.o" "$tmp.S"
}

link_and_read()
{
	"$@" "$dir/kallsyms.o" -o "$tmp.so"
	nm -n --defined-only "$tmp.so" >"$tmp.map"
}

: >"$tmp.map"
table
for round in 1 2 3; do
	link_and_read "$@"
	cp "$tmp.map" "$tmp.last"
	table
done
link_and_read "$@"
cmp -s "$tmp.map" "$tmp.last" || {
	echo "kallsyms.sh: symbols still move after three rounds" >&2
	exit 1
}
