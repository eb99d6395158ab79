# SPDX-License-Identifier: BSD-2-Clause
#
# Each file system, used by several clients of a rump_server as programs use one (h_ops):
# what they see must be what they see on the host's file system; the distribution's own
# checker must find nothing afterwards.  RUMP_FULL=1: with 100,000 files.
#
# features: link (hard and symbolic links, modes, FIFOs), xattr, acl, sparse; large=N the
# size of a large file in GB; granule=N of times in ns; "name" 255 bytes are a name.

. "$(atf_get_srcdir)/../env.sh"
rump=$B/tools/rump
ops=$B/tests/fs/h_ops
url=unix://$PWD/s
on="$rump run --server $url --"
full=${RUMP_FULL:+1}
files=${full:+100000}
files=${files:-1500}
rounds=${full:+20000}
rounds=${rounds:-1500}
size=${full:+1500M}
size=${size:-300M}

has() {
	case " $features " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

# The value of NAME=VALUE, or $2
value() {
	for f in $features; do
		case $f in
		$1=*) echo ${f#*=}; return ;;
		esac
	done
	echo $2
}

# both OPERATION [ARGUMENT]...: on the host and in the image; must look the same
both() {
	host=host/$1
	# a host that discards what each file had in turn takes long for many
	[ -z "$full" ] || [ $1 != many ] || host=$(mktemp -d -p /dev/shm)
	mkdir -p $host
	atf_check -o save:want.$1 $ops $host "$@"
	rm -rf $host
	$on mkdir /rump/m/$1 || atf_fail "mkdir"
	atf_check -o save:have.$1 $on $ops /rump/m/$1 "$@"
	atf_check diff want.$1 have.$1
}

# only OPERATION EXPECTED [ARGUMENT]...: where the host is not to be asked
only() {
	op=$1 expect=$2
	shift 2
	$on mkdir /rump/m/$op || atf_fail "mkdir"
	atf_check -o inline:"$expect" $on $ops /rump/m/$op $op "$@"
}

storm() {
	$on $ops /rump/m storm_begin 30 || atf_fail "storm_begin"
	for me in 1 2 3 4; do
		$on $ops /rump/m storm $me 30 $rounds 2>storm.$me &
		eval "p$me=$!"
	done
	for me in 1 2 3 4; do
		eval "wait \$p$me" || { cat storm.$me; atf_fail "client $me of the rename storm"; }
	done
	atf_check -o inline:'storm: 30, 30\n' $on $ops /rump/m storm_end 30
}

# matrix TYPE "MKFS" "FSCK" FEATURE...: both with the image's name behind
matrix() {
	type=$1 mkfs=$2 fsck=$3
	shift 3
	features=$*
	truncate -s $(value size $size) disk.img
	$mkfs disk.img >mkfs.out 2>&1 || { cat mkfs.out; atf_fail "$mkfs"; }
	atf_check $B/server/rump_server -r 128m -M $PWD/disk.img:/m,type=$type $url

	both many $files
	both times $(value granule 1)
	both locks
	has name && both names
	has link && both links
	has xattr && both xattrs
	has acl && both acls
	has sparse && both large $(value large 8)
	has expand && only large "size: $(($(value large 8) << 30))\n" $(value large 8) 0
	storm
	# what was left behind makes place first; then there is none
	atf_check $on rm -rf /rump/m/many /rump/m/storm
	has big || only fill 'fill: ENOSPC\nfsync: 0\nagain: 0\n'

	atf_check timeout 100 $rump halt $url
	atf_check -o save:fsck.out -e save:fsck.err $fsck disk.img
}

test_case ext2 'ext2'
ext2_body() { matrix ext2 "mkfs.ext2 -qF -b 4096 -I 256 -N 120000" "e2fsck -fn" link xattr acl sparse name; }
test_case ext3 'ext3'
ext3_body() { matrix ext3 "mkfs.ext3 -qF -b 4096 -I 256 -N 120000" "e2fsck -fn" link xattr acl sparse name; }
test_case ext4 'ext4'
ext4_body() { matrix ext4 "mkfs.ext4 -qF -b 4096 -N 120000" "e2fsck -fn" link xattr acl sparse name; }
test_case xfs 'XFS'
xfs_body() { matrix xfs "mkfs.xfs -qf" "xfs_repair -n" link xattr acl sparse name size=$([ "$full" ] && echo 2000M || echo 320M); }
test_case btrfs 'btrfs'
btrfs_body() { matrix btrfs "mkfs.btrfs -qf" "btrfs check --readonly" link xattr acl sparse name; }
test_case fat 'FAT: no holes, times to two seconds'
fat_body() { matrix vfat "mkfs.vfat -F 32" "fsck.vfat -n" granule=2000000000 name; }
test_case exfat 'exFAT: an 8 GB file without holes, times to 10 ms'
exfat_body() { matrix exfat "mkfs.exfat" "fsck.exfat -n" granule=10000000 name expand size=16G big; }

# A tree, and what of it $1 must have.
tree() {
	mkdir -p t/d/e
	echo hello >t/f
	head -c 2000000 /dev/urandom >t/d/big
	for i in $(seq 300); do echo $i >t/d/e/file-with-a-rather-long-name-$i; done
	ln t/f t/d/hard
	ln -s ../f t/d/soft
	chmod 0751 t/d
	touch -d '2001-02-03 04:05:06' t/f t/d/big
}

inventory() {
	(cd "$1" && find . | sort | xargs stat -c '%n %A %Y' | grep -v '^\. '; find . -type f | sort | xargs md5sum
		find . -type l | xargs readlink)
}

read_only() {
	inventory t >want
	atf_check $rump cp -r disk.img:/ out
	inventory out >have
	atf_check diff want have
	atf_check -s not-exit:0 -e match:'Read-only file system' $rump sh disk.img -c 'echo x >f'
}

test_case squashfs 'squashfs, with each of its compressors'
squashfs_body() {
	tree
	for c in gzip lz4 lzo xz zstd; do
		mksquashfs t disk.img -noappend -quiet -no-progress -all-root -comp $c >/dev/null || atf_fail "mksquashfs $c"
		read_only
		rm -rf out
	done
}

test_case iso9660 'ISO 9660 with Rock Ridge, and with Joliet'
iso9660_body() {
	tree
	xorriso -as mkisofs -quiet -r -R -J -o disk.img t 2>xorriso.err || atf_fail "xorriso"
	atf_check $rump cp -r disk.img:/ out
	(cd t && find . -type f | sort | xargs md5sum) >want
	(cd out && find . -type f | sort | xargs md5sum) >have
	atf_check diff want have
	atf_check -o inline:'../f\n' readlink out/d/soft
	atf_check -o inline:'hello\n' $rump cat disk.img,norock:/f
	atf_check -s not-exit:0 -e match:'Read-only file system' $rump sh disk.img -c 'echo x >f'
}

atf_init_test_cases() {
	for t in ext2 ext3 ext4 xfs btrfs fat exfat squashfs iso9660; do
		atf_add_test_case $t
	done
}
