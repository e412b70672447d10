/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The inside of a context slice.
 *
 * Two threads: the control thread executes the guest's commands and delivers events,
 * one at a time; the doorbell thread rings for the guest. Locks, in this order:
 *
 *	lock		queues, objects, shm; held by the control thread while it
 *			executes a command, by the transport's calls while they start and
 *			stop queues
 *	pin_lock	keeps the memory map as it is while the HCA's driver pins guest
 *			memory, which takes seconds; held by the control thread meanwhile,
 *			and by whoever changes the map
 *	memory_lock	the guest's memory map, the doorbell area, the owner's word and the
 *			queues' call_fds; shared by whoever copies from or to guest memory or
 *			signals, for no longer than that
 *	ring_lock	the guarded way's rings
 *	host_lock	held while the doorbell thread uses a queue of the HCA, and while one
 *			is destroyed: uverbs refuses to destroy what is in use
 *
 * A handler never holds memory_lock when it calls the transport's shm_map, because the
 * VMM may change the memory map, or an interrupt, before it answers.
 */
#ifndef BYPASS_RDMA_INTERNAL_H
#define BYPASS_RDMA_INTERNAL_H

#include <endian.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bypass/rdma.h>
#include <bypass/slice.h>
#include <bypass/virtqueue.h>

#include "../base/log_limit.h"
#include "bypass_rdma_cm_abi.h"
#include "dialect/dialect.h"
#include "owner.h"

struct bypass_memory;
struct ibv_context;
struct rdma_command;
struct rdma_slice;

#define RDMA_VECTORS_MAX 64
#define RDMA_QUEUES_MAX	 (BYPASS_RDMA_QUEUE_VECTOR + RDMA_VECTORS_MAX)
#define RDMA_PAGE	 BYPASS_RDMA_PAGE_SIZE
#define RDMA_QUEUE_SIZE	 256
#define RDMA_PORTS	 256	     /* verbs have eight bits for a port's number */
#define RDMA_ALL	 0xfffffffeu /* in place of a ucontext: whichever */
#define RDMA_NODES	 "/dev/infiniband"

/* ------------------------------------------------------------------ uverbs.c */

/* The provider's part of a uverbs command: what the driver reads, and what it may write. */
struct rdma_udata {
	const void *in;
	void *out;
	uint32_t in_size;
	uint32_t out_size;
};

/*
 * An opened HCA, as far as commands need it. The descriptors are -1 once it is closed,
 * because the HCA was removed.
 */
struct rdma_hca {
	struct ibv_context *context; /* owner of the descriptors; NULL in tests */
	int cmd_fd;
	int async_fd;
	int cm_fd;	  /* the host's rdma_cm, or -1 */
	uint32_t index;	  /* the kernel's number of the HCA; UINT32_MAX: not known */
	uint32_t vectors; /* completion vectors of the host */
	uint32_t ports;
	uint32_t driver_id;
	uint32_t abi;
	char name[64];
	char node[64];	 /* its device node, below /dev/infiniband */
	char sysfs[288]; /* its directory, or empty */
};

/*
 * Execute a write command (enum ib_uverbs_write_cmds) through RDMA_VERBS_IOCTL, which
 * unlike write(2) does not care who opened the descriptor. Returns 0 or -errno.
 */
int rdma_uverbs(const struct rdma_hca *hca, uint32_t command, const void *in, size_t in_size,
		void *out, size_t out_size, const struct rdma_udata *udata);

/* --------------------------------------------------------------------- hca.c */

/* Open an HCA by its name or its network device's, and find the dialect that it speaks. */
int rdma_hca_open(const char *name, struct rdma_hca *hca, const struct rdma_dialect **dialect);
void rdma_hca_close(struct rdma_hca *hca);
int rdma_hca_query_port(const struct rdma_hca *hca, uint32_t port, struct bypass_rdma_port *out);
int rdma_hca_query_gids(const struct rdma_hca *hca, uint32_t port, struct bypass_rdma_gids *out);
int rdma_hca_query_pkeys(const struct rdma_hca *hca, uint32_t port, struct bypass_rdma_pkeys *out);

/* ------------------------------------------------------------------- table.c */

