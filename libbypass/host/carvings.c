// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is carved, as the ledgers say, and whether the host is still the one that they tell of.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

static int fail_earlier_boot(const struct ledger *ledger)
{
	return bypass_fail(ESTALE,
			   "%s was carved in an earlier boot of this host, and a reboot undoes "
			   "that: "
			   "'bypass release %s' removes what is left of the carving",
			   ledger->function, ledger->function);
}

/* The function must be the one that the ledger was written for. */
int carving_check(const struct ledger *ledger)
{
	unsigned int vendor = 0, device = 0;
	const char *function = ledger->function;

	if (ledger->netdev[0]) /* what it made tells by itself whose it is */
		return 0;
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

/* "10.7.0.5+fd00::5", as addr= of an RDMA slice takes them */
static void add_addresses(const struct ledger *ledger, char *text, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < ledger->step_count && length < size; i++) {
		const char *address = ledger->step[i].to;

		if (ledger->step[i].kind == STEP_ADDRESS)
			length += snprintf(text + length, size - length, "%s%.*s",
					   length ? "+" : "", (int)strcspn(address, "/"), address);
	}
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
	snprintf(carving->netdev, sizeof(carving->netdev), "%s", ledger->netdev);
	add_addresses(ledger, carving->addresses, sizeof(carving->addresses));
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
		err = ledger_is_of_this_boot(&ledger) ? carving_check(&ledger)
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
