// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A vfio-user server: takes the client's requests one by one and carries them out on the slice.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "server.h"

#define REQUESTS_A_DISPATCH 64

static const char capabilities[] = "{\"capabilities\":{\"max_msg_fds\":8,"
				   "\"max_data_xfer_size\":65536,\"max_dma_maps\":65535,"
				   "\"pgsizes\":4096}}";

/* The first message of a connection. The answer repeats the minor version, if it is known. */
static int introduce(struct bypass_vfio_user_server *server, struct vfu_message *msg,
		     struct vfu_answer *answer)
{
	struct vfu_version *version = &msg->version;
	int ret = vfu_no_fds(msg);

	if (ret < 0)
		return ret;
	if (server->introduced || vfu_payload(msg) < sizeof(*version))
		return bypass_fail(EINVAL, "the VMM's VERSION is malformed, or not the first one");
	if (version->major != VFU_MAJOR)
		return bypass_fail(EOPNOTSUPP,
				   "the VMM speaks vfio-user version %u.%u; this is version %d.%d",
				   version->major, version->minor, VFU_MAJOR, VFU_MINOR);
	vfu_capabilities(msg, &server->client_fds, &server->client_data);
	server->introduced = true;
	if (version->minor > VFU_MINOR)
		version->minor = VFU_MINOR;
	answer->piece[0] = (struct iovec){version, sizeof(*version)};
	answer->piece[1] = (struct iovec){(void *)capabilities, sizeof(capabilities)};
	return 0;
}

/* Vectors are off before a slice is reset. Memory stays. */
static int reset(struct bypass_vfio_user_server *server)
{
	struct bypass_slice *slice = server->slice;

	vfu_irqs_stop(server);
	vfu_config_reset(server);
	return slice->ops->reset(slice);
}

static int reset_message(struct bypass_vfio_user_server *server, const struct vfu_message *msg)
{
	int ret = vfu_no_fds(msg);

	if (!ret && vfu_payload(msg))
		ret = bypass_fail(EINVAL, "the VMM's RESET is malformed");
	return ret < 0 ? ret : reset(server);
}

static int unmap(struct bypass_vfio_user_server *server, struct vfu_message *msg,
		 struct vfu_answer *answer)
{
	answer->piece[0] = (struct iovec){msg->data, vfu_payload(msg)};
	return vfu_dma_unmap(server, msg);
}

/* Carry out a request, and fill in the payload of the answer. */
static int carry_out(struct bypass_vfio_user_server *server, struct vfu_message *msg,
		     struct vfu_answer *answer)
{
	switch (msg->header.command) {
	case VFU_VERSION:
		return introduce(server, msg, answer);
	case VFU_DMA_MAP:
		return vfu_dma_map(server, msg);
	case VFU_DMA_UNMAP:
		return unmap(server, msg, answer);
	case VFU_GET_INFO:
		return vfu_device_info(msg, answer);
	case VFU_GET_REGION_INFO:
		return vfu_region_info(server, msg, answer);
	case VFU_GET_REGION_IO_FDS:
		return vfu_io_fds(server, msg, answer);
	case VFU_GET_IRQ_INFO:
		return vfu_irq_info(server, msg, answer);
	case VFU_SET_IRQS:
		return vfu_irqs_set(server, msg);
	case VFU_REGION_READ:
		return vfu_region_read(server, msg, answer);
	case VFU_REGION_WRITE:
		answer->piece[0] = (struct iovec){msg->data, sizeof(msg->access)};
		return vfu_region_write(server, msg);
	case VFU_RESET:
		return reset_message(server, msg);
	default:
		return bypass_fail(ENOTSUP, "the VMM sent vfio-user request %u, which is not known",
				   msg->header.command);
	}
}

static int reply(struct bypass_vfio_user_server *server, const struct vfu_message *msg, int result,
		 const struct vfu_answer *answer)
{
	struct vfu_letter letter = {
		.header = {msg->header.id, msg->header.command, 0, VFU_REPLY, 0},
	};

	if (msg->header.flags & VFU_NO_REPLY)
		return 0;
	if (result < 0) {
		letter.header.flags |= VFU_ERROR;
		letter.header.error = -result;
	} else {
		memcpy(letter.piece, answer->piece, sizeof(letter.piece));
		letter.fds = answer->fds;
		letter.n_fds = answer->n_fds;
	}
	return vfu_send(&server->stream, &letter);
}

/*
 * A store to a BAR is posted: the answer goes out first, so that the guest's CPU goes on while
 * the slice works.
 */
static int posted_write(struct bypass_vfio_user_server *server, struct vfu_message *msg)
{
	struct vfu_answer answer = {.piece = {{msg->data, sizeof(msg->access)}}};
	int sent, ret = vfu_region_check(server, msg, true);

	sent = reply(server, msg, ret, &answer);
	if (!ret && !sent)
		ret = vfu_region_write(server, msg);
	if (ret < 0)
		bypass_log(BYPASS_LOG_INFO, "%s: %s", server->slice->name, bypass_error());
	return sent;
}

static int check_order(const struct bypass_vfio_user_server *server, const struct vfu_message *msg)
{
	if (msg->header.flags & (VFU_TYPE_MASK | VFU_ERROR))
		return bypass_fail(EPROTO, "the VMM answers what nobody asked");
	if (!server->introduced && msg->header.command != VFU_VERSION)
		return bypass_fail(EPROTO, "the VMM's first vfio-user message is %u, not VERSION",
				   msg->header.command);
	return 0;
}

