// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Carries what the guest programmed over to KVM and to the slice. One type of interrupt is
 * enabled at a time. All routes stand in one table. Vectors are connected in as few calls
 * as possible.
 */
#include <errno.h>
#include <stdlib.h>

#include <bypass/error.h>

#include "internal.h"

/*
 * A message is a store to the address range of the local APICs. A message to any other
 * address would be a write to memory, and is not sent. KVM takes the high destination bits
 * from 63:40. One bit in 39:32 makes KVM refuse the whole table.
 */
static bool message_valid(uint64_t address)
{
	return (address & 0xfffff00000ull) == 0xfee00000ull;
}

static bool vector_message(struct function *fn, unsigned int i, uint64_t *address, uint32_t *data)
{
	bool open = fn->irq.mode == BYPASS_IRQ_MSIX ? msix_message(fn, i, address, data)
						    : msi_message(fn, i, address, data);

	if (open && !message_valid(*address)) {
		remark(fn, "the guest sends vector %u to %#llx, which is no local APIC", i,
		       (unsigned long long)*address);
		return false;
	}
	return open;
}

/* A vector that the guest opens gets an eventfd, a GSI and a route. A masked vector is shut. */
static bool vectors_route(struct function *fn, unsigned int first, unsigned int end)
{
	struct glue_machine *m = &fn->vm->machine;

	for (unsigned int i = first; i < end; i++) {
		struct glue_vector *v = &fn->irq.vectors[i].glue;
		uint64_t address;
		uint32_t data;

		if (!vector_message(fn, i, &address, &data)) {
			glue_vector_shut(m, v);
			continue;
		}
		if ((v->fd < 0 && glue_vector_init(m, v)) ||
		    glue_route_set(m, v->gsi, address, data))
			remark(fn, "vector %u is lost: %s", i, bypass_error());
	}
	if (!glue_routes_commit(m))
		return true;
	remark(fn, "interrupts are lost: %s", bypass_error());
	return false;
}

static void vectors_open(struct function *fn, unsigned int first, unsigned int end)
{
	for (unsigned int i = first; i < end; i++) {
		struct glue_vector *v = &fn->irq.vectors[i].glue;
		uint64_t address;
		uint32_t data;

		if (v->fd >= 0 && vector_message(fn, i, &address, &data) &&
		    glue_vector_open(&fn->vm->machine, v))
			remark(fn, "vector %u is lost: %s", i, bypass_error());
	}
}

/* Connect the vectors of [@first, @end) that the slice does not have yet, one call a run. */
static void vectors_connect(struct function *fn, unsigned int first, unsigned int end)
{
	struct bypass_slice *slice = fn->slice;
	int fds[64];

	while (first < end) {
		struct vector *v = &fn->irq.vectors[first];
		unsigned int n = 0;

		while (n < 64 && first + n < end && v[n].glue.fd >= 0 && !v[n].connected) {
			fds[n] = v[n].glue.fd;
			n++;
		}
		if (!n) {
			first++;
			continue;
		}
		if (slice->ops->vectors(slice, fn->irq.mode, first, n, fds))
			remark(fn, "vectors %u to %u are lost: %s", first, first + n - 1,
			       bypass_error());
		else
			for (unsigned int i = 0; i < n; i++)
				v[i].connected = true;
		first += n;
	}
}

/*
 * Enable the type at the slice with all its vectors. Vectors without an eventfd are -1.
 *
 * Vectors are not connected one by one as the guest unmasks them. Some kernels cannot add
 * vectors to an enabled MSI-X: they disable and enable MSI-X for each vector, and interrupts
 * of a running device are lost. MSI-X is not enabled later, at the first unmasking: the firmware
 * of some devices looks at the enable bit.
 *
 * The host may have fewer interrupts left than the device has vectors. Fewer are enough
 * when they cover the vectors in use.
 */
