// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guest's memory map. A vhost-user front end sends the map as a table or region by region.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/memory.h>

#include "internal.h"

static void slot_release(struct vu_slot *slot)
{
	if (slot->map)
		munmap(slot->map, slot->map_size);
	if (slot->fd >= 0)
		close(slot->fd);
}

/*
 * Map the file from the file's start: a region of hugetlb memory may begin in the middle of a huge
 * page, and mmap(2) refuses such an offset. On success the slot owns @fd, unless @fd is not RAM.
 */
static int slot_map(struct vu *vu, struct vu_slot *slot, int fd)
{
	const struct vu_region *r = &slot->region;
	struct stat st;
	uint64_t end;

	if (fstat(fd, &st))
		return bypass_fail(errno, "cannot stat a memory region's file: %s",
				   strerror(errno));
	if (!S_ISREG(st.st_mode) || vu_backend_shows(vu, &st))
		return 0;
	/* An access past the end of the file raises SIGBUS. */
	if (__builtin_add_overflow(r->offset, r->size, &end) || end > (uint64_t)st.st_size)
		return bypass_fail(EPROTO,
				   "a memory region of 0x%" PRIx64 " bytes at 0x%" PRIx64
				   " does not fit its file of 0x%" PRIx64 " bytes",
				   r->size, r->offset, (uint64_t)st.st_size);
	slot->map = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (slot->map == MAP_FAILED) {
		slot->map = NULL;
		return bypass_fail(errno, "cannot map 0x%" PRIx64 " bytes of guest memory: %s", end,
				   strerror(errno));
	}
	slot->map_size = end;
	slot->fd = fd;
	return 0;
}

static int slot_add(struct vu *vu, const struct vu_region *region, int *fd)
{
	struct vu_slot slot = {.region = *region, .fd = -1};
	uint64_t end;
	int ret;

	if (vu->n_slots == VU_SLOTS_MAX)
		return bypass_fail(ENOSPC, "the VMM has more than %d memory regions", VU_SLOTS_MAX);
	if (!region->size || __builtin_add_overflow(region->gpa, region->size, &end) ||
	    __builtin_add_overflow(region->user_addr, region->size, &end))
		return bypass_fail(
			EPROTO, "a memory region of %#llx bytes at %#llx wraps or is empty",
			(unsigned long long)region->size, (unsigned long long)region->gpa);
	ret = slot_map(vu, &slot, *fd);
	if (ret < 0)
		return ret;
	if (slot.fd >= 0)
		*fd = -1;
	vu->slots[vu->n_slots++] = slot;
	return 0;
}

/* Give the device the map that the slots describe. The old mappings must live until then. */
static int memory_update(struct vu *vu)
{
	struct bypass_memory *mem = bypass_memory_new();
	int ret;

	if (!mem)
		return bypass_fail(errno, "no memory for the guest's memory map");
	for (unsigned int i = 0; i < vu->n_slots; i++) {
		const struct vu_slot *slot = &vu->slots[i];
		struct bypass_memory_range range;

		if (!slot->map)
			continue;
		range = (struct bypass_memory_range){
			.gpa = slot->region.gpa,
			.size = slot->region.size,
			.hva = (char *)slot->map + slot->region.offset,
			.fd = slot->fd,
			.offset = slot->region.offset,
		};
		ret = bypass_memory_add(mem, &range);
		if (ret < 0)
			goto fail;
	}
	ret = vu->dev->ops->set_memory(vu->dev, mem);
	if (ret < 0)
		goto fail;
	bypass_memory_free(vu->mem);
	vu->mem = mem;
	return 0;
fail:
	bypass_memory_free(mem);
	return ret;
}

int vu_memory_table(struct vu *vu, struct vu_message *msg)
{
	struct vu_slot kept[VU_SLOTS_MAX];
	unsigned int n_kept = vu->n_slots;
	int ret = 0;

	if (msg->table.count > VU_TABLE_MAX || msg->table.count != msg->n_fds ||
	    msg->header.size < offsetof(struct vu_table, region[msg->table.count]))
		return bypass_fail(EPROTO, "the VMM's memory table of %u regions is malformed",
				   msg->table.count);
	memcpy(kept, vu->slots, n_kept * sizeof(*kept));
	vu->n_slots = 0;
	for (unsigned int i = 0; i < msg->table.count && !ret; i++)
		ret = slot_add(vu, &msg->table.region[i], &msg->fds[i]);
	if (!ret)
		ret = memory_update(vu);
	if (ret < 0) {
		for (unsigned int i = 0; i < vu->n_slots; i++)
			slot_release(&vu->slots[i]);
		memcpy(vu->slots, kept, n_kept * sizeof(*kept));
		vu->n_slots = n_kept;
		return ret;
	}
	for (unsigned int i = 0; i < n_kept; i++)
		slot_release(&kept[i]);
	return 0;
}

int vu_memory_add(struct vu *vu, struct vu_message *msg)
{
	int ret;

	if (msg->header.size != sizeof(msg->slot) || msg->n_fds != 1)
		return bypass_fail(EPROTO, "the VMM's request to add memory is malformed");
	ret = slot_add(vu, &msg->slot.region, &msg->fds[0]);
	if (ret < 0 || !vu->slots[vu->n_slots - 1].map)
		return ret;
	ret = memory_update(vu);
	if (ret < 0)
		slot_release(&vu->slots[--vu->n_slots]);
	return ret;
}

int vu_memory_remove(struct vu *vu, const struct vu_message *msg)
{
	const struct vu_region *r = &msg->slot.region;
	struct vu_slot gone;
	unsigned int i;
	int ret;

	if (msg->header.size != sizeof(msg->slot))
		return bypass_fail(EPROTO, "the VMM's request to remove memory is malformed");
	for (i = 0; i < vu->n_slots; i++) {
		const struct vu_region *have = &vu->slots[i].region;

		if (have->gpa == r->gpa && have->size == r->size && have->user_addr == r->user_addr)
			break;
	}
	if (i == vu->n_slots)
		return bypass_fail(EPROTO,
				   "the VMM removes memory at 0x%" PRIx64 " that it never added",
				   r->gpa);
	gone = vu->slots[i];
	vu->slots[i] = vu->slots[--vu->n_slots];
	ret = gone.map ? memory_update(vu) : 0;
	if (ret < 0) {
		vu->slots[vu->n_slots++] = gone;
		return ret;
	}
	slot_release(&gone);
	return 0;
}

/* Release all memory. The device must have been told before that it has no memory. */
void vu_memory_clear(struct vu *vu)
{
	for (unsigned int i = 0; i < vu->n_slots; i++)
		slot_release(&vu->slots[i]);
	vu->n_slots = 0;
	bypass_memory_free(vu->mem);
	vu->mem = NULL;
}

/* Translate an address of the front end, as rings have them, into a guest-physical one. */
int vu_memory_gpa(const struct vu *vu, uint64_t user_addr, uint64_t *gpa)
{
	for (unsigned int i = 0; i < vu->n_slots; i++) {
		const struct vu_region *r = &vu->slots[i].region;

		if (vu->slots[i].map && user_addr - r->user_addr < r->size) {
			*gpa = r->gpa + (user_addr - r->user_addr);
			return 0;
		}
	}
	return bypass_fail(EPROTO,
			   "the VMM placed a ring at 0x%" PRIx64 ", outside the memory that it "
			   "told of",
			   user_addr);
}
