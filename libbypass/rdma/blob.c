// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The provider's part of a command: checked and translated by its dialect's rules.
 */
#include <errno.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

static const struct rdma_blob_rule *find_rule(const struct rdma_dialect *dialect, uint32_t command)
{
	for (unsigned int i = 0; i < dialect->n_rules; i++) {
		if (dialect->rules[i].command == command)
			return &dialect->rules[i];
	}
	return NULL;
}

/*
 * The guest's input blob must have the bytes that the driver reads, but for @optional ones at the
 * end, and zeroes behind them.
 */
static int check_input(const struct rdma_slice *s, const struct rdma_command *c, uint32_t in,
		       uint32_t optional)
{
	if (c->udata_in_size < in - optional)
		return bypass_fail(EINVAL,
				   "command %u has %u bytes for the %s driver, which reads %u",
				   c->code, c->udata_in_size, s->dialect->name, in - optional);
	for (uint32_t i = in; i < c->udata_in_size; i++) {
		if (c->udata_in[i])
			return bypass_fail(EOPNOTSUPP,
					   "command %u has a byte for the %s driver, at %u, that "
					   "its dialect does not know",
					   c->code, s->dialect->name, i);
	}
	return 0;
}

int rdma_blob_in(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob)
{
	const struct rdma_blob_rule *rule = find_rule(s->dialect, c->code);
	uint32_t in = rule ? rule->in : 0;
	uint64_t address;
	int err;

	err = check_input(s, c, in, rule ? rule->optional : 0);
	if (err)
		return err;
	blob->rule = rule;
	blob->udata = (struct rdma_udata){.in = blob->in, .out = c->udata_out};
	if (!rule)
		return 0;

	memset(blob->in, 0, sizeof(blob->in));
	memcpy(blob->in, c->udata_in, c->udata_in_size < in ? c->udata_in_size : in);
	blob->udata.in_size = in;
	blob->udata.out_size = c->udata_room < rule->out ? c->udata_room : rule->out;
	memset(c->udata_out, 0, rule->out);
	if (rule->hidden) {
		memset(blob->hidden, 0, sizeof(blob->hidden));
		address = (uintptr_t)blob->hidden;
		memcpy(blob->in + rule->hidden_at, &address, sizeof(address));
	}
	return 0;
}

int rdma_blob_none(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob)
{
	int err = check_input(s, c, 0, 0);

	if (!err && c->tail_size)
		err = bypass_fail(EPROTO, "%u bytes behind command %u, which has no queue here",
				  c->tail_size, c->code);
	*blob = (struct rdma_blob){.rule = NULL};
	return err;
}

/* Map one queue that the driver offers, or its guarded copy; put the guest's offset in place. */
static int map_queue(struct rdma_slice *s, struct rdma_command *c, const struct rdma_map_rule *map,
		     uint8_t *out, const struct rdma_mapping *owner, uint32_t qp_type)
{
	struct bypass_rdma_mmap *mmap = &c->mmaps[c->n_mmaps];
	int fd = s->guarded ? s->shm.fd : s->hca.cmd_fd, err;
	uint64_t offset, shm_offset;
	uint32_t size;

	memcpy(&offset, out + map->offset_at, sizeof(offset));
	memcpy(&size, out + map->size_at, sizeof(size));
	if (!size)
		return 0;
	size = (size + RDMA_PAGE - 1) & -RDMA_PAGE;
	err = rdma_shm_map(s, fd, offset, size, owner, &shm_offset);
	if (err)
		return err;
	if (s->guarded) {
		const struct rdma_ring wanted = {
			.map = map->kind,
			.kind = owner->kind,
			.handle = owner->handle,
			.qp_type = qp_type,
		};

		err = rdma_guard_open(s, &wanted, offset, size, shm_offset);
		if (err)
			return err;
	}
	memcpy(out + map->offset_at, &shm_offset, sizeof(shm_offset));
	*mmap = (struct bypass_rdma_mmap){
		.offset = htole64(shm_offset),
		.shm_offset = htole64(shm_offset),
		.size = htole64(size),
		.flags = htole32(BYPASS_RDMA_MMAP_WRITE),
	};
	c->n_mmaps++;
	return 0;
}

int rdma_blob_out(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob,
		  const struct rdma_mapping *owner, uint32_t qp_type)
{
	const struct rdma_blob_rule *rule = blob->rule;
	uint8_t *out = c->udata_out;
	int err;

	if (!rule)
		return 0;
	if (rule->hidden)
		out = blob->hidden;
	for (unsigned int i = 0; i < rule->n_maps; i++) {
		err = map_queue(s, c, &rule->maps[i], out, owner, qp_type);
		if (err)
			return err;
	}
	if (s->dialect->user_queues)
		s->dialect->user_queues->answer(c->code, c->udata_out);
	c->udata_out_size = blob->udata.out_size;
	/* Only a mapping makes the driver write behind a hidden pointer. */
	if (rule->hidden && c->n_mmaps) {
		memcpy(c->udata_out, blob->hidden, rule->hidden);
		c->udata_out_size = rule->hidden;
		c->udata_at = rule->hidden_at;
	}
	return 0;
}
