# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Judges what tests/layers has gathered, a fact a line:
#   layer FOLDER HEADER... FOLDER...   the highest first
#   file FILE
#   include FILE NAME                  NAME as FILE writes it
#   defines OBJECT SYMBOL, needs OBJECT SYMBOL

function base(file) {
	sub(/.*\//, "", file)
	return file
}

function parent(file) {
	sub(/\/[^\/]*$/, "", file)
	return file
}

function folder_of(file) {
	return file ~ /\/include\/bypass\/[^\/]*$/ ? header_folder[base(file)] : parent(file)
}

function wrong(text) {
	print text
	failures++
}

function source_of(object) {
	sub(/\.o$/, "", object)
	return object in is_file ? object : (object ".c" in is_file ? object ".c" : object ".S")
}

# The file of the project that an include names; empty when the system has it.
function included(file, name,	path, i) {
	path = parent(file) "/" name
	while (sub(/[^\/]+\/\.\.\//, "", path))
		;
	if (path in is_file)
		return path
	for (i = 1; i <= include_folders; i++)
		if (include_folder[i] "/" name in is_file)
			return include_folder[i] "/" name
	return ""
}

# The file that a linker takes a symbol from: one of the same program, or else of a library. A
# guest's image lies in a folder below its program and shares files with the program.
function definer(file, symbol,	n, list, i) {
	n = split(definers[symbol], list, " ")
	for (i = 1; i <= n; i++)
		if (parent(list[i]) == parent(file))
			return list[i]
	for (i = 1; i <= n; i++)
		if (list[i] ~ /^(libbypass|vmm-glue)\// && list[i] !~ /\/tool\//)
			return list[i]
	for (i = 1; i <= n; i++)
		if (parent(list[i]) == parent(parent(file)))
			return list[i]
	return ""
}

# FROM uses TO. A use inside a folder is kept, for the search for circles.
function use(from, to, how,	a, b) {
	if (to == "" || from == to || (from, to) in reason)
		return
	reason[from, to] = how
	a = folder_of(from)
	b = folder_of(to)
	if (a == b)
		used_by[from] = used_by[from] " " to
	else if (a in layer && b in layer && layer[a] >= layer[b])
		wrong(from " uses " to " (" how "), but " b " is not below " a)
}

# Prints the shortest way of uses from START back to START, unless another start has given it.
function look_for_circle(start,	queue, head, tail, came, node, n, list, i, path, count, first, text) {
	queue[tail++] = start
	came[start] = ""
	for (head = 0; head < tail && !count; head++) {
		node = queue[head]
		n = split(used_by[node], list, " ")
		for (i = 1; i <= n && !count; i++) {
			if (list[i] == start)
				for (; node != ""; node = came[node])
					path[count++] = node
			else if (!(list[i] in came)) {
				came[list[i]] = node
				queue[tail++] = list[i]
			}
		}
	}
	if (!count)
		return
	# `path` runs against the uses. The text begins with the first name of the alphabet.
	for (i = first = 0; i < count; i++)
		if (path[i] < path[first])
			first = i
	text = path[first]
	for (i = 1; i <= count; i++) {
		node = path[(first - i + count) % count]
		text = text " -> " base(node) " (" reason[path[(first - i + 1 + count) % count], node] ")"
	}
	if (!(text in printed))
		wrong("a circle: " text)
	printed[text] = 1
}

BEGIN {
	include_folders = split("libbypass/include vmm-glue/include guest-driver", include_folder, " ")
}
$1 == "layer" {
	layers++
	for (i = 2; i <= NF; i++) {
		if ($i ~ /\.h$/)
			header_folder[$i] = folder
		else
			layer[folder = $i] = layers
	}
}
$1 == "file" {
	is_file[$2] = 1
	files[++file_count] = $2
}
$1 == "include" { use($2, included($2, $3), "include") }
$1 == "defines" {
	file = source_of($2)
	definers[$3] = definers[$3] " " file
}
$1 == "needs" { needs[++need_count] = $2 " " $3 }

END {
	for (i = 1; i <= file_count; i++)
		if (!((folder = folder_of(files[i])) in layer) && !missing[folder]++)
			wrong("docs/architecture.md names no layer for " (folder == "" ? files[i] : folder))
	for (i = 1; i <= need_count; i++) {
		split(needs[i], need, " ")
		file = source_of(need[1])
		use(file, definer(file, need[2]), need[2])
	}
	for (i = 1; i <= file_count; i++)
		look_for_circle(files[i])
	if (!layers || !need_count)
		wrong("tests/layers has found no layers or no calls")
	exit failures > 0
}
