// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Guest RAM that a vfio-user server may reach: each range goes to the server with its descriptor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "client.h"

static int map(struct vfu_client *client, const struct bypass_memory_range *r)
{
	struct vfu_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.offset = r->offset,
		.address = r->gpa,
		.size = r->size,
	};
	struct vfu_request request = {
		.command = VFU_DMA_MAP,
		.piece = {{&map, sizeof(map)}},
		.fds = &r->fd,
		.n_fds = 1,
	};

	return vfu_call(client, &request, 0);
}

static int unmap(struct vfu_client *client, const struct bypass_memory_range *r)
{
	struct vfu_dma_unmap gone = {.argsz = sizeof(gone), .address = r->gpa, .size = r->size};
	struct vfu_request request = {.command = VFU_DMA_UNMAP, .piece = {{&gone, sizeof(gone)}}};

	return vfu_call(client, &request, 0);
}

static bool among(const struct bypass_memory_range *ranges, unsigned int n,
		  const struct bypass_memory_range *r)
{
	for (unsigned int i = 0; i < n; i++)
		if (ranges[i].gpa == r->gpa && ranges[i].size == r->size && ranges[i].fd == r->fd &&
		    ranges[i].offset == r->offset)
			return true;
	return false;
}

/* Unmap those of @from that are not in @to, then map those of @to that are not in @from. */
static int change(struct vfu_client *client, const struct bypass_memory_range *from,
		  unsigned int n_from, const struct bypass_memory_range *to, unsigned int n_to)
{
	int ret = 0;

	for (unsigned int i = 0; i < n_from && !ret; i++)
		if (!among(to, n_to, &from[i]))
			ret = unmap(client, &from[i]);
	for (unsigned int i = 0; i < n_to && !ret; i++)
		if (!among(from, n_from, &to[i]))
			ret = map(client, &to[i]);
	return ret;
}

/* The server knows some of both: make it know @to alone. A server that cannot is not to be trusted. */
static void restore(struct vfu_client *client, const struct bypass_memory_range *from,
		    unsigned int n_from, const struct bypass_memory_range *to, unsigned int n_to)
{
	for (unsigned int i = 0; i < n_from; i++)
		if (!among(to, n_to, &from[i]))
			unmap(client, &from[i]);
	for (unsigned int i = 0; i < n_to; i++)
		if (!among(from, n_from, &to[i]))
			map(client, &to[i]);
}

static int check_ranges(const struct vfu_client *client, const struct bypass_memory_range *r,
			unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (r[i].fd < 0)
			return bypass_fail(EOPNOTSUPP,
					   "%s: guest RAM at 0x%llx has no descriptor for the "
					   "server: make RAM of a memfd",
					   client->slice.name, (unsigned long long)r[i].gpa);
	return 0;
}

int vfu_client_set_memory(struct bypass_slice *slice, const struct bypass_memory *mem)
{
	struct vfu_client *client = (struct vfu_client *)slice;
	const struct bypass_memory_range *ranges = NULL;
	struct bypass_memory_range *copy;
	unsigned int n = 0;
	char why[512];
	int ret;

	if (mem)
		ranges = bypass_memory_ranges(mem, &n);
	ret = check_ranges(client, ranges, n);
	if (ret < 0)
		return ret;
	copy = calloc(n ? n : 1, sizeof(*copy));
	if (!copy)
		return bypass_fail(ENOMEM, "%s: no memory for its memory map", slice->name);
	if (n)
		memcpy(copy, ranges, n * sizeof(*copy));
	ret = client->gone ? 0 : change(client, client->ranges, client->n_ranges, copy, n);
	if (ret < 0 && !client->gone) {
		strncpy(why, bypass_error(), sizeof(why) - 1);
		why[sizeof(why) - 1] = '\0';
		restore(client, copy, n, client->ranges, client->n_ranges);
		free(copy);
		return bypass_fail(-ret, "%s", why);
	}
	/* A server that is gone reaches nothing: there is nothing to fail at. */
	free(client->ranges);
	client->ranges = copy;
	client->n_ranges = n;
	return 0;
}
