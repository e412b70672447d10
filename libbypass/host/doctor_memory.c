// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the data path needs of the host's memory: enough of it, the right to lock it, huge pages,
 * and enough mappings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/capability.h>

#include "cgroup.h"
#include "doctor.h"
#include "internal.h"

#define HUGE_POOL     "kernel/mm/hugepages/hugepages-2048kB" /* the pages that guests can have */
#define HUGEPAGE_SIZE (2ull << 20)
#define MAX_MAP_COUNT 262144 /* each run of a guest's registered pages is a mapping */

/* "MemAvailable:  123 kB" of /proc/meminfo, in bytes; 0 when it is not there. */
static uint64_t available_memory(void)
{
	static const char key[] = "MemAvailable:";
	char text[8192], *at;

	if (read_below(host_paths.proc, "meminfo", text, sizeof(text)) <= 0)
		return 0;
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) << 10 : 0;
}

static unsigned long long mib(uint64_t bytes)
{
	return bytes >> 20;
}

/* VFIO counts the pages that it pins, unless the process may lock what it likes. */
static bool may_lock_all(void)
{
	char text[4096], *at;

	if (read_below(host_paths.proc, "self/status", text, sizeof(text)) <= 0)
		return false;
	at = strstr(text, "CapEff:");
	return at && (strtoull(at + 7, NULL, 16) >> CAP_IPC_LOCK & 1);
}

static void check_memlock(struct doctor *doctor)
{
	uint64_t need = doctor->ask->guest_memory;
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (may_lock_all() || limit.rlim_cur == RLIM_INFINITY) {
		finding(doctor, BYPASS_OK, "memlock", "this user may lock any amount of memory");
		return;
	}
	if (need && limit.rlim_cur >= need) {
		finding(doctor, BYPASS_OK, "memlock",
			"this user may lock %llu MiB of memory, a guest of this size needs %llu",
			mib(limit.rlim_cur), mib(need));
		return;
	}
	if (!need)
		need = 1ull << 30;
	fix_by_command(doctor, "prlimit --pid $$ --memlock=%llu:%llu", (unsigned long long)need,
		       (unsigned long long)need);
	finding(doctor, doctor->ask->guest_memory ? BYPASS_FAIL : BYPASS_WARN, "memlock",
		"this user may lock %llu KiB of memory, and all memory of a guest with a function "
		"slice gets locked (%llu MiB%s). For all sessions: a line 'memlock' in "
		"/etc/security/limits.d/; for this shell",
		(unsigned long long)limit.rlim_cur >> 10, mib(need),
		doctor->ask->guest_memory ? "" : ", say");
}

/* What a VMM takes beside the guest's memory: itself, and tables for the CPU and the IOMMU. */
static uint64_t overhead_of(uint64_t guest_memory)
{
	return (32ull << 20) + guest_memory / 256;
}

/*
 * What a group uses moves from one look to the next: the kernel charges each CPU 64 pages at a time
 * (mm/memcontrol.c), and its own objects count too. The advice leaves room for both.
 */
#define CGROUP_ROOM (16ull << 20)

/* The limit, in whole MiB, that leaves @need bytes to a VMM in the group of @limit. */
static uint64_t sufficient_limit(const struct memory_limit *limit, uint64_t need)
{
	uint64_t bytes = limit->limit - limit->left + need + CGROUP_ROOM;

	return (bytes + (1 << 20) - 1) >> 20 << 20;
}

/* Past a control group's limit the kernel kills the VMM, as the guest's memory is locked. */
static bool check_cgroup(struct doctor *doctor)
{
	uint64_t need = doctor->ask->guest_memory;
	struct memory_limit limit;

	need += overhead_of(need);
	if (!cgroup_memory(&limit) || limit.left >= need)
		return true;
	if (is_plain_word(limit.file))
		fix_by_command(doctor, "echo %llu >%s",
			       (unsigned long long)sufficient_limit(&limit, need), limit.file);
	finding(doctor, BYPASS_FAIL, "memory",
		"the control group of this process leaves it %llu MiB (%s says %llu): a VMM with a "
		"guest of this size takes %llu, and the kernel would kill it",
		mib(limit.left), limit.file, mib(limit.limit), mib(need));
	return false;
}

static void check_hugepages(struct doctor *doctor, uint64_t free_pages)
{
	uint64_t pages = (doctor->ask->guest_memory + HUGEPAGE_SIZE - 1) / HUGEPAGE_SIZE;
	uint64_t all = read_number(host_paths.sys, HUGE_POOL "/nr_hugepages");
	char path[128];

	snprintf(path, sizeof(path), "%s/" HUGE_POOL, host_paths.sys);
	if (access(path, F_OK))
		return; /* the CPU or the kernel has none of this size */
	fix_by_command(doctor, "echo %llu >%s/nr_hugepages",
		       (unsigned long long)(all - free_pages + pages), path);
	finding(doctor, BYPASS_WARN, "hugepages",
		"%llu huge pages of 2 MiB are free, a guest of this size would use %llu: with "
		"them, mapping its memory is faster and the CPU's and the IOMMU's TLBs reach "
		"further",
		(unsigned long long)free_pages, (unsigned long long)pages);
}

static void check_memory(struct doctor *doctor)
{
	uint64_t need = doctor->ask->guest_memory, available = available_memory();
	uint64_t pages = read_number(host_paths.sys, HUGE_POOL "/free_hugepages");
	uint64_t promised = read_number(host_paths.sys, HUGE_POOL "/resv_hugepages");

	if (!need)
		return;
	pages -= promised < pages ? promised : pages;
	if (pages * HUGEPAGE_SIZE >= need) {
		finding(doctor, BYPASS_OK, "memory", "%llu MiB of huge pages are free",
			mib(pages * HUGEPAGE_SIZE));
		return;
	}
	if (available < need) {
		finding(doctor, BYPASS_FAIL, "memory",
			"the guest's memory is locked as a whole, and of %llu MiB only %llu are "
			"available",
			mib(need), mib(available));
		return;
	}
	if (check_cgroup(doctor))
		finding(doctor, BYPASS_OK, "memory", "%llu MiB are available", mib(available));
	check_hugepages(doctor, pages);
}

static void check_map_count(struct doctor *doctor)
{
	uint64_t count = read_number(host_paths.proc, "sys/vm/max_map_count");

	if (!count)
		return;
	if (count >= MAX_MAP_COUNT) {
		finding(doctor, BYPASS_OK, "map-count", "a process may have %llu mappings",
			(unsigned long long)count);
		return;
	}
	fix_by_command(doctor, "sysctl -w vm.max_map_count=%d", MAX_MAP_COUNT);
	finding(doctor, BYPASS_WARN, "map-count",
		"a process may have %llu mappings; a guest that registers scattered memory for "
		"RDMA takes one for each run of pages, and is refused past that",
		(unsigned long long)count);
}

void doctor_memory(struct doctor *doctor)
{
	check_memlock(doctor);
	check_memory(doctor);
	check_map_count(doctor);
}
