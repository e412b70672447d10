// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the data path needs of one function: an IOMMU group of its own, no user on the host, VFs,
 * room for their BARs, a reset, a link.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <bypass/error.h>

#include "doctor.h"
#include "internal.h"
#include "virtio.h"

/* With these ACS bits set in a port, functions behind it reach each other through the IOMMU only. */
#define ACS_ISOLATION (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

#define FIRST_VF_BAR_LINE 7 /* of the attribute resource: after six BARs and the ROM */

static void check_driver(struct doctor *doctor, const struct bypass_function *function)
{
	struct bypass_holder holder;

	if (bypass_function_holder(function->address, &holder) > 0) {
		fix_by_command(doctor, "kill %d", holder.pid);
		finding(doctor, BYPASS_FAIL, "driver", "%s is in use by process %d (%s)",
			function->address, holder.pid, holder.name);
	} else if (driver_is_vfio(function->driver)) {
		finding(doctor, BYPASS_OK, "driver", "%s is bound to %s, ready for a guest",
			function->address, function->driver);
	} else if (function->vfs_total) {
		finding(doctor, function->driver[0] ? BYPASS_OK : BYPASS_FAIL, "driver",
			"%s is bound to %s; its VFs can be carved when a driver has it",
			function->address, function->driver[0] ? function->driver : "no driver");
	} else {
		fix_by_command(doctor, "bypass carve %s", function->address);
		finding(doctor, BYPASS_WARN, "driver",
			"%s is bound to %s, which carving takes it from", function->address,
			function->driver[0] ? function->driver : "no driver");
	}
}

static void check_group(struct doctor *doctor, const struct bypass_function *function)
{
	char member[BYPASS_ADDRESS_SIZE], driver[32];

	if (function->iommu_group < 0) {
		if (!bypass_iommu_check()) /* else the finding about the host says enough */
			finding(doctor, BYPASS_FAIL, "group",
				"%s is in no IOMMU group, unlike others: no IOMMU covers its slot",
				function->address);
		return;
	}
	if (group_in_the_way(function->address, member, driver)) {
		fix_by_command(doctor, "bypass carve %s", member);
		finding(doctor, BYPASS_FAIL, "group",
			"%s shares IOMMU group %d with %s, which the host's driver %s has: no "
			"guest gets one of them while the host has the other",
			function->address, function->iommu_group, member, driver);
		return;
	}
	finding(doctor, function->group_size > 1 ? BYPASS_WARN : BYPASS_OK, "group",
		function->group_size > 1 ? "%s shares IOMMU group %d with %u others: they can go "
					   "to the same guest only"
					 : "%s is alone in its IOMMU group %d",
		function->address, function->iommu_group, function->group_size - 1);
}

/*
 * IOVAs that the IOMMU keeps for something else (Documentation/ABI/testing/sysfs-kernel-iommu_groups).
 * Memory that the firmware has the device use ("direct") keeps the device from guests. What is only
 * reserved must not coincide with guest memory, whose IOVAs are its guest-physical addresses.
 */
static void check_reserved(struct doctor *doctor, const struct bypass_function *function)
{
	uint64_t memory_end = (4ull << 30) + doctor->ask->guest_memory;
	unsigned long long first, last;
	char path[128], line[128], type[32];
	FILE *file;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/reserved_regions", host_paths.sys,
		 function->iommu_group);
	file = function->iommu_group >= 0 ? fopen(path, "re") : NULL;
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx %llx %31s", &first, &last, type) != 3)
			continue;
		if (!strcmp(type, "direct")) {
			fix_by_setting(doctor, "firmware: switch off what shares memory with the "
					       "device (RMRR; often remote management)");
			finding(doctor, BYPASS_FAIL, "reserved-memory",
				"the firmware has %s use memory [0x%llx, 0x%llx]: the kernel gives "
				"such a device to no guest",
				function->address, first, last);
		} else if (!strcmp(type, "reserved") && first < memory_end) {
			finding(doctor, BYPASS_WARN, "reserved-memory",
				"%s cannot reach IOVAs [0x%llx, 0x%llx]: a guest may have no "
				"memory at these addresses",
				function->address, first, last);
		}
	}
	fclose(file);
}

