// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as what a vfio-user server answers: the client may refuse the server, makes no slice that
 * cannot be, and leaves nothing behind.
 *
 * The input is a sequence of answers: one byte says which descriptors come along, one the command (most
 * values mean the one that is asked for), one the flags (likewise), two the size, and the payload
 * follows. All are written to the socket first, so that a run needs no thread.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libbypass/vfio-user/client.h"

#define FILE_SIZE   0x10000
#define ANSWERS_MAX 32

/* What the client asks for, as far as its questions follow from the answers. */
struct questions {
	uint16_t now;
	unsigned int bar;
};

static void next_question(struct questions *q, const uint8_t *payload, uint32_t size)
{
	uint64_t region_size = 0;

	if (size >= sizeof(struct vfio_region_info))
		memcpy(&region_size, payload + offsetof(struct vfio_region_info, size), 8);
	switch (q->now) {
	case VFU_VERSION:
		q->now = VFU_GET_INFO;
		break;
	case VFU_GET_INFO:
		q->now = VFU_GET_REGION_INFO; /* of config space */
		break;
	case VFU_REGION_READ: /* of a BAR's register */
		q->now = VFU_GET_REGION_INFO;
		q->bar++;
		break;
	case VFU_GET_REGION_INFO:
		if (q->bar && region_size)
			q->now = VFU_GET_REGION_IO_FDS;
		else
			q->now = q->bar < BYPASS_BARS ? VFU_REGION_READ : VFU_GET_IRQ_INFO;
		break;
	case VFU_GET_REGION_IO_FDS:
		q->now = q->bar < BYPASS_BARS ? VFU_REGION_READ : VFU_GET_IRQ_INFO;
		break;
	}
}

static void send_answers(int fd, const uint8_t *data, size_t size, const int *kinds)
{
	static struct vfu_stream out;
	struct questions q = {VFU_VERSION, 0};

	out.fd = fd;
	for (uint16_t id = 0; id < ANSWERS_MAX && size >= 5; id++) {
		uint32_t payload = data[3] | (data[4] & 7) << 8;
		int fds[] = {kinds[data[0] & 1], kinds[data[0] >> 1 & 1], kinds[0]};
		struct vfu_letter letter = {
			.header = {.id = id,
				   .command = data[1] < 0xf0 ? q.now : data[1] % VFU_COMMANDS,
				   .flags = VFU_REPLY},
			.fds = fds,
			.n_fds = data[0] >> 6,
		};

		if (data[2] >= 0xf0) {
			letter.header.flags ^= data[2] & 0x3f;
			letter.header.error = data[2];
		}
		if (payload > size - 5)
			payload = size - 5;
		letter.piece[0] = (struct iovec){(void *)(data + 5), payload};
		if (vfu_send(&out, &letter) || out.out)
			break;
		next_question(&q, data + 5, payload);
		data += 5 + payload;
		size -= 5 + payload;
	}
	free(out.out);
	out.out = NULL;
	shutdown(fd, SHUT_WR);
}

/* What a VMM relies on. */
static void check_slice(const struct bypass_slice *slice)
{
	assert(slice->config_size == 256 || slice->config_size == 4096);
	assert(slice->vectors[BYPASS_IRQ_MSIX] <= 2048 && slice->vectors[BYPASS_IRQ_MSI] <= 32);
	for (unsigned int i = 0; i < BYPASS_BARS; i++) {
		const struct bypass_bar *bar = &slice->bars[i];
		uint64_t end = 0;

		assert(!(bar->size & (bar->size - 1)));
		for (unsigned int j = 0; j < bar->n_windows; j++) {
			const struct bypass_window *w = &bar->windows[j];

			assert(w->offset >= end && w->offset + w->size <= bar->size);
			end = w->offset + w->size;
			((volatile char *)w->hva)[0] = 1;
			((volatile char *)w->hva)[w->size - 1] = 1;
		}
		for (unsigned int j = 0; j < bar->n_kicks; j++)
			assert(bar->kicks[j].offset + bar->kicks[j].size <= bar->size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vfu_client client;
	static int kinds[2];
	int pair[2];

	if (!kinds[0]) {
		kinds[0] = memfd_create("window", MFD_CLOEXEC);
		kinds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (ftruncate(kinds[0], FILE_SIZE))
			abort();
	}
	memset(&client, 0, sizeof(client));
	strcpy(client.slice.name, "fuzzed");
	client.path = (char *)"/fuzzed";
	for (unsigned int i = 0; i < BYPASS_BARS; i++)
		client.bar_fd[i] = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
	    vfu_stream_open(&client.stream, pair[1], VFU_FDS_MAX))
		abort();
	send_answers(pair[0], data, size, kinds);
	if (!vfu_discover(&client))
		check_slice(&client.slice);
	vfu_undiscover(&client);
	vfu_stream_close(&client.stream);
	close(pair[0]);
	/* A descriptor that leaked shows as numbers that grow. */
	assert(pair[0] < 64);
	return 0;
}
