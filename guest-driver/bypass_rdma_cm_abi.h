/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The part of the guest ABI of an RDMA context slice that is about connections (rdma_cm): commands
 * on the slice's control queue, for a driver that negotiated BYPASS_RDMA_F_CM. The module
 * bypass_rdma_cm makes them of what librdmacm writes to the rdma_cm character device, and
 * libbypass/rdma/cm carries them out on that device of the host.
 *
 * An id is a handle of the slice's table of ids, as an object's handle is. Addresses are the host's
 * network addresses: a guest binds those alone that its GID table shows. Numbers are those of
 * rdma/rdma_user_cm.h (port spaces, options, events) and of Linux (address families, errors).
 *
 * Events are fetched: the device says BYPASS_RDMA_EVENT_CM on the event queue when an event has come,
 * and the driver sends BYPASS_RDMA_CM_GET_EVENT until the answer is NOT_FOUND. What was not fetched
 * stays with the host. An event of an id that was destroyed is not there any more.
 */
#ifndef BYPASS_RDMA_CM_ABI_H
#define BYPASS_RDMA_CM_ABI_H

#include "bypass_rdma_abi.h"

/* As in bypass_rdma_abi.h: request body, response body. */
enum bypass_rdma_cm_command {
	BYPASS_RDMA_CM_CREATE_ID = 80,	   /* bypass_rdma_cm_create_id, bypass_rdma_handle */
	BYPASS_RDMA_CM_DESTROY_ID = 81,	   /* bypass_rdma_handle, - */
	BYPASS_RDMA_CM_BIND = 82,	   /* bypass_rdma_cm_bind, - */
	BYPASS_RDMA_CM_RESOLVE_ADDR = 83,  /* bypass_rdma_cm_resolve_addr, - */
	BYPASS_RDMA_CM_RESOLVE_ROUTE = 84, /* bypass_rdma_cm_resolve_route, - */
	BYPASS_RDMA_CM_QUERY_ROUTE = 85,   /* bypass_rdma_handle, bypass_rdma_cm_route */
	BYPASS_RDMA_CM_LISTEN = 86,	   /* bypass_rdma_cm_listen, - */
	BYPASS_RDMA_CM_CONNECT = 87,	   /* bypass_rdma_cm_connect, - */
	BYPASS_RDMA_CM_ACCEPT = 88,	   /* bypass_rdma_cm_connect, - */
	BYPASS_RDMA_CM_REJECT = 89,	   /* bypass_rdma_cm_reject, - */
	BYPASS_RDMA_CM_DISCONNECT = 90,	   /* bypass_rdma_handle, - */
	BYPASS_RDMA_CM_INIT_QP_ATTR = 91,  /* bypass_rdma_cm_init_qp, bypass_rdma_modify_qp */
	BYPASS_RDMA_CM_NOTIFY = 92,	   /* bypass_rdma_cm_notify, - */
	BYPASS_RDMA_CM_SET_OPTION = 93,	   /* bypass_rdma_cm_option, - */
	BYPASS_RDMA_CM_GET_EVENT = 94,	   /* -, bypass_rdma_cm_event */
	BYPASS_RDMA_CM_JOIN = 95,	   /* bypass_rdma_cm_join, bypass_rdma_handle */
	BYPASS_RDMA_CM_LEAVE = 96,	   /* bypass_rdma_handle, -; of a group */
};

#define BYPASS_RDMA_CM_PRIVATE_MAX 256u
#define BYPASS_RDMA_CM_PATHS_MAX   2u

/* @ps: RDMA_PS_TCP (0x106) or RDMA_PS_UDP (0x111) */
struct bypass_rdma_cm_create_id {
	__le32 ps;
	__le32 reserved;
};

/*
 * struct bypass_rdma_cm_addr - an address and a port of the port space
 * @family: AF_INET (2) or AF_INET6 (10); 0 where an address may be left out: then all else is 0
 * @port: network byte order
 * @ip: an IPv4 address as IPv6 has it (::ffff:a.b.c.d); the unspecified address of either family is
 *	all zeroes after that prefix, or all zeroes
 */
struct bypass_rdma_cm_addr {
	__le16 family;
	__be16 port;
	__le32 reserved;
	__u8 ip[16];
};

/* @addr: one of the guest's, or the unspecified one: then the guest's first of the family */
struct bypass_rdma_cm_bind {
	__le32 id;
	__le32 reserved;
	struct bypass_rdma_cm_addr addr;
};

/* @src: as in BIND, or left out; does not count when the id is bound. The answer is an event. */
struct bypass_rdma_cm_resolve_addr {
	__le32 id;
	__le32 timeout_ms;
	struct bypass_rdma_cm_addr src;
	struct bypass_rdma_cm_addr dst;
};

/* The answer is an event. */
struct bypass_rdma_cm_resolve_route {
	__le32 id;
	__le32 timeout_ms;
};

/* struct bypass_rdma_cm_path - the fields of struct ib_user_path_rec, by the same names */
struct bypass_rdma_cm_path {
	__u8 dgid[16];
	__u8 sgid[16];
	__be16 dlid;
	__be16 slid;
	__le32 raw_traffic;
	__be32 flow_label;
	__le32 reversible;
	__le32 mtu;
	__be16 pkey;
	__u8 hop_limit;
	__u8 traffic_class;
	__u8 numb_path;
	__u8 sl;
	__u8 mtu_selector;
	__u8 rate_selector;
	__u8 rate;
	__u8 packet_life_time_selector;
	__u8 packet_life_time;
	__u8 preference;
};

