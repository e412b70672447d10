/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state of a vfio-user client: a slice whose function lives behind a socket.
 */
#ifndef BYPASS_VFIO_USER_CLIENT_H
#define BYPASS_VFIO_USER_CLIENT_H

#include <bypass/memory.h>
#include <bypass/slice.h>
#include <bypass/vfio-user.h>

#include "message.h"

/**
 * struct vfu_client - a slice behind a socket
 * @slice: what the VMM sees
 * @stream: the connection
 * @path: of the server's socket
 * @gone: the server is gone, or broke the protocol
 * @told: the VMM knows
 * @next_id: of the next request
 * @server_fds: descriptors that the server takes in one message
 * @server_data: bytes that the server takes in one message
 * @windows: of each BAR
 * @kicks: of each BAR
 * @bar_fd: what the windows of a BAR show; -1: nothing
 * @kick_fds: eventfds of the server
 * @n_kick_fds: their number
 * @ranges: guest RAM that the server knows
 * @n_ranges: their number
 */
struct vfu_client {
	struct bypass_slice slice;
	struct vfu_stream stream;
	char *path;
	bool gone;
	bool told;
	uint16_t next_id;
	uint32_t server_fds;
	uint32_t server_data;
	struct bypass_window *windows[BYPASS_BARS];
	struct bypass_kick *kicks[BYPASS_BARS];
	int bar_fd[BYPASS_BARS];
	int *kick_fds;
	unsigned int n_kick_fds;
	struct bypass_memory_range *ranges;
	unsigned int n_ranges;
};

/* A request: its payload, and the descriptors that go with it. */
struct vfu_request {
	uint16_t command;
	struct iovec piece[2];
	const int *fds;
	unsigned int n_fds;
};

/* call.c */
int vfu_call(struct vfu_client *client, const struct vfu_request *request, uint32_t least);
int vfu_region_call(struct vfu_client *client, uint32_t region, uint64_t offset, void *data,
		    uint32_t size, bool write);

/* discover.c */
int vfu_discover(struct vfu_client *client);
void vfu_undiscover(struct vfu_client *client);

/* ram.c */
int vfu_client_set_memory(struct bypass_slice *slice, const struct bypass_memory *mem);

/* vectors.c */
int vfu_client_vectors(struct bypass_slice *slice, enum bypass_irq irq, unsigned int start,
		       unsigned int count, const int *fds);
int vfu_client_resample(struct bypass_slice *slice, int fd);

#endif
