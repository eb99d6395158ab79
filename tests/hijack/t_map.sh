# SPDX-License-Identifier: BSD-2-Clause
# Files of the rump kernel in programs' memory: embedded, in a server, and what reaches the disk.
. "$(atf_get_srcdir)/../env.sh"
. "$TOP/tests/hijack/server.sh"

preload="timeout 60 env LD_PRELOAD=$B/lib/librumphijack.so RUMP_TEST_MARK=$PWD"
remote="$preload RUMP_SERVER=unix://$PWD/sock"
h_map="$B/tests/hijack/h_map"
libm=/lib/x86_64-linux-gnu/libm.so.6

# image TYPE SIZE: an empty one, "img".
image() {
	[ -x "/sbin/mkfs.$1" ] || atf_skip "mkfs.$1 is not installed"
	truncate -s "$2" img
	atf_check -o ignore -e ignore "/sbin/mkfs.$1" img
}
need() {
	for p in "$@"; do
		command -v "$p" >/dev/null || atf_skip "no $p"
	done
}
servers() {
	atf_test_case "$1" cleanup
	eval "${1}_cleanup() { halt; }"
}

# A kernel that was in a program which has forked ends soon after its last process.
keepers_end() {
	for i in $(seq 200); do
		grep -lsz "^RUMP_TEST_MARK=$PWD$" /proc/[0-9]*/environ >keepers
		[ -s keepers ] || return 0
		sleep 0.1
	done
	atf_fail "still there: $(cat keepers)"
}

# All tests of h_map in a directory; $1: how a program is started.
all() {
	atf_check $1 cp $libm "$2/libm.so"
	for t in shared parts private sharers many; do
		atf_check $1 "$h_map" $t "$2" $([ $t != private ] || echo "$2/libm.so")
		keepers_end
	done
}

atf_test_case on_host
on_host_body() {
	mkdir dir
	all env "$PWD/dir"
}

atf_test_case embedded
embedded_body() {
	image ext4 64M
	all "$preload RUMP_MOUNT=$PWD/img:/mnt" /rump/mnt
	atf_check $preload "$h_map" shared /rump/run
	# What is left in memory is written when the program ends.
	atf_check $preload RUMP_MOUNT="$PWD/img:/mnt" "$h_map" leave /rump/mnt
	left
}

servers remote
remote_body() {
	image ext4 64M
	serve -M "$PWD/img:/mnt"
	all "$remote" /rump/mnt
	all "$remote" /rump/run
	for how in kill exec; do
		$remote "$h_map" leave /rump/mnt $how 2>killed
		atf_check -o inline:'0\n' $remote sh -c 'tr -d L </rump/mnt/left | wc -c'
	done
	# A mapped file keeps its file system busy, and not for longer.
	atf_check $remote "$h_map" busy /rump/mnt
	atf_check $remote umount /rump/mnt
	left
}

# The image is whole, and has what "leave" has left.
left() {
	atf_check -o ignore -e ignore /sbin/e2fsck -fn img
	atf_check -e ignore /sbin/debugfs -R 'dump /left out' img
	[ $(wc -c <out) = 32768 ] || atf_fail "the file has $(wc -c <out) bytes"
	atf_check -o empty tr -d L <out
}

# File systems with ways of their own: one that finds room late, and one that checks sums.
servers kinds
kinds_body() {
	for fs in xfs btrfs; do
		[ -x /sbin/mkfs.$fs ] || continue
		rm -f img
		image $fs 320M
		serve -M "$PWD/img:/mnt"
		all "$remote" /rump/mnt
		$remote "$h_map" leave /rump/mnt kill 2>killed
		# written while it is being written to
		atf_check $remote "$h_map" storm /rump/mnt
		atf_check "$B/tools/rump" halt "unix://$PWD/sock"
		case $fs in
		xfs) atf_check -o ignore -e ignore /sbin/xfs_repair -n img ;;
		btrfs) atf_check -o ignore -e ignore btrfs check --check-data-csum img ;;
		esac
		serve -M "$PWD/img:/mnt,ro"
		atf_check -o inline:'0\n' $remote sh -c 'tr -d L </rump/mnt/left | wc -c'
		atf_check "$B/tools/rump" halt "unix://$PWD/sock"
	done
}

