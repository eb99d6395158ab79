#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# trixie.sh BUILDDIR [TEST]... - runs tests of what was built here in a Debian 13 system: the same
# binaries, on its C library and with its programs.  Ends as run.sh does.
#
# The system is a tree made by debootstrap, kept under BUILDDIR/trixie; the packages are those of
# deps.sh (TRIXIE_SETS) as that system has them.  The tests run in it by chroot, at the path that they
# were built at, in namespaces of their own for mounts, processes and the network: whatever they mount,
# start or listen on goes with the last of them, also when this is interrupted.
#
# Where this cannot be (not root, nothing to download from) that is said, and counts as skipped.
# MIRROR=URL: another mirror of Debian.

set -eu

b=$1
shift
top=$PWD
tree=$top/$b/trixie/root
sets=${TRIXIE_SETS:-tools check demo programs}
mirror=${MIRROR:-http://deb.debian.org/debian}

skip()
{
	echo "Debian 13: skipped: $*"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
}

# inside NET COMMAND...: in the tree, in namespaces; NET is the host's network, "host", or none, in
# which there is a loopback interface only.
inside()
{
	net=$1
	shift
	unshare --mount --propagation private --pid --fork --kill-child=KILL \
	    $([ "$net" = host ] || echo --net) sh -eu -c '
		tree=$1 top=$2 net=$3
		shift 3
		mkdir -p "$tree$top"
		mount --bind "$top" "$tree$top"
		mount -t proc proc "$tree/proc"
		mount --rbind /dev "$tree/dev"
		mount --rbind /sys "$tree/sys"
		mount -t tmpfs tmpfs "$tree/run"
		if [ "$net" = host ]; then
			cp /etc/resolv.conf "$tree/etc/resolv.conf"
		else
			ip link set lo up
		fi
		exec chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		    DEBIAN_FRONTEND=noninteractive RUMP_TEST_JOBS="${RUMP_TEST_JOBS:-$(nproc)}" \
		    sh -eu -c "cd \"\$1\"; shift; exec \"\$@\"" _ "$top" "$@"' \
	    _ "$tree" "$top" "$net" "$@" </dev/null
}

[ "$(id -u)" = 0 ] || skip "chroot needs root"
for p in debootstrap unshare ip; do
	command -v $p >/dev/null || skip "there is no $p"
done
unshare --mount --pid --net --fork true 2>/dev/null || skip "no namespaces can be made here"

# It is complete, or there is none: half a tree is not continued.
if [ ! -d "$tree" ]; then
	echo "Debian 13: making $tree"
	rm -rf "$tree.new"
	mkdir -p "$tree.new"
	# Its mounts are gone with it.
	if ! unshare --mount --propagation private \
	    debootstrap --variant=minbase trixie "$tree.new" "$mirror" >"$top/$b/trixie/log" 2>&1; then
		tail -n 3 "$top/$b/trixie/log"
		skip "debootstrap could not make a tree from $mirror ($b/trixie/log)"
	fi
	# No daemon starts because its package is installed.
	printf '#!/bin/sh\nexit 101\n' >"$tree.new/usr/sbin/policy-rc.d"
	chmod +x "$tree.new/usr/sbin/policy-rc.d"
	mv "$tree.new" "$tree"
fi
if [ "$(cat "$tree/.sets" 2>/dev/null)" != "$sets $(cksum <tools/deps.sh)" ]; then
	if ! inside host tools/deps.sh $sets >"$top/$b/trixie/log" 2>&1; then
		tail -n 3 "$top/$b/trixie/log"
		skip "the packages of '$sets' could not be installed ($b/trixie/log)"
	fi
	rm -f "$tree"/var/cache/apt/archives/*.deb
	echo "$sets $(cksum <tools/deps.sh)" >"$tree/.sets"
fi

rm -rf "$tree"/tmp/kyua.*
inside none sh -c '. /etc/os-release; echo "On $PRETTY_NAME, $(ldd --version | sed 1q), Linux $(uname -r)"'
[ $# -gt 0 ] || set -- hijack
inside none tests/run.sh "$b" "$@"
