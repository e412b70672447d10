/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An HCA that is not there. The mock takes the place of ioctl(2) on one descriptor, and of the
 * few calls of libibverbs. The mock counts objects, accepts only handles that it gave out, and
 * answers as rxe does. With mock_mlx5.h the mock answers as mlx5 does.
 */
#ifndef TESTS_MOCK_UVERBS_H
#define TESTS_MOCK_UVERBS_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <infiniband/verbs.h>
#include <linux/udmabuf.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <rdma/rdma_user_rxe.h>

#include "../libbypass/rdma/internal.h"

#define MOCK_OBJECTS  4096
#define MOCK_CHANNELS 8
#define MOCK_MCASTS   128
#define MOCK_QUEUE    8192u /* bytes of every queue: a header, then … */
#define MOCK_MASK     7u    /* … this many elements less one, of … */
#define MOCK_SHIFT    9u    /* … this log2 of a size */
#define MOCK_SRQN     0x77u /* of an SRQ of an XRC domain */

enum mock_kind {
	MOCK_NONE,
	MOCK_PD,
	MOCK_MR,
	MOCK_MW,
	MOCK_CQ,
	MOCK_SRQ,
	MOCK_QP,
	MOCK_AH,
	MOCK_XRCD,
	MOCK_PAGE,
};

struct mock_call;

/* Another driver than rxe. */
struct mock_driver {
	const struct rdma_dialect *dialect;
	/* The provider's part of a command that makes or resizes a queue: 0 or an errno. */
	int (*queue)(uint32_t command, const struct mock_call *c);
	/* Objects of its own. */
	int (*ioctl)(struct ib_uverbs_ioctl_hdr *header);
	/* A dma-buf: a descriptor, or a negative errno. */
	int (*gather)(const struct udmabuf_create_list *list);
};

static struct {
	pthread_mutex_t lock;
	const struct mock_driver *driver; /* NULL: rxe */
	int cmd_fd;
	int page_fd; /* of the context of doorbell pages alone, or -1 */
	int fd;	     /* which of the two this message is for */
	int cm_fd;   /* of mock_ucma.h, or -1 */
	int async[2];
	int channels[MOCK_CHANNELS][2];
	int n_channels;
	enum mock_kind kind[MOCK_OBJECTS];
	uint64_t user_handle[MOCK_OBJECTS];
	uint8_t state[MOCK_OBJECTS];			   /* of queue pairs, enum ibv_qp_state */
	struct ib_uverbs_modify_qp modified;		   /* the last MODIFY_QP … */
	uint8_t sgid_index;				   /* of the last address handle */
	unsigned int modifies;				   /* … of so many */
	struct ib_uverbs_attach_mcast mcasts[MOCK_MCASTS]; /* without a queue pair: free */
	int stuck;					   /* errno of the next detachment, or 0 */
	uint32_t next;
	uint64_t next_offset; /* for mmap of cmd_fd */
	unsigned int post_sends, arms;
	uint32_t last_posted, last_armed;
	useconds_t use_us;     /* how long a send or an arming takes, and meanwhile … */
	uint32_t used;	       /* … this is what it uses, or 0 */
	uint32_t uses;	       /* how many of them have begun */
	const uint32_t *watch; /* what to look at when a command comes, or NULL … */
	uint32_t watched;      /* … and what it was */
	int fail;	       /* errno of the next command that creates something, or 0 */
	enum mock_kind busy;   /* objects of this kind are in use: none can be destroyed */
	uint64_t reg_sum;      /* of all bytes of the last region, or 0: do not look */
	bool reg_look;
	bool no_xrc;	      /* it has no XRC */
	bool plain;	      /* it refuses the extended query of the device */
	uint32_t max_msg_sz;  /* of its ports; 0: that of rxe */
	uint64_t probe_at[3]; /* offsets in the next region, and … */
	uint8_t probe[3];     /* … the bytes that were there; while reg_look */
	uint64_t reg_start, reg_length, reg_iova;
	void (*_Atomic on_arm)(void); /* called when a CQ is armed */
	void (*on_resize)(void);      /* called once, while an SRQ is resized */
	void (*on_modify)(void);      /* called once, while a queue pair is modified */
	uint64_t srq_offset;	      /* where the queue of the newest SRQ is */
	_Atomic int reg_stays; /* 1: the next registration waits until this is 0; 2: it does */
	const char *sysfs;     /* of the next slice's HCA; NULL: none */
	struct ibv_context context;
} mock = {.lock = PTHREAD_MUTEX_INITIALIZER, .cm_fd = -1, .page_fd = -1};

