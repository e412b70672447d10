// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Interrupts of a device by eventfd: VFIO_DEVICE_SET_IRQS of linux/vfio.h, with
 * as many vectors as there are in each call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/pci.h>

#include "internal.h"

static const char *const type_names[IRQ_TYPES] = {
	[VFIO_PCI_INTX_IRQ_INDEX] = "INTx",
	[VFIO_PCI_MSI_IRQ_INDEX] = "MSI",
	[VFIO_PCI_MSIX_IRQ_INDEX] = "MSI-X",
};

/* One VFIO_DEVICE_SET_IRQS. Returns the ioctl's result, with errno. */
int irqs_set(struct bypass_vfio *device, uint32_t flags, unsigned int index, unsigned int start,
	     unsigned int count, const int *fds)
{
	size_t data = fds ? count * sizeof(*fds) : 0;
	struct vfio_irq_set *set;
	int result, err;

	set = malloc(sizeof(*set) + data);
	if (!set) {
		errno = ENOMEM;
		return -1;
	}
	set->argsz = sizeof(*set) + data;
	set->flags = flags | (fds ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = index;
	set->start = start;
	set->count = count;
	if (fds)
		memcpy(set->data, fds, data);
	result = ioctl(device->iommu_device.fd, VFIO_DEVICE_SET_IRQS, set);
	err = errno;
	free(set);
	errno = err;
	return result;
}

int irqs_read(struct bypass_vfio *device)
{
	struct bypass_vfio_irq *irq;

	for (unsigned int i = 0; i < IRQ_TYPES; i++) {
		struct vfio_irq_info info = {.argsz = sizeof(info), .index = i};

		if (ioctl(device->iommu_device.fd, VFIO_DEVICE_GET_IRQ_INFO, &info))
			return bypass_fail(errno, "VFIO does not describe %s of %s: %s",
					   type_names[i], device->address, strerror(errno));
		irq = &device->irqs.info[i];
		irq->count = info.flags & VFIO_IRQ_INFO_EVENTFD ? info.count : 0;
		irq->maskable = info.flags & VFIO_IRQ_INFO_MASKABLE;
		irq->automasked = info.flags & VFIO_IRQ_INFO_AUTOMASKED;
		irq->resizable = !(info.flags & VFIO_IRQ_INFO_NORESIZE);
	}
	return 0;
}

void irqs_free(struct bypass_vfio *device)
{
	free(device->irqs.fds);
}

struct bypass_vfio_irq bypass_vfio_irq(const struct bypass_vfio *device, unsigned int index)
{
	return index < IRQ_TYPES ? device->irqs.info[index] : (struct bypass_vfio_irq){0};
}

static void forget(struct vfio_irqs *irqs)
{
	irqs->on = IRQ_NONE;
	irqs->enabled = 0;
	irqs->resample = -1;
	free(irqs->fds);
	irqs->fds = NULL;
}

int irqs_off(struct bypass_vfio *device)
{
	struct vfio_irqs *irqs = &device->irqs;
	uint64_t raised;

	if (irqs->on == IRQ_NONE) {
		irqs->resample = -1;
		return 0;
	}
	/* The kernel frees the interrupts, and their counts are lost. */
	raised = bypass_vfio_irq_raised(device);
	if (irqs_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, irqs->on, 0, 0, NULL) < 0)
		return bypass_fail(errno, "cannot turn %s of %s off: %s", type_names[irqs->on],
				   device->address, strerror(errno));
	irqs->raised = raised;
	forget(irqs);
	return 0;
}

static int fail_connect(const struct bypass_vfio *device, unsigned int index, unsigned int count,
			int result)
{
	int err = errno;

	/* A positive result is the number of vectors that the host could give. */
	if (result > 0)
		return bypass_fail(ENOSPC,
				   "the host has only %d of the %u %s vectors that %s needs. Set "
				   "fewer queues in the options of the guest's driver",
				   result, count, type_names[index], device->address);
	if (err == ENOSPC)
		return bypass_fail(err,
				   "the host does not have the %u interrupt vectors that %s of %s "
				   "needs: other devices use them",
				   count, type_names[index], device->address);
	return bypass_fail(err, "cannot connect %u vectors of %s of %s: %s", count,
			   type_names[index], device->address, strerror(err));
}

/* The kernel's count of the interrupts that type @index has now. */
static uint64_t count_now(const struct bypass_vfio *device, int index)
{
	return bypass_function_interrupts(device->address, index == VFIO_PCI_INTX_IRQ_INDEX);
}

/* Turns a type on with its vectors up to @count. The kernel decides whether INTx begins masked. */
static int turn_on(struct bypass_vfio *device, unsigned int index, unsigned int count,
		   const int *fds)
{
	struct vfio_irqs *irqs = &device->irqs;
	int result;

	irqs->raised_before = count_now(device, index);
	result = irqs_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, count, fds);
	if (result)
		return fail_connect(device, index, count, result);
	irqs->on = index;
	irqs->enabled = count;
	return 0;
}

