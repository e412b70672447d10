// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the data path needs of the host as a whole: KVM, the IOMMU, VFIO, memory, and a
 * kernel that is not set up to be slow.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/kvm.h>

#include <bypass/error.h>

#include "doctor.h"
#include "internal.h"

#define HUGEPAGE_SIZE	 (2ull << 20)
#define MAX_MAP_COUNT	 262144 /* each run of a guest's registered pages is a mapping */
#define SLOW_EXIT_MICROS 50	/* leaving such an idle state costs more than an interrupt */

void finding(struct doctor *doctor, enum bypass_verdict verdict, const char *about, const char *fmt,
	     ...)
{
	struct bypass_finding *next = &doctor->next;
	va_list ap;

	next->verdict = verdict;
	snprintf(next->about, sizeof(next->about), "%s", about);
	va_start(ap, fmt);
	vsnprintf(next->text, sizeof(next->text), fmt, ap);
	va_end(ap);
	doctor->fails += verdict == BYPASS_FAIL;
	doctor->ask->found(doctor->ask->opaque, next);
	memset(next, 0, sizeof(*next));
}

void mend_by_command(struct doctor *doctor, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(doctor->next.mend, sizeof(doctor->next.mend), fmt, ap);
	va_end(ap);
	doctor->next.is_command = true;
}

void mend_by_setting(struct doctor *doctor, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(doctor->next.mend, sizeof(doctor->next.mend), fmt, ap);
	va_end(ap);
	doctor->next.is_command = false;
}

/* Reads a file below one of the host's roots. */
static int read_below(const char *root, const char *name, char *text, size_t size)
{
	char path[256];
	int length;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	length = host_file(path, text, size);
	return length;
}

/* Is there a line of @name below /proc that has @word in it? Whole files: they can be long. */
static bool proc_has(const char *name, const char *start, const char *word)
{
	char path[256], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", host_paths.proc, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && getline(&line, &size, file) > 0)
		found = !strncmp(line, start, strlen(start)) && strstr(line, word);
	free(line);
	fclose(file);
	return found;
}

