// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Text of foreign origin: what reaches a terminal or JSON holds no escape sequence and no broken
 * UTF-8.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/text.h>

static void test_clean(void **state)
{
	static const struct {
		const char *text;
		const char *clean;
	} rows[] = {
		{"", ""},
		{"bypass-vmm", "bypass-vmm"},
		{"two\nlines", "two\nlines"},
		{"grün … 日本 \xf0\x9f\x90\xa7", "grün … 日本 \xf0\x9f\x90\xa7"},
		{"\033[31mred\033]0;title\a", "?[31mred?]0;title?"},
		{"tab\there\rover\b\x7f", "tab?here?over??"},
		{"\xc2\x9b"
		 "31m",
		 "?31m"}, /* the one-character form of ESC [ */
		{"\xff\xfe", "??"},
		{"cut \xe2\x80", "cut ??"},
		{"\xc0\xaf\xe0\x80\xaf", "?????"},
		{"\xed\xa0\x80\xf5\x80\x80\x80", "???????"},
		{"\xe2\x80\xae"
		 "gpj.exe",
		 "?gpj.exe"},
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(text, rows[i].text);
		bypass_text_clean(text);
		assert_string_equal(text, rows[i].clean);
	}
}

static void test_error(void **state)
{
	(void)state;
	assert_int_equal(bypass_fail(EBUSY, "process (%s) has it", "\033[2Jx"), -EBUSY);
	assert_string_equal(bypass_error(), "process (?[2Jx) has it");
}

static void keep(void *opaque, enum bypass_log_level level, const char *text)
{
	(void)level;
	snprintf(opaque, 64, "%s", text);
}

static void test_remark(void **state)
{
	char text[64];

	(void)state;
	bypass_log_set(keep, text);
	bypass_log(BYPASS_LOG_WARN, "bind %s", "\xff\033");
	bypass_log_set(NULL, NULL);
	assert_string_equal(text, "bind ??");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_remark),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
