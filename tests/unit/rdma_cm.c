// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections of a guest, on an rdma_cm of the host that is not there: what reaches the host, and
 * what does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <bypass/error.h>

#include "../mock_ucma.h"
#include "rdma_slice.h"

/* The addresses of the mock's GIDs but the first, which is link-local: ::9 and ::a. */
#define OWN	 9
#define OTHER	 10
#define LOOPBACK 1

#define CM_OPTIONS "mock0,trust-guest,qps=4,cqs=4,vectors=1,ids=4,backlog=7,mcasts=2"

static int cm_set_up(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	struct bypass_virtio_device *dev;

	mock_cm_open();
	dev = mock_open(CM_OPTIONS);
	assert_non_null(dev);
	guest_init(&t->g.guest, 4 << 20);
	rdma_guest_start(&t->g, dev);
	assert_int_equal(rdma_guest_set_doorbell(&t->g), 0);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
	*state = t;
	return 0;
}

static int cm_tear_down(void **state)
{
	tear_down(state);
	assert_int_equal(mock_cm_ids(), 0);
	mock.cm_fd = mock_cm.fd = -1;
	return 0;
}

static uint32_t make_id(struct test *t, uint32_t ps)
{
	const struct bypass_rdma_cm_create_id body = {.ps = ps};
	struct bypass_rdma_handle reply = {0};

	assert_int_equal(RDMA_GUEST_CALL(&t->g, CM_CREATE_ID, &body, &reply), 0);
	return reply.handle;
}

static struct bypass_rdma_cm_addr address(uint8_t last, uint16_t port)
{
	return (struct bypass_rdma_cm_addr){
		.family = AF_INET6, .port = htobe16(port), .ip[15] = last};
}

static struct bypass_rdma_cm_addr address4(uint32_t ip, uint16_t port)
{
	struct bypass_rdma_cm_addr addr = {
		.family = AF_INET, .port = htobe16(port), .ip[10] = 0xff, .ip[11] = 0xff};

	ip = htobe32(ip);
	memcpy(addr.ip + 12, &ip, sizeof(ip));
	return addr;
}

static uint32_t call(struct test *t, uint32_t command, const void *body, size_t size)
{
	return rdma_guest_call(&t->g, &(struct rdma_guest_call){
					      .command = command, .body = body, .body_size = size});
}

static uint32_t bind_id(struct test *t, uint32_t id, struct bypass_rdma_cm_addr addr)
{
	const struct bypass_rdma_cm_bind body = {.id = id, .addr = addr};

	return call(t, BYPASS_RDMA_CM_BIND, &body, sizeof(body));
}

static uint32_t resolve(struct test *t, uint32_t id, struct bypass_rdma_cm_addr src,
			struct bypass_rdma_cm_addr dst)
{
	const struct bypass_rdma_cm_resolve_addr body = {
		.id = id, .timeout_ms = -1, .src = src, .dst = dst};

	return call(t, BYPASS_RDMA_CM_RESOLVE_ADDR, &body, sizeof(body));
}

static uint32_t listen_id(struct test *t, uint32_t id, uint32_t backlog)
{
	const struct bypass_rdma_cm_listen body = {.id = id, .backlog = backlog};

	return call(t, BYPASS_RDMA_CM_LISTEN, &body, sizeof(body));
}

static uint32_t get_event(struct test *t, struct bypass_rdma_cm_event *event)
{
	return rdma_guest_call(&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_CM_GET_EVENT,
								.reply = event,
								.reply_size = sizeof(*event)});
}

static uint32_t make_qp(struct test *t)
{
	struct bypass_rdma_cq cq = {0};
	struct bypass_rdma_qp qp = {0};

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_qp(t, IBV_QPT_RC, cq.handle, &qp), 0);
	return qp.qpn;
}

static void test_absent(void **state)
{
	struct test *t = *state;
	const struct bypass_rdma_cm_create_id body = {.ps = RDMA_PS_TCP};

	assert_false(t->g.dev->features & 1ull << BYPASS_RDMA_F_CM);
	assert_int_equal(call(t, BYPASS_RDMA_CM_CREATE_ID, &body, sizeof(body)),
			 BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_DESTROY_ID, 0),
			 BYPASS_RDMA_E_HANDLE);
}

