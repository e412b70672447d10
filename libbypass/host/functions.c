// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Discovery of PCI functions. libpci reads config space and pci.ids, sysfs has what only the
 * kernel knows. A function that vanishes meanwhile is left out, which is no error.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pci/pci.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/text.h>

#include "internal.h"

#define PCI_BASE_CLASS_BRIDGE 0x06

/*
 * libpci ends the program on an error unless its error function does not return. Before libpci
 * reports what it cannot read it closes what it had open, so it can be used again afterwards. Each
 * function that calls libpci sets the place to jump to, and no jump leads into one that has ended.
 */
static _Thread_local jmp_buf libpci_failed;

static void __attribute__((noreturn, format(printf, 1, 2))) libpci_error(char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	bypass_fail(ENODEV,
		    "the host's PCI functions cannot be listed: %s; is there a PCI bus, and is "
		    "sysfs mounted on %s?",
		    text, host_paths.sys);
	longjmp(libpci_failed, 1);
}

static void __attribute__((format(printf, 1, 2))) libpci_warning(char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	bypass_log(BYPASS_LOG_DEBUG, "libpci: %s", text);
}

static struct pci_access *access_new(void)
{
	struct pci_access *access = pci_alloc();
	char path[256];

	access->method = PCI_ACCESS_SYS_BUS_PCI;
	access->error = libpci_error;
	access->warning = libpci_warning;
	/* names from pci.ids: libpci leaks its handle of a hardware database that is not there */
	access->id_lookup_mode = PCI_LOOKUP_NO_HWDB;
	snprintf(path, sizeof(path), "%s/bus/pci", host_paths.sys);
	pci_set_param(access, "sysfs.path", path);
	if (host_paths.pci_ids)
		pci_set_name_list_path(access, (char *)host_paths.pci_ids, 0);
	pci_init(access);
	return access;
}

static void look_up_names(struct pci_access *access, struct bypass_function *function)
{
	unsigned int class = function->class_code >> 8;

	pci_lookup_name(access, function->vendor, sizeof(function->vendor), PCI_LOOKUP_VENDOR,
			function->vendor_id);
	pci_lookup_name(access, function->device, sizeof(function->device), PCI_LOOKUP_DEVICE,
			function->vendor_id, function->device_id);
	pci_lookup_name(access, function->class_name, sizeof(function->class_name),
			PCI_LOOKUP_CLASS, class);
}

/* A malformed pci.ids costs names only: libpci reads the file once, and then shows numbers. */
static void read_names(struct pci_access *access, struct bypass_function *function)
{
	if (setjmp(libpci_failed))
		bypass_log(BYPASS_LOG_DEBUG, "%s", bypass_error());
	look_up_names(access, function);
	bypass_text_clean(function->vendor);
	bypass_text_clean(function->device);
	bypass_text_clean(function->class_name);
}

/* Index of @vf among the VFs of @pf. */
static unsigned int find_vf_index(const char *pf, const char *vf, unsigned int vfs_total)
{
	char link[24], address[BYPASS_ADDRESS_SIZE];

	for (unsigned int i = 0; i < vfs_total; i++) {
		snprintf(link, sizeof(link), "virtfn%u", i);
		if (!host_link(pf, link, address, sizeof(address)) && !strcmp(address, vf))
			return i;
	}
	return 0;
}

static void read_sriov(struct bypass_function *function)
{
	const char *address = function->address;
	unsigned int pf_total = 0;

	if (host_has(address, "sriov_totalvfs")) {
		host_read_uint(address, "sriov_totalvfs", &function->vfs_total);
		host_read_uint(address, "sriov_numvfs", &function->vfs);
	}
	host_link(address, "physfn", function->pf, sizeof(function->pf));
	if (function->pf[0] && !host_read_uint(function->pf, "sriov_totalvfs", &pf_total))
		function->vf_index = find_vf_index(function->pf, address, pf_total);
}

static void read_group(struct bypass_function *function)
{
	char(*members)[BYPASS_ADDRESS_SIZE];
	int count;

	function->iommu_group = group_of(function->address);
	if (function->iommu_group < 0)
		return;
	count = bypass_group_members(function->iommu_group, &members);
	if (count > 0) {
		function->group_size = count;
		free(members);
	}
}