static inline void mock_die(const char *what)
{
	fprintf(stderr, "mock HCA: %s\n", what);
	abort();
}

static inline void mock_need(uint32_t handle, enum mock_kind kind)
{
	if (handle >= MOCK_OBJECTS || mock.kind[handle] != kind)
		mock_die("a handle that it did not give out");
}

static inline uint32_t mock_new(enum mock_kind kind, uint64_t user_handle)
{
	do {
		mock.next = mock.next % (MOCK_OBJECTS - 1) + 1;
	} while (mock.kind[mock.next]);
	mock.kind[mock.next] = kind;
	mock.user_handle[mock.next] = user_handle;
	mock.state[mock.next] = IBV_QPS_RESET;
	return mock.next;
}

static inline unsigned int mock_attachments(uint32_t qp)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < MOCK_MCASTS; i++)
		n += mock.mcasts[i].qp_handle == qp;
	return n;
}

static inline int mock_end(const uint32_t *handle, enum mock_kind kind)
{
	mock_need(*handle, kind);
	if (mock_attachments(*handle) || kind == mock.busy || *handle == mock.used)
		return EBUSY;
	mock.kind[*handle] = MOCK_NONE;
	return 0;
}

static inline unsigned int mock_objects(void)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < MOCK_OBJECTS; i++)
		n += mock.kind[i] != MOCK_NONE;
	return n;
}

/* The first object of a kind, or 0. */
static inline uint32_t mock_handle(enum mock_kind kind)
{
	for (uint32_t i = 0; i < MOCK_OBJECTS; i++) {
		if (mock.kind[i] == kind)
			return i;
	}
	return 0;
}

static inline struct mminfo mock_queue(void)
{
	const struct rxe_queue_buf header = {.log2_elem_size = MOCK_SHIFT, .index_mask = MOCK_MASK};
	struct mminfo mi = {.offset = mock.next_offset, .size = MOCK_QUEUE};

	mock.next_offset += MOCK_QUEUE;
	if (ftruncate(mock.cmd_fd, mock.next_offset) ||
	    pwrite(mock.cmd_fd, &header, sizeof(header), mi.offset) != sizeof(header))
		mock_die("no queue");
	return mi;
}

struct mock_call {
	const void *in;
	void *out;
	const void *udata_in;
	void *udata_out;
	uint32_t in_size, out_size, udata_in_size, udata_out_size;
};

static inline int mock_reg(const struct mock_call *c)
{
	const struct ib_uverbs_reg_mr *in = c->in;
	struct ib_uverbs_reg_mr_resp out = {.lkey = 0x100, .rkey = 0x200};

	mock_need(in->pd_handle, MOCK_PD);
	if ((in->start ^ in->hca_va) & 4095)
		return EINVAL;
	mock.reg_start = in->start;
	mock.reg_length = in->length;
	mock.reg_iova = in->hca_va;
	mock.reg_sum = 0;
	for (uint64_t i = 0; mock.reg_look && i < in->length; i++)
		mock.reg_sum = mock.reg_sum * 31 + *(const uint8_t *)(uintptr_t)(in->start + i);
	for (int i = 0; mock.reg_look && i < 3; i++)
		mock.probe[i] = *(const uint8_t *)(uintptr_t)(in->start + mock.probe_at[i]);
	if (mock.reg_stays) {
		mock.reg_stays = 2;
		pthread_mutex_unlock(&mock.lock);
		while (mock.reg_stays)
			usleep(1000);
		pthread_mutex_lock(&mock.lock);
	}
	out.mr_handle = mock_new(MOCK_MR, 0);
	memcpy(c->out, &out, sizeof(out));
	return 0;
}

