/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between the two modules: what bypass_rdma_cm uses of bypass_rdma.
 */
#ifndef BYPASS_CM_H
#define BYPASS_CM_H

#include <rdma/ib_verbs.h>

bool bypass_cm_offered(struct ib_device *ibdev);
int bypass_cm_execute(struct ib_device *ibdev, u32 number, const void *request, size_t request_size,
		      void *response, size_t response_size);
void bypass_cm_watch(struct ib_device *ibdev, void (*notify)(void *context), void *context);

#endif
