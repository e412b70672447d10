// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Carving: everything that could be refused is looked at first; then one step after the
 * other, each in the ledger before it is done.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

#define VFIO_DRIVER "vfio-pci"
#define AUTOPROBE   "sriov_drivers_autoprobe"

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

static int check(const struct bypass_carve *what, struct bypass_function *function)
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

static int carve_step(struct ledger *ledger, struct step step)
{
	char text[2 * HOST_VALUE_SIZE];
	int err;

	err = step_read(&step);
	if (err || !strcmp(step.from, step.to))
		return err;
	err = ledger_add_step(ledger, &step);
	if (!err)
		err = ledger_save(ledger);
	if (err)
		return err;
	fault_point("step in the ledger");
	step_describe(&step, text, sizeof(text));
	bypass_log(BYPASS_LOG_INFO, "%s", text);
	err = step_do(&step);
	ledger->step[ledger->step_count - 1].instance =
		step.instance; /* saved with the next step */
	fault_point("step done");
	if (err)
		return bypass_fail(-err, "could not %s: %s", text, bypass_error());
	return 0;
}

static int set_attribute(struct ledger *ledger, const char *function, const char *slice,
			 const char *attribute, const char *to)
{
	struct step step = {.kind = STEP_ATTRIBUTE};

	snprintf(step.function, sizeof(step.function), "%s", function);
	snprintf(step.slice, sizeof(step.slice), "%s", slice);
	snprintf(step.attribute, sizeof(step.attribute), "%s", attribute);
	snprintf(step.to, sizeof(step.to), "%s", to);
	return carve_step(ledger, step);
}

static int set_driver(struct ledger *ledger, const char *function, const char *to)
{
	struct step step = {.kind = STEP_DRIVER};

	snprintf(step.function, sizeof(step.function), "%s", function);
	snprintf(step.slice, sizeof(step.slice), "%s", function);
	snprintf(step.to, sizeof(step.to), "%s", to);
	return carve_step(ledger, step);
}

/* A setting of one VF, by way of its PF. */
static int set_vf(struct ledger *ledger, enum step_kind kind, const char *vf, unsigned int index,
		  const char *setting, const char *to)
{
	struct step step = {.kind = kind, .index = index};

	snprintf(step.function, sizeof(step.function), "%s", ledger->function);
	snprintf(step.slice, sizeof(step.slice), "%s", vf);
	snprintf(step.attribute, sizeof(step.attribute), "%s", setting);
	snprintf(step.to, sizeof(step.to), "%s", to);
	return carve_step(ledger, step);
}

/* In this order, so that the undo finds the override gone when it binds the old driver. */
static int bind_vfio(struct ledger *ledger, const char *function)
{
	char driver[32];
	int err;

	vfio_driver(function, driver, sizeof(driver));
	err = set_driver(ledger, function, "");
	if (!err)
		err = set_attribute(ledger, function, function, "driver_override", driver);
	if (!err)
		err = set_driver(ledger, function, driver);
	return err;
}

static void format_mac(const uint8_t mac[6], char *text, size_t size)
{
	snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
}

/* What nobody has asked for may fail: the VF works without. */
static void set_unasked(struct ledger *ledger, const char *vf, unsigned int index,
			const char *setting, const char *value)
{
	if (set_vf(ledger, STEP_LINK, vf, index, setting, value))
		bypass_log(BYPASS_LOG_WARN, "%s goes without a %s of its own: %s", vf, setting,
			   bypass_error());
}

/* Once: it is the same for all VFs. */
static void remark_no_identity(const char *vf, unsigned int index)
{
	if (index)
		return;
	bypass_log(BYPASS_LOG_WARN,
		   "%s gets no stable address: %s holds no ID of this host from which one could be "
		   "derived ('systemd-machine-id-setup' makes one)",
		   vf, host_paths.machine_id);
}

static int set_mac(struct ledger *ledger, const char *vf, unsigned int index,
		   const struct bypass_vf_settings *settings, bool ethernet)
{
	static const uint8_t none[6];
	uint8_t derived[6];
	char text[24];

	if (memcmp(settings->mac, none, sizeof(none))) {
		format_mac(settings->mac, text, sizeof(text));
		return set_vf(ledger, STEP_LINK, vf, index, "mac", text);
	}
	if (ethernet && !identity_mac(ledger->function, index, derived)) {
		remark_no_identity(vf, index);
	} else if (ethernet) {
		format_mac(derived, text, sizeof(text));
		set_unasked(ledger, vf, index, "mac", text);
	}
	return 0;
}

