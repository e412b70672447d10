// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The capabilities that KVM must have, and the numbers of slots and GSIs that vmm-glue may
 * take.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bypass/error.h>

#include "machine.h"

static const struct {
	int cap;
	const char *name;
	const char *what;
} needed[] = {
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "memory slots"},
	{KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING", "interrupt routes (is there an irqchip?)"},
	{KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "interrupts by eventfd (is there an irqchip?)"},
	{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", "doorbells by eventfd"},
};

static int ids_init(struct glue_ids *ids, uint32_t first, uint32_t end)
{
	ids->first = first;
	ids->count = end > first ? end - first : 0;
	ids->taken = calloc(ids->count / 64 + 1, sizeof(*ids->taken));
	return ids->taken ? 0 : bypass_fail(ENOMEM, "no memory for the VM's book-keeping");
}

int glue_ids_take(struct glue_ids *ids, uint32_t *id)
{
	for (uint32_t i = 0; i < ids->count; i++) {
		if (ids->taken[i / 64] >> (i % 64) & 1)
			continue;
		ids->taken[i / 64] |= 1ull << (i % 64);
		*id = ids->first + i;
		return 0;
	}
	return -ENOSPC;
}

void glue_ids_give(struct glue_ids *ids, uint32_t id)
{
	uint32_t i = id - ids->first;

	ids->taken[i / 64] &= ~(1ull << (i % 64));
}

int glue_host_unknown(void)
{
	return bypass_fail(EOPNOTSUPP, "vmm-glue serves x86-64 guests only: other interrupt "
				       "controllers need routes that it does not know");
}

int glue_machine_open(struct glue_machine *m, int vm_fd, const struct bypass_vm_config *config)
{
	int n_slots, n_gsis, err;

	for (unsigned int i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		int has = ioctl(vm_fd, KVM_CHECK_EXTENSION, needed[i].cap);

		if (has < 0)
			return bypass_fail(EINVAL, "descriptor %d is not a KVM VM: %s", vm_fd,
					   strerror(errno));
		if (!has)
			return bypass_fail(EOPNOTSUPP, "this KVM lacks %s, needed for %s",
					   needed[i].name, needed[i].what);
	}
	n_slots = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	n_gsis = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);
	if (config->first_slot >= (uint32_t)n_slots)
		return bypass_fail(EINVAL, "first_slot is %u, but KVM has slots 0 to %d only",
				   config->first_slot, n_slots - 1);
	if (config->first_gsi >= (uint32_t)n_gsis)
		return bypass_fail(EINVAL, "first_gsi is %u, but KVM has GSIs 0 to %d only",
				   config->first_gsi, n_gsis - 1);

	*m = (struct glue_machine){
		.fd = vm_fd,
		.vfio = config->kvm_vfio_fd > 0 ? config->kvm_vfio_fd : -1,
		.vfio_theirs = config->kvm_vfio_fd > 0,
		.routes_max = n_gsis,
		.any_width = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0,
		/* With the IOAPIC in user space KVM sees no EOI, and refuses to resample. */
		.resample = !config->split_irqchip &&
			    ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQFD_RESAMPLE) > 0,
	};
	err = ids_init(&m->slots, config->first_slot, n_slots);
	if (!err)
		err = ids_init(&m->gsis, config->first_gsi, n_gsis);
	if (!err)
		err = glue_routes_open(m, config);
	if (err)
		glue_machine_close(m);
	return err;
}

void glue_machine_close(struct glue_machine *m)
{
	glue_routes_close(m);
	if (m->vfio >= 0 && !m->vfio_theirs)
		close(m->vfio);
	free(m->gsis.taken);
	free(m->slots.taken);
}
