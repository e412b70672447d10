// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory regions over a process's own memory, and memory windows.
 */
#include <linux/slab.h>

#include "internal.h"

/* Pinning takes the host time too: a millisecond a MiB on top of the usual is ample. */
static unsigned int patience(u64 length)
{
	return min_t(u64, length >> 20, INT_MAX / 2);
}

/* Adds to @command the memory that @pin has. */
static void describe(struct bypass_command *command, struct bypass_rdma_reg_mr *request,
		     const struct bypass_pin *pin, u64 iova, u64 length)
{
	request->iova = cpu_to_le64(iova);
	request->length = cpu_to_le64(length);
	request->run_pages = cpu_to_le32(pin->count);
	request->last_runs = cpu_to_le32(pin->runs);
	command->tail = pin->pages;
	command->tail_size = pin->count * sizeof(*pin->pages);
	command->patience = patience(length);
}

struct ib_mr *bypass_reg_user_mr(struct ib_pd *ibpd, u64 start, u64 length, u64 iova, int access,
				 BYPASS_DMAH_PARAMETER struct ib_udata *udata)
{
	struct bypass_rdma_reg_mr request = {
		.pd = cpu_to_le32(to_pd(ibpd)->object.handle),
		.access = cpu_to_le32(access),
	};
	struct bypass_rdma_mr response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_REG_MR,
		.undo = BYPASS_RDMA_DEREG_MR,
		.request = &request,
		.request_size = sizeof(request),
		.response = &response,
		.response_size = sizeof(response),
		.udata = udata,
	};
	struct bypass_dev *dev = to_dev(ibpd->device);
	struct bypass_mr *mr;
	int err;

	if (BYPASS_DMAH_GIVEN)
		return ERR_PTR(-EOPNOTSUPP);
	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	mr->pin = bypass_pin(dev, start, length, iova, access);
	if (IS_ERR(mr->pin)) {
		err = PTR_ERR(mr->pin);
		goto free;
	}
	describe(&command, &request, mr->pin, iova, length);
	err = bypass_create(dev, &mr->object, 0, &command);
	if (err)
		goto unpin;
	bypass_pin_described(mr->pin);
	mr->ibmr.lkey = le32_to_cpu(response.lkey);
	mr->ibmr.rkey = le32_to_cpu(response.rkey);
	return &mr->ibmr;
unpin:
	bypass_unpin(dev, mr->pin);
free:
	kfree(mr);
	return ERR_PTR(err);
}

struct ib_mr *bypass_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start, u64 length, u64 iova,
				   int access, struct ib_pd *ibpd, struct ib_udata *udata)
{
	struct bypass_mr *mr = to_mr(ibmr);
	struct bypass_rdma_rereg_mr request = {
		.handle = cpu_to_le32(mr->object.handle),
		.flags = cpu_to_le32(flags),
		.reg.pd = cpu_to_le32(to_pd(ibpd)->object.handle),
		.reg.access = cpu_to_le32(access),
	};
	struct bypass_rdma_mr response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_REREG_MR,
		.ucontext = mr->object.owner,
		.request = &request,
		.request_size = sizeof(request),
		.response = &response,
		.response_size = sizeof(response),
		.udata = udata,
	};
	struct bypass_dev *dev = to_dev(ibmr->device);
	bool writable = mr->pin->umem->writable;
	struct bypass_pin *pin = NULL;
	int err;

	if (!flags)
		return NULL; /* the core has seen that nothing changes */
	if (flags & IB_MR_REREG_TRANS) {
		if (!(flags & IB_MR_REREG_ACCESS))
			access = writable ? IB_ACCESS_LOCAL_WRITE : 0;
		pin = bypass_pin(dev, start, length, iova, access);
		if (IS_ERR(pin))
			return ERR_CAST(pin);
		describe(&command, &request.reg, pin, iova, length);
	} else if (flags & IB_MR_REREG_ACCESS && ib_access_writable(access) && !writable) {
		return ERR_PTR(-EINVAL); /* pinned for reading: writes would miss the process */
	}
	err = bypass_execute(dev, &command);
	if (pin && !err) {
		bypass_pin_described(pin);
		swap(mr->pin, pin);
	}
	if (pin)
		bypass_unpin(dev, pin); /* the one that is not used */
	if (err)
		return ERR_PTR(err);
	ibmr->lkey = le32_to_cpu(response.lkey);
	ibmr->rkey = le32_to_cpu(response.rkey);
	return NULL;
}

int bypass_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata)
{
	struct bypass_dev *dev = to_dev(ibmr->device);
	struct bypass_mr *mr = to_mr(ibmr);
	int err = bypass_destroy(dev, &mr->object, BYPASS_RDMA_DEREG_MR);

	if (err)
		return err;
	bypass_unpin(dev, mr->pin);
	kfree(mr);
	return 0;
}

int bypass_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata)
{
	struct bypass_rdma_alloc_mw request = {
		.pd = cpu_to_le32(to_pd(ibmw->pd)->object.handle),
		.type = cpu_to_le32(ibmw->type),
	};
	struct bypass_rdma_mr response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_ALLOC_MW,
		.undo = BYPASS_RDMA_DEALLOC_MW,
		.request = &request,
		.request_size = sizeof(request),
		.response = &response,
		.response_size = sizeof(response),
		.udata = udata,
	};
	int err = bypass_create(to_dev(ibmw->device), &to_mw(ibmw)->object, 0, &command);

	if (err)
		return err;
	ibmw->rkey = le32_to_cpu(response.rkey);
	return 0;
}

int bypass_dealloc_mw(struct ib_mw *ibmw)
{
	return bypass_destroy(to_dev(ibmw->device), &to_mw(ibmw)->object, BYPASS_RDMA_DEALLOC_MW);
}
