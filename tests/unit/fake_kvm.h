/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A KVM of our own, as strict as the kernel's: it stands where ioctl() is called on
 * its descriptor, and keeps what it was told. Include it in one file of a program.
 */
#ifndef FAKE_KVM_H
#define FAKE_KVM_H

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kvm.h>

#define FAKE_SLOTS  256
#define FAKE_IRQFDS 4096
#define FAKE_BELLS  32
#define FAKE_GSIS   4096

struct fake_kvm {
	int fd;
	int lacks;	/* a capability that this KVM has not */
	bool no_tables; /* refuse each table of routes */
	struct kvm_userspace_memory_region slots[FAKE_SLOTS];
	struct kvm_irq_routing_entry routes[FAKE_GSIS];
	uint32_t n_routes;
	struct kvm_irqfd irqfds[FAKE_IRQFDS];
	uint32_t n_irqfds;
	struct kvm_ioeventfd bells[FAKE_BELLS];
	uint32_t n_bells;
	int vfio_fd;
	int vfio_files;
	uint64_t injected[FAKE_GSIS];
	unsigned int tables; /* how often the table was set */
	unsigned int wrong;  /* calls that no caller should make */
};

static struct fake_kvm fake_kvm = {.fd = -1, .vfio_fd = -1};

static int fake_fail(int err)
{
	errno = err;
	return -1;
}

static int fake_slot(const struct kvm_userspace_memory_region *r)
{
	if (r->slot >= FAKE_SLOTS)
		return fake_fail(EINVAL);
	if (!r->memory_size) {
		fake_kvm.wrong += !fake_kvm.slots[r->slot].memory_size;
		fake_kvm.slots[r->slot].memory_size = 0;
		return 0;
	}
	if ((r->memory_size | r->guest_phys_addr | r->userspace_addr) & 4095 ||
	    r->guest_phys_addr + r->memory_size < r->guest_phys_addr ||
	    (r->guest_phys_addr + r->memory_size) >> 52)
		return fake_fail(EINVAL);
	/* A slot in use takes no other memory; to move one is nobody's wish here. */
	if (fake_kvm.slots[r->slot].memory_size) {
		fake_kvm.wrong += fake_kvm.slots[r->slot].userspace_addr == r->userspace_addr;
		return fake_fail(EINVAL);
	}
	for (int i = 0; i < FAKE_SLOTS; i++) {
		const struct kvm_userspace_memory_region *s = &fake_kvm.slots[i];

		if (s->memory_size && r->guest_phys_addr < s->guest_phys_addr + s->memory_size &&
		    s->guest_phys_addr < r->guest_phys_addr + r->memory_size)
			return fake_fail(EEXIST);
	}
	fake_kvm.slots[r->slot] = *r;
	return 0;
}

static int fake_routing(const struct kvm_irq_routing *table)
{
	fake_kvm.tables++;
	if (fake_kvm.no_tables || table->nr > FAKE_GSIS)
		return fake_fail(EINVAL);
	for (uint32_t i = 0; i < table->nr; i++) {
		const struct kvm_irq_routing_entry *e = &table->entries[i];

		if (e->gsi >= FAKE_GSIS ||
		    (e->type == KVM_IRQ_ROUTING_MSI && e->u.msi.address_hi & 0xff))
			return fake_fail(EINVAL);
	}
	memcpy(fake_kvm.routes, table->entries, table->nr * sizeof(table->entries[0]));
	fake_kvm.n_routes = table->nr;
	return 0;
}

/* Bring what was signalled into the "guest". */
static void fake_deliver(void)
{
	for (uint32_t i = 0; i < fake_kvm.n_irqfds; i++) {
		eventfd_t n;

		if (!eventfd_read(fake_kvm.irqfds[i].fd, &n))
			fake_kvm.injected[fake_kvm.irqfds[i].gsi]++;
	}
}

static int fake_irqfd(const struct kvm_irqfd *k)
{
	for (uint32_t i = 0; i < fake_kvm.n_irqfds; i++) {
		if (fake_kvm.irqfds[i].fd != k->fd)
			continue;
		if (!(k->flags & KVM_IRQFD_FLAG_DEASSIGN))
			return fake_fail(EBUSY);
		fake_deliver();
		fake_kvm.irqfds[i] = fake_kvm.irqfds[--fake_kvm.n_irqfds];
		return 0;
	}
	if (k->flags & KVM_IRQFD_FLAG_DEASSIGN) {
		fake_kvm.wrong++;
		return 0;
	}
	if (fake_kvm.n_irqfds == FAKE_IRQFDS)
		return fake_fail(ENOMEM);
	fake_kvm.irqfds[fake_kvm.n_irqfds++] = *k;
	return 0;
}

