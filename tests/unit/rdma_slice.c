// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A context slice on an HCA that is not there, driven through its virtqueues: what it
 * hands on, what it refuses, and that nothing is left.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rdma_slice.h"

#include <bypass/log.h>

/* --- messages */

static uint32_t raw(struct test *t, const struct bypass_rdma_request *request, uint32_t size,
		    uint32_t room)
{
	struct bypass_rdma_response response = {0};

	memset(t->g.guest.ram + t->g.request, 0, GUEST_PAGE);
	memcpy(t->g.guest.ram + t->g.request, request, sizeof(*request));
	if (rdma_guest_raw(&t->g, size, room) < sizeof(response))
		return -1;
	memcpy(&response, t->g.guest.ram + t->g.response, sizeof(response));
	return response.status;
}

static void test_messages(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_request r = {.command = BYPASS_RDMA_ALLOC_PD,
					.ucontext = BYPASS_RDMA_NONE};

	assert_int_equal(raw(t, &r, sizeof(r) - 1, 100), BYPASS_RDMA_E_MALFORMED);
	assert_int_equal(raw(t, &r, sizeof(r) + 8, 100), BYPASS_RDMA_E_MALFORMED);
	assert_int_equal(raw(t, &r, sizeof(r), 16), BYPASS_RDMA_E_MALFORMED);
	assert_int_equal(raw(t, &r, sizeof(r), 15), UINT32_MAX);
	assert_int_equal(raw(t, &r, sizeof(r), 24), BYPASS_RDMA_OK);
	r.udata_in = BYPASS_RDMA_UDATA_MAX + 1;
	assert_int_equal(raw(t, &r, sizeof(r) + BYPASS_RDMA_UDATA_MAX + 1, 100),
			 BYPASS_RDMA_E_MALFORMED);
	r.udata_in = -16u;
	assert_int_equal(raw(t, &r, sizeof(r), 100), BYPASS_RDMA_E_MALFORMED);
	r.udata_in = 0;
	r.udata_out = -1u;
	assert_int_equal(raw(t, &r, sizeof(r), 100), BYPASS_RDMA_E_MALFORMED);
	r.udata_out = 0;
	r.ucontext = 1;
	assert_int_equal(raw(t, &r, sizeof(r), 100), BYPASS_RDMA_E_HANDLE);
	r.ucontext = BYPASS_RDMA_NONE;
	r.command = 0;
	assert_int_equal(raw(t, &r, sizeof(r), 100), BYPASS_RDMA_E_MALFORMED);
	r.command = 1000000;
	assert_int_equal(raw(t, &r, sizeof(r), 100), BYPASS_RDMA_E_MALFORMED);
	assert_true(rdma_guest_stats(&t->g).commands >= 12 && rdma_guest_stats(&t->g).refused >= 9);
}

