// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Output: JSON, and tables of the same JSON rows. A table fits the terminal's width, and has
 * colours on a terminal only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bypass/text.h>

#include "internal.h"

#define CELL_SIZE  160
#define MIN_WIDTH  8
#define SEPARATION 2

/* Counts the characters of UTF-8 text. Each counts as one column. */
size_t width_of_first(const char *text, size_t bytes)
{
	size_t width = 0;

	for (; bytes-- && *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static size_t width_of(const char *text)
{
	return width_of_first(text, SIZE_MAX);
}

size_t terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns && atoi(columns) > 0)
		return atoi(columns);
	if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return size.ws_col;
	return 0;
}

bool colourful(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no_color && no_color[0]);
}

const char *colour_of(const char *text)
{
	static const struct {
		const char *start;
		const char *colour;
	} words[] = {
		{"ready", "\033[32m"},	{"carved", "\033[32m"},	 {"ok", "\033[32m"},
		{"in use", "\033[36m"}, {"half", "\033[33m"},	 {"warn", "\033[33m"},
		{"busy", "\033[33m"},	{"blocked", "\033[31m"}, {"bad", "\033[31m"},
		{"fail", "\033[31m"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(text, words[i].start, strlen(words[i].start)))
			return words[i].colour;
	return NULL;
}

/* Makes the widest columns that may shrink narrower, until the row fits @limit. */
static void fit(size_t *widths, const struct column *columns, size_t count, size_t limit)
{
	for (;;) {
		size_t total = 0, widest = count;

		for (size_t i = 0; i < count; i++) {
			total += widths[i] + (i ? SEPARATION : 0);
			if (columns[i].shrinks && widths[i] > MIN_WIDTH &&
			    (widest == count || widths[i] > widths[widest]))
				widest = i;
		}
		if (total <= limit || widest == count)
			return;
		widths[widest]--;
	}
}

/* Prints @text in exactly @width columns; the last column of a line is not padded. */
static void print_cell(const char *text, size_t width, bool right, bool last, const char *colour)
{
	size_t has = width_of(text), shown = 0;

	if (right)
		printf("%*s", (int)(has < width ? width - has : 0), "");
	if (colour)
		fputs(colour, stdout);
	for (; *text; text++) {
		bool start = (*text & 0xc0) != 0x80;

		if (start && has > width && shown + 1 == width) {
			fputs("…", stdout);
			break;
		}
		shown += start;
		putchar(*text == '\n' ? '?' : *text); /* a line is a row */
	}
	if (colour)
		fputs("\033[0m", stdout);
	if (!right && !last)
		printf("%*s", (int)(has < width ? width - has : 0), "");
	if (!last)
		printf("%*s", SEPARATION, "");
}

void print_table(struct json_object *rows, const struct column *columns, size_t count)
{
	size_t length = json_object_array_length(rows);
	bool colours = colourful();
	size_t widths[count];
	char text[CELL_SIZE];

	for (size_t i = 0; i < count; i++) {
		widths[i] = width_of(columns[i].title);
		for (size_t j = 0; j < length; j++) {
			columns[i].cell(json_object_array_get_idx(rows, j), text, sizeof(text));
			if (width_of(text) > widths[i])
				widths[i] = width_of(text);
		}
	}
	if (terminal_width())
		fit(widths, columns, count, terminal_width());
	for (size_t i = 0; i < count; i++)
		print_cell(columns[i].title, widths[i], columns[i].right, i + 1 == count,
			   colours ? "\033[1m" : NULL);
	putchar('\n');
	for (size_t j = 0; j < length; j++) {
		for (size_t i = 0; i < count; i++) {
			columns[i].cell(json_object_array_get_idx(rows, j), text, sizeof(text));
			print_cell(text, widths[i], columns[i].right, i + 1 == count,
				   colours ? colour_of(text) : NULL);
		}
		putchar('\n');
	}
}

bool parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;

	*bytes = strtoull(text, &end, 10);
	if (end == text || text[0] == '-' || !*bytes)
		return false;
	unit = *end ? strchr(units, *end) : NULL;
	for (int i = unit ? unit - units + 1 : 0; i > 0; i--)
		if (__builtin_mul_overflow(*bytes, 1024, bytes))
			return false;
	return !end[unit ? 1 : 0];
}

void print_json(struct json_object *document)
{
	puts(json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_SPACED |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(document);
}

/* A JSON string that is safe to print, whatever @text contains. */
static struct json_object *clean_string(const char *text)
{
	struct json_object *string;
	char *copy = strdup(text);

	if (!copy)
		return NULL;
	bypass_text_clean(copy);
	string = json_object_new_string(copy);
	free(copy);
	return string;
}

void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, clean_string(text));
}

void add_text_or_null(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text[0] ? clean_string(text) : NULL);
}

void add_number(struct json_object *object, const char *key, int64_t number)
{
	json_object_object_add(object, key, json_object_new_int64(number));
}

const char *get_text(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value ? json_object_get_string(value) : "";
}

int64_t get_number(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return json_object_get_int64(value);
}

bool is_null(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return !value;
}
