// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a VMM calls: the VM, its RAM, and slices going in and out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/memory.h>

#include "internal.h"

/* A first_slot that the VMM uses itself would be found out by the first slice. */
static int slot_check(struct bypass_vm *vm)
{
	uint32_t slot;
	int err = glue_slot_take(&vm->machine, &slot);

	if (!err)
		glue_slot_give(&vm->machine, slot);
	return err;
}

int bypass_vm_attach(int vm_fd, const struct bypass_vm_config *config, struct bypass_vm **result)
{
	struct bypass_vm *vm;
	int err;

#ifndef __x86_64__
	return glue_host_unknown();
#endif
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return bypass_fail(ENOMEM, "no memory for a VM");
	pthread_mutex_init(&vm->lock, NULL);
	vm->config = *config;
	vm->config.routes = NULL;
	vm->memory = bypass_memory_new();
	if (!vm->memory) {
		err = bypass_fail(ENOMEM, "no memory for the guest's memory map");
		goto free;
	}
	err = space_init(vm);
	if (err)
		goto memory;
	err = stats_open(vm);
	if (err)
		goto space;
	err = vm_events_open(vm);
	if (err)
		goto stats;
	err = glue_machine_open(&vm->machine, vm_fd, config);
	if (err)
		goto events;
	err = slot_check(vm);
	if (err)
		goto machine;
	*result = vm;
	return 0;

machine:
	glue_machine_close(&vm->machine);
events:
	vm_events_close(vm);
stats:
	stats_close(vm);
space:
	free(vm->reserved);
memory:
	bypass_memory_free(vm->memory);
free:
	pthread_mutex_destroy(&vm->lock);
	free(vm);
	return err;
}

