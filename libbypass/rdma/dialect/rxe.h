/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the rxe dialect share.
 */
#ifndef BYPASS_RDMA_DIALECT_RXE_H
#define BYPASS_RDMA_DIALECT_RXE_H

#include "dialect.h"

extern const struct rdma_guard rdma_rxe_guard;

#endif