/* A queue that takes over what waits in the one at @offset, and is where that one was. */
static inline struct mminfo mock_resized(uint64_t *offset)
{
	struct rxe_queue_buf *old, *new;
	struct mminfo mi = mock_queue();

	old = mmap(NULL, MOCK_QUEUE, PROT_READ | PROT_WRITE, MAP_SHARED, mock.cmd_fd, *offset);
	new = mmap(NULL, MOCK_QUEUE, PROT_READ | PROT_WRITE, MAP_SHARED, mock.cmd_fd, mi.offset);
	if (old == MAP_FAILED || new == MAP_FAILED)
		mock_die("no mapping");
	for (uint32_t at = old->consumer_index; at != old->producer_index;
	     at = (at + 1) & MOCK_MASK)
		memcpy(new->data + ((size_t) new->producer_index++ << MOCK_SHIFT),
		       old->data + ((size_t)at << MOCK_SHIFT), 1u << MOCK_SHIFT);
	munmap(old, MOCK_QUEUE);
	munmap(new, MOCK_QUEUE);
	*offset = mi.offset;
	return mi;
}

/* The provider's part of a queue: rxe's is offered in a blob of @size bytes. */
static inline int mock_queue_blob(uint32_t command, const struct mock_call *c, struct mminfo *mi,
				  uint32_t size)
{
	if (mock.driver)
		return mock.driver->queue(command, c);
	if (c->udata_out_size < size)
		return EINVAL;
	*mi = mock_queue();
	return 0;
}

/* The driver does not see the blob of an XRC target. */
static inline int mock_create_target(const struct mock_call *c)
{
	const struct ib_uverbs_create_qp *in = c->in;
	struct ib_uverbs_create_qp_resp out = {.qpn = 18};

	mock_need(in->pd_handle, MOCK_XRCD);
	if (c->udata_in_size || c->udata_out_size || in->is_srq)
		mock_die("an XRC target that has more than its domain");
	out.qp_handle = mock_new(MOCK_QP, in->user_handle);
	memcpy(c->out, &out, sizeof(out));
	return 0;
}

static inline int mock_create_qp(const struct mock_call *c)
{
	const struct ib_uverbs_create_qp *in = c->in;
	struct ib_uverbs_create_qp_resp out = {.qpn = 17, .max_send_wr = in->max_send_wr};
	struct rxe_create_qp_resp blob = {0};
	int err;

	if (in->qp_type == IB_UVERBS_QPT_XRC_TGT)
		return mock_create_target(c);
	err = mock.driver ? mock.driver->queue(IB_USER_VERBS_CMD_CREATE_QP, c) : 0;
	if (err)
		return err;
	mock_need(in->pd_handle, MOCK_PD);
	mock_need(in->send_cq_handle, MOCK_CQ);
	if (in->qp_type != IB_UVERBS_QPT_XRC_INI)
		mock_need(in->recv_cq_handle, MOCK_CQ);
	if (in->is_srq)
		mock_need(in->srq_handle, MOCK_SRQ);
	out.qp_handle = mock_new(MOCK_QP, in->user_handle);
	memcpy(c->out, &out, sizeof(out));
	if (mock.driver)
		return 0;
	if (c->udata_in_size || c->udata_out_size < sizeof(blob)) {
		mock_end(&out.qp_handle, MOCK_QP);
		return EINVAL;
	}
	if (!in->is_srq)
		blob.rq_mi = mock_queue();
	blob.sq_mi = mock_queue();
	memcpy(c->udata_out, &blob, sizeof(blob));
	return 0;
}

static inline int mock_create_cq(const struct mock_call *c)
{
	const struct ib_uverbs_create_cq *in = c->in;
	struct ib_uverbs_create_cq_resp out = {.cqe = in->cqe};
	struct rxe_create_cq_resp blob = {0};
	int err = mock_queue_blob(IB_USER_VERBS_CMD_CREATE_CQ, c, &blob.mi, sizeof(blob));

	if (err)
		return err;
	out.cq_handle = mock_new(MOCK_CQ, in->user_handle);
	memcpy(c->out, &out, sizeof(out));
	if (!mock.driver)
		memcpy(c->udata_out, &blob, sizeof(blob));
	return 0;
}

