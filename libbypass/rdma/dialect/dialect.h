/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A dialect: what a slice must know of one provider, so that the guest's copy of that
 * provider and the host's kernel driver understand each other through it.
 *
 * A verb has a core part, which is the same for all HCAs, and a provider's part: a blob
 * in, a blob out. Of a blob a dialect says its length, and where in it lies something
 * that means nothing on the other side: an offset for mmap(2), a pointer. All other
 * bytes pass as they are. A command with no rule has no blobs.
 *
 * What an mlx5 dialect will have to say (rdma/mlx5-abi.h), next to rxe's rules:
 *
 *	command		in						out
 *	ALLOC_UCONTEXT	req_v2: counts and flags only			resp: UAR geometry
 *	ALLOC_PD	-						pdn
 *	CREATE_CQ	buf_addr*, db_addr*, cqe_size, flags,		cqn
 *			uar_page_index
 *	RESIZE_CQ	buf_addr*, cqe_size				-
 *	CREATE_SRQ	buf_addr*, db_addr*, flags, uidx		srqn
 *	CREATE_QP	buf_addr*, db_addr*, WQE counts, flags, uidx,	bfreg_index, ECE
 *			bfreg_index, sq_buf_addr*
 *	MODIFY_QP	ECE, burst					response_length, ECE
 *	CREATE_AH	-						response_length, dmac
 *
 *	mmap offset = (kind << 8 | index) pages; kinds: 0, 2, 3 UAR pages (write-combining
 *	for 0 and 2, uncached for 3), 6 UARs allocated one by one, 1 contiguous pages
 *	(obsolete), 5 core clock, 7 clock info (read-only). UAR pages become shared pages
 *	that ALLOC_UCONTEXT returns as bypass_rdma_mmap entries with the provider's own
 *	offsets; a ucontext of its own for each guest process follows from that. All other
 *	kinds are refused, which libmlx5 takes as "not supported".
 *
 *	* a user address, under which the driver pins the queue or its doorbell record:
 *	the queues are guest memory. The guest's module has to pin it and add its run
 *	pages to the request as REG_MR does; the slice lays the runs side by side, as for
 *	a region, and puts the address of that span into the blob. Lengths: CQ entries ×
 *	cqe_size; SRQ and QP from the WQE counts and shifts; a doorbell record is 8 bytes.
 *	That is a feature bit of the guest ABI still to be given.
 */
#ifndef BYPASS_RDMA_DIALECT_H
#define BYPASS_RDMA_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

/* Q_Keys with the high bit set are the privileged programs' of a host, not a guest's. */
#define RDMA_QKEY_PRIVILEGED 0x80000000u

/* The kinds of objects that a guest creates. */
enum rdma_kind {
	RDMA_UCONTEXT,
	RDMA_PD,
	RDMA_MR,
	RDMA_MW,
	RDMA_CQ,
	RDMA_SRQ,
	RDMA_QP,
	RDMA_AH,
	RDMA_KINDS,
};

/* What a mapping shows, for the guarded way. */
enum rdma_map_kind {
	RDMA_MAP_CQ,
	RDMA_MAP_SEND,
	RDMA_MAP_RECEIVE,
};

/* A mapping announced in an output blob: a u64 mmap offset and a u32 size at these places. */
struct rdma_map_rule {
	enum rdma_map_kind kind;
	uint16_t offset_at;
	uint16_t size_at;
};

/*
 * The blobs of one command. With @hidden, the driver takes an address at @hidden_at in
 * the input blob and puts @hidden bytes there in place of an output blob; @maps then
 * lie in these.
 */
struct rdma_blob_rule {
	uint32_t command; /* enum bypass_rdma_command */
	uint16_t in;	  /* bytes that the driver reads; more from the guest must be zero */
	uint16_t out;	  /* bytes that the driver writes */
	uint16_t hidden;
	uint16_t hidden_at;
	uint16_t n_maps;
	struct rdma_map_rule maps[2];
};

/* A queue's copy, in the guarded way. The dialect's own structure for a copy begins with this. */
struct rdma_ring {
	struct rdma_ring *next;
	enum rdma_map_kind map;
	enum rdma_kind kind; /* of the queue's object: QP, SRQ or CQ */
	uint32_t handle;
	uint32_t qp_type;
	bool stopped;	 /* CQ: a resize is under way */
	bool guest_arms; /* CQ: the guest has armed the CQ once … */
	bool armed;	 /* … and waits for the event now */
	bool follow;	 /* CQ: the slice arms the CQ, because the guest polls */
	/* What the host's log is to say of a request that was replaced, or NULL. */
	const char *complaint;
};

/* Both sides of a copy: the driver's queue, and the pages that the guest sees. */
struct rdma_ring_place {
	const char *hca;      /* for messages */
	uint64_t caps;	      /* the device's: which operations requests may name */
	uint32_t max_message; /* bytes, of its ports */
	int fd;		      /* the driver offers the queue here … */
	uint32_t size;	      /* … so many bytes … */
	uint64_t offset;      /* … at this offset */
	void *copy;	      /* as many bytes, all zero */
};

/*
 * The guarded way: the guest gets copies of queues. What it puts into the copy of a work queue is
 * moved to the driver's, checked on a private copy; completions are moved the other way.
 */
struct rdma_guard {
	/* Map the driver's queue and make the copy one of the same layout. */
	int (*open)(const struct rdma_ring *wanted, const struct rdma_ring_place *place,
		    struct rdma_ring **ring);
	/* Take over the completions that are in the copy of the queue before its resize. */
	void (*adopt)(struct rdma_ring *ring, struct rdma_ring *old);
	/* Completions in the copy that the guest has not taken. */
	uint32_t (*waiting)(const struct rdma_ring *ring);
	/* Note how far the guest, or the driver, has filled it. */
	void (*snapshot)(struct rdma_ring *ring);
	/*
	 * Move what was there at the last snapshot, and return how much that was; @left: there
	 * was no room for all of it.
	 */
	unsigned int (*move)(struct rdma_ring *ring, bool *left);
	/* Forget what is in the copy of a work queue. */
	void (*reset)(struct rdma_ring *ring);
	void (*close)(struct rdma_ring *ring);
	const char *no_mws; /* why there are no memory windows; NULL: there are */
};

struct rdma_dialect {
	const char *name;   /* also the stem of the guest's device name */
	uint32_t driver_id; /* enum rdma_driver_id */
	bool doorbell;	    /* its post_send is a system call: an empty POST_SEND */
	/*
	 * Attributes of a queue pair (enum ibv_qp_attr_mask) that the driver cannot change without
	 * harm once the queue pair has left INIT, though the specification lets them change.
	 */
	uint32_t fixed_in_use;
	const char *distrust; /* why its queues are not for untrusted guests; NULL: they are */
	const struct rdma_blob_rule *rules;
	unsigned int n_rules;
	const struct rdma_guard *guard; /* NULL: there is no guarded way */
};

extern const struct rdma_dialect rdma_dialect_rxe;

/* The dialect of a driver, or NULL. */
const struct rdma_dialect *rdma_dialect_find(uint32_t driver_id);

#endif
