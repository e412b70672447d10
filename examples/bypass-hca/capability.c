// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the model says that it can do. A capability bit that is not here is 0, and the driver does
 * without.
 */
#include "hca.h"
#include "layout.h"

#define CAP_GENERAL   0
#define CAP_ATOMIC    3
#define RESERVED_LKEY 0x100

#define LOG_MAX_QP   FIELD(155, 5)
#define LOG_MAX_SRQ  FIELD(171, 5)
#define LOG_MAX_CQ   FIELD(219, 5)
#define LOG_MAX_MKEY FIELD(234, 6)
#define LOG_MAX_PD   FIELD(811, 5)

/* Bits of struct mlx5_ifc_cmd_hca_cap_bits */
static const struct {
	uint32_t field;
	uint32_t value;
} general[] = {
	{FIELD(48, 16), 1},		     /* vhca_id */
	{FIELD(128, 8), HCA_LOG_QUEUE},	     /* log_max_srq_sz */
	{FIELD(136, 8), HCA_LOG_QUEUE},	     /* log_max_qp_sz */
	{FIELD(200, 8), HCA_LOG_CQ_ENTRIES}, /* log_max_cq_sz */
	{FIELD(224, 8), HCA_LOG_CQ_ENTRIES}, /* log_max_eq_sz */
	{FIELD(252, 4), HCA_LOG_EQS},	     /* log_max_eq */
	{FIELD(256, 8), 4},		     /* max_indirection */
	{FIELD(265, 7), 64},		     /* log_max_mrw_sz */
	{FIELD(280, 1), 1},		     /* umr_extended_translation_offset */
	{FIELD(282, 6), 10},		     /* log_max_klm_list_size: HCA_KLMS */
	{FIELD(330, 6), 4},		     /* log_max_ra_req_qp */
	{FIELD(346, 6), 4},		     /* log_max_ra_res_qp */
	{FIELD(385, 1), 1},		     /* vport_counters: else all goes by MADs */
	{FIELD(418, 1), 1},		     /* ib_virt: else all goes by MADs */
	{FIELD(427, 5), 16},		     /* local_ca_ack_delay */
	{FIELD(440, 8), 1},		     /* num_ports */
	{FIELD(451, 5), HCA_LOG_MESSAGE},    /* log_max_msg */
	{FIELD(512, 1), 1},		     /* compact_address_vector */
	{FIELD(527, 1), 1},		     /* drain_sigerr */
	{FIELD(542, 1), 1},		     /* atomic */
	{FIELD(544, 1), 1},		     /* cq_oi */
	{FIELD(545, 1), 1},		     /* cq_resize */
	{FIELD(551, 1), 1},		     /* pg: dma-bufs; no transport takes page faults */
	{FIELD(561, 1), 1},		     /* imaicl: memory windows */
	{FIELD(572, 1), 1},		     /* xrc: mlx5_ib does not load without */
	{FIELD(573, 1), 1},		     /* ud */
	{FIELD(574, 1), 1},		     /* uc */
	{FIELD(575, 1), 1},		     /* rc */
	{FIELD(600, 8), 12},		     /* log_pg_sz */
	{FIELD(619, 5), 9},		     /* log_bf_reg_size */
	{FIELD(656, 16), HCA_SQ_ENTRY},	     /* max_wqe_sz_sq */
	{FIELD(688, 16), HCA_RQ_ENTRY},	     /* max_wqe_sz_rq */
	{FIELD(720, 16), HCA_RQ_ENTRY},	     /* max_wqe_sz_sq_dc */
	{FIELD(743, 25), 64},		     /* max_qp_mcg */
	{FIELD(792, 8), 8},		     /* log_max_mcg */
	{FIELD(827, 5), HCA_LOG_XRCDS},	     /* log_max_xrcd */
	{FIELD(1216, 32), 1000},	     /* device_frequency_mhz */
	{FIELD(1248, 32), 1000000},	     /* device_frequency_khz */
	{FIELD(1312, 32), 1},		     /* num_of_uars_per_page */
};

/* The driver is told a power of two: the next one. */
static void limit(struct hca *hca, uint32_t field, uint32_t count)
{
	uint32_t log = 0;

	while (1u << log < count)
		log++;
	field_set(hca->capabilities, field, log);
}

void capabilities_power_on(struct hca *hca)
{
	memset(hca->capabilities, 0, sizeof(hca->capabilities));
	for (unsigned int i = 0; i < sizeof(general) / sizeof(*general); i++)
		field_set(hca->capabilities, general[i].field, general[i].value);
	limit(hca, LOG_MAX_QP, hca->subnet->limits.qps);
	limit(hca, LOG_MAX_SRQ, hca->subnet->limits.srqs);
	limit(hca, LOG_MAX_CQ, hca->subnet->limits.cqs);
	limit(hca, LOG_MAX_MKEY, hca->subnet->limits.mkeys);
	limit(hca, LOG_MAX_PD, hca->subnet->limits.pds);
}

/* The lowest bit of the modifier chooses between the most and the present: both are the same. */
enum status capability_query(struct hca *hca, const struct command *cmd)
{
	uint8_t *caps = cmd->out + CMD_CONTEXT;

	switch (cmd->modifier >> 1) {
	case CAP_GENERAL:
		memcpy(caps, hca->capabilities, sizeof(hca->capabilities));
		break;
	case CAP_ATOMIC: /* compare and swap, fetch and add, of 8 bytes in the host's order */
		field_set(caps, ATOMIC_MODE, 1);
		field_set(caps, ATOMIC_MODE_1, 1);
		field_set(caps, ATOMIC_OPERATION, 3);
		field_set(caps, ATOMIC_SIZE_QP, 8);
		break;
	}
	return STATUS_OK;
}

/* What the driver asks for is shown to the driver again, and changes nothing. */
enum status capability_set(struct hca *hca, const struct command *cmd)
{
	if (cmd->modifier >> 1 == CAP_GENERAL)
		memcpy(hca->capabilities, cmd->in + CMD_CONTEXT, sizeof(hca->capabilities));
	return STATUS_OK;
}

enum status issi_query(struct hca *hca, const struct command *cmd)
{
	(void)hca;
	field_set(cmd->out, ISSI_CURRENT, 1);
	field_set(cmd->out, ISSI_SUPPORTED, 1u << 1);
	return STATUS_OK;
}

enum status adapter_query(struct hca *hca, const struct command *cmd)
{
	uint8_t *adapter = cmd->out + CMD_CONTEXT;

	(void)hca;
	field_set(adapter, ADAPTER_IEEE_VENDOR, 0x2c9);
	field_set(adapter, ADAPTER_VSD_VENDOR, 0x15b3);
	memcpy(adapter + ADAPTER_PSID, "BYP0000000001", 13);
	return STATUS_OK;
}

/* The model wants no pages of the guest. Older drivers give none all the same. */
enum status pages_manage(struct hca *hca, const struct command *cmd)
{
	(void)hca;
	return field_get(cmd->in, PAGES_COUNT) ? STATUS_BAD_PARAMETER : STATUS_OK;
}

enum status special_query(struct hca *hca, const struct command *cmd)
{
	(void)hca;
	field_set(cmd->out, SPECIAL_LKEY, RESERVED_LKEY);
	return STATUS_OK;
}
