# SPDX-License-Identifier: BSD-2-Clause
#
# rump: its table of sub-commands (help, errors, completion), and those that look at servers.

. "$(atf_get_srcdir)/../env.sh"
rump=$B/tools/rump
url=unix://$PWD/s
usage="-s exit:2 -e"

commands() {
	$rump --complete '' | grep -x '[a-z]*' | grep -vx help
}

test_case help 'each sub-command has help with usage, options and an example'
help_body() {
	atf_check -o match:'^usage: rump COMMAND' $rump --help
	atf_check -o match:'^usage: rump COMMAND' $rump help
	for c in $(commands); do
		atf_check -o match:"^  $c +[a-z]" $rump -h
		atf_check -o match:"^usage: rump $c" -o match:"^example: .*rump $c" $rump "$c" --help
		atf_check -o match:"^usage: rump $c" $rump help "$c"
		# what an option is for begins in one column
		atf_check_equal 0 "$($rump "$c" --help | grep '^  ' | grep -cvE '^  .{25}[^ ]|^  [^ ].{24,}$')"
	done
	atf_check test "$(commands | wc -l)" -ge 17
}

test_case wrong 'what is wrong is quoted in one line, and the status is 2'
wrong_body() {
	for c in $(commands); do
		# run and exec have programs behind their options; of all the others this is the last word
		atf_check $usage match:"^rump: $c: --bogus: not an option; see rump $c --help\$" $rump "$c" --bogus
	done
	atf_check $usage inline:'rump: dance: no such command; rump --help lists them\n' $rump dance
	atf_check $usage inline:'rump: dance: no such command; rump --help lists them\n' $rump help dance
	atf_check $usage match:'^rump: ls: -x: not an option' $rump ls -lx a.img:/
	atf_check $usage match:'^rump: doctor: now: one operand too many' $rump doctor now
	atf_check $usage match:'^rump: if: dance: add SPEC, del NAME or list is wanted' $rump if dance
	atf_check $usage match:'^rump: if: --server: its value is missing' $rump if --server
	atf_check $usage match:'^rump: topo: dance: up, exec, down or run is wanted' $rump topo dance f
	atf_check $usage match:'^rump: topo: -o: its value is missing' $rump topo run -o
	atf_check $usage match:'^rump: log: the URL of a server is wanted, or RUMP_SERVER' $rump log
	atf_check $usage match:'^rump: log: x: the URL of a server is wanted' $rump log x
	atf_check $usage match:'^rump: trace: x: neither the URL .* nor the id of a process' $rump trace x
	atf_check $usage match:'^rump: trace: 0: neither' $rump trace "$url" 0
	atf_check $usage match:'^rump: sysctl: .*NAME.* is wanted' $rump sysctl "$url"
	atf_check $usage match:'^rump: sysctl: net.x: the URL of a server is wanted' $rump sysctl net.x
	atf_check $usage match:'^rump: relay: --psk: its value is missing' $rump relay --psk
	for c in log trace 'sysctl net.ipv4.ip_forward' ps; do
		# shellcheck disable=SC2086
		atf_check -s exit:1 -e match:'no rump_server is there' env RUMP_SERVER="$url" $rump $c
	done
}

