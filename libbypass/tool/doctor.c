// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass doctor: what stands in the way of the data path, and what fixes it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/doctor.h>

#include "internal.h"

#define LABEL_WIDTH 27 /* "fail  interrupt-remapping  " */

static const char *const verdict_names[] = {
	[BYPASS_OK] = "ok",
	[BYPASS_WARN] = "warn",
	[BYPASS_FAIL] = "fail",
};

static struct json_object *findings;

static void collect(void *opaque, const struct bypass_finding *finding)
{
	struct json_object *object = json_object_new_object();

	(void)opaque;
	add_text(object, "verdict", verdict_names[finding->verdict]);
	add_text(object, "about", finding->about);
	add_text(object, "text", finding->text);
	add_text_or_null(object, finding->is_command ? "command" : "setting", finding->fix);
	json_object_object_add(object, finding->is_command ? "setting" : "command", NULL);
	json_object_array_add(findings, object);
}

/* Prints @text from column LABEL_WIDTH on, and breaks lines at blanks. */
static void print_wrapped(const char *text, size_t width)
{
	size_t column = LABEL_WIDTH;

	while (*text) {
		size_t length = strcspn(text, " "), shown = width_of_first(text, length);

		if (column > LABEL_WIDTH && width && column + 1 + shown > width) {
			printf("\n%*s", LABEL_WIDTH, "");
			column = LABEL_WIDTH;
		} else if (column > LABEL_WIDTH) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)length, text);
		column += shown;
		text += length + (text[length] == ' ');
	}
	putchar('\n');
}

static void print_finding(struct json_object *finding)
{
	const char *verdict = get_text(finding, "verdict");
	const char *colour = colourful() ? colour_of(verdict) : NULL;
	size_t width = terminal_width();

	printf("%s%-4s%s  %-19s  ", colour ? colour : "", verdict, colour ? "\033[0m" : "",
	       get_text(finding, "about"));
	print_wrapped(get_text(finding, "text"), width);
	/* A command stays on one line, so that it can be copied. */
	if (!is_null(finding, "command"))
		printf("%*s$ %s\n", LABEL_WIDTH, "", get_text(finding, "command"));
	if (!is_null(finding, "setting")) {
		printf("%*s", LABEL_WIDTH, "");
		print_wrapped(get_text(finding, "setting"), width);
	}
}

static void report(int fails)
{
	struct json_object *document = json_object_new_object();
	size_t count = json_object_array_length(findings);

	json_object_object_add(document, "findings", findings);
	add_number(document, "fails", fails);
	if (wants_json()) {
		print_json(document);
		return;
	}
	for (size_t i = 0; i < count; i++)
		print_finding(json_object_array_get_idx(findings, i));
	if (fails)
		printf("\n%d of these must be fixed first.\n", fails);
	else
		printf("\nAll that was asked can work.\n");
	json_object_put(document);
}

/* Examines the host and either the named function, the named HCA, or all HCAs. */
static enum exit_code doctor(struct bypass_doctor *ask, const char *target)
{
	char address[BYPASS_ADDRESS_SIZE];
	int fails, rdma = 0;

	findings = json_object_new_array();
	ask->found = collect;
	if (target && !bypass_address(target, address))
		ask->function = target;
	fails = bypass_doctor(ask);
	if (fails >= 0 && !ask->function)
		rdma = bypass_doctor_rdma(target, collect, NULL);
	if (fails < 0 || rdma < 0) {
		json_object_put(findings);
		return failed();
	}
	report(fails + rdma);
	return fails + rdma ? EXIT_FAILED : EXIT_DONE;
}

static enum exit_code run_doctor(int argc, char **argv)
{
	enum { OPTION_MEM = OPTION_FIRST };
	static const struct option options[] = {
		{"mem", required_argument, NULL, OPTION_MEM},
		COMMON_OPTIONS,
	};
	struct bypass_doctor ask = {0};
	enum exit_code code;
	int option;

	while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
		if (option == OPTION_MEM && !parse_size(optarg, &ask.guest_memory))
			return wrong_usage(&command_doctor, "--mem takes a size, such as 4G");
		if (option != OPTION_MEM && common_option(&command_doctor, option, &code))
			return code;
	}
	if (optind + 1 < argc)
		return wrong_usage(&command_doctor, "one function or RDMA device at a time");
	return doctor(&ask, argv[optind]);
}

const struct command command_doctor = {
	.name = "doctor",
	.summary = "what stands in the way, and what fixes it",
	.usage = "bypass doctor [--mem SIZE] [ADDRESS|RDMA-DEVICE]\n"
		 "Looks at every precondition of the data path on this host, its RDMA devices\n"
		 "among them, and if asked of one PCI function or RDMA device. Changes\n"
		 "nothing. Each line is ok, warn or fail, with the command ($) or setting that\n"
		 "fixes it. Status 0 when all that was asked can work, 1 when not.\n\n"
		 "  --mem SIZE  the guest's memory: 512M, 4G\n"
		 "  --json      the findings as JSON\n"
		 "  -h, --help  this text\n\n"
		 "Examples:\n"
		 "  bypass doctor\n"
		 "  bypass doctor --mem 8G 0000:01:00.0\n"
		 "  bypass doctor rxe0",
	.run = run_doctor,
};
