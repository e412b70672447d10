// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Text of foreign origin, made safe for terminals and for JSON.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bypass/text.h>

/* Bytes of the UTF-8 character at @text, which goes into @character; 0 when there is none. */
static size_t decode(const unsigned char *text, uint32_t *character)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = text[0] < 0x80	       ? 1
			: text[0] >> 5 == 0x06 ? 2
			: text[0] >> 4 == 0x0e ? 3
			: text[0] >> 3 == 0x1e ? 4
					       : 0;

	*character = length == 1 ? text[0] : text[0] & (0x7f >> length);
	/* The text's end is no continuation, so the loop does not pass it. */
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (text[i] & 0x3f);
	}
	if (*character < least[length] || *character > 0x10ffff || *character >> 11 == 0x1b)
		return 0; /* too long a form, out of range, or a surrogate */
	return length;
}

static bool is_printable(uint32_t character)
{
	if (character == '\n')
		return true;
	if (character < 0x20 || (character >= 0x7f && character < 0xa0))
		return false;
	/* Marks, embeddings, overrides and isolates of the direction of writing. */
	return character != 0x200e && character != 0x200f && character != 0x061c &&
	       !(character >= 0x2028 && character <= 0x202e) &&
	       !(character >= 0x2066 && character <= 0x2069);
}

void bypass_text_clean(char *text)
{
	const unsigned char *from = (const unsigned char *)text;
	uint32_t character;

	while (*from) {
		size_t length = decode(from, &character);

		if (!length || !is_printable(character)) {
			*text++ = '?';
			from += length ? length : 1;
			continue;
		}
		while (length--)
			*text++ = *from++;
	}
	*text = '\0';
}
