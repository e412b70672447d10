/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host's rdma_cm that is not there: takes the place of write(2) on one descriptor. It keeps count of
 * ids and groups, insists that it is given only those that it gave out, and brings the events that a test
 * puts into it.
 */
#ifndef TESTS_MOCK_UCMA_H
#define TESTS_MOCK_UCMA_H

#include <netinet/in.h>
#include <sys/eventfd.h>

#include <rdma/rdma_user_cm.h>

#include "mock_uverbs.h"

#define MOCK_IDS    64u
#define MOCK_EVENTS 16u

static struct {
	pthread_mutex_t lock;
	int fd;
	struct {
		bool live;
		bool group;
		uint32_t owner; /* of a group */
		uint64_t uid;
		struct sockaddr_in6 src, dst;
	} ids[MOCK_IDS];
	struct rdma_ucm_event_resp events[MOCK_EVENTS];
	unsigned int first, count;
	int fail;	 /* errno of the next command but GET_EVENT and DESTROY_ID, or 0 */
	uint32_t device; /* the number of the HCA that has the addresses */
	union {
		uint8_t bytes[512];
		struct rdma_ucm_bind_ip bind;
		struct rdma_ucm_resolve_ip resolve;
		struct rdma_ucm_listen listen;
		struct rdma_ucm_connect connect;
		struct rdma_ucm_accept accept;
		struct rdma_ucm_reject reject;
		struct rdma_ucm_set_option option;
		struct rdma_ucm_join_mcast join;
	} last;		  /* the last command */
	uint8_t value[4]; /* of the last option */
} mock_cm = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static inline unsigned int mock_cm_ids(void)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < MOCK_IDS; i++)
		n += mock_cm.ids[i].live;
	return n;
}

/* Numbers from 1 on. */
static inline uint32_t mock_cm_new(uint64_t uid, bool group, uint32_t owner)
{
	uint32_t i = 1;

	while (i < MOCK_IDS && mock_cm.ids[i].live)
		i++;
	if (i == MOCK_IDS)
		mock_die("too many ids");
	memset(&mock_cm.ids[i], 0, sizeof(mock_cm.ids[i]));
	mock_cm.ids[i].live = true;
	mock_cm.ids[i].uid = uid;
	mock_cm.ids[i].group = group;
	mock_cm.ids[i].owner = owner;
	return i;
}

static inline void mock_cm_need(uint32_t id, bool group)
{
	if (id >= MOCK_IDS || !mock_cm.ids[id].live || mock_cm.ids[id].group != group)
		mock_die("an id that it did not give out");
}

/* With an id its events go, and what they brought. */
static inline void mock_cm_forget(uint64_t uid)
{
	unsigned int count = mock_cm.count;

	mock_cm.count = 0;
	for (unsigned int i = 0; i < count; i++) {
		struct rdma_ucm_event_resp e = mock_cm.events[(mock_cm.first + i) % MOCK_EVENTS];

		if (e.uid == uid && e.event == 4)
			mock_cm.ids[e.id].live = false;
		if (e.uid != uid)
			mock_cm.events[(mock_cm.first + mock_cm.count++) % MOCK_EVENTS] = e;
	}
}

static inline void mock_cm_destroy(uint32_t id)
{
	mock_cm_need(id, false);
	mock_cm.ids[id].live = false;
	mock_cm_forget(mock_cm.ids[id].uid);
	for (uint32_t i = 0; i < MOCK_IDS; i++) {
		if (mock_cm.ids[i].group && mock_cm.ids[i].owner == id)
			mock_cm.ids[i].live = false;
	}
}

static inline void mock_cm_answer(uint64_t to, const void *from, size_t size, uint16_t room)
{
	if (size > room)
		mock_die("no room for an answer");
	memcpy((void *)(uintptr_t)to, from, size);
}

static inline int mock_cm_get_event(uint64_t to, uint16_t room)
{
	if (!mock_cm.count)
		return EAGAIN;
	mock_cm_answer(to, &mock_cm.events[mock_cm.first], sizeof(mock_cm.events[0]), room);
	mock_cm.first = (mock_cm.first + 1) % MOCK_EVENTS;
	mock_cm.count--;
	return 0;
}

static inline void mock_cm_query(const struct rdma_ucm_query *in, uint16_t room)
{
	struct rdma_ucm_query_route_resp out = {.port_num = 1, .ibdev_index = mock_cm.device};

	mock_cm_need(in->id, false);
	out.src_addr = mock_cm.ids[in->id].src;
	out.dst_addr = mock_cm.ids[in->id].dst;
	out.num_paths = 1;
	out.ib_route[0].mtu = 3;
	mock_cm_answer(in->response, &out, sizeof(out), room);
}

static inline void mock_cm_join(const struct rdma_ucm_join_mcast *in, uint16_t room)
{
	struct rdma_ucm_create_id_resp out;

	mock_cm_need(in->id, false);
	out.id = mock_cm_new(in->uid, true, in->id);
	mock_cm_answer(in->response, &out, sizeof(out), room);
}

static inline int mock_cm_create(const struct rdma_ucm_create_id *in, uint16_t room)
{
	struct rdma_ucm_create_id_resp out = {.id = mock_cm_new(in->uid, false, 0)};

	if (!in->uid)
		mock_die("an id without a name");
	mock_cm_answer(in->response, &out, sizeof(out), room);
	return 0;
}

static inline int mock_cm_end(const struct rdma_ucm_destroy_id *in, bool group, uint16_t room)
{
	struct rdma_ucm_destroy_id_resp out = {0};

	mock_cm_need(in->id, group);
	if (group)
		mock_cm.ids[in->id].live = false;
	else
		mock_cm_destroy(in->id);
	mock_cm_answer(in->response, &out, sizeof(out), room);
	return 0;
}

