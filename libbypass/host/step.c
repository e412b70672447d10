// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A step sets one thing of the host from one value to another. Its undo sets the thing back.
 * Setting a thing to the value that it has is no error. After a crash, which leaves open
 * whether a step was done, both can therefore be repeated.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"
#include "netdev.h"

static int attribute_read(const struct step *step, char *value, size_t size)
{
	int err = host_read(step->function, step->attribute, value, size);

	if (!err && !strcmp(value, "(null)"))
		value[0] = '\0';
	return err;
}

static int attribute_write(const struct step *step, const char *value)
{
	return host_write(step->function, step->attribute, value);
}

static int vfs_read(const struct step *step, char *value, size_t size)
{
	return host_read(step->function, "sriov_numvfs", value, size);
}

/* The kernel makes the devices before the write returns, their attributes may come later. */
static int wait_for_vf(const char *pf, unsigned int index)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	char link[24], address[BYPASS_ADDRESS_SIZE];

	snprintf(link, sizeof(link), "virtfn%u", index);
	for (int tries = 0; tries < 500; tries++) {
		if (!host_link(pf, link, address, sizeof(address)) && address[0] &&
		    host_has(address, "driver_override"))
			return 0;
		nanosleep(&pause, NULL);
	}
	return bypass_fail(ETIMEDOUT, "VF %u of %s has not appeared within 5 seconds", index, pf);
}

/* What the kernel means by the errors of sriov_numvfs: drivers/pci/iov.c. */
int step_fail_vfs(const char *pf, unsigned int count, int err)
{
	char driver[32];

	if (host_link(pf, "driver", driver, sizeof(driver)) || !driver[0])
		return bypass_fail(
			-err, "%s is bound to no driver, and only the PF's driver makes VFs", pf);
	switch (-err) {
	case ENOENT:
	case ENOSYS:
	case EOPNOTSUPP:
		return bypass_fail(-err,
				   "the driver of %s, %s, makes no VFs: the function can be carved "
				   "whole, without --vfs",
				   pf, driver);
	case ENOMEM:
		return bypass_fail(-err,
				   "the kernel has no room for %u VFs of %s: the firmware has left "
				   "too "
				   "little memory space for their BARs, or too few bus numbers. "
				   "Carve "
				   "fewer VFs, enable SR-IOV in the firmware's set-up, or boot "
				   "with "
				   "pci=realloc ('dmesg' says what is missing)",
				   count, pf);
	case ENOSPC:
	case ENFILE:
		return bypass_fail(-err,
				   "%s has not enough left for %u VFs, as its driver %s says, be "
				   "that "
				   "interrupt vectors or queues: carve fewer VFs, or have the PF's "
				   "own "
				   "interface use fewer ('ethtool -L')",
				   pf, count, driver);
	case EBUSY:
		return bypass_fail(-err,
				   "%s or its VFs are in use, as its driver %s says: 'dmesg' may "
				   "say "
				   "what by",
				   pf, driver);
	default:
		return bypass_fail(-err,
				   "the driver of %s, %s, cannot make %u VFs: %s. 'dmesg' may say "
				   "more",
				   pf, driver, count, strerror(-err));
	}
}

/* A driver may make fewer VFs than it was asked for, and the kernel reports no error. */
static int check_count(const char *pf, unsigned int wanted)
{
	unsigned int now;
	int err = host_read_uint(pf, "sriov_numvfs", &now);

	if (err || now == wanted)
		return err;
	return bypass_fail(ENOSPC,
			   "the driver of %s has made %u VFs of the %u that it was asked for", pf,
			   now, wanted);
}

static int vfs_write(const struct step *step, const char *value)
{
	unsigned int now, wanted = strtoul(value, NULL, 10);
	char path[256];
	int err;

	err = host_read_uint(step->function, "sriov_numvfs", &now);
	if (err || now == wanted)
		return err;
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/sriov_numvfs", host_paths.sys,
		 step->function);
	/* The kernel changes one number of VFs into another only by way of none. */
	if (now && wanted)
		err = host_file_write(path, "0");
	if (!err)
		err = host_file_write(path, value);
	if (err)
		return step_fail_vfs(step->function, wanted, err);
	err = check_count(step->function, wanted);
	if (err) /* else the undo would take them for somebody else's */
		host_file_write(path, "0");
	for (unsigned int i = 0; !err && i < wanted; i++)
		err = wait_for_vf(step->function, i);
	return err;
}

static int driver_read(const struct step *step, char *value, size_t size)
{
	return host_link(step->function, "driver", value, size);
}

