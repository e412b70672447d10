// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory and addresses, beyond plain send, write and read: each verb seen to do what it says.
 *
 *	rdma-verbs DEVICE SUBJECT...	windows-2 windows-1 datagrams multicast regions
 *	rdma-verbs DEVICE path-mtu	for guests alone: it crashes a host's own rxe
 *	rdma-verbs join ADDRESS		be a member of the group that multicast uses, so that the
 *					host's network loops back what is sent to it
 */
#include <netinet/in.h>

#include <rdma/ib_user_verbs.h>

#include "rdma-steps.h"

#define GRH   ((uint32_t)sizeof(struct ibv_grh))
#define GROUP "239.7.7.7"

/* --- memory windows */

static void bind_window(const char *step, struct end *e, struct ibv_mw *mw, int access)
{
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_BIND_MW,
		.bind_mw =
			{
				.mw = mw,
				.rkey = ibv_inc_rkey(mw->rkey),
				.bind_info =
					{
						.mr = e->mr,
						.addr = (uintptr_t)e->memory + SIZE / 4,
						.length = SIZE / 2,
						.mw_access_flags = access,
					},
			},
	};
	struct ibv_wc wc = run(e, wr, 0);

	report(step, ibv_wc_status_str(wc.status));
	if (!wc.status)
		mw->rkey = wr.bind_mw.rkey;
}

static void window_type_2(struct end *a, struct end *b)
{
	struct ibv_mw *mw = ibv_alloc_mw(device.pd, IBV_MW_TYPE_2);
	struct ibv_send_wr wr = {.opcode = IBV_WR_LOCAL_INV};
	struct ibv_wc wc;

	report_code("allocate", mw ? 0 : errno);
	if (!mw)
		return;
	try_write("write before it is bound", a, b, SIZE / 2, mw->rkey);
	bind_window("bind for writing", b, mw, IBV_ACCESS_REMOTE_WRITE);
	try_write("write within", a, b, SIZE / 2, mw->rkey);
	try_write("write outside", a, b, 0, mw->rkey);
	try_access("read what is bound for writing", IBV_WR_RDMA_READ, a, b, SIZE / 2, mw->rkey);
	report_code("deregister the region under it", ibv_dereg_mr(b->mr));
	wr.invalidate_rkey = mw->rkey;
	report("invalidate", ibv_wc_status_str(run(b, wr, 0).status));
	try_write("write after that", a, b, SIZE / 2, mw->rkey);
	bind_window("bind for all", b, mw, IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
	try_access("read", IBV_WR_RDMA_READ, a, b, SIZE / 2, mw->rkey);

	receive(b, NULL);
	wr.opcode = IBV_WR_SEND_WITH_INV;
	wr.invalidate_rkey = mw->rkey;
	report("send with invalidate", ibv_wc_status_str(run(a, wr, MESSAGE).status));
	wc = arrived(b, COMES_S);
	report("what the receiver learns",
	       wc.wc_flags & IBV_WC_WITH_INV && wc.invalidated_rkey == mw->rkey ? "the window's key"
										: "nothing");
	try_write("write after that", a, b, SIZE / 2, mw->rkey);
	bind_window("bind once more", b, mw, IBV_ACCESS_REMOTE_WRITE);
	report_code("deallocate while bound", ibv_dealloc_mw(mw));
}

static void window_type_1(struct end *a, struct end *b)
{
	struct ibv_mw *mw = ibv_alloc_mw(device.pd, IBV_MW_TYPE_1);
	struct ibv_mw_bind how = {
		.send_flags = IBV_SEND_SIGNALED,
		.bind_info =
			{
				.mr = b->mr,
				.addr = (uintptr_t)b->memory,
				.length = SIZE / 2,
				.mw_access_flags = IBV_ACCESS_REMOTE_WRITE,
			},
	};

	report_code("allocate", mw ? 0 : errno);
	if (!mw)
		return;
	must(ibv_bind_mw(b->qp, mw, &how), "ibv_bind_mw");
	report("bind", ibv_wc_status_str(poll_one(b->cq).status));
	try_write("write within", a, b, 0, mw->rkey);
	try_write("write outside", a, b, SIZE / 2, mw->rkey);
	how.bind_info.length = 0;
	must(ibv_bind_mw(b->qp, mw, &how), "ibv_bind_mw");
	report("unbind", ibv_wc_status_str(poll_one(b->cq).status));
	try_write("write after that", a, b, 0, mw->rkey);
	report_code("deallocate", ibv_dealloc_mw(mw));
}

static void type_2(void)
{
	struct end a, b;

	make_ends(&a, &b, IBV_QPT_RC);
	window_type_2(&a, &b);
	drop_end(&a);
	drop_end(&b);
}

static void type_1(void)
{
	struct end a, b;

	make_ends(&a, &b, IBV_QPT_RC);
	window_type_1(&a, &b);
	drop_end(&a);
	drop_end(&b);
}

/* --- datagrams */

static struct ibv_ah *make_ah(const union ibv_gid *gid)
{
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.grh = {.dgid = *gid, .sgid_index = device.gid_index, .hop_limit = 64},
		.port_num = 1,
	};
	struct ibv_ah *ah = ibv_create_ah(device.pd, &attr);

	if (!ah)
		fail("ibv_create_ah");
	return ah;
}

