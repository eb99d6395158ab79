# SPDX-License-Identifier: BSD-2-Clause
#
# What lies between an image and its file system: LUKS, LVM, MD.  The images are made by
# the distribution's own tools: cryptsetup and mdadm on a rump kernel; LVM's metadata
# (data/pv1, pv2) were made by lvm2: group vg with extents of 1 MB on two volumes of 64 MB,
# "str" (16 MB, two stripes of 64 KB) and behind it "lin" (100 MB, in two segments).

. "$(atf_get_srcdir)/../env.sh"
rump=$B/tools/rump
export TMPDIR=$PWD
unset XDG_RUNTIME_DIR

# server NAME...: files NAME.img as /dev/NAME
server() {
	url=unix://$PWD/s
	args=
	for d in "$@"; do args="$args -d key=/dev/$d,hostpath=$d.img,size=host"; done
	$B/server/rump_server $args $url || atf_fail "rump_server"
	export RUMPHIJACK=path=/rump,blanket=/dev:/sys:/proc/devices:/proc/misc:/proc/mdstat:/proc/partitions,socket=none
	export DM_DISABLE_UDEV=1
	on="$rump run --server $url --"
}

halt() {
	atf_check $rump halt $url
	unset RUMPHIJACK
}

# A file system in which $1 has the file "f"
filled() {
	echo "in $1" >f
	truncate -s "$2" $1.fs
	mkfs.ext4 -qF $1.fs
	atf_check $rump cp f $1.fs:/
}

test_case luks 'LUKS 1 and 2, alone and in a partition: by the key, and with none'
luks_body() {
	printf secret >key
	echo wrong >wrong
	for v in 1 2; do
		truncate -s 48M c.img
		atf_check cryptsetup luksFormat -q --type luks$v --pbkdf-force-iterations 1000 \
		    --pbkdf pbkdf2 $([ $v = 2 ] && echo --sector-size 4096) c.img key
		server c
		atf_check -e ignore $on cryptsetup open --disable-keyring --key-file key /dev/c plain
		atf_check $on mkfs.ext4 -q /dev/mapper/plain
		atf_check -e ignore $on cryptsetup close plain
		halt
		echo "some text" >f
		atf_check $rump cp f c.img,crypt=key:/
		atf_check -o inline:'some text\n' $rump cat c.img,crypt=key:/f
		atf_check -s exit:1 grep -q 'some text' c.img
		atf_check -s exit:1 -e inline:'rump: c.img: is a LUKS volume: crypt=KEYFILE is wanted\n' $rump ls c.img:/
		atf_check -s exit:1 -e match:'crypt=wrong: no slot .*newline at its end is a part of it' \
		    $rump ls c.img,crypt=wrong:/
		atf_check -s exit:1 -e match:'crypt=none: No such file' $rump ls c.img,crypt=none:/
		truncate -s 50M d.img
		printf 'label: dos\nstart=2048\n' | sfdisk -q d.img
		dd if=c.img of=d.img bs=1M seek=1 conv=notrunc status=none
		atf_check -o inline:'some text\n' $rump cat d.img,part=1,crypt=key:/f
		# a header that is not whole
		dd if=/dev/urandom of=c.img bs=64 seek=2 count=64 conv=notrunc status=none
		dd if=/dev/urandom of=c.img bs=16k seek=1 count=2 conv=notrunc status=none
		atf_check -s exit:1 -e match:'c.img: ' $rump ls c.img,crypt=key:/
		rm c.img d.img
	done
}

test_case md 'MD: a mirror from both members or one, RAID 5 with one missing, old formats'
md_body() {
	truncate -s 24M a.img b.img c.img d.img
	server a b c d
	atf_check $on mknod /dev/md0 b 9 0
	atf_check $on mknod /dev/md1 b 9 1
	for format in 1.2 1.0 0.90; do
		atf_check -o ignore -e ignore $on mdadm --create /dev/md0 --run --level=1 --metadata=$format --raid-devices=2 /dev/a /dev/b
		atf_check $on mkfs.ext4 -qF /dev/md0
		atf_check -o ignore -e ignore $on mdadm --stop /dev/md0
		halt
		echo $format >f
		atf_check $rump cp f a.img,with=b.img:/
		atf_check -o inline:"$format\n" $rump cat b.img,ro:/f
		atf_check -o inline:"$format\n" $rump cat a.img:/f
		server a b c d
		atf_check $on mknod /dev/md0 b 9 0
		atf_check $on mdadm --zero-superblock /dev/a /dev/b
	done
	atf_check -o ignore -e ignore $on mdadm --create /dev/md0 --run --level=5 --assume-clean --raid-devices=3 /dev/b /dev/c /dev/d
	atf_check $on mkfs.ext4 -qF /dev/md0
	atf_check -o ignore -e ignore $on mdadm --stop /dev/md0
	halt
	seq 100000 >f
	atf_check $rump cp f b.img,with=c.img,with=d.img:/
	atf_check sh -c "$rump cat b.img,with=d.img,ro:/f | cmp - f"
	atf_check -s exit:1 -e match:'the array does not run with 1 member' $rump ls c.img:/
}

test_case lvm 'LVM: linear and striped volumes of two physical volumes'
lvm_body() {
	for i in 1 2; do
		base64 -d "$TOP/tests/ukfs/data/pv$i.xz.b64" | xz -d >pv$i.img || atf_fail "data/pv$i"
		truncate -s 64M pv$i.img
	done
	filled lin 100M
	filled str 16M
	# extents begin behind 1 MB; the first 8 of each volume are the stripes'
	dd if=lin.fs of=pv1.img bs=1M seek=9 count=55 conv=notrunc status=none
	dd if=lin.fs of=pv2.img bs=1M skip=55 seek=9 count=45 conv=notrunc status=none
	for i in 1 2; do
		n=0
		while [ $n -lt 128 ]; do
			dd if=str.fs bs=64k skip=$((2 * n + i - 1)) count=1 status=none
			n=$((n + 1))
		done | dd of=pv$i.img bs=64k seek=16 conv=notrunc iflag=fullblock status=none
	done
	both=pv1.img,with=pv2.img
	atf_check -o inline:'in lin\n' $rump cat $both,lv=lin:/f
	atf_check -o inline:'in str\n' $rump cat pv2.img,with=pv1.img,lv=vg/str:/f
	seq 1000000 >large
	atf_check $rump cp large $both,lv=str:/
	atf_check sh -c "$rump cat $both,lv=vg/str:/large | cmp - large"
	atf_check -s exit:1 -e inline:'rump: pv1.img: lv=NAME is wanted: volume group vg has str, lin\n' $rump ls $both:/
	atf_check -s exit:1 -e inline:'rump: pv1.img: there is no such logical volume: volume group vg has str, lin\n' \
	    $rump ls $both,lv=other/lin:/
	atf_check -s exit:1 -e match:'physical volume pv1 of group vg is missing: .*with=IMAGE' $rump ls pv1.img,lv=lin:/
	# metadata that do not add up
	dd if=/dev/zero of=pv1.img bs=1 seek=6000 count=100 conv=notrunc status=none
	dd if=/dev/urandom of=pv1.img bs=512 seek=9 count=10 conv=notrunc status=none
	cp pv1.img bad.img
	atf_check -s exit:1 -e match:'without usable metadata' $rump ls bad.img,lv=lin:/
}

atf_init_test_cases() {
	atf_add_test_case luks
	atf_add_test_case md
	atf_add_test_case lvm
}
