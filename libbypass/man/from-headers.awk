# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Turns the kernel-doc of public headers into the body of a manual page, so that no function
# can lack its page and no page can say something else than its header.
#
# awk -f from-headers.awk HEADER... : a section for each header, a subsection for each item.

function escape(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	sub(/^[.']/, "\\\\\\&&", text)
	return text
}

# Words as a header marks them: @argument, function(), %CONSTANT.
function mark(text) {
	text = escape(text)
	while (match(text, /@[a-z_0-9]+/))
		text = substr(text, 1, RSTART - 1) "\\fI" substr(text, RSTART + 1, RLENGTH - 1) \
			"\\fP" substr(text, RSTART + RLENGTH)
	while (match(text, /[a-z_0-9]+\(\)/) && substr(text, RSTART - 1, 1) != "B")
		text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART, RLENGTH - 2) \
			"\\fP\\|()" substr(text, RSTART + RLENGTH)
	return text
}

function begin_header(   name) {
	name = FILENAME
	sub(/.*\/include\//, "", name)
	printf ".SH \"<%s>\"\n", name
	state = "file"
	seen_intro = 0
}

# The item's text is complete, and so is its declaration.
function print_item(   i, line, where, blank) {
	line = doc[1]
	sub(/^(struct|enum) /, "", line)
	printf ".SS \"%s\"\n", escape(doc[1])
	printf ".nf\n.ft CW\n"
	for (i = 1; i <= declared; i++)
		printf "%s\n", escape(declaration[i])
	printf ".ft P\n.fi\n"
	where = "text"
	blank = 1
	for (i = 2; i <= lines; i++) {
		line = doc[i]
		if (line == "") {
			blank = 1
			continue
		}
		if (match(line, /^@[A-Za-z_0-9]+:/)) {
			printf ".TP\n.I %s\n", escape(substr(line, 2, RLENGTH - 2))
			line = substr(line, RLENGTH + 1)
			where = "argument"
		} else if (line ~ /^Return: /) {
			printf ".PP\n.B Returns\n"
			line = substr(line, 9)
			where = "text"
		} else if (blank) {
			printf ".PP\n"
			where = "text"
		}
		blank = 0
		sub(/^[ \t]+/, "", line)
		if (line != "")
			printf "%s\n", mark(line)
	}
}

FNR == 1 { begin_header() }

# The first plain comment after the licence line introduces the header.
state == "file" && /^\/\*$/ && !seen_intro { state = "intro"; seen_intro = 1; next }
state == "intro" {
	if (/^ \*\/$/) {
		state = "file"
		next
	}
	sub(/^ \*[ ]?/, "")
	print $0 == "" ? ".PP" : mark($0)
	next
}

/^\/\*\*/ {
	state = "doc"
	lines = declared = 0
	if (/\*\/$/) {
		sub(/^\/\*\* */, "")
		sub(/ *\*\/$/, "")
		doc[++lines] = $0
		state = "declaration"
	}
	next
}
state == "doc" {
	if (/^ \*\/$/) {
		state = "declaration"
		next
	}
	sub(/^ \*[ ]?/, "")
	doc[++lines] = $0
	next
}
state == "declaration" {
	declaration[++declared] = $0
	in_body = in_body || /{$/
	if ((in_body ? /^}/ : /;$/) || /^#define/) {
		print_item()
		state = "file"
		in_body = 0
	}
}
