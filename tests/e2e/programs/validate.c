// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * validate SCHEMA: is the JSON document on standard input what the schema says? Knows the
 * words of JSON Schema that ours use, and refuses a schema that uses another.
 */
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

static int problems;

static void __attribute__((format(printf, 2, 3))) problem(const char *where, const char *fmt, ...)
{
	va_list ap;

	problems++;
	fprintf(stderr, "%s: ", where[0] ? where : "document");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static bool is_type(struct json_object *value, const char *type)
{
	/* json-c calls them double and int; an integer is a number too. */
	if (!strcmp(type, "integer"))
		return json_object_is_type(value, json_type_int);
	if (!strcmp(type, "number"))
		return json_object_is_type(value, json_type_double) ||
		       json_object_is_type(value, json_type_int);
	return !strcmp(type, json_type_to_name(json_object_get_type(value)));
}

static void check_type(struct json_object *type, struct json_object *value, const char *where)
{
	if (json_object_is_type(type, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(type); i++)
			if (is_type(value,
				    json_object_get_string(json_object_array_get_idx(type, i))))
				return;
	} else if (is_type(value, json_object_get_string(type))) {
		return;
	}
	problem(where, "is %s, not %s", json_type_to_name(json_object_get_type(value)),
		json_object_to_json_string(type));
}

static void check_enum(struct json_object *values, struct json_object *value, const char *where)
{
	for (size_t i = 0; i < json_object_array_length(values); i++)
		if (json_object_equal(json_object_array_get_idx(values, i), value))
			return;
	problem(where, "is %s, none of %s", json_object_to_json_string(value),
		json_object_to_json_string(values));
}

static void check_pattern(const char *pattern, struct json_object *value, const char *where)
{
	regex_t regex;

	if (!json_object_is_type(value, json_type_string))
		return;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		exit(2);
	if (regexec(&regex, json_object_get_string(value), 0, NULL, 0))
		problem(where, "'%s' is not of the form %s", json_object_get_string(value),
			pattern);
	regfree(&regex);
}

static void check(struct json_object *schema, struct json_object *value, const char *where);

static void check_properties(struct json_object *properties, struct json_object *value,
			     const char *where)
{
	struct json_object_iterator at = json_object_iter_begin(value);
	struct json_object_iterator end = json_object_iter_end(value);
	struct json_object *schema;
	char inside[512];

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *key = json_object_iter_peek_name(&at);

		snprintf(inside, sizeof(inside), "%s.%s", where, key);
		if (json_object_object_get_ex(properties, key, &schema))
			check(schema, json_object_iter_peek_value(&at), inside);
		else
			problem(inside, "is not in the schema");
	}
}

static void check_required(struct json_object *keys, struct json_object *value, const char *where)
{
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		const char *key = json_object_get_string(json_object_array_get_idx(keys, i));

		if (!json_object_object_get_ex(value, key, NULL))
			problem(where, "has no %s", key);
	}
}

static void check_word(const char *word, struct json_object *what, struct json_object *value,
		       const char *where)
{
	bool object = json_object_is_type(value, json_type_object);
	char inside[512];

	if (!strcmp(word, "type")) {
		check_type(what, value, where);
	} else if (!strcmp(word, "enum")) {
		check_enum(what, value, where);
	} else if (!strcmp(word, "pattern")) {
		check_pattern(json_object_get_string(what), value, where);
	} else if (!strcmp(word, "minimum")) {
		if (value && json_object_get_double(value) < json_object_get_double(what))
			problem(where, "is less than %s", json_object_get_string(what));
	} else if (!strcmp(word, "properties")) {
		if (object)
			check_properties(what, value, where);
	} else if (!strcmp(word, "required")) {
		if (object)
			check_required(what, value, where);
	} else if (!strcmp(word, "items")) {
		for (size_t i = 0; json_object_is_type(value, json_type_array) &&
				   i < json_object_array_length(value);
		     i++) {
			snprintf(inside, sizeof(inside), "%s[%zu]", where, i);
			check(what, json_object_array_get_idx(value, i), inside);
		}
	} else if (strcmp(word, "$schema") && strcmp(word, "title") &&
		   strcmp(word, "description") && strcmp(word, "additionalProperties")) {
		fprintf(stderr, "validate: '%s' in the schema is not known here\n", word);
		exit(2);
	}
}

static void check(struct json_object *schema, struct json_object *value, const char *where)
{
	struct json_object_iterator at = json_object_iter_begin(schema);
	struct json_object_iterator end = json_object_iter_end(schema);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		check_word(json_object_iter_peek_name(&at), json_object_iter_peek_value(&at), value,
			   where);
}

int main(int argc, char **argv)
{
	struct json_object *schema, *document;

	schema = argc == 2 ? json_object_from_file(argv[1]) : NULL;
	document = json_object_from_fd(0);
	if (!schema || !document) {
		fprintf(stderr, "usage: validate SCHEMA <DOCUMENT: %s\n", json_util_get_last_err());
		return 2;
	}
	check(schema, document, "");
	json_object_put(schema);
	json_object_put(document);
	return problems ? 1 : 0;
}