/* Without GUIDs the subnet manager does not know the VF, and without the policy its link is down. */
static int set_guids(struct ledger *ledger, const char *vf, unsigned int index,
		     const struct bypass_vf_settings *settings, bool infiniband)
{
	uint64_t guid = settings->guid;
	char text[24];
	int err;

	if (!guid && !infiniband)
		return 0;
	if (!guid && !identity_guid(ledger->function, index, &guid)) {
		remark_no_identity(vf, index);
		return 0;
	}
	vf_guid_format(guid, text, sizeof(text));
	err = set_vf(ledger, STEP_LINK, vf, index, "node", text);
	if (!err)
		err = set_vf(ledger, STEP_LINK, vf, index, "port", text);
	if (!err)
		err = set_vf(ledger, STEP_LINK, vf, index, "policy", "Follow");
	return err;
}

static int set_link(struct ledger *ledger, const char *vf, unsigned int index,
		    const struct bypass_vf_settings *settings)
{
	enum vf_link_kind kind = vf_link_kind(ledger->function);
	char text[24];
	int err;

	err = set_mac(ledger, vf, index, settings, kind == VF_LINK_ETHERNET);
	if (!err)
		err = set_guids(ledger, vf, index, settings, kind == VF_LINK_INFINIBAND);
	if (!err && settings->vlan) {
		snprintf(text, sizeof(text), "%u", settings->vlan);
		err = set_vf(ledger, STEP_LINK, vf, index, "vlan", text);
	}
	if (!err && settings->trust >= 0)
		err = set_vf(ledger, STEP_LINK, vf, index, "trust", settings->trust ? "1" : "0");
	return err;
}

/* What each VF of an NVMe controller gets; queues is 0 on other functions. */
struct nvme_share {
	unsigned int queues;
	unsigned int vectors;
};

static int set_nvme(struct ledger *ledger, const char *vf, unsigned int index,
		    const struct nvme_share *share)
{
	unsigned int controller;
	char text[16];
	int err;

	err = nvme_vf_controller(ledger->function, index, &controller);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%u", share->queues);
	err = set_vf(ledger, STEP_NVME, vf, controller, "queues", text);
	snprintf(text, sizeof(text), "%u", share->vectors);
	if (!err)
		err = set_vf(ledger, STEP_NVME, vf, controller, "vectors", text);
	if (!err)
		err = set_vf(ledger, STEP_NVME, vf, controller, "state", "online");
	return err;
}

static int carve_vf(struct ledger *ledger, const struct bypass_carve *what, unsigned int index,
		    const struct nvme_share *share)
{
	static const struct bypass_vf_settings none = {.trust = -1};
	char link[24], vf[BYPASS_ADDRESS_SIZE], name[BYPASS_SLICE_NAME_SIZE];
	int err;

	snprintf(link, sizeof(link), "virtfn%u", index);
	err = host_link(ledger->function, link, vf, sizeof(vf));
	if (err)
		return err;
	snprintf(name, sizeof(name), "%s", vf);
	if (what->name)
		snprintf(name, sizeof(name), "%s-%u", what->name, index);
	err = ledger_add_slice(ledger, vf, name);
	if (!err)
		err = set_link(ledger, vf, index, what->settings ? &what->settings[index] : &none);
	if (!err && share->queues)
		err = set_nvme(ledger, vf, index, share);
	if (!err)
		err = bind_vfio(ledger, vf);
	return err;
}

/*
 * All VFs have their driver: probing is set back as it was. With probing off the host could not bind
 * a VF that is given back alone.
 */
static int probe_again(struct ledger *ledger)
{
	int err = 0, unsaved = 0;

	for (size_t i = ledger->step_count; i-- && !err;) {
		const struct step *step = &ledger->step[i];

		if (step->kind == STEP_ATTRIBUTE && !strcmp(step->attribute, AUTOPROBE))
			err = ledger_undo_step(ledger, i, &unsaved);
	}
	return err ? err : unsaved;
}

static int carve_vfs(struct ledger *ledger, const struct bypass_carve *what)
{
	const char *pf = ledger->function;
	struct nvme_share share = {0};
	struct step vfs = {.kind = STEP_VFS};
	int err = 0;

	if (host_has(pf, "nvme"))
		err = nvme_vf_share(pf, what->vfs, &share.queues, &share.vectors);
	/* Else the host's own driver takes each VF before we can. */
	if (!err && host_has(pf, AUTOPROBE))
		err = set_attribute(ledger, pf, "", AUTOPROBE, "0");
	snprintf(vfs.function, sizeof(vfs.function), "%s", pf);
	snprintf(vfs.to, sizeof(vfs.to), "%u", what->vfs);
	if (!err)
		err = carve_step(ledger, vfs);
	for (unsigned int i = 0; i < what->vfs && !err; i++)
		err = carve_vf(ledger, what, i, &share);
	return err ? err : probe_again(ledger);
}

static int carve_whole(struct ledger *ledger, const struct bypass_carve *what)
{
	int err;

	err = ledger_add_slice(ledger, ledger->function,
			       what->name ? what->name : ledger->function);
	if (!err)
		err = interfaces_note(ledger, ledger->function);
	return err ? err : bind_vfio(ledger, ledger->function);
}