/* Every field that the ABI calls reserved, one at a time. */
static void test_reserved(void **state)
{
	static const struct {
		uint32_t command;
		uint32_t body, at, size;
	} fields[] = {
#define FIELD(command, type, name)                                                                 \
	{BYPASS_RDMA_##command, sizeof(struct bypass_rdma_##type),                                 \
	 offsetof(struct bypass_rdma_##type, name),                                                \
	 sizeof(((struct bypass_rdma_##type *)0)->name)}
		FIELD(QUERY_PORT, port_query, reserved),
		FIELD(QUERY_GIDS, port_query, reserved),
		FIELD(QUERY_PKEYS, port_query, reserved),
		FIELD(QUERY_COUNTERS, port_query, reserved),
		FIELD(DEALLOC_UCONTEXT, handle, reserved),
		FIELD(DEALLOC_PD, handle, reserved),
		FIELD(REG_MR, reg_mr, reserved),
		FIELD(REREG_MR, rereg_mr, reg.reserved),
		FIELD(DEREG_MR, handle, reserved),
		FIELD(DEALLOC_MW, handle, reserved),
		FIELD(CREATE_CQ, create_cq, reserved),
		FIELD(DESTROY_CQ, handle, reserved),
		FIELD(QUERY_SRQ, handle, reserved),
		FIELD(DESTROY_SRQ, handle, reserved),
		FIELD(MODIFY_QP, modify_qp, attr.ah.reserved),
		FIELD(MODIFY_QP, modify_qp, attr.alt_ah.reserved),
		FIELD(MODIFY_QP, modify_qp, attr.reserved),
		FIELD(MODIFY_QP, modify_qp, attr.reserved2),
		FIELD(DESTROY_QP, handle, reserved),
		FIELD(CREATE_AH, create_ah, reserved),
		FIELD(CREATE_AH, create_ah, attr.reserved),
		FIELD(DESTROY_AH, handle, reserved),
#undef FIELD
	};
	struct test *t = *state;
	uint8_t body[sizeof(struct bypass_rdma_modify_qp)];

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		for (uint32_t byte = 0; byte < fields[i].size; byte++) {
			const struct rdma_guest_call call = {.command = fields[i].command,
							     .body = body,
							     .body_size = fields[i].body};
			uint32_t status;

			memset(body, 0, sizeof(body));
			body[fields[i].at + byte] = 1;
			status = rdma_guest_call(&t->g, &call);
			if (status != BYPASS_RDMA_E_MALFORMED)
				fail_msg("command %u, byte %u of the body: status %u",
					 fields[i].command, fields[i].at + byte, status);
		}
	}
}

/* rxe reads no input for a protection domain: zeroes are nothing, the rest is not understood. */
static void test_blob(void **state)
{
	struct test *t = *state;
	uint8_t blob[20] = {0};
	struct bypass_rdma_handle pd;
	const struct rdma_guest_call call = {.command = BYPASS_RDMA_ALLOC_PD,
					     .reply = &pd,
					     .reply_size = sizeof(pd),
					     .udata = blob,
					     .udata_size = sizeof(blob)};

	assert_int_equal(rdma_guest_call(&t->g, &call), 0);
	blob[19] = 1;
	assert_int_equal(rdma_guest_call(&t->g, &call), BYPASS_RDMA_E_UNSUPPORTED);
}

static void test_config(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_device device;
	const struct bypass_rdma_port_query port = {.port = 2};
	struct bypass_rdma_port reply;

	assert_int_equal(t->g.config.magic, BYPASS_RDMA_MAGIC);
	assert_int_equal(t->g.config.max_qp, 4);
	assert_int_equal(t->g.config.vectors, 2);
	assert_string_equal((char *)t->g.config.name, "rxe");
	assert_int_equal(
		rdma_guest_call(&t->g,
				&(struct rdma_guest_call){.command = BYPASS_RDMA_QUERY_DEVICE,
							  .reply = &device,
							  .reply_size = sizeof(device)}),
		0);
	assert_int_equal(device.max_qp, 4);
	assert_int_equal(device.max_mr, 3);
	assert_int_equal(device.max_mr_size, 1 << 20);
	assert_int_equal(device.max_cqe, 16384);
	assert_int_equal(RDMA_GUEST_CALL(&t->g, QUERY_PORT, &port, &reply), BYPASS_RDMA_E_INVALID);
}

static void test_gids(void **state)
{
	struct test *t = *state;
	const struct bypass_rdma_port_query port = {.port = 1};
	static struct bypass_rdma_gids gids;

	assert_int_equal(RDMA_GUEST_CALL(&t->g, QUERY_GIDS, &port, &gids), 0);
	/* The link-local address and the first other one; none of the host's other ones. */
	assert_int_equal(gids.count, 4);
	assert_int_equal(gids.gid[0][15], 1);
	assert_int_equal(gids.gid[1][15], 1);
	assert_int_equal(gids.gid[2][15], 9);
	assert_int_equal(gids.gid[3][15], 9);
	assert_int_equal(gids.type[3], 2);
	assert_int_equal(gids.gid[5][15], 0);
}

/* --- counters */

static uint64_t counter(const struct bypass_rdma_counters *counters, const char *name)
{
	for (uint32_t i = 0; i < counters->count; i++)
		if (!strcmp((const char *)counters->counter[i].name, name))
			return counters->counter[i].value;
	return UINT64_MAX;
}

/* What the slice counts itself, by whichever way queues are served. */
static void test_counters(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_port_query port = {.port = 1};
	static struct bypass_rdma_counters counters;
	uint64_t before;

	assert_true(t->g.dev->features & 1ull << BYPASS_RDMA_F_COUNTERS);
	assert_int_equal(RDMA_GUEST_CALL(&t->g, QUERY_COUNTERS, &port, &counters), 0);
	assert_int_equal(counters.count, 7);
	before = counter(&counters, "slice_commands");
	assert_int_equal(counter(&counters, "slice_commands_refused"), 0);
	assert_int_equal(counter(&counters, "slice_requests"), UINT64_MAX);
	port.port = 2;
	assert_int_equal(RDMA_GUEST_CALL(&t->g, QUERY_COUNTERS, &port, &counters),
			 BYPASS_RDMA_E_INVALID);
	port.port = 1;
	assert_int_equal(RDMA_GUEST_CALL(&t->g, QUERY_COUNTERS, &port, &counters), 0);
	assert_int_equal(counter(&counters, "slice_commands"), before + 2);
	assert_int_equal(counter(&counters, "slice_commands_refused"), 1);
}

static void write_counter(const char *directory, const char *name, const char *value)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/ports/1/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(value, file);
	fclose(file);
}

/* Those of the HCA, where the guest may read them. Names that sysfs cannot have are left out. */
static void test_hca_counters(void **state)
{
	const struct bypass_rdma_port_query port = {.port = 1};
	static struct bypass_rdma_counters counters;
	char directory[] = "/tmp/bypass-counters-XXXXXX", command[160];
	struct rdma_guest g = {0};

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(command, sizeof(command), "mkdir -p %s/ports/1/hw_counters %s/ports/1/counters",
		 directory, directory);
	assert_int_equal(system(command), 0);
	write_counter(directory, "hw_counters/sent_pkts", "18446744073709551615\n");
	write_counter(directory, "hw_counters/rcvd_pkts", "7\n");
	write_counter(directory, "hw_counters/lifespan", "10\n");
	write_counter(directory, "hw_counters/a name with blanks", "1\n");
	write_counter(directory, "hw_counters/a_name_that_has_one_more_than_31", "1\n");
	write_counter(directory, "hw_counters/empty", "");
	write_counter(directory, "counters/VL15_dropped", "5\n");
	mock.sysfs = directory;
	guest_init(&g.guest, 4 << 20);
	rdma_guest_start(&g, mock_open("mock0,hca-counters"));
	assert_int_equal(RDMA_GUEST_CALL(&g, QUERY_COUNTERS, &port, &counters), 0);
	assert_int_equal(counters.count, 8 + 3 + 1);
	assert_int_equal(counter(&counters, "slice_requests"), 0);
	assert_int_equal(counter(&counters, "empty"), 0);
	assert_int_equal(counter(&counters, "rcvd_pkts"), 7);
	assert_string_equal((char *)counters.counter[10].name, "sent_pkts");
	assert_true(counters.counter[10].value == UINT64_MAX);
	assert_string_equal((char *)counters.counter[11].name, "VL15_dropped");
	assert_int_equal(counters.counter[11].value, 5);
	assert_int_equal(counters.port_count, 1);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
	/* The HCA is gone: what it counted is not there, and the command is answered. */
	assert_int_equal(RDMA_GUEST_CALL(&g, QUERY_COUNTERS, &port, &counters), 0);
	assert_int_equal(counters.count, 8);
	rdma_guest_stop(&g);
	mock.sysfs = NULL;
}

/* --- objects */

static void test_quota(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), 0);
	/* Three queue pairs have six of the shared memory's eight places, the CQ one. */
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_UD, cq.handle, &qp), BYPASS_RDMA_E_NO_SPACE);
	assert_int_equal(rdma_guest_stats(&t->g).shm_bytes, 7 * MOCK_QUEUE);
	assert_int_equal(mock_objects(), 5);
	mock.fail = ENOMEM;
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_UC, cq.handle, &qp), BYPASS_RDMA_E_MEMORY);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RAW_PACKET, cq.handle, &qp),
			 BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle + 1, &qp), BYPASS_RDMA_E_HANDLE);
	assert_int_equal(create_cq(t, 2, &cq), BYPASS_RDMA_E_INVALID);
}

