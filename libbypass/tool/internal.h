/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside the `bypass` command: what every sub-command shares. A sub-command is one file that
 * defines a struct command, and one line in the table of main.c.
 */
#ifndef BYPASS_TOOL_INTERNAL_H
#define BYPASS_TOOL_INTERNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include <bypass/carve.h>
#include <bypass/pci.h>

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/* One sub-command. @run gets its own name as argv[0]. */
struct command {
	const char *name;
	const char *summary;
	const char *usage; /* synopsis, options, examples */
	enum exit_code (*run)(int argc, char **argv);
};

extern const struct command command_bench;
extern const struct command command_carve;
extern const struct command command_doctor;
extern const struct command command_list;
extern const struct command command_release;
extern const struct command command_run;
extern const struct command command_serve;
extern const struct command command_status;
extern const struct command command_top;

/* command.c */

/* Options that every sub-command takes; values beyond a character. */
enum {
	OPTION_HELP = 'h',
	OPTION_VERBOSE = 'v',
	OPTION_JSON = 256,
	OPTION_FIRST, /* of a sub-command's own */
};

#define COMMON_OPTIONS                                                                             \
	{"help", no_argument, NULL, OPTION_HELP}, {"json", no_argument, NULL, OPTION_JSON},        \
		{"verbose", no_argument, NULL, OPTION_VERBOSE},                                    \
	{                                                                                          \
		NULL, 0, NULL, 0                                                                   \
	}

/* For what is no option of the sub-command's own. True: leave with @code. */
bool common_option(const struct command *command, int option, enum exit_code *code);
/* Was --json given? Was --verbose? */
bool wants_json(void);
bool wants_verbose(void);
/* "bypass carve: …" with a pointer to --help; EXIT_USAGE. */
enum exit_code wrong_usage(const struct command *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints bypass_error(); EXIT_FAILED. */
enum exit_code failed(void);
/*
 * Blocks every signal that would end the process, but for those of its own faults: what is begun is
 * finished. A closed pipe, a full disk or a dying terminal must not stop a step half way. @held
 * receives the signals that are blocked.
 */
void hold_signals(sigset_t *held);
/* Asks on the terminal. False when the answer is not yes, or nobody can be asked. */
bool confirmed(const char *question);

/* output.c: what is shown is built as JSON first, so that table and JSON hold the same facts */

/* How a row, a JSON object, shows in one column. */
struct column {
	const char *title;
	void (*cell)(struct json_object *row, char *text, size_t size);
	bool shrinks; /* may be cut short when the terminal is narrow */
	bool right;
};

void print_table(struct json_object *rows, const struct column *columns, size_t count);
/* Prints and gives up @document. */
void print_json(struct json_object *document);
/* Columns of the terminal; 0 when there is none and so no limit. */
size_t terminal_width(void);
/* Columns that the first @bytes of UTF-8 text take. */
size_t width_of_first(const char *text, size_t bytes);
/* Is colour welcome on standard output? */
bool colourful(void);
/* "512M", "4G"; bytes without a unit. False when it is none, or nothing. */
bool parse_size(const char *text, uint64_t *bytes);
/* Colour of a whole cell that says something good, doubtful or bad; NULL for none. */
const char *colour_of(const char *text);

/* Shorthands for building and reading rows. */
void add_text(struct json_object *object, const char *key, const char *text);
/* NULL in JSON when @text is empty. */
void add_text_or_null(struct json_object *object, const char *key, const char *text);
void add_number(struct json_object *object, const char *key, int64_t number);
const char *get_text(struct json_object *object, const char *key);
int64_t get_number(struct json_object *object, const char *key);
bool is_null(struct json_object *object, const char *key);

/* list_rdma.c: adds the HCAs to @devices; negative, with an explanation, when it cannot */
int list_rdma(struct json_object *devices);
void print_rdma(struct json_object *devices);

/* slices.c: what status and carve show of a carving */
struct json_object *carving_json(const struct bypass_carving *carving);
void print_carvings(struct json_object *carvings);
/* {"pid": …, "name": …} of the process that has a function open, or NULL. */
struct json_object *holder_json(const char *address);
/* The same of any process. */
struct json_object *process_json(pid_t pid);

#endif
