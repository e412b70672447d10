#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-memory, for a guest under QEMU with a slice of `bypass serve`.
#
# timeout: 1200

way=qemu
rounds=2000 # each is slower here
. "${0%/*}/rdma-memory.sh"