static inline int mock_resize_cq(const struct mock_call *c)
{
	const struct ib_uverbs_resize_cq *in = c->in;
	struct ib_uverbs_resize_cq_resp out = {.cqe = in->cqe};
	struct rxe_resize_cq_resp blob = {0};
	int err = mock_queue_blob(IB_USER_VERBS_CMD_RESIZE_CQ, c, &blob.mi, sizeof(blob));

	mock_need(in->cq_handle, MOCK_CQ);
	if (err)
		return err;
	memcpy(c->out, &out, sizeof(out));
	if (!mock.driver)
		memcpy(c->udata_out, &blob, sizeof(blob));
	return 0;
}

static inline int mock_create_srq(const struct mock_call *c)
{
	const struct ib_uverbs_create_srq *in = c->in;
	struct ib_uverbs_create_srq_resp out = {.max_wr = in->max_wr, .max_sge = in->max_sge};
	struct rxe_create_srq_resp blob = {.srq_num = 5};
	int err = mock_queue_blob(IB_USER_VERBS_CMD_CREATE_SRQ, c, &blob.mi, sizeof(blob));

	mock_need(in->pd_handle, MOCK_PD);
	if (err)
		return err;
	mock.srq_offset = blob.mi.offset;
	out.srq_handle = mock_new(MOCK_SRQ, in->user_handle);
	memcpy(c->out, &out, sizeof(out));
	if (!mock.driver)
		memcpy(c->udata_out, &blob, sizeof(blob));
	return 0;
}

static inline int mock_create_xsrq(const struct mock_call *c)
{
	const struct ib_uverbs_create_xsrq *in = c->in;
	struct ib_uverbs_create_srq_resp out = {
		.max_wr = in->max_wr, .max_sge = in->max_sge, .srqn = MOCK_SRQN};
	int err = mock.driver->queue(IB_USER_VERBS_CMD_CREATE_XSRQ, c);

	mock_need(in->pd_handle, MOCK_PD);
	mock_need(in->xrcd_handle, MOCK_XRCD);
	mock_need(in->cq_handle, MOCK_CQ);
	if (in->srq_type != IB_UVERBS_SRQT_XRC)
		mock_die("an extended SRQ of another type than XRC");
	if (err)
		return err;
	out.srq_handle = mock_new(MOCK_SRQ, in->user_handle);
	memcpy(c->out, &out, sizeof(out));
	return 0;
}

/* A domain without a file, so that no other process can find it. */
static inline int mock_open_xrcd(const struct mock_call *c)
{
	const struct ib_uverbs_open_xrcd *in = c->in;
	struct ib_uverbs_open_xrcd_resp out;

	if (in->fd != UINT32_MAX)
		mock_die("an XRC domain of a file");
	out.xrcd_handle = mock_new(MOCK_XRCD, 0);
	memcpy(c->out, &out, sizeof(out));
	return 0;
}

static inline int mock_modify_srq(const struct mock_call *c)
{
	const struct ib_uverbs_modify_srq *in = c->in;
	struct mminfo mi;
	uint64_t address;

	mock_need(in->srq_handle, MOCK_SRQ);
	if (c->udata_in_size < sizeof(address))
		return EINVAL;
	memcpy(&address, c->udata_in, sizeof(address));
	if (in->attr_mask & IBV_SRQ_MAX_WR) {
		if (mock.on_resize)
			mock.on_resize();
		mock.on_resize = NULL;
		mi = mock_resized(&mock.srq_offset);
		memcpy((void *)(uintptr_t)address, &mi, sizeof(mi));
	}
	return 0;
}

/* The attachment that is @wanted, or NULL; @wanted without a queue pair: a free place. */
static inline struct ib_uverbs_attach_mcast *
mock_find_mcast(const struct ib_uverbs_attach_mcast *wanted)
{
	for (unsigned int i = 0; i < MOCK_MCASTS; i++) {
		const struct ib_uverbs_attach_mcast *m = &mock.mcasts[i];

		if (m->qp_handle == wanted->qp_handle && m->mlid == wanted->mlid &&
		    !memcmp(m->gid, wanted->gid, sizeof(m->gid)))
			return &mock.mcasts[i];
	}
	return NULL;
}

