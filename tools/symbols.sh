#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# symbols.sh BUILDDIR - brings debian/*.symbols up to date: what the libraries export, each with
# the version that had it first.  A symbol that is gone stays: it is a break of the ABI, for which
# tests/meta/t_abi fails until ABI in Makefile is counted up and the files are made anew.

set -eu

b=$1
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)

# symbols PACKAGE LIBRARY...
symbols()
{
	package=$1 out=debian/$1.symbols
	shift
	touch "$out"
	{
		echo '# SPDX-License-Identifier: BSD-2-Clause'
		for so in "$@"; do
			soname=$(objdump -p "$b/lib/$so" | awk '$1 == "SONAME" { print $2 }')
			echo "$soname $package #MINVER#"
			nm -D --defined-only "$b/lib/$so" | awk -v v="$version" -v soname="$soname" '
				FILENAME != "-" && /^[^ #]/	{ here = $1 == soname }
				FILENAME != "-"			{ if (here && /^ /) print; if (/^ /) if (here) had[$1] = 1; next }
				$2 ~ /^[TDBRVW]$/		{ sub(/@@?/, "@", $3); if ($3 !~ /@/) $3 = $3 "@Base"
								  if (!($3 in had)) print " " $3 " " v }' "$out" - |
				LC_ALL=C sort -u
		done
	} >"$out.new"
	mv "$out.new" "$out"
}

symbols librump1 librump.so librumpuser.so libukfs.so
symbols librumpclient1 librumpclient.so
