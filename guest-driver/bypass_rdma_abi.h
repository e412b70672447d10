/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guest ABI of an RDMA context slice: a virtio device whose driver is the
 * bypass_rdma module and whose device side is libbypass/rdma. Both include this file
 * and nothing else of each other; it compiles in the kernel and in user space.
 *
 * All fields are little-endian and naturally aligned; what is reserved is written 0,
 * and a device refuses a request where it is not. Sizes are asserted at the end.
 *
 * The device
 * ----------
 * Modern virtio only (VIRTIO_F_VERSION_1), device ID 42 by default; a VMM may choose
 * another (21, when it refuses an ID that it has no name for, as QEMU does), so a driver
 * binds to a list of IDs and believes only magic and major version in config space. Queues:
 *
 *	0		control: one chain a request, readable part = struct
 *			bypass_rdma_request and what follows it, writable part = struct
 *			bypass_rdma_response and what follows it. Executed in order.
 *	1		events: the driver posts writable buffers of one struct
 *			bypass_rdma_event each. While no buffer is there, the device keeps
 *			one event of each type for each object and port.
 *	2		doorbell: only ever notified, never filled. Present in number
 *			always; used when BYPASS_RDMA_F_DOORBELL was negotiated.
 *	3 + v		completion vector v: the driver posts writable buffers of one
 *			struct bypass_rdma_completion each. While no buffer is there, the
 *			device keeps one for each CQ.
 *
 * Shared memory region 0 has pages of the HCA (or of its driver's queues)
 * that user space of the guest maps. Its size is in config space too.
 *
 * What user space of the guest expects, and where it comes from
 * -------------------------------------------------------------
 * The module registers an ib_device with the *host's* driver_id and uverbs ABI
 * version, both in config space, so that the guest's own rdma-core provider drives
 * it. The provider's part of each verb (struct ib_udata) travels as an opaque blob,
 * the core's part as the structs below. The device parses and rewrites the blobs,
 * the module never looks inside; where a driver of the host returns something by a
 * pointer hidden in its input blob, bypass_rdma_response.udata_at says so.
 *
 * mmap: each response brings struct bypass_rdma_mmap entries. An entry ties an offset
 * that the provider will hand to mmap(2) to a place in the shared memory region. The
 * module keeps the entries (rdma_user_mmap_entry_insert_range() with @offset / PAGE_SIZE
 * as both ends). It maps them with rdma_user_mmap_io(), cached unless the flags say
 * otherwise (uncached would be correct, only slow). It drops its reference when the
 * object is destroyed, or its queue replaced by a resize. It sends
 * BYPASS_RDMA_RELEASE_MMAP from mmap_free(), when neither object nor mapping is left.
 * Until then the pages stay as they are, as with the driver of the host.
 *
 * Port: register it with InfiniBand protocol (RDMA_CORE_CAP_PROT_IB) and no MAD, SA,
 * CM or AF_IB capability. With RoCE flags the guest's core would want a network device
 * for GIDs and for resolving MAC addresses, which exist only in the host: there the
 * host's core resolves the address when the module passes on a modify to RTR or an
 * address handle. get_link_layer still reports what bypass_rdma_port.link_layer says
 * (Ethernet for RoCE), because perftest, UCX and the pingpongs decide by it that
 * a GRH and a GID index are needed. GID and P_Key indices count in the tables of
 * the slice, which have what the slice may use; the device translates them.
 * query_gid and query_pkey answer from a table that the module fetches whole
 * (QUERY_GIDS, QUERY_PKEYS) at probe and anew upon a BYPASS_RDMA_EVENT_GID_CHANGE or
 * _PKEY_CHANGE. The guest's own rdma_cm finds nothing on such a port; see
 * bypass_rdma_cm_abi.h.
 *
 * uverbs commands: ib_device.uverbs_cmd_mask needs POST_SEND and REQ_NOTIFY_CQ when
 * BYPASS_RDMA_F_DOORBELL is there: the provider's post_send ends in an empty POST_SEND,
 * which must become a kick, not a control command.
 *
 * Queues: where an HCA keeps the queues in its driver's memory, a process maps the queues as
 * above. With BYPASS_RDMA_F_QUEUE_MEMORY the queues and their doorbell records lie in the memory
 * of the process, and the provider's blob has their addresses. The module pins that memory and
 * names its pages in struct bypass_rdma_queue_memory. It has to know the blobs of such a driver
 * as far as addresses and lengths go: it refuses a device whose driver_id it does not know. The
 * process's doorbell page comes as the first struct bypass_rdma_mmap of ALLOC_UCONTEXT. A queue belongs
 * to a process then: its command names a ucontext. What ALLOC_UCONTEXT offers without
 * BYPASS_RDMA_MMAP_WRITE is the HCA's clock, the same for all processes. There a read may be an exit to
 * the VMM, and a write has no effect.
 *
 * Memory: registrations name guest-physical pages, no DMA addresses; register the
 * ib_device with no DMA device (virtual DMA), as software HCAs do.
 */
#ifndef BYPASS_RDMA_ABI_H
#define BYPASS_RDMA_ABI_H

#include <linux/types.h>

#define BYPASS_RDMA_VIRTIO_ID	    42 /* reserved for RDMA by virtio, not defined there */
#define BYPASS_RDMA_VIRTIO_ID_NAMED 21 /* likewise for signals; QEMU has a name for it */

#define BYPASS_RDMA_MAGIC 0x44525942 /* "BYRD" */
#define BYPASS_RDMA_MAJOR 1	     /* a driver refuses another major version … */
#define BYPASS_RDMA_MINOR 0	     /* … and ignores this one, which only feature bits follow */

/* Device-specific feature bits */
#define BYPASS_RDMA_F_DOORBELL 0 /* the HCA has no doorbell page: use the doorbell queue */
#define BYPASS_RDMA_F_ALL_RAM  1 /* BYPASS_RDMA_MR_ALL_RAM is allowed */
#define BYPASS_RDMA_F_QUEUE_MEMORY                                                                 \
	2 /* the HCA's queues lie in the memory of processes, doorbells in pages */
#define BYPASS_RDMA_F_CM       3 /* connections: the commands of bypass_rdma_cm_abi.h */
#define BYPASS_RDMA_F_XRC      4 /* extended reliable connections: XRC domains, SRQs and queue pairs */
#define BYPASS_RDMA_F_COUNTERS 5 /* QUERY_COUNTERS */
#define BYPASS_RDMA_F_CLOCK    6 /* completions have timestamps of the HCA's clock: QUERY_CLOCK */
#define BYPASS_RDMA_F_OWNER    7 /* SET_OWNER: a word says whether the device is served */

enum bypass_rdma_queue {
	BYPASS_RDMA_QUEUE_CONTROL = 0,
	BYPASS_RDMA_QUEUE_EVENT = 1,
	BYPASS_RDMA_QUEUE_DOORBELL = 2,
	BYPASS_RDMA_QUEUE_VECTOR = 3, /* the first of bypass_rdma_config.vectors */
};

#define BYPASS_RDMA_NONE 0xffffffffu /* in place of a handle or an offset: there is none */

/* Unit of registrations and of the shared memory region, whatever the guest's page size. */
#define BYPASS_RDMA_PAGE_SIZE 4096u

/* Longest readable and longest writable part of a control chain, and most entries of a kind. */
#define BYPASS_RDMA_REQUEST_MAX	 65536u
#define BYPASS_RDMA_RESPONSE_MAX 65536u
#define BYPASS_RDMA_UDATA_MAX	 4096u
#define BYPASS_RDMA_HIDDEN_ROOM	 64u
#define BYPASS_RDMA_MMAPS_MAX	 8u
#define BYPASS_RDMA_GIDS_MAX	 256u /* uverbs has eight bits for an index */
#define BYPASS_RDMA_PKEYS_MAX	 128u
#define BYPASS_RDMA_COUNTERS_MAX 64u

/*
 * struct bypass_rdma_config - device-specific configuration, read-only
 * @magic: BYPASS_RDMA_MAGIC
 * @major: BYPASS_RDMA_MAJOR
 * @minor: BYPASS_RDMA_MINOR
 * @driver_id: enum rdma_driver_id of the host's device
 * @uverbs_abi: its uverbs ABI version (ib_device_ops.uverbs_abi_ver)
 * @ports: number of physical ports, counted from 1
 * @vectors: completion vectors
 * @max_qp: QP handles are below this; the width of the doorbell's send bitmap
 * @max_cq: CQ handles are below this; the width of the arm bitmaps
 * @node_guid: EUI-64 as verbs have it: big-endian bytes
 * @sys_image_guid: likewise
 * @shm_size: bytes of shared memory region 0
 * @name: stem for the guest's device name, such as "rxe"; 0-terminated. Providers of
 *	old rdma-core versions are also matched by it
 */
struct bypass_rdma_config {
	__le32 magic;
	__le16 major;
	__le16 minor;
	__le32 driver_id;
	__le32 uverbs_abi;
	__le32 ports;
	__le32 vectors;
	__le32 max_qp;
	__le32 max_cq;
	__u8 node_guid[8];
	__u8 sys_image_guid[8];
	__le64 shm_size;
	__u8 name[16];
	__u8 reserved[24];
};

/*
 * Status of a request. X(name, errno, number): the module returns -errno; the device
 * turns what the host's kernel said into a number.
 *
 *	INVALID		an attribute is wrong, as the HCA or its driver sees it
 *	MALFORMED	the message is: unknown command, wrong length, reserved field
 *	HANDLE		a handle that the guest does not own
 *	QUOTA		a limit of the slice, as QUERY_DEVICE shows it, is reached
 *	MEMORY		the host cannot pin or map any more
 *	BUSY		other objects still use it
 *	UNSUPPORTED	the HCA, its driver or the slice cannot
 *	FAULT		a guest-physical address that is not RAM
 *	PERMISSION	not granted to this slice
 *	TOO_BIG		more runs in a registration than the host may map
 *	NO_SPACE	the shared memory region is full
 *	NO_DEVICE	the HCA was removed
 *	IN_USE		somebody else listens on the address and port
 *	NO_ADDRESS	an address that is none of the slice's
 *	NO_ROUTE	no way to a network …
 *	NO_HOST		… or to a host
 *	NO_CONNECTION	there is none, or it ended
 *	IO		everything else
 */
#define BYPASS_RDMA_STATUSES(X)                                                                    \
	X(INVALID, EINVAL, 1)                                                                      \
	X(MALFORMED, EPROTO, 2)                                                                    \
	X(HANDLE, EBADF, 3)                                                                        \
	X(QUOTA, EDQUOT, 4)                                                                        \
	X(MEMORY, ENOMEM, 5)                                                                       \
	X(BUSY, EBUSY, 6)                                                                          \
	X(UNSUPPORTED, EOPNOTSUPP, 7)                                                              \
	X(FAULT, EFAULT, 8)                                                                        \
	X(PERMISSION, EPERM, 9)                                                                    \
	X(TOO_BIG, E2BIG, 10)                                                                      \
	X(NO_SPACE, ENOSPC, 11)                                                                    \
	X(NO_DEVICE, ENODEV, 12)                                                                   \
	X(TIMED_OUT, ETIMEDOUT, 13)                                                                \
	X(NOT_FOUND, ENOENT, 14)                                                                   \
	X(IO, EIO, 15)                                                                             \
	X(IN_USE, EADDRINUSE, 16)                                                                  \
	X(NO_ADDRESS, EADDRNOTAVAIL, 17)                                                           \
	X(NO_ROUTE, ENETUNREACH, 18)                                                               \
	X(NO_HOST, EHOSTUNREACH, 19)                                                               \
	X(NO_CONNECTION, ENOTCONN, 20)

enum bypass_rdma_status {
	BYPASS_RDMA_OK = 0,
#define BYPASS_RDMA_STATUS_ENUM(name, err, number) BYPASS_RDMA_E_##name = number,
	BYPASS_RDMA_STATUSES(BYPASS_RDMA_STATUS_ENUM)
#undef BYPASS_RDMA_STATUS_ENUM
};

/*
 * Commands. Each line: request body, response body; "-" is none. Handles are indices
 * of the slice's tables, one table a kind of object, counted from 0, and mean nothing
 * outside it. lkeys, rkeys, QP numbers and GIDs are the HCA's own, as applications
 * exchange them.
 */
enum bypass_rdma_command {
	/* The device and its ports */
	BYPASS_RDMA_QUERY_DEVICE = 1,	/* -, bypass_rdma_device */
	BYPASS_RDMA_QUERY_PORT = 2,	/* bypass_rdma_port_query, bypass_rdma_port */
	BYPASS_RDMA_QUERY_GIDS = 3,	/* bypass_rdma_port_query, bypass_rdma_gids */
	BYPASS_RDMA_QUERY_PKEYS = 4,	/* bypass_rdma_port_query, bypass_rdma_pkeys */
	BYPASS_RDMA_SET_DOORBELL = 5,	/* bypass_rdma_set_doorbell, - */
	BYPASS_RDMA_QUERY_COUNTERS = 6, /* bypass_rdma_port_query, bypass_rdma_counters */
	BYPASS_RDMA_QUERY_CLOCK = 7,	/* -, bypass_rdma_clock */
	BYPASS_RDMA_SET_OWNER = 8,	/* bypass_rdma_set_owner, - */

	/* Contexts and their mappings */
	BYPASS_RDMA_ALLOC_UCONTEXT = 16,   /* -, bypass_rdma_handle */
	BYPASS_RDMA_DEALLOC_UCONTEXT = 17, /* bypass_rdma_handle, -; destroys all left in it */
	BYPASS_RDMA_RELEASE_MMAP = 18,	   /* bypass_rdma_release_mmap, - */

	/* Protection and memory */
	BYPASS_RDMA_ALLOC_PD = 32,   /* -, bypass_rdma_handle */
	BYPASS_RDMA_DEALLOC_PD = 33, /* bypass_rdma_handle, - */
	BYPASS_RDMA_REG_MR = 34,     /* bypass_rdma_reg_mr, bypass_rdma_mr */
	BYPASS_RDMA_REREG_MR = 35,   /* bypass_rdma_rereg_mr, bypass_rdma_mr */
	BYPASS_RDMA_DEREG_MR = 36,   /* bypass_rdma_handle, - */
	BYPASS_RDMA_ALLOC_MW = 37,   /* bypass_rdma_alloc_mw, bypass_rdma_mr (rkey) */
	BYPASS_RDMA_DEALLOC_MW = 38, /* bypass_rdma_handle, - */
	/* An XRC domain belongs to the guest's kernel: its processes share one by a file. */
	BYPASS_RDMA_ALLOC_XRCD = 39,   /* -, bypass_rdma_handle */
	BYPASS_RDMA_DEALLOC_XRCD = 40, /* bypass_rdma_handle, - */

	/* Queues */
	BYPASS_RDMA_CREATE_CQ = 48,   /* bypass_rdma_create_cq, bypass_rdma_cq */
	BYPASS_RDMA_RESIZE_CQ = 49,   /* bypass_rdma_resize_cq, bypass_rdma_cq */
	BYPASS_RDMA_DESTROY_CQ = 50,  /* bypass_rdma_handle, - */
	BYPASS_RDMA_CREATE_SRQ = 51,  /* bypass_rdma_create_srq, bypass_rdma_srq */
	BYPASS_RDMA_MODIFY_SRQ = 52,  /* bypass_rdma_modify_srq, - */
	BYPASS_RDMA_QUERY_SRQ = 53,   /* bypass_rdma_handle, bypass_rdma_srq */
	BYPASS_RDMA_DESTROY_SRQ = 54, /* bypass_rdma_handle, - */
	BYPASS_RDMA_CREATE_QP = 55,   /* bypass_rdma_create_qp, bypass_rdma_qp */
	BYPASS_RDMA_MODIFY_QP = 56,   /* bypass_rdma_modify_qp, - */
	BYPASS_RDMA_QUERY_QP = 57,    /* bypass_rdma_query_qp, bypass_rdma_qp_state */
	BYPASS_RDMA_DESTROY_QP = 58,  /* bypass_rdma_handle, - */
	BYPASS_RDMA_CREATE_XSRQ = 59, /* bypass_rdma_create_xsrq, bypass_rdma_xsrq */

	/* Addressing */
	BYPASS_RDMA_CREATE_AH = 64,    /* bypass_rdma_create_ah, bypass_rdma_handle */
	BYPASS_RDMA_DESTROY_AH = 65,   /* bypass_rdma_handle, - */
	BYPASS_RDMA_ATTACH_MCAST = 66, /* bypass_rdma_mcast, - */
	BYPASS_RDMA_DETACH_MCAST = 67, /* bypass_rdma_mcast, - */
};

/*
 * struct bypass_rdma_request - begins the readable part of a control chain
 * @command: enum bypass_rdma_command
 * @ucontext: the guest process that asks, from ALLOC_UCONTEXT; what is created belongs
 *	to it. BYPASS_RDMA_NONE: the guest's kernel itself
 * @udata_in: bytes of the provider's input blob
 * @udata_out: room for the provider's output blob: as much as the user's buffer has
 *
 * Followed without gaps by the command's body, udata_in bytes of blob, and nothing
 * else (REG_MR and REREG_MR: then the list of run pages; with BYPASS_RDMA_F_QUEUE_MEMORY
 * CREATE_CQ, RESIZE_CQ, CREATE_SRQ, CREATE_XSRQ and CREATE_QP: then struct bypass_rdma_queue_memory
 * and the list of run pages; not for an XRC target, which has no queue). Both blobs are at most
 * BYPASS_RDMA_UDATA_MAX long. A body is a multiple of 8 bytes; blobs are not.
 */
struct bypass_rdma_request {
	__le32 command;
	__le32 ucontext;
	__le32 udata_in;
	__le32 udata_out;
};

/*
 * struct bypass_rdma_response - begins the writable part
 * @status: enum bypass_rdma_status; unless OK, the other fields are 0 and nothing follows
 * @udata_out: bytes of the output blob
 * @udata_at: where the module copies the output blob. BYPASS_RDMA_NONE: to the user's
 *	output buffer (ib_copy_to_udata()), which has so much room. Else the driver of the
 *	host returns the blob through a pointer: this is the offset, in the *input* blob,
 *	of the 64-bit user-space address; the blob has at most BYPASS_RDMA_HIDDEN_ROOM bytes
 * @mmaps: number of struct bypass_rdma_mmap
 *
 * Followed without gaps by the response body, @mmaps entries, and the output blob. For
 * ALLOC_UCONTEXT, and for the commands that create, resize or modify queues other than
 * MODIFY_QP, the driver provides room for BYPASS_RDMA_MMAPS_MAX entries and for a blob of
 * BYPASS_RDMA_HIDDEN_ROOM bytes, should the user's buffer have less. A device fails a
 * request with too little room as MALFORMED, before it does anything.
 */
struct bypass_rdma_response {
	__le32 status;
	__le32 udata_out;
	__le32 udata_at;
	__le32 mmaps;
};

enum bypass_rdma_mmap_flags {
	BYPASS_RDMA_MMAP_WRITE = 1 << 0,
	/* How to map it. Without either bit: ordinary cached memory. */
	BYPASS_RDMA_MMAP_WC = 1 << 1,
	BYPASS_RDMA_MMAP_UC = 1 << 2,
};

/*
 * struct bypass_rdma_mmap - what a provider will ask mmap(2) for
 * @offset: the file offset that the provider passes, a multiple of the page size
 * @shm_offset: place in the shared memory region, likewise; in general not @offset
 * @size: bytes, likewise
 * @flags: enum bypass_rdma_mmap_flags
 */
struct bypass_rdma_mmap {
	__le64 offset;
	__le64 shm_offset;
	__le64 size;
	__le32 flags;
	__le32 reserved;
};

/* A response that is only a handle, and a request that is only one. */
struct bypass_rdma_handle {
	__le32 handle;
	__le32 reserved;
};

/* @shm_offset and @size as in one bypass_rdma_mmap; its object is already destroyed or resized. */
struct bypass_rdma_release_mmap {
	__le64 shm_offset;
	__le64 size;
};

/*
 * struct bypass_rdma_device - QUERY_DEVICE; verbs' device attributes
 *
 * The limits are the smaller of the HCA's and of the slice's quotas; max_mr_size is at
 * most the quota of pinned bytes. ram_page is more than BYPASS_RDMA_PAGE_SIZE where the host
 * has the guest's RAM in huge pages that it maps whole (hugetlb): of a region then all runs but
 * the first and the last must be whole such pages, the first must end with one, and the last
 * must begin with one; a single run may lie anywhere. With BYPASS_RDMA_F_QUEUE_MEMORY that holds
 * for queues; a host that gathers scattered regions in dma-bufs takes other regions too.
 * device_cap_flags has the bits of enum
 * ib_uverbs_device_cap_flags that also work through a slice; atomic_cap is enum
 * ib_atomic_cap. fw_ver is the provider's number (sub-fields of 16 bits).
 */
struct bypass_rdma_device {
	__le64 fw_ver;
	__le64 max_mr_size;
	__le64 page_size_cap;
	__le64 device_cap_flags;
	__le64 pinned_bytes; /* the slice's quota over all registrations */
	__le32 vendor_id;
	__le32 vendor_part_id;
	__le32 hw_ver;
	__le32 max_qp;
	__le32 max_qp_wr;
	__le32 max_send_sge;
	__le32 max_recv_sge;
	__le32 max_sge_rd;
	__le32 max_cq;
	__le32 max_cqe;
	__le32 max_mr;
	__le32 max_mw;
	__le32 max_pd;
	__le32 max_ah;
	__le32 max_srq;
	__le32 max_srq_wr;
	__le32 max_srq_sge;
	__le32 max_qp_rd_atom;
	__le32 max_res_rd_atom;
	__le32 max_qp_init_rd_atom;
	__le32 max_mcast_grp;
	__le32 max_mcast_qp_attach;
	__le32 max_total_mcast_qp_attach;
	__le32 atomic_cap;
	__le32 max_pkeys;
	__le32 local_ca_ack_delay;
	__le32 max_ucontext;
	__le32 ram_page;
};

/*
 * struct bypass_rdma_clock - QUERY_CLOCK
 * @timestamp_mask: bits that a completion's timestamp has; 0: there are none
 * @frequency: kHz
 */
struct bypass_rdma_clock {
	__le64 timestamp_mask;
	__le64 frequency;
};

struct bypass_rdma_port_query {
	__le32 port; /* counted from 1 */
	__le32 reserved;
};

/* struct bypass_rdma_port - QUERY_PORT; the numbers of verbs (enum ib_port_state, ib_mtu, …) */
struct bypass_rdma_port {
	__le32 port_cap_flags; /* bits of the IBA's PortInfo; no MAD services among them */
	__le32 max_msg_sz;
	__le32 bad_pkey_cntr;
	__le32 qkey_viol_cntr;
	__le32 gid_tbl_len;  /* at most BYPASS_RDMA_GIDS_MAX */
	__le32 pkey_tbl_len; /* at most BYPASS_RDMA_PKEYS_MAX */
	__le32 active_speed;
	__le32 lid;
	__le32 sm_lid;
	__u8 state;
	__u8 phys_state;
	__u8 max_mtu;
	__u8 active_mtu;
	__u8 lmc;
	__u8 max_vl_num;
	__u8 sm_sl;
	__u8 subnet_timeout;
	__u8 init_type_reply;
	__u8 active_width;
	__u8 link_layer; /* IB_LINK_LAYER_INFINIBAND 1, _ETHERNET 2: for get_link_layer */
	__u8 flags;
};

/* struct bypass_rdma_gids - QUERY_GIDS: the whole table; an unused entry is all zeroes */
struct bypass_rdma_gids {
	__le32 count; /* valid entries of the arrays: the port's gid_tbl_len */
	__le32 reserved;
	__u8 gid[BYPASS_RDMA_GIDS_MAX][16];
	__u8 type[BYPASS_RDMA_GIDS_MAX]; /* enum ib_uverbs_gid_type: 0 IB, 1 RoCE v1, 2 RoCE v2 */
};

struct bypass_rdma_pkeys {
	__le32 count;
	__le32 reserved;
	__le16 pkey[BYPASS_RDMA_PKEYS_MAX];
};

/* struct bypass_rdma_counter - @name: letters, digits and '_', 0-terminated; differs from all others */
struct bypass_rdma_counter {
	__u8 name[32];
	__le64 value;
};

/*
 * struct bypass_rdma_counters - QUERY_COUNTERS, BYPASS_RDMA_F_COUNTERS
 *
 * The names of a port and their order stay while the HCA's driver counts the same things: a driver compares names
 * before it takes a value. Counters whose names begin with "slice_" are the slice's own, and the same at each port.
 * Others are the HCA's: they count what everybody does with the HCA. Those that the host has in counters/ of sysfs
 * come last: a name can be in both folders.
 */
struct bypass_rdma_counters {
	__le32 count;
	__le32 port_count; /* of these, the last ones, in counters/ */
	struct bypass_rdma_counter counter[BYPASS_RDMA_COUNTERS_MAX];
};

/*
 * The doorbell area lies in guest memory: one run of @size bytes from @gpa on, 64-byte
 * aligned, told by SET_DOORBELL before the first QP is created. After the header come
 * three bitmaps of 64-bit words, in this order:
 *
 *	send		1 bit a QP handle: it has new send work
 *	arm		1 bit a CQ handle: notify of the next completion
 *	arm_solicited	1 bit a CQ handle: notify of the next solicited one
 *
 * post_send (in any context): set the QP's bit in send, full barrier, and unless
 * @awake is 1 notify the doorbell queue. The device clears a bit before it acts on it,
 * so a bit set again is acted on again. @awake is the device's to write: 1 while it
 * will look at all bitmaps once more before it sleeps; it writes 0, makes a full
 * barrier, and looks once more.
 *
 * req_notify_cq: one at a time for each CQ. Set the bit, notify by the same rule, and
 * wait until the device has cleared it, which it does *after* the CQ is armed: the
 * application may poll only then, or it would miss a completion. Give up with -EIO when
 * the device is broken or silent for seconds.
 */
struct bypass_rdma_doorbell {
	__le32 awake;
	__le32 reserved[15];
};

#define BYPASS_RDMA_BITMAP_BYTES(bits) ((((bits) + 63u) / 64u) * 8u)
#define BYPASS_RDMA_SEND_OFFSET	       64u
#define BYPASS_RDMA_ARM_OFFSET(max_qp) (BYPASS_RDMA_SEND_OFFSET + BYPASS_RDMA_BITMAP_BYTES(max_qp))
#define BYPASS_RDMA_ARM_SOLICITED_OFFSET(max_qp, max_cq)                                           \
	(BYPASS_RDMA_ARM_OFFSET(max_qp) + BYPASS_RDMA_BITMAP_BYTES(max_cq))
#define BYPASS_RDMA_DOORBELL_BYTES(max_qp, max_cq)                                                 \
	(BYPASS_RDMA_ARM_SOLICITED_OFFSET(max_qp, max_cq) + BYPASS_RDMA_BITMAP_BYTES(max_cq))

struct bypass_rdma_set_doorbell {
	__le64 gpa;  /* 0 takes it back; then no QP may exist */
	__le64 size; /* BYPASS_RDMA_DOORBELL_BYTES(max_qp, max_cq) of config space, at least */
};

/*
 * With BYPASS_RDMA_F_OWNER a word of 32 bits in guest memory says whether the device is served: without a
 * command and without an exit the driver sees that the process behind the device was killed. The
 * word is a robust futex of the thread that executes commands. It has the thread's ID while the
 * thread lives. The host's kernel sets BYPASS_RDMA_OWNER_DIED in it when the thread ends. It is 0
 * when the device was reset or its service ended in good order, and on a host that cannot say.
 */
#define BYPASS_RDMA_OWNER_DIED 0x40000000u /* FUTEX_OWNER_DIED */

struct bypass_rdma_set_owner {
	__le64 gpa; /* of the word, a multiple of 4; 0 takes the word back */
};

/*
 * struct bypass_rdma_reg_mr - REG_MR
 * @pd: handle
 * @access: enum ib_uverbs_access_flags
 * @iova: the address that work requests will use: the user's virtual address
 * @length: bytes, not 0
 * @flags: enum bypass_rdma_mr_flags
 * @run_pages: number of entries in the list at the end of the request
 *
 * The list has @run_pages × __le64: guest-physical addresses of pages of
 * BYPASS_RDMA_PAGE_SIZE, each full of struct bypass_rdma_run except the last, whose
 * number of runs is in @last_runs (1 to BYPASS_RDMA_RUNS_PER_PAGE). In order, the runs
 * are the pages under [@iova, @iova + @length), the first and the last page whole:
 * their sizes add up to exactly that. Neighbours should be merged: each run costs the
 * host one mapping.
 */
struct bypass_rdma_reg_mr {
	__le32 pd;
	__le32 access;
	__le64 iova;
	__le64 length;
	__le32 flags;
	__le32 run_pages;
	__le32 last_runs;
	__le32 reserved;
};

enum bypass_rdma_mr_flags {
	/*
	 * All RAM of the guest, iova = guest-physical address; @iova, @length and the
	 * list are 0. Needs BYPASS_RDMA_F_ALL_RAM.
	 */
	BYPASS_RDMA_MR_ALL_RAM = 1 << 0,
};

struct bypass_rdma_run {
	__le64 gpa;  /* a multiple of BYPASS_RDMA_PAGE_SIZE, as is … */
	__le64 size; /* … this, not 0 */
};

#define BYPASS_RDMA_RUNS_PER_PAGE 256u

/*
 * struct bypass_rdma_queue_memory - where a queue lies, BYPASS_RDMA_F_QUEUE_MEMORY
 * @size: bytes of the queue, from the address in the blob on: what driver and provider make of
 *	the command. 0: there is no queue, and no list
 * @record: guest-physical address of the page of the doorbell record, a multiple of
 *	BYPASS_RDMA_PAGE_SIZE; 0 where the blob has no record
 * @run_pages: as in struct bypass_rdma_reg_mr …
 * @last_runs: … likewise. The runs are the pages under the queue, the first and the last whole
 *
 * The memory stays pinned until the queue is destroyed, or the old queue replaced by a resize.
 */
struct bypass_rdma_queue_memory {
	__le64 size;
	__le64 record;
	__le32 run_pages;
	__le32 last_runs;
};

enum bypass_rdma_rereg_flags { /* the bits of verbs */
			       BYPASS_RDMA_REREG_TRANS = 1 << 0,
			       BYPASS_RDMA_REREG_PD = 1 << 1,
			       BYPASS_RDMA_REREG_ACCESS = 1 << 2,
};

/* @flags: what changes, to what @reg says; the other fields of @reg are ignored */
struct bypass_rdma_rereg_mr {
	__le32 handle;
	__le32 flags;
	struct bypass_rdma_reg_mr reg;
};

struct bypass_rdma_mr {
	__le32 handle;
	__le32 lkey;
	__le32 rkey;
	__le32 reserved;
};

struct bypass_rdma_alloc_mw {
	__le32 pd;
	__le32 type; /* enum ib_uverbs_mw_type: 1 or 2 */
};

struct bypass_rdma_create_cq {
	__le32 cqe;
	__le32 vector; /* below bypass_rdma_config.vectors */
	__le32 flags;  /* IB_UVERBS_CQ_FLAGS_… */
	__le32 reserved;
};

struct bypass_rdma_resize_cq {
	__le32 handle;
	__le32 cqe;
};

struct bypass_rdma_cq {
	__le32 handle;
	__le32 cqe; /* as many as there really are */
};

struct bypass_rdma_create_srq {
	__le32 pd;
	__le32 max_wr;
	__le32 max_sge;
	__le32 srq_limit;
};

enum bypass_rdma_srq_mask { /* the bits of verbs */
			    BYPASS_RDMA_SRQ_MAX_WR = 1 << 0,
			    BYPASS_RDMA_SRQ_LIMIT = 1 << 1,
};

struct bypass_rdma_modify_srq {
	__le32 handle;
	__le32 mask;
	__le32 max_wr;
	__le32 srq_limit;
};

struct bypass_rdma_srq {
	__le32 handle;
	__le32 max_wr;
	__le32 max_sge;
	__le32 srq_limit;
};

/*
 * struct bypass_rdma_create_xsrq - CREATE_XSRQ: a shared receive queue of an XRC domain
 * @srq: as in CREATE_SRQ
 * @xrcd: handle; initiators of other processes and hosts name the queue by its number
 * @cq: handle: completions of what the queue received
 */
struct bypass_rdma_create_xsrq {
	struct bypass_rdma_create_srq srq;
	__le32 xrcd;
	__le32 cq;
};

/* @srqn: the HCA's number of the queue. DESTROY_SRQ, MODIFY_SRQ and QUERY_SRQ take its handle. */
struct bypass_rdma_xsrq {
	struct bypass_rdma_srq srq;
	__le32 srqn;
	__le32 reserved;
};

/*
 * struct bypass_rdma_create_qp - CREATE_QP
 * @pd: handle; of an XRC target: the handle of its XRC domain
 * @send_cq: handle; an XRC target has BYPASS_RDMA_NONE
 * @recv_cq: handle; an XRC initiator and an XRC target have BYPASS_RDMA_NONE
 * @srq: handle or BYPASS_RDMA_NONE; XRC queue pairs have none
 * @type: enum ib_uverbs_qp_type: 2 RC, 3 UC, 4 UD; with BYPASS_RDMA_F_XRC 9 XRC initiator and
 *	10 XRC target. A target belongs to the guest's kernel, as its XRC domain does, and its
 *	request has no blob
 */
struct bypass_rdma_create_qp {
	__le32 pd;
	__le32 send_cq;
	__le32 recv_cq;
	__le32 srq;
	__le32 type;
	__le32 sq_sig_all;
	__le32 max_send_wr;
	__le32 max_recv_wr;
	__le32 max_send_sge;
	__le32 max_recv_sge;
	__le32 max_inline_data;
	__le32 create_flags;
};

struct bypass_rdma_qp {
	__le32 handle;
	__le32 qpn;
	__le32 max_send_wr;
	__le32 max_recv_wr;
	__le32 max_send_sge;
	__le32 max_recv_sge;
	__le32 max_inline_data;
	__le32 reserved;
};

/* struct bypass_rdma_ah_attr - an address vector; the host resolves its MAC address */
struct bypass_rdma_ah_attr {
	__u8 dgid[16];
	__le32 flow_label;
	__u8 sgid_index;
	__u8 hop_limit;
	__u8 traffic_class;
	__u8 is_global; /* 1: the GRH fields above are valid. Always so with Ethernet */
	__le16 dlid;
	__u8 sl;
	__u8 src_path_bits;
	__u8 static_rate;
	__u8 port;
	__u8 reserved[2];
};

struct bypass_rdma_qp_attr {
	__u8 qp_state; /* enum ib_qp_state */
	__u8 cur_qp_state;
	__u8 path_mtu;
	__u8 path_mig_state;
	__le32 qkey;
	__le32 rq_psn;
	__le32 sq_psn;
	__le32 dest_qpn;
	__le32 access; /* enum ib_uverbs_access_flags */
	struct bypass_rdma_ah_attr ah;
	struct bypass_rdma_ah_attr alt_ah;
	__le16 pkey_index;
	__le16 alt_pkey_index;
	__u8 en_sqd_async_notify;
	__u8 sq_draining;
	__u8 max_rd_atomic;
	__u8 max_dest_rd_atomic;
	__u8 min_rnr_timer;
	__u8 port;
	__u8 timeout;
	__u8 retry_cnt;
	__u8 rnr_retry;
	__u8 alt_port;
	__u8 alt_timeout;
	__u8 reserved[1];
	__le32 rate_limit; /* kbit/s */
	__le32 reserved2;
};

struct bypass_rdma_modify_qp {
	__le32 handle;
	__le32 mask; /* enum ib_qp_attr_mask */
	struct bypass_rdma_qp_attr attr;
};

struct bypass_rdma_query_qp {
	__le32 handle;
	__le32 mask;
};

/* The capabilities in @init are what CREATE_QP returned, or later modified. */
struct bypass_rdma_qp_state {
	struct bypass_rdma_qp_attr attr;
	struct bypass_rdma_qp init;
	__le32 sq_sig_all;
	__le32 reserved;
};

struct bypass_rdma_create_ah {
	__le32 pd;
	__le32 reserved;
	struct bypass_rdma_ah_attr attr;
};

struct bypass_rdma_mcast {
	__le32 qp;
	__le32 lid;
	__u8 gid[16];
};

/*
 * struct bypass_rdma_event - on the event queue
 * @type: the number of verbs' enum ib_event_type, for the objects and port events below
 * @handle: CQ (CQ_ERR), SRQ (SRQ_…) or QP; or the port number. The object may have been
 *	destroyed meanwhile: a driver ignores an event of a handle that it does not know
 */
struct bypass_rdma_event {
	__le32 type;
	__le32 handle;
};

enum bypass_rdma_event_type {
	BYPASS_RDMA_EVENT_CQ_ERR = 0,
	BYPASS_RDMA_EVENT_QP_FATAL = 1,
	BYPASS_RDMA_EVENT_QP_REQ_ERR = 2,
	BYPASS_RDMA_EVENT_QP_ACCESS_ERR = 3,
	BYPASS_RDMA_EVENT_COMM_EST = 4,
	BYPASS_RDMA_EVENT_SQ_DRAINED = 5,
	BYPASS_RDMA_EVENT_PATH_MIG = 6,
	BYPASS_RDMA_EVENT_PATH_MIG_ERR = 7,
	BYPASS_RDMA_EVENT_DEVICE_FATAL =
		8, /* the HCA is gone: every later command says NO_DEVICE */
	BYPASS_RDMA_EVENT_PORT_ACTIVE = 9,
	BYPASS_RDMA_EVENT_PORT_ERR = 10,
	BYPASS_RDMA_EVENT_LID_CHANGE = 11,
	BYPASS_RDMA_EVENT_PKEY_CHANGE = 12,
	BYPASS_RDMA_EVENT_SM_CHANGE = 13,
	BYPASS_RDMA_EVENT_SRQ_ERR = 14,
	BYPASS_RDMA_EVENT_SRQ_LIMIT_REACHED = 15,
	BYPASS_RDMA_EVENT_QP_LAST_WQE_REACHED = 16,
	BYPASS_RDMA_EVENT_CLIENT_REREGISTER = 17,
	BYPASS_RDMA_EVENT_GID_CHANGE = 18,
	/* Not of verbs: events of connections wait. Its handle is 0. */
	BYPASS_RDMA_EVENT_CM = 31,
};

/* struct bypass_rdma_completion - on a vector's queue: the armed CQ has a completion */
struct bypass_rdma_completion {
	__le32 cq; /* handle; may have been destroyed meanwhile */
	__le32 reserved;
};

#define BYPASS_RDMA_ASSERT_SIZE(type, size)                                                        \
	_Static_assert(sizeof(struct bypass_rdma_##type) == (size), "layout of " #type)
BYPASS_RDMA_ASSERT_SIZE(config, 96);
BYPASS_RDMA_ASSERT_SIZE(request, 16);
BYPASS_RDMA_ASSERT_SIZE(response, 16);
BYPASS_RDMA_ASSERT_SIZE(mmap, 32);
BYPASS_RDMA_ASSERT_SIZE(device, 152);
BYPASS_RDMA_ASSERT_SIZE(clock, 16);
BYPASS_RDMA_ASSERT_SIZE(port, 48);
BYPASS_RDMA_ASSERT_SIZE(gids, 8 + 17 * BYPASS_RDMA_GIDS_MAX);
BYPASS_RDMA_ASSERT_SIZE(pkeys, 8 + 2 * BYPASS_RDMA_PKEYS_MAX);
BYPASS_RDMA_ASSERT_SIZE(counters, 8 + 40 * BYPASS_RDMA_COUNTERS_MAX);
BYPASS_RDMA_ASSERT_SIZE(doorbell, BYPASS_RDMA_SEND_OFFSET);
BYPASS_RDMA_ASSERT_SIZE(reg_mr, 40);
BYPASS_RDMA_ASSERT_SIZE(rereg_mr, 48);
BYPASS_RDMA_ASSERT_SIZE(queue_memory, 24);
BYPASS_RDMA_ASSERT_SIZE(run, BYPASS_RDMA_PAGE_SIZE / BYPASS_RDMA_RUNS_PER_PAGE);
BYPASS_RDMA_ASSERT_SIZE(create_xsrq, 24);
BYPASS_RDMA_ASSERT_SIZE(xsrq, 24);
BYPASS_RDMA_ASSERT_SIZE(create_qp, 48);
BYPASS_RDMA_ASSERT_SIZE(ah_attr, 32);
BYPASS_RDMA_ASSERT_SIZE(qp_attr, 112);
BYPASS_RDMA_ASSERT_SIZE(modify_qp, 120);
BYPASS_RDMA_ASSERT_SIZE(qp_state, 152);
BYPASS_RDMA_ASSERT_SIZE(create_ah, 40);
BYPASS_RDMA_ASSERT_SIZE(mcast, 24);

#endif
