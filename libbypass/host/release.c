// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Releasing: the steps in the ledger undone, last first, each struck out once it is. What
 * is left after a failure or a crash is what still has to be undone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

/* Says which undo was left out, and why. A VF that is gone needs no words. */
static void remark_left(const struct step *step, enum step_undone result, const char *text,
			const char *now)
{
	if (result == STEP_OF_ANOTHER && !strcmp(now, step->to))
		bypass_log(BYPASS_LOG_WARN,
			   "did not undo '%s': somebody has removed them since and created others, "
			   "which stay",
			   text);
	else if (result == STEP_OF_ANOTHER)
		bypass_log(BYPASS_LOG_WARN,
			   "did not undo '%s': somebody has changed this since, from '%s' to '%s'. "
			   "Before the carving it was '%s'. The present value stays",
			   text, step->to, now, step->from);
	else if (step->kind == STEP_DRIVER && step->from[0])
		bypass_log(BYPASS_LOG_WARN,
			   "did not undo '%s': %s was removed since, and came back. The device "
			   "keeps "
			   "the driver and the settings that it has now",
			   text, step->function);
}

/* Only an interface that releasing has brought about is set up: another one's is left alone. */
static int undo_interface(const struct ledger *ledger, const struct step *step)
{
	if (ledger->rebound)
		interface_put_back(step);
	else if (!strcmp(step->attribute, "name"))
		bypass_log(BYPASS_LOG_WARN,
			   "%s had the interface %s, and has got its driver back from somebody "
			   "else: "
			   "the settings of its interface stay as they are",
			   step->function, step->from);
	return STEP_UNDONE;
}

static int undo(struct ledger *ledger, const struct step *step, char now[HOST_VALUE_SIZE])
{
	/* What an earlier boot has set in the kernel is gone; the hardware may have kept its own. */
	if (step->kind != STEP_NVME && !ledger_is_of_this_boot(ledger))
		return STEP_DEVICE_GONE;
	if (step->kind == STEP_INTERFACE)
		return undo_interface(ledger, step);
	/* Written first: after a crash the next release must know whose interface this is. */
	if (step->kind == STEP_DRIVER && step->from[0] && step_is_ours(step)) {
		ledger->rebound = true;
		ledger_save(ledger);
		fault_point("about to bind again");
	}
	return step_undo(step, now);
}

int ledger_undo_step(struct ledger *ledger, size_t index, int *unsaved)
{
	struct step *step = &ledger->step[index];
	char text[2 * HOST_VALUE_SIZE], now[HOST_VALUE_SIZE] = "";
	int result;

	step_describe(step, text, sizeof(text));
	bypass_log(BYPASS_LOG_INFO, "undo: %s", text);
	result = undo(ledger, step, now);
	/* A VF's settings end with the VF: a driver that refuses to change them stops nothing. */
	if (result < 0 && (step->kind == STEP_LINK || !ledger_is_of_this_boot(ledger))) {
		bypass_log(BYPASS_LOG_WARN, "did not undo '%s': %s", text, bypass_error());
		result = STEP_DEVICE_GONE;
	}
	if (result < 0)
		return bypass_fail(-result, "could not undo '%s': %s", text, bypass_error());
	if (result != STEP_UNDONE && ledger_is_of_this_boot(ledger))
		remark_left(step, result, text, now);
	fault_point("step undone");
	memmove(step, step + 1, (--ledger->step_count - index) * sizeof(*step));
	*unsaved = ledger_save(ledger);
	fault_point("undo in the ledger");
	return 0;
}

static void strike_slice(struct ledger *ledger, const char *address)
{
	for (size_t i = 0; i < ledger->slice_count; i++) {
		struct bypass_carved *slice = &ledger->slice[i];

		if (strcmp(slice->address, address))
			continue;
		memmove(slice, slice + 1, (--ledger->slice_count - i) * sizeof(*slice));
		return;
	}
}

/* Is a slice bound to vfio-pci, as the last step of carving and the first of releasing say? */
static bool is_whole(const struct ledger *ledger, const char *slice)
{
	for (size_t i = 0; i < ledger->step_count; i++) {
		const struct step *step = &ledger->step[i];

		if (step->kind == STEP_DRIVER && step->to[0] && !strcmp(step->slice, slice))
			return true;
	}
	return false;
}

/* The state when one slice of several was given back. */
static enum ledger_state state_of_rest(const struct ledger *ledger)
{
	if (ledger->state == LEDGER_CARVING)
		return LEDGER_CARVING;
	for (size_t i = 0; i < ledger->slice_count; i++)
		if (!is_whole(ledger, ledger->slice[i].address))
			return LEDGER_RELEASING;
	return LEDGER_CARVED;
}

/* Is nothing of the carving to be left? */
static bool is_all(const struct ledger *ledger, const char *slice)
{
	return !slice || ledger->slice_count <= 1;
}

int ledger_undo(struct ledger *ledger, const char *slice)
{
	bool all = is_all(ledger, slice);
	int err = 0, unsaved = 0;

	/*
	 * A ledger that cannot be written is no reason to leave the host half undone: an undo can be
	 * repeated, and the file goes away at the end.
	 */
	for (size_t i = ledger->step_count; i-- && !err;)
		if (all || !strcmp(ledger->step[i].slice, slice))
			err = ledger_undo_step(ledger, i, &unsaved);
	if (err)
		return err;
	if (all)
		return ledger_remove(ledger);
	strike_slice(ledger, slice);
	ledger->state = state_of_rest(ledger);
	return ledger_save(ledger);
}