struct rdma_mcast {
	struct rdma_mcast *next;
	uint8_t gid[16];
	uint16_t lid;
};

/* What the guest knows by a handle. Which fields count depends on the table. */
struct rdma_object {
	bool live;
	uint32_t ucontext; /* the guest's process, or BYPASS_RDMA_NONE */
	uint32_t host; /* uverbs handle; never leaves the host. Of a context: its doorbell page's */
	uint32_t page_id; /* context: the doorbell page, as the HCA counts pages */
	uint32_t qp_type; /* CM id: its port space */
	uint32_t qpn;	  /* QP */
	uint8_t qp_state; /* QP: as it was when MODIFY_QP last looked or set it */
	uint8_t port;	  /* QP, CM id: 0 until one is set */
	uint32_t entries; /* CQ, SRQ: at least so many; CM id: unheard resolutions; group: its id */
	uint64_t pinned;  /* bytes of the guest's memory */
	bool dmabuf;	  /* MR: registered by a udmabuf */
	uint32_t events;  /* CQ, SRQ, QP: that wait for the guest, a bit a type */
	bool last_wqe;	  /* QP: LAST_WQE_REACHED has come since it was in RESET */
	struct rdma_mcast *mcasts; /* QP: groups that it is attached to */
};

struct rdma_table {
	const char *what; /* "memory regions" */
	struct rdma_object *objects;
	uint32_t size;
	uint32_t live;
	uint32_t next; /* where to look for a free one */
};

int rdma_table_init(struct rdma_table *table, const char *what, uint32_t size);
void rdma_table_free(struct rdma_table *table);
/* A free handle; -EDQUOT when there is none. The object is zero but for live and ucontext. */
int rdma_table_take(struct rdma_table *table, uint32_t ucontext, uint32_t *handle);
void rdma_table_put(struct rdma_table *table, uint32_t handle);
/* The object, or NULL, which is -EBADF. */
struct rdma_object *rdma_table_get(const struct rdma_table *table, uint32_t handle);

/* --------------------------------------------------------------------- shm.c */

/* A run of shared pages in use. */
struct rdma_mapping {
	struct rdma_mapping *next; /* by rising offset */
	uint64_t offset;
	uint64_t size;
	uint32_t ucontext;
	enum rdma_kind kind; /* what kind of object it belongs to … */
	uint32_t handle;     /* … and which */
	bool orphan;	     /* its object is gone or has another: the guest may release it */
};

struct rdma_shm {
	int fd; /* of all of it, in the guarded way; else -1 */
	void *hva;
	uint64_t size;
	uint64_t tail; /* bytes at the end that are for other things than mappings */
	uint64_t used;
	struct rdma_mapping *mappings;
	uint32_t orphans;
};

/* @file: the region is one memfd, of which rdma_shm_map() with its descriptor gives pages. */
int rdma_shm_init(struct rdma_shm *shm, uint64_t size, bool file);
void rdma_shm_free(struct rdma_shm *shm);
/* Map @size bytes of @fd somewhere. @owner: kind, handle and ucontext of the object. */
int rdma_shm_map(struct rdma_slice *s, int fd, uint64_t fd_offset, uint64_t size,
		 const struct rdma_mapping *owner, uint64_t *offset);
/*
 * Before a queue becomes one of @entries: will the new one, beside the old one, have room here and
 * at the transport? Once the driver has the new queue there is no way back.
 */
int rdma_shm_check_resize(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle,
			  uint32_t entries);
/* The object is gone, or its mappings are replaced. */
void rdma_shm_orphan(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle);
/* The guest has no more use for an orphan. */
int rdma_shm_release(struct rdma_slice *s, uint64_t offset, uint64_t size);
/*
 * Pages that the region shows for life (pages.c) belong to an object from now on. They are taken
 * back as others are, and stay where they are.
 */
int rdma_shm_assign(struct rdma_slice *s, uint64_t offset, uint64_t size,
		    const struct rdma_mapping *owner);
/* Take back what an object has; not the orphans of one that had its handle before. */
void rdma_shm_drop(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle);
/* Take back what belongs to a ucontext (RDMA_ALL: everything), orphan or not. */
void rdma_shm_sweep(struct rdma_slice *s, uint32_t ucontext);

