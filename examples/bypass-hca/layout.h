/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the mlx5 drivers read and write, as numbers: where a field lies in a structure, in bits, the
 * highest bit of the first byte being bit 0. The numbers are those of Linux 6.12,
 * include/linux/mlx5/mlx5_ifc.h; queue entries and registers are those of device.h, qp.h and cq.h
 * in the same folder.
 */
#ifndef HCA_LAYOUT_H
#define HCA_LAYOUT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define FIELD(bit, width) ((bit) << 8 | (width))

/* Commands: input and output have the number of an object in the same place. */
#define CMD_OPCODE    FIELD(0, 16)
#define CMD_MODIFIER  FIELD(48, 16)
#define CMD_NUMBER    FIELD(72, 24)
#define CMD_EQN	      FIELD(88, 8)
#define CMD_STATUS    FIELD(0, 8)
#define CMD_SYNDROME  FIELD(32, 32)
#define CMD_INDEX     FIELD(112, 16) /* GID, P_Key, limit of an SRQ */
#define CMD_REGISTER  FIELD(80, 16)
#define CMD_OPTIONAL  FIELD(128, 32) /* modify QP: which optional fields are meant */
#define CMD_CONTEXT   16	     /* bytes; of EQ, CQ, mkey, XRC SRQ, and of most answers */
#define CMD_QPC	      24
#define CMD_RMPC      32
#define CMD_PAGES     272 /* page list of all but RMP */
#define CMD_EQ_EVENTS 88
#define CMD_OCTOWORDS FIELD(768, 32) /* create mkey: translations in the input */

#define ISSI_CURRENT   FIELD(80, 16)
#define ISSI_SUPPORTED FIELD(864, 32)
#define SPECIAL_LKEY   FIELD(96, 32)
#define PAGES_COUNT    FIELD(96, 32)
#define GIDS_NUM       FIELD(96, 16)
#define VPORT_STATES   FIELD(120, 8)

/* Counters of a port, in bytes: each has packets, then octets. Nothing is counted as Ethernet or as an error. */
#define COUNTERS_RECEIVED_UNICAST   48
#define COUNTERS_SENT_UNICAST	    64
#define COUNTERS_RECEIVED_MULTICAST 80
#define COUNTERS_SENT_MULTICAST	    96

/* The adapter, from CMD_CONTEXT */
#define ADAPTER_IEEE_VENDOR FIELD(200, 24)
#define ADAPTER_VSD_VENDOR  FIELD(240, 16)
#define ADAPTER_PSID	    30 /* bytes */

/* Atomic capabilities */
#define ATOMIC_MODE	 FIELD(64, 2)
#define ATOMIC_MODE_1	 FIELD(70, 1)
#define ATOMIC_OPERATION FIELD(144, 16)
#define ATOMIC_SIZE_QP	 FIELD(176, 16)

/* Event queue context */
#define EQC_PAGE_OFFSET FIELD(84, 6)
#define EQC_LOG_SIZE	FIELD(99, 5)
#define EQC_VECTOR	FIELD(180, 12)
#define EQC_LOG_PAGE	FIELD(195, 5)

/* Completion queue context */
#define CQC_STATUS	 FIELD(0, 4)
#define CQC_CQE_SIZE	 FIELD(8, 3)
#define CQC_IGNORE	 FIELD(14, 1) /* overrun is not looked for */
#define CQC_PAGE_OFFSET	 FIELD(84, 6)
#define CQC_LOG_SIZE	 FIELD(99, 5)
#define CQC_UAR		 FIELD(104, 24)
#define CQC_EQN		 FIELD(160, 32)
#define CQC_LOG_PAGE	 FIELD(195, 5)
#define CQC_CONSUMER	 FIELD(328, 24)
#define CQC_PRODUCER	 FIELD(360, 24)
#define CQC_RECORD	 FIELD(448, 64)
#define CQC_STATUS_ERROR 10