static void make_id(char id[BYPASS_CARVING_ID_SIZE])
{
	uint64_t number = 0;

	/* The time does as well: the lock on the function keeps two carvings apart. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number)) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		number = now.tv_sec * 1000000000ull + now.tv_nsec;
	}
	snprintf(id, BYPASS_CARVING_ID_SIZE, "%016" PRIx64, number);
}

/* Writes a ledger in which no step is done, so that other carvings see what this one will take. */
static int begin(struct ledger *ledger, const struct bypass_carve *what,
		 const struct bypass_function *function)
{
	int err;

	/* The checks saw no ledger, but that was without the function's lock. */
	err = ledger_load(ledger);
	if (err != -ENOENT)
		return err ? err
			   : bypass_fail(EBUSY, "%s has just been carved by process %d",
					 ledger->function, ledger->pid);
	ledger->state = LEDGER_CARVING;
	ledger->vendor_id = function->vendor_id;
	ledger->device_id = function->device_id;
	ledger_boot(ledger->boot);
	make_id(ledger->id);
	ledger->since = time(NULL);
	ledger->pid = getpid();
	ledger->vfs = what->vfs;
	if (what->name)
		snprintf(ledger->name, sizeof(ledger->name), "%s", what->name);
	fault_point("ledger locked");
	return ledger_save(ledger);
}

/* Carves with the ledger locked. On failure everything is as it was. */
static int carve_locked(struct ledger *ledger, const struct bypass_carve *what)
{
	char failure[1024];
	int err;

	fault_point("ledger begun");
	err = what->vfs ? carve_vfs(ledger, what) : carve_whole(ledger, what);
	if (!err) {
		ledger->state = LEDGER_CARVED;
		err = ledger_save(ledger);
	}
	if (!err) {
		fault_point("carved");
		return 0;
	}
	snprintf(failure, sizeof(failure), "%s", bypass_error());
	if (ledger_undo(ledger, NULL))
		return bypass_fail(-err, "%s.\nUndoing the steps before it failed too: %s", failure,
				   bypass_error());
	return bypass_fail(-err, "%s.\nThe steps before it were undone", failure);
}

/* Firmware that goes on using memory by way of a device (an RMRR) ties the device to the host. */
static void remark_reserved(const char *address)
{
	char path[256], line[128], type[32];
	unsigned long long first, last;
	FILE *file;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/iommu_group/reserved_regions",
		 host_paths.sys, address);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx %llx %31s", &first, &last, type) == 3 && !strcmp(type, "dire"
											      "ct"))
			bypass_log(BYPASS_LOG_WARN,
				   "the host's firmware uses the memory from %#llx to %#llx by way "
				   "of "
				   "%s (an RMRR), so the kernel may refuse to give it to a guest: "
				   "the "
				   "firmware's set-up or the vendor can end that",
				   first, last, address);
	if (file)
		fclose(file);
}

static void remark_link(const char *pf)
{
	char interface[32], attribute[64], flags[16];

	if (vf_link_interface(pf, interface, sizeof(interface)))
		return;
	snprintf(attribute, sizeof(attribute), "net/%s/flags", interface);
	if (!host_read(pf, attribute, flags, sizeof(flags)) && !(strtoul(flags, NULL, 0) & 1))
		bypass_log(BYPASS_LOG_WARN,
			   "%s, the PF's interface, is down, and so are the links of its VFs: 'ip "
			   "link set %s up'",
			   interface, interface);
}

/* Slices that are carved but cannot be used yet are worth a remark. */
static void remark(const struct ledger *ledger, const struct bypass_carve *what)
{
	for (size_t i = 0; i < ledger->slice_count; i++) {
		const char *address = ledger->slice[i].address;

		if (bypass_group_check(address))
			bypass_log(BYPASS_LOG_WARN, "%s", bypass_error());
		remark_reserved(address);
	}
	if (ledger->slice_count)
		vfio_driver_remark(ledger->slice[0].address);
	if (what->vfs)
		remark_link(ledger->function);
}

/* Checks @what, and takes what it takes: the function's lock, a ledger, and the names in it. */
static int claim(struct ledger *ledger, const struct bypass_carve *what)
{
	struct bypass_function function;
	struct ledger_all all;
	int err;

	err = ledger_lock_all(&all);
	if (err)
		return err;
	err = check(what, &function);
	if (!err)
		err = ledger_lock(ledger, function.address, true);
	if (!err) {
		err = begin(ledger, what, &function);
		if (err)
			ledger_close(ledger);
	}
	ledger_unlock_all(&all);
	return err;
}

int bypass_carve(const struct bypass_carve *what, struct bypass_carving **carving)
{
	struct ledger ledger;
	int err;

	err = claim(&ledger, what);
	if (err)
		return err;
	err = carve_locked(&ledger, what);
	if (!err)
		remark(&ledger, what);
	if (!err && carving) {
		*carving = carving_of(&ledger);
		if (!*carving)
			err = bypass_fail(ENOMEM, "no memory to tell what was carved");
	}
	ledger_close(&ledger);
	return err;
}
