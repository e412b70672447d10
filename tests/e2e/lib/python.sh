# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# Python for guests: append what make_python makes to a guest's initrd.

# make_python CPIO: Python with the modules that the program on standard input loads, the libraries that they need, and
# what is beside a module in its package.
make_python() {
	local stage
	stage=$(mktemp -d)
	{
		cat
		cat <<-'END'
			import os, sys
			files, folders = {"/usr/bin/python3"}, set()
			for module in list(sys.modules.values()):
			    files.update(getattr(module, name, None) for name in ("__file__", "__cached__"))
			    folders.update(getattr(module, "__path__", []))
			for line in open("/proc/self/maps"):
			    files.update(name.strip() for name in line.split(None, 5)[5:])
			for folder in folders:
			    for place in folder, folder + "/__pycache__":
			        if os.path.isdir(place):
			            files.update(entry.path for entry in os.scandir(place))
			# The loader looks for a library by a name that is a link to the file.
			files.update(entry.path for entry in os.scandir("/usr/lib/x86_64-linux-gnu")
			             if entry.is_symlink() and os.path.realpath(entry.path) in files)
			print(*(name for name in files if name and os.path.isfile(name)), sep="\n")
		END
	} | python3 - >python.files
	xargs cp -d --parents --preserve=timestamps -t "$stage" <python.files
	(cd "$stage" && find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0) >"$1"
	rm -rf "$stage"
}