static void test_hidden_pointer(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_srq srq;
	struct bypass_rdma_modify_srq body = {.mask = BYPASS_RDMA_SRQ_MAX_WR, .max_wr = 9};
	const struct rxe_modify_srq_cmd blob = {.mmap_info_addr = 0xdead0000};
	struct rdma_guest_call call = {.command = BYPASS_RDMA_MODIFY_SRQ,
				       .body = &body,
				       .body_size = sizeof(body),
				       .udata = &blob,
				       .udata_size = sizeof(blob)};
	const uint32_t sent = sizeof(struct bypass_rdma_request) + sizeof(body) + sizeof(blob);
	const uint32_t needed =
		sizeof(struct bypass_rdma_response) + sizeof(t->g.mmaps) + BYPASS_RDMA_HIDDEN_ROOM;
	struct bypass_rdma_response response;
	struct mminfo mi;

	assert_int_equal(create_srq(t, &srq), 0);
	body.handle = srq.handle;
	assert_int_equal(rdma_guest_call(&t->g, &call), 0);
	memcpy(&response, t->g.guest.ram + t->g.response, sizeof(response));
	assert_int_equal(response.udata_at, 0);
	assert_int_equal(t->g.udata_size, sizeof(mi));
	memcpy(&mi, t->g.udata, sizeof(mi));
	assert_int_equal(mi.offset, t->g.mmaps[0].offset);
	assert_int_equal(mi.size, MOCK_QUEUE);

	body.mask = BYPASS_RDMA_SRQ_LIMIT;
	assert_int_equal(rdma_guest_call(&t->g, &call), 0);
	assert_int_equal(t->g.udata_size, 0);
	body.mask = 4;
	assert_int_equal(rdma_guest_call(&t->g, &call), BYPASS_RDMA_E_INVALID);
	/* There is room for what goes through the pointer, or nothing happens. */
	for (uint32_t missing = 0; missing < 2; missing++) {
		rdma_guest_raw(&t->g, sent, needed - missing);
		memcpy(&response, t->g.guest.ram + t->g.response, sizeof(response));
		assert_int_equal(response.status,
				 missing ? BYPASS_RDMA_E_MALFORMED : BYPASS_RDMA_E_INVALID);
	}
}

