// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The control socket: a client writes lines, and reads an answer to each. One client at a time: the next one
 * waits until this one is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bypass/socket.h>

#include "hca.h"

int control_open(struct control *control, const char *path, const char *group)
{
	*control = (struct control){.path = path, .listener = -1, .client = -1};
	return path ? bypass_socket_listen(path, group, &control->listener) : 0;
}

void control_close(struct control *control)
{
	if (control->client >= 0)
		close(control->client);
	if (control->listener < 0)
		return;
	close(control->listener);
	unlink(control->path);
}

int control_fd(const struct control *control)
{
	return control->client >= 0 ? control->client : control->listener;
}

/* True: the words of a line make sense. */
static bool carry_out(struct hca *hca, const char *noun, const char *verb)
{
	if (!strcmp(noun, "port") && (!strcmp(verb, "up") || !strcmp(verb, "down")))
		port_set(hca, !strcmp(verb, "up"));
	else if (!strcmp(noun, "function") && !strcmp(verb, "fail"))
		hca_fail(hca);
	else
		return false;
	return true;
}

/* The answer, which says what is wrong */
static const char *take_line(struct subnet *subnet, char *line)
{
	char *noun, *number, *verb, *end, *save;
	unsigned long index;
	struct hca *hca;

	noun = strtok_r(line, " ", &save);
	number = strtok_r(NULL, " ", &save);
	verb = strtok_r(NULL, " ", &save);
	if (!noun || !number || !verb || strtok_r(NULL, " ", &save))
		return "error: a line has three words, such as 'port 0 down'\n";
	index = strtoul(number, &end, 10);
	hca = *end || index >= HCA_FUNCTIONS ? NULL : subnet->functions[index];
	if (!hca)
		return "error: no function has this number: the first socket's is 0\n";
	if (!carry_out(hca, noun, verb))
		return "error: known are 'port N up', 'port N down', 'function N fail'\n";
	return "ok\n";
}

static void answer(struct control *control, struct subnet *subnet)
{
	char *end;

	while ((end = memchr(control->line, '\n', control->used))) {
		size_t size = end - control->line + 1;
		const char *text;

		*end = 0;
		text = take_line(subnet, control->line);
		/* A client that does not read its answers gets none. */
		send(control->client, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
		control->used -= size;
		memmove(control->line, end + 1, control->used);
	}
}

/* A line that is too long ends the connection. */
void control_dispatch(struct control *control, struct subnet *subnet)
{
	ssize_t n;

	if (control->client < 0) {
		control->client = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
		control->used = 0;
		return;
	}
	n = recv(control->client, control->line + control->used,
		 sizeof(control->line) - control->used, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		control->used += n;
		answer(control, subnet);
		if (control->used < sizeof(control->line))
			return;
	}
	close(control->client);
	control->client = -1;
}