static inline int mock_cm_execute(uint32_t command, uint16_t room)
{
	const void *in = mock_cm.last.bytes;
	struct ib_uverbs_qp_attr attr = {.qp_attr_mask = 1, .qp_state = 1, .pkey_index = 3};
	int err = mock_cm.fail;

	if (command == RDMA_USER_CM_CMD_GET_EVENT)
		return mock_cm_get_event(((const struct rdma_ucm_get_event *)in)->response, room);
	if (command == RDMA_USER_CM_CMD_DESTROY_ID)
		return mock_cm_end(in, false, room);
	mock_cm.fail = 0;
	if (err)
		return err;
	switch (command) {
	case RDMA_USER_CM_CMD_CREATE_ID:
		return mock_cm_create(in, room);
	case RDMA_USER_CM_CMD_BIND_IP:
		mock_cm_need(mock_cm.last.bind.id, false);
		mock_cm.ids[mock_cm.last.bind.id].src = mock_cm.last.bind.addr;
		return 0;
	case RDMA_USER_CM_CMD_RESOLVE_IP:
		mock_cm_need(mock_cm.last.resolve.id, false);
		mock_cm.ids[mock_cm.last.resolve.id].src = mock_cm.last.resolve.src_addr;
		mock_cm.ids[mock_cm.last.resolve.id].dst = mock_cm.last.resolve.dst_addr;
		return 0;
	case RDMA_USER_CM_CMD_QUERY_ROUTE:
		mock_cm_query(in, room);
		return 0;
	case RDMA_USER_CM_CMD_INIT_QP_ATTR:
		mock_cm_need(((const struct rdma_ucm_init_qp_attr *)in)->id, false);
		mock_cm_answer(((const struct rdma_ucm_init_qp_attr *)in)->response, &attr,
			       sizeof(attr), room);
		return 0;
	case RDMA_USER_CM_CMD_SET_OPTION:
		mock_cm_need(mock_cm.last.option.id, false);
		if (mock_cm.last.option.optlen > sizeof(mock_cm.value))
			mock_die("an option that is too long");
		memcpy(mock_cm.value, (void *)(uintptr_t)mock_cm.last.option.optval,
		       mock_cm.last.option.optlen);
		return 0;
	case RDMA_USER_CM_CMD_JOIN_MCAST:
		mock_cm_join(in, room);
		return 0;
	case RDMA_USER_CM_CMD_LEAVE_MCAST:
		return mock_cm_end(in, true, room);
	case RDMA_USER_CM_CMD_RESOLVE_ROUTE:
	case RDMA_USER_CM_CMD_LISTEN:
	case RDMA_USER_CM_CMD_REJECT:
	case RDMA_USER_CM_CMD_DISCONNECT:
	case RDMA_USER_CM_CMD_NOTIFY:
		mock_cm_need(mock_cm.last.listen.id, false);
		return 0;
	case RDMA_USER_CM_CMD_CONNECT:
		mock_cm_need(mock_cm.last.connect.id, false);
		return 0;
	case RDMA_USER_CM_CMD_ACCEPT:
		mock_cm_need(mock_cm.last.accept.id, false);
		mock_cm.ids[mock_cm.last.accept.id].uid = mock_cm.last.accept.uid;
		return 0;
	}
	mock_die("a command of rdma_cm that it does not know");
	return 0;
}

ssize_t write(int fd, const void *buffer, size_t size)
{
	const struct rdma_ucm_cmd_hdr *header = buffer;
	int err;

	if (fd < 0 || fd != mock_cm.fd)
		return syscall(SYS_write, fd, buffer, size);
	if (size < sizeof(*header) || size != sizeof(*header) + header->in ||
	    header->in > sizeof(mock_cm.last))
		mock_die("a command that rdma_cm would refuse");
	pthread_mutex_lock(&mock_cm.lock);
	memset(&mock_cm.last, 0, sizeof(mock_cm.last));
	memcpy(&mock_cm.last, header + 1, header->in);
	err = mock_cm_execute(header->cmd, header->out);
	pthread_mutex_unlock(&mock_cm.lock);
	if (err)
		errno = err;
	return err ? -1 : (ssize_t)size;
}

/* An event of an id, or (type 12 and 13) of a group, that the mock gave out. */
static inline void mock_cm_event(uint32_t type, uint32_t id, uint32_t status)
{
	const uint64_t one = 1;
	struct rdma_ucm_event_resp event = {.event = type, .id = id, .status = status};

	pthread_mutex_lock(&mock_cm.lock);
	event.uid = mock_cm.ids[id].uid;
	if (type == 4) /* a connection request: the id is the new one */
		event.id = mock_cm_new(0, false, 0);
	event.param.conn.private_data_len = 3;
	memcpy(event.param.conn.private_data, "abc", 3);
	if (mock_cm.count == MOCK_EVENTS)
		mock_die("too many events");
	mock_cm.events[(mock_cm.first + mock_cm.count++) % MOCK_EVENTS] = event;
	pthread_mutex_unlock(&mock_cm.lock);
	if (syscall(SYS_write, mock_cm.fd, &one, sizeof(one)) != sizeof(one))
		mock_die("no event");
}

/* Before mock_open(): the HCA has connections. The slice closes the descriptor. */
static inline void mock_cm_open(void)
{
	memset(mock_cm.ids, 0, sizeof(mock_cm.ids));
	mock_cm.first = mock_cm.count = mock_cm.device = 0;
	mock_cm.fail = 0;
	mock.cm_fd = mock_cm.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mock_cm.fd < 0)
		mock_die("no descriptor");
}

#endif
