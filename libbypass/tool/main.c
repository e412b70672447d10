// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The `bypass` command: finds the sub-command and runs it. Exit status: 0 done, 1 could
 * not, 2 wrong usage.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

static const struct command *const commands[] = {
	&command_list, &command_doctor, &command_carve, &command_release, &command_status,
	&command_run,  &command_top,	&command_serve, &command_bench,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static struct timespec started;

static void print_usage(FILE *out)
{
	fprintf(out, "Usage: bypass COMMAND [OPTION…]\n"
		     "Devices of this host for guests: see them, make them ready, put them "
		     "back.\n\n"
		     "Commands:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "\n'bypass COMMAND --help' tells more, with examples; so does 'man "
		     "bypass'.\n");
}

/* Shows warnings always, and steps with --verbose or when the work takes more than a second. */
static void show_remark(void *opaque, enum bypass_log_level level, const char *text)
{
	struct timespec now;

	(void)opaque;
	if (level == BYPASS_LOG_WARN) {
		fprintf(stderr, "bypass: warning: %s\n", text);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (wants_verbose() ||
	    (level == BYPASS_LOG_INFO && isatty(STDERR_FILENO) && now.tv_sec - started.tv_sec > 1))
		fprintf(stderr, "%s\n", text);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int run_command(int argc, char **argv)
{
	const struct command *command = find_command(argv[0]);
	enum exit_code code;

	if (!command) {
		fprintf(stderr, "bypass: there is no command '%s'\n", argv[0]);
		print_usage(stderr);
		return EXIT_USAGE;
	}
	optind = 1;
	code = command->run(argc, argv);
	if (fflush(stdout) && code == EXIT_DONE) {
		perror("bypass: cannot write the output");
		code = EXIT_FAILED;
	}
	return code;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	clock_gettime(CLOCK_MONOTONIC, &started);
	bypass_log_set(show_remark, NULL);
	if (!strcmp(word, "--version")) {
		puts("bypass " BYPASS_VERSION);
		return EXIT_DONE;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		print_usage(stdout);
		return EXIT_DONE;
	}
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	return run_command(argc - 1, argv + 1);
}
