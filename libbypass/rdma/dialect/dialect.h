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
 * Queues lie in one of two places. The driver of rxe has them, and offers them to mmap(2): the
 * output blob says where. A ConnectX (mlx5) takes memory of the process: the input blob has the
 * addresses. Such a dialect has struct rdma_user_queues.
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
	RDMA_XRCD,
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
 * The blobs of one command. @optional: of the bytes that the driver reads, so many at the end may
 * be missing, as in the library of an older guest; the driver then reads zeroes. With @hidden, the
 * driver takes an address at @hidden_at in the input blob and puts @hidden bytes there in place of
 * an output blob; @maps then lie in these.
 */
struct rdma_blob_rule {
	uint32_t command; /* enum bypass_rdma_command */
	uint16_t in;	  /* bytes that the driver reads; more from the guest must be zero */
	uint16_t optional;
	uint16_t out; /* bytes that the driver writes */
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
	bool stopped;	 /* a resize is under way */
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
	/*
	 * Take over what is in the copy of the queue before its resize: completions that the guest
	 * has not taken, requests that are not moved yet. The driver takes over what was moved.
	 */
	void (*adopt)(struct rdma_ring *ring, struct rdma_ring *old);
	/* Completions that the guest has not taken, or requests that the driver has not. */
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

/* Of the body of a command that creates or resizes a queue: how much the queue is to hold. */
struct rdma_queue_shape {
	uint32_t entries;
	uint32_t sges;
};

/* What the blob of such a command names in the memory of the guest's process. */
struct rdma_user_queue {
	uint64_t buffer; /* address of the queue … */
	uint64_t size;	 /* … and its bytes; 0: there is none */
	uint64_t record; /* address of the doorbell record … */
	bool has_record; /* … if there is one */
};

/* What the slice puts there for the host's driver. */
struct rdma_host_queue {
	uint64_t buffer; /* addresses of the VMM's process */
	uint64_t record;
	uint32_t page_id; /* of the doorbell page */
};

/* A doorbell page, of one process of the guest. */
struct rdma_doorbell_page {
	uint32_t handle;  /* uverbs handle */
	uint32_t page_id; /* as the HCA counts pages */
	uint64_t offset;  /* for mmap(2) of cmd_fd */
	bool combining;	  /* to be mapped write-combining */
};

#define RDMA_CLOCK_PAGES 2

/* An HCA whose queues are memory of the guest's processes, and whose doorbells are pages. */
struct rdma_user_queues {
	/* What a checked blob names. 0, or a negative errno with a text: no queue can be so. */
	int (*find)(uint32_t command, const uint8_t *blob, const struct rdma_queue_shape *shape,
		    struct rdma_user_queue *queue);
	/* Put the slice's addresses and doorbell page into the blob. */
	void (*place)(uint32_t command, uint8_t *blob, const struct rdma_host_queue *queue);
	/* Take out of the driver's output what does not hold in the guest. */
	void (*answer)(uint32_t command, uint8_t *out);
	/*
	 * The blobs of ALLOC_UCONTEXT: check what the process asks for, and describe a context with
	 * one doorbell page, which the process maps at offset 0. @clock: receives whether the
	 * description says that the pages of the clock can be mapped; false: it must not.
	 */
	int (*open)(int cmd_fd, const uint8_t *in, uint8_t *out, bool *clock);
	/* Where mmap(2) has the pages of the HCA's clock, read-only, on the host and in a guest. */
	uint64_t clock[RDMA_CLOCK_PAGES];
	/*
	 * Begin a context on a descriptor that was just opened, for doorbell pages alone: no other
	 * queue and no memory is to be in it. 0 or a negative errno.
	 */
	int (*begin)(int cmd_fd);
	/* A new doorbell page, and its end: 0 or a negative errno. */
	int (*page_take)(int cmd_fd, struct rdma_doorbell_page *page);
	int (*page_give)(int cmd_fd, uint32_t handle);
};

struct rdma_dialect {
	const char *name;
	const char *stem;   /* of the guest's device name: a number follows */
	uint32_t driver_id; /* enum rdma_driver_id */
	bool doorbell;	    /* its post_send is a system call: an empty POST_SEND */
	/*
	 * Attributes of a queue pair (enum ibv_qp_attr_mask) that the driver cannot change without
	 * harm once the queue pair has left INIT, though the specification lets them change.
	 */
	uint32_t fixed_in_use;
	bool dmabuf;	      /* the driver registers dma-bufs */
	uint32_t cq_flags;    /* of CREATE_CQ, that mean nothing to the driver */
	bool xrc;	      /* extended reliable connections, where the HCA has them */
	bool host_gids;	      /* the process's own requests name GIDs by the HCA's indices */
	const char *distrust; /* why its queues are not for untrusted guests; NULL: they are */
	const struct rdma_blob_rule *rules;
	unsigned int n_rules;
	const struct rdma_guard *guard;		    /* NULL: there is no guarded way */
	const struct rdma_user_queues *user_queues; /* NULL: the driver has the queues */
};

extern const struct rdma_dialect rdma_dialect_rxe, rdma_dialect_mlx5;

/* The dialect of a driver, or NULL. */
const struct rdma_dialect *rdma_dialect_find(uint32_t driver_id);
/* Likewise, by its name. */
const struct rdma_dialect *rdma_dialect_named(const char *name);

#endif
