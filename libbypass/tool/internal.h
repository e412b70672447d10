/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside the `bypass` command: what the sub-commands share. Each sub-command is a file that
 * defines a struct command, and a line in the table of main.c.
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

/* Options that every sub-command has. Values above 255 are no characters. */
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

/* Handles an option that is not the sub-command's own. True: the sub-command returns @code. */
bool common_option(const struct command *command, int option, enum exit_code *code);
/* Was --json given? Was --verbose? */
bool wants_json(void);
bool wants_verbose(void);
/* Prints what is wrong and how to get help. Returns EXIT_USAGE. */
enum exit_code wrong_usage(const struct command *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints bypass_error(). Returns EXIT_FAILED. */
enum exit_code failed(void);
/*
 * Blocks every signal that would end the process, except for signals of its own faults. A closed
 * pipe, a full disk or a closed terminal must not end the process in the middle of a step. @held
 * receives the signals that are blocked.
 */
void hold_signals(sigset_t *held);
/* Asks on the terminal. False when the answer is not yes, or when there is no terminal. */
bool confirmed(const char *question);

/* output.c: all output is built as JSON first, so that the table and --json show the same facts */

/* A column of a table. @cell writes the text for one row, which is a JSON object. */
struct column {
	const char *title;
	void (*cell)(struct json_object *row, char *text, size_t size);
	bool shrinks; /* may be cut short when the terminal is narrow */
	bool right;
};

void print_table(struct json_object *rows, const struct column *columns, size_t count);
/* Prints @document and frees it. */
void print_json(struct json_object *document);
/* Columns of the terminal; 0 without a terminal: there is no limit. */
size_t terminal_width(void);
/* Columns that the first @bytes of UTF-8 text take. */
size_t width_of_first(const char *text, size_t bytes);
/* May standard output have colours? */
bool colourful(void);
/* Parses "512M", "4G", or bytes without a unit. False when @text is no size, or the size is 0. */
bool parse_size(const char *text, uint64_t *bytes);
/* The colour of a cell with this text; NULL for none. */
const char *colour_of(const char *text);

/* Build and read rows. Strings are cleaned as bypass_text_clean() does. */
void add_text(struct json_object *object, const char *key, const char *text);
/* Adds null when @text is empty. */
void add_text_or_null(struct json_object *object, const char *key, const char *text);
void add_number(struct json_object *object, const char *key, int64_t number);
const char *get_text(struct json_object *object, const char *key);
int64_t get_number(struct json_object *object, const char *key);
bool is_null(struct json_object *object, const char *key);

/* list_rdma.c: adds the HCAs to @devices. Negative, with bypass_error(), on failure. */
int list_rdma(struct json_object *devices);
void print_rdma(struct json_object *devices);

/* slices.c: a carving as bypass status and bypass carve show it */
struct json_object *carving_json(const struct bypass_carving *carving);
void print_carvings(struct json_object *carvings);
/* {"pid": …, "name": …} of the process that has a function open, or NULL. */
struct json_object *holder_json(const char *address);
/* {"pid": …, "name": …} of this process. */
struct json_object *process_json(pid_t pid);

#endif