static int driver_bind(const char *function, const char *driver)
{
	char path[256];
	int err;

	snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s/bind", host_paths.sys, driver);
	err = host_file_write(path, function);
	if (err == -ENOENT)
		return bypass_fail(-err,
				   "cannot bind %s to %s: there is no such driver in the kernel "
				   "now; 'modprobe %s' loads it",
				   function, driver, driver);
	if (err == -EINVAL && driver_is_vfio(driver))
		return bypass_fail(-err,
				   "%s refuses %s: the function is in no IOMMU group that it could "
				   "use; 'dmesg' may say more",
				   driver, function);
	if (err)
		return bypass_fail(-err, "cannot bind %s to %s: %s; 'dmesg' may say more", function,
				   driver, strerror(-err));
	return 0;
}

static int driver_write(const struct step *step, const char *value)
{
	char now[32];
	int err;

	err = host_link(step->function, "driver", now, sizeof(now));
	if (err || !strcmp(now, value))
		return err;
	if (now[0])
		err = host_write(step->function, "driver/unbind", step->function);
	if (!err && value[0])
		err = driver_bind(step->function, value);
	return err;
}

static int link_read(const struct step *step, char *value, size_t size)
{
	return vf_link_read(step->function, step->index, step->attribute, value, size);
}

static int link_write(const struct step *step, const char *value)
{
	return vf_link_write(step->function, step->index, step->attribute, value);
}

static int nvme_read(const struct step *step, char *value, size_t size)
{
	return nvme_vf_read(step->function, step->index, step->attribute, value, size);
}

static int nvme_write(const struct step *step, const char *value)
{
	return nvme_vf_write(step->function, step->index, step->attribute, value);
}

static int device_read(const struct step *step, char *value, size_t size)
{
	return netdev_read(step->function, value, size);
}

static int device_write(const struct step *step, const char *value)
{
	return netdev_write(step->function, value);
}

static int address_read(const struct step *step, char *value, size_t size)
{
	return netdev_address_read(step->function, step->to, value, size);
}

static int address_write(const struct step *step, const char *value)
{
	return netdev_address_write(step->function, step->to, value[0]);
}

static int up_read(const struct step *step, char *value, size_t size)
{
	return netdev_up_read(step->function, value, size);
}

static int up_write(const struct step *step, const char *value)
{
	return netdev_up_write(step->function, value);
}

static int sysctl_read(const struct step *step, char *value, size_t size)
{
	return netdev_sysctl_read(step->function, step->attribute, value, size);
}

static int sysctl_write(const struct step *step, const char *value)
{
	return netdev_sysctl_write(step->function, step->attribute, value);
}

static int hca_read(const struct step *step, char *value, size_t size)
{
	return rdma_link_read(step->function, value, size);
}

static int hca_write(const struct step *step, const char *value)
{
	return rdma_link_write(step->function, value);
}

static const struct {
	const char *name;
	int (*read)(const struct step *step, char *value, size_t size);
	int (*write)(const struct step *step, const char *value);
} kinds[] = {
	[STEP_ATTRIBUTE] = {"attribute", attribute_read, attribute_write},
	[STEP_VFS] = {"vfs", vfs_read, vfs_write},
	[STEP_DRIVER] = {"driver", driver_read, driver_write},
	[STEP_LINK] = {"vf-link", link_read, link_write},
	[STEP_INTERFACE] = {"interface", NULL, NULL}, /* see interface_put_back() */
	[STEP_NVME] = {"nvme-vf", nvme_read, nvme_write},
	[STEP_NETDEV] = {"netdev", device_read, device_write},
	[STEP_ADDRESS] = {"address", address_read, address_write},
	[STEP_UP] = {"up", up_read, up_write},
	[STEP_SYSCTL] = {"sysctl", sysctl_read, sysctl_write},
	[STEP_RDMA] = {"rdma", hca_read, hca_write},
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

const char *step_kind_name(enum step_kind kind)
{
	return kinds[kind].name;
}

int step_kind_parse(const char *name)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (!strcmp(kinds[i].name, name))
			return i;
	return -EINVAL;
}

/*
 * The number of a device's directory in sysfs. The kernel gives each directory a number of its own,
 * also when a device comes back at the same address. 0: there is no such device.
 */
static uint64_t instance_below(const char *directory, const char *name)
{
	struct stat info;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s/%s", host_paths.sys, directory, name);
	return stat(path, &info) ? 0 : info.st_ino & INT64_MAX;
}

static uint64_t device_instance(const char *function)
{
	return instance_below("bus/pci/devices", function);
}

/* Of the device in which the step's value lives; 0 when the value lives in the hardware. */
static uint64_t step_instance(const struct step *step)
{
	char vf[BYPASS_ADDRESS_SIZE];

	switch (step->kind) {
	case STEP_VFS: /* the VFs are the value: the first one stands for all */
		if (host_link(step->function, "virtfn0", vf, sizeof(vf)) || !vf[0])
			return 0;
		return device_instance(vf);
	case STEP_LINK:
		return device_instance(step->slice);
	case STEP_NVME:
		return 0;
	case STEP_RDMA: /* the HCA is the value */
		return instance_below("class/infiniband", step->function);
	case STEP_NETDEV:
	case STEP_ADDRESS:
	case STEP_UP:
	case STEP_SYSCTL:
		return instance_below("class/net", step->function);
	default:
		return device_instance(step->function);
	}
}

