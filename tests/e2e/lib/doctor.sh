# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# What scenarios of the doctor share. Sourced after checks.sh.

# Verdict on ABOUT: ok, warn, fail; empty when it was not looked at.
verdict() { # ABOUT DOCTOR-ARGUMENT...
	local about=$1
	shift
	{ bypass doctor --json "$@" || true; } |
		jq -r --arg about "$about" '.findings[] | select(.about == $about).verdict'
}

# The command that doctor prints for ABOUT.
remedy() { # ABOUT DOCTOR-ARGUMENT...
	local about=$1
	shift
	{ bypass doctor --json "$@" || true; } |
		jq -r --arg about "$about" '.findings[] | select(.about == $about).command // empty'
}

# Fails, says why, and its fix, run as it is printed, works.
finds() { # ABOUT PATTERN DOCTOR-ARGUMENT...
	local about=$1 pattern=$2
	shift 2
	check_error "$about: doctor names it" "$pattern" bypass doctor "$@"
	[ "$(verdict "$about" "$@")" = fail ] || fail "$about: verdict $(verdict "$about" "$@")"
}

# Links take a moment to come up, processes to go.
fixed() { [ "$(verdict "$@")" != fail ]; }

fixes() { # ABOUT DOCTOR-ARGUMENT...
	local about=$1 command
	shift
	command=$(remedy "$about" "$@")
	[ -n "$command" ] || fail "$about: no command"
	bash -c "$command" >/dev/null || fail "$about: '$command' fails"
	wait_for 20 fixed "$about" "$@" || fail "$about: '$command' does not fix it"
	echo "ok: $about: fixed by '$command'"
}
