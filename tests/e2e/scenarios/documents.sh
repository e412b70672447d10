#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# No command, option or public function without its page; no option without its completion. The
# command itself says which options it takes: to it every one begins like '--='.

. "${0%/*}/../lib/checks.sh"

man=/usr/local/share/man
completion=/usr/local/share/bash-completion/completions/bypass

commands=$(bypass --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
[ "$(wc -w <<<"$commands")" -ge 8 ] || fail "only these commands: $commands"

options_of() { # COMMAND
	{ bypass "$1" --= 2>&1 || true; } | grep -o "'--[a-z-]*'" | tr -d "'" | sort
}

# The text of a page, without the marks of its source.
page() { # SECTION NAME
	[ -f "$man/man$1/$2.$1" ] || fail "there is no page $2($1)" >&2
	sed 's/\\-/-/g; s/\\f[A-Z]//g' "$man/man$1/$2.$1"
}

for command in $commands; do
	text=$(page 1 "bypass-$command")
	options=$(options_of "$command")
	[ "$(wc -w <<<"$options")" -ge 3 ] || fail "$command: only these options: $options"
	for option in $options; do
		grep -qe "$option\b" <<<"$text" || fail "$option is not in bypass-$command(1)"
		case $option in
		--json) ;; # not where it has no sense
		*) grep -qe "$option\b" <<<"$(bypass "$command" --help)" ||
			[[ $command$option =~ (list|doctor|status|top)--verbose ]] ||
			fail "$option is not in bypass $command --help" ;;
		esac
	done
	grep -q "^\.BR bypass-$command (1)" <<<"$(page 1 bypass)" || fail "bypass(1) lacks $command"
done
echo "ok: each command and option has its page"
page 7 bypass >/dev/null

complete_after() { # WORD...
	# shellcheck disable=SC2016 # for that shell
	bash -c '. "$0"; COMP_WORDS=(bypass "$@" --); COMP_CWORD=$(($# + 1)); _bypass
		printf "%s\n" "${COMPREPLY[@]}"' "$completion" "$@" | sort
}
for command in $commands; do
	diff <(options_of "$command") <(complete_after "$command") ||
		fail "completion after $command"
done
first=$(bash -c '. "$0"; COMP_WORDS=(bypass ""); COMP_CWORD=1; _bypass
	printf "%s\n" "${COMPREPLY[@]}"' $completion | grep -v ^-- | sort | xargs)
[ "$first" = "$(sort <<<"$commands" | xargs)" ] || fail "completion knows the commands $first"
addresses=$(bash -c '. "$0"; COMP_WORDS=(bypass carve ""); COMP_CWORD=2; _bypass
	printf "%s\n" "${COMPREPLY[@]}"' $completion)
diff <(bypass list --json | jq -r '.functions[].address') - <<<"$addresses" ||
	fail "completion of addresses"
echo "ok: completion knows commands, options and addresses"

for library in libbypass vmm-glue; do
	file=/usr/local/lib/lib${library#lib}.so
	text=$(page 3 $library)
	functions=$(nm -D --defined-only "$file" | sed -n 's/.* T \(bypass_[a-z0-9_]*\).*/\1/p')
	[ "$(wc -w <<<"$functions")" -ge 5 ] || fail "only these functions in $file: $functions"
	for function in $functions; do
		grep -q "\b$function\b" <<<"$text" || fail "$function is not in $library(3)"
	done
	echo "ok: all $(wc -w <<<"$functions") functions of $library have their page"
done
