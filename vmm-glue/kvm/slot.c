// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory slots: the guest reaches memory of this process with no exit.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>

#include "machine.h"

/* In the range of the interrupt controllers: neither RAM nor a BAR lies there. */
#define PROBE_GPA 0xfeff0000ull

static int slot_set(struct glue_machine *m, uint32_t slot, uint64_t gpa, uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(m->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

/*
 * Does the VMM use the slot? KVM answers EINVAL when a slot in use is to get other memory, and
 * leaves the slot as it is. EEXIST means that another slot has the address, and this one is free.
 */
static int slot_probe(struct glue_machine *m, uint32_t slot)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	void *hva = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (hva == MAP_FAILED)
		return bypass_fail(errno, "no page to look for free memory slots");
	err = slot_set(m, slot, PROBE_GPA, page, hva);
	if (!err)
		slot_set(m, slot, 0, 0, NULL);
	munmap(hva, page);
	if (err != -EINVAL)
		return 0;
	return bypass_fail(EBUSY,
			   "memory slot %u is in use by the VMM: set first_slot, now %u, above the "
			   "highest slot that the VMM uses",
			   slot, m->slots.first);
}

/* Take a slot that nobody uses, and map nothing yet. */
int glue_slot_take(struct glue_machine *m, uint32_t *slot)
{
	int err;

	if (glue_ids_take(&m->slots, slot))
		return bypass_fail(ENOSPC, "all %u memory slots from %u up are taken",
				   m->slots.count, m->slots.first);
	err = slot_probe(m, *slot);
	if (err)
		glue_ids_give(&m->slots, *slot);
	return err;
}

void glue_slot_give(struct glue_machine *m, uint32_t slot)
{
	glue_ids_give(&m->slots, slot);
}

int glue_slot_map(struct glue_machine *m, uint32_t slot, uint64_t gpa, uint64_t size, void *hva)
{
	int err = slot_set(m, slot, gpa, size, hva);

	if (err)
		return bypass_fail(-err, "KVM refuses memory slot %u, %#llx bytes at %#llx: %s",
				   slot, (unsigned long long)size, (unsigned long long)gpa,
				   err == -EEXIST ? "another slot lies there" : strerror(-err));
	return 0;
}

/* A slot of size 0 is removed. That fails only for a slot that is not there. */
void glue_slot_unmap(struct glue_machine *m, uint32_t slot)
{
	slot_set(m, slot, 0, 0, NULL);
}