static int vectors_enable(struct function *fn)
{
	struct bypass_slice *slice = fn->slice;
	struct interrupts *irq = &fn->irq;
	unsigned int n = irq->count, used = 1;
	int *fds = malloc(n * sizeof(*fds));
	int err;

	if (!fds)
		return bypass_fail(ENOMEM, "no memory for %u vectors", n);
	for (unsigned int i = 0; i < n; i++) {
		fds[i] = irq->vectors[i].glue.fd;
		used = fds[i] >= 0 ? i + 1 : used;
	}
	while ((err = slice->ops->vectors(slice, irq->mode, 0, n, fds)) && n > used)
		n = n / 2 > used ? n / 2 : used;
	for (unsigned int i = 0; i < n && !err; i++)
		irq->vectors[i].connected = fds[i] >= 0;
	free(fds);
	return err;
}

static void vectors_free(struct function *fn)
{
	struct interrupts *irq = &fn->irq;

	for (unsigned int i = 0; i < irq->count; i++)
		glue_vector_fini(&fn->vm->machine, &irq->vectors[i].glue);
	glue_routes_commit(&fn->vm->machine);
	free(irq->vectors);
	irq->vectors = NULL;
	irq->count = 0;
}

static int vectors_start(struct function *fn, unsigned int count)
{
	struct interrupts *irq = &fn->irq;
	int err;

	irq->vectors = calloc(count, sizeof(*irq->vectors));
	if (!irq->vectors)
		return bypass_fail(ENOMEM, "no memory for %u vectors", count);
	irq->count = count;
	for (unsigned int i = 0; i < count; i++)
		irq->vectors[i].glue.fd = -1;
	vectors_route(fn, 0, count);
	err = vectors_enable(fn);
	if (err)
		vectors_free(fn);
	else
		vectors_open(fn, 0, count);
	return err;
}

void irq_stop(struct function *fn)
{
	struct interrupts *irq = &fn->irq;

	if (irq->mode == BYPASS_IRQ_INTX) {
		intx_stop(fn);
	} else if (irq->mode != BYPASS_IRQS) {
		fn->slice->ops->vectors(fn->slice, irq->mode, 0, 0, NULL);
		vectors_free(fn);
	}
	irq->mode = BYPASS_IRQS;
}

static void irq_start(struct function *fn, enum bypass_irq mode)
{
	static const char *const names[] = {"INTx", "MSI", "MSI-X"};
	int err = 0;

	fn->irq.mode = mode;
	switch (mode) {
	case BYPASS_IRQ_INTX:
		err = intx_start(fn);
		break;
	case BYPASS_IRQ_MSI:
		err = vectors_start(fn, msi_count(fn));
		break;
	case BYPASS_IRQ_MSIX:
		err = vectors_start(fn, fn->msix.count);
		break;
	case BYPASS_IRQS:
		break;
	}
	if (!err)
		return;
	fn->irq.mode = BYPASS_IRQS;
	remark(fn, "%s cannot be enabled: %s", names[mode], bypass_error());
}

/* A guest may enable several types at once. As on a device MSI-X wins, then MSI. */
static enum bypass_irq irq_wanted(const struct function *fn)
{
	if (fn->msix_cap &&
	    register_get(fn, fn->msix_cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE)
		return BYPASS_IRQ_MSIX;
	if (fn->msi && register_get(fn, fn->msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE)
		return BYPASS_IRQ_MSI;
	return register_get(fn, PCI_INTERRUPT_PIN, 1) ? BYPASS_IRQ_INTX : BYPASS_IRQS;
}

/* The guest has changed these vectors, of the type that is enabled. */
void irq_vector_update(struct function *fn, unsigned int first, unsigned int end)
{
	if (!vectors_route(fn, first, end))
		return;
	vectors_connect(fn, first, end);
	vectors_open(fn, first, end);
}

/* The guest has written registers that decide on interrupts. */
void irq_update(struct function *fn)
{
	enum bypass_irq mode = irq_wanted(fn);

	if (mode != fn->irq.mode || (mode == BYPASS_IRQ_MSI && fn->irq.count != msi_count(fn))) {
		irq_stop(fn);
		irq_start(fn, mode);
	} else if (mode == BYPASS_IRQ_INTX) {
		intx_update(fn);
	} else if (mode != BYPASS_IRQS) {
		irq_vector_update(fn, 0, fn->irq.count);
	}
}