/* -------------------------------------------------------------------- pages.c */

#define RDMA_PAGES_MOST 256u

/* Doorbell pages that the region shows for life: the page of a context is the one of its handle. */
struct rdma_pages {
	int fd; /* whose mmap(2) shows them; -1: there are none, and each context takes its own */
	uint32_t n;
	struct rdma_doorbell_page *page;
	struct bypass_window *windows;
};

/*
 * Where the options want fixed windows: take pages for as many contexts as the quota has, or as the
 * HCA gives. The quota is then of so many contexts, and of a region of that size.
 */
int rdma_pages_take(struct rdma_slice *s);
/* Map them into the region. */
int rdma_pages_show(struct rdma_slice *s);
void rdma_pages_free(struct rdma_pages *pages);

/* -------------------------------------------------------------------- clock.c */

/* Before the region is made: the room that it needs behind the mappings. */
uint64_t rdma_clock_size(const struct rdma_slice *s);
/* Map the pages of the HCA's clock at the region's end, where the HCA shows them. */
void rdma_clock_show(struct rdma_slice *s);
/* Can a process of the guest have the clock? */
bool rdma_clock_shown(const struct rdma_slice *s);
/* Offer the process the pages, beside what the response offers already. */
void rdma_clock_offer(struct rdma_slice *s, struct rdma_command *c);
/* A read of @size bytes of the region beside its windows. */
void rdma_clock_read(struct rdma_slice *s, uint64_t offset, void *data, uint32_t size);

/* --------------------------------------------------------------------- blob.c */

/* What a command's blobs become on their way to the driver. */
struct rdma_blob {
	const struct rdma_blob_rule *rule; /* NULL: none */
	struct rdma_udata udata;
	uint8_t in[64] __attribute__((aligned(8)));
	uint8_t hidden[BYPASS_RDMA_HIDDEN_ROOM];
};

/* Check and translate the guest's input blob; ready the output buffer. */
int rdma_blob_in(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob);
/* The driver reads and answers nothing this time, and there is no queue either. */
int rdma_blob_none(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob);
/*
 * Map what the driver's output offers, and translate the output for the guest. @owner as
 * for rdma_shm_map(). On failure the object may have some mappings: destroy it.
 */
int rdma_blob_out(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob,
		  const struct rdma_mapping *owner, uint32_t qp_type);

/* ----------------------------------------------------------------- control.c */

/* One command, from the first copy of its bytes to the last of its response. */
struct rdma_command {
	uint8_t request[BYPASS_RDMA_REQUEST_MAX] __attribute__((aligned(8)));
	uint8_t reply[sizeof(struct bypass_rdma_gids) + 8] __attribute__((aligned(8)));
	uint8_t udata_out[BYPASS_RDMA_UDATA_MAX] __attribute__((aligned(8)));
	struct bypass_rdma_mmap mmaps[BYPASS_RDMA_MMAPS_MAX];
	uint32_t code;
	uint32_t ucontext;
	const void *body;
	const uint8_t *udata_in;
	const uint8_t *tail; /* list of run pages, perhaps behind a description of a queue */
	uint32_t udata_in_size;
	uint32_t udata_room; /* for output */
	uint32_t tail_size;
	uint32_t n_mmaps;
	uint32_t udata_out_size;
	uint32_t udata_at;
};

/*
 * Execute the request of @size bytes in c->request, and encode the response, at most
 * @room bytes of it, into @response. Returns the bytes of the response.
 */
uint32_t rdma_control_execute(struct rdma_slice *s, struct rdma_command *c, uint32_t size,
			      uint8_t *response, uint32_t room);
/*
 * Serve one chain of the control queue, with lock held: 1; 0 when there is none; or a
 * negative errno when the driver broke the queue.
 */
int rdma_control_serve(struct rdma_slice *s);

/* Handlers: 0, or a negative errno with a text. The body's length has been checked. */
typedef int rdma_handler(struct rdma_slice *s, struct rdma_command *c);

