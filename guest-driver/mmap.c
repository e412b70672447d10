// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a process maps: pages of the shared memory region, under the file offsets that the
 * host's driver gave to the process's provider. A page goes back to the host when neither
 * its object nor a mapping is left (object.c).
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

static bool in_shm(const struct bypass_dev *dev, u64 offset, u64 size)
{
	return size && PAGE_ALIGNED(offset) && PAGE_ALIGNED(size) && size <= dev->shm.len &&
	       offset <= dev->shm.len - size;
}

static int insert(struct bypass_dev *dev, const struct bypass_command *command,
		  const struct bypass_rdma_mmap *from)
{
	u64 offset = le64_to_cpu(from->offset), pgoff = offset >> PAGE_SHIFT;
	bool anywhere = command->place_last;
	struct bypass_mmap_entry *entry;
	int err;

	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	entry->dev = dev;
	entry->ucontext = command->ucontext;
	entry->context = BYPASS_RDMA_NONE;
	entry->shm_offset = le64_to_cpu(from->shm_offset);
	entry->size = le64_to_cpu(from->size);
	entry->flags = le32_to_cpu(from->flags);
	err = -EPROTO;
	if (!in_shm(dev, entry->shm_offset, entry->size) || !PAGE_ALIGNED(offset) ||
	    pgoff + (entry->size >> PAGE_SHIFT) > U32_MAX)
		goto free;
	err = rdma_user_mmap_entry_insert_range(
		&command->ucontext->ibuc, &entry->rdma_entry, entry->size,
		anywhere ? command->place_first : pgoff, anywhere ? command->place_last : pgoff);
	if (err)
		goto free;
	command->mmaps->entry[command->mmaps->count++] = &entry->rdma_entry;
	return 0;
free:
	kfree(entry);
	return err;
}

/**
 * bypass_mmaps_insert() - let a process map what the host offers
 * @dev: the slice
 * @command: of a process; its mmaps are empty, and receive the references
 * @from: the host's offers
 * @count: number of them, at most BYPASS_RDMA_MMAPS_MAX
 *
 * Return: 0; or what failed, with those before it in the command's mmaps.
 */
int bypass_mmaps_insert(struct bypass_dev *dev, const struct bypass_command *command,
			const struct bypass_rdma_mmap *from, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct bypass_rdma_mmap offer = from[i];
		int err = insert(dev, command, &offer);

		if (err)
			return err;
	}
	return 0;
}

/* Drops the object's references. What the process has mapped stays until it unmaps it. */
void bypass_mmaps_remove(struct bypass_mmaps *mmaps)
{
	while (mmaps->count)
		rdma_user_mmap_entry_remove(mmaps->entry[--mmaps->count]);
}

/* A resize has replaced a queue, and its mapping too if the host sent a new one. */
void bypass_mmaps_replace(struct bypass_mmaps *mmaps, const struct bypass_mmaps *newer)
{
	if (!newer->count)
		return;
	bypass_mmaps_remove(mmaps);
	*mmaps = *newer;
}

/*
 * The provider of an HCA with doorbell pages asks for further pages by an offset that nobody has
 * offered. It goes on without them, and its program too, when the error says that there are none.
 */
static int not_offered(const struct bypass_dev *dev)
{
	return virtio_has_feature(dev->vdev, BYPASS_RDMA_F_QUEUE_MEMORY) ? -EOPNOTSUPP : -EINVAL;
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
		return not_offered(dev);
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