/* "MemAvailable:  123 kB" of /proc/meminfo, in its own unit; 0 when it is not there. */
static uint64_t meminfo(const char *key)
{
	char text[8192], *at;

	if (read_below(host_paths.proc, "meminfo", text, sizeof(text)) <= 0)
		return 0;
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void check_cpu(struct doctor *doctor)
{
	bool intel = proc_has("cpuinfo", "flags", " vmx"),
	     amd = proc_has("cpuinfo", "flags", " svm");

	if (!proc_has("cpuinfo", "flags", " "))
		return; /* not x86: KVM alone tells */
	if (!intel && !amd)
		finding(doctor, BYPASS_WARN, "cpu",
			"the CPU offers neither VT-x nor AMD-V; the firmware may have them off");
	else if (proc_has("cpuinfo", "flags", " hypervisor"))
		finding(doctor, BYPASS_WARN, "cpu",
			"%s, but the host is a virtual machine itself: what leaves its guests "
			"costs several times as much",
			intel ? "Intel VT-x" : "AMD-V");
	else
		finding(doctor, BYPASS_OK, "cpu", "%s", intel ? "Intel VT-x" : "AMD-V");
}

static void check_kvm(struct doctor *doctor)
{
	bool amd = proc_has("cpuinfo", "vendor_id", "AMD");
	char path[128];
	int fd, version;

	snprintf(path, sizeof(path), "%s/kvm", host_paths.dev);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		mend_by_command(doctor, "modprobe %s", amd ? "kvm-amd" : "kvm-intel");
		finding(doctor, BYPASS_FAIL, "kvm", "there is no %s: KVM is not loaded", path);
		return;
	}
	if (fd < 0) {
		mend_by_command(doctor, "chmod g+rw %s && chgrp kvm %s", path, path);
		finding(doctor, BYPASS_FAIL, "kvm", "cannot open %s: %s", path, strerror(errno));
		return;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	close(fd);
	finding(doctor, version == KVM_API_VERSION ? BYPASS_OK : BYPASS_FAIL, "kvm",
		"KVM's interface has version %d", version);
}

bool host_has_groups(void)
{
	char path[128];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups", host_paths.sys);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.';
	closedir(dir);
	return found;
}

static bool check_iommu(struct doctor *doctor)
{
	bool intel = proc_has("cpuinfo", "vendor_id", "GenuineIntel");

	if (host_has_groups()) {
		finding(doctor, BYPASS_OK, "iommu", "an IOMMU confines what devices can reach");
		return true;
	}
	mend_by_setting(doctor, "firmware: switch on %s; kernel command line: %s",
			intel ? "VT-d" : "AMD-Vi (IOMMU)",
			intel ? "intel_iommu=on" : "no amd_iommu=off or iommu=off");
	finding(doctor, BYPASS_FAIL, "iommu",
		"no IOMMU is in use: a guest's device could reach all memory, so VFIO hands out "
		"none");
	return false;
}

/* The kernel names the chips of remapped interrupts with "IR-" in front. */
static void check_interrupt_remapping(struct doctor *doctor)
{
	char unsafe[4];

	if (proc_has("interrupts", "", "IR-") || !proc_has("interrupts", "", "IO-APIC")) {
		finding(doctor, BYPASS_OK, "interrupt-remapping",
			"devices cannot forge each other's interrupts");
		return;
	}
	if (read_below(host_paths.sys, "module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
		       unsafe, sizeof(unsafe)) > 0 &&
	    unsafe[0] == 'Y') {
		finding(doctor, BYPASS_WARN, "interrupt-remapping",
			"there is none, and VFIO was told to go on without it: a guest can send "
			"any interrupt to the host. For guests that are trusted only");
		return;
	}
	mend_by_command(doctor,
			"modprobe vfio_iommu_type1 && echo Y > "
			"%s/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
			host_paths.sys);
	finding(doctor, BYPASS_FAIL, "interrupt-remapping",
		"there is none, so VFIO hands out no devices: a guest could send any interrupt to "
		"the host. Switch it on in the firmware (it goes with VT-d and AMD-Vi, often as "
		"x2APIC). Only where every guest is trusted, go on without");
}

static bool below_sys(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", host_paths.sys, name);
	return access(path, F_OK) == 0;
}

static void check_vfio(struct doctor *doctor)
{
	char iommufd[128];
	bool type1 = below_sys("module/vfio_iommu_type1");

	snprintf(iommufd, sizeof(iommufd), "%s/iommu", host_paths.dev);
	if (!below_sys("bus/pci/drivers/vfio-pci")) {
		mend_by_command(doctor, "modprobe vfio-pci");
		finding(doctor, BYPASS_FAIL, "vfio",
			"the driver vfio-pci, through which guests get devices, is not loaded");
		return;
	}
	if (!type1 && access(iommufd, F_OK)) {
		mend_by_command(doctor, "modprobe vfio_iommu_type1");
		finding(doctor, BYPASS_FAIL, "vfio",
			"vfio-pci is loaded, but nothing that maps a guest's memory for it");
		return;
	}
	finding(doctor, BYPASS_OK, "vfio", "vfio-pci is loaded, with %s",
		access(iommufd, F_OK) ? "type1; the kernel has no iommufd" : "iommufd");
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
			(unsigned long long)limit.rlim_cur >> 20, (unsigned long long)need >> 20);
		return;
	}
	if (!need)
		need = 1ull << 30;
	mend_by_command(doctor, "prlimit --pid $$ --memlock=%llu:%llu", (unsigned long long)need,
			(unsigned long long)need);
	finding(doctor, doctor->ask->guest_memory ? BYPASS_FAIL : BYPASS_WARN, "memlock",
		"this user may lock %llu KiB of memory, and all memory of a guest with a function "
		"slice gets locked (%llu MiB%s). For all sessions: a line 'memlock' in "
		"/etc/security/limits.d/; for this shell",
		(unsigned long long)limit.rlim_cur >> 10, (unsigned long long)need >> 20,
		doctor->ask->guest_memory ? "" : ", say");
}

static void check_memory(struct doctor *doctor)
{
	uint64_t need = doctor->ask->guest_memory;
	uint64_t available = meminfo("MemAvailable:") << 10;
	uint64_t free_pages = meminfo("HugePages_Free:");
	uint64_t pages = (need + HUGEPAGE_SIZE - 1) / HUGEPAGE_SIZE;

	if (!need)
		return;
	if (free_pages * HUGEPAGE_SIZE >= need) {
		finding(doctor, BYPASS_OK, "memory", "%llu MiB of huge pages are free",
			(unsigned long long)(free_pages * HUGEPAGE_SIZE >> 20));
		return;
	}
	if (available < need) {
		finding(doctor, BYPASS_FAIL, "memory",
			"the guest's memory is locked as a whole, and of %llu MiB only %llu are "
			"available",
			(unsigned long long)need >> 20, (unsigned long long)available >> 20);
		return;
	}
	finding(doctor, BYPASS_OK, "memory", "%llu MiB are available",
		(unsigned long long)available >> 20);
	mend_by_command(doctor, "sysctl -w vm.nr_hugepages=%llu",
			(unsigned long long)(meminfo("HugePages_Total:") - free_pages + pages));
	finding(doctor, BYPASS_WARN, "hugepages",
		"%llu huge pages are free, a guest of this size would use %llu: with them, mapping "
		"its memory is faster and the CPU's and the IOMMU's TLBs reach further",
		(unsigned long long)free_pages, (unsigned long long)pages);
}