/* counters.c */
rdma_handler rdma_query_counters;
/* query.c */
int rdma_query_check_port(struct rdma_slice *s, const struct bypass_rdma_port_query *body);
rdma_handler rdma_query_device, rdma_query_port, rdma_query_gids, rdma_query_pkeys;
rdma_handler rdma_query_clock;
/* mmap.c, doorbell.c */
rdma_handler rdma_release_mmap, rdma_set_doorbell;
/* owner.c */
rdma_handler rdma_set_owner;
/* context.c */
void rdma_ucontext_end(struct rdma_slice *s, uint32_t handle);
rdma_handler rdma_alloc_ucontext, rdma_dealloc_ucontext;
/* pd.c, mw.c, ah.c, xrcd.c */
rdma_handler rdma_alloc_pd, rdma_alloc_mw, rdma_create_ah, rdma_alloc_xrcd;
/* mr.c */
rdma_handler rdma_reg_mr, rdma_rereg_mr;
/* cq.c */
rdma_handler rdma_create_cq, rdma_resize_cq;
/* srq.c */
rdma_handler rdma_create_srq, rdma_create_xsrq, rdma_modify_srq, rdma_query_srq;
/* qp.c */
rdma_handler rdma_create_qp, rdma_modify_qp, rdma_query_qp;
/* mcast.c */
rdma_handler rdma_attach_mcast, rdma_detach_mcast;
/* object.c */
rdma_handler rdma_destroy;
/* cm_id.c */
rdma_handler rdma_cm_create_id, rdma_cm_destroy_id, rdma_cm_set_option;
/* cm_address.c */
rdma_handler rdma_cm_bind, rdma_cm_resolve_addr, rdma_cm_resolve_route, rdma_cm_query_route;
rdma_handler rdma_cm_listen;
/* cm_connect.c */
rdma_handler rdma_cm_connect, rdma_cm_accept, rdma_cm_reject, rdma_cm_disconnect;
rdma_handler rdma_cm_init_qp_attr, rdma_cm_notify;
/* cm_group.c */
rdma_handler rdma_cm_join, rdma_cm_leave;
/* cm_event.c */
rdma_handler rdma_cm_get_event;

/* --------------------------------------------------------------------- pin.c */

/* Guest memory that is in one piece for the host too. */
struct rdma_piece {
	char *hva; /* NULL: a hole, behind which is scratch */
	uint64_t size;
	uint64_t offset; /* in fd */
	uint64_t page;	 /* of fd: mmap maps whole ones only */
	int fd;
};

/*
 * Pieces of guest memory, and the addresses at which the pieces lie side by side. What no mapping
 * can lay side by side may be gathered in a dma-buf instead.
 */
struct rdma_span {
	struct rdma_piece *pieces;
	uint32_t n;
	uint32_t room;
	uint32_t most;	  /* pieces that can be mapped; 0: not known yet */
	uint32_t gather;  /* pieces that a dma-buf takes */
	uint64_t size;	  /* of all pieces */
	void *reserved;	  /* the mapping around the span, or NULL: there is one piece */
	uint64_t reserve; /* its size */
	char *hva;	  /* the span's first byte */
	int scratch_fd;	  /* behind holes in RAM, or -1 */
	int dmabuf_fd;	  /* -1: the span is mapped */
};

/* All but init and take_down with pin_lock held. A span is taken down also after a failure. */
void rdma_span_init(struct rdma_span *span);
/* Add the runs that the request's tail lists: @pages pages of runs, @want bytes altogether. */
int rdma_span_read_runs(struct rdma_slice *s, struct rdma_span *span, const struct rdma_command *c,
			uint32_t pages, uint32_t last, uint64_t want);
/* Add all RAM, and scratch between its ranges. @iova: the lowest guest-physical address. */
int rdma_span_add_ram(struct rdma_slice *s, struct rdma_span *span, uint64_t *iova);
/* Map the pieces side by side; then @span->hva is the first byte. */
int rdma_span_lay_out(struct rdma_span *span, uint64_t iova);
void rdma_span_take_down(struct rdma_span *span);
/* The largest page of the files behind RAM; more than RDMA_PAGE where there is hugetlb. */
uint64_t rdma_ram_page(const struct bypass_memory *memory);

