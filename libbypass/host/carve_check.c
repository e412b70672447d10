// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What must hold before a function is carved: everything that could be refused is looked at first.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

#define VFIO_DRIVER "vfio-pci"

static int check_vfio(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s", host_paths.sys, VFIO_DRIVER);
	if (access(path, F_OK) == 0)
		return 0;
	return bypass_fail(ENOTSUP,
			   "the kernel's driver %s, through which guests get devices, is not "
			   "loaded: 'modprobe %s' loads it now, a line '%s' in "
			   "/etc/modules-load.d/bypass.conf at every boot",
			   VFIO_DRIVER, VFIO_DRIVER, VFIO_DRIVER);
}

static int check_vfs(const struct bypass_function *pf, unsigned int vfs)
{
	if (!pf->vfs_total)
		return bypass_fail(ENOTSUP,
				   "%s (%s) has no SR-IOV, so it can have no VFs: without --vfs it "
				   "is carved whole",
				   pf->address, pf->device);
	if (vfs > pf->vfs_total)
		return bypass_fail(ERANGE, "%s can have %u VFs, not %u", pf->address, pf->vfs_total,
				   vfs);
	if (pf->vfs)
		return bypass_fail(EBUSY,
				   "%s has %u VFs that bypass did not make: remove them with 'echo "
				   "0 > /sys/bus/pci/devices/%s/sriov_numvfs', or carve them one "
				   "by one",
				   pf->address, pf->vfs, pf->address);
	if (!pf->driver[0])
		return bypass_fail(ENODEV,
				   "%s is bound to no driver, and it takes the PF's driver to make "
				   "VFs: load it first",
				   pf->address);
	if (driver_is_vfio(pf->driver))
		return bypass_fail(EBUSY,
				   "%s is bound to %s, and it takes the host's own driver of the "
				   "PF to make VFs: give it back first",
				   pf->address, pf->driver);
	return 0;
}

static int check_whole(const struct bypass_function *function, bool force)
{
	if (driver_is_vfio(function->driver))
		return bypass_fail(EALREADY,
				   "%s is bound to %s already, and not by bypass: a guest can have "
				   "it as it is",
				   function->address, function->driver);
	if (function->vfs)
		return bypass_fail(EBUSY,
				   "%s has %u VFs, which would go with its driver: remove them "
				   "first",
				   function->address, function->vfs);
	return force ? 0 : bypass_function_burden(function->address);
}

static int check_name(const char *name)
{
	size_t length = strlen(name);

	if (isalpha((unsigned char)name[0]) && length < BYPASS_SLICE_NAME_SIZE - 6 &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		    length)
		return 0;
	return bypass_fail(EINVAL,
			   "'%s' cannot be the name of a slice: letters, digits, '-', '_' and '.', "
			   "%d at the most, the first a letter",
			   name, BYPASS_SLICE_NAME_SIZE - 7);
}

static int check_function(const struct bypass_function *function)
{
	if (function->is_bridge)
		return bypass_fail(EINVAL, "%s is a bridge (%s): no guest can have it",
				   function->address, function->device);
	if (function->iommu_group < 0)
		return bypass_group_check(function->address);
	return check_vfio();
}

/* Does a carving of this name, with so many VFs, take the name @taken for itself or a slice? */
static bool takes_name(const char *name, unsigned int vfs, const char *taken)
{
	size_t length = strlen(name);
	unsigned long index;
	char *end;

	if (!name[0] || strncmp(name, taken, length))
		return false;
	if (!taken[length])
		return true;
	if (taken[length] != '-' || !isdigit((unsigned char)taken[length + 1]))
		return false;
	index = strtoul(taken + length + 1, &end, 10);
	return !*end && index < vfs && (taken[length + 1] != '0' || end == taken + length + 2);
}

/* Do two carvings with these names and numbers of VFs have a name in common? */
static bool names_meet(const char *name, unsigned int vfs, const char *other,
		       unsigned int other_vfs)
{
	char slice[BYPASS_SLICE_NAME_SIZE + 8];

	if (takes_name(name, vfs, other) || takes_name(other, other_vfs, name))
		return true;
	/* "a-0" with VFs takes "a-0-0", and "a" with VFs does not. */
	for (unsigned int i = 0; i < vfs; i++) {
		snprintf(slice, sizeof(slice), "%s-%u", name, i);
		if (takes_name(other, other_vfs, slice))
			return true;
	}
	return false;
}

/* The function that is to be carved has a ledger. */
static int fail_carved(const struct bypass_carving *carving)
{
	const char *function = carving->function;

	switch (carving->state) {
	case BYPASS_CARVE_BUSY:
		return 0; /* the lock says who holds it */
	case BYPASS_LEDGER_BAD:
		return bypass_fail(EBADMSG, "%s", carving->problem);
	case BYPASS_CARVED:
		return bypass_fail(EBUSY,
				   "%s is carved already, into %zu slices: 'bypass status' shows "
				   "them, 'bypass release %s' gives them back",
				   function, carving->count, function);
	default:
		return bypass_fail(EBUSY,
				   "%s was left half done by process %d: 'bypass release %s' puts "
				   "it back",
				   function, carving->pid, function);
	}
}

/* Neither the function nor a name may be part of @other. */
static int check_distinct(const struct bypass_carve *what, const struct bypass_function *function,
			  const struct ledger *other)
{
	for (size_t i = 0; i < other->slice_count; i++) {
		const struct bypass_carved *slice = &other->slice[i];

		if (!strcmp(slice->address, function->address))
			return bypass_fail(EBUSY, "%s is carved already, as a slice of %s",
					   slice->address, other->function);
		if (what->name && takes_name(what->name, what->vfs, slice->name))
			return bypass_fail(EEXIST, "the name '%s' is taken by %s, a slice of %s",
					   slice->name, slice->address, other->function);
	}
	if (!strcmp(other->function, function->pf))
		return bypass_fail(EBUSY,
				   "%s is a VF that was made when %s was carved, and goes away "
				   "when %s "
				   "is released: it cannot be carved by itself. Release %s first",
				   function->address, function->pf, function->pf, function->pf);
	if (what->name && names_meet(what->name, what->vfs, other->name, other->vfs))
		return bypass_fail(EEXIST, "the name '%s' is taken by what %s was carved into",
				   what->name, other->function);
	return 0;
}

/* With the lock over all ledgers. A ledger that cannot be read has no names. */
static int check_unique(const struct bypass_carve *what, const struct bypass_function *function)
{
	struct bypass_carving **list;
	int count, err = 0;

	count = bypass_carvings(&list);
	if (count < 0)
		return count;
	for (int i = 0; i < count && !err; i++) {
		struct ledger other;

		if (!strcmp(list[i]->function, function->address)) {
			err = fail_carved(list[i]);
			continue;
		}
		err = ledger_peek(&other, list[i]->function);
		if (!err && !ledger_load(&other))
			err = check_distinct(what, function, &other);
		ledger_close(&other);
	}
	bypass_carvings_free(list);
	return err;
}

int carve_check(const struct bypass_carve *what, struct bypass_function *function)
{
	int err;

	err = bypass_function(what->function, function);
	if (!err)
		err = check_function(function);
	if (!err && what->name)
		err = check_name(what->name);
	if (!err)
		err = check_unique(what, function);
	if (err)
		return err;
	return what->vfs ? check_vfs(function, what->vfs) : check_whole(function, what->force);
}
