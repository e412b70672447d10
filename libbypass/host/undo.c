// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Undoing: the steps in the ledger, last first, each struck out once it is undone. What is left
 * after a failure or a crash is what still has to be undone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
			   "%s had the interface %s, and this release did not bind its driver: "
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
	if (step->kind == STEP_SYSCTL && step_is_shared(step, ledger, now))
		return STEP_UNDONE; /* the last one does it */
	/* Written first: after a crash the next release must know whose interface this is. */
	if (step->kind == STEP_DRIVER && step->from[0] && step_is_ours(step)) {
		ledger->rebound = true;
		ledger_save(ledger);
		fault_point("about to bind again");
	}
	return step_undo(step, now);
}

static int undo_step(struct ledger *ledger, size_t index, int *unsaved)
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

int ledger_undo_step(struct ledger *ledger, size_t index, int *unsaved)
{
	struct ledger_all all;
	int err;

	if (ledger->step[index].kind != STEP_SYSCTL)
		return undo_step(ledger, index, unsaved);
	err = ledger_lock_all(&all);
	if (err)
		return err;
	err = undo_step(ledger, index, unsaved);
	ledger_unlock_all(&all);
	return err;
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
bool ledger_is_all(const struct ledger *ledger, const char *slice)
{
	return !slice || ledger->slice_count <= 1;
}

int ledger_undo(struct ledger *ledger, const char *slice)
{
	bool all = ledger_is_all(ledger, slice);
	int err = 0, unsaved = 0;

	/*
	 * A ledger that cannot be written is no reason to leave the host half undone: an undo can
	 * be repeated, and the file goes away at the end.
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
