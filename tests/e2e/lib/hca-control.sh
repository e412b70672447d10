# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# What the ConnectX model of the emulated host is told while it runs. See bypass-hca(1), --control.

# control LINE: to the model's control socket, which is a port of this machine
control() {
	local answer
	exec {socket}<>/run/port-hca
	echo "$1" >&"$socket"
	read -r -t 60 answer <&"$socket"
	exec {socket}<&-
	[ "$answer" = ok ] || { echo "$answer" && return 1; }
}
