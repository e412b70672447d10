// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * All that a VMM does to have slices: open them, attach vmm-glue to the VM, tell vmm-glue of
 * the guest's RAM, plug the slices, pass on the guest's accesses, and hear the slices' events.
 * The rest of this program is an ordinary VMM. Another VMM takes over this file.
 */
#include <stdio.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/function.h>
#include <bypass/published.h>
#include <bypass/rdma.h>
#include <bypass/vfio-user.h>
#include <bypass/virtio-pci.h>

#include "internal.h"

/* vmm-glue takes memory slots from 0, because this VMM makes none itself. */
static int attach(struct vmm *vmm)
{
	struct bypass_vm_config config = {
		.first_slot = 0,
		.first_gsi = IOAPIC_PINS,
		.mmio32 = {MMIO32_BASE, MMIO32_SIZE},
		.mmio64 = vmm->mmio64,
		.pio = {PIO_BASE, PIO_SIZE},
	};
	const struct bypass_memory_range *range;
	unsigned int n;
	int ret;

	ret = bypass_vm_attach(vmm->vm_fd, &config, &vmm->slices.vm);
	if (ret)
		return ret;
	range = bypass_memory_ranges(vmm->memory, &n);
	for (unsigned int i = 0; i < n && !ret; i++)
		ret = bypass_vm_add_ram(vmm->slices.vm, &range[i], true);
	return ret;
}

/* The HCA's driver pins memory: such a slice needs no IOMMU. */
static int open_rdma(const char *text, struct bypass_virtio_device **dev,
		     struct bypass_slice **slice)
{
	int ret = bypass_rdma_slice_open(text, slice);

	if (!ret)
		*dev = bypass_virtio_pci_device(*slice);
	return ret;
}

static int open_function(struct slices *slices, const struct slice_option *opt,
			 struct bypass_slice **slice)
{
	int ret = slices->iommu ? 0 : bypass_iommu_new(&slices->iommu);

	if (!ret)
		ret = bypass_function_open(slices->iommu, opt->text, opt->token, slice);
	if (ret || !opt->rom)
		return ret;
	ret = bypass_function_rom(*slice, strcmp(opt->rom, "on") ? opt->rom : NULL);
	if (ret)
		bypass_slice_close(*slice);
	return ret;
}

/**
 * slices_open() - open what the user asked for
 * @slices: filled
 * @opt: the command line
 *
 * Slices are opened before the guest has memory: the addresses that their IOMMU reserves, and
 * the size of their BARs, decide where the memory can lie.
 *
 * Return: 0, or a negative errno with bypass_error(). Either way slices_destroy() undoes it.
 */
int slices_open(struct slices *slices, const struct options *opt)
{
	unsigned int i;
	int ret;

	slices->opt = opt->slices;
	for (i = 0; i < opt->n_slices; i++) {
		if (opt->slices[i].socket)
			ret = bypass_vfio_user_open(opt->slices[i].text, &slices->slice[i]);
		else if (opt->slices[i].rdma)
			ret = open_rdma(opt->slices[i].text, &slices->rdma[i], &slices->slice[i]);
		else
			ret = open_function(slices, &opt->slices[i], &slices->slice[i]);
		if (ret)
			return ret;
		slices->n++;
	}
	return 0;
}

static int plug(struct slices *slices, unsigned int i)
{
	return bypass_vm_plug(slices->vm, slices->slice[i], (i + 1) << 3, PCI_GSI(i + 1));
}

/**
 * slices_plug() - give the guest its slices
 * @vmm: the machine, with its VM, irqchip and memory; no vCPU runs yet
 *
 * They sit on the guest's bus 0 as devices 1, 2, …, in the order of the command line.
 *
 * Return: 0, or a negative errno with bypass_error(). Either way slices_destroy() undoes it.
 */
int slices_plug(struct vmm *vmm)
{
	struct slices *slices = &vmm->slices;
	int ret;

	ret = attach(vmm);
	if (ret || !slices->n)
		return ret;
	/* For `bypass top`. A user who may not write there has a VMM none the less. */
	bypass_vm_publish(slices->vm, NULL);
	for (unsigned int i = 0; i < slices->n && !ret; i++)
		ret = plug(slices, i);
	return ret;
}

/* Device 0 is ours: Linux wants to see a host bridge. Everything else in it reads 0. */
static void host_bridge(uint32_t offset, uint8_t *data, uint32_t size, bool write)
{
	static const uint8_t config[16] = {0x36, 0x1b, 0x08, 0x00, [11] = 0x06};

	for (uint32_t i = 0; i < size && !write; i++)
		data[i] = offset + i < sizeof(config) ? config[offset + i] : 0;
}

/* Config space of bus 0; where there is no device, reads give all ones. */
static void config_access(struct slices *slices, uint32_t devfn, uint32_t offset, void *data,
			  uint32_t size, bool write)
{
	if (devfn == 0)
		host_bridge(offset, data, size, write);
	else if (!bypass_vm_pci(slices->vm, devfn, offset, data, size, write) && !write)
		memset(data, 0xff, size);
}

