// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The steps of carving: each is in the ledger before it is done.
 */
#include <stdio.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

static int do_step(struct ledger *ledger, struct step step)
{
	char text[2 * HOST_VALUE_SIZE];
	int err;

	err = step_read(&step);
	if (err)
		return err;
	/* What another carving has changed already, the last of those who want it changes back. */
	if (!strcmp(step.from, step.to) &&
	    !(step.kind == STEP_SYSCTL && step_is_shared(&step, ledger, step.from)))
		return 0;
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

int carve_step(struct ledger *ledger, struct step step)
{
	struct ledger_all all;
	int err;

	if (step.kind != STEP_SYSCTL)
		return do_step(ledger, step);
	/* No other carving may count on the change, or end to, while this one looks. */
	err = ledger_lock_all(&all);
	if (err)
		return err;
	err = do_step(ledger, step);
	ledger_unlock_all(&all);
	return err;
}

int carve_attribute(struct ledger *ledger, const char *function, const char *slice,
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
int carve_vf_setting(struct ledger *ledger, enum step_kind kind, const char *vf, unsigned int index,
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
int carve_bind(struct ledger *ledger, const char *function)
{
	char driver[32];
	int err;

	vfio_driver(function, driver, sizeof(driver));
	err = set_driver(ledger, function, "");
	if (!err)
		err = carve_attribute(ledger, function, function, "driver_override", driver);
	if (!err)
		err = set_driver(ledger, function, driver);
	return err;
}