static void test_ids(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cm_create_id body = {.ps = RDMA_PS_IB};
	uint32_t id = make_id(t, RDMA_PS_TCP);

	assert_true(t->g.dev->features & 1ull << BYPASS_RDMA_F_CM);
	assert_int_equal(call(t, BYPASS_RDMA_CM_CREATE_ID, &body, sizeof(body)),
			 BYPASS_RDMA_E_UNSUPPORTED);
	body.ps = RDMA_PS_UDP;
	mock_cm.fail = ENOMEM;
	assert_int_equal(call(t, BYPASS_RDMA_CM_CREATE_ID, &body, sizeof(body)),
			 BYPASS_RDMA_E_MEMORY);
	for (int i = 1; i < 4; i++)
		make_id(t, RDMA_PS_TCP);
	assert_int_equal(call(t, BYPASS_RDMA_CM_CREATE_ID, &body, sizeof(body)),
			 BYPASS_RDMA_E_QUOTA);
	assert_int_equal(mock_cm_ids(), 4);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_DESTROY_ID, id), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_DESTROY_ID, id),
			 BYPASS_RDMA_E_HANDLE);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_DISCONNECT, 99),
			 BYPASS_RDMA_E_HANDLE);
	assert_int_equal(mock_cm_ids(), 3);
}

/* With a process of the guest its ids go. */
static void test_process(void **state)
{
	struct test *t = *state;
	uint32_t ucontext;

	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_UCONTEXT, &ucontext), 0);
	make_id(t, RDMA_PS_TCP);
	t->g.ucontext = ucontext;
	make_id(t, RDMA_PS_TCP);
	t->g.ucontext = BYPASS_RDMA_NONE;
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_UCONTEXT, ucontext), 0);
	assert_int_equal(mock_cm_ids(), 1);
}

static void test_bind(void **state)
{
	struct test *t = *state;
	uint32_t id = make_id(t, RDMA_PS_TCP);
	struct bypass_rdma_cm_addr addr = address(OWN, 1024);

	assert_int_equal(bind_id(t, id, addr), 0);
	assert_int_equal(mock_cm.ids[1].src.sin6_addr.s6_addr[15], OWN);
	assert_int_equal(mock_cm.ids[1].src.sin6_port, htobe16(1024));
	/* The unspecified address never reaches the host: it would stand for all of the host's. */
	assert_int_equal(bind_id(t, id, address(0, 0)), 0);
	assert_int_equal(mock_cm.ids[1].src.sin6_addr.s6_addr[15], OWN);
	/* Nor does the loopback address, which is the host's as well. */
	mock_cm.ids[1].src = (struct sockaddr_in6){0};
	assert_int_equal(bind_id(t, id, address(LOOPBACK, 0)), 0);
	assert_int_equal(mock_cm.ids[1].src.sin6_addr.s6_addr[15], OWN);
	assert_int_equal(bind_id(t, id, address4(INADDR_LOOPBACK, 0)), BYPASS_RDMA_E_NO_ADDRESS);
	assert_int_equal(bind_id(t, id, address(OTHER, 0)), BYPASS_RDMA_E_NO_ADDRESS);
	assert_int_equal(bind_id(t, id, address4(0, 0)), BYPASS_RDMA_E_NO_ADDRESS);
	assert_int_equal(bind_id(t, id, address4(0x0a070001, 0)), BYPASS_RDMA_E_NO_ADDRESS);
	assert_int_equal(bind_id(t, id, address(OWN, 1023)), BYPASS_RDMA_E_PERMISSION);
	addr.ip[0] = 0xfe;
	addr.ip[1] = 0x80;
	assert_int_equal(bind_id(t, id, addr), BYPASS_RDMA_E_NO_ADDRESS);
	addr.family = AF_INET;
	assert_int_equal(bind_id(t, id, addr), BYPASS_RDMA_E_INVALID);
	addr.family = 27; /* AF_IB: its bytes would name any service */
	assert_int_equal(bind_id(t, id, addr), BYPASS_RDMA_E_INVALID);
	mock_cm.fail = EADDRINUSE;
	assert_int_equal(bind_id(t, id, address(OWN, 1024)), BYPASS_RDMA_E_IN_USE);
	mock_cm.fail = EACCES;
	assert_int_equal(bind_id(t, id, address(OWN, 1024)), BYPASS_RDMA_E_PERMISSION);
}