static uint32_t multicast(struct test *t, uint32_t command, uint32_t qp, uint32_t lid,
			  uint8_t group)
{
	const struct bypass_rdma_mcast body = {.qp = qp, .lid = lid, .gid = {0xff, 0x0e, group}};

	return rdma_guest_call(&t->g, &(struct rdma_guest_call){.command = command,
								.body = &body,
								.body_size = sizeof(body)});
}

static void test_ucontext(void **state)
{
	struct test *t = *state;
	uint32_t first = t->g.ucontext, pd;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;

	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_UCONTEXT, &t->g.ucontext), 0);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &pd), 0);
	assert_int_equal(create_cq(t, 1, &cq), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_UD, cq.handle, &qp), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(multicast(t, BYPASS_RDMA_ATTACH_MCAST, qp.handle, 1, i), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_QP, qp.handle),
			 BYPASS_RDMA_E_BUSY);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_UCONTEXT, t->g.ucontext), 0);
	t->g.ucontext = first;
	/* The other process keeps what is its own. */
	assert_int_equal(mock_objects(), 1);
	assert_int_equal(rdma_guest_stats(&t->g).shm_bytes, 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_PD, pd),
			 BYPASS_RDMA_E_HANDLE);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_PD, t->pd), 0);
}

static uint32_t join(struct test *t, uint32_t qp, uint8_t first)
{
	const struct bypass_rdma_mcast body = {
		.qp = qp, .gid = {[10] = 0xff, [11] = 0xff, [12] = first, [13] = 7}};

	return rdma_guest_call(&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_ATTACH_MCAST,
								.body = &body,
								.body_size = sizeof(body)});
}