/* Memory key context */
#define MKC_FREE	  FIELD(1, 1)
#define MKC_MODE_HIGH	  FIELD(3, 3)
#define MKC_UMR		  FIELD(16, 1)
#define MKC_ATOMIC	  FIELD(17, 1)
#define MKC_REMOTE_WRITE  FIELD(18, 1)
#define MKC_REMOTE_READ	  FIELD(19, 1)
#define MKC_LOCAL_WRITE	  FIELD(20, 1)
#define MKC_LOCAL_READ	  FIELD(21, 1)
#define MKC_MODE	  FIELD(22, 2)
#define MKC_QPN		  FIELD(32, 24)
#define MKC_KEY		  FIELD(56, 8)
#define MKC_LENGTH64	  FIELD(96, 1)
#define MKC_INVALIDATABLE FIELD(103, 1)
#define MKC_PD		  FIELD(104, 24)
#define MKC_START	  FIELD(128, 64)
#define MKC_LENGTH	  FIELD(192, 64)
#define MKC_OCTOWORDS	  FIELD(416, 32)
#define MKC_LOG_PAGE	  FIELD(474, 6)
#define MKC_SIZE	  64

/* Work queue, in the context of an RMP */
#define RMPC_STATE     FIELD(8, 4)
#define RMPC_WQ	       48 /* bytes */
#define WQ_PAGE_OFFSET FIELD(43, 5)
#define WQ_LIMIT       FIELD(48, 16)
#define WQ_PD	       FIELD(72, 24)
#define WQ_RECORD      FIELD(128, 64)
#define WQ_LOG_STRIDE  FIELD(268, 4)
#define WQ_LOG_PAGE    FIELD(275, 5)
#define WQ_LOG_SIZE    FIELD(283, 5)
#define WQ_PAGES       192 /* bytes */

/* XRC SRQ context */
#define XSRQC_LOG_SIZE	  FIELD(4, 4)
#define XSRQC_LOG_STRIDE  FIELD(37, 3)
#define XSRQC_XRCD	  FIELD(40, 24)
#define XSRQC_PAGE_OFFSET FIELD(64, 6)
#define XSRQC_CQN	  FIELD(72, 24)
#define XSRQC_LOG_PAGE	  FIELD(130, 6)
#define XSRQC_PD	  FIELD(200, 24)
#define XSRQC_LIMIT	  FIELD(224, 16)
#define XSRQC_RECORD	  FIELD(320, 64)
#define XSRQC_SIZE	  64

/* Queue pair context */
#define QPC_STATE	  FIELD(0, 4)
#define QPC_TRANSPORT	  FIELD(8, 8)
#define QPC_PM_STATE	  FIELD(19, 2)
#define QPC_PD		  FIELD(40, 24)
#define QPC_MTU		  FIELD(64, 3)
#define QPC_LOG_MSG_MAX	  FIELD(67, 5)
#define QPC_LOG_RQ	  FIELD(73, 4)
#define QPC_LOG_RQ_STRIDE FIELD(77, 3)
#define QPC_NO_SQ	  FIELD(80, 1)
#define QPC_LOG_SQ	  FIELD(81, 4)
#define QPC_UAR		  FIELD(104, 24)
#define QPC_LOG_PAGE	  FIELD(163, 5)
#define QPC_REMOTE_QPN	  FIELD(168, 24)
#define QPC_PATH	  24 /* bytes */
#define QPC_PATH_SIZE	  44
#define QPC_PKEY_INDEX	  FIELD(208, 16)
#define QPC_GRH		  FIELD(232, 1)
#define QPC_REMOTE_LID	  FIELD(240, 16)
#define QPC_ACK_TIMEOUT	  FIELD(256, 5)
#define QPC_LOG_SRA_MAX	  FIELD(904, 3)
#define QPC_RETRY_COUNT	  FIELD(909, 3)
#define QPC_RNR_RETRY	  FIELD(912, 3)
#define QPC_FAST_REGISTER FIELD(916, 1)
#define QPC_SEND_PSN	  FIELD(968, 24)
#define QPC_SEND_CQ	  FIELD(1000, 24)
#define QPC_LOG_RRA_MAX	  FIELD(1160, 3)
#define QPC_ATOMIC_MODE	  FIELD(1164, 4)
#define QPC_REMOTE_READ	  FIELD(1168, 1)
#define QPC_REMOTE_WRITE  FIELD(1169, 1)
#define QPC_REMOTE_ATOMIC FIELD(1170, 1)
#define QPC_PAGE_OFFSET	  FIELD(1172, 6)
#define QPC_MIN_RNR	  FIELD(1187, 5)
#define QPC_RECEIVE_PSN	  FIELD(1192, 24)
#define QPC_XRCD	  FIELD(1224, 24)
#define QPC_RECEIVE_CQ	  FIELD(1256, 24)
#define QPC_RECORD	  FIELD(1280, 64)
#define QPC_QKEY	  FIELD(1344, 32)
#define QPC_RQ_TYPE	  FIELD(1381, 3)
#define QPC_SRQN	  FIELD(1384, 24)
#define QPC_SIZE	  232

