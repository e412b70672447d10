// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory of the client that came without a descriptor: the server asks the client for the bytes.
 * Requests of the client that arrive before the answer wait in a queue.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <bypass/error.h>

#include "server.h"

/* Keep the request that has arrived for the next dispatch. */
static int postpone(struct bypass_vfio_user_server *server)
{
	struct vfu_waiting *w, **link = &server->waiting;

	if (server->n_waiting == VFU_WAITING_MAX)
		return bypass_fail(EPROTO, "the VMM sends requests and no answer");
	w = malloc(sizeof(*w));
	if (w)
		w->msg = malloc(sizeof(*w->msg));
	if (!w || !w->msg) {
		free(w);
		return bypass_fail(ENOMEM, "no memory for a request of the VMM");
	}
	vfu_take(&server->stream, w->msg);
	w->next = NULL;
	while (*link)
		link = &(*link)->next;
	*link = w;
	server->n_waiting++;
	eventfd_write(server->wake_fd, 1);
	return 0;
}

/* Moves the first request that waits to server->now. Returns 1, or 0 when none waits. */
int vfu_waiting_take(struct bypass_vfio_user_server *server)
{
	struct vfu_waiting *w = server->waiting;
	eventfd_t count;

	if (!w)
		return 0;
	server->waiting = w->next;
	if (!--server->n_waiting)
		eventfd_read(server->wake_fd, &count);
	server->now.header = w->msg->header;
	server->now.n_fds = w->msg->n_fds;
	memcpy(server->now.fds, w->msg->fds, w->msg->n_fds * sizeof(int));
	memcpy(server->now.data, w->msg->data, vfu_payload(w->msg));
	free(w->msg);
	free(w);
	return 1;
}

void vfu_waiting_drop(struct bypass_vfio_user_server *server)
{
	struct vfu_waiting *w;

	while ((w = server->waiting)) {
		server->waiting = w->next;
		vfu_close_fds(w->msg);
		free(w->msg);
		free(w);
	}
	server->n_waiting = 0;
}

/* Wait for the answer to request @id, which then is the stream's message. */
static int await_answer(struct bypass_vfio_user_server *server, uint16_t id, int64_t deadline)
{
	struct vfu_stream *stream = &server->stream;
	const struct vfu_header *header = &stream->in.header;
	int ret;

	for (;;) {
		ret = vfu_receive(stream);
		if (!ret)
			ret = vfu_wait(stream, deadline);
		else if (ret > 0 && !(header->flags & VFU_REPLY))
			ret = postpone(server);
		else if (ret > 0 && header->id == id)
			return 0;
		else if (ret > 0)
			ret = bypass_fail(EPROTO, "the VMM answers what nobody asked");
		if (ret < 0)
			return ret;
	}
}

/* One message's worth. */
static int ask(struct bypass_vfio_user_server *server, uint16_t command, uint64_t address,
	       void *data, uint32_t size)
{
	const struct vfu_dma_access access = {address, size};
	struct vfu_letter letter = {
		.header = {.id = server->next_id++, .command = command},
		.piece = {{(void *)&access, sizeof(access)}, {data, size}},
	};
	struct vfu_stream *stream = &server->stream;
	const struct vfu_message *answer = &stream->in;
	int64_t deadline = vfu_deadline(VFU_SERVER_PATIENCE);
	bool read = command == VFU_DMA_READ;
	int ret = vfu_flush_by(stream, deadline);

	if (read)
		letter.piece[1].iov_len = 0;
	if (!ret)
		ret = vfu_send(stream, &letter);
	if (!ret)
		ret = vfu_flush_by(stream, deadline);
	if (!ret)
		ret = await_answer(server, letter.header.id, deadline);
	if (ret < 0)
		return ret;
	if (answer->header.flags & VFU_ERROR)
		ret = bypass_fail(EIO, "the VMM refuses access to its memory at 0x%llx: %s",
				  (unsigned long long)address, strerror(answer->header.error));
	else if (read && (vfu_payload(answer) != sizeof(access) + size ||
			  answer->dma.address != address || answer->dma.count != size))
		ret = bypass_fail(EPROTO, "the VMM answers with another piece of its memory");
	else if (read)
		memcpy(data, answer->data + sizeof(access), size);
	vfu_consume(stream);
	return ret;
}

/* All of it is mapped, with the right. */
static int check_mapped(const struct vfu_space *space, uint64_t address, uint64_t size,
			uint32_t right)
{
	while (size) {
		const struct vfu_mapping *map = vfu_dma_find(space, address);
		uint64_t n;

		if (!map || !(map->flags & right))
			return bypass_fail(EFAULT,
					   "the VMM has not mapped address 0x%llx for the device",
					   (unsigned long long)address);
		n = map->size - (address - map->address);
		if (n >= size)
			break;
		address += n;
		size -= n;
	}
	return 0;
}

static int access_memory(struct bypass_vfio_user_server *server, uint64_t address, uint8_t *data,
			 uint64_t size, bool write)
{
	uint32_t right = write ? VFIO_DMA_MAP_FLAG_WRITE : VFIO_DMA_MAP_FLAG_READ;
	int ret = check_mapped(&server->space, address, size, right);

	while (size && !ret) {
		const struct vfu_mapping *map = vfu_dma_find(&server->space, address);
		uint64_t n = map->size - (address - map->address);
		void *ram;

		if (n > size)
			n = size;
		if (!map->file && n > server->client_data)
			n = server->client_data;
		if (map->file) {
			ram = map->file->map + map->offset + (address - map->address);
			memcpy(write ? ram : data, write ? data : ram, n);
		} else {
			ret = ask(server, write ? VFU_DMA_WRITE : VFU_DMA_READ, address, data, n);
		}
		data += n;
		address += n;
		size -= n;
	}
	return ret;
}

int bypass_vfio_user_dma_read(struct bypass_vfio_user_server *server, uint64_t address, void *data,
			      uint64_t size)
{
	return access_memory(server, address, data, size, false);
}

int bypass_vfio_user_dma_write(struct bypass_vfio_user_server *server, uint64_t address,
			       const void *data, uint64_t size)
{
	return access_memory(server, address, (void *)data, size, true);
}
