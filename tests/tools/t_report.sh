# SPDX-License-Identifier: BSD-2-Clause
#
# bench/report.py: pictures of figures, and those of another system beside them.

results()
{
	cat >"$1" <<-END
	{"machine": {"cores": 4, "cpu": "A & B <x>", "kernel": "6", "memory_mb": 100, "date": "$2"}, "rows": [
	{"name": "call", "unit": "ns", "better": "lower", "ours": $3, "reference": 100, "ratio": 0.2,
	 "target": 0.33, "values": [19, 20, 25]},
	{"name": "boot", "unit": "ms", "better": "lower", "ours": 9, "reference": null, "ratio": null, "target": 8},
	{"name": "app_x", "unit": "1/s", "better": "higher", "ours": 150, "reference": 100, "ratio": 1.5, "target": 1.2},
	{"name": "app_x_remote", "unit": "1/s", "better": "higher", "ours": 70, "reference": 100, "ratio": 0.7},
	{"name": "none", "unit": "s", "better": "lower", "ours": null}
	]}
	END
}

atf_test_case plot
plot_head()
{
	atf_set descr "pictures are SVG, one mark a row"
	atf_set require.progs python3
}
plot_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	results r 2026-01-01 20
	atf_check -o inline:'./ratios.svg\n./figures.svg\n./apps.svg\n' "$TOP/bench/report.py" plot r .
	for f in ratios figures apps; do
		atf_check python3 -c "import sys, xml.dom.minidom; xml.dom.minidom.parse('$f.svg')"
	done
	atf_check_equal 3 "$(grep -c '<circle' ratios.svg)"
	atf_check_equal 1 "$(grep -c '<circle' figures.svg)"
	atf_check_equal 3 "$(grep -c '<rect' apps.svg)"
	grep -q 'A &amp; B &lt;x&gt;' ratios.svg || atf_fail "text is not quoted"
}

atf_test_case compare
compare_head()
{
	atf_set descr "another system's figures beside ours"
	atf_set require.progs python3
}
compare_body()
{
	. "$(atf_get_srcdir)/../env.sh"
	results r 2026-01-01 20
	echo '{"rows": [{"name": "call", "ours": 40}, {"name": "boot", "unit": "s", "ours": 1}]}' >other
	atf_check -o match:'^call +ns +20 +40 +2$' -o not-match:'^boot +' -o match:'^only ours: boot app_x' \
	    -o match:'different machines' "$TOP/bench/report.py" compare r other .
	echo '{"rows": [{"name": "no", "ours": 40}]}' >other
	atf_check -s exit:1 -o ignore -e match:'other: no row of ours' "$TOP/bench/report.py" compare r other .
	echo '[]' >other
	atf_check -s exit:1 -o ignore -e match:'other: wanted is' "$TOP/bench/report.py" compare r other .
	atf_check -s exit:1 -o ignore -e match:'which file' "$TOP/bench/report.py" compare r '' .
	atf_check -s exit:1 -o ignore -e match:'nothere: .*No such file' "$TOP/bench/report.py" compare r nothere .
}

atf_init_test_cases()
{
	atf_add_test_case plot
	atf_add_test_case compare
}