/* Is the value of the step a device that the step makes? */
static bool step_makes(const struct step *step)
{
	return step->kind == STEP_VFS || step->kind == STEP_NETDEV || step->kind == STEP_RDMA;
}

int step_read(struct step *step)
{
	step->instance = step_instance(step);
	return kinds[step->kind].read(step, step->from, sizeof(step->from));
}

/*
 * Some things refuse the value that they have: an online controller of an NVMe VF takes no resources, and an interface's
 * name is taken.
 */
int step_do(struct step *step)
{
	char now[HOST_VALUE_SIZE];
	int err = kinds[step->kind].read(step, now, sizeof(now));

	if (!err && strcmp(now, step->to))
		err = kinds[step->kind].write(step, step->to);
	if (!err && step_makes(step))
		step->instance = step_instance(step);
	return err;
}

/* No other driver than the one in driver_override can be bound. */
static bool is_overridden(const struct step *step, char now[HOST_VALUE_SIZE])
{
	char override[HOST_VALUE_SIZE];

	if (step->kind != STEP_DRIVER || !step->from[0] ||
	    host_read(step->function, "driver_override", override, sizeof(override)) ||
	    !override[0] || !strcmp(override, "(null)") || !strcmp(override, step->from))
		return false;
	snprintf(now, HOST_VALUE_SIZE, "%s", override);
	return true;
}

/* Compares what is there with the step: STEP_UNDONE when the value is ours and is to be set back. */
static int step_compare(const struct step *step, char now[HOST_VALUE_SIZE])
{
	int err;

	now[0] = '\0';
	if (step->kind != STEP_NVME && !step_kind_is_rdma(step->kind) && step->slice[0] &&
	    !host_has(step->slice, ""))
		return STEP_DEVICE_GONE;
	if (step->instance && !step_makes(step) && step_instance(step) != step->instance)
		return STEP_DEVICE_GONE;
	err = kinds[step->kind].read(step, now, HOST_VALUE_SIZE);
	if (err || !strcmp(now, step->from))
		return err;
	if (strcmp(now, step->to) || is_overridden(step, now))
		return STEP_OF_ANOTHER;
	if (step_makes(step) && step->instance && step_instance(step) != step->instance)
		return STEP_OF_ANOTHER; /* as many VFs, but not the ones that we made */
	return STEP_UNDONE;
}

bool step_is_ours(const struct step *step)
{
	char now[HOST_VALUE_SIZE];

	return step_compare(step, now) == STEP_UNDONE && strcmp(now, step->from);
}

int step_undo(const struct step *step, char now[HOST_VALUE_SIZE])
{
	int result = step_compare(step, now);

	if (result != STEP_UNDONE || !strcmp(now, step->from))
		return result;
	return kinds[step->kind].write(step, step->from);
}

void step_describe(const struct step *step, char *text, size_t size)
{
	switch (step->kind) {
	case STEP_ATTRIBUTE:
		snprintf(text, size, "set %s of %s to '%s'", step->attribute, step->function,
			 step->to);
		break;
	case STEP_VFS:
		snprintf(text, size, "create %s VFs on %s", step->to, step->function);
		break;
	case STEP_DRIVER:
		if (step->to[0])
			snprintf(text, size, "bind %s to %s", step->function, step->to);
		else
			snprintf(text, size, "unbind %s from %s", step->function, step->from);
		break;
	case STEP_LINK:
		snprintf(text, size, "set %s of VF %u of %s to %s", step->attribute, step->index,
			 step->function, step->to);
		break;
	case STEP_INTERFACE:
		snprintf(text, size, "take %s '%s' from the interface of %s", step->attribute,
			 step->from, step->function);
		break;
	case STEP_NVME:
		snprintf(text, size, "set %s of NVMe controller %u of %s to %s", step->attribute,
			 step->index, step->function, step->to);
		break;
	case STEP_NETDEV:
		snprintf(text, size, "make the network device %s, %s", step->function, step->to);
		break;
	case STEP_ADDRESS:
		snprintf(text, size, "give %s the address %s", step->function, step->to);
		break;
	case STEP_UP:
		snprintf(text, size, "set %s %s", step->function, step->to);
		break;
	case STEP_SYSCTL:
		snprintf(text, size, "set net.ipv4.conf.%s.%s to %s", step->function,
			 step->attribute, step->to);
		break;
	case STEP_RDMA:
		snprintf(text, size, "make the HCA %s, %s", step->function, step->to);
		break;
	}
}