/* The first connection of a type. Vectors before @start exist, without an eventfd. */
static int start_type(struct bypass_vfio *device, unsigned int index, unsigned int start,
		      unsigned int count, const int *fds)
{
	struct vfio_irqs *irqs = &device->irqs;
	unsigned int all = irqs->info[index].count;
	int resample = irqs->resample, err;

	irqs->fds = malloc(all * sizeof(*fds));
	if (!irqs->fds)
		return bypass_fail(ENOMEM, "no memory for %u vectors", all);
	memset(irqs->fds, 0xff, all * sizeof(*fds));
	memcpy(irqs->fds + start, fds, count * sizeof(*fds));
	err = turn_on(device, index, start + count, irqs->fds);
	if (err)
		goto forget;
	if (index == VFIO_PCI_INTX_IRQ_INDEX && resample >= 0) {
		err = bypass_vfio_irq_resample(device, resample);
		if (err)
			goto off;
	}
	return 0;
off:
	irqs_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 0, NULL);
forget:
	forget(irqs);
	irqs->resample = resample;
	return err;
}

/*
 * More vectors than the type was turned on with, on a kernel that cannot add vectors: the
 * type is turned off, and on again with all vectors. An interrupt that the device raises in
 * between is lost, and a driver that waits for this interrupt hangs. So each vector that was
 * connected is signalled once: a driver ignores an interrupt without a cause.
 */
static int restart_type(struct bypass_vfio *device, unsigned int start, unsigned int count,
			const int *fds)
{
	struct vfio_irqs *irqs = &device->irqs;
	unsigned int index = irqs->on, before = irqs->enabled;
	uint64_t raised = bypass_vfio_irq_raised(device);
	int err;

	if (irqs_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 0, NULL) < 0)
		return fail_connect(device, index, 0, -1);
	irqs->raised = raised;
	memcpy(irqs->fds + start, fds, count * sizeof(*fds));
	err = turn_on(device, index, start + count, irqs->fds);
	if (err) {
		/* Back to the vectors before: those must go on working. */
		memset(irqs->fds + start, 0xff, count * sizeof(*fds));
		if (irqs_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, before, irqs->fds)) {
			bypass_log(BYPASS_LOG_WARN,
				   "%s of %s is off: its vectors did not come back",
				   type_names[index], device->address);
			forget(irqs);
			return err;
		}
	}
	for (unsigned int i = 0; i < before; i++)
		if (irqs->fds[i] >= 0)
			bypass_vfio_irq_trigger(device, index, i, 1);
	return err;
}

int bypass_vfio_irq_connect(struct bypass_vfio *device, unsigned int index, unsigned int start,
			    unsigned int count, const int *fds)
{
	struct vfio_irqs *irqs = &device->irqs;
	unsigned int all = bypass_vfio_irq(device, index).count;
	int result;

	if (!count && (irqs->on == IRQ_NONE || (unsigned int)irqs->on != index))
		return 0;
	if (!count)
		return irqs_off(device);
	if (start >= all || count > all - start)
		return bypass_fail(EINVAL, "%s has %u vectors of %s: there are no %u from %u on",
				   device->address, all,
				   index < IRQ_TYPES ? type_names[index] : "no such type", count,
				   start);
	if (irqs->on == IRQ_NONE)
		return start_type(device, index, start, count, fds);
	if ((unsigned int)irqs->on != index)
		return bypass_fail(EBUSY,
				   "%s of %s is to be turned on, but %s is on: only one can be",
				   type_names[index], device->address, type_names[irqs->on]);
	if (start + count > irqs->enabled && !irqs->info[index].resizable)
		return restart_type(device, start, count, fds);

	result = irqs_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, start, count, fds);
	if (result) {
		/* The kernel has disconnected all vectors of the call. */
		memset(irqs->fds + start, 0xff, count * sizeof(*fds));
		return fail_connect(device, index, count, result);
	}
	memcpy(irqs->fds + start, fds, count * sizeof(*fds));
	if (start + count > irqs->enabled)
		irqs->enabled = start + count;
	return 0;
}

int bypass_vfio_irq_mask(struct bypass_vfio *device, bool masked)
{
	uint32_t action = masked ? VFIO_IRQ_SET_ACTION_MASK : VFIO_IRQ_SET_ACTION_UNMASK;

	if (irqs_set(device, action, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, NULL) < 0)
		return bypass_fail(errno, "cannot %s INTx of %s: %s", masked ? "mask" : "unmask",
				   device->address,
				   device->irqs.on == VFIO_PCI_INTX_IRQ_INDEX ? strerror(errno)
									      : "it is not on");
	return 0;
}

int bypass_vfio_irq_resample(struct bypass_vfio *device, int fd)
{
	if (device->irqs.on == VFIO_PCI_INTX_IRQ_INDEX &&
	    irqs_set(device, VFIO_IRQ_SET_ACTION_UNMASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &fd) < 0)
		return bypass_fail(errno, "cannot unmask INTx of %s by eventfd %d: %s",
				   device->address, fd, strerror(errno));
	device->irqs.resample = fd;
	return 0;
}

int bypass_vfio_irq_trigger(struct bypass_vfio *device, unsigned int index, unsigned int start,
			    unsigned int count)
{
	if (irqs_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, start, count, NULL) < 0)
		return bypass_fail(errno, "cannot signal vectors %u to %u of %s: %s", start,
				   start + count - 1, device->address, strerror(errno));
	return 0;
}

uint64_t bypass_vfio_irq_raised(struct bypass_vfio *device)
{
	const struct vfio_irqs *irqs = &device->irqs;

	if (irqs->on == IRQ_NONE)
		return irqs->raised;
	return irqs->raised + count_now(device, irqs->on) - irqs->raised_before;
}
