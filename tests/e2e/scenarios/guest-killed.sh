#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# kill -9 of the VMM with I/O under way: its VF serves the next guest at once, and release works.
#
# timeout: 300

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

carve_vfs "$nvme" 1

make_guest busy <<'END'
disk=$(namespace 1) || fail "no disk"
echo "guest: writing"
while dd if=/dev/zero of=$disk bs=64k count=512 oflag=direct 2>/dev/null; do :; done
END
make_guest next <<'END'
disk=$(namespace 1) || fail "no disk"
dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null
dd if=/tmp/data of=$disk bs=64k oflag=direct 2>/dev/null || fail write
dd if=$disk of=/tmp/back bs=64k count=128 iflag=direct 2>/dev/null || fail read
cmp /tmp/data /tmp/back || fail "not what was written"
END

start_guest busy --cpus 1 --mem 512M --slice "${vfs[0]}"
wait_printed busy 120 "guest: writing"
sleep 1
check_error "release while it runs" "in use|uses" bypass release "$nvme"
kill -KILL $vmm
wait $vmm || true
run_guest next --mem 512M --slice "${vfs[0]}"

start_guest busy --cpus 1 --mem 512M --slice "${vfs[0]}"
wait_printed busy 120 "guest: writing"
kill -KILL $vmm
wait $vmm || true
check "release after it was killed" bypass release "$nvme"
check "nothing is left" test "$(bypass status)" = "Nothing is carved."
carve_vfs "$nvme" 1
run_guest next --mem 512M --slice "${vfs[0]}"