/* As uverbs does: an attachment that is there already is kept, and not counted. */
static inline int mock_attach(const struct mock_call *c)
{
	const struct ib_uverbs_attach_mcast *in = c->in;
	const struct ib_uverbs_attach_mcast none = {0};
	struct ib_uverbs_attach_mcast *free_place = mock_find_mcast(&none);

	mock_need(in->qp_handle, MOCK_QP);
	if (mock_find_mcast(in))
		return 0;
	if (!free_place)
		return ENOMEM;
	*free_place = *in;
	return 0;
}

static inline int mock_detach(const struct mock_call *c)
{
	struct ib_uverbs_attach_mcast *attached = mock_find_mcast(c->in);
	int err = attached ? mock.stuck : EINVAL;

	mock.stuck = 0;
	if (!err)
		*attached = (struct ib_uverbs_attach_mcast){0};
	return err;
}

static inline int mock_channel(const struct mock_call *c)
{
	struct ib_uverbs_create_comp_channel_resp out;

	if (mock.n_channels == MOCK_CHANNELS || pipe2(mock.channels[mock.n_channels], O_CLOEXEC))
		return ENFILE;
	out.fd = mock.channels[mock.n_channels++][0];
	memcpy(c->out, &out, sizeof(out));
	return 0;
}

static inline int mock_query_device(const struct mock_call *c)
{
	const struct ib_uverbs_query_device_resp out = {
		.max_mr_size = -1ull,
		.max_qp = 1 << 20,
		.max_qp_wr = 1 << 20,
		.max_sge = 32,
		.max_cq = 1 << 20,
		.max_cqe = 32767,
		.max_mr = 1 << 19,
		.max_pd = 1 << 20,
		.max_mw = 1 << 19,
		.device_cap_flags = IB_UVERBS_DEVICE_MEM_WINDOW | IB_UVERBS_DEVICE_SRQ_RESIZE |
				    (mock.no_xrc ? 0 : IB_UVERBS_DEVICE_XRC),
		.max_ah = 32767,
		.max_srq = 1 << 19,
		.max_srq_wr = 1 << 20,
		.max_srq_sge = 27,
		.max_qp_rd_atom = 128,
		.max_qp_init_rd_atom = 64,
		.max_mcast_grp = 8192,
		.max_mcast_qp_attach = 56,
		.max_total_mcast_qp_attach = 0x70000,
		.phys_port_cnt = 1,
	};

	memcpy(c->out, &out, sizeof(out));
	return 0;
}

static inline int mock_query_device_ex(const struct mock_call *c)
{
	const struct ib_uverbs_ex_query_device_resp out = {
		/* flush and atomic write, and one that no slice can have: raw scatter FCS */
		.device_cap_flags_ex = IB_UVERBS_DEVICE_SRQ_RESIZE | 7ull << 38 | 1ull << 34,
		.timestamp_mask = mock.driver ? (1ull << 48) - 1 : 0,
		.hca_core_clock = mock.driver ? 156250 : 0,
	};

	if (mock.plain)
		return EOPNOTSUPP;
	memcpy(c->out, &out, sizeof(out));
	return 0;
}

/* As uverbs does while it executes a command: hold the object, but not up the other commands. */
static inline void mock_use(uint32_t handle)
{
	if (!mock.use_us)
		return;
	__atomic_store_n(&mock.used, handle, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&mock.uses, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&mock.lock);
	usleep(mock.use_us);
	pthread_mutex_lock(&mock.lock);
	__atomic_store_n(&mock.used, 0, __ATOMIC_SEQ_CST);
}

/* As rxe does: whoever sends a mask without a state, or a false current state, is believed. */
static inline int mock_modify_qp(const struct mock_call *c)
{
	const struct ib_uverbs_modify_qp *in = c->in;

	mock_need(in->qp_handle, MOCK_QP);
	mock.modified = *in;
	mock.modifies++;
	if (in->attr_mask & IBV_QP_STATE)
		mock.state[in->qp_handle] = in->qp_state;
	if (mock.on_modify)
		mock.on_modify();
	mock.on_modify = NULL;
	return 0;
}

