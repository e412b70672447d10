// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The MSI capability: one address for all vectors, and data whose low bits are the vector.
 */
#include <string.h>

#include "internal.h"

static uint16_t msi_flags(const struct function *fn)
{
	return register_get(fn, fn->msi + PCI_MSI_FLAGS, 2);
}

/* How many vectors the guest enables. It may ask for more than the capability offers. */
unsigned int msi_count(const struct function *fn)
{
	uint16_t flags = msi_flags(fn);
	unsigned int offered = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
	unsigned int asked = (flags & PCI_MSI_FLAGS_QSIZE) >> 4;

	return 1u << (asked < offered ? asked : offered);
}

bool msi_message(const struct function *fn, unsigned int i, uint64_t *address, uint32_t *data)
{
	uint16_t flags = msi_flags(fn);
	bool high = flags & PCI_MSI_FLAGS_64BIT;
	uint32_t masked = 0;

	*address = register_get(fn, fn->msi + PCI_MSI_ADDRESS_LO, 4);
	if (high)
		*address |= (uint64_t)register_get(fn, fn->msi + PCI_MSI_ADDRESS_HI, 4) << 32;
	*data = register_get(fn, fn->msi + (high ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 2);
	*data = (*data & ~(msi_count(fn) - 1)) | i;
	if (flags & PCI_MSI_FLAGS_MASKBIT)
		masked = register_get(fn, fn->msi + (high ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32), 4);
	return !(masked >> i & 1);
}

/* Write the pending bits into the guest's view of the capability. */
void msi_pending(struct function *fn)
{
	uint16_t flags = msi_flags(fn);
	uint32_t pending = 0;

	if (!(flags & PCI_MSI_FLAGS_MASKBIT))
		return;
	if (fn->irq.mode == BYPASS_IRQ_MSI)
		for (unsigned int i = 0; i < fn->irq.count; i++)
			if (glue_vector_pending(&fn->irq.vectors[i].glue))
				pending |= 1u << i;
	memcpy(fn->config + fn->msi +
		       (flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_PENDING_64 : PCI_MSI_PENDING_32),
	       &pending, 4);
}
