// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass status: the slices of this host, their users, and carvings that are not complete.
 */
#include <getopt.h>
#include <stdio.h>

#include "internal.h"

static enum exit_code run_status(int argc, char **argv)
{
	static const struct option options[] = {COMMON_OPTIONS};
	struct json_object *document, *carvings;
	struct bypass_carving **list;
	enum exit_code code;
	int option, count;

	while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1)
		if (common_option(&command_status, option, &code))
			return code;
	if (optind < argc)
		return wrong_usage(&command_status, "'%s' is one argument too many", argv[optind]);
	count = bypass_carvings(&list);
	if (count < 0)
		return failed();
	carvings = json_object_new_array();
	for (int i = 0; i < count; i++)
		json_object_array_add(carvings, carving_json(list[i]));
	bypass_carvings_free(list);
	document = json_object_new_object();
	json_object_object_add(document, "carvings", carvings);
	if (wants_json()) {
		print_json(document);
		return EXIT_DONE;
	}
	if (count)
		print_carvings(carvings);
	else
		puts("Nothing is carved.");
	json_object_put(document);
	return EXIT_DONE;
}

const struct command command_status = {
	.name = "status",
	.summary = "what is carved, who uses it, what was left half done",
	.usage = "bypass status [--json]\n"
		 "Shows every slice that bypass made on this host. Needs root.\n\n"
		 "  --json      the same as JSON\n"
		 "  -h, --help  this text\n\n"
		 "Examples:\n"
		 "  bypass status\n"
		 "  bypass status --json | jq -r '.carvings[].slices[].address'",
	.run = run_status,
};
