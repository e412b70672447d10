// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Releasing: finds what is to be released, and asks whether it is in use, before anything is
 * undone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"
#include "netdev.h"

static int fail_held(const char *address, const char *name, const struct bypass_holder *holder)
{
	bool named = name[0] && strcmp(name, address);

	return bypass_fail(EBUSY, "slice %s%s%s%s is in use by process %d (%s): end that first",
			   address, named ? " (" : "", named ? name : "", named ? ")" : "",
			   holder->pid, holder->name);
}

/*
 * May this function be taken from its driver? Unbinding a function that a process has open blocks
 * in the kernel without end. Unbinding a disk takes the disk from under its file system.
 */
static int check_unused(const char *address, const char *name)
{
	struct bypass_holder holder;
	int err;

	err = bypass_function_holder(address, &holder);
	if (err > 0)
		return fail_held(address, name, &holder);
	return err ? err : bypass_function_burden(address);
}

static const char *slice_name(const struct ledger *ledger, const char *address)
{
	for (size_t i = 0; i < ledger->slice_count; i++)
		if (!strcmp(ledger->slice[i].address, address))
			return ledger->slice[i].name;
	return "";
}

/* A function that its owner has taken back from vfio-pci is left alone, whatever uses it. */
static int check_whole_unused(const struct ledger *ledger)
{
	const char *function = ledger->function;
	char driver[32];

	if (host_link(function, "driver", driver, sizeof(driver)) || !driver_is_vfio(driver))
		return 0;
	return check_unused(function, slice_name(ledger, function));
}

/* The VFs go with the last slice: also those that are no slices any more. */
static int check_vfs_unused(const struct ledger *ledger)
{
	char link[24], vf[BYPASS_ADDRESS_SIZE];
	bool ours = false;
	int err = 0;

	for (size_t i = 0; i < ledger->step_count; i++)
		if (ledger->step[i].kind == STEP_VFS)
			ours = step_is_ours(&ledger->step[i]);
	for (unsigned int i = 0; ours && !err; i++) {
		snprintf(link, sizeof(link), "virtfn%u", i);
		if (host_link(ledger->function, link, vf, sizeof(vf)) || !vf[0])
			break;
		err = check_unused(vf, slice_name(ledger, vf));
	}
	return err;
}

/* A context that is open keeps an rxe from being removed, and whoever removes it waits. */
static int check_hca_unused(const struct ledger *ledger)
{
	struct bypass_holder holder;
	int err = rdma_link_holder(ledger->function, &holder);

	return err > 0 ? fail_held(ledger->function, "", &holder) : err;
}

static int check_users(const struct ledger *ledger, const char *slice)
{
	if (ledger->netdev[0])
		return check_hca_unused(ledger);
	if (ledger->slice_count && !strcmp(ledger->slice[0].address, ledger->function))
		return check_whole_unused(ledger);
	if (ledger_is_all(ledger, slice))
		return check_vfs_unused(ledger);
	return host_has(slice, "") ? check_unused(slice, slice_name(ledger, slice)) : 0;
}

/* Undoes what is to be undone, with all checks made. */
static int release_checked(struct ledger *ledger, const char *slice)
{
	bool all = ledger_is_all(ledger, slice);
	int err;

	/* What is half carved stays so until all of it is released. */
	if (all || ledger->state != LEDGER_CARVING)
		ledger->state = LEDGER_RELEASING;
	err = ledger_save(ledger);
	if (err)
		return err;
	fault_point("release begun");
	err = ledger_undo(ledger, slice);
	if (err)
		return bypass_fail(-err,
				   "%s.\nThe ledger keeps what is left to undo: remove the "
				   "cause, then 'bypass release %s' again",
				   bypass_error(), ledger->function);
	if (!all && host_has(slice, ""))
		bypass_log(BYPASS_LOG_WARN,
			   "%s is still there and has no driver: 'echo %s > "
			   "/sys/bus/pci/drivers_probe' gives it to the host's driver, 'bypass "
			   "release %s' removes all VFs",
			   slice, slice, ledger->function);
	return 0;
}

/* Only the carving with this @id, unless @id is NULL. */
static int release_locked(struct ledger *ledger, const char *slice, const char *id)
{
	int err;

	err = ledger_load(ledger);
	if (err == -ENOENT)
		return 0; /* another release was faster */
	if (err)
		return err;
	if (id && strcmp(ledger->id, id)) {
		bypass_log(BYPASS_LOG_WARN,
			   "%s was released and carved again by process %d: that carving stays",
			   ledger->function, ledger->pid);
		return 0;
	}
	if (!ledger_is_of_this_boot(ledger)) {
		bypass_log(BYPASS_LOG_WARN,
			   "%s was carved in an earlier boot: only what the device itself has kept "
			   "is "
			   "put back",
			   ledger->function);
		return release_checked(ledger, NULL);
	}
	err = carving_check(ledger);
	if (!err)
		err = check_users(ledger, slice);
	return err ? err : release_checked(ledger, slice);
}

static int release_function(const char *function, const char *slice, const char *id)
{
	struct ledger ledger;
	int err;

	err = ledger_lock(&ledger, function, false);
	if (err)
		return err;
	err = release_locked(&ledger, slice, id);
	ledger_close(&ledger);
	return err;
}

int bypass_release_carving(const struct bypass_carving *carving)
{
	return release_function(carving->function, NULL, carving->id);
}

/* Does @name mean this carving, or one slice of it, whose address goes into @slice then? */
static bool means(const struct bypass_carving *carving, const char *name, const char **slice)
{
	*slice = NULL;
	if (!strcmp(carving->function, name) || (name[0] && !strcmp(carving->name, name)))
		return true;
	for (size_t i = 0; i < carving->count; i++) {
		const struct bypass_carved *each = &carving->slice[i];

		if (strcmp(each->address, name) && strcmp(each->name, name))
			continue;
		*slice = each->address;
		return true;
	}
	return false;
}

static int release_in(struct bypass_carving **list, const char *name)
{
	const char *slice;

	for (size_t i = 0; list[i]; i++)
		if (means(list[i], name, &slice))
			return release_function(list[i]->function, slice, NULL);
	return bypass_fail(
		ENOENT, "nothing of the name '%s' is carved: 'bypass status' shows what is", name);
}

int bypass_release(const char *name)
{
	char address[BYPASS_ADDRESS_SIZE];
	struct bypass_carving **list;
	int err;

	if (!name[0])
		return bypass_fail(EINVAL, "the name of what to release is empty: 'bypass status' "
					   "shows what is carved");
	err = bypass_carvings(&list);
	if (err < 0)
		return err;
	if (!bypass_address(name, address))
		name = address;
	err = release_in(list, name);
	bypass_carvings_free(list);
	return err;
}