/* Returns an error when the connection must end. Other failures are the answer to the client. */
static int handle(struct bypass_vfio_user_server *server, struct vfu_message *msg)
{
	struct vfu_answer answer = {};
	int sent, ret = check_order(server, msg);

	if (ret < 0)
		return ret;
	if (msg->header.command == VFU_REGION_WRITE && vfu_payload(msg) >= sizeof(msg->access) &&
	    msg->access.region < BYPASS_BARS)
		return posted_write(server, msg);
	if (msg->header.command == VFU_REGION_WRITE)
		ret = vfu_region_check(server, msg, true);
	if (!ret)
		ret = carry_out(server, msg, &answer);
	if (ret < 0)
		bypass_log(BYPASS_LOG_INFO, "%s: %s", server->slice->name, bypass_error());
	sent = reply(server, msg, ret, &answer);
	if (ret == -ENOTRECOVERABLE || (ret < 0 && !server->introduced))
		return ret;
	return sent;
}

/* Returns 1 when server->now is the next request, 0 when there is none. */
static int next_request(struct bypass_vfio_user_server *server)
{
	int ret = vfu_waiting_take(server);

	if (ret)
		return ret;
	ret = vfu_receive(&server->stream);
	if (ret > 0)
		vfu_take(&server->stream, &server->now);
	return ret;
}

/* While an answer does not fit the socket, nothing more is read. */
static int watch_socket(struct bypass_vfio_user_server *server)
{
	struct epoll_event event = {.events = server->stream.out ? EPOLLOUT : EPOLLIN};

	if (epoll_ctl(server->poll_fd, EPOLL_CTL_MOD, server->stream.fd, &event))
		return bypass_fail(errno, "cannot wait for the VMM: %s", strerror(errno));
	return 0;
}

int bypass_vfio_user_server_dispatch(struct bypass_vfio_user_server *server)
{
	bool full = server->stream.out;
	int ret = 0;

	for (unsigned int i = 0; i < REQUESTS_A_DISPATCH; i++) {
		ret = vfu_flush(&server->stream);
		if (ret > 0)
			ret = next_request(server);
		if (ret <= 0)
			break;
		ret = handle(server, &server->now);
		vfu_close_fds(&server->now);
		if (ret < 0)
			break;
	}
	if (ret >= 0 && full != !!server->stream.out)
		ret = watch_socket(server);
	return ret < 0 ? ret : 0;
}

int bypass_vfio_user_server_fd(const struct bypass_vfio_user_server *server)
{
	return server->poll_fd;
}

void bypass_vfio_user_server_need_seals(struct bypass_vfio_user_server *server)
{
	server->space.need_seals = true;
}

int bypass_vfio_user_server_unplug(struct bypass_vfio_user_server *server)
{
	if (server->irqs.request_fd < 0)
		return bypass_fail(ENOTSUP,
				   "the VMM takes no request to give %s back: unplug the device in "
				   "the VMM",
				   server->slice->name);
	eventfd_write(server->irqs.request_fd, 1);
	return 0;
}

static int open_poll(struct bypass_vfio_user_server *server)
{
	struct epoll_event readable = {.events = EPOLLIN};

	server->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->poll_fd < 0 || server->wake_fd < 0 ||
	    epoll_ctl(server->poll_fd, EPOLL_CTL_ADD, server->wake_fd, &readable) ||
	    epoll_ctl(server->poll_fd, EPOLL_CTL_ADD, server->stream.fd, &readable))
		return bypass_fail(errno, "cannot wait for the VMM: %s", strerror(errno));
	return 0;
}

static void dispose(struct bypass_vfio_user_server *server)
{
	vfu_irqs_close(server);
	vfu_dma_close(&server->space);
	vfu_waiting_drop(server);
	vfu_stream_close(&server->stream);
	if (server->wake_fd >= 0)
		close(server->wake_fd);
	if (server->poll_fd >= 0)
		close(server->poll_fd);
	free(server);
}

int bypass_vfio_user_server_new(struct bypass_slice *slice, int connection,
				struct bypass_vfio_user_server **result)
{
	struct bypass_vfio_user_server *server = calloc(1, sizeof(*server));
	int ret;

	if (!server)
		return bypass_fail(ENOMEM, "no memory to serve %s", slice->name);
	server->slice = slice;
	server->poll_fd = server->wake_fd = server->stream.fd = -1;
	server->client_data = VFU_DATA_MAX;
	vfu_config_reset(server);
	ret = vfu_irqs_open(server);
	if (!ret)
		ret = vfu_dma_open(&server->space);
	if (!ret)
		ret = vfu_stream_open(&server->stream, connection, VFU_FDS);
	if (!ret)
		ret = open_poll(server);
	if (ret < 0) {
		server->stream.fd = -1; /* still the caller's */
		dispose(server);
		return ret;
	}
	*result = server;
	return 0;
}

void bypass_vfio_user_server_free(struct bypass_vfio_user_server *server)
{
	struct bypass_slice *slice;

	if (!server)
		return;
	slice = server->slice;
	if (reset(server) < 0)
		bypass_log(BYPASS_LOG_WARN, "%s: %s", slice->name, bypass_error());
	slice->ops->set_memory(slice, NULL);
	dispose(server);
}
