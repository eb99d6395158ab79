# SPDX-License-Identifier: BSD-2-Clause
#
# For tests of images in shell, read by their bodies: setup first.

setup()
{
	export LC_ALL=C
	# A program with the kernel embedded: embedded MOUNTSPECS PROGRAM...
	mkdir bin
	cat >bin/embedded <<-END
		#!/bin/sh
		export RUMP_MOUNT="\$1"
		shift
		exec env LD_PRELOAD="$B/lib/librumphijack.so" "\$@"
	END
	chmod +x bin/embedded
	PATH=$PWD/bin:$PATH
}

ext4()
{
	rm -f "$1"
	truncate -s "$2" "$1"
	mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$1"
}

# The image was unmounted, and its file system is in order.
clean()
{
	e2fsck -f -n "$1" >fsck.log 2>&1 || { cat fsck.log; atf_fail "$1 is not clean"; }
	if grep 'recovering journal' fsck.log; then atf_fail "$1 was not unmounted"; fi
}
