/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text of foreign origin: names of processes, devices and interfaces. Whoever chose such a name may
 * have put escape sequences into it.
 */
#ifndef BYPASS_TEXT_H
#define BYPASS_TEXT_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * bypass_text_clean() - make text safe to print
 * @text: changed in place
 *
 * Puts '?' in place of three kinds of bytes: control characters other than the newline, characters
 * that change the direction of writing, and bytes that are not UTF-8. bypass_error(), remarks, findings and
 * names that the library returns are clean.
 */
void bypass_text_clean(char *text);

#ifdef __cplusplus
}
#endif
#endif
