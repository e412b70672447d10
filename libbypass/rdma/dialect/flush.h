/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RDMA FLUSH and ATOMIC WRITE of the InfiniBand specification 1.5. They came with Linux 6.2, so
 * that the system's headers may lack them. The numbers are those of rdma/ib_user_verbs.h,
 * rdma/ib_user_ioctl_verbs.h and rdma/rdma_user_rxe.h.
 */
#ifndef BYPASS_RDMA_DIALECT_FLUSH_H
#define BYPASS_RDMA_DIALECT_FLUSH_H

#include <stdint.h>

/* Capabilities of a device; only the extended query has bits above 31. */
#define RDMA_CAP_FLUSH_GLOBAL	  (1ull << 38)
#define RDMA_CAP_FLUSH_PERSISTENT (1ull << 39)
#define RDMA_CAP_ATOMIC_WRITE	  (1ull << 40)

/* Access flags of a region. */
#define RDMA_ACCESS_FLUSH_GLOBAL     (1u << 8)
#define RDMA_ACCESS_FLUSH_PERSISTENT (1u << 9)

/* Opcodes of work requests. */
#define RDMA_WR_FLUSH	     14
#define RDMA_WR_ATOMIC_WRITE 15

/* What rxe reads of a FLUSH, in the place of struct rxe_send_wr.wr. */
struct rxe_flush_wr {
	uint64_t remote_addr;
	uint32_t length;
	uint32_t rkey;
	uint8_t type;
	uint8_t level;
};

#endif