static int fake_bell(const struct kvm_ioeventfd *k)
{
	for (uint32_t i = 0; i < fake_kvm.n_bells; i++) {
		const struct kvm_ioeventfd *b = &fake_kvm.bells[i];

		if (b->addr != k->addr || b->len != k->len || b->fd != k->fd)
			continue;
		if (!(k->flags & KVM_IOEVENTFD_FLAG_DEASSIGN))
			return fake_fail(EEXIST);
		fake_kvm.bells[i] = fake_kvm.bells[--fake_kvm.n_bells];
		return 0;
	}
	if (k->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) {
		fake_kvm.wrong++;
		return fake_fail(ENOENT);
	}
	if (fake_kvm.n_bells == FAKE_BELLS)
		return fake_fail(ENOSPC);
	fake_kvm.bells[fake_kvm.n_bells++] = *k;
	return 0;
}

static int fake_device(struct kvm_create_device *create)
{
	if (create->type != KVM_DEV_TYPE_VFIO || fake_kvm.vfio_fd >= 0)
		return fake_fail(create->type == KVM_DEV_TYPE_VFIO ? EBUSY : ENODEV);
	/* The caller closes it. */
	create->fd = fake_kvm.vfio_fd = eventfd(0, EFD_CLOEXEC);
	return 0;
}

static int fake_vm_ioctl(unsigned long request, void *arg)
{
	int cap = (int)(uintptr_t)arg;

	switch (request) {
	case KVM_CHECK_EXTENSION:
		if (cap == fake_kvm.lacks)
			return 0;
		return cap == KVM_CAP_NR_MEMSLOTS   ? FAKE_SLOTS
		       : cap == KVM_CAP_IRQ_ROUTING ? FAKE_GSIS
						    : 1;
	case KVM_SET_USER_MEMORY_REGION:
		return fake_slot(arg);
	case KVM_SET_GSI_ROUTING:
		return fake_routing(arg);
	case KVM_IRQFD:
		return fake_irqfd(arg);
	case KVM_IOEVENTFD:
		return fake_bell(arg);
	case KVM_CREATE_DEVICE:
		return fake_device(arg);
	}
	return fake_fail(ENOTTY);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd >= 0 && fd == fake_kvm.fd)
		return fake_vm_ioctl(request, arg);
	if (fd >= 0 && fd == fake_kvm.vfio_fd && request == KVM_SET_DEVICE_ATTR) {
		const struct kvm_device_attr *a = arg;

		fake_kvm.vfio_files += a->attr == KVM_DEV_VFIO_GROUP_ADD ? 1 : -1;
		return 0;
	}
	return syscall(SYS_ioctl, fd, request, arg);
}

static inline void fake_kvm_open(void)
{
	memset(&fake_kvm, 0, sizeof(fake_kvm));
	fake_kvm.lacks = fake_kvm.vfio_fd = -1;
	fake_kvm.fd = eventfd(0, EFD_CLOEXEC);
}

static inline void fake_kvm_close(void)
{
	close(fake_kvm.fd);
	fake_kvm.fd = fake_kvm.vfio_fd = -1;
}

/* What the guest reads at an address without an exit; NULL: it exits. */
static inline uint8_t *fake_memory(uint64_t gpa)
{
	for (int i = 0; i < FAKE_SLOTS; i++) {
		const struct kvm_userspace_memory_region *s = &fake_kvm.slots[i];

		if (s->memory_size && gpa >= s->guest_phys_addr &&
		    gpa - s->guest_phys_addr < s->memory_size)
			return (uint8_t *)(uintptr_t)s->userspace_addr + (gpa - s->guest_phys_addr);
	}
	return NULL;
}

static inline unsigned int fake_slots(void)
{
	unsigned int n = 0;

	for (int i = 0; i < FAKE_SLOTS; i++)
		n += fake_kvm.slots[i].memory_size != 0;
	return n;
}

/* The message that an eventfd sends into the guest; NULL: nobody listens. */
static inline const struct kvm_irq_routing_entry *fake_route(int fd)
{
	for (uint32_t i = 0; i < fake_kvm.n_irqfds; i++)
		if ((int)fake_kvm.irqfds[i].fd == fd)
			for (uint32_t r = 0; r < fake_kvm.n_routes; r++)
				if (fake_kvm.routes[r].gsi == fake_kvm.irqfds[i].gsi)
					return &fake_kvm.routes[r];
	return NULL;
}

#endif
