// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What sub-commands share: their common options, how they fail, signals and questions.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

static bool json, verbose;

bool common_option(const struct command *command, int option, enum exit_code *code)
{
	switch (option) {
	case OPTION_JSON:
		json = true;
		return false;
	case OPTION_VERBOSE:
		verbose = true;
		return false;
	case OPTION_HELP:
		printf("Usage: %s\n", command->usage);
		*code = EXIT_DONE;
		return true;
	default: /* getopt_long has said what is wrong */
		*code = EXIT_USAGE;
		fprintf(stderr, "'bypass %s --help' shows how it is used.\n", command->name);
		return true;
	}
}

bool wants_json(void)
{
	return json;
}

bool wants_verbose(void)
{
	return verbose;
}

enum exit_code wrong_usage(const struct command *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "bypass %s: ", command->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n'bypass %s --help' shows how it is used.\n", command->name);
	return EXIT_USAGE;
}

enum exit_code failed(void)
{
	fprintf(stderr, "bypass: %s\n", bypass_error());
	return EXIT_FAILED;
}

void hold_signals(sigset_t *held)
{
	static const int others[] = {
		/* faults of the program itself: their default action must remain */
		SIGSEGV,
		SIGBUS,
		SIGFPE,
		SIGILL,
		SIGTRAP,
		SIGABRT,
		SIGSYS,
		/* job control */
		SIGTSTP,
		SIGTTIN,
		SIGTTOU,
		SIGCONT,
	};

	sigfillset(held);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		sigdelset(held, others[i]);
	sigprocmask(SIG_BLOCK, held, NULL);
}

bool confirmed(const char *question)
{
	char answer[16];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	fprintf(stderr, "%s [y/N] ", question);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}
