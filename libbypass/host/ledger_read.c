// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reading a ledger back. It may have been cut short, edited, or written by another version:
 * it is taken whole or not at all, because half an undo is worse than none.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include <bypass/error.h>

#include "internal.h"

#define LEDGER_MAX (64 << 20) /* bytes: some thousand VFs */

/* Collects the first thing that is wrong, so that the fields can be read one after another. */
struct reader {
	char problem[160];
};

static void __attribute__((format(printf, 2, 3))) bad(struct reader *reader, const char *fmt, ...)
{
	va_list ap;

	if (reader->problem[0])
		return;
	va_start(ap, fmt);
	vsnprintf(reader->problem, sizeof(reader->problem), fmt, ap);
	va_end(ap);
}

static struct json_object *get(struct reader *reader, struct json_object *object, const char *key,
			       enum json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type)) {
		bad(reader, "'%s' is missing or no %s", key, json_type_to_name(type));
		return NULL;
	}
	return value;
}

/* A value that is written, but is no part of a path. */
static void get_value(struct reader *reader, struct json_object *object, const char *key,
		      char *text, size_t size)
{
	struct json_object *value = get(reader, object, key, json_type_string);
	const char *from = value ? json_object_get_string(value) : "";
	size_t length = strlen(from);

	text[0] = '\0';
	if (value && length != (size_t)json_object_get_string_len(value))
		bad(reader, "'%s' has a NUL inside", key);
	if (length >= size)
		bad(reader, "'%s' is too long", key);
	for (size_t i = 0; i < length; i++)
		if (!isprint((unsigned char)from[i]))
			bad(reader, "'%s' has a character that cannot be there", key);
	if (!reader->problem[0])
		memcpy(text, from, length + 1);
}

/* Part of a path below sysfs: nothing in it may lead elsewhere. */
static void get_text(struct reader *reader, struct json_object *object, const char *key, char *text,
		     size_t size)
{
	get_value(reader, object, key, text, size);
	if (strpbrk(text, "/ "))
		bad(reader, "'%s' has a character that cannot be there", key);
	if (!strcmp(text, "..") || !strcmp(text, "."))
		bad(reader, "'%s' cannot be '%s'", key, text);
}

static void get_address(struct reader *reader, struct json_object *object, const char *key,
			bool may_be_empty, char address[BYPASS_ADDRESS_SIZE])
{
	char text[BYPASS_ADDRESS_SIZE];

	get_text(reader, object, key, text, sizeof(text));
	address[0] = '\0';
	if (text[0] == '\0' && may_be_empty)
		return;
	if (ledger_key(text, address) || strcmp(text, address))
		bad(reader, "'%s' is no PCI address, nor the name of a network device", key);
}

static int64_t get_number(struct reader *reader, struct json_object *object, const char *key,
			  int64_t most)
{
	struct json_object *value = get(reader, object, key, json_type_int);
	int64_t number = value ? json_object_get_int64(value) : 0;

	if (number < 0 || number > most)
		bad(reader, "'%s' is out of range", key);
	return number;
}

static void read_step(struct reader *reader, struct json_object *object, struct step *step)
{
	char kind[16];
	int known;

	memset(step, 0, sizeof(*step));
	get_text(reader, object, "kind", kind, sizeof(kind));
	known = step_kind_parse(kind);
	if (known < 0)
		bad(reader, "'kind' is '%s', which is unknown", kind);
	else
		step->kind = known;
	step->instance = get_number(reader, object, "instance", INT64_MAX);
	get_address(reader, object, "function", false, step->function);
	get_address(reader, object, "slice", true, step->slice);
	step->index = get_number(reader, object, "index", UINT16_MAX);
	get_text(reader, object, "attribute", step->attribute, sizeof(step->attribute));
	if (step->kind == STEP_DRIVER) {
		get_text(reader, object, "from", step->from, sizeof(step->from));
		get_text(reader, object, "to", step->to, sizeof(step->to));
	} else {
		get_value(reader, object, "from", step->from, sizeof(step->from));
		get_value(reader, object, "to", step->to, sizeof(step->to));
	}
}