static void datagram(struct end *from, struct ibv_ah *ah, uint32_t qpn, uint32_t qkey)
{
	const struct ibv_send_wr wr = {
		.opcode = IBV_WR_SEND_WITH_IMM,
		.imm_data = htonl(qkey),
		.wr.ud = {.ah = ah, .remote_qpn = qpn, .remote_qkey = qkey},
	};

	fill(from->memory);
	expect(run(from, wr, MESSAGE), IBV_WC_SUCCESS, "datagram");
}

/* To whom the first datagram says that it is from, if it can be told. */
static void answer(struct end *a, struct end *b, struct ibv_wc wc)
{
	struct ibv_ah *ah = ibv_create_ah_from_wc(device.pd, &wc, (void *)b->memory, 1);

	report_code("address handle from a completion", ah ? 0 : errno);
	if (!ah)
		ah = make_ah(&device.gid);
	receive(a, NULL);
	datagram(b, ah, wc.src_qp, QKEY);
	report_arrival("answer", b, a, GRH);
	report_code("destroy its address handle", ibv_destroy_ah(ah));
}

static void datagrams(void)
{
	struct ibv_ah *ah = make_ah(&device.gid);
	struct end a, b;
	struct ibv_wc wc;

	make_ends(&a, &b, IBV_QPT_UD);
	receive(&b, NULL);
	datagram(&a, ah, b.qp->qp_num, QKEY);
	wc = arrived(&b, COMES_S);
	report("first", wc.status				    ? "does not arrive"
			: memcmp(b.memory + GRH, a.memory, MESSAGE) ? "arrives corrupted"
								    : "arrives");
	report("its sender", wc.src_qp == a.qp->qp_num ? "is told" : "is not told");
	report("its immediate data",
	       wc.wc_flags & IBV_WC_WITH_IMM && ntohl(wc.imm_data) == QKEY ? "is there" : "is not");
	report("its header", wc.wc_flags & IBV_WC_GRH ? "is there" : "is not");
	answer(&a, &b, wc);
	receive(&b, NULL);
	datagram(&a, ah, b.qp->qp_num, QKEY + 1);
	report_arrival_within(SOON_S, "with another Q_Key", &a, &b, GRH);
	datagram(&a, ah, b.qp->qp_num, QKEY);
	report_arrival("with the right one again", &a, &b, GRH);
	report_code("destroy the address handle", ibv_destroy_ah(ah));
	drop_end(&a);
	drop_end(&b);
}

/* --- multicast */

static void multicast(void)
{
	union ibv_gid gid = {.raw = {[10] = 0xff, [11] = 0xff}};
	struct end a, b, c;
	struct ibv_ah *ah;

	inet_pton(AF_INET, GROUP, gid.raw + 12);
	ah = make_ah(&gid);
	make_ends(&a, &b, IBV_QPT_UD);
	make_end(&c, IBV_QPT_UD, 64, NULL);
	connect_qp(&device, c.qp, &(struct address){0});
	for (int i = 0; i < 2; i++) {
		receive(&b, NULL);
		receive(&c, NULL);
	}
	report_code("attach to what is no group", ibv_attach_mcast(b.qp, &device.gid, 0));
	datagram(&a, ah, 0xffffff, QKEY);
	report_arrival_within(SOON_S, "not attached", &a, &b, GRH);
	report_code("attach one", ibv_attach_mcast(b.qp, &gid, 0));
	report_code("attach the other", ibv_attach_mcast(c.qp, &gid, 0));
	datagram(&a, ah, 0xffffff, QKEY);
	report_arrival("at the one", &a, &b, GRH);
	report_arrival("at the other", &a, &c, GRH);
	report_code("detach the other", ibv_detach_mcast(c.qp, &gid, 0));
	datagram(&a, ah, 0xffffff, QKEY);
	report_arrival("at the one", &a, &b, GRH);
	report_arrival_within(SOON_S, "at the other", &a, &c, GRH);
	report_code("detach the other again", ibv_detach_mcast(c.qp, &gid, 0));
	report_code("destroy while attached", ibv_destroy_qp(b.qp));
	report_code("detach the one", ibv_detach_mcast(b.qp, &gid, 0));
	ibv_destroy_ah(ah);
	drop_end(&a);
	drop_end(&b);
	drop_end(&c);
}

/* --- regions that change */