int bypass_vm_routes(struct bypass_vm *vm, const struct kvm_irq_routing_entry *routes,
		     unsigned int n_routes)
{
	int err;

	pthread_mutex_lock(&vm->lock);
	err = glue_routes_change(&vm->machine, routes, n_routes);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

static struct function *function_of(struct bypass_vm *vm, const struct bypass_slice *slice)
{
	for (unsigned int i = 0; i < vm->n_functions; i++)
		if (vm->functions[i]->slice == slice)
			return vm->functions[i];
	return NULL;
}

static struct function *function_at(struct bypass_vm *vm, uint8_t devfn)
{
	for (unsigned int i = 0; i < vm->n_functions; i++)
		if (vm->functions[i]->devfn == devfn)
			return vm->functions[i];
	return NULL;
}

/* A guest looks for functions 1 to 7 of a device only if function 0 says there are any. */
static void multi_function(struct bypass_vm *vm, uint8_t devfn)
{
	struct function *first = function_at(vm, devfn & ~7);
	uint8_t type = PCI_HEADER_TYPE_NORMAL;

	for (unsigned int i = 1; i < 8; i++)
		if (function_at(vm, (devfn & ~7) | i))
			type |= 0x80;
	if (first)
		first->config[PCI_HEADER_TYPE] = first->initial[PCI_HEADER_TYPE] = type;
}

/* Another function has the same VFIO group, which KVM knows once. */
static bool vfio_shared(struct bypass_vm *vm, const struct function *fn)
{
	for (unsigned int i = 0; i < vm->n_functions; i++)
		if (vm->functions[i] != fn && vm->functions[i]->slice->kvm_fd == fn->slice->kvm_fd)
			return true;
	return false;
}

static void unplug(struct bypass_vm *vm, struct function *fn)
{
	struct bypass_slice *slice = fn->slice;
	unsigned int i = 0;

	irq_stop(fn);
	memcpy(fn->config, fn->initial, CONFIG_SIZE);
	bars_update(vm);
	function_command(fn);
	slice->ops->set_memory(slice, NULL);
	if (slice->kvm_fd >= 0 && !vfio_shared(vm, fn))
		glue_vfio_del(&vm->machine, slice->kvm_fd);
	while (vm->functions[i] != fn)
		i++;
	memmove(&vm->functions[i], &vm->functions[i + 1],
		(--vm->n_functions - i) * sizeof(vm->functions[0]));
	multi_function(vm, fn->devfn);
	vm_events_remove(fn);
	stats_end(fn);
	function_free(fn);
}

void bypass_vm_detach(struct bypass_vm *vm)
{
	if (!vm)
		return;
	while (vm->n_functions)
		unplug(vm, vm->functions[vm->n_functions - 1]);
	while (vm->n_ram_slots)
		glue_slot_unmap(&vm->machine, vm->ram_slots[--vm->n_ram_slots]);
	free(vm->ram_slots);
	glue_machine_close(&vm->machine);
	vm_events_close(vm);
	stats_close(vm);
	free(vm->reserved);
	bypass_memory_free(vm->memory);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}

void bypass_vm_close(struct bypass_vm *vm)
{
	struct bypass_slice *slices[FUNCTIONS_MAX];
	unsigned int n = vm ? vm->n_functions : 0;

	for (unsigned int i = 0; i < n; i++)
		slices[i] = vm->functions[i]->slice;
	bypass_vm_detach(vm);
	while (n)
		bypass_slice_close(slices[--n]);
}

/* Set the memory map of the first @n slices. */
static int memory_set(struct bypass_vm *vm, unsigned int n, unsigned int *done)
{
	int err = 0;

	for (*done = 0; *done < n; ++*done) {
		struct bypass_slice *slice = vm->functions[*done]->slice;

		err = slice->ops->set_memory(slice, vm->memory);
		if (err)
			break;
	}
	return err;
}

static int ram_slot(struct bypass_vm *vm, const struct bypass_memory_range *range)
{
	uint32_t *slots = realloc(vm->ram_slots, (vm->n_ram_slots + 1) * sizeof(*slots));
	int err;

	if (!slots)
		return bypass_fail(ENOMEM, "no memory for the VM's book-keeping");
	vm->ram_slots = slots;
	err = glue_slot_take(&vm->machine, &slots[vm->n_ram_slots]);
	if (err)
		return err;
	err = glue_slot_map(&vm->machine, slots[vm->n_ram_slots], range->gpa, range->size,
			    range->hva);
	if (err)
		glue_slot_give(&vm->machine, slots[vm->n_ram_slots]);
	else
		vm->n_ram_slots++;
	return err;
}

int bypass_vm_add_ram(struct bypass_vm *vm, const struct bypass_memory_range *range, bool make_slot)
{
	unsigned int done;
	int err;

	pthread_mutex_lock(&vm->lock);
	err = space_ram_check(vm, range);
	if (!err)
		err = bypass_memory_add(vm->memory, range);
	if (err)
		goto unlock;
	err = memory_set(vm, vm->n_functions, &done);
	if (!err && make_slot)
		err = ram_slot(vm, range);
	if (err) {
		bypass_memory_remove(vm->memory, range->gpa);
		memory_set(vm, done, &done);
	}
	for (unsigned int i = 0; i < vm->n_functions; i++)
		stats_refresh(vm->functions[i]);
unlock:
	pthread_mutex_unlock(&vm->lock);
	return err;
}

/* Two slices of one function would fight over it. */
static struct function *twin_of(struct bypass_vm *vm, const struct bypass_slice *slice)
{
	for (unsigned int i = 0; i < vm->n_functions; i++)
		if (slice->kvm_fd >= 0 && vm->functions[i]->slice->kvm_fd >= 0 &&
		    !strcmp(vm->functions[i]->slice->name, slice->name))
			return vm->functions[i];
	return function_of(vm, slice);
}

static int plug_check(struct bypass_vm *vm, const struct bypass_slice *slice, uint8_t devfn,
		      int intx_gsi)
{
	struct function *other = function_at(vm, devfn);

	if (other)
		return bypass_fail(EEXIST, "%s cannot be plugged at %02x.%x: %s is there",
				   slice->name, devfn >> 3, devfn & 7, other->slice->name);
	other = twin_of(vm, slice);
	if (other)
		return bypass_fail(EEXIST, "%s is plugged already, at %02x.%x", slice->name,
				   other->devfn >> 3, other->devfn & 7);
	if (intx_gsi >= 0 && slice->vectors[BYPASS_IRQ_INTX] &&
	    !glue_gsi_is_pin(&vm->machine, intx_gsi))
		return bypass_fail(EINVAL,
				   "%s cannot have GSI %d for its INTx: %s. Give the GSI of an "
				   "IOAPIC's pin, or -1 for no INTx",
				   slice->name, intx_gsi,
				   (uint32_t)intx_gsi >= vm->config.first_gsi
					   ? "those from first_gsi up are vmm-glue's own"
					   : "the VMM's routes have no pin of an interrupt "
					     "controller for it");
	return 0;
}

static int plug(struct bypass_vm *vm, struct bypass_slice *slice, uint8_t devfn, int intx_gsi)
{
	struct function *fn;
	int err;

	if (intx_gsi >= 0 && slice->vectors[BYPASS_IRQ_INTX] && !vm->machine.resample) {
		bypass_log(BYPASS_LOG_INFO,
			   "%s has no INTx in the guest: this KVM and its irqchip "
			   "cannot resample",
			   slice->name);
		intx_gsi = -1;
	}
	err = plug_check(vm, slice, devfn, intx_gsi);
	if (!err)
		err = function_new(vm, slice, devfn, intx_gsi, &fn);
	if (err)
		return err;
	err = slice->ops->set_memory(slice, vm->memory);
	if (err)
		goto free;
	err = vm_events_add(fn);
	if (err)
		goto memory;
	if (slice->kvm_fd >= 0 && !vfio_shared(vm, fn))
		glue_vfio_add(&vm->machine, slice->kvm_fd);
	stats_begin(fn);
	stats_refresh(fn);
	vm->functions[vm->n_functions++] = fn;
	multi_function(vm, devfn);
	function_command(fn);
	irq_update(fn);
	return 0;

memory:
	slice->ops->set_memory(slice, NULL);
free:
	function_free(fn);
	return err;
}

int bypass_vm_plug(struct bypass_vm *vm, struct bypass_slice *slice, uint8_t devfn, int intx_gsi)
{
	int err;

	pthread_mutex_lock(&vm->lock);
	err = plug(vm, slice, devfn, intx_gsi);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

static int not_plugged(const struct bypass_slice *slice)
{
	return bypass_fail(ENOENT, "%s is not plugged into this VM", slice->name);
}

int bypass_vm_unplug(struct bypass_vm *vm, struct bypass_slice *slice)
{
	struct function *fn;

	pthread_mutex_lock(&vm->lock);
	fn = function_of(vm, slice);
	if (fn)
		unplug(vm, fn);
	pthread_mutex_unlock(&vm->lock);
	return fn ? 0 : not_plugged(slice);
}

int bypass_vm_reset(struct bypass_vm *vm)
{
	int first = 0;

	pthread_mutex_lock(&vm->lock);
	for (unsigned int i = 0; i < vm->n_functions; i++) {
		int err;

		vm->functions[i]->remarks = 0;
		err = function_reset(vm->functions[i]);
		first = first ? first : err;
	}
	pthread_mutex_unlock(&vm->lock);
	return first;
}

int bypass_vm_stats(struct bypass_vm *vm, struct bypass_slice *slice,
		    struct bypass_slice_stats *stats)
{
	struct function *fn;

	pthread_mutex_lock(&vm->lock);
	fn = function_of(vm, slice);
	if (fn) {
		stats_refresh(fn);
		*stats = *fn->stats;
	}
	pthread_mutex_unlock(&vm->lock);
	return fn ? 0 : not_plugged(slice);
}

struct bypass_slice *bypass_vm_slice(struct bypass_vm *vm, unsigned int i)
{
	struct bypass_slice *slice;

	pthread_mutex_lock(&vm->lock);
	slice = i < vm->n_functions ? vm->functions[i]->slice : NULL;
	pthread_mutex_unlock(&vm->lock);
	return slice;
}

bool bypass_vm_pci(struct bypass_vm *vm, uint8_t devfn, uint32_t offset, void *data, uint32_t size,
		   bool write)
{
	struct function *fn;

	pthread_mutex_lock(&vm->lock);
	fn = function_at(vm, devfn);
	if (fn && write) {
		count(&fn->stats->config_writes, 1);
		function_config_write(fn, offset, data, size);
	} else if (fn) {
		count(&fn->stats->config_reads, 1);
		function_config_read(fn, offset, data, size);
	}
	pthread_mutex_unlock(&vm->lock);
	return fn;
}

bool bypass_vm_mmio(struct bypass_vm *vm, uint64_t gpa, void *data, uint32_t size, bool write)
{
	struct function *fn;
	unsigned int bar;

	pthread_mutex_lock(&vm->lock);
	fn = bar_find(vm, gpa, false, &bar);
	if (fn) {
		count(write ? &fn->stats->mmio_writes : &fn->stats->mmio_reads, 1);
		bar_access(fn, bar, gpa - fn->bars[bar].at, data, size, write);
	} else if ((fn = rom_find(vm, gpa))) {
		count(write ? &fn->stats->mmio_writes : &fn->stats->mmio_reads, 1);
		rom_access(fn, gpa, data, size, write);
	}
	pthread_mutex_unlock(&vm->lock);
	return fn;
}

bool bypass_vm_pio(struct bypass_vm *vm, uint16_t port, void *data, uint32_t size, bool write)
{
	struct function *fn;
	unsigned int bar;

	pthread_mutex_lock(&vm->lock);
	fn = bar_find(vm, port, true, &bar);
	if (fn) {
		count(&fn->stats->pio, 1);
		bar_access(fn, bar, port - fn->bars[bar].at, data, size, write);
	}
	pthread_mutex_unlock(&vm->lock);
	return fn;
}