static inline int mock_query_qp(const struct mock_call *c)
{
	const struct ib_uverbs_query_qp *in = c->in;
	struct ib_uverbs_query_qp_resp out;

	mock_need(in->qp_handle, MOCK_QP);
	memset(&out, 1, sizeof(out));
	out.qp_state = mock.state[in->qp_handle];
	memcpy(c->out, &out, sizeof(out));
	return 0;
}

/* Commands that make nothing: 0 or an errno; -1 when it is another one. */
static inline int mock_other(uint32_t command, const struct mock_call *c)
{
	switch (command) {
	case IB_USER_VERBS_CMD_QUERY_DEVICE:
		return mock_query_device(c);
	case IB_USER_VERBS_CMD_FLAG_EXTENDED | IB_USER_VERBS_EX_CMD_QUERY_DEVICE:
		return mock_query_device_ex(c);
	case IB_USER_VERBS_CMD_CREATE_COMP_CHANNEL:
		return mock_channel(c);
	case IB_USER_VERBS_CMD_DEALLOC_PD:
		return mock_end(c->in, MOCK_PD);
	case IB_USER_VERBS_CMD_DEREG_MR:
		return mock_end(c->in, MOCK_MR);
	case IB_USER_VERBS_CMD_DEALLOC_MW:
		return mock_end(c->in, MOCK_MW);
	case IB_USER_VERBS_CMD_CLOSE_XRCD:
		return mock_end(c->in, MOCK_XRCD);
	case IB_USER_VERBS_CMD_DESTROY_AH:
		return mock_end(c->in, MOCK_AH);
	case IB_USER_VERBS_CMD_DESTROY_CQ:
		return mock_end(&((const struct ib_uverbs_destroy_cq *)c->in)->cq_handle, MOCK_CQ);
	case IB_USER_VERBS_CMD_DESTROY_SRQ:
		return mock_end(&((const struct ib_uverbs_destroy_srq *)c->in)->srq_handle,
				MOCK_SRQ);
	case IB_USER_VERBS_CMD_DESTROY_QP:
		return mock_end(&((const struct ib_uverbs_destroy_qp *)c->in)->qp_handle, MOCK_QP);
	case IB_USER_VERBS_CMD_DETACH_MCAST:
		return mock_detach(c);
	case IB_USER_VERBS_CMD_MODIFY_QP:
		return mock_modify_qp(c);
	case IB_USER_VERBS_CMD_QUERY_QP:
		return mock_query_qp(c);
	case IB_USER_VERBS_CMD_QUERY_SRQ:
		mock_need(((const struct ib_uverbs_query_srq *)c->in)->srq_handle, MOCK_SRQ);
		memset(c->out, 1, sizeof(struct ib_uverbs_query_srq_resp));
		return 0;
	case IB_USER_VERBS_CMD_POST_SEND:
		mock.last_posted = ((const struct ib_uverbs_post_send *)c->in)->qp_handle;
		mock_use(mock.last_posted);
		__atomic_fetch_add(&mock.post_sends, 1, __ATOMIC_SEQ_CST);
		return mock.kind[mock.last_posted] == MOCK_QP ? 0 : EINVAL;
	case IB_USER_VERBS_CMD_REQ_NOTIFY_CQ:
		mock.last_armed = ((const struct ib_uverbs_req_notify_cq *)c->in)->cq_handle;
		mock_use(mock.last_armed);
		__atomic_fetch_add(&mock.arms, 1, __ATOMIC_SEQ_CST);
		if (mock.on_arm)
			mock.on_arm();
		return 0;
	}
	return -1;
}

