// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Standard input: bytes for the console. A terminal is made raw and put back;
 * Ctrl-A x leaves, Ctrl-A Ctrl-A sends one Ctrl-A.
 */
#include <errno.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "internal.h"

#define ESCAPE 0x01 /* Ctrl-A */

static struct termios saved;
static bool raw, escaped;

/* While our job is in the background the terminal belongs to another. Other input is ours. */
static bool in_background(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group >= 0 && group != getpgrp();
}

void terminal_restore(void)
{
	if (raw && !in_background())
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	raw = false;
}

/**
 * terminal_raw() - hand the keyboard to the guest, if standard input is a terminal of ours
 *
 * Called at the start, and when the job may have come to the foreground.
 */
void terminal_raw(void)
{
	static bool registered;
	struct termios mode;

	if (in_background())
		return;
	/* The shell has put its own mode in force since: only the first one is ours to keep. */
	if (!raw && tcgetattr(STDIN_FILENO, &saved))
		return;
	mode = saved;
	cfmakeraw(&mode);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode))
		return;
	raw = true;
	if (!registered)
		atexit(terminal_restore);
	registered = true;
}

/**
 * terminal_ready() - may standard input be read now?
 * @serial: the console
 * @again_ms: set to when to ask again, for poll(2): no signal says that a job that runs has
 *	come to the foreground
 *
 * Return: whether terminal_read() would pass bytes on. A job in the background leaves the
 * keyboard to the shell.
 */
bool terminal_ready(struct serial *serial, int *again_ms)
{
	static bool away;
	bool was_away = away;

	away = in_background();
	*again_ms = away ? 500 : -1;
	if (was_away && !away)
		terminal_raw();
	return !away && serial_room(serial);
}

/**
 * terminal_read() - pass on as much input as the console can take
 * @serial: the console
 *
 * Return: 1; 0 at the end of the input; -1 when the user asks to leave.
 */
int terminal_read(struct serial *serial)
{
	uint8_t in[64], out[64];
	unsigned int room = serial_room(serial), n = 0;
	ssize_t got;

	/* The guest has shut its receiver since the wait began: the bytes stay where they are. */
	if (!room)
		return 1;
	got = read(STDIN_FILENO, in, room < sizeof(in) ? room : sizeof(in));
	/* EIO: the job went to the background since, where SIGTTIN is blocked. */
	if (got < 0 && (errno == EINTR || errno == EAGAIN || (errno == EIO && in_background())))
		return 1;
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
