// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * INTx: level triggered. The kernel masks the line at the device when it fires, KVM
 * raises the guest's pin, and when the guest has acknowledged, KVM lowers it and tells
 * the kernel to unmask: no exit on the way.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

static void fds_close(struct interrupts *irq)
{
	if (irq->trigger >= 0)
		close(irq->trigger);
	if (irq->resample >= 0)
		close(irq->resample);
	irq->trigger = irq->resample = -1;
}

int intx_start(struct function *fn)
{
	struct bypass_slice *slice = fn->slice;
	struct interrupts *irq = &fn->irq;
	int err;

	irq->open = false;
	irq->trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	irq->resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (irq->trigger < 0 || irq->resample < 0) {
		err = bypass_fail(errno, "no eventfd for INTx: %s", strerror(errno));
		goto close;
	}
	/* The kernel takes a resampler only when the line has its trigger. */
	err = slice->ops->vectors(slice, BYPASS_IRQ_INTX, 0, 1, &irq->trigger);
	if (err)
		goto close;
	err = slice->ops->resample(slice, irq->resample);
	if (err)
		goto trigger;
	intx_update(fn);
	return 0;

trigger:
	slice->ops->vectors(slice, BYPASS_IRQ_INTX, 0, 0, NULL);
close:
	fds_close(irq);
	return err;
}

/*
 * The guest disables INTx in its command register, or enables it: some drivers do so with
 * each interrupt. KVM alone is told: it lowers the pin with its last irqfd, and what fires
 * meanwhile waits in the eventfd. But an acknowledgement in between is lost with the irqfd,
 * so that the line may be masked at the device still: unmask it, and a device that has
 * more to say is heard again.
 */
void intx_update(struct function *fn)
{
	bool open = !(register_get(fn, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
	struct interrupts *irq = &fn->irq;

	if (open == irq->open)
		return;
	if (glue_irqfd(&fn->vm->machine, irq->trigger, fn->intx_gsi, irq->resample, open)) {
		remark(fn, "INTx is lost: %s", bypass_error());
		return;
	}
	irq->open = open;
	if (open)
		eventfd_write(irq->resample, 1);
}

void intx_stop(struct function *fn)
{
	struct bypass_slice *slice = fn->slice;

	slice->ops->resample(slice, -1);
	slice->ops->vectors(slice, BYPASS_IRQ_INTX, 0, 0, NULL);
	if (fn->irq.open)
		glue_irqfd(&fn->vm->machine, fn->irq.trigger, fn->intx_gsi, -1, false);
	fds_close(&fn->irq);
}