static inline int mock_create(uint32_t command, const struct mock_call *c)
{
	uint32_t out[2] = {0, 0x300};
	int err = mock.fail;

	mock.fail = 0;
	if (err)
		return err;
	switch (command) {
	case IB_USER_VERBS_CMD_ALLOC_PD:
		out[0] = mock_new(MOCK_PD, 0);
		memcpy(c->out, out, 4);
		return 0;
	case IB_USER_VERBS_CMD_ALLOC_MW:
		mock_need(((const struct ib_uverbs_alloc_mw *)c->in)->pd_handle, MOCK_PD);
		out[0] = mock_new(MOCK_MW, 0);
		memcpy(c->out, out, 8);
		return 0;
	case IB_USER_VERBS_CMD_CREATE_AH:
		mock_need(((const struct ib_uverbs_create_ah *)c->in)->pd_handle, MOCK_PD);
		mock.sgid_index = ((const struct ib_uverbs_create_ah *)c->in)->attr.grh.sgid_index;
		out[0] = mock_new(MOCK_AH, 0);
		memcpy(c->out, out, 4);
		return 0;
	case IB_USER_VERBS_CMD_REREG_MR:
		mock_need(((const struct ib_uverbs_rereg_mr *)c->in)->mr_handle, MOCK_MR);
		memset(c->out, 2, 8);
		return 0;
	case IB_USER_VERBS_CMD_REG_MR:
		return mock_reg(c);
	case IB_USER_VERBS_CMD_CREATE_CQ:
		return mock_create_cq(c);
	case IB_USER_VERBS_CMD_RESIZE_CQ:
		return mock_resize_cq(c);
	case IB_USER_VERBS_CMD_CREATE_SRQ:
		return mock_create_srq(c);
	case IB_USER_VERBS_CMD_CREATE_XSRQ:
		return mock_create_xsrq(c);
	case IB_USER_VERBS_CMD_OPEN_XRCD:
		return mock_open_xrcd(c);
	case IB_USER_VERBS_CMD_MODIFY_SRQ:
		return mock_modify_srq(c);
	case IB_USER_VERBS_CMD_CREATE_QP:
		return mock_create_qp(c);
	case IB_USER_VERBS_CMD_ATTACH_MCAST:
		return mock_attach(c);
	}
	mock_die("a command that it does not know");
	return 0;
}

static inline int mock_invoke(struct ib_uverbs_ioctl_hdr *header)
{
	uint32_t id = mock.driver ? mock.driver->dialect->driver_id : RDMA_DRIVER_RXE;
	struct mock_call c = {0};
	uint32_t command = 0;
	int err;

	if (header->driver_id != id ||
	    header->length != sizeof(*header) + header->num_attrs * sizeof(header->attrs[0]))
		mock_die("a message that the kernel would refuse");
	if (mock.driver && (header->object_id != UVERBS_OBJECT_DEVICE ||
			    header->method_id != UVERBS_METHOD_INVOKE_WRITE))
		return mock.driver->ioctl(header);
	for (unsigned int i = 0; i < header->num_attrs; i++) {
		const struct ib_uverbs_attr *a = &header->attrs[i];
		const void *in = a->len <= 8 ? (const void *)&a->data : (void *)(uintptr_t)a->data;

		if (a->attr_id == UVERBS_ATTR_WRITE_CMD)
			command = a->data;
		else if (a->attr_id == UVERBS_ATTR_CORE_IN)
			c.in = in, c.in_size = a->len;
		else if (a->attr_id == UVERBS_ATTR_UHW_IN)
			c.udata_in = in, c.udata_in_size = a->len;
		else if (a->attr_id == UVERBS_ATTR_CORE_OUT)
			c.out = (void *)(uintptr_t)a->data, c.out_size = a->len;
		else if (a->attr_id == UVERBS_ATTR_UHW_OUT)
			c.udata_out = (void *)(uintptr_t)a->data, c.udata_out_size = a->len;
	}
	pthread_mutex_lock(&mock.lock);
	if (mock.watch)
		mock.watched = __atomic_load_n(mock.watch, __ATOMIC_ACQUIRE);
	err = mock_other(command, &c);
	if (err < 0)
		err = mock_create(command, &c);
	pthread_mutex_unlock(&mock.lock);
	return err;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int err;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == UDMABUF_CREATE_LIST) {
		fd = mock.driver->gather(arg);
		if (fd < 0)
			errno = -fd;
		return fd < 0 ? -1 : fd;
	}
	if ((fd != mock.cmd_fd && fd != mock.page_fd) || request != RDMA_VERBS_IOCTL)
		return syscall(SYS_ioctl, fd, request, arg);
	mock.fd = fd;
	err = mock_invoke(arg);
	if (err)
		errno = err;
	return err ? -1 : 0;
}