/*
 * struct bypass_rdma_cm_route - what an id has found out so far
 * @bound: 1: the id belongs to the slice's device, on @port
 * @n_paths: valid entries of @paths. The GIDs of the first path are there without a path, too
 * @src: address of the id; family 0: none yet
 * @dst: likewise
 */
struct bypass_rdma_cm_route {
	__le32 bound;
	__le32 port;
	__le32 n_paths;
	__le32 reserved;
	struct bypass_rdma_cm_addr src;
	struct bypass_rdma_cm_addr dst;
	struct bypass_rdma_cm_path paths[BYPASS_RDMA_CM_PATHS_MAX];
};

/* @backlog: requests that may wait; 0 or more than the slice's quota: the quota */
struct bypass_rdma_cm_listen {
	__le32 id;
	__le32 backlog;
};

/*
 * struct bypass_rdma_cm_conn - the parameters of a connection, on the way out and in
 * @qpn: number of the sender's queue pair. To the slice: one of the guest's
 * @qkey: of UD
 * @private_data_len: valid bytes of @private_data. The wire has room for fewer than the array has
 */
struct bypass_rdma_cm_conn {
	__le32 qpn;
	__le32 qkey;
	__le32 ece_vendor;
	__le32 ece_attr_mod;
	__u8 srq;
	__u8 responder_resources;
	__u8 initiator_depth;
	__u8 flow_control;
	__u8 retry_count;
	__u8 rnr_retry_count;
	__u8 private_data_len;
	__u8 reserved;
	__u8 private_data[BYPASS_RDMA_CM_PRIVATE_MAX];
};

/* @valid: 1: with parameters. ACCEPT alone can be without: then @conn is not read */
struct bypass_rdma_cm_connect {
	__le32 id;
	__le32 valid;
	struct bypass_rdma_cm_conn conn;
};

/* @reason: 0, or a reason of IBTA that a consumer may give: 28, 35 */
struct bypass_rdma_cm_reject {
	__le32 id;
	__u8 reason;
	__u8 private_data_len;
	__u8 reserved[2];
	__u8 private_data[BYPASS_RDMA_CM_PRIVATE_MAX];
};

/* The answer has the mask and the attributes for a MODIFY_QP to that state; its handle is 0. */
struct bypass_rdma_cm_init_qp {
	__le32 id;
	__le32 qp_state; /* enum ib_qp_state */
};

/* @event: BYPASS_RDMA_EVENT_COMM_EST: data came before the peer's last message */
struct bypass_rdma_cm_notify {
	__le32 id;
	__le32 event;
};

/* @option: of level RDMA_OPTION_ID: TOS (0), REUSEADDR (1), AFONLY (2), ACK_TIMEOUT (3) */
struct bypass_rdma_cm_option {
	__le32 id;
	__le32 option;
	__le32 value;
	__le32 reserved;
};

/* @flags: 0 member, 1 only sends. The answer is a group, and an event when the group is joined. */
struct bypass_rdma_cm_join {
	__le32 id;
	__le32 flags;
	struct bypass_rdma_cm_addr addr;
};

enum bypass_rdma_cm_event_type { /* the numbers of rdma_cm */
				 BYPASS_RDMA_CM_ADDR_RESOLVED = 0,
				 BYPASS_RDMA_CM_ADDR_ERROR = 1,
				 BYPASS_RDMA_CM_ROUTE_RESOLVED = 2,
				 BYPASS_RDMA_CM_ROUTE_ERROR = 3,
				 BYPASS_RDMA_CM_CONNECT_REQUEST = 4,
				 BYPASS_RDMA_CM_DEVICE_REMOVAL = 11,
				 BYPASS_RDMA_CM_MULTICAST_JOIN = 12,
				 BYPASS_RDMA_CM_MULTICAST_ERROR = 13,
};

/*
 * struct bypass_rdma_cm_event - what has happened to an id
 * @type: an event of rdma_cm: those that are named above, and the others
 * @status: 0, a negative errno of Linux, or the reason of a rejection
 * @id: whose event. Of a connection request: the listening id
 * @other: of a connection request: the new id. Of a multicast event: the group. Else NONE
 * @conn: what the peer has sent
 * @ah: of UD: how the peer or the group is reached; is_global and port 0: not given
 */
struct bypass_rdma_cm_event {
	__le32 type;
	__le32 status;
	__le32 id;
	__le32 other;
	struct bypass_rdma_cm_conn conn;
	struct bypass_rdma_ah_attr ah;
};

BYPASS_RDMA_ASSERT_SIZE(cm_addr, 24);
BYPASS_RDMA_ASSERT_SIZE(cm_bind, 32);
BYPASS_RDMA_ASSERT_SIZE(cm_resolve_addr, 56);
BYPASS_RDMA_ASSERT_SIZE(cm_path, 64);
BYPASS_RDMA_ASSERT_SIZE(cm_route, 192);
BYPASS_RDMA_ASSERT_SIZE(cm_conn, 280);
BYPASS_RDMA_ASSERT_SIZE(cm_connect, 288);
BYPASS_RDMA_ASSERT_SIZE(cm_reject, 264);
BYPASS_RDMA_ASSERT_SIZE(cm_option, 16);
BYPASS_RDMA_ASSERT_SIZE(cm_join, 32);
BYPASS_RDMA_ASSERT_SIZE(cm_event, 328);

#endif
