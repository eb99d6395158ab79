# SPDX-License-Identifier: BSD-2-Clause
# Data between descriptors of both kernels, and what files and sockets do with it: on the host,
# embedded, and in a server.
. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/hijack/server.sh"

preload="timeout 120 env LD_PRELOAD=$B/lib/librumphijack.so"
remote="$preload RUMP_SERVER=unix://$PWD/sock"

# On ext4, which answers as a host's file system does, and on the root.
moves() {
	atf_test_case "$1" cleanup
	eval "${1}_body() {
		[ -x /sbin/mkfs.ext4 ] || atf_skip 'mkfs.ext4 is not installed'
		mkdir dir
		atf_check '$B/tests/hijack/h_move' $1 \$PWD/dir
		atf_check $preload '$B/tests/hijack/h_move' $1 /rump/run
		truncate -s 64M img
		atf_check -o ignore -e ignore /sbin/mkfs.ext4 -q img
		serve -M \$PWD/img:/mnt
		atf_check $remote '$B/tests/hijack/h_move' $1 /rump/mnt
	}
	${1}_cleanup() { halt; }"
}
for t in pairs refused vectors zerocopy inotify locks aio direct; do
	moves $t
done

# libaio, which makes its system calls itself; and a program that waits for changes.
atf_test_case programs cleanup
programs_body() {
	serve
	if command -v fio >/dev/null; then
		atf_check -o match:'err= 0' -e ignore $remote fio --name=x --ioengine=libaio --rw=randrw \
		    --verify=crc32c --size=4m --bs=8k --iodepth=8 --filename=/rump/run/fio --thread
	fi
	$remote touch /rump/run/growing
	$remote tail -f /rump/run/growing >tailed 2>tail.err &
	echo $! >pid
	for i in 1 2 3; do
		atf_check $remote sh -c "echo line $i >>/rump/run/growing"
	done
	for i in $(seq 100); do
		[ $(wc -l <tailed) = 3 ] && break
		sleep 0.1
	done
	atf_check -o inline:'line 1\nline 2\nline 3\n' -e ignore cat tailed
}
programs_cleanup() {
	[ ! -f pid ] || kill $(cat pid) 2>/dev/null
	halt
}

atf_init_test_cases() {
	for t in pairs refused vectors zerocopy inotify locks aio direct programs; do
		atf_add_test_case $t
	done
}
