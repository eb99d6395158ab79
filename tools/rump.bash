# SPDX-License-Identifier: BSD-2-Clause
#
# Completion of rump(1) for bash: rump itself says what a word could be, out of the table
# that its sub-commands are in.

_rump()
{
	local words word line reply=() prefix

	# As the user has typed it: bash takes unix://x apart at its colons.
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} != *[[:blank:]] ]] || words+=('')
	word=${words[-1]}
	while read -r line; do
		case $line in
		@file)	compopt -o filenames 2>/dev/null
			mapfile -t -O ${#reply[@]} reply < <(compgen -f -- "$word") ;;
		@program) mapfile -t -O ${#reply[@]} reply < <(compgen -c -- "$word"; compgen -f -- "$word") ;;
		*)	reply+=("$line") ;;
		esac
	done < <("${words[0]}" --complete "${words[@]:1}" 2>/dev/null)
	# What bash has of the word is only its last part.
	prefix=${word%"${word##*[=:]}"}
	COMPREPLY=("${reply[@]#"$prefix"}")
}
complete -F _rump rump
