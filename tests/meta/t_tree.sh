# SPDX-License-Identifier: BSD-2-Clause
#
# What holds for the source tree as a whole.

atf_test_case spdx
spdx_head() { atf_set descr "each file says its licence: kernel/ GPL-2.0-only, the rest BSD-2-Clause"; }
spdx_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	# Prose and data have no comment syntax of their own.
	git -C "$TOP" ls-files -co --exclude-standard | while read -r f; do
		[ -f "$TOP/$f" ] || continue
		case $f in
		*LICENSE | *.md | .gitignore | debian/changelog | debian/copyright | debian/source/* | *.tsv | *.svg | *.map | *_defconfig | *.png) continue ;;
		tests/*/data/* | tests/LESSONS) continue ;;
		kernel/*) want=GPL-2.0-only ;;
		*) want=BSD-2-Clause ;;
		esac
		head -n 3 "$TOP/$f" | grep -q "SPDX-License-Identifier: $want\( WITH Linux-syscall-note\)\?\( \*/\|\"\)\?\$" ||
			echo "$f: no 'SPDX-License-Identifier: $want' in its first three lines"
	done >bad
	[ ! -s bad ] || { cat bad; atf_fail "$(wc -l <bad) files without the right licence line"; }
}

atf_test_case second_make
second_make_head() { atf_set descr "make has nothing to do after make"; }
second_make_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	cd "$TOP" || atf_fail "$TOP: cannot go there"
	KDEBUG=; case $B in */kdebug*) KDEBUG=1 ;; esac
	SANITIZE=; case $B in *address*|*thread*) SANITIZE=$(basename "$B" | tr - ,) ;; esac
	env -u MAKEFLAGS -u MAKELEVEL make -q KDEBUG=$KDEBUG SANITIZE=$SANITIZE all || {
		env -u MAKEFLAGS -u MAKELEVEL make -n KDEBUG=$KDEBUG SANITIZE=$SANITIZE all | head -n 20
		atf_fail "make -q: something is to be made again"
	}
}

atf_test_case fragments
fragments_head() { atf_set descr "each tests/DIR/t_* is declared in its Makefile.inc, so that it runs"; }
fragments_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	for t in "$TOP"/tests/*/t_*.c "$TOP"/tests/*/t_*.sh; do
		[ -e "$t" ] || continue
		dir=$(basename "$(dirname "$t")")
		name=$(basename "${t%.*}")
		grep -q "\"$name[\".]" "$B/tests/$dir/Kyuafile" || {
			echo "tests/$dir/$name is not in the Kyuafile of its directory"
			atf_fail "a test that never runs"
		}
	done
}

atf_test_case lessons
lessons_head() { atf_set descr "tests/LESSONS: all 98 are there, and each test that it names exists"; }
lessons_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	awk -F '\t' '!/^#/ && NF { if ($1 != ++n) { print "line " NR ": number " $1 ", " n " is due"; bad = 1 }
		if (NF != 3 || ($2 != "test" && $2 != "reason") || $3 == "") {
			print "line " NR ": want NUMBER<tab>test|reason<tab>TEXT"; bad = 1 } }
		END { if (n < 98) { print "only " n + 0 " of 98 entries"; bad = 1 } exit bad }' \
	    "$TOP/tests/LESSONS" || atf_fail "tests/LESSONS is not in order"
	# A test is DIR/PROGRAM:CASE.
	awk -F '\t' '!/^#/ && $2 == "test" { n = split($3, t, " "); for (i = 1; i <= n; i++) print $1, t[i] }' \
	    "$TOP/tests/LESSONS" | while read -r nr t; do
		prog=$B/tests/${t%%:*}
		if [ ! -x "$prog" ]; then
			echo "$nr: $t: there is no such test program"
		elif ! "$prog" -s "$(dirname "$prog")" -l 2>/dev/null | grep -qx "ident: ${t##*:}"; then
			echo "$nr: $t: there is no such test case"
		fi
	done >bad
	[ ! -s bad ] || { cat bad; atf_fail "tests/LESSONS names tests that do not exist"; }
}

atf_init_test_cases()
{
	atf_add_test_case spdx
	atf_add_test_case second_make
	atf_add_test_case fragments
	atf_add_test_case lessons
}