/* What the kernel says beside config space. */
static int read_sysfs(struct bypass_function *function)
{
	const char *address = function->address;
	char text[HOST_VALUE_SIZE];
	int err;

	err = host_link(address, "driver", function->driver, sizeof(function->driver));
	if (err)
		return err;
	if (!host_read(address, "driver_override", text, sizeof(text)) && strcmp(text, "(null)"))
		snprintf(function->driver_override, sizeof(function->driver_override), "%.31s",
			 text);
	function->numa_node = -1;
	if (!host_read(address, "numa_node", text, sizeof(text)))
		function->numa_node = atoi(text);
	if (host_read(address, "reset_method", function->reset_methods,
		      sizeof(function->reset_methods)))
		function->reset_methods[0] = '\0';
	read_group(function);
	read_sriov(function);
	return 0;
}

static void read_config(struct pci_dev *dev, struct bypass_function *function)
{
	pciaddr_t page = sysconf(_SC_PAGESIZE);

	pci_fill_info(dev, PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_CLASS_EXT | PCI_FILL_SIZES |
				   PCI_FILL_BASES | PCI_FILL_ROM_BASE);
	function->vendor_id = dev->vendor_id;
	function->device_id = dev->device_id;
	function->class_code = (uint32_t)dev->device_class << 8 | dev->prog_if;
	function->is_bridge = dev->device_class >> 8 == PCI_BASE_CLASS_BRIDGE;
	for (int i = 0; i < 6; i++) {
		function->bar_size[i] = dev->size[i];
		if (dev->size[i] && dev->size[i] < page &&
		    !(dev->base_addr[i] & PCI_BASE_ADDRESS_SPACE_IO))
			function->bar_traps |= 1 << i;
	}
	function->rom_size = dev->rom_size;
}

static int read_function(struct pci_access *access, const char *address,
			 struct bypass_function *function)
{
	unsigned int domain, bus, device, number;
	struct pci_dev *dev;

	memset(function, 0, sizeof(*function));
	snprintf(function->address, sizeof(function->address), "%s", address);
	sscanf(address, "%x:%x:%x.%x", &domain, &bus, &device, &number);
	dev = pci_get_dev(access, domain, bus, device, number);
	if (setjmp(libpci_failed)) {
		pci_free_dev(dev);
		return -ENODEV;
	}
	read_config(dev, function);
	pci_free_dev(dev);
	read_names(access, function);
	return read_sysfs(function);
}

static int by_address(const void *a, const void *b)
{
	return strcmp((*(struct bypass_function *const *)a)->address,
		      (*(struct bypass_function *const *)b)->address);
}

void bypass_functions_free(struct bypass_function **list)
{
	if (!list)
		return;
	for (size_t i = 0; list[i]; i++)
		free(list[i]);
	free(list);
}

/* Adds the function at @address, unless it vanished after the directory was read. */
static int collect(struct pci_access *access, const char *address, struct bypass_function ***list,
		   size_t *count)
{
	struct bypass_function **more, *function;

	more = realloc(*list, (*count + 2) * sizeof(*more));
	function = malloc(sizeof(*function));
	if (more)
		*list = more;
	if (!more || !function) {
		free(function);
		return bypass_fail(ENOMEM, "no memory for PCI function %s", address);
	}
	if (read_function(access, address, function))
		free(function);
	else
		more[(*count)++] = function;
	more[*count] = NULL;
	return 0;
}

int bypass_functions(struct bypass_function ***result)
{
	struct bypass_function **list = calloc(1, sizeof(*list));
	char path[256], address[BYPASS_ADDRESS_SIZE];
	struct pci_access *access;
	struct dirent *entry;
	size_t count = 0;
	int err = 0;
	DIR *dir;

	if (!list)
		return bypass_fail(ENOMEM, "no memory for a list of PCI functions");
	snprintf(path, sizeof(path), "%s/bus/pci/devices", host_paths.sys);
	dir = opendir(path);
	if (!dir) {
		free(list);
		return bypass_fail(ENODEV,
				   "the host's PCI functions cannot be listed: cannot read %s; is "
				   "there a PCI bus, and is sysfs mounted on %s?",
				   path, host_paths.sys);
	}
	/* pci_scan_bus() would fail as a whole when one function vanishes meanwhile. */
	access = access_new();
	while (!err && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !bypass_address(entry->d_name, address))
			err = collect(access, address, &list, &count);
	pci_cleanup(access);
	closedir(dir);
	if (err) {
		bypass_functions_free(list);
		return err;
	}
	qsort(list, count, sizeof(*list), by_address);
	*result = list;
	return count;
}

int bypass_function(const char *text, struct bypass_function *function)
{
	char address[BYPASS_ADDRESS_SIZE], vendor[16];
	struct pci_access *access;
	int err;

	err = bypass_address(text, address);
	if (err)
		return err;
	err = host_read(address, "vendor", vendor, sizeof(vendor));
	if (err)
		return err;
	access = access_new();
	err = read_function(access, address, function);
	pci_cleanup(access);
	return err;
}
