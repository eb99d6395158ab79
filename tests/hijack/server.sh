# SPDX-License-Identifier: BSD-2-Clause
#
# server.sh - for tests with a rump_server at ./sock, read after env.sh.

# serve [OPTION]...: it starts.  $as, where it is set, is who it is started as.
serve() {
	atf_check -o ignore -e ignore ${as:-} "$B/server/rump_server" "$@" "unix://$PWD/sock"
}
# After a case, also one that failed: it ends, if it was there.
halt() {
	[ ! -S sock ] || timeout 60 "$B/tools/rump" halt "unix://$PWD/sock" || :
}
