/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An entry of a completion queue: offsets in bytes, as struct mlx5_cqe64 and struct mlx5_err_cqe of
 * include/linux/mlx5/device.h have them.
 */
#ifndef HCA_COMPLETION_H
#define HCA_COMPLETION_H

#define CQE_REMOTE_LID 22
#define CQE_FLAGS_QPN  24 /* the sender's QP number; bit 28: the data begins with a GRH */
#define CQE_SRQN       32
#define CQE_IMMEDIATE  36
#define CQE_BYTES      44
#define CQE_TIME       48 /* of the port's clock; an error's syndrome lies in this place */
#define CQE_SYNDROME   55
#define CQE_QPN	       56 /* and the opcode of the request */
#define CQE_INDEX      60
#define CQE_HAS_GRH    (1u << 28)

enum cqe_opcode {
	CQE_REQUEST = 0,
	CQE_RECEIVE_WRITE_IMMEDIATE = 1,
	CQE_RECEIVE_SEND = 2,
	CQE_RECEIVE_SEND_IMMEDIATE = 3,
	CQE_RECEIVE_SEND_INVALIDATE = 4,
	CQE_RESIZE = 5,
	CQE_REQUEST_ERROR = 13,
	CQE_RECEIVE_ERROR = 14,
};

#endif
