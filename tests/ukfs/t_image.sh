# SPDX-License-Identifier: BSD-2-Clause
#
# rump ls, cat, cp and sh on images: what people do with them, and that nothing is lost.

. "$(atf_get_srcdir)/../env.sh"
rump=$B/tools/rump
export TMPDIR=$PWD
unset XDG_RUNTIME_DIR

image() {
	truncate -s 128M "$1" && mkfs.ext4 -qF "$1" || atf_fail "mkfs.ext4"
}

# A tree with one of each; what only root can make, if we are.
tree() {
	mkdir -p t/sub t/empty
	echo hello >t/f
	ln t/f t/sub/hard
	ln -s ../f t/sub/soft
	mkfifo t/fifo
	head -c 3000000 /dev/urandom >t/sub/big
	truncate -s 200M t/holes && printf x | dd of=t/holes bs=1 seek=100M conv=notrunc status=none
	setfattr -n user.colour -v blue t/f
	setfacl -m u:12345:rw t/f
	setfacl -d -m g:54321:rx t/sub
	chmod 0640 t/sub/big
	if [ "$(id -u)" = 0 ]; then
		mknod t/dev c 1 3
		chown 77:88 t/sub/big
		chmod 6755 t/sub/big
		setfattr -n trusted.x -v y t/f
		chown -h 5:6 t/sub/soft
	fi
	touch -d '2001-02-03 04:05:06.123456789' t/sub/big
	touch -h -d '1999-12-31 23:59:59.987654321' t/sub/soft
	touch -d '2030-01-01 00:00:00.000000001' t/empty t/sub t
}

# Everything that a copy must have in common with $1.
inventory() {
	(cd "$1" && find . | sort | while read -r f; do stat -c '%n %A %u %g %h %t %T %y' "$f"
		[ -d "$f" ] || stat -c '%s' "$f"
	done; find . -type f | sort | xargs md5sum; getfattr -Rhd -m - . ; getfacl -Rn . ) 2>/dev/null
}

test_case round_trip 'a tree keeps all it has on its way into an image, to another one, and out'
round_trip_body() {
	tree
	image a.img
	truncate -s 320M b.img && mkfs.xfs -q b.img
	atf_check $rump cp -r t a.img:/
	atf_check $rump cp -r a.img:/t b.img:/u
	atf_check $rump cp -r b.img:/u .
	inventory t >want
	inventory u >have
	atf_check diff want have
	# holes are holes
	[ "$(stat -c %b u/holes)" -le 128 ] || atf_fail "the holes have $(stat -c %b u/holes) blocks"
	atf_check -o ignore -e ignore e2fsck -fn a.img
	atf_check -o ignore -e ignore xfs_repair -n b.img
	# again, over what is there
	atf_check $rump cp -r t/. a.img:/t
	atf_check rm -rf u
	atf_check $rump cp -r a.img:/t u
	inventory u >have
	atf_check diff want have
	atf_check -o ignore -e ignore e2fsck -fn a.img
}

test_case ls_cat 'what is in an image'
ls_cat_body() {
	tree
	image a.img
	atf_check $rump cp -r t a.img:/
	atf_check -o inline:'lost+found\nt\n' $rump ls a.img:/
	atf_check -o inline:'empty\nf\nfifo\nholes\nsub\n' sh -c "$rump ls a.img:/t | grep -v dev"
	atf_check -o match:'^-rw-rw-r--   2 .*       6 .* f$' -o match:'^drwx.* sub$' $rump ls -l a.img:/t
	atf_check -o match:'soft -> ../f$' -o match:'^-rw.*3000000 2001-02-03 04:05 big$|^-rws.*3000000 2001-02-03 04:05 big$' \
	    $rump ls -l a.img:/t/sub
	atf_check -o inline:'/t/f\n' $rump ls a.img:/t/f
	atf_check -o match:'^/t/sub:$' -o match:'^big$' $rump ls -R a.img:/t
	atf_check -o inline:'hello\nhello\n' $rump cat a.img:/t/f a.img:/t/sub/soft
	atf_check sh -c "$rump cat a.img:/t/sub/big | cmp - t/sub/big"
	atf_check -s exit:1 -e inline:'rump: a.img:/none: No such file or directory\n' $rump ls a.img:/none
	atf_check -s exit:1 -e inline:'rump: "a.img": IMAGE:/PATH is wanted\n' $rump cat a.img
	atf_check -s exit:1 -e inline:'rump: none.img: No such file or directory\n' $rump ls none.img:/
	atf_check -s exit:1 -o inline:'hello\n' -e match:'a.img:/t: Is a directory' $rump cat a.img:/t a.img:/t/f
	atf_check -s exit:1 -e inline:'rump: t/sub/big: no file system of a known type is there: Invalid argument\n' \
	    $rump ls t/sub/big:/
	# a full or closed output is an error, and no end without one
	atf_check -s exit:1 -e match:'writing: No space left' sh -c "$rump cat a.img:/t/f >/dev/full"
}

