// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A process's memory while the HCA may touch it. The memory is pinned. A list of runs of
 * guest-physical addresses, in pages of its own, names the memory to the host.
 */
#include <linux/slab.h>

#include "internal.h"

static int add_run(struct bypass_pin *pin, u64 gpa, u64 size)
{
	struct bypass_rdma_run *last = pin->last;

	if (last && le64_to_cpu(last->gpa) + le64_to_cpu(last->size) == gpa) {
		le64_add_cpu(&last->size, size);
		return 0;
	}
	if (!last || pin->runs == BYPASS_RDMA_RUNS_PER_PAGE) {
		/* kmalloc aligns powers of two, and this is not PAGE_SIZE everywhere */
		last = kzalloc(BYPASS_RDMA_PAGE_SIZE, GFP_KERNEL);
		if (!last)
			return -ENOMEM;
		pin->pages[pin->count++] = cpu_to_le64(virt_to_phys(last));
		pin->runs = 0;
	} else {
		last++;
	}
	last->gpa = cpu_to_le64(gpa);
	last->size = cpu_to_le64(size);
	pin->last = last;
	pin->runs++;
	return 0;
}

/* The ABI counts in pages of 4 KiB. Where those of the kernel are larger, both ends are cut. */
static int list_runs(struct bypass_pin *pin)
{
	const struct ib_umem *umem = pin->umem;
	u64 start = ALIGN_DOWN(umem->address, BYPASS_RDMA_PAGE_SIZE);
	u64 left = ALIGN((u64)umem->address + umem->length, BYPASS_RDMA_PAGE_SIZE) - start;
	u64 skip = start - ALIGN_DOWN(umem->address, PAGE_SIZE);
	const struct sg_table *table = &umem->sgt_append.sgt;
	struct scatterlist *sg;
	unsigned int i;
	int err;

	pin->pages = kvcalloc(DIV_ROUND_UP(table->orig_nents, BYPASS_RDMA_RUNS_PER_PAGE),
			      sizeof(*pin->pages), GFP_KERNEL);
	if (!pin->pages)
		return -ENOMEM;
	for_each_sgtable_sg(table, sg, i) {
		u64 size = min_t(u64, sg->length - skip, left);

		err = add_run(pin, sg_phys(sg) + skip, size);
		if (err)
			return err;
		left -= size;
		skip = 0;
		cond_resched();
	}
	return 0;
}

/* Adds to @command the list of runs, and the time that pinning them takes the host. */
void bypass_pin_describe(const struct bypass_pin *pin, struct bypass_command *command)
{
	command->tail = pin->pages;
	command->tail_size = pin->count * sizeof(*pin->pages);
	/* A millisecond a MiB on top of the usual is ample. */
	command->patience = min_t(u64, pin->umem->length >> 20, INT_MAX / 2);
}

/**
 * bypass_pin_described() - free the list of runs, which the host has read
 * @pin: keeps the memory
 */
void bypass_pin_described(struct bypass_pin *pin)
{
	while (pin->count)
		kfree(phys_to_virt(le64_to_cpu(pin->pages[--pin->count])));
	kvfree(pin->pages);
	pin->pages = NULL;
}

static void release(struct bypass_pin *pin)
{
	bypass_pin_described(pin);
	ib_umem_release(pin->umem);
	kfree(pin);
}

/**
 * bypass_pin() - pin memory of the calling process and list its runs
 * @dev: the slice
 * @start: address in the process
 * @length: bytes
 * @iova: address that the HCA will use; the same offset in a page as @start
 * @access: IB_ACCESS_...
 *
 * Return: the pin, for bypass_unpin(), or an ERR_PTR().
 */
struct bypass_pin *bypass_pin(struct bypass_dev *dev, u64 start, u64 length, u64 iova, int access)
{
	struct bypass_pin *pin;
	int err;

	if ((start ^ iova) & ~PAGE_MASK)
		return ERR_PTR(-EINVAL);
	pin = kzalloc(sizeof(*pin), GFP_KERNEL);
	if (!pin)
		return ERR_PTR(-ENOMEM);
	pin->umem = ib_umem_get_va(&dev->ibdev, start, length, access);
	if (IS_ERR(pin->umem)) {
		err = PTR_ERR(pin->umem);
		kfree(pin);
		return ERR_PTR(err);
	}
	err = list_runs(pin);
	if (err) {
		release(pin);
		return ERR_PTR(err);
	}
	return pin;
}

/**
 * bypass_unpin() - release memory that the host has given up
 * @dev: the slice
 * @pin: from bypass_pin()
 *
 * A host that counts as lost may only be slow. Until the device is reset the HCA may still
 * touch the memory, so that it stays pinned until then.
 */
void bypass_unpin(struct bypass_dev *dev, struct bypass_pin *pin)
{
	spin_lock(&dev->parked_lock);
	if (READ_ONCE(dev->gone) && !dev->stopped) {
		list_add(&pin->parked, &dev->parked);
		pin = NULL;
	}
	spin_unlock(&dev->parked_lock);
	if (pin)
		release(pin);
}

/**
 * bypass_unpin_parked() - release what a lost host might have touched
 * @dev: the slice, which has been reset; from here on bypass_unpin() releases at once
 */
void bypass_unpin_parked(struct bypass_dev *dev)
{
	struct bypass_pin *pin, *next;
	LIST_HEAD(parked);

	spin_lock(&dev->parked_lock);
	dev->stopped = true;
	list_splice_init(&dev->parked, &parked);
	spin_unlock(&dev->parked_lock);
	list_for_each_entry_safe(pin, next, &parked, parked) release(pin);
}
