// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A slice of a function that lives behind a socket. Windows, doorbells and vectors are the server's
 * and the VMM's own descriptors: of a guest's data path nothing comes here.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bypass/error.h>

#include "client.h"

static struct vfu_client *client_of(struct bypass_slice *slice)
{
	return (struct vfu_client *)slice;
}

/* Of a server that is gone reads give all ones, as of a function that was pulled out. */
static int access_region(struct bypass_slice *slice, uint32_t region, uint64_t offset, void *data,
			 uint32_t size, bool write)
{
	struct vfu_client *client = client_of(slice);
	int ret = vfu_region_call(client, region, offset, data, size, write);

	if (!client->gone)
		return ret;
	if (!write)
		memset(data, 0xff, size);
	return 0;
}

static int client_config_read(struct bypass_slice *slice, uint32_t offset, void *data,
			      uint32_t size)
{
	return access_region(slice, VFIO_PCI_CONFIG_REGION_INDEX, offset, data, size, false);
}

static int client_config_write(struct bypass_slice *slice, uint32_t offset, const void *data,
			       uint32_t size)
{
	return access_region(slice, VFIO_PCI_CONFIG_REGION_INDEX, offset, (void *)data, size, true);
}

static int client_bar_read(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
			   void *data, uint32_t size)
{
	return access_region(slice, bar, offset, data, size, false);
}

static int client_bar_write(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
			    const void *data, uint32_t size)
{
	return access_region(slice, bar, offset, (void *)data, size, true);
}

static int client_reset(struct bypass_slice *slice)
{
	struct vfu_client *client = client_of(slice);
	int ret = vfu_call(client, &(struct vfu_request){.command = VFU_RESET}, 0);

	return client->gone ? 0 : ret;
}

/* The server signals the guest itself, and the protocol has no count. */
static uint64_t client_interrupts(struct bypass_slice *slice)
{
	(void)slice;
	return 0;
}

static uint64_t client_dma_bytes(struct bypass_slice *slice)
{
	const struct vfu_client *client = client_of(slice);
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < client->n_ranges && !client->gone; i++)
		bytes += client->ranges[i].size;
	return bytes;
}

/* Once told, the socket is no longer watched: it would be readable for ever. */
static int client_event(struct bypass_slice *slice, struct bypass_event *event)
{
	struct vfu_client *client = client_of(slice);
	struct pollfd p = {.fd = client->stream.fd, .events = POLLRDHUP};

	if (client->told || (!client->gone && poll(&p, 1, 0) <= 0))
		return 0;
	client->gone = client->told = true;
	epoll_ctl(slice->event_fd, EPOLL_CTL_DEL, client->stream.fd, NULL);
	shutdown(client->stream.fd, SHUT_RDWR);
	event->kind = BYPASS_EVENT_DEAD;
	snprintf(event->text, sizeof(event->text),
		 "%s: its server at %s is gone: unplug it, and open it again when the server is "
		 "back",
		 slice->name, client->path);
	return 1;
}

static void client_close(struct bypass_slice *slice)
{
	struct vfu_client *client = client_of(slice);

	vfu_stream_close(&client->stream);
	if (slice->event_fd >= 0)
		close(slice->event_fd);
	vfu_undiscover(client);
	free(client->ranges);
	free(client->path);
	free(client);
}

static const struct bypass_slice_ops client_ops = {
	.config_read = client_config_read,
	.config_write = client_config_write,
	.bar_read = client_bar_read,
	.bar_write = client_bar_write,
	.vectors = vfu_client_vectors,
	.resample = vfu_client_resample,
	.set_memory = vfu_client_set_memory,
	.reset = client_reset,
	.interrupts = client_interrupts,
	.dma_bytes = client_dma_bytes,
	.event = client_event,
	.close = client_close,
};

static int fail_connect(const char *path, int err)
{
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		return bypass_fail(err,
				   "no vfio-user server listens at %s: start one, such as "
				   "'bypass serve --vfio-user'",
				   path);
	case EACCES:
		return bypass_fail(err,
				   "no permission for the socket %s: be in the group of its "
				   "service (--group)",
				   path);
	default:
		return bypass_fail(err, "cannot connect to %s: %s", path, strerror(err));
	}
}

static int connect_server(struct vfu_client *client)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, ret;

	if (strlen(client->path) >= sizeof(addr.sun_path))
		return bypass_fail(ENAMETOOLONG, "%s is too long for a socket: %zu bytes at most",
				   client->path, sizeof(addr.sun_path) - 1);
	strcpy(addr.sun_path, client->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return bypass_fail(errno, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		ret = fail_connect(client->path, errno);
	else
		ret = vfu_stream_open(&client->stream, fd, VFU_FDS_MAX);
	if (ret < 0)
		close(fd);
	return ret;
}

static int watch_server(struct vfu_client *client)
{
	struct epoll_event event = {.events = EPOLLRDHUP};

	client->slice.event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (client->slice.event_fd < 0 ||
	    epoll_ctl(client->slice.event_fd, EPOLL_CTL_ADD, client->stream.fd, &event))
		return bypass_fail(errno, "%s: cannot watch its server: %s", client->slice.name,
				   strerror(errno));
	return 0;
}

static struct vfu_client *new_client(const char *path)
{
	const char *last = strrchr(path, '/');
	struct vfu_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->path = strdup(path);
	if (!client->path) {
		free(client);
		return NULL;
	}
	client->stream.fd = client->slice.event_fd = client->slice.kvm_fd = -1;
	client->slice.ops = &client_ops;
	snprintf(client->slice.name, sizeof(client->slice.name), "%s", last ? last + 1 : path);
	for (unsigned int i = 0; i < BYPASS_BARS; i++)
		client->bar_fd[i] = -1;
	return client;
}

int bypass_vfio_user_open(const char *path, struct bypass_slice **slice)
{
	struct vfu_client *client = new_client(path);
	int ret;

	if (!client)
		return bypass_fail(ENOMEM, "no memory for a slice behind %s", path);
	ret = connect_server(client);
	if (!ret)
		ret = watch_server(client);
	if (!ret)
		ret = vfu_discover(client);
	if (ret < 0) {
		client_close(&client->slice);
		return ret;
	}
	*slice = &client->slice;
	return 0;
}
