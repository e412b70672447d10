// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A stream of vfio-user messages. A message is received whole, with its descriptors, before
 * anybody looks at its payload. What the peer's socket does not take is kept and sent later.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include <bypass/error.h>

#include "../base/descriptors.h"
#include "message.h"

int vfu_stream_open(struct vfu_stream *stream, int fd, unsigned int most_fds)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return bypass_fail(errno, "cannot use the vfio-user connection: %s",
				   strerror(errno));
	stream->fd = fd;
	stream->most_fds = most_fds;
	return 0;
}

void vfu_stream_close(struct vfu_stream *stream)
{
	vfu_consume(stream);
	free(stream->out);
	stream->out = NULL;
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}

void vfu_close_fds(struct vfu_message *msg)
{
	for (unsigned int i = 0; i < msg->n_fds; i++)
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	msg->n_fds = 0;
}

/* Forget the message that has arrived. Descriptors that nobody took are closed. */
void vfu_consume(struct vfu_stream *stream)
{
	vfu_close_fds(&stream->in);
	stream->got = 0;
}

/* Move the message that has arrived to @msg: the next message may arrive. */
void vfu_take(struct vfu_stream *stream, struct vfu_message *msg)
{
	msg->header = stream->in.header;
	msg->n_fds = stream->in.n_fds;
	memcpy(msg->fds, stream->in.fds, msg->n_fds * sizeof(int));
	memcpy(msg->data, stream->in.data, vfu_payload(msg));
	stream->in.n_fds = 0;
	stream->got = 0;
}

/* Descriptors that came with the first byte of a message. */
static int take_fds(struct vfu_stream *stream, struct msghdr *hdr)
{
	struct vfu_message *msg = &stream->in;

	msg->n_fds = descriptors_take(hdr, msg->fds);
	if (hdr->msg_flags & MSG_CTRUNC || msg->n_fds > stream->most_fds)
		return bypass_fail(EPROTO, "a vfio-user message has more than %u descriptors",
				   stream->most_fds);
	return 0;
}

/*
 * Read up to @size bytes. Returns their number, 0 when there are none yet, or an error. For bytes
 * after the first no control buffer exists, so that the kernel drops descriptors there.
 */
