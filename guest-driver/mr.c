// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory regions over a process's own memory, and memory windows. The pages are pinned
 * here and named to the host as runs of guest-physical addresses, in pages of their own
 * when there are many.
 */
#include <linux/slab.h>

#include "internal.h"

/**
 * struct run_list - the physical memory under a registration
 * @pages: guest-physical addresses of pages full of runs
 * @count: number of @pages
 * @runs: runs in the last of them
 * @last: the last run, still growing
 */
struct run_list {
	__le64 *pages;
	unsigned int count;
	unsigned int runs;
	struct bypass_rdma_run *last;
};

static void free_runs(struct run_list *list)
{
	while (list->count)
		kfree(phys_to_virt(le64_to_cpu(list->pages[--list->count])));
	kvfree(list->pages);
}

static int add_run(struct run_list *list, u64 gpa, u64 size)
{
	struct bypass_rdma_run *last = list->last;

	if (last && le64_to_cpu(last->gpa) + le64_to_cpu(last->size) == gpa) {
		le64_add_cpu(&last->size, size);
		return 0;
	}
	if (!last || list->runs == BYPASS_RDMA_RUNS_PER_PAGE) {
		/* kmalloc aligns powers of two, and this is not PAGE_SIZE everywhere */
		last = kzalloc(BYPASS_RDMA_PAGE_SIZE, GFP_KERNEL);
		if (!last)
			return -ENOMEM;
		list->pages[list->count++] = cpu_to_le64(virt_to_phys(last));
		list->runs = 0;
	} else {
		last++;
	}
	last->gpa = cpu_to_le64(gpa);
	last->size = cpu_to_le64(size);
	list->last = last;
	list->runs++;
	return 0;
}

/* The ABI counts in pages of 4 KiB: where ours are larger, the ends are cut to these. */
static int list_runs(struct run_list *list, struct ib_umem *umem)
{
	u64 start = ALIGN_DOWN(umem->address, BYPASS_RDMA_PAGE_SIZE);
	u64 left = ALIGN((u64)umem->address + umem->length, BYPASS_RDMA_PAGE_SIZE) - start;
	u64 skip = start - ALIGN_DOWN(umem->address, PAGE_SIZE);
	struct sg_table *table = &umem->sgt_append.sgt;
	struct scatterlist *sg;
	unsigned int i;

	*list = (struct run_list){};
	list->pages = kvcalloc(DIV_ROUND_UP(table->orig_nents, BYPASS_RDMA_RUNS_PER_PAGE),
			       sizeof(*list->pages), GFP_KERNEL);
	if (!list->pages)
		return -ENOMEM;
	for_each_sgtable_sg(table, sg, i) {
		u64 size = min_t(u64, sg->length - skip, left);

		if (add_run(list, sg_phys(sg) + skip, size)) {
			free_runs(list);
			return -ENOMEM;
		}
		left -= size;
		skip = 0;
		cond_resched();
	}
	return 0;
}

/* Pins [start, start + length) and lists it. */
static struct ib_umem *pin(struct ib_device *ibdev, struct run_list *list, u64 start, u64 length,
			   u64 iova, int access)
{
	struct ib_umem *umem;
	int err;

	if ((start ^ iova) & ~PAGE_MASK)
		return ERR_PTR(-EINVAL);
	umem = ib_umem_get_va(ibdev, start, length, access);
	if (IS_ERR(umem))
		return umem;
	err = list_runs(list, umem);
	if (err) {
		ib_umem_release(umem);
		return ERR_PTR(err);
	}
	return umem;
}

/* A host that was given up may be only slow: its HCA has the pages until the reset. */
static void unpin(struct ib_device *ibdev, struct ib_umem *umem)
{
	struct bypass_dev *dev = to_dev(ibdev);

	if (!umem)
		return;
	if (READ_ONCE(dev->gone))
		wait_for_completion(&dev->reset);
	ib_umem_release(umem);
}

static void describe(struct bypass_rdma_reg_mr *request, const struct run_list *list, u64 iova,
		     u64 length)
{
	request->iova = cpu_to_le64(iova);
	request->length = cpu_to_le64(length);
	request->run_pages = cpu_to_le32(list->count);
	request->last_runs = cpu_to_le32(list->runs);
}

/* Pinning takes the host time too: a millisecond a MiB on top of the usual is ample. */
static unsigned int patience(u64 length)
{
	return min_t(u64, length >> 20, INT_MAX / 2);
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
		.patience = patience(length),
	};
	struct run_list list;
	struct bypass_mr *mr;
	int err;

	if (BYPASS_DMAH_GIVEN)
		return ERR_PTR(-EOPNOTSUPP);
	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	mr->umem = pin(ibpd->device, &list, start, length, iova, access);
	if (IS_ERR(mr->umem)) {
		err = PTR_ERR(mr->umem);
		goto free;
	}
	describe(&request, &list, iova, length);
	command.tail = list.pages;
	command.tail_size = list.count * sizeof(*list.pages);
	err = bypass_create(to_dev(ibpd->device), &mr->object, 0, &command);
	free_runs(&list);
	if (err)
		goto release;
	mr->ibmr.lkey = le32_to_cpu(response.lkey);
	mr->ibmr.rkey = le32_to_cpu(response.rkey);
	return &mr->ibmr;
release:
	unpin(ibpd->device, mr->umem);
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
	struct ib_umem *umem = NULL;
	struct run_list list = {};
	int err;

	if (flags & IB_MR_REREG_TRANS) {
		if (!(flags & IB_MR_REREG_ACCESS))
			access = mr->umem->writable ? IB_ACCESS_LOCAL_WRITE : 0;
		umem = pin(ibmr->device, &list, start, length, iova, access);
		if (IS_ERR(umem))
			return ERR_CAST(umem);
		describe(&request.reg, &list, iova, length);
		command.tail = list.pages;
		command.tail_size = list.count * sizeof(*list.pages);
		command.patience = patience(length);
	} else if (flags & IB_MR_REREG_ACCESS && ib_access_writable(access) &&
		   !mr->umem->writable) {
		return ERR_PTR(-EINVAL); /* pinned for reading: writes would miss the process */
	}
	err = bypass_execute(to_dev(ibmr->device), &command);
	if (umem)
		free_runs(&list);
	if (err) {
		unpin(ibmr->device, umem);
		return ERR_PTR(err);
	}
	if (umem) {
		unpin(ibmr->device, mr->umem);
		mr->umem = umem;
	}
	ibmr->lkey = le32_to_cpu(response.lkey);
	ibmr->rkey = le32_to_cpu(response.rkey);
	return NULL;
}

int bypass_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata)
{
	struct bypass_mr *mr = to_mr(ibmr);
	int err = bypass_destroy(to_dev(ibmr->device), &mr->object, BYPASS_RDMA_DEREG_MR);

	if (err)
		return err;
	unpin(ibmr->device, mr->umem);
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