static int fail_earlier_boot(const struct ledger *ledger)
{
	return bypass_fail(ESTALE,
			   "%s was carved in an earlier boot of this host, and a reboot undoes "
			   "that: "
			   "'bypass release %s' removes what is left of the carving",
			   ledger->function, ledger->function);
}

/* The function must be the one that the ledger was written for. */
static int check_identity(const struct ledger *ledger)
{
	unsigned int vendor = 0, device = 0;
	const char *function = ledger->function;

	if (host_read_uint(function, "vendor", &vendor) ||
	    host_read_uint(function, "device", &device))
		return bypass_fail(ENODEV,
				   "%s, which was carved, is gone from the host: there is nothing "
				   "to put back. When it will not come back, remove its ledger "
				   "%s/%s.json",
				   function, host_paths.ledger, function);
	if (vendor == ledger->vendor_id && device == ledger->device_id)
		return 0;
	return bypass_fail(ENODEV,
			   "%s is now another device (%04x:%04x) than the one that was carved "
			   "(%04x:%04x), and nothing was changed. Remove the ledger %s/%s.json "
			   "when the old one will not come back",
			   function, vendor, device, ledger->vendor_id, ledger->device_id,
			   host_paths.ledger, function);
}

static int fail_held(const char *address, const char *name, const struct bypass_holder *holder)
{
	bool named = name[0] && strcmp(name, address);

	return bypass_fail(EBUSY, "slice %s%s%s%s is in use by process %d (%s): end that first",
			   address, named ? " (" : "", named ? name : "", named ? ")" : "",
			   holder->pid, holder->name);
}

/*
 * May this function be taken from its driver? The kernel waits without end when it is to unbind a
 * function that a process has open, and takes a disk from under its file system.
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

static int check_users(const struct ledger *ledger, const char *slice)
{
	if (ledger->slice_count && !strcmp(ledger->slice[0].address, ledger->function))
		return check_whole_unused(ledger);
	if (is_all(ledger, slice))
		return check_vfs_unused(ledger);
	return host_has(slice, "") ? check_unused(slice, slice_name(ledger, slice)) : 0;
}

/* Undoes what is to be undone, with all checks made. */
static int release_checked(struct ledger *ledger, const char *slice)
{
	bool all = is_all(ledger, slice);
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
	err = check_identity(ledger);
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

struct bypass_carving *carving_of(const struct ledger *ledger)
{
	static const enum bypass_carving_state states[] = {
		[LEDGER_CARVING] = BYPASS_CARVE_HALF,
		[LEDGER_CARVED] = BYPASS_CARVED,
		[LEDGER_RELEASING] = BYPASS_RELEASE_HALF,
	};
	struct bypass_carving *carving;

	carving = calloc(1, sizeof(*carving) + ledger->slice_count * sizeof(carving->slice[0]));
	if (!carving)
		return NULL;
	snprintf(carving->function, sizeof(carving->function), "%s", ledger->function);
	snprintf(carving->name, sizeof(carving->name), "%s", ledger->name);
	carving->state = states[ledger->state];
	snprintf(carving->id, sizeof(carving->id), "%s", ledger->id);
	carving->since = ledger->since;
	carving->pid = ledger->pid;
	carving->steps = ledger->step_count;
	carving->count = ledger->slice_count;
	if (ledger->slice_count)
		memcpy(carving->slice, ledger->slice,
		       ledger->slice_count * sizeof(carving->slice[0]));
	return carving;
}

/* One entry of the list; NULL, with errno 0, when its ledger went away in the meantime. */
static struct bypass_carving *read_carving(const char *function)
{
	struct bypass_carving *carving;
	struct ledger ledger;
	bool bad;
	pid_t pid;
	int err;

	err = ledger_peek(&ledger, function);
	if (!err)
		err = ledger_load(&ledger);
	if (err == -ENOENT || ledger.directory < 0) {
		ledger_close(&ledger);
		errno = 0;
		return NULL;
	}
	pid = ledger_locked_by(ledger.directory, function);
	if (!err)
		err = ledger_is_of_this_boot(&ledger) ? check_identity(&ledger)
						      : fail_earlier_boot(&ledger);
	bad = err;
	if (err == -EBADMSG) /* nothing of what was read so far is to be trusted */
		ledger.slice_count = ledger.step_count = 0;
	carving = carving_of(&ledger);
	if (carving && bad) {
		carving->state = BYPASS_LEDGER_BAD;
		snprintf(carving->problem, sizeof(carving->problem), "%s", bypass_error());
	} else if (carving && pid) {
		carving->state = BYPASS_CARVE_BUSY;
		carving->pid = pid;
	}
	ledger_close(&ledger);
	return carving;
}

void bypass_carvings_free(struct bypass_carving **list)
{
	if (!list)
		return;
	for (size_t i = 0; list[i]; i++)
		free(list[i]);
	free(list);
}

int bypass_carvings(struct bypass_carving ***result)
{
	char(*functions)[BYPASS_ADDRESS_SIZE] = NULL;
	struct bypass_carving **list;
	int directory, found = 0, count = 0;

	directory = ledger_directory(false);
	if (directory < 0 && directory != -ENOENT)
		return directory;
	if (directory >= 0) {
		found = ledger_list(directory, &functions);
		close(directory);
		if (found < 0)
			return found;
	}
	list = calloc(found + 1, sizeof(*list));
	for (int i = 0; list && i < found; i++) {
		list[count] = read_carving(functions[i]);
		if (list[count])
			count++;
	}
	free(functions);
	if (!list)
		return bypass_fail(ENOMEM, "no memory for a list of what is carved");
	*result = list;
	return count;
}
