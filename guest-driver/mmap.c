// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a process maps: pages of the shared memory region, under the file offsets that the host's driver
 * gave its provider. A page goes back to the host when neither the object it belongs to
 * nor a mapping is left.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

/**
 * struct bypass_mmap_entry - one piece of the region that a process may map
 * @rdma_entry: the core's part
 * @dev: the slice
 * @ucontext: handle of the process
 * @shm_offset: offset in the region
 * @size: bytes
 * @flags: enum bypass_rdma_mmap_flags
 * @release: gives it back to the host
 */
struct bypass_mmap_entry {
	struct rdma_user_mmap_entry rdma_entry;
	struct bypass_dev *dev;
	struct bypass_ucontext *ucontext;
	u64 shm_offset;
	u64 size;
	u32 flags;
	struct work_struct release;
};

static void release(struct work_struct *work)
{
	struct bypass_mmap_entry *entry = container_of(work, struct bypass_mmap_entry, release);
	struct bypass_rdma_release_mmap request = {
		.shm_offset = cpu_to_le64(entry->shm_offset),
		.size = cpu_to_le64(entry->size),
	};
	struct bypass_command command = {
		.number = BYPASS_RDMA_RELEASE_MMAP,
		.ucontext = entry->ucontext,
		.request = &request,
		.request_size = sizeof(request),
	};

	bypass_execute(entry->dev, &command);
	kfree(entry);
}

/* May be called with a lock of the address space held: sends nothing itself. */
void bypass_mmap_free(struct rdma_user_mmap_entry *rdma_entry)
{
	struct bypass_mmap_entry *entry =
		container_of(rdma_entry, struct bypass_mmap_entry, rdma_entry);

	INIT_WORK(&entry->release, release);
	queue_work(entry->dev->releases, &entry->release);
}

static bool in_shm(const struct bypass_dev *dev, u64 offset, u64 size)
{
	return size && PAGE_ALIGNED(offset) && PAGE_ALIGNED(size) && size <= dev->shm.len &&
	       offset <= dev->shm.len - size;
}

static int insert(struct bypass_dev *dev, struct bypass_ucontext *ucontext,
		  struct bypass_mmaps *mmaps, const struct bypass_rdma_mmap *from)
{
	u64 offset = le64_to_cpu(from->offset), pgoff = offset >> PAGE_SHIFT;
	struct bypass_mmap_entry *entry;
	int err;

	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	entry->dev = dev;
	entry->ucontext = ucontext;
	entry->shm_offset = le64_to_cpu(from->shm_offset);
	entry->size = le64_to_cpu(from->size);
	entry->flags = le32_to_cpu(from->flags);
	err = -EPROTO;
	if (!in_shm(dev, entry->shm_offset, entry->size) || !PAGE_ALIGNED(offset) ||
	    pgoff + (entry->size >> PAGE_SHIFT) > U32_MAX)
		goto free;
	err = rdma_user_mmap_entry_insert_range(&ucontext->ibuc, &entry->rdma_entry, entry->size,
						pgoff, pgoff);
	if (err)
		goto free;
	mmaps->entry[mmaps->count++] = &entry->rdma_entry;
	return 0;
free:
	kfree(entry);
	return err;
}

/**
 * bypass_mmaps_insert() - let a process map what the host offers
 * @dev: the slice
 * @ucontext: the process
 * @mmaps: empty; receives the references
 * @from: the host's offers
 * @count: number of them, at most BYPASS_RDMA_MMAPS_MAX
 *
 * Return: 0; or what failed, with those before it in @mmaps.
 */
int bypass_mmaps_insert(struct bypass_dev *dev, struct bypass_ucontext *ucontext,
			struct bypass_mmaps *mmaps, const struct bypass_rdma_mmap *from,
			unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct bypass_rdma_mmap offer = from[i];
		int err = insert(dev, ucontext, mmaps, &offer);

		if (err)
			return err;
	}
	return 0;
}

/* Drops the object's references; what is mapped stays so until it is unmapped. */
void bypass_mmaps_remove(struct bypass_mmaps *mmaps)
{
	while (mmaps->count)
		rdma_user_mmap_entry_remove(mmaps->entry[--mmaps->count]);
}

/* A queue was replaced by one of another size: its mapping too, if the host sent a new one. */
void bypass_mmaps_replace(struct bypass_mmaps *mmaps, const struct bypass_mmaps *newer)
{
	if (!newer->count)
		return;
	bypass_mmaps_remove(mmaps);
	*mmaps = *newer;
}

int bypass_mmap(struct ib_ucontext *ibuc, struct vm_area_struct *vma)
{
	struct bypass_dev *dev = to_dev(ibuc->device);
	struct rdma_user_mmap_entry *rdma_entry;
	struct bypass_mmap_entry *entry;
	pgprot_t prot = vma->vm_page_prot;
	int err;

	if (READ_ONCE(dev->gone))
		return -EIO;
	rdma_entry = rdma_user_mmap_entry_get(ibuc, vma);
	if (!rdma_entry)
		return -EINVAL;
	entry = container_of(rdma_entry, struct bypass_mmap_entry, rdma_entry);

	err = -EPERM;
	if (vma->vm_flags & VM_EXEC)
		goto put;
	vm_flags_clear(vma, VM_MAYEXEC);
	if (!(entry->flags & BYPASS_RDMA_MMAP_WRITE)) {
		if (vma->vm_flags & VM_WRITE)
			goto put;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	if (entry->flags & BYPASS_RDMA_MMAP_UC)
		prot = pgprot_noncached(prot);
	else if (entry->flags & BYPASS_RDMA_MMAP_WC)
		prot = pgprot_writecombine(prot);
	err = rdma_user_mmap_io(ibuc, vma, (dev->shm.addr + entry->shm_offset) >> PAGE_SHIFT,
				entry->size, prot, rdma_entry);
put:
	rdma_user_mmap_entry_put(rdma_entry);
	return err;
}