/* A group counts once for a queue pair: of a second attachment it could not be rid again. */
static void test_multicast(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_UD, cq.handle, &qp), 0);
	assert_int_equal(multicast(t, BYPASS_RDMA_ATTACH_MCAST, qp.handle, 0x1c001, 0),
			 BYPASS_RDMA_E_INVALID);
	assert_int_equal(multicast(t, BYPASS_RDMA_ATTACH_MCAST, qp.handle, 0xc001, 0), 0);
	assert_int_equal(multicast(t, BYPASS_RDMA_ATTACH_MCAST, qp.handle, 0xc001, 0), 0);
	assert_int_equal(multicast(t, BYPASS_RDMA_ATTACH_MCAST, qp.handle, 0xc002, 0),
			 BYPASS_RDMA_E_INVALID);
	assert_int_equal(multicast(t, BYPASS_RDMA_DETACH_MCAST, qp.handle, 0xc002, 0),
			 BYPASS_RDMA_E_INVALID);
	assert_int_equal(multicast(t, BYPASS_RDMA_DETACH_MCAST, qp.handle, 0xc001, 0), 0);
	assert_int_equal(multicast(t, BYPASS_RDMA_DETACH_MCAST, qp.handle, 0xc001, 0),
			 BYPASS_RDMA_E_INVALID);
	/* A group of IPv4, as RoCE has it; and an address of IPv4 that is no group. */
	assert_int_equal(join(t, qp.handle, 239), 0);
	assert_int_equal(join(t, qp.handle, 10), BYPASS_RDMA_E_INVALID);
	t->g.dev->ops->reset(t->g.dev);
}

/* A group that cannot be left keeps no other from it, and is tried again. */
static void test_stuck_group(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_UD, cq.handle, &qp), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(multicast(t, BYPASS_RDMA_ATTACH_MCAST, qp.handle, 0, i), 0);
	mock.stuck = EIO;
	t->g.dev->ops->reset(t->g.dev);
	assert_int_equal(mock_attachments(mock_handle(MOCK_QP)), 1);
	t->g.dev->ops->reset(t->g.dev);
	assert_int_equal(mock_objects(), 0);
}

/* What the host keeps of a process that is gone counts still, and can still be destroyed. */
static void test_kept(void **state)
{
	struct test *t = *state;
	uint32_t first = t->g.ucontext, pd;

	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_UCONTEXT, &t->g.ucontext), 0);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &pd), 0);
	mock.busy = MOCK_PD;
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_UCONTEXT, t->g.ucontext), 0);
	mock.busy = MOCK_NONE;
	t->g.ucontext = first;
	/* Two PDs, and the process that is left. */
	assert_int_equal(mock_objects(), 2);
	assert_int_equal(rdma_guest_stats(&t->g).objects, 3);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_PD, pd), 0);
	assert_int_equal(mock_objects(), 1);
}

/* --- doorbells and events */