/* ------------------------------------------------------------------ dmabuf.c */

struct ib_uverbs_reg_mr;
struct ib_uverbs_reg_mr_resp;

/* /dev/udmabuf, for HCAs whose driver registers dma-bufs. */
struct rdma_udmabuf {
	int fd;		/* -1: there is none */
	uint32_t runs;	/* of one dma-buf … */
	uint64_t bytes; /* … and what they may be altogether */
};

void rdma_udmabuf_open(struct rdma_udmabuf *u, const struct rdma_dialect *dialect);
/*
 * Make a dma-buf of the span's pieces, where they cannot be laid out: -E2BIG when the pieces are
 * too many or too large.
 */
int rdma_span_gather(const struct rdma_udmabuf *u, struct rdma_span *span);
/* Register a span that was gathered. @in->start is not read. 0 or a negative errno, without a text. */
int rdma_dmabuf_reg(const struct rdma_hca *hca, const struct rdma_span *span,
		    const struct ib_uverbs_reg_mr *in, struct ib_uverbs_reg_mr_resp *out);

/* ------------------------------------------------------------------- quota.c */

/* May @want more bytes of guest memory be pinned, when @now bytes are given up? 0 or -EDQUOT. */
int rdma_quota_check(struct rdma_slice *s, uint64_t now, uint64_t want);
/* An object now has so many bytes pinned. */
void rdma_quota_set(struct rdma_slice *s, struct rdma_object *object, uint64_t size);
/*
 * The most entries of a completion queue. A request for more is refused also after the process's
 * library has rounded the number up.
 */
uint32_t rdma_quota_cqe(const struct rdma_slice *s);
/*
 * The most entries that a request for a queue may name. Where the process's library lays out the
 * queue, the library rounds up first what the program asks for, @max at most.
 */
uint32_t rdma_quota_entries(const struct rdma_slice *s, uint32_t max);

/* ------------------------------------------------------------------- queue.c */

/* The uverbs command that makes a queue, or replaces one. */
struct rdma_queue_call {
	const char *what; /* for the error's text */
	uint32_t uverbs;
	const void *in;
	size_t in_size;
	void *out;
	size_t out_size;
	struct rdma_queue_shape shape;
	uint64_t now; /* pinned bytes that the old queue gives up */
};

/*
 * Execute the command. Where queues are memory of the process, the memory that the guest's command
 * @c names is checked and laid out for the driver first. @pinned receives the bytes that then stay
 * pinned, with the page of the doorbell record.
 */
int rdma_queue_make(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob,
		    const struct rdma_queue_call *call, uint64_t *pinned);

/* ------------------------------------------------------------------ object.c */

/*
 * Take a handle and execute the uverbs command that creates the object; the response @out
 * begins with the host's handle. On failure nothing is left.
 */
int rdma_object_create(struct rdma_slice *s, struct rdma_command *c, enum rdma_kind kind,
		       uint32_t uverbs, const void *in, size_t in_size, void *out, size_t out_size,
		       uint32_t *handle);
/* Undo the creation of an object: destroy the object on the host, take its pages back. */
void rdma_object_undo(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle);
/* Destroy all objects and mappings of a ucontext, or of all of them (RDMA_ALL). */
void rdma_objects_destroy(struct rdma_slice *s, uint32_t ucontext);

/* --------------------------------------------------------------------- av.c */

struct ib_uverbs_qp_dest;

/*
 * Check each field of an address vector, and bring the vector into the form of uverbs, with the
 * host's index of its GID. 0 or -EINVAL.
 */
int rdma_av_to_dest(struct rdma_slice *s, const struct bypass_rdma_ah_attr *av,
		    struct ib_uverbs_qp_dest *dest);
/* The way back. A GID that the guest has no longer becomes index 0. */
void rdma_av_from_dest(struct rdma_slice *s, const struct ib_uverbs_qp_dest *dest,
		       struct bypass_rdma_ah_attr *av);

/* ------------------------------------------------------------------- cm_….c */

struct ib_uverbs_ah_attr;
struct sockaddr_in6;

