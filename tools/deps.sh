#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# deps.sh [SET]... - installs the Debian packages that a SET of tasks needs: build (tools, and
# Linux), check, demo, lint, bench, deb, programs: real ones, which the tests skip where they are
# not there (default: build check demo).  Knows Debian 12 and 13; installs only what is missing,
# by sudo when not root, and starts no daemon of it; says what is missing if it cannot, after it has
# installed the others.

set -eu

tools='make gcc libc6-dev binutils bc bison flex perl python3 xz-utils libelf-dev liburing-dev libcryptsetup-dev libssl-dev
	libslirp-dev libvdeplug-dev'
build="$tools linux-source-6.12"
check='g++ kyua atf-sh libatf-dev e2fsprogs xfsprogs btrfs-progs dosfstools mtools
	iproute2 curl python3 procps acl attr fdisk cryptsetup-bin mdadm exfatprogs squashfs-tools xorriso strace
	fuse2fs squashfuse sshfs openssh-sftp-server ntfs-3g archivemount psmisc
	iputils-ping tcpdump tshark isc-dhcp-client ethtool passt vde2 libslirp0 libvdeplug2 slirp4netns
	nftables wireguard-tools iperf3 mandoc musl-tools'
demo='nginx-light curl iproute2 e2fsprogs python3 tar procps'
lint='clang-format clang-tidy cppcheck'
programs='nginx-light curl wget redis-server redis-tools postgresql openssh-server openssh-client
	git lmdb-utils nodejs default-jdk-headless iperf3 socat bash rsync sqlite3 iputils-ping nftables
	firefox-esr bind9-dnsutils golang-go busybox-static wrk libjemalloc2 libgoogle-perftools4 gdb
	linux-perf openssl'
bench='nginx-light wrk fuse2fs redis-server redis-tools postgresql iperf3'
deb='debhelper dpkg-dev lintian'

die()
{
	echo "deps.sh: $*" >&2
	exit 1
}

want=
for set in "${@:-build check demo}"; do
	for s in $set; do
		case $s in
		tools)	want="$want $tools" ;;
		build)	want="$want $build" ;;
		check)	want="$want $check" ;;
		demo)	want="$want $demo" ;;
		lint)	want="$want $lint" ;;
		programs) want="$want $programs" ;;
		bench)	want="$want $bench" ;;
		deb)	want="$want $deb" ;;
		*)	die "'$s': no such set; there are: tools, build, check, demo, lint, bench, deb, programs" ;;
		esac
	done
done

command -v dpkg-query >/dev/null || die "this is no Debian; needed are:" $want
have=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | tr '\n' ' ')"

# nginx in any flavour is nginx; and Debian 13 has libraries with a t64 behind their name.
installed()
{
	case "$1 $have" in
	*" $1 "* | *" $1t64 "*) ;;
	nginx-light*) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
	*) false ;;
	esac
}

missing=
for p in $want; do
	installed "$p" || case " $missing " in
	*" $p "*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

. /etc/os-release
case ${ID:-}:${VERSION_ID:-} in
debian:12 | debian:13) ;;
*) die "${PRETTY_NAME:-this system} is neither Debian 12 nor 13; please install:$missing" ;;
esac

if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo >/dev/null; then
	sudo=sudo
else
	die "not root, and no sudo; please install:$missing"
fi

echo "deps.sh: installing$missing"
apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq"
$apt update || :
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made=
trap 'rm -f "$log"; [ -z "$made" ] || $sudo rm -f "$policy"' EXIT
if [ ! -e "$policy" ]; then
	made=y
	printf '#!/bin/sh\nexit 101\n' | $sudo install -m 755 /dev/stdin "$policy"
fi

# What apt says matters only when it fails.
get()
{
	$apt install -y --no-install-recommends "$@" >"$log" 2>&1
}
get $missing && exit 0
cat "$log" >&2
not=
for p in $missing; do
	get "$p" || not="$not $p"
done
[ -z "$not" ] || die "apt-get could not install:$not (linux-source-6.12 is in Debian's security suite)"