test_case read_only 'an image that is only read is not written, also if its journal wants to be'
read_only_body() {
	image a.img
	echo one >one
	echo two >two
	atf_check $rump cp one a.img:/f
	# a journal with something in it: the kernel is killed behind an fsync
	atf_check -s signal:kill $B/tools/rump run --mount $PWD/a.img:/m -- \
	    sh -c 'cp two /rump/m/g; sync -f /rump/m; kill -9 $(cat /proc/$$/stat | cut -d" " -f4)' || true
	sleep 0.2
	md5sum a.img >before
	atf_check -o match:'^f$' $rump ls a.img:/
	atf_check -o inline:'one\n' $rump cat a.img,ro:/f
	chmod 0444 a.img
	atf_check -o inline:'one\n' $rump cat a.img:/f
	atf_check -o ignore md5sum -c before
	atf_check -s exit:1 -e match:'Read-only file system' $rump cp one a.img,ro:/h
	atf_check -o ignore md5sum -c before
}

test_case user 'as an ordinary user: what the host does not let it keep is said once'
user_body() {
	[ "$(id -u)" = 0 ] || atf_skip "is about files of others: wants root to make them"
	tree
	image a.img
	atf_check $rump cp -r t a.img:/
	mkdir mine
	chown 12345:12345 mine a.img
	chmod 755 .
	user="setpriv --reuid 12345 --regid 12345 --clear-groups env TMPDIR=$PWD/mine"
	if ! $user test -x $rump -a -r a.img; then atf_skip "another user cannot come here"; fi
	atf_check -s exit:1 -e save:err $user $rump cp -r a.img:/t mine/t
	atf_check -o inline:'1\n' grep -c 'owner could not be kept' err
	atf_check -o inline:'1\n' grep -c 'a device: Operation not permitted' err
	atf_check cmp t/sub/big mine/t/sub/big
	atf_check -o inline:'755 12345\n' stat -c '%a %u' mine/t/sub/big
	# into the image all is possible
	atf_check $user $rump cp -r mine/t/sub a.img:/sub2
	atf_check -o match:'12345 12345 .* big$' $user $rump ls -l a.img:/sub2
	atf_check -o inline:'in\n' $user $rump sh a.img -c 'echo in >x; chown 0:0 x; cat x'
	atf_check -o ignore -e ignore e2fsck -fn a.img
}

