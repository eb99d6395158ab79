# SPDX-License-Identifier: BSD-2-Clause
#
# Each public header compiles alone, in C and in C++.

compile()
{
	. "$(atf_get_srcdir)/../env.sh"
	for h in "$TOP"/include/rump/*.h "$B"/include/rump/*.h; do
		[ -e "$h" ] || continue
		echo "#include <rump/${h##*/}>" >"x.$2"
		atf_check -e empty -o empty $1 -Wall -Wextra -Werror \
		    -I"$TOP/include" -I"$B/include" -fsyntax-only "x.$2"
	done
}

atf_test_case c
c_head() { atf_set descr "each public header compiles alone as C"; }
c_body() { compile "gcc -std=c11 -D_GNU_SOURCE" c; }

atf_test_case cxx
cxx_head()
{
	atf_set descr "each public header compiles alone as C++"
	atf_set require.progs g++
}
cxx_body() { compile "g++ -std=c++11" cc; }

atf_init_test_cases()
{
	atf_add_test_case c
	atf_add_test_case cxx
}