/* rdma_cm takes the first HCA that has the address: it may be another than the slice's. */
static void test_other_hca(void **state)
{
	struct test *t = *state;
	uint32_t id = make_id(t, RDMA_PS_TCP);

	mock_cm.device = 5;
	assert_int_equal(bind_id(t, id, address(OWN, 0)), BYPASS_RDMA_E_NO_ADDRESS);
	assert_int_equal(mock_cm_ids(), 0);
	assert_int_equal(listen_id(t, id, 1), BYPASS_RDMA_E_HANDLE);
	/* The guest is about to destroy it: until then no other id has the handle. */
	assert_int_not_equal(make_id(t, RDMA_PS_TCP), id);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_DESTROY_ID, id), 0);
	assert_int_equal(mock_cm_ids(), 1);
}

static void test_resolve(void **state)
{
	struct test *t = *state;
	const struct bypass_rdma_cm_addr none = {0};
	struct bypass_rdma_cm_event event;
	uint32_t id = make_id(t, RDMA_PS_TCP);

	/* Else the host's routing would choose one of the host's addresses. */
	assert_int_equal(resolve(t, id, none, address(77, 80)), 0);
	assert_int_equal(mock_cm.ids[1].src.sin6_addr.s6_addr[15], OWN);
	assert_int_equal(mock_cm.ids[1].dst.sin6_addr.s6_addr[15], 77);
	assert_int_equal(mock_cm.ids[1].dst.sin6_port, htobe16(80));
	/* The guest itself, and not the host. */
	assert_int_equal(resolve(t, id, none, address(LOOPBACK, 80)), 0);
	assert_int_equal(mock_cm.ids[1].dst.sin6_addr.s6_addr[15], OWN);
	assert_int_equal(mock_cm.ids[1].dst.sin6_port, htobe16(80));
	assert_int_equal(resolve(t, id, none, address4(INADDR_LOOPBACK, 80)),
			 BYPASS_RDMA_E_NO_ADDRESS);
	assert_int_equal(resolve(t, id, address(OTHER, 0), address(77, 80)),
			 BYPASS_RDMA_E_NO_ADDRESS);
	assert_int_equal(resolve(t, id, none, address(0, 80)), BYPASS_RDMA_E_INVALID);
	assert_int_equal(resolve(t, id, none, none), BYPASS_RDMA_E_INVALID);
	/* The host keeps an event of each, until the guest fetches it. */
	for (int i = 2; i < 8; i++)
		assert_int_equal(resolve(t, id, none, address(77, 80)), 0);
	assert_int_equal(resolve(t, id, none, address(77, 80)), BYPASS_RDMA_E_QUOTA);
	mock_cm_event(BYPASS_RDMA_CM_ADDR_ERROR, 1, -ETIMEDOUT);
	assert_int_equal(get_event(t, &event), 0);
	assert_int_equal(event.status, (uint32_t)-ETIMEDOUT);
	assert_int_equal(event.id, id);
	assert_int_equal(resolve(t, id, none, address(77, 80)), 0);
}