# An overlay's file is the lower one until it is written to; a full disk is msync's error.
servers odd
odd_body() {
	image ext4 16M
	serve -M "$PWD/img:/mnt"
	atf_check $remote sh -c 'cd /rump/mnt && mkdir low up work over && echo low >low/f'
	atf_check $remote mount -t overlay -o lowerdir=/mnt/low,upperdir=/mnt/up,workdir=/mnt/work \
	    o /rump/mnt/over
	atf_check $remote "$h_map" shared /rump/mnt/over
	atf_check $remote "$h_map" toomuch /rump/mnt
	atf_check $remote "$h_map" full /rump/mnt
}

# Two writers at once, whose index (the -shm file) and database both have mapped.
servers sqlite
sqlite_body() {
	need sqlite3
	image ext4 64M
	serve -M "$PWD/img:/mnt"
	for mode in wal delete; do
		atf_check -o inline:"$mode\n" $remote sqlite3 /rump/mnt/$mode \
		    "pragma journal_mode=$mode; create table t(who, n);"
		for who in a b; do
			{ echo '.timeout 60000'; echo 'pragma mmap_size=1000000;'
			  for i in $(seq 60); do echo "insert into t values('$who', $i);"; done
			} >$who.sql
			$remote sqlite3 /rump/mnt/$mode <$who.sql >$who.out 2>&1 &
		done
		wait
		atf_check -o match:'^1000000$' -o not-match:'[^0-9]' cat a.out b.out
		atf_check -o inline:'a|60|1830\nb|60|1830\nok\n' $remote sqlite3 /rump/mnt/$mode \
		    'select who, count(*), sum(n) from t group by who; pragma integrity_check;'
	done
	atf_check "$B/tools/rump" halt "unix://$PWD/sock"
	atf_check -o ignore -e ignore /sbin/e2fsck -fn img
	atf_check -e ignore /sbin/debugfs -R 'dump /wal wal' img
	atf_check -o inline:'120\n' sqlite3 wal 'select count(*) from t'
}

# A database that is nothing but a mapping, with locks in shared memory.
servers lmdb
lmdb_body() {
	need mdb_load mdb_dump
	serve
	seq 1 3000 | sed 's/.*/k&\nv&/' >in
	atf_check mkdir host
	atf_check mdb_load -T -f in host
	atf_check $remote mkdir /rump/run/db
	for part in 1 2 3; do
		sed -n "$((part * 2000 - 1999)),$((part * 2000))p" in >in.$part
		$remote mdb_load -T -f in.$part /rump/run/db &
	done
	wait
	mdb_dump -p host >expected
	atf_check -o file:expected $remote mdb_dump -p /rump/run/db
}

servers tools
tools_body() {
	need git gcc rsync
	image ext4 64M
	serve -M "$PWD/img:/mnt"
	mkdir src
	seq 1 20000 >src/large
	cp $libm src/libm
	(cd src && git init -q . && git add . && git -c user.email=a@b -c user.name=x commit -qm one)
	atf_check $remote git clone -q "file://$PWD/src" /rump/mnt/repo
	atf_check $remote git -C /rump/mnt/repo gc -q
	atf_check -o ignore -e ignore $remote git -C /rump/mnt/repo fsck --strict
	atf_check $remote diff -r -x .git src /rump/mnt/repo
	echo 'int main(void) { return 7; }' >x.c
	atf_check $remote gcc -o /rump/mnt/x x.c
	atf_check $remote cp /rump/mnt/x x
	atf_check -s exit:7 ./x
	atf_check $remote rsync -a src/ /rump/mnt/copy
	atf_check $remote rsync -a --inplace --no-whole-file src/ /rump/mnt/copy
	atf_check $remote diff -r src /rump/mnt/copy
	atf_check $remote cp --reflink=auto /rump/mnt/copy/large /rump/mnt/again
	atf_check $remote cmp src/large /rump/mnt/again
}

atf_init_test_cases() {
	for t in on_host embedded remote kinds odd sqlite lmdb tools; do
		atf_add_test_case $t
	done
}
