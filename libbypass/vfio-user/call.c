// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A request to the server and the wait for its answer. Meanwhile the server may ask for guest RAM.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <bypass/error.h>

#include "client.h"

/* The guest's RAM at a DMA address, all of it in one range; or NULL. */
static void *ram_at(const struct vfu_client *client, uint64_t address, uint64_t size)
{
	for (unsigned int i = 0; i < client->n_ranges; i++) {
		const struct bypass_memory_range *r = &client->ranges[i];

		if (address >= r->gpa && address - r->gpa < r->size)
			return size <= r->size - (address - r->gpa)
				       ? (char *)r->hva + (address - r->gpa)
				       : NULL;
	}
	return NULL;
}

/* The server may access guest RAM by message, although it has descriptors. Returns an errno. */
static int answer_dma(struct vfu_client *client, struct vfu_letter *letter)
{
	struct vfu_message *msg = &client->stream.in;
	bool write = msg->header.command == VFU_DMA_WRITE;
	uint64_t count = msg->dma.count;
	void *ram;

	if (msg->header.command != VFU_DMA_READ && !write)
		return ENOTSUP;
	if (vfu_payload(msg) < sizeof(msg->dma) || !count || count > VFU_DATA_MAX ||
	    vfu_payload(msg) != sizeof(msg->dma) + (write ? count : 0))
		return EINVAL;
	ram = ram_at(client, msg->dma.address, count);
	if (!ram)
		return EFAULT;
	if (write)
		memcpy(ram, msg->data + sizeof(msg->dma), count);
	else
		letter->piece[1] = (struct iovec){ram, count};
	letter->piece[0] = (struct iovec){&msg->dma, sizeof(msg->dma)};
	return 0;
}

static int serve_server(struct vfu_client *client, int64_t deadline)
{
	const struct vfu_header *header = &client->stream.in.header;
	struct vfu_letter letter = {.header = {header->id, header->command, 0, VFU_REPLY, 0}};
	bool quiet = header->flags & VFU_NO_REPLY;
	int ret;

	letter.header.error = answer_dma(client, &letter);
	if (letter.header.error)
		letter.header.flags |= VFU_ERROR;
	ret = quiet ? 0 : vfu_send(&client->stream, &letter);
	vfu_consume(&client->stream);
	return ret < 0 ? ret : vfu_flush_by(&client->stream, deadline);
}

/* Until the answer to @id has arrived: stream.in. */
static int await_answer(struct vfu_client *client, uint16_t id, uint16_t command)
{
	const struct vfu_header *header = &client->stream.in.header;
	int64_t deadline = vfu_deadline(VFU_CLIENT_PATIENCE);
	int ret;

	for (;;) {
		ret = vfu_receive(&client->stream);
		if (!ret)
			ret = vfu_wait(&client->stream, deadline);
		else if (ret > 0 && !(header->flags & VFU_REPLY))
			ret = serve_server(client, deadline);
		else if (ret > 0 && header->id == id && header->command == command)
			return 0;
		else if (ret > 0)
			ret = bypass_fail(EPROTO, "an answer to nothing that was asked");
		if (ret < 0)
			return ret;
	}
}

static int exchange(struct vfu_client *client, const struct vfu_request *request, uint32_t least)
{
	struct vfu_letter letter = {
		.header = {.id = client->next_id++, .command = request->command},
		.piece = {request->piece[0], request->piece[1]},
		.fds = request->fds,
		.n_fds = request->n_fds,
	};
	struct vfu_message *msg = &client->stream.in;
	int ret;

	vfu_consume(&client->stream);
	ret = vfu_send(&client->stream, &letter);
	if (!ret)
		ret = vfu_flush_by(&client->stream, vfu_deadline(VFU_CLIENT_PATIENCE));
	if (!ret)
		ret = await_answer(client, letter.header.id, request->command);
	if (ret < 0)
		return ret;
	if (!(msg->header.flags & VFU_ERROR) && vfu_payload(msg) < least)
		return bypass_fail(EPROTO, "an answer %u of %u bytes, where %u are the least",
				   request->command, vfu_payload(msg), least);
	return 0;
}

/*
 * Send a request and wait for the answer, which is stream.in until the next call and has a payload of
 * @least bytes or more. Returns 0; -ENODEV when the server is gone, also when it is found out now;
 * or what the server said.
 */
int vfu_call(struct vfu_client *client, const struct vfu_request *request, uint32_t least)
{
	const struct vfu_header *header = &client->stream.in.header;
	int ret;

	if (client->gone)
		return bypass_fail(ENODEV, "%s: the server at %s is gone", client->slice.name,
				   client->path);
	ret = exchange(client, request, least);
	if (ret < 0) {
		client->gone = true;
		shutdown(client->stream.fd, SHUT_RDWR);
		return bypass_fail(ENODEV, "%s: the server at %s is gone: %s", client->slice.name,
				   client->path, bypass_error());
	}
	if (!(header->flags & VFU_ERROR))
		return 0;
	/* An errno is optional, and the server's word. */
	ret = header->error && header->error < 4096 ? header->error : EIO;
	return bypass_fail(ret, "%s: the server at %s refuses request %u: %s", client->slice.name,
			   client->path, request->command, strerror(ret));
}

/* Access a region by message. */
int vfu_region_call(struct vfu_client *client, uint32_t region, uint64_t offset, void *data,
		    uint32_t size, bool write)
{
	struct vfu_region_access access = {offset, region, size};
	struct vfu_request request = {
		.command = write ? VFU_REGION_WRITE : VFU_REGION_READ,
		.piece = {{&access, sizeof(access)}, {data, write ? size : 0}},
	};
	int ret = vfu_call(client, &request, sizeof(access) + (write ? 0 : size));

	if (!ret && !write)
		memcpy(data, client->stream.in.data + sizeof(access), size);
	return ret;
}