/* ucma_call() on the slice's descriptor, with a text that says what cannot be done. */
int rdma_cm_call(struct rdma_slice *s, uint32_t command, const void *in, size_t in_size,
		 size_t out_size, const char *what);
/* An id of the guest; else NULL, and @err says why. */
struct rdma_object *rdma_cm_find(struct rdma_slice *s, uint32_t handle, int *err);
/* A handle for an id that the host has, or is to have. */
int rdma_cm_take(struct rdma_slice *s, uint32_t ucontext, uint32_t ps, uint32_t *handle);
void rdma_cm_destroy_host(struct rdma_slice *s, uint32_t host);
/* The host forgets the id; the guest keeps the handle until it destroys the id. */
void rdma_cm_end_on_host(struct rdma_slice *s, struct rdma_object *id);
/* Destroy the ids of a ucontext, or all (RDMA_ALL). */
void rdma_cm_destroy(struct rdma_slice *s, uint32_t ucontext);
int rdma_cm_timeout(uint32_t timeout_ms);
/* The id asks for a resolution, whose event it has to hear of. */
int rdma_cm_ask(struct rdma_object *id);
/* The address of a multicast group. */
int rdma_cm_group_address(const struct bypass_rdma_cm_addr *addr, struct sockaddr_in6 *to);
void rdma_cm_from_av(struct rdma_slice *s, const struct ib_uverbs_ah_attr *from,
		     struct bypass_rdma_ah_attr *to);

/* ------------------------------------------------------------------- scope.c */

/* Entries of the guest's tables, of any port. */
uint32_t rdma_scope_gids(const struct rdma_slice *s);
uint32_t rdma_scope_pkeys(const struct rdma_slice *s);
/* The guest's tables of a port that exists. */
int rdma_scope_query_gids(struct rdma_slice *s, uint32_t port, struct bypass_rdma_gids *out);
int rdma_scope_query_pkeys(struct rdma_slice *s, uint32_t port, struct bypass_rdma_pkeys *out);
/* From an index of the guest to one of the host, and back. -EINVAL: the GID is not the guest's. */
int rdma_scope_gid_to_host(struct rdma_slice *s, uint32_t port, uint8_t guest, uint8_t *host);
uint8_t rdma_scope_gid_from_host(struct rdma_slice *s, uint32_t port, uint8_t host);
/* @guest is below rdma_scope_pkeys(). */
uint16_t rdma_scope_pkey_to_host(const struct rdma_slice *s, uint16_t guest);
uint16_t rdma_scope_pkey_from_host(const struct rdma_slice *s, uint16_t host);

/* ----------------------------------------------------------------- options.c */

/* Defaults for what is 0, and the limits of all: 0 or -EINVAL. */
int rdma_options_complete(struct bypass_rdma_options *options);

/* ------------------------------------------------------- qp_state.c, qp_attr.c */

/* May a queue pair go from state to state with these attributes? 0 or -EINVAL. */
int rdma_qp_check_transition(uint32_t type, uint8_t from, uint8_t to, uint32_t mask);
/* Are the attributes that @mask names in their ranges? 0, -EINVAL, or -EPERM for a Q_Key. */
int rdma_qp_check_attributes(struct rdma_slice *s, const struct rdma_object *qp,
			     const struct bypass_rdma_qp_attr *attr, uint32_t mask);

/* ------------------------------------------------------------------- mcast.c */

/* Detach a queue pair from all its groups, before the queue pair is destroyed. */
void rdma_mcasts_detach(struct rdma_slice *s, struct rdma_object *qp);
/* The queue pair is gone on the host: free what is left of its list of groups. */
void rdma_mcasts_forget(struct rdma_slice *s, struct rdma_object *qp);

/* ----------------------------------------------------------------- pending.c */

/* CQs of one vector whose completions the guest has not heard of yet. */
struct rdma_completions {
	bool *cqs;	  /* by handle */
	uint32_t waiting; /* how many */
	uint32_t next;	  /* whose turn it is */
};