/* KVM_EXIT_MMIO. Returns false when neither config space nor a BAR lies there. */
bool slices_mmio(struct slices *slices, uint64_t gpa, void *data, uint32_t size, bool write)
{
	uint64_t at = gpa - ECAM_BASE;

	if (gpa < ECAM_BASE || at >= ECAM_SIZE)
		return bypass_vm_mmio(slices->vm, gpa, data, size, write);
	/* An access that is wider than a register or crosses into the next one has no meaning. */
	if (size <= 4 && (at & 3) + size <= 4)
		config_access(slices, at >> 12, at & 0xfff, data, size, write);
	else if (!write)
		memset(data, 0xff, size);
	return true;
}

/* KVM_EXIT_IO, one access. Returns false when neither config space nor a BAR lies there. */
bool slices_pio(struct slices *slices, uint16_t port, void *data, uint32_t size, bool write)
{
	uint32_t address = slices->config_address;

	if (port == PORT_PCI_ADDR && size == 4) {
		if (write) {
			memcpy(&address, data, 4);
			slices->config_address = address;
		} else {
			memcpy(data, &address, 4);
		}
		return true;
	}
	if (port < PORT_PCI_DATA || port + size > PORT_PCI_DATA + 4)
		return bypass_vm_pio(slices->vm, port, data, size, write);
	/* Bit 31 enables; then bus, device and function, register. We have bus 0 alone. */
	if (address >> 31 && !(address >> 16 & 0xff))
		config_access(slices, address >> 8 & 0xff, (address & 0xfc) + port - PORT_PCI_DATA,
			      data, size, write);
	else if (!write)
		memset(data, 0xff, size);
	return true;
}

/* For the guest a surprise removal: all reads give ones from now on. */
static void take_out(struct slices *slices, unsigned int i)
{
	struct bypass_slice *slice = slices->slice[i];

	bypass_vm_unplug(slices->vm, slice);
	fprintf(stderr, "bypass-vmm: %s is given back; the guest has lost it\n", slice->name);
	bypass_slice_close(slice);
	slices->slice[i] = NULL;
	slices->rdma[i] = NULL;
}

/**
 * slices_seek() - look for servers that have gone
 * @slices: the slices; vCPUs may run
 *
 * A server that was started again has a new device: it is plugged where the old one was. The guest
 * finds it when its administrator has the bus scanned again.
 *
 * Return: whether there is one left to look for, after SEEK_MS.
 */
bool slices_seek(struct slices *slices)
{
	bool left = false;

	for (unsigned int i = 0; i < slices->n; i++) {
		if (slices->slice[i] || !slices->opt[i].socket)
			continue;
		if (bypass_vfio_user_open(slices->opt[i].text, &slices->slice[i])) {
			slices->slice[i] = NULL;
			left = true;
			continue;
		}
		if (plug(slices, i)) {
			fprintf(stderr, "bypass-vmm: %s\n", bypass_error());
			bypass_slice_close(slices->slice[i]);
			slices->slice[i] = NULL;
			left = true;
			continue;
		}
		fprintf(stderr,
			"bypass-vmm: %s is back: the guest finds it when it scans its bus\n",
			slices->slice[i]->name);
	}
	return left;
}

/**
 * slices_listen() - take the slices' events, and give back each slice that the host wants
 * @slices: the slices; vCPUs may run
 *
 * A dead RDMA slice stays: it tells its guest itself. Remarks are in the log already.
 */
void slices_listen(struct slices *slices)
{
	struct bypass_vm_event event;
	unsigned int i;

	while (bypass_vm_event(slices->vm, &event)) {
		if (event.what.kind == BYPASS_EVENT_REMARK)
			continue;
		fprintf(stderr, "bypass-vmm: %s\n", event.what.text);
		for (i = 0; slices->slice[i] != event.slice; i++)
			;
		if (event.what.kind == BYPASS_EVENT_UNPLUG || !slices->rdma[i])
			take_out(slices, i);
	}
}

/**
 * slices_reset() - the guest was reset
 * @slices: the slices; no vCPU runs
 *
 * A slice that cannot be reset is not fatal: vmm-glue has logged its name. The device does no
 * DMA until the guest's driver turns bus mastering on, and most drivers reset their device.
 */
void slices_reset(struct slices *slices)
{
	slices->config_address = 0;
	bypass_vm_reset(slices->vm);
}

/**
 * slices_destroy() - give everything back
 * @slices: as slices_open() and slices_plug() left it; no vCPU runs
 */
void slices_destroy(struct slices *slices)
{
	bypass_vm_detach(slices->vm);
	while (slices->n)
		bypass_slice_close(slices->slice[--slices->n]); /* or NULL */
	bypass_iommu_free(slices->iommu);
	slices->vm = NULL;
	slices->iommu = NULL;
}
