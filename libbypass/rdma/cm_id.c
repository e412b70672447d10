// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections: the ids that a guest makes them with. The guest knows an id by its handle; the host
 * names the id to us by the handle plus one, because rdma_cm drops the events of an id whose name is 0.
 */
#include <errno.h>
#include <string.h>

#include <rdma/rdma_user_cm.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "cm/ucma.h"
#include "internal.h"

#define NO_HOST UINT32_MAX /* the host has no such id: it counts from 0 */

int rdma_cm_call(struct rdma_slice *s, uint32_t command, const void *in, size_t in_size,
		 size_t out_size, const char *what)
{
	int err = ucma_call(s->hca.cm_fd, command, in, in_size, out_size);

	if (!err)
		return 0;
	if (err == -EACCES)
		return bypass_fail(EPERM,
				   "%s cannot %s: this process has changed its user since the "
				   "slice was opened, and rdma_cm refuses the new one",
				   s->hca.name, what);
	return bypass_fail(-err, "%s cannot %s: %s", s->hca.name, what, strerror(-err));
}

struct rdma_object *rdma_cm_find(struct rdma_slice *s, uint32_t handle, int *err)
{
	struct rdma_object *id = rdma_table_get(&s->cm_ids, handle);

	if (id && id->host == NO_HOST)
		id = NULL;
	*err = id ? 0 : -EBADF;
	return id;
}

int rdma_cm_take(struct rdma_slice *s, uint32_t ucontext, uint32_t ps, uint32_t *handle)
{
	int err = rdma_table_take(&s->cm_ids, ucontext, handle);

	if (err)
		return err;
	s->cm_ids.objects[*handle].qp_type = ps;
	rdma_count(&s->stats.objects, 1);
	return 0;
}

static void forget(struct rdma_slice *s, struct rdma_table *table, uint32_t handle)
{
	rdma_table_put(table, handle);
	rdma_count(&s->stats.objects, -1);
}

int rdma_cm_create_id(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_create_id *body = c->body;
	struct bypass_rdma_handle *reply = (void *)c->reply;
	struct rdma_ucm_create_id_resp out;
	struct rdma_ucm_create_id in = {.response = (uintptr_t)&out, .ps = le32toh(body->ps)};
	uint32_t handle;
	int err;

	if (s->hca.cm_fd < 0)
		return bypass_fail(EOPNOTSUPP, "%s has no connection management", s->dev.name);
	if (le32toh(body->ps) != RDMA_PS_TCP && le32toh(body->ps) != RDMA_PS_UDP)
		return bypass_fail(EOPNOTSUPP,
				   "ids of port space %#x cannot be had through a slice: "
				   "RDMA_PS_TCP "
				   "and RDMA_PS_UDP can",
				   le32toh(body->ps));
	err = rdma_cm_take(s, c->ucontext, in.ps, &handle);
	if (err)
		return err;
	in.uid = handle + 1;
	err = rdma_cm_call(s, RDMA_USER_CM_CMD_CREATE_ID, &in, sizeof(in), sizeof(out),
			   "make an id");
	if (err) {
		forget(s, &s->cm_ids, handle);
		return err;
	}
	s->cm_ids.objects[handle].host = out.id;
	reply->handle = htole32(handle);
	return 0;
}

void rdma_cm_destroy_host(struct rdma_slice *s, uint32_t host)
{
	struct rdma_ucm_destroy_id_resp out;
	struct rdma_ucm_destroy_id in = {.response = (uintptr_t)&out, .id = host};
	int err =
		ucma_call(s->hca.cm_fd, RDMA_USER_CM_CMD_DESTROY_ID, &in, sizeof(in), sizeof(out));

	if (err)
		bypass_log(BYPASS_LOG_DEBUG, "%s keeps an id: %s", s->hca.name, strerror(-err));
}

/* The guest keeps the handle, which means nothing but to DESTROY_ID. */
void rdma_cm_end_on_host(struct rdma_slice *s, struct rdma_object *id)
{
	if (id->host != NO_HOST)
		rdma_cm_destroy_host(s, id->host);
	id->host = NO_HOST;
	id->port = 0;
}

/* With the id its groups go on the host. */
static void drop(struct rdma_slice *s, uint32_t handle)
{
	rdma_cm_end_on_host(s, &s->cm_ids.objects[handle]);
	for (uint32_t i = 0; i < s->cm_groups.size && s->cm_groups.live; i++) {
		if (s->cm_groups.objects[i].live && s->cm_groups.objects[i].entries == handle)
			forget(s, &s->cm_groups, i);
	}
	forget(s, &s->cm_ids, handle);
}

int rdma_cm_destroy_id(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_handle *body = c->body;

	if (!rdma_table_get(&s->cm_ids, le32toh(body->handle)))
		return -EBADF;
	drop(s, le32toh(body->handle));
	return 0;
}

void rdma_cm_destroy(struct rdma_slice *s, uint32_t ucontext)
{
	for (uint32_t i = 0; i < s->cm_ids.size && s->cm_ids.live; i++) {
		const struct rdma_object *id = &s->cm_ids.objects[i];

		if (id->live && (ucontext == RDMA_ALL || id->ucontext == ucontext))
			drop(s, i);
	}
}

/* How long the host works on it, the guest says; but not for ever. */
#define TIMEOUT_MOST_MS 3600000u

int rdma_cm_timeout(uint32_t timeout_ms)
{
	return timeout_ms < TIMEOUT_MOST_MS ? timeout_ms : TIMEOUT_MOST_MS;
}

/*
 * Each resolution brings an event, which rdma_cm keeps until the event is read, without a limit: a guest
 * that reads none may not ask for more.
 */
#define UNREAD_MOST 8

int rdma_cm_ask(struct rdma_object *id)
{
	if (id->entries >= UNREAD_MOST)
		return bypass_fail(EDQUOT, "%u events of the id wait: fetch them first",
				   id->entries);
	id->entries++;
	return 0;
}

int rdma_cm_set_option(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_option *body = c->body;
	static const struct {
		uint32_t size;
		uint32_t most;
	} options[] = {
		[RDMA_OPTION_ID_TOS] = {1, UINT8_MAX},
		[RDMA_OPTION_ID_REUSEADDR] = {4, 1},
		[RDMA_OPTION_ID_AFONLY] = {4, 1},
		[RDMA_OPTION_ID_ACK_TIMEOUT] = {1, 31},
	};
	const struct rdma_object *id;
	uint32_t option = le32toh(body->option), value = le32toh(body->value);
	uint8_t byte = value;
	struct rdma_ucm_set_option in = {.level = RDMA_OPTION_ID, .optname = option};
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!id)
		return err;
	if (option >= sizeof(options) / sizeof(options[0]))
		return bypass_fail(EOPNOTSUPP, "an id has no option %u", option);
	if (value > options[option].most)
		return bypass_fail(EINVAL, "option %u of an id is %u: at most %u", option, value,
				   options[option].most);
	in.id = id->host;
	in.optlen = options[option].size;
	in.optval = in.optlen == 1 ? (uintptr_t)&byte : (uintptr_t)&value;
	return rdma_cm_call(s, RDMA_USER_CM_CMD_SET_OPTION, &in, sizeof(in), 0, "set an option");
}
