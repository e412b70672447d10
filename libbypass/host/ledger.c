// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ledger's files: one for each carved function, FUNCTION.json, written whole beside its place
 * and renamed into it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include <bypass/error.h>

#include "internal.h"

static const char *const state_names[] = {
	[LEDGER_CARVING] = "carving",
	[LEDGER_CARVED] = "carved",
	[LEDGER_RELEASING] = "releasing",
};

void ledger_boot(char boot[40])
{
	char path[256];

	snprintf(path, sizeof(path), "%s/sys/kernel/random/boot_id", host_paths.proc);
	if (host_file(path, boot, 40) < 0)
		boot[0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
}

bool ledger_is_of_this_boot(const struct ledger *ledger)
{
	char boot[40];

	ledger_boot(boot);
	return !strcmp(ledger->boot, boot);
}

/* @array with room for one more element. The room doubles: thousands of elements are copied twice. */
static void *room_for_one(void *array, size_t count, size_t size)
{
	return count & (count - 1) ? array : realloc(array, (count ? 2 * count : 1) * size);
}

int ledger_add_step(struct ledger *ledger, const struct step *step)
{
	struct step *more = room_for_one(ledger->step, ledger->step_count, sizeof(*more));

	if (!more)
		return bypass_fail(ENOMEM, "no memory for another step in the ledger");
	ledger->step = more;
	ledger->step[ledger->step_count++] = *step;
	return 0;
}

int ledger_add_slice(struct ledger *ledger, const char *address, const char *name)
{
	struct bypass_carved *more =
		room_for_one(ledger->slice, ledger->slice_count, sizeof(*more));

	if (!more)
		return bypass_fail(ENOMEM, "no memory for another slice in the ledger");
	ledger->slice = more;
	more += ledger->slice_count++;
	snprintf(more->address, sizeof(more->address), "%s", address);
	snprintf(more->name, sizeof(more->name), "%s", name);
	return 0;
}

static void put_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static void put_number(struct json_object *object, const char *key, int64_t number)
{
	json_object_object_add(object, key, json_object_new_int64(number));
}

static struct json_object *step_to_json(const struct step *step)
{
	struct json_object *object = json_object_new_object();

	put_text(object, "kind", step_kind_name(step->kind));
	put_number(object, "instance", step->instance);
	put_text(object, "function", step->function);
	put_text(object, "slice", step->slice);
	put_number(object, "index", step->index);
	put_text(object, "attribute", step->attribute);
	put_text(object, "from", step->from);
	put_text(object, "to", step->to);
	return object;
}

static struct json_object *ledger_to_json(const struct ledger *ledger)
{
	struct json_object *root = json_object_new_object();
	struct json_object *slices = json_object_new_array();
	struct json_object *steps = json_object_new_array();

	put_number(root, "version", LEDGER_VERSION);
	put_text(root, "function", ledger->function);
	put_number(root, "vendor", ledger->vendor_id);
	put_number(root, "device", ledger->device_id);
	put_text(root, "boot", ledger->boot);
	put_text(root, "id", ledger->id);
	put_text(root, "name", ledger->name);
	put_text(root, "netdev", ledger->netdev);
	put_text(root, "state", state_names[ledger->state]);
	put_number(root, "since", ledger->since);
	put_number(root, "pid", ledger->pid);
	put_number(root, "vfs", ledger->vfs);
	put_number(root, "rebound", ledger->rebound);
	for (size_t i = 0; i < ledger->slice_count; i++) {
		struct json_object *slice = json_object_new_object();

		put_text(slice, "address", ledger->slice[i].address);
		put_text(slice, "name", ledger->slice[i].name);
		json_object_array_add(slices, slice);
	}
	for (size_t i = 0; i < ledger->step_count; i++)
		json_object_array_add(steps, step_to_json(&ledger->step[i]));
	json_object_object_add(root, "slices", slices);
	json_object_object_add(root, "steps", steps);
	return root;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t done = write(fd, text, left);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		text += done;
		left -= done;
	}
	return 0;
}

static int write_file(struct ledger *ledger, const char *text)
{
	char name[40], fresh[40];
	int fd, err;

	ledger_file_name(name, sizeof(name), ledger->function, "json");
	ledger_file_name(fresh, sizeof(fresh), ledger->function, "new");
	unlinkat(ledger->directory, fresh, 0);
	fd = openat(ledger->directory, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text);
	if (close(fd) && !err)
		err = -errno;
	fault_point("new ledger written");
	if (!err && renameat(ledger->directory, fresh, ledger->directory, name))
		err = -errno;
	if (err)
		unlinkat(ledger->directory, fresh, 0);
	return err;
}

static int fail_save(const struct ledger *ledger, int err)
{
	return bypass_fail(err, "cannot write the ledger of %s in %s: %s", ledger->function,
			   host_paths.ledger, strerror(err));
}

int ledger_save(struct ledger *ledger)
{
	struct json_object *root = ledger_to_json(ledger);
	int err;

	err = write_file(ledger, json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY));
	json_object_put(root);
	return err ? fail_save(ledger, -err) : 0;
}

int ledger_remove(struct ledger *ledger)
{
	char name[40];

	ledger_file_name(name, sizeof(name), ledger->function, "json");
	if (unlinkat(ledger->directory, name, 0) && errno != ENOENT)
		return fail_save(ledger, errno);
	return 0;
}

int ledger_list(int directory, char (**functions)[BYPASS_ADDRESS_SIZE])
{
	char(*list)[BYPASS_ADDRESS_SIZE] = NULL, (*more)[BYPASS_ADDRESS_SIZE];
	char key[BYPASS_ADDRESS_SIZE];
	struct dirent *entry;
	int count = 0, copy;
	DIR *dir;

	copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir) {
		if (copy >= 0)
			close(copy);
		return ledger_fail_directory(errno);
	}
	while ((entry = readdir(dir))) {
		char *suffix = strrchr(entry->d_name, '.');

		if (!suffix || strcmp(suffix, ".json"))
			continue;
		*suffix = '\0';
		if (ledger_key(entry->d_name, key))
			continue;
		more = realloc(list, (count + 1) * sizeof(*list));
		if (!more)
			break;
		list = more;
		strcpy(list[count++], key);
	}
	closedir(dir);
	if (count)
		qsort(list, count, sizeof(*list), (int (*)(const void *, const void *))strcmp);
	*functions = list;
	return count;
}
