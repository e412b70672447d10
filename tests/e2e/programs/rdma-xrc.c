// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An XRC domain that two processes share by a file, and a target queue pair that outlives the process which made it.
 * The first process makes both and ends. The second has opened the queue pair before. It connects the queue pair, and
 * receives through it into a shared receive queue of its own. It leaves as the first does: libmlx5 ends a process that
 * destroys a queue pair which it has opened, as it looks for a doorbell record that such a queue pair has not.
 *
 *	rdma-xrc DEVICE FILE	FILE is made, and taken away
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdma-verbs.h"

#define SIZE 256

static const char *file;

static struct ibv_xrcd *open_domain(const struct device *device)
{
	struct ibv_xrcd_init_attr init = {
		.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS,
		.fd = open(file, O_RDWR | O_CREAT, 0600),
		.oflags = O_CREAT,
	};
	struct ibv_xrcd *xrcd;

	if (init.fd < 0)
		fail("open %s", file);
	xrcd = ibv_open_xrcd(device->context, &init);
	if (!xrcd)
		fail("ibv_open_xrcd");
	close(init.fd);
	return xrcd;
}

/* Make a target, write its number to @to, and end when a byte comes from @from. */
static void first(const char *name, int to, int from)
{
	struct device device = open_device(name);
	struct ibv_qp_init_attr_ex init = {
		.qp_type = IBV_QPT_XRC_RECV,
		.comp_mask = IBV_QP_INIT_ATTR_XRCD,
		.xrcd = open_domain(&device),
	};
	struct ibv_qp *target = ibv_create_qp_ex(device.context, &init);
	char byte;

	if (!target)
		fail("ibv_create_qp_ex of a target");
	errno = to_init(target);
	if (errno)
		fail("target to INIT");
	if (write(to, &target->qp_num, sizeof(target->qp_num)) != sizeof(target->qp_num) ||
	    read(from, &byte, 1) != 1)
		fail("no second process");
	exit(0); /* the kernel closes all that is open */
}

static struct ibv_qp *open_target(const struct device *device, struct ibv_xrcd *xrcd, uint32_t qpn)
{
	struct ibv_qp_open_attr open = {
		.comp_mask = IBV_QP_OPEN_ATTR_NUM | IBV_QP_OPEN_ATTR_XRCD | IBV_QP_OPEN_ATTR_TYPE,
		.qp_num = qpn,
		.xrcd = xrcd,
		.qp_type = IBV_QPT_XRC_RECV,
	};

	return ibv_open_qp(device->context, &open);
}

static struct ibv_srq *make_srq(const struct device *device, struct ibv_xrcd *xrcd,
				struct ibv_cq *cq)
{
	struct ibv_srq_init_attr_ex init = {
		.attr = {.max_wr = 4, .max_sge = 1},
		.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD |
			     IBV_SRQ_INIT_ATTR_XRCD | IBV_SRQ_INIT_ATTR_CQ,
		.srq_type = IBV_SRQT_XRC,
		.pd = device->pd,
		.xrcd = xrcd,
		.cq = cq,
	};
	struct ibv_srq *srq = ibv_create_srq_ex(device->context, &init);

	if (!srq)
		fail("ibv_create_srq_ex");
	return srq;
}

static struct ibv_qp *make_initiator(const struct device *device, struct ibv_cq *cq)
{
	struct ibv_qp_init_attr_ex init = {
		.send_cq = cq,
		.cap = {.max_send_wr = 4, .max_send_sge = 1},
		.qp_type = IBV_QPT_XRC_SEND,
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.pd = device->pd,
	};
	struct ibv_qp *qp = ibv_create_qp_ex(device->context, &init);

	if (!qp)
		fail("ibv_create_qp_ex of an initiator");
	return qp;
}

static void join(const struct device *device, struct ibv_qp *initiator, struct ibv_qp *target)
{
	struct address of_initiator = address_of(device, initiator);
	struct address of_target = address_of(device, target);

	errno = to_rtr(device, target, &of_initiator);
	if (errno)
		fail("target to RTR");
	connect_qp(device, initiator, &of_target);
}

/* A message from the initiator to the shared receive queue, by way of the target. */
static void send_message(const struct device *device, struct ibv_qp *initiator, struct ibv_srq *srq)
{
	static char memory[2][SIZE];
	struct ibv_mr *mr = must_reg(device, memory, sizeof(memory));
	struct ibv_sge out = {(uintptr_t)memory[0], SIZE, mr->lkey};
	struct ibv_sge in = {(uintptr_t)memory[1], SIZE, mr->lkey};
	struct ibv_recv_wr *bad_recv, recv = {.sg_list = &in, .num_sge = 1};
	struct ibv_send_wr *bad, send = {
					 .sg_list = &out,
					 .num_sge = 1,
					 .opcode = IBV_WR_SEND,
					 .send_flags = IBV_SEND_SIGNALED,
				 };

	for (unsigned int i = 0; i < SIZE; i++)
		memory[0][i] = i * 7 + 1;
	errno = ibv_get_srq_num(srq, &send.qp_type.xrc.remote_srqn);
	if (!errno)
		errno = ibv_post_srq_recv(srq, &recv, &bad_recv);
	if (!errno)
		errno = ibv_post_send(initiator, &send, &bad);
	if (errno)
		fail("a message");
	for (int i = 0; i < 2; i++)
		expect(poll_one(initiator->send_cq), IBV_WC_SUCCESS, "a message");
	if (memcmp(memory[0], memory[1], SIZE))
		fail("the message has other bytes");
	ibv_dereg_mr(mr);
}

static void second(const char *name, int from, int to, pid_t other)
{
	struct device device = open_device(name);
	struct ibv_xrcd *xrcd = open_domain(&device);
	struct ibv_cq *cq = ibv_create_cq(device.context, 8, NULL, NULL, 0);
	struct ibv_srq *srq = cq ? make_srq(&device, xrcd, cq) : NULL;
	struct ibv_qp *target, *initiator;
	int status;
	uint32_t qpn;

	if (!srq || read(from, &qpn, sizeof(qpn)) != sizeof(qpn))
		fail("no first process");
	target = open_target(&device, xrcd, qpn);
	if (!target || target->qp_num != qpn)
		fail("ibv_open_qp");
	if (write(to, "", 1) != 1 || waitpid(other, &status, 0) != other || status)
		fail("the first process does not end well");
	initiator = make_initiator(&device, cq);
	join(&device, initiator, target);
	send_message(&device, initiator, srq);
}

int main(int argc, char **argv)
{
	int down[2], up[2];
	pid_t pid;

	if (argc != 3) {
		fprintf(stderr, "usage: rdma-xrc DEVICE FILE\n");
		return 2;
	}
	file = argv[2];
	if (pipe(down) || pipe(up))
		fail("pipe");
	pid = fork(); /* before a device is open */
	if (!pid)
		first(argv[1], up[1], down[0]);
	close(up[1]);
	close(down[0]);
	second(argv[1], up[0], down[1], pid);
	unlink(file);
	printf("xrc: a target outlived the process that made it\n");
	return 0;
}
