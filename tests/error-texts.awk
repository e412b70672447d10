# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Error texts and log lines begin in lower case and have no final period. Reads C sources; prints
# each text that breaks this, and then fails. A first word in capitals is a name: KVM, VFIO, IOVA.

function judge(	first) {
	first = text
	sub(/[ :,'].*/, "", first)
	if (first ~ /^[A-Z]/ && first !~ /^[A-Z][A-Z0-9_]+$/ &&
	    first !~ /^(INTx|P_Key|Q_Key|VFs|BARs|HCAs|MiB|Identify|Linux)$/)
		wrong("begins in upper case")
	if (text ~ /[^.]\.$/)
		wrong("ends in a period")
}

function wrong(how) {
	printf "%s:%d: \"%s\" %s\n", FILENAME, began, text, how
	failures++
}

{
	line = $0
	while (line != "") {
		if (!looking) {
			if (!match(line, /(^|[^a-z_])(bypass_fail|bypass_log|[a-z_]*remark|event_fail)\(/))
				break
			line = substr(line, RSTART + RLENGTH)
			looking = 1
			text = ""
			began = FNR
		}
		if (!inside) {
			# Strings that follow each other are one text; anything else ends the text.
			if (text != "" && line ~ /^[ \t]*[^ \t"]/) {
				judge()
				looking = 0
				continue
			}
			if (text == "" && line ~ /^[^"]*;/) {
				looking = 0
				continue
			}
			if (!match(line, /"/))
				break
			line = substr(line, RSTART + 1)
			inside = 1
		}
		match(line, /^([^"\\]|\\.)*/)
		text = text substr(line, 1, RLENGTH)
		line = substr(line, RLENGTH + 2)
		inside = 0
	}
}

END { exit failures > 0 }