/* Offset of extended capability @id in @length bytes of config space; 0: not there. */
static int extended_capability(const uint8_t *config, ssize_t length, unsigned int id)
{
	int offset = PCI_CFG_SPACE_SIZE;

	/* The list may be circular: visit no more capabilities than config space can hold. */
	for (int i = 0; i < 480 && offset >= PCI_CFG_SPACE_SIZE && offset + 8 <= length; i++) {
		uint32_t header = le32toh(*(const uint32_t *)(config + offset));

		if (PCI_EXT_CAP_ID(header) == id)
			return offset;
		offset = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

/* Does the port isolate the functions behind it? 1: yes; 0: no; -1: config space is not readable. */
static int port_isolates(const char *port)
{
	_Alignas(uint32_t) uint8_t config[4096];
	char path[256];
	ssize_t length;
	int fd, offset;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/config", host_paths.sys, port);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	length = read(fd, config, sizeof(config));
	close(fd);
	if (length <= PCI_STD_HEADER_SIZEOF)
		return -1;
	offset = extended_capability(config, length, PCI_EXT_CAP_ID_ACS);
	if (!offset)
		return 0;
	return (le16toh(*(uint16_t *)(config + offset + PCI_ACS_CTRL)) & ACS_ISOLATION) ==
	       ACS_ISOLATION;
}

/* The function's path in sysfs names the ports between the function and the root. */
static void check_acs(struct doctor *doctor, const char *address)
{
	char path[PATH_MAX], real[PATH_MAX], port[BYPASS_ADDRESS_SIZE], *part, *rest = real;
	int ports = 0;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", host_paths.sys, address);
	if (!realpath(path, real))
		return;
	while ((part = strsep(&rest, "/"))) {
		int isolates;

		/* Parts of the path that are no addresses are skipped. */
		if (strlen(part) < 12 || strncmp(part, "pci", 3) == 0 ||
		    bypass_address(part, port) || !strcmp(port, address))
			continue;
		ports++;
		isolates = port_isolates(port);
		if (isolates > 0)
			continue;
		finding(doctor, BYPASS_WARN, "acs",
			isolates < 0 ? "what port %s above it does can be seen by root only"
				     : "port %s above it has no ACS, or has it switched off: what "
				       "is behind the port shares one IOMMU group",
			port);
		return;
	}
	finding(doctor, BYPASS_OK, "acs",
		ports ? "the ports above it keep functions apart"
		      : "it sits on the root complex itself");
}

/* Did bypass create the VFs? False also when the caller may not read the ledgers. */
static bool has_carved(const char *pf)
{
	struct bypass_carving **list;
	bool found = false;

	if (bypass_carvings(&list) < 0)
		return false;
	for (size_t i = 0; list[i] && !found; i++)
		found = !strcmp(list[i]->function, pf);
	bypass_carvings_free(list);
	return found;
}

/* bypass releases only VFs that it created. */
static void fix_vfs(struct doctor *doctor, const char *pf)
{
	if (has_carved(pf))
		fix_by_command(doctor, "bypass release %s", pf);
	else
		fix_by_command(doctor, "echo 0 >%s/bus/pci/devices/%s/sriov_numvfs", host_paths.sys,
			       pf);
}

static void check_sriov(struct doctor *doctor, const struct bypass_function *pf)
{
	unsigned int ari = 1;

	if (pf->pf[0] || !pf->vfs_total) {
		if (!pf->pf[0])
			finding(doctor, BYPASS_OK, "sr-iov",
				"%s has no SR-IOV: one guest can have it, whole", pf->address);
		return;
	}
	if (pf->vfs >= pf->vfs_total) {
		fix_vfs(doctor, pf->address);
		finding(doctor, BYPASS_FAIL, "sr-iov", "all %u VFs of %s are made already",
			pf->vfs_total, pf->address);
	} else if (pf->vfs) {
		fix_vfs(doctor, pf->address);
		finding(doctor, BYPASS_WARN, "sr-iov",
			"%u of %u VFs of %s are made; the kernel changes their number only by way "
			"of none",
			pf->vfs, pf->vfs_total, pf->address);
	} else {
		finding(doctor, BYPASS_OK, "sr-iov", "%u VFs can be made on %s", pf->vfs_total,
			pf->address);
	}
	if (host_has(pf->address, "ari_enabled"))
		host_read_uint(pf->address, "ari_enabled", &ari);
	if (pf->vfs_total > 7)
		finding(doctor, ari ? BYPASS_OK : BYPASS_WARN, "ari",
			ari ? "ARI is on: VFs fit on one bus"
			    : "ARI is off: more than 7 VFs need bus numbers of their own, which "
			      "the firmware may not have left");
}

/* The kernel creates no VFs when the firmware assigned no addresses for their BARs. */
static void check_bar_space(struct doctor *doctor, const struct bypass_function *pf)
{
	unsigned long long start, end, flags;
	char path[256], line[128];
	int number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/resource", host_paths.sys, pf->address);
	file = pf->vfs_total ? fopen(path, "re") : NULL;
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (number++ < FIRST_VF_BAR_LINE || number > FIRST_VF_BAR_LINE + 6 ||
		    sscanf(line, "%llx %llx %llx", &start, &end, &flags) != 3)
			continue;
		if (!flags || start)
			continue;
		fclose(file);
		fix_by_setting(doctor, "kernel command line: pci=realloc; firmware: above 4G "
				       "decoding");
		finding(doctor, BYPASS_FAIL, "bar-space",
			"the firmware left no room for BAR %d of the VFs of %s",
			number - 1 - FIRST_VF_BAR_LINE, pf->address);
		return;
	}
	fclose(file);
	finding(doctor, BYPASS_OK, "bar-space", "there is room for the BARs of all VFs");
}

/* A BAR smaller than a page shares the page with other BARs, so it cannot be mapped into a guest. */
static void check_bar_pages(struct doctor *doctor, const struct bypass_function *function)
{
	for (int i = 0; i < 6; i++)
		if (function->bar_traps & 1 << i)
			finding(doctor, BYPASS_WARN, "bar-pages",
				"BAR %d of %s has %llu bytes, less than a page: each access of a "
				"guest is an exit to the VMM",
				i, function->address, (unsigned long long)function->bar_size[i]);
}

static void check_virtio(struct doctor *doctor, const struct bypass_function *function)
{
	switch (virtio_dma(function->address)) {
	case VIRTIO_DMA_NOT_VIRTIO:
		break;
	case VIRTIO_DMA_UNKNOWN:
		finding(doctor, BYPASS_WARN, "virtio-dma",
			"whether its DMA goes through the IOMMU can be seen only while a virtio "
			"driver of the host has it, or when a VMM opens it, which refuses it if "
			"not");
		break;
	case VIRTIO_DMA_CONFINED:
		finding(doctor, BYPASS_OK, "virtio-dma", "its DMA goes through the IOMMU");
		break;
	case VIRTIO_DMA_FREE:
		fix_by_setting(doctor, VIRTIO_DMA_FIX);
		finding(doctor, BYPASS_FAIL, "virtio-dma", VIRTIO_DMA_PROBLEM);
		break;
	}
}

static void check_reset(struct doctor *doctor, const struct bypass_function *function)
{
	if (function->reset_methods[0])
		finding(doctor, BYPASS_OK, "reset", "the kernel resets it by: %s",
			function->reset_methods);
	else
		finding(doctor, BYPASS_WARN, "reset",
			"the kernel knows no way to reset it: one guest's state stays for the "
			"next");
}

static void check_numa(struct doctor *doctor, const struct bypass_function *function)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/devices/system/node/node1", host_paths.sys);
	if (access(path, F_OK))
		return; /* one node: every distance is the same */
	if (function->numa_node < 0)
		finding(doctor, BYPASS_WARN, "numa",
			"the firmware does not say which NUMA node it is near to");
	else
		finding(doctor, BYPASS_OK, "numa",
			"it is on NUMA node %d: run the guest there, with 'numactl "
			"--cpunodebind=%d --membind=%d'",
			function->numa_node, function->numa_node, function->numa_node);
}