#undef ibv_query_port
int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *attr)
{
	struct ibv_port_attr *a = (void *)attr;

	(void)context;
	*a = (struct ibv_port_attr){.state = IBV_PORT_ACTIVE,
				    .max_mtu = IBV_MTU_4096,
				    .active_mtu = IBV_MTU_2048,
				    .link_layer = IBV_LINK_LAYER_ETHERNET};
	a->max_msg_sz = mock.max_msg_sz ? mock.max_msg_sz : 1u << 31;
	a->gid_tbl_len = 1024;
	a->pkey_tbl_len = 8;
	(void)port;
	return 0;
}

ssize_t _ibv_query_gid_table(struct ibv_context *context, struct ibv_gid_entry *entries,
			     size_t max_entries, uint32_t flags, size_t entry_size)
{
	/* Two RoCE versions of a link-local address and of two others. */
	static const struct {
		uint32_t index;
		uint8_t first, last;
	} gids[] = {{0, 0xfe, 1}, {1, 0xfe, 1}, {3, 0, 9}, {5, 0, 10}, {6, 0, 9}};

	(void)context, (void)max_entries, (void)flags, (void)entry_size;
	for (size_t i = 0; i < sizeof(gids) / sizeof(gids[0]); i++) {
		entries[i] = (struct ibv_gid_entry){
			.gid_index = gids[i].index, .port_num = 1, .gid_type = 2};
		entries[i].gid.raw[0] = gids[i].first;
		entries[i].gid.raw[1] = gids[i].first ? 0x80 : 0;
		entries[i].gid.raw[15] = gids[i].last;
	}
	return sizeof(gids) / sizeof(gids[0]);
}

int ibv_query_pkey(struct ibv_context *context, uint8_t port_num, int index, __be16 *pkey)
{
	(void)context, (void)port_num;
	*pkey = htobe16(0x8000 + index);
	return 0;
}

int ibv_close_device(struct ibv_context *context)
{
	(void)context;
	close(mock.cmd_fd);
	close(mock.async[0]);
	close(mock.async[1]);
	for (int i = 0; i < mock.n_channels; i++)
		close(mock.channels[i][1]);
	return 0;
}

/* A slice on a new mock HCA. */
static inline struct bypass_virtio_device *mock_open_for(const char *text, bool fixed_windows)
{
	const struct rdma_dialect *dialect = mock.driver ? mock.driver->dialect : &rdma_dialect_rxe;
	struct bypass_rdma_options options;
	struct rdma_slice *slice;
	struct rdma_hca hca = {
		.context = &mock.context,
		.driver_id = dialect->driver_id,
		.vectors = 2,
		.ports = 1,
		.abi = 2,
		.name = "mock0",
		.cm_fd = mock.cm_fd,
	};

	snprintf(hca.sysfs, sizeof(hca.sysfs), "%s", mock.sysfs ? mock.sysfs : "");
	mock.n_channels = 0;
	mock.next_offset = MOCK_QUEUE;
	mock.post_sends = mock.arms = mock.use_us = 0;
	mock.cmd_fd = memfd_create("mock", MFD_CLOEXEC);
	if (mock.cmd_fd < 0 || pipe2(mock.async, O_CLOEXEC | O_NONBLOCK))
		mock_die("no descriptors");
	hca.cmd_fd = mock.cmd_fd;
	hca.async_fd = mock.async[0];
	if (bypass_rdma_parse(text, &options))
		return NULL;
	options.fixed_windows = fixed_windows;
	if (!rdma_slice_new(&options, &hca, dialect, &slice))
		return &slice->dev;
	rdma_hca_close(&hca);
	return NULL;
}

static inline struct bypass_virtio_device *mock_open(const char *text)
{
	return mock_open_for(text, false);
}

#endif