static void test_doorbell(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;
	uint32_t pd;

	for (int i = 0; i < 7; i++)
		assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_CQ, 0), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_UCONTEXT, t->g.ucontext), 0);
	t->g.ucontext = BYPASS_RDMA_NONE;
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), 0);

	rdma_guest_post_send(&t->g, qp.handle);
	assert_true(guest_reaches(&mock.post_sends, 1));
	rdma_guest_post_send(&t->g, qp.handle);
	assert_true(guest_reaches(&mock.post_sends, 2));
	assert_int_equal(mock.user_handle[mock.last_posted], qp.handle);
	/* A handle that is none, and one beyond the bitmap: nothing happens. */
	rdma_guest_post_send(&t->g, 3);
	rdma_guest_post_send(&t->g, 63);
	assert_true(rdma_guest_arm(&t->g, cq.handle));
	assert_int_equal(mock.arms, 1);
	assert_int_equal(mock.user_handle[mock.last_armed], cq.handle);
	assert_int_equal(mock.post_sends, 2);
	assert_true(rdma_guest_stats(&t->g).kicks >= 1 && rdma_guest_stats(&t->g).kicks <= 8);
	/* None of a queue that was stopped; the slice has done what was asked for later. */
	t->g.dev->ops->queue_stop(t->g.dev, BYPASS_RDMA_QUEUE_DOORBELL);
	rdma_guest_post_send(&t->g, qp.handle);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &pd), 0);
	assert_int_equal(mock.post_sends, 2);
}

/* What the doorbell thread is using just now can be destroyed nevertheless. */
static void test_destroy_in_use(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), 0);
	mock.use_us = 50000;
	rdma_guest_post_send(&t->g, qp.handle);
	assert_true(guest_reaches(&mock.uses, 1));
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_QP, qp.handle), 0);
	rdma_guest_ring(&t->g, BYPASS_RDMA_ARM_OFFSET(t->g.config.max_qp), cq.handle);
	assert_true(guest_reaches(&mock.uses, 2));
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_CQ, cq.handle), 0);
}

static void test_events(void **state)
{
	struct test *t = *state;
	struct ib_uverbs_async_event_desc desc = {.element = 2, .event_type = IBV_EVENT_QP_FATAL};
	struct ib_uverbs_comp_event_desc completion = {.cq_handle = 1};
	struct bypass_virtio_queue setup;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;
	uint32_t event[2];

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_cq(t, 1, &cq), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), 0);
	desc.element = qp.handle;
	/* More than the queue has buffers. */
	for (uint32_t i = 0; i < 600; i++) {
		assert_int_equal(write(mock.async[1], &desc, sizeof(desc)), sizeof(desc));
		assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
		assert_int_equal(event[0], IBV_EVENT_QP_FATAL);
		assert_int_equal(event[1], qp.handle);
	}
	assert_int_equal(write(mock.channels[1][1], &completion, sizeof(completion)), 8);
	assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_VECTOR + 1, 5000, event));
	assert_int_equal(event[0], 1);
	assert_false(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_VECTOR, 0, event));
	assert_int_equal(rdma_guest_stats(&t->g).events, 600);
	assert_int_equal(rdma_guest_stats(&t->g).completions, 1);
	assert_true(t->g.dev->ops->interrupts(t->g.dev) > 3);
	/* Stopped, and started again with the same descriptors. */
	setup = t->g.queues[BYPASS_RDMA_QUEUE_EVENT].setup;
	setup.next = t->g.dev->ops->queue_stop(t->g.dev, BYPASS_RDMA_QUEUE_EVENT);
	assert_int_equal(t->g.dev->ops->queue_start(t->g.dev, BYPASS_RDMA_QUEUE_EVENT, &setup), 0);
	assert_int_equal(write(mock.async[1], &desc, sizeof(desc)), sizeof(desc));
	assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
}