/* Port: the context of the virtual port, and registers */
#define VPORT_PHYSICAL	     FIELD(272, 4)
#define VPORT_PORT_STATE     FIELD(280, 4)
#define VPORT_STATE	     FIELD(284, 4)
#define VPORT_SYSTEM_GUID    FIELD(320, 64)
#define VPORT_PORT_GUID	     FIELD(384, 64)
#define VPORT_NODE_GUID	     FIELD(448, 64)
#define VPORT_CAPABILITIES   FIELD(512, 32)
#define VPORT_LID	     FIELD(768, 16)
#define VPORT_SUBNET_TIMEOUT FIELD(795, 5)
#define VPORT_SM_LID	     FIELD(800, 16)
#define PTYS_PROTOCOL	     FIELD(29, 3)
#define PTYS_WIDTHS	     FIELD(128, 16)
#define PTYS_SPEEDS	     FIELD(144, 16)
#define PTYS_WIDTH	     FIELD(320, 16)
#define PTYS_SPEED	     FIELD(336, 16)
#define PMTU_MAX	     FIELD(32, 16)
#define PMTU_ADMIN	     FIELD(64, 16)
#define PMTU_OPERATIONAL     FIELD(96, 16)
#define PVLC_HARDWARE	     FIELD(60, 4)
#define PVLC_ADMIN	     FIELD(92, 4)
#define PVLC_OPERATIONAL     FIELD(124, 4)

static inline uint16_t get_be16(const void *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return be16toh(value);
}

static inline uint32_t get_be32(const void *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return be32toh(value);
}

static inline uint64_t get_be64(const void *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return be64toh(value);
}

static inline void put_be16(void *p, uint16_t value)
{
	value = htobe16(value);
	memcpy(p, &value, sizeof(value));
}

static inline void put_be32(void *p, uint32_t value)
{
	value = htobe32(value);
	memcpy(p, &value, sizeof(value));
}

static inline void put_be64(void *p, uint64_t value)
{
	value = htobe64(value);
	memcpy(p, &value, sizeof(value));
}

/* A field lies in one 32-bit word, or is two whole words. */
static inline uint64_t field_get(const void *base, uint32_t field)
{
	const uint8_t *word = (const uint8_t *)base + (field >> 13) * 4;
	uint32_t width = field & 0xff, bit = field >> 8 & 31;

	if (width == 64)
		return get_be64(word);
	return (uint64_t)get_be32(word) << (32 + bit) >> (64 - width);
}

static inline void field_set(void *base, uint32_t field, uint64_t value)
{
	uint8_t *word = (uint8_t *)base + (field >> 13) * 4;
	uint32_t width = field & 0xff, shift = 32 - width - (field >> 8 & 31), mask;

	if (width == 64) {
		put_be64(word, value);
		return;
	}
	mask = (uint32_t)((1ull << width) - 1) << shift;
	put_be32(word, (get_be32(word) & ~mask) | ((uint32_t)value << shift & mask));
}

#endif
