// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Why the kernel does not pin memory: RLIMIT_MEMLOCK, what this process has locked already,
 * and whether the limit binds this process at all.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>

#include <bypass/error.h>

#include "memlock.h"

/* Bytes that count against the limit now, and whether CAP_IPC_LOCK lifts it. */
static void memlock_now(uint64_t *locked, bool *unbound)
{
	unsigned long long value;
	char line[256];
	FILE *f;

	*locked = 0;
	*unbound = false;
	f = fopen("/proc/self/status", "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmLck: %llu kB", &value) == 1)
			*locked = value * 1024;
		else if (sscanf(line, "CapEff: %llx", &value) == 1)
			*unbound = value >> CAP_IPC_LOCK & 1;
	}
	fclose(f);
}

int memlock_fail(uint64_t bytes)
{
	unsigned long long limit, need;
	struct rlimit rlimit;
	uint64_t locked;
	bool unbound;

	memlock_now(&locked, &unbound);
	need = locked + bytes;
	if (getrlimit(RLIMIT_MEMLOCK, &rlimit) || rlimit.rlim_cur == RLIM_INFINITY)
		unbound = true;
	limit = rlimit.rlim_cur;
	if (unbound || need <= limit)
		return bypass_fail(ENOMEM,
				   "the host has not enough free memory to pin %llu KiB for DMA. "
				   "See what takes it with 'free -m', or give the guest less",
				   (unsigned long long)bytes >> 10);
	return bypass_fail(ENOMEM,
			   "the limit on locked memory is too low to pin %llu KiB for DMA: it is "
			   "%llu KiB, of which %llu KiB are taken, and %llu KiB are needed. Raise "
			   "it in the shell that starts this program with 'sudo prlimit --pid $$ "
			   "--memlock=%llu', or lastingly with LimitMEMLOCK= of its systemd unit "
			   "or a memlock line in /etc/security/limits.conf",
			   (unsigned long long)bytes >> 10, limit >> 10,
			   (unsigned long long)locked >> 10, need >> 10, need);
}