/* With lock held. An event of a port or of an object. An element that does not exist has none. */
void rdma_pending_event(struct rdma_slice *s, uint32_t type, uint32_t element);
/* The next event in turn, so that no object keeps another's from the guest. False: none waits. */
bool rdma_pending_next_event(struct rdma_slice *s, uint32_t *type, uint32_t *element);
/* The guest has the event that was next. */
void rdma_pending_event_done(struct rdma_slice *s);
/* The same for completions; @cq exists. */
void rdma_pending_completion(struct rdma_slice *s, unsigned int vector, uint32_t cq);
bool rdma_pending_next_completion(struct rdma_slice *s, unsigned int vector, uint32_t *cq);
void rdma_pending_completion_done(struct rdma_slice *s, unsigned int vector);
/* The object is gone on the host: so are its events and its completions. */
void rdma_pending_forget(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle);

/* ------------------------------------------------------------------- event.c */

/* With lock held: read what the HCA has. The guest has it with the next rdma_events_deliver(). */
void rdma_events_read(struct rdma_slice *s);
/* With lock held: read what the HCA has, hand on as much as the guest has buffers for. */
void rdma_events_deliver(struct rdma_slice *s);
void rdma_completions_deliver(struct rdma_slice *s, unsigned int vector);
/* The HCA was removed: give it up, tell the guest. */
void rdma_lost(struct rdma_slice *s);

/* ------------------------------------------------------------------- guard.c */

/*
 * Make a copy of the queue that the driver offers at @offset of cmd_fd, in the pages of the
 * region at @shm_offset, which hold zeroes.
 */
int rdma_guard_open(struct rdma_slice *s, const struct rdma_ring *wanted, uint64_t offset,
		    uint32_t size, uint64_t shm_offset);
void rdma_guard_close(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle);
/*
 * Around the resize of a CQ or an SRQ: nothing is moved from the old queue; then the queue is
 * @replaced or not. @entries: what waits in the queue must fit.
 */
int rdma_guard_stop(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle, uint32_t entries);
void rdma_guard_go_on(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle, bool replaced);
/* A queue pair was reset: what the guest has posted before is gone. */
void rdma_guard_reset(struct rdma_slice *s, uint32_t handle);
/* The guest arms a CQ. Before it is armed on the host. */
void rdma_guard_arm(struct rdma_slice *s, uint32_t handle);
/* An event of a CQ came. Does the guest want to know? Before rings are moved. */
bool rdma_guard_notified(struct rdma_slice *s, uint32_t handle);
/*
 * Move what waits in all rings, and ring for the queue pairs that got something to send.
 * @any: something was moved. True: rings must be looked into again before anybody rings:
 * receives and completions come with no doorbell, and sends may have found the driver's queue full.
 */
bool rdma_guard_move(struct rdma_slice *s, bool *any);

/* ---------------------------------------------------------------- doorbell.c */

int rdma_doorbell_start(struct rdma_slice *s);
void rdma_doorbell_stop(struct rdma_slice *s);

/* -------------------------------------------------------------------- post.c */

/* The empty POST_SEND that makes the driver look at a queue pair's send queue. */
void rdma_post_send(struct rdma_slice *s, uint32_t handle);
/* Ask for an event at the next completion, or the next solicited one. */
void rdma_arm(struct rdma_slice *s, uint32_t handle, bool solicited);

/* ---------------------------------------------------------------- the slice */

/* Each one follows the one before. A reset of the device leads from TOLD back to CLOSED. */
enum rdma_hca_state {
	RDMA_HCA_WORKS,
	RDMA_HCA_LOST,	 /* the HCA was removed, and is still open here */
	RDMA_HCA_CLOSED, /* nothing of the HCA is open; the guest does not know yet */
	RDMA_HCA_TOLD,	 /* the guest knows: it got the event DEVICE_FATAL */
};

struct rdma_slice {
	struct bypass_virtio_device dev; /* first: it is what transports hold */
	struct bypass_rdma_options options;
	struct rdma_hca hca;
	const struct rdma_dialect *dialect;
	bool guarded;
	struct bypass_rdma_config config; /* what the guest reads */
	struct bypass_rdma_device limits; /* what QUERY_DEVICE says … */
	struct bypass_rdma_clock clock;	  /* … and QUERY_CLOCK */
	uint32_t max_message;		  /* bytes, that each port takes */
	uint16_t queue_size[RDMA_QUEUES_MAX];
	uint64_t features; /* accepted by the driver */

