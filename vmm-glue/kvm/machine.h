/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The VM as KVM sees it: memory slots, interrupt messages, doorbells. This folder knows
 * nothing of PCI. It takes no lock: its callers in vmm-glue/pci hold the VM's lock.
 */
#ifndef GLUE_MACHINE_H
#define GLUE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/kvm.h>

#include <bypass/kvm.h>

/**
 * struct glue_ids - a range of numbers that are taken and given back
 * @first: the lowest number
 * @count: how many numbers there are
 * @taken: one bit a number
 */
struct glue_ids {
	uint32_t first;
	uint32_t count;
	uint64_t *taken;
};

/**
 * struct glue_machine - a VM and what of it is in use
 * @fd: the VM's descriptor, not ours
 * @vfio: the KVM-VFIO device; -1 until the first slice that wants it
 * @vfio_theirs: the VMM made it
 * @slots: memory slots
 * @gsis: for messages
 * @routes: the table for KVM, with the VMM's own entries in front
 * @routes_room: entries that fit into @routes
 * @routes_max: entries that KVM takes
 * @fixed: how many entries are the VMM's own
 * @routes_changed: KVM has an older table
 * @resample: level-triggered irqfds work
 * @any_width: an ioeventfd can match stores of every width
 */
struct glue_machine {
	int fd;
	int vfio;
	bool vfio_theirs;
	struct glue_ids slots;
	struct glue_ids gsis;
	struct kvm_irq_routing *routes;
	uint32_t routes_room;
	uint32_t routes_max;
	uint32_t fixed;
	bool routes_changed;
	bool resample;
	bool any_width;
};

/**
 * struct glue_vector - one way for a device to interrupt the guest
 * @fd: eventfd that the device signals; -1: not in use. While it does not reach
 *	the guest, its count is the pending bit
 * @gsi: the GSI that @fd raises; valid while @fd is
 * @open: KVM listens to @fd
 */
struct glue_vector {
	int fd;
	uint32_t gsi;
	bool open;
};

/* machine.c */
int glue_host_unknown(void); /* -EOPNOTSUPP, with its text */
int glue_machine_open(struct glue_machine *m, int vm_fd, const struct bypass_vm_config *config);
void glue_machine_close(struct glue_machine *m);
int glue_ids_take(struct glue_ids *ids, uint32_t *id);
void glue_ids_give(struct glue_ids *ids, uint32_t id);

/* slot.c */
int glue_slot_take(struct glue_machine *m, uint32_t *slot);
void glue_slot_give(struct glue_machine *m, uint32_t slot);
int glue_slot_map(struct glue_machine *m, uint32_t slot, uint64_t gpa, uint64_t size, void *hva);
void glue_slot_unmap(struct glue_machine *m, uint32_t slot);

/* route.c: the table is changed entry by entry; KVM gets the whole table at the commit */
int glue_routes_open(struct glue_machine *m, const struct bypass_vm_config *config);
void glue_routes_close(struct glue_machine *m);
int glue_routes_fix(struct glue_machine *m, const struct kvm_irq_routing_entry *routes, uint32_t n);
int glue_routes_change(struct glue_machine *m, const struct kvm_irq_routing_entry *routes,
		       uint32_t n);
int glue_route_set(struct glue_machine *m, uint32_t gsi, uint64_t address, uint32_t data);
bool glue_gsi_is_pin(const struct glue_machine *m, uint32_t gsi);
void glue_route_drop(struct glue_machine *m, uint32_t gsi);
int glue_routes_commit(struct glue_machine *m);

/* irqfd.c */
int glue_irqfd(struct glue_machine *m, int fd, uint32_t gsi, int resample_fd, bool assign);
int glue_vector_init(struct glue_machine *m, struct glue_vector *v);
void glue_vector_fini(struct glue_machine *m, struct glue_vector *v);
int glue_vector_open(struct glue_machine *m, struct glue_vector *v);
void glue_vector_shut(struct glue_machine *m, struct glue_vector *v);
bool glue_vector_pending(const struct glue_vector *v);

/* doorbell.c */
int glue_doorbell(struct glue_machine *m, uint64_t address, uint32_t width, bool pio, int fd,
		  bool assign);

/* vfio.c */
void glue_vfio_add(struct glue_machine *m, int file);
void glue_vfio_del(struct glue_machine *m, int file);

#endif
