// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass serve --vfio-user: one VMM, from the connection to the end. The loop slice's requests are
 * answered in the same thread.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/loop.h>
#include <bypass/vfio-user.h>

#include "serve.h"

#define LOOP_ENTRIES 256
#define LOOP_DATA    (1u << 20)
#define LOOP_BUDGET  64 /* requests served between two looks at the VMM */

static int64_t send_back(void *opaque, const void *request, uint32_t length, void *response,
			 uint32_t room)
{
	struct echo *echo = opaque;

	if (length > room)
		return -EMSGSIZE;
	memmove(response, request, length);
	echo->requests++;
	return length;
}

int open_echo(struct echo *echo, struct bypass_slice **slice)
{
	const struct bypass_loop_config config = {
		.name = "loop",
		.entries = LOOP_ENTRIES,
		.data_size = LOOP_DATA,
		.serve = send_back,
		.opaque = echo,
	};
	int ret = bypass_loop_open(&config, slice);

	if (!ret)
		echo->slice = *slice;
	return ret;
}

/*
 * The host wants the device back: the VMM is asked to let go of the device. A dead RDMA slice tells its
 * guest itself.
 */
static void pass_on(struct bypass_slice *slice, struct bypass_vfio_user_server *server, bool *dead)
{
	struct bypass_event event;

	while (slice->ops->event(slice, &event) > 0) {
		bypass_log(BYPASS_LOG_WARN, "%s", event.text);
		if (event.kind == BYPASS_EVENT_DEAD)
			*dead = true;
		if (event.kind == BYPASS_EVENT_UNPLUG && bypass_vfio_user_server_unplug(server))
			bypass_log(BYPASS_LOG_WARN, "%s", bypass_error());
	}
}

/* Requests that are left wait for the next look at the doorbell. */
static void answer(struct bypass_slice *slice)
{
	int doorbell = bypass_loop_kick_fd(slice);
	eventfd_t kicks;

	eventfd_read(doorbell, &kicks);
	if (bypass_loop_poll(slice, LOOP_BUDGET) == LOOP_BUDGET)
		eventfd_write(doorbell, 1);
}

static int serve(struct bypass_slice *slice, struct bypass_vfio_user_server *server, int stop_fd,
		 struct echo *echo, bool *dead)
{
	struct pollfd fds[] = {
		{.fd = bypass_vfio_user_server_fd(server), .events = POLLIN},
		{.fd = stop_fd, .events = POLLIN},
		{.fd = slice->event_fd, .events = POLLIN},
		{.fd = echo ? bypass_loop_kick_fd(slice) : -1, .events = POLLIN},
	};
	int ret = 0;

	while (!ret) {
		if (poll(fds, 4, -1) < 0 && errno != EINTR)
			return bypass_fail(errno, "cannot wait for the VMM: %s", strerror(errno));
		if (fds[1].revents)
			return bypass_fail(EINTR, "asked to stop");
		if (fds[2].revents)
			pass_on(slice, server, dead);
		if (fds[3].revents & POLLIN)
			answer(slice);
		ret = bypass_vfio_user_server_dispatch(server);
	}
	return ret;
}

int serve_vfio_user(struct bypass_slice *slice, int connection, int stop_fd, struct echo *echo,
		    bool *dead)
{
	struct bypass_vfio_user_server *server;
	int ret = bypass_vfio_user_server_new(slice, connection, &server);

	if (ret < 0) {
		close(connection);
		return ret;
	}
	ret = serve(slice, server, stop_fd, echo, dead);
	bypass_vfio_user_server_free(server);
	return ret == -ENOTCONN ? 0 : ret;
}
