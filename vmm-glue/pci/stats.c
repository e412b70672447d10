// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a slice costs, counted under the VM's lock where others may read.
 */
#include "internal.h"

void stats_refresh(struct function *fn)
{
	const struct bypass_slice_ops *ops = fn->slice->ops;

	__atomic_store_n(&fn->stats->interrupts, ops->interrupts(fn->slice), __ATOMIC_RELAXED);
	__atomic_store_n(&fn->stats->dma_bytes, ops->dma_bytes(fn->slice), __ATOMIC_RELAXED);
}
