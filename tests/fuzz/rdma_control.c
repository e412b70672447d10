// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Control requests of a hostile guest on rxe.
 */
#include "rdma_control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_control("mock0,trust-guest,all-ram,qps=8,cqs=8,mrs=8,pds=8,mws=8,srqs=8,"
		     "ahs=8,ucontexts=4,mcasts=8,ids=8,shm=128K,pinned=256K",
		     false, data, size);
	return 0;
}
