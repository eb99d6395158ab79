# SPDX-License-Identifier: BSD-2-Clause
#
# Manual pages: each program, library, function and option has one, and it is in order.

pages() { (cd "$TOP" && git ls-files -co --exclude-standard | grep '\.[1-8]$' | grep -v '^debian/'); }

# The text of a page, without overstrikes.
text() { mandoc -T ascii "$TOP/$1" | sed 's/.\x08//g'; }

atf_test_case lint
lint_head()
{
	atf_set descr "mandoc has nothing to say of any page"
	atf_set require.progs mandoc
}
lint_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	cd "$TOP" || atf_fail "$TOP: cannot go there"
	[ "$(pages | wc -l)" -ge 14 ] || atf_fail "where are the pages? $(pages)"
	atf_check mandoc -T lint -W warning $(pages)
}

atf_test_case references
references_head() { atf_set descr "what a page says to see also is there, if it is ours"; }
references_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	pages | sed 's|.*/||' | sort >have
	for p in $(pages); do
		sed -n 's/^\.Xr \(\(rump\|ukfs\)[a-z_]*\) \([1-8]\).*/\1.\3/p' "$TOP/$p" | sort -u |
			comm -23 - have | sed "s|^|$p refers to |"
	done >bad
	[ ! -s bad ] || { cat bad; atf_fail "pages that are not there"; }
}

atf_test_case objects
objects_head() { atf_set descr "each program and each library has a page"; }
objects_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	pages | sed 's|.*/||' >have
	for f in "$B"/bin/* "$B"/lib/*.so; do
		name=$(basename "${f%.so}")
		case $f in
		*.so) page=${name#lib}.3 ;;
		*) page=$name.1 ;;
		esac
		grep -qx "$page" have || atf_fail "$name has no page $page"
	done
}

atf_test_case functions
functions_head() { atf_set descr "each function that a public header declares is in the page of that name"; }
functions_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	for h in "$TOP"/include/rump/*.h; do
		name=$(basename "$h" .h)
		# Comments go, macros stay unexpanded; types of functions have no name of ours before "(".
		gcc -fpreprocessed -dD -E -P "$h" | grep -v '^#' | grep -o '\<\(rump\|ukfs\)[a-z]*_[a-z0-9_]* *(' |
			tr -d ' (' | sort -u >functions
		[ -s functions ] || continue
		page=$(pages | grep "/$name\.3\$") || atf_fail "$name.h declares functions, and there is no $name.3"
		while read -r f; do
			grep -q "^\.F[no] $f\>" "$TOP/$page" || echo "$page: $f is missing"
		done <functions
		wc -l <functions >>count
	done >bad
	[ ! -s bad ] || { cat bad; atf_fail "functions without a page"; }
	[ "$(awk '{ n += $1 } END { print n }' count)" -gt 100 ] || atf_fail "only $(cat count) functions were found"
}

atf_test_case options
options_head()
{
	atf_set descr "each option and sub-command that --help tells of is in the page"
	atf_set require.progs mandoc
}
options_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	for p in $(pages); do
		text "$p" >"$(basename "$p").txt"
	done
	case $B in *address* | *thread*) atf_skip "the same as without sanitizers" ;; esac
	"$B/bin/rump" --help >help || atf_fail "rump --help: status $?"
	"$B/bin/rump" --complete '' | grep -x '[a-z]*' | grep -vx help | sort -u >commands
	[ "$(wc -l <commands)" -ge 10 ] || { cat help; atf_fail "rump --help: where are the sub-commands?"; }
	while read -r c; do
		grep -q "rump $c\>" rump.1.txt || echo "rump $c is not in rump.1"
		"$B/bin/rump" "$c" --help </dev/null >"help.rump.$c" 2>/dev/null || rm "help.rump.$c"
	done <commands >bad
	cp help help.rump.-
	"$B/bin/rump_server" --help >help.rump_server. 2>/dev/null || rm help.rump_server.
	for h in help.*; do
		program=${h#help.} program=${program%%.*} sub=${h##*.}
		cat "$program.1.txt" "rump_$sub".?.txt >page 2>/dev/null
		grep -o -e '\(^\|[^-a-z]\)--\?[a-z][a-z-]*' "$h" | grep -o -e '-.*' | sort -u | while read -r o; do
			# -alR is several.
			case $o in
			--help | -h | -help) continue ;;
			--*) words=$o ;;
			*) words=$(echo "${o#-}" | sed 's/./-& /g') ;;
			esac
			grep -q -e "$o" page && continue
			for w in $words; do
				grep -q -e "[^-a-z]$w\>" page || echo "$program $sub: $w is not in its page"
			done
		done
	done >>bad
	[ ! -s bad ] || { cat bad; atf_fail "options that no page has"; }
}

atf_init_test_cases()
{
	atf_add_test_case lint
	atf_add_test_case references
	atf_add_test_case objects
	atf_add_test_case functions
	atf_add_test_case options
}
