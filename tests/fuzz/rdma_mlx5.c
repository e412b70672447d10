// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Control requests of a hostile guest on mlx5, whose queues are the guest's memory. The HCA insists
 * that its driver is given only doorbell pages that it gave out, and reads all of each queue.
 */
#include "rdma_control.h"

#include "../mock_mlx5.h" /* headers of the C library come before those of the kernel */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mock.driver = &mock_mlx5_driver;
	fuzz_control("mock0,all-ram,qps=8,cqs=8,mrs=8,pds=8,mws=8,srqs=8,"
		     "ahs=8,xrcds=4,ucontexts=4,mcasts=8,ids=8,shm=128K,pinned=256K",
		     false, data, size);
	return 0;
}
