// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory slots: memory of this process at a guest-physical address, no exit.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/error.h>

#include "machine.h"

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

int glue_slot_add(struct glue_machine *m, uint64_t gpa, uint64_t size, void *hva, uint32_t *slot)
{
	int err = glue_ids_take(&m->slots, slot);

	if (err)
		return bypass_fail(ENOSPC, "all %u memory slots from %u up are taken",
				   m->slots.count, m->slots.first);
	err = slot_set(m, *slot, gpa, size, hva);
	if (err) {
		glue_ids_give(&m->slots, *slot);
		return bypass_fail(-err, "KVM refuses a memory slot for %#llx bytes at %#llx: %s",
				   (unsigned long long)size, (unsigned long long)gpa,
				   err == -EEXIST ? "another slot lies there" : strerror(-err));
	}
	return 0;
}

void glue_slot_del(struct glue_machine *m, uint32_t slot)
{
	/* Size 0 removes a slot, whatever else is said; it fails only for one that is not there. */
	slot_set(m, slot, 0, 0, NULL);
	glue_ids_give(&m->slots, slot);
}
