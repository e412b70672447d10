// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass release: puts functions back as they were before they were carved.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "internal.h"

static struct json_object *released;

static enum exit_code release(const char *name)
{
	if (bypass_release(name))
		return failed();
	json_object_array_add(released, json_object_new_string(name));
	return EXIT_DONE;
}

/* Goes on after a failure: what can be put back is. */
static enum exit_code release_all(void)
{
	enum exit_code code = EXIT_DONE;
	struct bypass_carving **list;
	int count;

	count = bypass_carvings(&list);
	if (count < 0)
		return failed();
	for (int i = 0; i < count; i++)
		if (release(list[i]->function) != EXIT_DONE)
			code = EXIT_FAILED;
	bypass_carvings_free(list);
	return code;
}

static void report(void)
{
	struct json_object *document = json_object_new_object();
	size_t count = json_object_array_length(released);

	if (wants_json()) {
		json_object_object_add(document, "released", released);
		print_json(document);
		return;
	}
	for (size_t i = 0; i < count; i++)
		printf("released %s\n",
		       json_object_get_string(json_object_array_get_idx(released, i)));
	json_object_put(released);
	json_object_put(document);
}

static enum exit_code run_release(int argc, char **argv)
{
	enum { OPTION_ALL = OPTION_FIRST };
	static const struct option options[] = {
		{"all", no_argument, NULL, OPTION_ALL},
		COMMON_OPTIONS,
	};
	enum exit_code code = EXIT_DONE;
	sigset_t held;
	bool all = false;
	int option;

	while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
		if (option == OPTION_ALL)
			all = true;
		else if (common_option(&command_release, option, &code))
			return code;
	}
	if (all == (optind < argc))
		return wrong_usage(&command_release,
				   all ? "--all takes no names" : "say what to release, or --all");
	released = json_object_new_array();
	hold_signals(&held);
	if (all)
		code = release_all();
	for (; optind < argc; optind++)
		if (release(argv[optind]) != EXIT_DONE)
			code = EXIT_FAILED;
	report();
	return code;
}

const struct command command_release = {
	.name = "release",
	.summary = "put functions back as they were",
	.usage = "bypass release FUNCTION|SLICE|NAME…\n"
		 "       bypass release --all\n"
		 "Undoes what 'bypass carve' did to the host, also what was left half done by\n"
		 "a process that was killed. Refuses while a process uses the slice. Needs\n"
		 "root.\n\n"
		 "  --all          everything that is carved\n"
		 "  --json         what was released, as JSON\n"
		 "  -v, --verbose  each step\n"
		 "  -h, --help     this text\n\n"
		 "Examples:\n"
		 "  bypass release 0000:01:00.0    the function and all its slices\n"
		 "  bypass release web-1           one slice; the last one gives back the rest\n"
		 "  bypass release --all",
	.run = run_release,
};
