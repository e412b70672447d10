// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the data path needs of the host as a whole: KVM, the IOMMU, VFIO, and a kernel that is not
 * set up to be slow.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/vfio.h>

#include <bypass/error.h>

#include "doctor.h"
#include "internal.h"

#define MISC_MAJOR	 10
#define VFIO_MINOR	 196 /* as the kernel's admin-guide/devices.txt has it */
#define SLOW_EXIT_MICROS 50  /* leaving such an idle state costs more than an interrupt */

/* Does a line of /proc/@name begin with @start and contain @word? The file may be long. */
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

static void check_cpu(struct doctor *doctor)
{
	bool intel = proc_has("cpuinfo", "flags", " vmx"),
	     amd = proc_has("cpuinfo", "flags", " svm");

	if (!proc_has("cpuinfo", "flags", " "))
		return; /* not x86: check_kvm() decides alone */
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
		fix_by_command(doctor, "modprobe %s", amd ? "kvm-amd" : "kvm-intel");
		finding(doctor, BYPASS_FAIL, "kvm", "there is no %s: KVM is not loaded", path);
		return;
	}
	if (fd < 0) {
		fix_by_command(doctor, "chmod g+rw %s && chgrp kvm %s", path, path);
		finding(doctor, BYPASS_FAIL, "kvm", "cannot open %s: %s", path, strerror(errno));
		return;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	close(fd);
	finding(doctor, version == KVM_API_VERSION ? BYPASS_OK : BYPASS_FAIL, "kvm",
		"KVM's interface has version %d", version);
}

static bool check_iommu(struct doctor *doctor)
{
	bool intel = proc_has("cpuinfo", "vendor_id", "GenuineIntel");

	if (!bypass_iommu_check()) {
		finding(doctor, BYPASS_OK, "iommu", "an IOMMU confines what devices can reach");
		return true;
	}
	fix_by_setting(doctor, "firmware: switch on %s; kernel command line: %s",
		       intel ? "VT-d" : "AMD-Vi (IOMMU)",
		       intel ? "intel_iommu=on" : "no amd_iommu=off or iommu=off");
	finding(doctor, BYPASS_FAIL, "iommu",
		"no IOMMU is in use: a guest's device could reach all memory, so no guest gets "
		"one");
	return false;
}

/* VFIO has a mode for hosts that trust every guest. bypass does not use this mode. */
static void check_noiommu(struct doctor *doctor)
{
	static const char parameter[] = "module/vfio/parameters/enable_unsafe_noiommu_mode";
	char on[4];

	if (read_below(host_paths.sys, parameter, on, sizeof(on)) <= 0 || on[0] != 'Y')
		return;
	fix_by_command(doctor, "echo N >%s/%s", host_paths.sys, parameter);
	finding(doctor, BYPASS_WARN, "no-iommu-mode",
		"VFIO was told to hand out devices that no IOMMU confines. bypass does not use "
		"them, but any program with the right to may, and its device reaches all memory");
}

/* The kernel puts "IR-" before the name of an interrupt chip whose interrupts are remapped. */
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
	fix_by_command(doctor,
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

/* Does VFIO offer the type1 interface, which bypass uses? iommufd can offer it too. */
static bool has_type1(const char *container)
{
	bool has = below_sys("module/vfio_iommu_type1");
	int fd;

	if (has)
		return true;
	fd = open(container, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	has = ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) > 0;
	close(fd);
	return has;
}

static void check_vfio(struct doctor *doctor)
{
	char container[128];

	snprintf(container, sizeof(container), "%s/vfio/vfio", host_paths.dev);
	if (!below_sys("bus/pci/drivers/vfio-pci")) {
		fix_by_command(doctor, "modprobe vfio-pci");
		finding(doctor, BYPASS_FAIL, "vfio",
			"the driver vfio-pci, through which guests get devices, is not loaded");
		return;
	}
	if (access(container, F_OK)) {
		fix_by_command(doctor, "mkdir -p %s/vfio && mknod -m 0666 %s c %d %d",
			       host_paths.dev, container, MISC_MAJOR, VFIO_MINOR);
		finding(doctor, BYPASS_FAIL, "vfio",
			"vfio-pci is loaded, but there is no %s, through which VMMs reach it",
			container);
		return;
	}
	if (access(container, R_OK | W_OK)) {
		fix_by_command(doctor, "chmod 0666 %s", container);
		finding(doctor, BYPASS_FAIL, "vfio", "this user may not open %s: %s", container,
			strerror(errno));
		return;
	}
	if (!has_type1(container)) {
		fix_by_command(doctor, "modprobe vfio_iommu_type1");
		finding(doctor, BYPASS_FAIL, "vfio",
			"vfio-pci is loaded, but not type1, which maps a guest's memory for it");
		return;
	}
	finding(doctor, BYPASS_OK, "vfio", "vfio-pci is loaded, with type1");
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
	fix_by_command(doctor, "echo 200000 > %s/module/kvm/parameters/halt_poll_ns",
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
	fix_by_command(doctor, "cpupower idle-set -D %d", SLOW_EXIT_MICROS);
	finding(doctor, BYPASS_WARN, "idle-states",
		"an idle CPU may take %lu µs to wake, which adds to each interrupt", slowest);
}

/* Strict mode slows the host's drivers, such as a PF's. It does not slow guests. */
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
		fix_by_setting(doctor, "kernel command line: iommu.strict=0");
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
	check_noiommu(&doctor);
	check_vfio(&doctor);
	doctor_memory(&doctor);
	check_halt_polling(&doctor);
	check_idle_states(&doctor);
	if (!bypass_iommu_check())
		check_strict(&doctor);
	if (ask->function)
		doctor_function(&doctor, address);
	return doctor.fails;
}
