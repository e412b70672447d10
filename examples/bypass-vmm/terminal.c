// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Standard input: bytes for the console. A terminal is made raw and put back;
 * Ctrl-A x leaves, Ctrl-A Ctrl-A sends one Ctrl-A.
 */
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "internal.h"

#define ESCAPE 0x01 /* Ctrl-A */

static struct termios saved;
static bool raw, escaped;

void terminal_restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	raw = false;
}

/**
 * terminal_raw() - hand the keyboard to the guest, if there is one and it is ours
 *
 * A job in the background must not touch the terminal.
 */
void terminal_raw(void)
{
	struct termios mode;

	if (tcgetattr(STDIN_FILENO, &saved) || tcgetpgrp(STDIN_FILENO) != getpgrp())
		return;
	mode = saved;
	cfmakeraw(&mode);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode))
		return;
	raw = true;
	atexit(terminal_restore);
}

/**
 * terminal_read() - pass on as much input as the console can take
 * @serial: the console, with room
 *
 * Return: 1; 0 at the end of the input; -1 when the user asks to leave.
 */
int terminal_read(struct serial *serial)
{
	uint8_t in[64], out[64];
	unsigned int room = serial_room(serial), n = 0;
	ssize_t got = read(STDIN_FILENO, in, room < sizeof(in) ? room : sizeof(in));

	if (got <= 0)
		return 0;
	for (ssize_t i = 0; i < got; i++) {
		if (raw && !escaped && in[i] == ESCAPE) {
			escaped = true;
			continue;
		}
		if (escaped && (in[i] == 'x' || in[i] == 'X'))
			return -1;
		escaped = false;
		out[n++] = in[i];
	}
	serial_input(serial, out, n);
	return 1;
}
