// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * IOMMU groups: the members of a group, and whether a guest can have the group.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

#define PCI_CLASS_BRIDGE_PCI 0x0604

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

int bypass_group_members(int group, char (**members)[BYPASS_ADDRESS_SIZE])
{
	char(*list)[BYPASS_ADDRESS_SIZE] = NULL, (*more)[BYPASS_ADDRESS_SIZE];
	struct dirent *entry;
	char path[256];
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/devices", host_paths.sys, group);
	dir = opendir(path);
	if (!dir)
		return bypass_fail(ENODEV, "there is no IOMMU group %d on this host", group);
	while ((entry = readdir(dir))) {
		/* A member that is no PCI function counts too. Its name has another form. */
		if (entry->d_name[0] == '.')
			continue;
		more = realloc(list, (count + 1) * sizeof(*list));
		if (!more) {
			free(list);
			closedir(dir);
			return bypass_fail(ENOMEM, "no memory for the members of IOMMU group %d",
					   group);
		}
		list = more;
		snprintf(list[count++], sizeof(*list), "%.*s", BYPASS_ADDRESS_SIZE - 1,
			 entry->d_name);
	}
	closedir(dir);
	if (!count)
		return bypass_fail(ENODEV, "IOMMU group %d has no members any more", group);
	qsort(list, count, sizeof(*list), by_text);
	*members = list;
	return count;
}

/*
 * Does the kernel let this driver stay in a group that user space has? It does for drivers that do
 * no DMA of their own. Of bridges, only those between PCI buses have such drivers: an ISA or host
 * bridge is a device as any other.
 */
static bool is_harmless(const char *member, const char *driver)
{
	unsigned int class = 0;

	if (!driver[0] || driver_is_vfio(driver) || !strcmp(driver, "pci-stub"))
		return true;
	return !host_read_uint(member, "class", &class) && class >> 8 == PCI_CLASS_BRIDGE_PCI;
}

/* VFIO's mode without an IOMMU makes groups that confine nothing. The kernel names them so. */
static bool is_confined(int group)
{
	char path[128], name[32];

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/name", host_paths.sys, group);
	return host_file(path, name, sizeof(name)) <= 0 || strcmp(name, "vfio-noiommu\n");
}

static int group_number(const char *address)
{
	char group[16];

	if (host_link(address, "iommu_group", group, sizeof(group)) || !group[0])
		return -1;
	return atoi(group);
}

int group_of(const char *address)
{
	int group = group_number(address);

	return group >= 0 && is_confined(group) ? group : -1;
}

void group_node(const char *address, char *name, size_t size)
{
	int group = group_number(address);

	name[0] = '\0';
	if (group >= 0)
		snprintf(name, size, "%s%d", is_confined(group) ? "" : "noiommu-", group);
}

int bypass_iommu_check(void)
{
	char path[128];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups", host_paths.sys);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' && is_confined(atoi(entry->d_name));
	if (dir)
		closedir(dir);
	if (found)
		return 0;
	return bypass_fail(ENOTSUP, "this host has no IOMMU in use, so nothing would confine a "
				    "device's DMA "
				    "to its guest: switch on VT-d or AMD-Vi in the firmware and, "
				    "on Intel, "
				    "boot the kernel with intel_iommu=on");
}

static int fail_no_group(const char *address)
{
	if (!host_has(address, ""))
		return bypass_fail(ENODEV,
				   "there is no PCI function %s on this host: 'bypass list --all' "
				   "shows those there are",
				   address);
	if (bypass_iommu_check())
		return bypass_fail(ENOTSUP, "%s is in no IOMMU group: %s", address, bypass_error());
	return bypass_fail(ENOTSUP,
			   "%s is in no IOMMU group, unlike others: no IOMMU covers its slot, so "
			   "nothing would confine its DMA",
			   address);
}

bool group_in_the_way(const char *address, char member[BYPASS_ADDRESS_SIZE], char driver[32])
{
	char(*members)[BYPASS_ADDRESS_SIZE];
	bool found = false;
	int count;

	count = bypass_group_members(group_of(address), &members);
	for (int i = 0; i < count && !found; i++) {
		if (!strcmp(members[i], address) || host_link(members[i], "driver", driver, 32))
			continue;
		found = !is_harmless(members[i], driver);
		strcpy(member, members[i]);
	}
	if (count > 0)
		free(members);
	return found;
}

int bypass_group_check(const char *text)
{
	char address[BYPASS_ADDRESS_SIZE], member[BYPASS_ADDRESS_SIZE], driver[32];
	int err;

	err = bypass_address(text, address);
	if (err)
		return err;
	if (group_of(address) < 0)
		return fail_no_group(address);
	if (!group_in_the_way(address, member, driver))
		return 0;
	return bypass_fail(EPERM,
			   "%s cannot be given to a guest: %s, bound to the host's driver %s, is "
			   "in the same IOMMU group %d and could reach its memory. Take %s from "
			   "the host too, with 'bypass carve %s', or put the device in a slot that "
			   "has a group of its own",
			   address, member, driver, group_of(address), member, member);
}

int bypass_function_check(const char *text)
{
	char address[BYPASS_ADDRESS_SIZE], driver[32];
	int err;

	err = bypass_address(text, address);
	if (err)
		return err;
	err = host_link(address, "driver", driver, sizeof(driver));
	if (err)
		return err;
	if (group_of(address) < 0)
		return fail_no_group(address);
	if (!driver_is_vfio(driver))
		return bypass_fail(EBUSY,
				   "%s is %s%s, not to vfio-pci, so no guest can have it: 'bypass "
				   "carve %s' takes it from the host, 'bypass release %s' gives it "
				   "back",
				   address,
				   driver[0] ? "bound to the host's driver " : "bound to no driver",
				   driver, address, address);
	return bypass_group_check(address);
}