static int read_arrays(struct reader *reader, struct ledger *ledger, struct json_object *root)
{
	struct json_object *slices = get(reader, root, "slices", json_type_array);
	struct json_object *steps = get(reader, root, "steps", json_type_array);
	struct bypass_carved slice;
	struct step step;
	int err = 0;

	for (size_t i = 0; slices && !err && i < json_object_array_length(slices); i++) {
		struct json_object *object = json_object_array_get_idx(slices, i);

		get_address(reader, object, "address", false, slice.address);
		get_text(reader, object, "name", slice.name, sizeof(slice.name));
		err = ledger_add_slice(ledger, slice.address, slice.name);
	}
	for (size_t i = 0; steps && !err && i < json_object_array_length(steps); i++) {
		read_step(reader, json_object_array_get_idx(steps, i), &step);
		err = ledger_add_step(ledger, &step);
	}
	return err;
}

static int read_root(struct reader *reader, struct ledger *ledger, struct json_object *root)
{
	char function[BYPASS_ADDRESS_SIZE], state[16];
	int64_t version;

	version = get_number(reader, root, "version", INT32_MAX);
	if (!reader->problem[0] && version != LEDGER_VERSION)
		bad(reader,
		    "it is of version %d, and this bypass writes and reads version %d: use the "
		    "bypass that wrote it",
		    (int)version, LEDGER_VERSION);
	get_address(reader, root, "function", false, function);
	if (strcmp(function, ledger->function))
		bad(reader, "it is the ledger of '%s'", function);
	ledger->vendor_id = get_number(reader, root, "vendor", UINT16_MAX);
	ledger->device_id = get_number(reader, root, "device", UINT16_MAX);
	get_text(reader, root, "id", ledger->id, sizeof(ledger->id));
	get_text(reader, root, "boot", ledger->boot, sizeof(ledger->boot));
	get_text(reader, root, "name", ledger->name, sizeof(ledger->name));
	/* Ledgers of functions had none once. */
	if (json_object_object_get_ex(root, "netdev", NULL))
		get_text(reader, root, "netdev", ledger->netdev, sizeof(ledger->netdev));
	get_text(reader, root, "state", state, sizeof(state));
	if (!strcmp(state, "carved"))
		ledger->state = LEDGER_CARVED;
	else if (!strcmp(state, "releasing"))
		ledger->state = LEDGER_RELEASING;
	else if (!strcmp(state, "carving"))
		ledger->state = LEDGER_CARVING;
	else
		bad(reader, "'state' is '%s', which is unknown", state);
	ledger->since = get_number(reader, root, "since", INT64_MAX);
	ledger->pid = get_number(reader, root, "pid", INT32_MAX);
	ledger->vfs = get_number(reader, root, "vfs", UINT16_MAX);
	ledger->rebound = get_number(reader, root, "rebound", 1);
	return read_arrays(reader, ledger, root);
}

static int parse(struct ledger *ledger, const char *text, size_t length, struct reader *reader)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *root;
	int err = 0;

	if (!tokener)
		return bypass_fail(ENOMEM, "no memory to read a ledger");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	root = json_tokener_parse_ex(tokener, text, length);
	if (!root || !json_object_is_type(root, json_type_object))
		bad(reader, "it is no JSON object: %s",
		    json_tokener_error_desc(json_tokener_get_error(tokener)));
	else
		err = read_root(reader, ledger, root);
	json_object_put(root);
	json_tokener_free(tokener);
	return err;
}

/* Reads a whole regular file of ours. Returns its text, or NULL with errno set. */
static char *slurp(int directory, const char *name, size_t *length)
{
	struct stat info;
	char *text = NULL;
	ssize_t done;
	int fd;

	fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	errno = EINVAL;
	if (fstat(fd, &info) || !S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
	    info.st_size > LEDGER_MAX)
		goto out;
	text = malloc(info.st_size + 1);
	if (!text)
		goto out;
	done = read(fd, text, info.st_size);
	if (done != info.st_size) {
		free(text);
		text = NULL;
		goto out;
	}
	text[done] = '\0';
	*length = done;
out:
	close(fd);
	return text;
}

int ledger_load(struct ledger *ledger)
{
	struct reader reader = {.problem = ""};
	size_t length = 0;
	char name[40];
	char *text;
	int err = 0;

	snprintf(name, sizeof(name), "%s.json", ledger->function);
	text = slurp(ledger->directory, name, &length);
	if (!text && errno == ENOENT)
		return -ENOENT;
	if (text)
		err = parse(ledger, text, length, &reader);
	else
		bad(&reader, "it is no plain file of root's under 64 MiB (%s)", strerror(errno));
	free(text);
	if (err || !reader.problem[0])
		return err;
	return bypass_fail(EBADMSG,
			   "the ledger %s/%s cannot be used: %s. Nothing was changed. Put the "
			   "device back by hand, as far as the file still tells what was changed, "
			   "then remove it",
			   host_paths.ledger, name, reader.problem);
}