/* As ibv_rereg_mr() for a provider that has none. */
static int rereg(struct ibv_mr *mr, uint32_t flags, const struct ibv_pd *pd, uint64_t at,
		 uint32_t access)
{
	struct ib_uverbs_rereg_mr_resp response = {0};
	struct {
		struct ib_uverbs_cmd_hdr header;
		struct ib_uverbs_rereg_mr body;
	} command = {
		.header =
			{
				.command = IB_USER_VERBS_CMD_REREG_MR,
				.in_words = sizeof(command) / 4,
				.out_words = sizeof(response) / 4,
			},
		.body =
			{
				.response = (uintptr_t)&response,
				.mr_handle = mr->handle,
				.flags = flags,
				.start = at,
				.length = at ? SIZE : 0,
				.hca_va = at,
				.pd_handle = pd ? pd->handle : 0,
				.access_flags = access,
			},
	};

	if (write(mr->context->cmd_fd, &command, sizeof(command)) != sizeof(command))
		return errno;
	mr->lkey = response.lkey;
	mr->rkey = response.rkey;
	return 0;
}

static void regions(void)
{
	struct ibv_pd *other = ibv_alloc_pd(device.context);
	struct end a, b;

	make_ends(&a, &b, IBV_QPT_RC);
	try_write("write", &a, &b, 0, b.mr->rkey);
	report_code("access without remote write",
		    rereg(b.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, 0,
			  IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ));
	try_write("write", &a, &b, 0, b.mr->rkey);
	try_access("read", IBV_WR_RDMA_READ, &a, &b, 0, b.mr->rkey);
	report_code("access with remote write but no local write",
		    rereg(b.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, 0, IBV_ACCESS_REMOTE_WRITE));
	report_code("access with both", rereg(b.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, 0, RW));
	try_write("write", &a, &b, 0, b.mr->rkey);
	report_code("another protection domain", rereg(b.mr, IBV_REREG_MR_CHANGE_PD, other, 0, 0));
	try_write("write", &a, &b, 0, b.mr->rkey);
	report_code("deallocate that", ibv_dealloc_pd(other));
	report_code(
		"the old one, and access",
		rereg(b.mr, IBV_REREG_MR_CHANGE_PD | IBV_REREG_MR_CHANGE_ACCESS, device.pd, 0, RW));
	try_write("write", &a, &b, 0, b.mr->rkey);
	report_code("deallocate it again", ibv_dealloc_pd(other));
	report_code("translation to other memory",
		    rereg(b.mr, IBV_REREG_MR_CHANGE_TRANSLATION, NULL, (uintptr_t)a.memory, 0));
	try_write("write where it was", &a, &b, 0, b.mr->rkey);
	drop_end(&a);
	drop_end(&b);
}

/* --- attributes that a driver takes and cannot use */

#define LONG 65520

/* Both queue pairs to RTR with a path MTU; a write of LONG bytes if that is accepted. */
static void try_mtu(unsigned int mtu)
{
	char *memory = aligned_alloc(SIZE, 2 * (LONG + SIZE) / SIZE * SIZE), step[64];
	struct ibv_mr *mr = memory ? must_reg(&device, memory, 2 * LONG) : NULL;
	struct end a, b;
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = mtu,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = {.is_global = 1,
			    .grh = {.dgid = device.gid,
				    .sgid_index = device.gid_index,
				    .hop_limit = 64},
			    .port_num = 1},
	};
	const int mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			 IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
	int err;

	make_end(&a, IBV_QPT_RC, 64, NULL);
	make_end(&b, IBV_QPT_RC, 64, NULL);
	must(to_init(a.qp), "to INIT");
	must(to_init(b.qp), "to INIT");
	attr.dest_qp_num = b.qp->qp_num;
	err = ibv_modify_qp(a.qp, &attr, mask);
	attr.dest_qp_num = a.qp->qp_num;
	if (!err)
		err = ibv_modify_qp(b.qp, &attr, mask);
	snprintf(step, sizeof(step), "path MTU %u", mtu);
	report_code(step, err);
	if (!err) {
		must(to_rts(a.qp), "to RTS");
		must(to_rts(b.qp), "to RTS");
		report("a long write",
		       ibv_wc_status_str(do_rdma(a.qp, IBV_WR_RDMA_WRITE, (uintptr_t)memory,
						 mr->lkey, (uintptr_t)memory + LONG, mr->rkey, LONG)
						 .status));
	}
	drop_end(&a);
	drop_end(&b);
	ibv_dereg_mr(mr);
	free(memory);
}

static void path_mtu(void)
{
	static const unsigned int mtus[] = {0, 1, 3, 5, 6, 0xff};

	for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++)
		try_mtu(mtus[i]);
}

static int join(const char *address)
{
	struct ip_mreqn group = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, GROUP, &group.imr_multiaddr);
	inet_pton(AF_INET, address, &group.imr_address);
	if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)))
		fail("cannot join " GROUP " at %s", address);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	static const struct subject subjects[] = {
		{"windows-2", type_2},
		{"windows-1", type_1},
		{"datagrams", datagrams},
		{"multicast", multicast},
		{"regions", regions},
		{"path-mtu", path_mtu},
		{NULL, NULL},
	};

	if (argc == 3 && !strcmp(argv[1], "join"))
		return join(argv[2]);
	return run_subjects(argc, argv, subjects);
}