static void test_lost(void **state)
{
	struct test *t = *state;
	const struct ib_uverbs_async_event_desc desc = {.event_type = IBV_EVENT_DEVICE_FATAL};
	struct pollfd told = {.fd = t->g.dev->event_fd, .events = POLLIN};
	struct bypass_event last;
	struct bypass_rdma_cq cq;
	uint32_t event[2], pd;

	/* What the driver says of one request is not yet that: the guest would reset the device. */
	mock.fail = ENODEV;
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &pd), BYPASS_RDMA_E_IO);
	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(write(mock.async[1], &desc, sizeof(desc)), sizeof(desc));
	assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
	assert_int_equal(event[0], BYPASS_RDMA_EVENT_DEVICE_FATAL);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &pd),
			 BYPASS_RDMA_E_NO_DEVICE);
	/* A PD of before, a CQ, and their mapping: all were given back. */
	assert_int_equal(mock_objects(), 0);
	assert_int_equal(rdma_guest_stats(&t->g).shm_bytes, 0);
	t->g.dev->ops->reset(t->g.dev);
	assert_true(poll(&told, 1, 0) == 1);
	assert_int_equal(t->g.dev->ops->event(t->g.dev, &last), 1);
	assert_int_equal(last.kind, BYPASS_EVENT_DEAD);
	assert_non_null(strstr(last.text, "removed"));
	/* Once. */
	assert_int_equal(t->g.dev->ops->event(t->g.dev, &last), 0);
	assert_int_equal(poll(&told, 1, 0), 0);
}

static void test_reset(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;
	struct bypass_event event;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), 0);
	t->g.dev->ops->reset(t->g.dev);
	assert_int_equal(t->g.dev->ops->event(t->g.dev, &event), 0);
	assert_int_equal(mock_objects(), 0);
	assert_int_equal(rdma_guest_stats(&t->g).objects, 0);
	/* And it can be used anew, with fresh queues. */
	for (unsigned int i = 0; i < t->g.dev->n_queues; i++)
		guest_queue_free(&t->g.queues[i]);
	rdma_guest_start(&t->g, t->g.dev);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
}

static void test_broken_queue(void **state)
{
	struct test *t = *state;
	struct guest_queue *q = &t->g.queues[BYPASS_RDMA_QUEUE_CONTROL];
	uint32_t head, len;

	guest_avail(q, q->ring.num);
	guest_kick(q);
	assert_false(guest_wait(q, 50, &head, &len));
	/* Other queues go on, and the transport still gets its answers. */
	assert_int_equal(t->g.dev->ops->queue_stop(t->g.dev, BYPASS_RDMA_QUEUE_CONTROL), 3);
}

static _Atomic unsigned int remarks;

static void count_remarks(void *opaque, enum bypass_log_level level, const char *text)
{
	(void)opaque, (void)text;
	remarks += level == BYPASS_LOG_WARN;
}

/* A guest that breaks its queue over and over fills no log. */
static void test_remarks(void **state)
{
	const struct ib_uverbs_async_event_desc active = {.element = 1,
							  .event_type = IBV_EVENT_PORT_ACTIVE};
	uint32_t event[2];
	struct test *t = *state;
	struct guest_queue *q = &t->g.queues[BYPASS_RDMA_QUEUE_CONTROL];
	uint32_t pd;

	bypass_log_set(count_remarks, NULL);
	remarks = 0;
	for (int i = 0; i < 40; i++) {
		guest_avail(q, q->ring.num);
		guest_kick(q);
		/* The thread that sees the broken queue handles this event after the kick. */
		assert_int_equal(write(mock.async[1], &active, sizeof(active)), sizeof(active));
		assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 10000, event));
		t->g.dev->ops->reset(t->g.dev);
		for (unsigned int n = 0; n < t->g.dev->n_queues; n++)
			guest_queue_free(&t->g.queues[n]);
		t->g.guest.next = 0;
		rdma_guest_start(&t->g, t->g.dev);
		assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &pd), 0);
	}
	bypass_log_set(NULL, NULL);
	assert_int_equal(remarks, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_messages),	   TEST(test_blob),
		TEST(test_config),	   TEST(test_gids),
		TEST(test_quota),	   TEST(test_hidden_pointer),
		TEST(test_counters),	   cmocka_unit_test(test_hca_counters),
		TEST(test_ucontext),	   TEST(test_doorbell),
		TEST(test_events),	   TEST(test_lost),
		TEST(test_reset),	   TEST(test_broken_queue),
		TEST(test_kept),	   TEST(test_multicast),
		TEST(test_destroy_in_use), TEST(test_stuck_group),
		TEST(test_reserved),	   TEST(test_remarks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
