// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Carving: checks first, then one step after the other. All of it or nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"
#include "virtio.h"

#define AUTOPROBE "sriov_drivers_autoprobe"

/*
 * All VFs have their driver: probing is set back as it was. With probing off the host could not
 * bind a VF that is given back alone.
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
		err = carve_attribute(ledger, pf, "", AUTOPROBE, "0");
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

	/* While the host's driver still has the function: later only the device can tell. */
	if (virtio_dma(ledger->function) == VIRTIO_DMA_FREE)
		bypass_log(BYPASS_LOG_WARN, "no guest will get %s: %s. The fix: %s",
			   ledger->function, VIRTIO_DMA_PROBLEM, VIRTIO_DMA_FIX);
	err = ledger_add_slice(ledger, ledger->function,
			       what->name ? what->name : ledger->function);
	if (!err)
		err = interfaces_note(ledger, ledger->function);
	return err ? err : carve_bind(ledger, ledger->function);
}

/* Carves with the ledger locked. On failure everything is as it was. */
static int carve_locked(struct ledger *ledger, const struct bypass_carve *what)
{
	fault_point("ledger begun");
	return carving_end(ledger, what->vfs ? carve_vfs(ledger, what) : carve_whole(ledger, what));
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
	err = carve_check(what, &function);
	if (!err)
		err = ledger_lock(ledger, function.address, true);
	if (!err) {
		ledger->vendor_id = function.vendor_id;
		ledger->device_id = function.device_id;
		ledger->vfs = what->vfs;
		err = carving_begin(ledger, what->name);
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
		carve_remark(&ledger, what);
	if (!err && carving) {
		*carving = carving_of(&ledger);
		if (!*carving)
			err = bypass_fail(ENOMEM, "no memory to tell what was carved");
	}
	ledger_close(&ledger);
	return err;
}
