#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# make demo - installs what is needed, builds, and shows unmodified programs in rump kernels:
#
# (a) a rump_server on a unix:// URL; nginx serves 50 MB on it, curl fetches them through the same kernel, and
#     ip and ss, run there and on the host, tell where address and sockets are;
# (b) an ext4 image, mounted in an embedded kernel, one process at a time, and by a shell script under
#     `rump run`: ls, cp, cat, tar, sha256sum and python3 work in it; e2fsck judges.
#
# Ends with a summary.  Whatever differs from what it should be ends it at once, with status 1.
# DEMO_BUILD=0: neither installs nor builds.

set -eu
cd "$(dirname "$0")/.."
top=$PWD
b=${B:-build}
case $b in /*) ;; *) b=$top/$b ;; esac

if [ "${DEMO_BUILD:-1}" != 0 ]; then
	tools/deps.sh build demo
	make -j"$(nproc)" all
fi

PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/rump-demo.XXXXXX")
url=unix://$work/net.sock
server=
summary=

finish()
{
	status=$?
	trap - EXIT
	if [ -s "$work/nginx.pid" ]; then
		kill "$(cat "$work/nginx.pid")" 2>/dev/null || :
		sleep 0.2
	fi
	if [ -n "$server" ]; then
		"$b/bin/rump" halt "$url" >/dev/null 2>&1 || :
	fi
	rm -rf "$work"
	[ "$status" = 0 ] || echo "demo: FAILED" >&2
	exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM

die()
{
	echo "demo: $*" >&2
	exit 1
}

did()
{
	echo "  ok: $*"
	summary="$summary
  $*"
}

# A program of the rump kernel behind $url.
remote() { env LD_PRELOAD="$b/lib/librumphijack.so" RUMP_SERVER="$url" "$@"; }

# A program with a kernel of its own, the image mounted there at /mnt.
embedded()
{
	env LD_PRELOAD="$b/lib/librumphijack.so" RUMP_MOUNT="$work/disk.img:/mnt" "$@"
}

same()
{
	[ "$1" = "$2" ] || die "$3: '$1' and '$2' differ"
}

echo "== (a) nginx and curl on a rump_server, $url"

"$b/bin/rump_server" "$url"
server=1

# The host's library must see nothing of what follows.
remote ip link add demo0 type dummy
remote ip addr add 10.99.0.1/24 dev demo0
remote ip link set demo0 up
remote ip -brief addr >"$work/addr"
grep -q 'demo0 .*10\.99\.0\.1' "$work/addr" || die "ip addr shows no 10.99.0.1 in the rump kernel: $(cat "$work/addr")"
if ip -brief addr 2>/dev/null | grep -q 10.99.0.1; then
	die "10.99.0.1 is an address of the host"
fi
did "ip(8) made interface demo0 with 10.99.0.1 in the rump kernel; the host has none"

mkdir "$work/www" "$work/logs"
head -c 52428800 /dev/urandom >"$work/www/50MB"
want=$(sha256sum <"$work/www/50MB")
cat >"$work/nginx.conf" <<END
worker_processes 1;
pid $work/nginx.pid;
error_log $work/logs/error.log;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path $work/logs;
	proxy_temp_path $work/logs;
	fastcgi_temp_path $work/logs;
	uwsgi_temp_path $work/logs;
	scgi_temp_path $work/logs;
	server { listen 127.0.0.1:18080; root $work/www; }
}
END
[ "$(id -u)" != 0 ] || sed -i '1i user root;' "$work/nginx.conf"
remote nginx -p "$work" -c "$work/nginx.conf" || { cat "$work/logs/error.log" >&2; die "nginx does not start"; }

if curl -sf --noproxy '*' --max-time 5 -o "$work/got" http://127.0.0.1:18080/50MB; then
	die "the host reaches 127.0.0.1:18080: nginx is on the wrong kernel"
fi
remote curl -sSf --noproxy '*' --max-time 120 -o "$work/got" -w '%{size_download} bytes in %{time_total} s\n' \
	http://127.0.0.1:18080/50MB >"$work/curl.out" || die "curl: exit status $?"
same "$(sha256sum <"$work/got")" "$want" "50MB, fetched by curl"
did "curl fetched 50 MB from nginx through the rump kernel, $(cat "$work/curl.out"), same checksum"

remote ss -Htlnp >"$work/ss"
grep -q '127\.0\.0\.1:18080' "$work/ss" || die "ss shows no listener in the rump kernel: $(cat "$work/ss")"
if ss -Htln | grep -q '127\.0\.0\.1:18080'; then
	die "the listener is on the host"
fi
did "ss -tlnp shows the listener in the rump kernel, and none on the host:"
sed 's/^/      /' "$work/ss"

kill -QUIT "$(cat "$work/nginx.pid")"
"$b/bin/rump" halt "$url"
server=
did "rump halt ended the server"

echo "== (b) an ext4 image in an embedded kernel"

truncate -s 128M "$work/disk.img"
mkfs.ext4 -q -F "$work/disk.img"
head -c 3000000 "$work/www/50MB" >"$work/file"
want=$(sha256sum <"$work/file")

embedded cp "$work/file" /rump/mnt/file
same "$(embedded cat /rump/mnt/file | sha256sum)" "$want" "a file by cp and cat"
same "$(embedded sha256sum /rump/mnt/file | cut -d' ' -f1)" "${want%% *}" "sha256sum /rump/mnt/file"
did "cp, cat and sha256sum, each with a kernel of its own, wrote and read /rump/mnt/file"

mkdir -p "$work/tree/sub dir"
cp "$top"/include/rump/*.h "$work/tree/sub dir"
ln -s 'sub dir' "$work/tree/link"
tar -C "$work" -cf "$work/tree.tar" tree
embedded tar -C /rump/mnt -xf "$work/tree.tar"
embedded ls -l '/rump/mnt/tree/sub dir' >"$work/ls"
for h in "$top"/include/rump/*.h; do
	grep -q "${h##*/}" "$work/ls" || die "ls does not show ${h##*/} after tar"
done
embedded tar -C /rump/mnt -cf - tree | tar -C "$work/logs" -xf -
diff -r "$work/tree" "$work/logs/tree" || die "the tree came back different from tar"
did "tar unpacked a tree there and packed it again, equal; ls shows it"

embedded python3 -S - <<'END'
import os
with open("/rump/mnt/python", "w") as f:
    f.write("written by python\n")
os.rename("/rump/mnt/python", "/rump/mnt/renamed")
assert open("/rump/mnt/renamed").read() == "written by python\n"
assert "renamed" in os.listdir("/rump/mnt") and os.stat("/rump/mnt/renamed").st_size == 18
END
did "python3 wrote, renamed, read and listed"

cat >"$work/script" <<'END'
set -e
cd /rump/mnt
mkdir script
for i in 1 2 3 4 5; do
	echo "line $i" >script/file$i
done
cat script/file* | sha256sum >script/sum
ls script | wc -l >count
tar -cf script.tar script
END
"$b/bin/rump" run --mount "$work/disk.img:/mnt" -- sh "$work/script"
sum=$(for i in 1 2 3 4 5; do echo "line $i"; done | sha256sum)
same "$(embedded cat /rump/mnt/script/sum)" "$sum" "what the shell script wrote"
same "$(embedded cat /rump/mnt/count)" 6 "the number of files that the shell script saw"
did "a shell script under 'rump run' used mkdir, cat, ls, tar and sha256sum there"

e2fsck -f -n "$work/disk.img" >"$work/fsck" 2>&1 || { cat "$work/fsck" >&2; die "e2fsck finds errors"; }
did "e2fsck finds the image clean"

echo
echo "== all of it worked, as user $(id -un), with the programs of ${PRETTY_NAME:-$(. /etc/os-release; echo "$PRETTY_NAME")}:$summary"