static void check_map_count(struct doctor *doctor)
{
	char text[32];
	unsigned long count;

	if (read_below(host_paths.proc, "sys/vm/max_map_count", text, sizeof(text)) <= 0)
		return;
	count = strtoul(text, NULL, 10);
	if (count >= MAX_MAP_COUNT) {
		finding(doctor, BYPASS_OK, "map-count", "a process may have %lu mappings", count);
		return;
	}
	mend_by_command(doctor, "sysctl -w vm.max_map_count=%d", MAX_MAP_COUNT);
	finding(doctor, BYPASS_WARN, "map-count",
		"a process may have %lu mappings; a guest that registers scattered memory for RDMA "
		"takes one for each run of pages, and is refused past that",
		count);
}

static void check_halt_polling(struct doctor *doctor)
{
	char text[32];

	if (read_below(host_paths.sys, "module/kvm/parameters/halt_poll_ns", text, sizeof(text)) <=
	    0)
		return;
	if (strtoul(text, NULL, 10)) {
		finding(doctor, BYPASS_OK, "halt-polling",
			"an idle vCPU is polled for up to %lu ns before its CPU sleeps",
			strtoul(text, NULL, 10));
		return;
	}
	mend_by_command(doctor, "echo 200000 > %s/module/kvm/parameters/halt_poll_ns",
			host_paths.sys);
	finding(doctor, BYPASS_WARN, "halt-polling",
		"it is off: a vCPU that waits for an interrupt is put to sleep at once, and each "
		"completion then pays for waking it");
}

static void check_idle_states(struct doctor *doctor)
{
	char name[96], text[32];
	unsigned long slowest = 0;

	for (int state = 0; state < 16; state++) {
		unsigned long micros;

		snprintf(name, sizeof(name), "devices/system/cpu/cpu0/cpuidle/state%d/disable",
			 state);
		if (read_below(host_paths.sys, name, text, sizeof(text)) <= 0)
			break;
		if (text[0] == '1')
			continue;
		snprintf(name, sizeof(name), "devices/system/cpu/cpu0/cpuidle/state%d/latency",
			 state);
		if (read_below(host_paths.sys, name, text, sizeof(text)) <= 0)
			break;
		micros = strtoul(text, NULL, 10);
		if (micros > slowest)
			slowest = micros;
	}
	if (slowest <= SLOW_EXIT_MICROS) {
		finding(doctor, BYPASS_OK, "idle-states", "CPUs wake within %lu µs", slowest);
		return;
	}
	mend_by_command(doctor, "cpupower idle-set -D %d", SLOW_EXIT_MICROS);
	finding(doctor, BYPASS_WARN, "idle-states",
		"an idle CPU may take %lu µs to wake, which adds to each interrupt", slowest);
}

/* How the host's own drivers give mappings back; a PF's driver pays for it, not the guest. */
static void check_strict(struct doctor *doctor)
{
	char text[32], path[128];
	struct dirent *entry;
	bool strict = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups", host_paths.sys);
	dir = opendir(path);
	while (dir && !strict && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "kernel/iommu_groups/%.16s/type", entry->d_name);
		if (read_below(host_paths.sys, path, text, sizeof(text)) > 0)
			strict = !strcmp(text, "DMA\n");
	}
	if (dir)
		closedir(dir);
	if (strict)
		mend_by_setting(doctor, "kernel command line: iommu.strict=0");
	finding(doctor, strict ? BYPASS_WARN : BYPASS_OK, "iommu-mode",
		strict ? "strict: the host's own drivers wait for the IOMMU each time they give a "
			 "buffer back. Guests do not, but PFs and what the host does itself gets "
			 "slower"
		       : "the IOMMU does not slow the host's own drivers");
}

int bypass_doctor(const struct bypass_doctor *ask)
{
	struct doctor doctor = {.ask = ask};
	char address[BYPASS_ADDRESS_SIZE];
	int err;

	if (ask->function) {
		err = bypass_address(ask->function, address);
		if (!err && !host_has(address, ""))
			err = bypass_fail(ENODEV,
					  "there is no PCI function %s on this host: 'bypass list "
					  "--all' shows those there are",
					  address);
		if (err)
			return err;
	}
	check_cpu(&doctor);
	check_kvm(&doctor);
	if (check_iommu(&doctor))
		check_interrupt_remapping(&doctor);
	check_vfio(&doctor);
	check_memlock(&doctor);
	check_memory(&doctor);
	check_map_count(&doctor);
	check_halt_polling(&doctor);
	check_idle_states(&doctor);
	if (host_has_groups())
		check_strict(&doctor);
	if (ask->function)
		doctor_function(&doctor, address);
	return doctor.fails;
}