static void test_connect(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cm_connect body = {.id = make_id(t, RDMA_PS_TCP), .valid = 1};
	uint32_t qpn = make_qp(t);

	body.conn.private_data_len = 200;
	memset(body.conn.private_data, 0x5a, sizeof(body.conn.private_data));
	body.conn.qpn = qpn + 1; /* of another guest, perhaps */
	assert_int_equal(call(t, BYPASS_RDMA_CM_CONNECT, &body, sizeof(body)),
			 BYPASS_RDMA_E_INVALID);
	body.conn.qpn = qpn;
	assert_int_equal(call(t, BYPASS_RDMA_CM_CONNECT, &body, sizeof(body)), 0);
	assert_int_equal(mock_cm.last.connect.conn_param.qp_num, qpn);
	assert_int_equal(mock_cm.last.connect.conn_param.private_data_len, 200);
	assert_memory_equal(mock_cm.last.connect.conn_param.private_data, body.conn.private_data,
			    200);
	body.conn.retry_count = 8;
	assert_int_equal(call(t, BYPASS_RDMA_CM_CONNECT, &body, sizeof(body)),
			 BYPASS_RDMA_E_INVALID);
	body.valid = 0;
	assert_int_equal(call(t, BYPASS_RDMA_CM_CONNECT, &body, sizeof(body)),
			 BYPASS_RDMA_E_INVALID);
	assert_int_equal(call(t, BYPASS_RDMA_CM_ACCEPT, &body, sizeof(body)), 0);
	assert_int_equal(mock_cm.last.accept.conn_param.valid, 0);
}

static void test_listen(void **state)
{
	struct test *t = *state;
	uint32_t id = make_id(t, RDMA_PS_TCP), notice[2];
	struct bypass_rdma_cm_event event;

	assert_int_equal(listen_id(t, id, 1), BYPASS_RDMA_E_INVALID);
	assert_int_equal(bind_id(t, id, address(0, 0)), 0);
	assert_int_equal(listen_id(t, id, 0), 0);
	assert_int_equal(mock_cm.last.listen.backlog, 7);
	assert_int_equal(listen_id(t, id, 3), 0);
	assert_int_equal(mock_cm.last.listen.backlog, 3);

	assert_int_equal(get_event(t, &event), BYPASS_RDMA_E_NOT_FOUND);
	mock_cm_event(BYPASS_RDMA_CM_CONNECT_REQUEST, 1, 0);
	assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 20000, notice));
	assert_int_equal(notice[0], BYPASS_RDMA_EVENT_CM);
	assert_int_equal(get_event(t, &event), 0);
	assert_int_equal(event.id, id);
	assert_int_not_equal(event.other, id);
	assert_int_equal(event.conn.private_data_len, 3);
	assert_memory_equal(event.conn.private_data, "abc", 3);
	/* The ids of the quota are two more: then requests end before the guest sees them. */
	for (int i = 0; i < 4; i++)
		mock_cm_event(BYPASS_RDMA_CM_CONNECT_REQUEST, 1, 0);
	assert_int_equal(get_event(t, &event), 0);
	assert_int_equal(get_event(t, &event), 0);
	assert_int_equal(get_event(t, &event), BYPASS_RDMA_E_NOT_FOUND);
	assert_int_equal(mock_cm_ids(), 4);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_DESTROY_ID, event.other), 0);
	assert_int_equal(mock_cm_ids(), 3);
}