test_case shell 'a shell in an image, and what it starts'
shell_body() {
	image a.img
	atf_check -o inline:'/rump/image\n' $rump sh a.img -c pwd
	atf_check mkdir d
	atf_check $rump cp -r d a.img:/
	atf_check -o inline:'/rump/image/d\n' $rump sh a.img:/d -c 'pwd; echo text | tee f | cat >/dev/null; tar cf t.tar f; rm f'
	atf_check -o inline:'f\n' $rump sh a.img:/d tar tf t.tar
	# many programs, from a shell that makes them by vfork
	atf_check -o match:'^20$' timeout 60 $rump sh a.img:/d \
	    -c 'i=0; while [ $i -lt 20 ]; do i=$((i + 1)); /bin/ls >/dev/null; /bin/echo $i; done'
	atf_check -s exit:7 $rump sh a.img -c 'exit 7'
	atf_check -s exit:143 $rump sh a.img -c 'kill $$'
	atf_check -s exit:127 -e match:'no-such: No such file' $rump sh a.img no-such
	atf_check -s exit:127 -e match:'Not a directory' $rump sh a.img:/d/t.tar
	# SIGTERM ends it, and the image is clean
	$rump sh a.img -c 'echo x >y; echo >&3 ready; exec sleep 60' 3>ready &
	pid=$!
	while [ ! -s ready ]; do sleep 0.05; done
	kill $pid
	wait $pid
	atf_check_equal 143 $?
	atf_check -o ignore -e ignore e2fsck -fn a.img
	atf_check -o inline:'x\n' $rump cat a.img:/y
	[ -z "$(ls -d rump.* 2>/dev/null)" ] || atf_fail "left behind: $(ls -d rump.*)"
}

test_case partitions 'partitions: by number, the only one by itself'
partitions_body() {
	truncate -s 64M p1 p2
	mkfs.ext4 -qF p1
	mkfs.vfat p2 >/dev/null
	truncate -s 140M disk.img
	printf 'label: gpt\nsize=64M\nsize=64M\n' | sfdisk -q disk.img || atf_fail sfdisk
	dd if=p1 of=disk.img bs=1M seek=1 conv=notrunc status=none
	dd if=p2 of=disk.img bs=1M seek=65 conv=notrunc status=none
	echo x >f
	atf_check -e inline:'rump: f: the mode could not be kept\n' $rump cp f disk.img,part=2:/
	atf_check -o inline:'f\n' $rump ls disk.img,part=2:/
	atf_check -o inline:'lost+found\n' $rump ls disk.img,part=1:/
	atf_check -o inline:'x\n' $rump cat disk.img,part=2,type=vfat:/f
	atf_check -s exit:1 -e inline:'rump: disk.img: has partitions: part=N is wanted, N one of 1 (64 MB), 2 (64 MB)\n' \
	    $rump ls disk.img:/
	atf_check -s exit:1 -e match:'part=3: there is no such partition; there are: 1 \(64 MB\), 2 \(64 MB\)' \
	    $rump ls disk.img,part=3:/
	truncate -s 66M one.img
	printf 'label: dos\nstart=2048,size=64M\n' | sfdisk -q one.img || atf_fail sfdisk
	dd if=p1 of=one.img bs=1M seek=1 conv=notrunc status=none
	atf_check -o inline:'lost+found\n' $rump ls one.img:/
	atf_check -o inline:'f\nlost+found\n' sh -c "$rump cp disk.img,part=2:/f one.img:/ && $rump ls one.img:/"
}

test_case small_memory 'a large file goes in and out with 32 MB of memory, and with the least'
small_memory_body() {
	# 2 GB, of which some is there: the time is bounded (RUMP_LARGE_MB: how much)
	mb=${RUMP_LARGE_MB:-96}
	truncate -s 2G large
	for i in 0 1 2; do
		dd if=/dev/urandom of=large bs=1M count=$((mb / 3)) seek=$((i * 700)) conv=notrunc status=none
	done
	truncate -s 2500M a.img
	mkfs.ext4 -qF a.img
	export RUMP_MEMLIMIT=32m
	atf_check $rump cp large a.img:/
	atf_check $rump cp a.img:/large back
	atf_check cmp large back
	atf_check -o ignore -e ignore e2fsck -fn a.img
	# a kernel that checks itself wants more to boot
	case $B in */kdebug*) return ;; esac
	export RUMP_MEMLIMIT=12m
	head -c 32M large >small
	atf_check $rump cp small a.img:/
	atf_check $rump cp a.img:/small back
	atf_check cmp small back
	atf_check -o ignore -e ignore e2fsck -fn a.img
}

atf_init_test_cases() {
	atf_add_test_case round_trip
	atf_add_test_case ls_cat
	atf_add_test_case read_only
	atf_add_test_case user
	atf_add_test_case shell
	atf_add_test_case partitions
	atf_add_test_case small_memory
}