# What bash offers for a line that the cursor is at the end of, sorted.
complete() {
	env PATH="$B/tools:$PATH" bash --norc --noprofile -c '
		. "$1"
		COMP_LINE=$2 COMP_POINT=${#2}
		# as readline takes it apart
		read -ra COMP_WORDS <<<"${2//:/ : }"
		[[ $2 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_rump
		printf "%s\n" "${COMPREPLY[@]}"' _ "$TOP/tools/rump.bash" "$1" | sort | tr '\n' ' '
}

test_case completion 'bash completes commands, options, values, files and URLs of servers'
completion_body() {
	command -v bash >/dev/null || atf_skip "there is no bash"
	mkdir sub
	touch disk.img
	atf_check_equal "$(complete 'rump ru')" 'run '
	atf_check_equal "$(complete 'rump t')" 'topo trace '
	atf_check_equal "$(complete 'rump help sy')" 'sysctl '
	atf_check_equal "$(complete 'rump run --m')" '--mem --mount '
	atf_check_equal "$(complete 'rump run --static ')" 'host refuse trap '
	atf_check_equal "$(complete 'rump run --path ./s')" './sub '
	atf_check_equal "$(complete 'rump ls -l dis')" 'disk.img '
	atf_check_equal "$(complete 'rump topo ')" 'down exec run up '
	atf_check_equal "$(complete 'rump topo up dis')" 'disk.img '
	atf_check_equal "$(complete 'rump if ')" 'add del list '
	case " $(complete 'rump run --net -- ech') " in
	*" echo "*) ;;
	*) atf_fail "no program is offered: $(complete 'rump run --net -- ech')" ;;
	esac
	atf_check_equal "$(complete 'rump nothing x')" ' '
	atf_check "$B/server/rump_server" "$url"
	atf_check_equal "$(complete "rump ps unix:$PWD" | grep -c "$PWD")" 0
	for line in "rump ps $url" "rump log -f ${url%s}" "rump run --server $url" "rump trace $url"; do
		# bash has but what follows the last colon
		atf_check_equal "$(complete "$line")" "//$PWD/s "
	done
}

test_case servers 'rump ps finds the servers of this user, and names them by their URLs'
servers_body() {
	# a relative name
	atf_check "$B/server/rump_server" unix://s
	atf_check -o match:" rump_server +$url\$" $rump ps
	atf_check -o match:" rump_server +unix://@rump-test-$$\$" sh -c "
	    $B/server/rump_server unix://@rump-test-$$ && $rump ps; $rump halt unix://@rump-test-$$"
	# that of an embedded kernel: its keeper, when the program has a child
	atf_check -o match:' rump_keeper +unix://' $rump run --embedded -- \
	    sh -c "exec 3</rump/proc/version; $rump ps -a"
	# Used by a program that is on another kernel.
	atf_check -o match:'^Linux ' $rump run -- $rump ps "$url"
	atf_check $rump halt "$url"
	atf_check -o not-match:"$url" $rump ps
}

test_case log 'rump log prints the messages of the kernel, and follows them to its end'
log_body() {
	atf_check "$B/server/rump_server" --trust-clients "$url"
	atf_check -o match:'^\[ +[0-9]+\.[0-9]{6}\] Linux version 6' -o match:'Run /init as init process' $rump log "$url"
	RUMP_SERVER=$url $rump log --follow >out 2>err & pid=$!
	while ! grep -q 'Run /init' out; do sleep 0.05; done
	atf_check $rump exec "$url" -- sh -c 'echo "<3>a message" >/rump/dev/kmsg'
	while ! grep -q '\] a message$' out; do sleep 0.05; done
	atf_check $rump halt "$url"
	wait $pid || atf_fail "status $?"
	atf_check -o inline:"rump: $url: the server has ended\n" cat err
}

test_case sysctl 'rump sysctl reads and sets parameters'
sysctl_body() {
	export RUMP_SERVER="$url"
	atf_check "$B/server/rump_server" "$url"
	atf_check -o inline:'net.ipv4.ip_forward = 0\nkernel.ostype = Linux\n' \
	    $rump sysctl "$url" net.ipv4.ip_forward kernel.ostype
	atf_check $rump sysctl -w net.ipv4.ip_forward=1
	atf_check -o inline:'1\n' $rump sysctl -n net/ipv4/ip_forward
	atf_check $rump sysctl -s "$url" net.ipv4.ip_local_port_range='2000 3000'
	atf_check -o inline:'net.ipv4.ip_local_port_range = 2000\t3000\n' $rump sysctl net.ipv4.ip_local_port_range
	atf_check $usage match:'^rump: sysctl: -w net.x: NAME=VALUE is wanted' $rump sysctl -w net.x
	atf_check $usage match:'^rump: sysctl: "../x": not the name of a parameter' $rump sysctl ../x
	atf_check -s exit:1 -e inline:'rump: sysctl: net.x: the kernel has no such parameter\n' $rump sysctl net.x
	atf_check -s exit:1 -e inline:'rump: sysctl: net.ipv4: a group of parameters, not one\n' $rump sysctl net.ipv4
	atf_check -s exit:1 -e match:'net.ipv4.ip_forward=x: the kernel does not accept this value' \
	    $rump sysctl net.ipv4.ip_forward=x
	atf_check -s exit:1 -e match:'kernel.hostname=x: clients cannot set it' $rump sysctl kernel.hostname=x
	atf_check $rump halt "$url"
	atf_check "$B/server/rump_server" --trust-clients "$url"
	atf_check $rump sysctl kernel.hostname=x
	atf_check -o inline:'x\n' $rump sysctl -n kernel.hostname
}

test_case doctor 'rump doctor looks at the host, and runs a kernel'
doctor_body() {
	atf_check -o match:'^(ok|less) +io_uring ' -o match:'^ok +memfd ' -o match:'^(ok|less) +tap ' \
	    -o match:'^ok +KVM +not needed' -o match:'^ok +a rump kernel +Linux 6\..* ms$' \
	    -o match:'^(all is well|rump kernels run here, with [0-9]+ limitations?)$' $rump doctor
	# what is missing is said, with what helps
	mkdir bin
	ln -s "$(command -v cat)" bin/cat
	atf_check -o match:'^less +passt .*apt install passt$' -o match:'^rump kernels run here, with [0-9]+ lim' \
	    env PATH="$PWD/bin" "$rump" doctor
	atf_check -o match:'^less +descriptors +at most 1000' sh -c "ulimit -n 1000; $rump doctor"
}

test_case colours 'colours are for terminals, and not without NO_COLOR'
colours_body() {
	terminal="python3 $TOP/tests/tools/terminal.py show"
	esc=$(printf '\033')
	atf_check -o match:"^$esc\\[[0-9]+m(ok|less) *$esc\\[0m " env -u NO_COLOR $terminal $rump doctor
	atf_check -o not-match:"$esc" env NO_COLOR=1 $terminal $rump doctor
	atf_check -o not-match:"$esc" env -u NO_COLOR TERM=xterm $rump doctor
}

atf_init_test_cases() {
	for t in help wrong completion servers log sysctl doctor colours; do
		atf_add_test_case $t
	done
}