static ssize_t read_some(struct vfu_stream *stream, void *data, size_t size)
{
	union {
		char bytes[CMSG_SPACE(VFU_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {data, size};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;
	int ret;

	if (!stream->got) {
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control);
	}
	do {
		n = recvmsg(stream->fd, &hdr, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return bypass_fail(errno, "cannot read from the vfio-user connection: %s",
				   strerror(errno));
	if (n <= 0 && !stream->got)
		return bypass_fail(ENOTCONN, "the other end closed the vfio-user connection");
	if (n <= 0)
		return bypass_fail(EPROTO, "the other end closed the vfio-user connection in the "
					   "middle of a message");
	ret = stream->got ? 0 : take_fds(stream, &hdr);
	return ret < 0 ? ret : n;
}

static int check_header(const struct vfu_header *header)
{
	if (header->size < sizeof(*header) || header->size > sizeof(*header) + VFU_PAYLOAD)
		return bypass_fail(EPROTO,
				   "vfio-user message %u has %u bytes: it must have %zu to %zu",
				   header->command, header->size, sizeof(*header),
				   sizeof(*header) + VFU_PAYLOAD);
	if ((header->flags & VFU_TYPE_MASK) > VFU_REPLY)
		return bypass_fail(EPROTO, "vfio-user message %u has flags 0x%x: no such type",
				   header->command, header->flags);
	return 0;
}

/*
 * Returns 1 when a message has arrived: stream->in, until vfu_consume(). 0 when the message is not
 * there yet, -ENOTCONN when the peer closed between two messages.
 */
int vfu_receive(struct vfu_stream *stream)
{
	struct vfu_message *msg = &stream->in;
	size_t head = sizeof(msg->header);
	ssize_t n;

	while (stream->got < head || stream->got < msg->header.size) {
		if (stream->got < head)
			n = read_some(stream, (char *)&msg->header + stream->got,
				      head - stream->got);
		else
			n = read_some(stream, msg->data + stream->got - head,
				      msg->header.size - stream->got);
		if (n <= 0)
			return n;
		stream->got += n;
		n = stream->got == head ? check_header(&msg->header) : 0;
		if (n < 0)
			return n;
	}
	return 1;
}

/* Send what vfu_send() kept. Returns 1 when nothing is left, 0 when the socket is full again. */
int vfu_flush(struct vfu_stream *stream)
{
	while (stream->out) {
		ssize_t n = send(stream->fd, stream->out, stream->out_size,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return bypass_fail(errno == EPIPE ? ENOTCONN : errno,
					   "cannot write to the vfio-user connection: %s",
					   strerror(errno));
		stream->out_size -= n;
		memmove(stream->out, stream->out + n, stream->out_size);
		if (stream->out_size)
			continue;
		free(stream->out);
		stream->out = NULL;
	}
	return 1;
}

/* Keep what the socket did not take of @iov after @done bytes. */
static int keep(struct vfu_stream *stream, const struct iovec *iov, size_t size, size_t done)
{
	uint8_t *at;

	stream->out = malloc(size);
	if (!stream->out)
		return bypass_fail(ENOMEM, "no memory for a vfio-user message");
	at = stream->out;
	for (unsigned int i = 0; i < 3; i++) {
		if (iov[i].iov_len)
			memcpy(at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	stream->out_size = size - done;
	memmove(stream->out, stream->out + done, stream->out_size);
	return 0;
}

/*
 * Send a message when vfu_flush() has left nothing. Does not wait: descriptors go with the first
 * byte, and bytes that the socket does not take are kept. Returns -EAGAIN when the socket took
 * nothing of a message with descriptors.
 */
int vfu_send(struct vfu_stream *stream, struct vfu_letter *letter)
{
	union {
		char bytes[CMSG_SPACE(VFU_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov[] = {
		{&letter->header, sizeof(letter->header)}, letter->piece[0], letter->piece[1]};
	struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = 3};
	size_t size = iov[0].iov_len + iov[1].iov_len + iov[2].iov_len;
	ssize_t n;

	letter->header.size = size;
	if (letter->n_fds) {
		hdr.msg_control = &control;
		descriptors_attach(&hdr, letter->fds, letter->n_fds);
	}
	do {
		n = sendmsg(stream->fd, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)size)
		return 0;
	if (n < 0 && errno != EAGAIN)
		return bypass_fail(errno == EPIPE ? ENOTCONN : errno,
				   "cannot write to the vfio-user connection: %s", strerror(errno));
	if (n < 0 && letter->n_fds)
		return bypass_fail(EAGAIN, "the vfio-user connection is full");
	return keep(stream, iov, size, n < 0 ? 0 : n);
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

int64_t vfu_deadline(int patience)
{
	return now() + patience;
}

/* Wait until the stream can make progress. */
int vfu_wait(const struct vfu_stream *stream, int64_t deadline)
{
	struct pollfd p = {.fd = stream->fd, .events = stream->out ? POLLOUT : POLLIN};
	int64_t left;
	int ret;

	do {
		left = deadline - now();
		ret = left > 0 ? poll(&p, 1, left) : 0;
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return bypass_fail(errno, "cannot wait on the vfio-user connection: %s",
				   strerror(errno));
	if (!ret)
		return bypass_fail(ETIMEDOUT, "the other end of the vfio-user connection gives no "
					      "answer");
	return 0;
}

/* Wait until all that was kept is sent. */
int vfu_flush_by(struct vfu_stream *stream, int64_t deadline)
{
	int ret;

	while (!(ret = vfu_flush(stream))) {
		ret = vfu_wait(stream, deadline);
		if (ret < 0)
			return ret;
	}
	return ret < 0 ? ret : 0;
}

uint32_t vfu_payload(const struct vfu_message *msg)
{
	return msg->header.size - sizeof(msg->header);
}

/* Most messages bring no descriptor. */
int vfu_no_fds(const struct vfu_message *msg)
{
	if (!msg->n_fds)
		return 0;
	return bypass_fail(EINVAL, "vfio-user message %u brings %u descriptors, and needs none",
			   msg->header.command, msg->n_fds);
}

static void capability(struct json_object *list, const char *name, uint32_t *value, uint32_t least,
		       uint32_t most)
{
	struct json_object *item;
	int64_t n;

	if (!json_object_object_get_ex(list, name, &item) ||
	    !json_object_is_type(item, json_type_int))
		return;
	n = json_object_get_int64(item);
	*value = n < least ? least : n > most ? most : n;
}

/*
 * What the peer says of itself in a VERSION message: how many descriptors, and how much data, a
 * message to the peer may have. Text that cannot be read says nothing, as no capability is needed.
 */
void vfu_capabilities(const struct vfu_message *msg, uint32_t *most_fds, uint32_t *most_data)
{
	const char *text = (const char *)msg->data + sizeof(msg->version);
	size_t size = vfu_payload(msg) - sizeof(msg->version);
	struct json_tokener *tokener = json_tokener_new_ex(4);
	struct json_object *all, *list;

	*most_fds = 1;
	*most_data = VFU_DATA_MAX;
	if (!tokener || !size)
		goto out;
	all = json_tokener_parse_ex(tokener, text, strnlen(text, size));
	if (json_object_is_type(all, json_type_object) &&
	    json_object_object_get_ex(all, "capabilities", &list) &&
	    json_object_is_type(list, json_type_object)) {
		capability(list, "max_msg_fds", most_fds, 0, VFU_FDS_MAX);
		capability(list, "max_data_xfer_size", most_data, 8, VFU_DATA_MAX);
	}
	json_object_put(all);
out:
	if (tokener)
		json_tokener_free(tokener);
}