/* VFs share the link of their PF. A function that is bound to VFIO has no interface to look at. */
static void check_link(struct doctor *doctor, const struct bypass_function *function)
{
	const char *pf = function->pf[0] ? function->pf : function->address;
	char interface[32], attribute[64], text[32];

	if (host_child(pf, "net", interface, sizeof(interface)))
		return;
	snprintf(attribute, sizeof(attribute), "net/%s/flags", interface);
	if (host_read(pf, attribute, text, sizeof(text)))
		return;
	if (!(strtoul(text, NULL, 0) & 1)) {
		if (is_plain_word(interface))
			fix_by_command(doctor, "ip link set %s up", interface);
		finding(doctor, BYPASS_FAIL, "link",
			"%s, the interface of %s, is down, and with it the links of all its VFs",
			interface, pf);
		return;
	}
	snprintf(attribute, sizeof(attribute), "net/%s/carrier", interface);
	if (!host_read(pf, attribute, text, sizeof(text)) && text[0] == '1')
		finding(doctor, BYPASS_OK, "link", "%s, the interface of %s, is up", interface, pf);
	else
		finding(doctor, BYPASS_FAIL, "link",
			"%s, the interface of %s, has no carrier: is the cable in, the switch on?",
			interface, pf);
}

static void check_burden(struct doctor *doctor, const struct bypass_function *function)
{
	if (driver_is_vfio(function->driver) || bypass_function_burden(function->address) != -EBUSY)
		return;
	finding(doctor, BYPASS_WARN, "host-needs", "%s%s", bypass_error(),
		function->vfs_total ? ". Its VFs can be carved all the same" : "");
}

void doctor_function(struct doctor *doctor, const char *address)
{
	struct bypass_function function;

	if (bypass_function(address, &function)) {
		finding(doctor, BYPASS_FAIL, "function", "%s", bypass_error());
		return;
	}
	finding(doctor, function.is_bridge ? BYPASS_FAIL : BYPASS_OK, "function", "%s %s%s%s",
		function.vendor, function.device, function.pf[0] ? ", a VF of " : "", function.pf);
	check_driver(doctor, &function);
	check_burden(doctor, &function);
	check_group(doctor, &function);
	check_reserved(doctor, &function);
	check_virtio(doctor, &function);
	check_acs(doctor, address);
	check_sriov(doctor, &function);
	check_bar_space(doctor, &function);
	check_bar_pages(doctor, &function);
	check_reset(doctor, &function);
	check_numa(doctor, &function);
	check_link(doctor, &function);
}
