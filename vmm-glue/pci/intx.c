// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * INTx is level triggered. When the line fires, the kernel masks the line at the device and
 * KVM raises the guest's pin. When the guest has acknowledged, KVM lowers the pin and signals
 * the kernel to unmask the line. No step causes an exit to user space.
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
 * The guest disables or enables INTx in its command register. Some drivers do so with each
 * interrupt, so only KVM is told. KVM lowers the pin with its last irqfd. An interrupt that
 * fires meanwhile waits in the eventfd. An acknowledgement meanwhile is lost with the irqfd,
 * and the line may still be masked at the device. So the line is unmasked when INTx is
 * enabled again; a device that still asserts the line then fires once more.
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
