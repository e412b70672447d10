// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass run: carves, runs a command with the slices, and releases when the command ends in
 * whatever way. When this process itself is killed, the kernel ends the command, and the ledger
 * keeps the steps to undo.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

#define MOST_FUNCTIONS 64
#define NOT_RUN	       127 /* the status with which shells report that no command was found */

struct session {
	struct bypass_carving *carving[MOST_FUNCTIONS];
	size_t count;
	bool force;
};

/* "PF=N" or "FUNCTION". */
static int carve_one(struct session *session, const char *text)
{
	struct bypass_carve what = {.force = session->force};
	const char *vfs = strchr(text, '=');
	char function[64], *end;
	int err;

	snprintf(function, sizeof(function), "%.*s", (int)(vfs ? vfs - text : 63), text);
	what.function = function;
	if (vfs) {
		what.vfs = strtoul(vfs + 1, &end, 10);
		if (!what.vfs || *end)
			return bypass_fail(EINVAL, "'%s': after '=' stands the number of VFs",
					   text);
	}
	err = bypass_carve(&what, &session->carving[session->count]);
	session->count += !err;
	return err;
}

/* Processes that the command left behind may need a moment to close the slices. */
static int release_one(const struct bypass_carving *carving)
{
	const struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};
	int err;

	for (int tries = 0; tries < 25; tries++) {
		err = bypass_release_carving(carving);
		if (err != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	return err;
}

static bool release_all(struct session *session)
{
	bool good = true;

	while (session->count) {
		struct bypass_carving *carving = session->carving[--session->count];

		if (release_one(carving)) {
			failed();
			good = false;
		}
		free(carving);
	}
	return good;
}

/* The slices in order, separated by blanks. */
static char *list_slices(const struct session *session)
{
	char *list = calloc(1, 1);

	for (size_t i = 0; list && i < session->count; i++)
		for (size_t j = 0; list && j < session->carving[i]->count; j++) {
			char *longer;

			if (asprintf(&longer, "%s%s%s", list, list[0] ? " " : "",
				     session->carving[i]->slice[j].address) < 0)
				longer = NULL;
			free(list);
			list = longer;
		}
	return list;
}

/* The address of slice @number in the list, and the address's length; NULL past the last slice. */
static const char *find_slice(const char *slices, unsigned long number, size_t *length)
{
	while (number-- && slices)
		slices = (slices = strchr(slices, ' ')) ? slices + 1 : NULL;
	*length = slices ? strcspn(slices, " ") : 0;
	return slices;
}

/* Replaces each "{N}" by the address of slice N. Without such a slice the text stays. */
static char *fill_in(const char *argument, const char *slices)
{
	char *filled = NULL, *end;
	size_t size, length;
	FILE *out = open_memstream(&filled, &size);

	while (out && *argument) {
		const char *slice = NULL;

		if (*argument == '{' && argument[1] >= '0' && argument[1] <= '9')
			slice = find_slice(slices, strtoul(argument + 1, &end, 10), &length);
		if (slice && *end == '}') {
			fwrite(slice, 1, length, out);
			argument = end + 1;
		} else {
			putc(*argument++, out);
		}
	}
	if (out)
		fclose(out);
	return filled;
}

static void __attribute__((noreturn))
become(char **command, const struct session *session, const sigset_t *held, pid_t parent)
{
	char *slices = list_slices(session);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(NOT_RUN);
	if (slices)
		setenv("BYPASS_SLICES", slices, 1);
	for (size_t i = 0; slices && command[i]; i++)
		command[i] = fill_in(command[i], slices);
	sigprocmask(SIG_UNBLOCK, held, NULL);
	execvp(command[0], command);
	fprintf(stderr, "bypass run: cannot run %s: %s\n", command[0], strerror(errno));
	_exit(NOT_RUN);
}

/* A signal that this process caused itself, such as SIGPIPE, is not for the command. */
static void pass_on(pid_t child, const siginfo_t *info)
{
	if (info->si_code != SI_USER || info->si_pid != getpid())
		kill(child, info->si_signo);
}

/*
 * Passes on signals that came before fork(). The command cannot have received these. A signal from
 * the terminal after fork() reaches the command twice, which does no harm at its start.
 */
static void pass_on_early(pid_t child, const sigset_t *held)
{
	const struct timespec now = {0};
	sigset_t signals = *held;
	siginfo_t info;

	sigdelset(&signals, SIGCHLD);
	while (sigtimedwait(&signals, &info, &now) > 0)
		pass_on(child, &info);
}

/*
 * Passes on signals until the command ends. The kernel sends the signals of keys, such as Control-C,
 * to the command as well. When the terminal is closed, the kernel sends SIGHUP to the leader of the
 * session only, and this process may be that leader.
 */
static int await(pid_t child, const sigset_t *held)
{
	siginfo_t info;
	int status;

	for (;;) {
		if (sigwaitinfo(held, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD) {
			if (info.si_code != SI_KERNEL || info.si_signo == SIGHUP)
				pass_on(child, &info);
			continue;
		}
		if (waitpid(child, &status, WNOHANG) != child)
			continue;
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

static int run_command(char **command, const struct session *session, const sigset_t *held)
{
	pid_t parent = getpid(), child;

	fflush(NULL);
	child = fork();
	if (child < 0) {
		bypass_fail(errno, "cannot start a process: %s", strerror(errno));
		return failed();
	}
	if (!child)
		become(command, session, held, parent);
	pass_on_early(child, held);
	return await(child, held);
}

/* The signal by which the user has asked to end, or 0. */
static int asked_to_end(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (sigismember(&pending, ends[i]))
			return ends[i];
	return 0;
}

static int carve_and_run(struct session *session, char **functions, char **command)
{
	int status = 0, end = 0;
	sigset_t held;

	/* A process that ignores SIGCHLD cannot wait for a child. Its parent may have set this. */
	signal(SIGCHLD, SIG_DFL);
	hold_signals(&held);
	for (; !status && !end && *functions; functions++) {
		if (carve_one(session, *functions))
			status = failed();
		end = asked_to_end();
	}
	if (!status && end)
		status = 128 + end;
	if (!status)
		status = run_command(command, session, &held);
	if (!release_all(session) && !status)
		status = EXIT_FAILED;
	return status;
}

static enum exit_code run_run(int argc, char **argv)
{
	enum { OPTION_FORCE = OPTION_FIRST };
	static const struct option options[] = {
		{"force", no_argument, NULL, OPTION_FORCE},
		COMMON_OPTIONS,
	};
	struct session session = {0};
	enum exit_code code;
	int option, dashes;

	for (dashes = 1; dashes < argc && strcmp(argv[dashes], "--"); dashes++)
		;
	while ((option = getopt_long(dashes, argv, "hv", options, NULL)) != -1) {
		if (option == OPTION_FORCE)
			session.force = true;
		else if (common_option(&command_run, option, &code))
			return code;
	}
	if (wants_json())
		return wrong_usage(&command_run, "the output is the command's: there is no --json");
	if (dashes + 1 >= argc)
		return wrong_usage(&command_run, "say '--' and the command to run");
	if (optind >= dashes || dashes - optind > MOST_FUNCTIONS)
		return wrong_usage(&command_run, "say which functions to carve, %d at the most",
				   MOST_FUNCTIONS);
	argv[dashes] = NULL;
	return carve_and_run(&session, argv + optind, argv + dashes + 1);
}

const struct command command_run = {
	.name = "run",
	.summary = "carve, run a command with the slices, release",
	.usage = "bypass run [--force] PF=N|FUNCTION… -- COMMAND [ARGUMENT…]\n"
		 "Carves N VFs of each PF, or a whole FUNCTION, runs COMMAND, and releases\n"
		 "them when it has ended, in whatever way. In arguments, {0} stands for the\n"
		 "address of the first slice, {1} for the second, …; the environment variable\n"
		 "BYPASS_SLICES lists them all. Status: the command's; 128 and the signal's\n"
		 "number when one ended it; 1 when something could not be carved or released.\n"
		 "Needs root.\n\n"
		 "  --force        take functions that the host itself depends on\n"
		 "  -v, --verbose  each step\n"
		 "  -h, --help     this text\n\n"
		 "Examples:\n"
		 "  bypass run 01:00.0=1 02:00.0=1 -- \\\n"
		 "      bypass-vmm --kernel vmlinuz --initrd initrd --slice {0} --slice {1}\n"
		 "  bypass run 03:00.0 -- sh -c 'echo $BYPASS_SLICES'",
	.run = run_run,
};
