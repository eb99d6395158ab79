# SPDX-License-Identifier: BSD-2-Clause
# O_DIRECT: file systems and a block device, embedded and in a server, and what reaches the image.
. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/hijack/server.sh"

preload="timeout 120 env LD_PRELOAD=$B/lib/librumphijack.so"
remote="$preload RUMP_SERVER=unix://$PWD/sock"
h_direct="$B/tests/hijack/h_direct"

# image TYPE SIZE: an empty one, "TYPE.img".
image() {
	[ -x "/sbin/mkfs.$1" ] || atf_skip "mkfs.$1 is not installed"
	truncate -s "$2" "$1.img"
	atf_check -o ignore -e ignore "/sbin/mkfs.$1" "$1.img"
}
# all HOW FILE: every test; $1: how a program is started.
all() {
	for t in cache rules calls faults mixed; do
		atf_check $1 "$h_direct" $t "$2"
	done
}

atf_test_case on_host
on_host_body() {
	"$h_direct" cache "$PWD/f" 2>err
	[ $? != 77 ] || atf_skip "$(cat err)"
	all env "$PWD/f"
}

# on_TYPE: embedded and in a server; the rest of the image is whole.
on() {
	atf_test_case "on_$1" cleanup
	eval "on_${1}_body() {
		image $1 $2
		all '$preload RUMP_MOUNT=$PWD/$1.img:/mnt' /rump/mnt/f
		serve -M $PWD/$1.img:/mnt
		all '$remote' /rump/mnt/f2
		atf_check $remote cmp /rump/mnt/f /rump/mnt/f2
		halt
		atf_check $3 $1.img
	}
	on_${1}_cleanup() { halt; }"
}
on ext4 64M '-o ignore -e ignore /sbin/e2fsck -fn'
on xfs 300M '-o ignore -e ignore /sbin/xfs_repair -n'
on btrfs 128M '-o ignore -e ignore /bin/btrfs check'
on vfat 64M '-o ignore -e ignore /sbin/fsck.vfat -n'

# The image is the witness: what was written is there when the call returns, and nobody asked
# for that.
atf_test_case device cleanup
device_body() {
	truncate -s 64M img
	serve -r 64m -d "key=/dev/img,hostpath=$PWD/img,size=host"
	all "$remote" /rump/dev/img
	head -c 3145728 /dev/urandom >data
	atf_check -e ignore $remote dd if=data of=/rump/dev/img bs=256k oflag=direct conv=notrunc
	atf_check cmp -n 3145728 data img
	head -c 1048576 /dev/urandom >other
	atf_check -e ignore $remote dd if=other of=/rump/dev/img bs=64k conv=notrunc
	atf_check -e ignore -o save:back $remote dd if=/rump/dev/img bs=128k count=8 iflag=direct
	atf_check cmp back other
	truncate -s 1M img
	atf_check $remote "$h_direct" lost /rump/dev/img
}
device_cleanup() { halt; }

# A kernel of 16 MB, and a call of 64.
atf_test_case big cleanup
big_body() {
	image ext4 160M
	truncate -s 80M img
	atf_check $preload RUMP_MEMLIMIT=16m "RUMP_MOUNT=$PWD/ext4.img:/mnt" "$h_direct" big /rump/mnt/f 64
	serve -r 16m -M "$PWD/ext4.img:/mnt" -d "key=/dev/img,hostpath=$PWD/img,size=host"
	atf_check $remote "$h_direct" big /rump/mnt/f 64
	atf_check $remote "$h_direct" big /rump/dev/img 64
}
big_cleanup() { halt; }

# Programs that want it.
atf_test_case programs cleanup
programs_body() {
	image xfs 300M
	serve -r 64m -M "$PWD/xfs.img:/mnt"
	if command -v fio >/dev/null; then
		for engine in libaio psync pvsync2 posixaio; do
			atf_check -o match:'err= 0' -e ignore $remote fio --name=x --ioengine=$engine --direct=1 \
			    --rw=randrw --verify=crc32c --size=4m --bs=8k --iodepth=8 --thread \
			    --filename=/rump/mnt/fio
		done
	fi
	if command -v xfs_io >/dev/null; then
		atf_check -o match:'wrote 1048576/1048576' -o match:'read 1048576/1048576' $remote xfs_io -fd \
		    -c 'pwrite -S 0x5a -b 65536 0 1m' -c 'pread -v -b 65536 0 1m' /rump/mnt/io
	fi
	[ -f /rump/mnt/fio ] && atf_fail "the host has /rump/mnt"
	true
}
programs_cleanup() { halt; }

atf_init_test_cases() {
	for t in on_host on_ext4 on_xfs on_btrfs on_vfat device big programs; do
		atf_add_test_case $t
	done
}