static void test_attributes(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cm_init_qp body = {.id = make_id(t, RDMA_PS_TCP), .qp_state = 1};
	struct bypass_rdma_cm_option option = {.id = body.id, .option = RDMA_OPTION_ID_TOS};
	struct bypass_rdma_cm_notify notify = {.id = body.id, .event = 4};
	struct bypass_rdma_cm_reject reject = {.id = body.id, .reason = 28};
	struct bypass_rdma_modify_qp reply;

	assert_int_equal(RDMA_GUEST_CALL(&t->g, CM_INIT_QP_ATTR, &body, &reply), 0);
	assert_int_equal(reply.mask, 1);
	assert_int_equal(reply.attr.pkey_index, 0); /* 3 is none of the guest's */
	body.qp_state = 7;
	assert_int_equal(RDMA_GUEST_CALL(&t->g, CM_INIT_QP_ATTR, &body, &reply),
			 BYPASS_RDMA_E_INVALID);
	option.value = 0x68;
	assert_int_equal(call(t, BYPASS_RDMA_CM_SET_OPTION, &option, sizeof(option)), 0);
	assert_int_equal(mock_cm.value[0], 0x68);
	option.value = 256;
	assert_int_equal(call(t, BYPASS_RDMA_CM_SET_OPTION, &option, sizeof(option)),
			 BYPASS_RDMA_E_INVALID);
	option.option = 4;
	assert_int_equal(call(t, BYPASS_RDMA_CM_SET_OPTION, &option, sizeof(option)),
			 BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(call(t, BYPASS_RDMA_CM_NOTIFY, &notify, sizeof(notify)), 0);
	notify.event = 8; /* the device has failed, says the guest */
	assert_int_equal(call(t, BYPASS_RDMA_CM_NOTIFY, &notify, sizeof(notify)),
			 BYPASS_RDMA_E_INVALID);
	assert_int_equal(call(t, BYPASS_RDMA_CM_REJECT, &reject, sizeof(reject)), 0);
	reject.reason = 1;
	assert_int_equal(call(t, BYPASS_RDMA_CM_REJECT, &reject, sizeof(reject)),
			 BYPASS_RDMA_E_INVALID);
}

static void test_groups(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cm_join body = {.id = make_id(t, RDMA_PS_UDP),
					   .addr = address4(0xe0000105, 0)};
	struct bypass_rdma_cm_event event;
	struct bypass_rdma_handle group;

	assert_int_equal(RDMA_GUEST_CALL(&t->g, CM_JOIN, &body, &group), BYPASS_RDMA_E_INVALID);
	assert_int_equal(bind_id(t, body.id, address(OWN, 0)), 0);
	assert_int_equal(RDMA_GUEST_CALL(&t->g, CM_JOIN, &body, &group), 0);
	mock_cm_event(BYPASS_RDMA_CM_MULTICAST_JOIN, 2, 0);
	assert_int_equal(get_event(t, &event), 0);
	assert_int_equal(event.id, body.id);
	assert_int_equal(event.other, group.handle);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_LEAVE, group.handle), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_LEAVE, group.handle),
			 BYPASS_RDMA_E_HANDLE);
	for (int i = 0; i < 2; i++)
		assert_int_equal(RDMA_GUEST_CALL(&t->g, CM_JOIN, &body, &group), 0);
	assert_int_equal(RDMA_GUEST_CALL(&t->g, CM_JOIN, &body, &group), BYPASS_RDMA_E_QUOTA);
	/* With the id its groups go. */
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_DESTROY_ID, body.id), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_CM_LEAVE, group.handle),
			 BYPASS_RDMA_E_HANDLE);
	assert_int_equal(mock_cm_ids(), 0);
}

static void test_options(void **state)
{
	struct bypass_rdma_options o;

	(void)state;
	assert_int_equal(bypass_rdma_parse("a,addr=10.7.0.5+fd00::5,ports=80-99", &o), 0);
	assert_int_equal(o.n_addrs, 2);
	assert_int_equal(o.addrs[0][10], 0xff);
	assert_int_equal(o.addrs[0][15], 5);
	assert_int_equal(o.addrs[1][0], 0xfd);
	assert_int_equal(o.port_first, 80);
	assert_int_equal(o.port_last, 99);
	assert_int_equal(bypass_rdma_parse("a,ports=80", &o), 0);
	assert_int_equal(o.port_last, 80);
	assert_int_equal(bypass_rdma_parse("a,ports=", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,ports=0-9", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,ports=9-8", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,ports=1-65536", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,ports=1-2x", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,addr=", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,addr=10.7.0", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,addr=10.7.0.5+", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,gids=1,addr=10.7.0.5", &o), 0);
	assert_int_equal(rdma_options_complete(&o), -EINVAL);
}

#define CM_TEST(name) cmocka_unit_test_setup_teardown(name, cm_set_up, cm_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_absent),
		CM_TEST(test_ids),
		CM_TEST(test_process),
		CM_TEST(test_bind),
		CM_TEST(test_other_hca),
		CM_TEST(test_resolve),
		CM_TEST(test_connect),
		CM_TEST(test_listen),
		CM_TEST(test_attributes),
		CM_TEST(test_groups),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
