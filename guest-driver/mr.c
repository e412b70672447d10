// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory regions over a process's own memory.
 */
#include <linux/slab.h>

#include "internal.h"

static const struct bypass_kind kind = {
	.create = BYPASS_RDMA_REG_MR,
	.destroy = BYPASS_RDMA_DEREG_MR,
	.request_size = sizeof(struct bypass_rdma_reg_mr),
	.response_size = sizeof(struct bypass_rdma_mr),
};

/* Sets what @request says of the memory that @pin has. */
static void pack_pin(struct bypass_rdma_reg_mr *request, const struct bypass_pin *pin, u64 iova,
		     u64 length)
{
	request->iova = cpu_to_le64(iova);
	request->length = cpu_to_le64(length);
	request->run_pages = cpu_to_le32(pin->count);
	request->last_runs = cpu_to_le32(pin->runs);
}

struct ib_mr *bypass_reg_user_mr(struct ib_pd *ibpd, u64 start, u64 length, u64 iova, int access,
				 BYPASS_DMAH_PARAMETER struct ib_udata *udata)
{
	struct bypass_rdma_reg_mr request = {
		.pd = cpu_to_le32(to_pd(ibpd)->object.handle),
		.access = cpu_to_le32(access),
	};
	struct bypass_dev *dev = to_dev(ibpd->device);
	struct bypass_rdma_mr response;
	struct bypass_pin *pin;
	struct bypass_mr *mr;
	int err;

	if (BYPASS_DMAH_GIVEN)
		return ERR_PTR(-EOPNOTSUPP);
	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	pin = bypass_pin(dev, start, length, iova, access);
	if (IS_ERR(pin)) {
		err = PTR_ERR(pin);
		goto free;
	}
	mr->object.pin = pin;
	pack_pin(&request, pin, iova, length);
	err = bypass_create(dev, &mr->object, &kind, &request, &response, udata);
	if (err)
		goto free;
	mr->ibmr.lkey = le32_to_cpu(response.lkey);
	mr->ibmr.rkey = le32_to_cpu(response.rkey);
	return &mr->ibmr;
free:
	kfree(mr);
	return ERR_PTR(err);
}

struct ib_mr *bypass_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start, u64 length, u64 iova,
				   int access, struct ib_pd *ibpd, struct ib_udata *udata)
{
	struct bypass_object *mr = &to_mr(ibmr)->object;
	struct bypass_rdma_rereg_mr request = {
		.handle = cpu_to_le32(mr->handle),
		.flags = cpu_to_le32(flags),
		.reg.pd = cpu_to_le32(to_pd(ibpd)->object.handle),
		.reg.access = cpu_to_le32(access),
	};
	struct bypass_rdma_mr response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_REREG_MR,
		.ucontext = mr->owner,
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
		return NULL; /* nothing changes */
	if (flags & IB_MR_REREG_TRANS) {
		if (!(flags & IB_MR_REREG_ACCESS))
			access = writable ? IB_ACCESS_LOCAL_WRITE : 0;
		pin = bypass_pin(dev, start, length, iova, access);
		if (IS_ERR(pin))
			return ERR_CAST(pin);
		pack_pin(&request.reg, pin, iova, length);
		bypass_pin_describe(pin, &command);
	} else if (flags & IB_MR_REREG_ACCESS && ib_access_writable(access) && !writable) {
		return ERR_PTR(-EINVAL); /* pinned for reading: the process would not see writes */
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
	struct bypass_mr *mr = to_mr(ibmr);
	int err = bypass_destroy(to_dev(ibmr->device), &mr->object);

	if (err)
		return err;
	kfree(mr);
	return 0;
}