	pthread_mutex_t lock;
	const struct bypass_virtio_carrier *carrier;
	void *transport;
	struct bypass_virtqueue queues[RDMA_QUEUES_MAX];
	struct rdma_table tables[RDMA_KINDS];
	struct rdma_table cm_ids;
	struct rdma_table cm_groups;
	struct rdma_shm shm;
	struct rdma_pages pages;
	struct bypass_window window; /* the region without the clock; size 0: there is no clock */
	uint64_t pinned;
	uint32_t mcasts;
	int channels[RDMA_VECTORS_MAX]; /* completion channels of the host */
	struct rdma_completions completions[RDMA_VECTORS_MAX];
	uint32_t port_events[RDMA_PORTS]; /* that wait for the guest, a bit a type */
	uint32_t events_waiting;	  /* bits in those masks, and in objects' */
	uint32_t event_next;		  /* whose turn it is, see pending.c */
	struct rdma_command *command;	  /* the one buffer for requests … */
	uint8_t *response;		  /* … and this for responses */
	enum rdma_hca_state hca_state;
	bool resets; /* during a reset: the transport takes shared pages back by itself */

	pthread_mutex_t pin_lock;
	pthread_rwlock_t memory_lock;
	struct bypass_memory *memory; /* the slice's own copy; never NULL */
	uint64_t doorbell_gpa;	      /* 0: not told yet */
	uint64_t owner_gpa;	      /* of the owner's word; 0: not told yet */
	uint64_t ram_page;	      /* the largest page of the files behind RAM */

	/* Read by the doorbell thread with host_lock: uverbs handle + 1, or 0. */
	pthread_mutex_t host_lock;
	_Atomic uint32_t *qp_hosts;
	_Atomic uint32_t *cq_hosts;

	pthread_mutex_t ring_lock;
	struct rdma_ring *rings;
	bool complained; /* the log knows what the guard does not let through */

	pthread_t control_thread;
	pthread_t doorbell_thread;
	struct rdma_owner owner; /* the control thread */
	bool control_runs;
	bool doorbell_runs;
	_Atomic bool control_stops;
	_Atomic bool doorbell_stops;
	_Atomic int callers; /* of the transport, waiting for lock: they go first */
	int epoll_fd;
	int control_wake_fd;  /* wakes the control thread, to stop or to look around */
	int doorbell_wake_fd; /* wakes the doorbell thread, to stop or to look around */
	int doorbell_kick_fd; /* the transport's; valid while the thread runs */
	int removal_fd;	      /* inotify: the HCA's device node goes away */
	struct rdma_udmabuf udmabuf;
	int lost_fd;	 /* signalled when the HCA was given up */
	bool lost_event; /* the VMM is yet to be told that it was */

	struct log_limit remarks; /* warnings that the guest has caused */

	struct {
		_Atomic uint64_t commands, refused, kicks, post_sends, arms, completions, events,
			copied, pinned_bytes, shm_bytes, objects;
	} stats;
};

extern const struct bypass_virtio_ops rdma_virtio_ops; /* device.c */

/* --------------------------------------------------------------- resources.c */

/* Locks, and what says that nothing else is there yet. */
void rdma_resources_init(struct rdma_slice *s);
/* Everything else, by the options and the HCA. On failure: free. */
int rdma_resources_make(struct rdma_slice *s);
/* Close the HCA, free everything and the slice itself. */
void rdma_resources_free(struct rdma_slice *s);

/* ------------------------------------------------------------------- slice.c */

/* Everything but the HCA, which the caller has opened. For rdma_open and for tests. */
int rdma_slice_new(const struct bypass_rdma_options *options, const struct rdma_hca *hca,
		   const struct rdma_dialect *dialect, struct rdma_slice **slice);

/* A warning that a guest can cause. */
#define rdma_remark(s, fmt, ...) log_limited(&(s)->remarks, "%s: " fmt, (s)->dev.name, __VA_ARGS__)

static inline void rdma_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline struct rdma_slice *rdma_slice(struct bypass_virtio_device *dev)
{
	return (struct rdma_slice *)dev;
}

#endif
