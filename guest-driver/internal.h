/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The module's own view of a context slice: the device, its objects, and what the files
 * offer each other. The messages to the host are in bypass_rdma_abi.h.
 */
#ifndef BYPASS_INTERNAL_H
#define BYPASS_INTERNAL_H

#include <linux/completion.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>
#include <rdma/mlx5-abi.h>
#include <rdma/uverbs_ioctl.h>

#include "bypass_rdma_abi.h"
#include "compat.h"

/* Limits of the numbers in config space: probe refuses a host that says more. */
#define BYPASS_MAX_PORTS   16
#define BYPASS_MAX_VECTORS 256
#define BYPASS_MAX_OBJECTS BIT(20)

struct bypass_dev;
struct bypass_gid_netdev;
struct bypass_revival;

/**
 * struct bypass_vector - a completion vector
 * @vq: its queue
 * @buffers: one message for each place in the queue; the host writes them
 */
struct bypass_vector {
	struct virtqueue *vq;
	struct bypass_rdma_completion *buffers;
};

/**
 * struct bypass_port - what the module keeps of a port
 * @link_layer: as the host says; the core asks too often to fetch it each time
 * @gid_count: number of @gids
 * @pkey_count: number of @pkeys
 * @gids: the slice's table, as the host has sent it: the host translates its indices
 * @gid_types: the RoCE version of each of @gids, 0 with InfiniBand
 * @netdevs: what the core's table names as the network device of each of @gids; NULL: none
 * @pkeys: likewise
 * @counters: what the core is told of the port's counters; the names lie in @names
 * @counter_count: number of @counters
 * @pma_count: how many more the host has, which pma.c answers with
 * @names: as the host has sent them
 */
struct bypass_port {
	u8 link_layer;
	u32 gid_count;
	u32 pkey_count;
	union ib_gid gids[BYPASS_RDMA_GIDS_MAX];
	u8 gid_types[BYPASS_RDMA_GIDS_MAX];
	struct bypass_gid_netdev *netdevs[BYPASS_RDMA_GIDS_MAX];
	u16 pkeys[BYPASS_RDMA_PKEYS_MAX];
	struct rdma_stat_desc counters[BYPASS_RDMA_COUNTERS_MAX];
	u32 counter_count;
	u32 pma_count;
	char names[BYPASS_RDMA_COUNTERS_MAX][sizeof_field(struct bypass_rdma_counter, name)];
};

/**
 * struct bypass_table - objects by the host's handle, for completions and events
 * @objects: struct bypass_object. Handlers run under its lock, so that an object that has
 *	been taken out hears of nothing more
 * @limit: the host's handles are below this number
 */
struct bypass_table {
	struct xarray objects;
	u32 limit;
};

/**
 * struct bypass_naming - names the network devices of the guest that have the addresses of GIDs
 * @lock: guards netdevs in the ports, and @filled
 * @filled: the core has its tables of GIDs
 * @work: names them anew
 * @started: the following hear of changes
 * @netdev: of network devices that go
 * @inet: of IPv4 addresses
 * @inet6: of IPv6 addresses
 */
struct bypass_naming {
	struct mutex lock; /* netdevs in the ports, @filled */
	bool filled;
	struct work_struct work;
	bool started;
	struct notifier_block netdev;
	struct notifier_block inet;
	struct notifier_block inet6;
};

/**
 * struct bypass_dev - one slice
 * @ibdev: the verbs device; first, because the core allocates and frees the whole by it
 * @gid_handler: called when the core has fetched a table of GIDs anew
 * @vdev: the virtio device
 * @config: the host's description, checked
 * @clock: of the HCA, as completions have it; zeroes where they do not
 * @shm: shared memory region 0, guest-physical
 * @gone: no command is answered any more; each fails with -EIO at once
 * @lost_once: bit 0: bypass_lost() or bypass_silent() has been called
 * @silent: the device was lost because the host does not answer
 * @revival: probes the device anew when it is lost; NULL until the device is registered
 * @parked_lock: guards @parked and @stopped
 * @parked: memory of processes that a lost host may still touch
 * @stopped: the device has been reset, and touches no memory any more
 * @registered: the core knows the device, and may be told of events
 * @control: the control queue
 * @control_lock: guards @control
 * @control_room: woken when a command has left @control
 * @in_flight: number of commands that somebody waits for
 * @patience: sum of the milliseconds that these commands get beyond the usual
 * @contexts: number of processes that have the device open
 * @watch: looks each second whether the host still serves the device, while there are @contexts: a
 *	process that waits for a completion asks nothing
 * @owner: shared with the host: says whether somebody serves the device; NULL where the host does not say
 * @owned: how often @watch may see no owner before the device is lost; 0: there never was an owner
 * @question: when @watch asks the host again, in jiffies
 * @events: the event queue
 * @event_buffers: one message for each place in @events; the host writes them
 * @event_work: reads @events
 * @doorbell: shared with the host; NULL where the HCA needs none
 * @doorbell_vq: is only ever kicked
 * @vectors: completion vectors, config.vectors of them
 * @cqs: completion queues
 * @qps: queue pairs
 * @srqs: shared receive queues
 * @port_lock: guards the tables in @ports that the host has sent; also taken in softirqs
 * @ports: by port number less one
 * @naming: of network devices, in @ports
 * @releases: sends RELEASE_MMAP, which becomes due where nobody may wait
 * @cm_lock: guards @cm_notify and @cm_context
 * @cm_notify: the module of connections hears that events wait; NULL: there is none
 * @cm_context: for @cm_notify
 */
struct bypass_dev {
	struct ib_device ibdev;
	struct ib_event_handler gid_handler;
	struct virtio_device *vdev;
	struct bypass_rdma_config config;
	struct bypass_rdma_clock clock;
	struct virtio_shm_region shm;

	bool gone;
	unsigned long lost_once;
	bool silent;
	struct bypass_revival *revival;
	spinlock_t parked_lock; /* @parked, @stopped */
	struct list_head parked;
	bool stopped;
	bool registered;

	struct virtqueue *control;
	spinlock_t control_lock; /* @control */
	wait_queue_head_t control_room;
	atomic_t in_flight;
	atomic_long_t patience;

	atomic_t contexts;
	struct delayed_work watch;
	__le32 *owner;
	unsigned int owned;
	unsigned long question;

	struct virtqueue *events;
	struct bypass_rdma_event *event_buffers;
	struct work_struct event_work;
	struct bypass_rdma_doorbell *doorbell;
	struct virtqueue *doorbell_vq;
	struct bypass_vector *vectors;

	struct bypass_table cqs;
	struct bypass_table qps;
	struct bypass_table srqs;
	spinlock_t port_lock; /* tables in @ports */
	struct bypass_port *ports;
	struct bypass_naming naming;
	struct workqueue_struct *releases;

	struct mutex cm_lock; /* @cm_notify, @cm_context */
	void (*cm_notify)(void *context);
	void *cm_context;
};

/**
 * struct bypass_mmaps - what an object gave its process to mmap
 * @entry: references that the object holds
 * @count: number of references
 */
struct bypass_mmaps {
	struct rdma_user_mmap_entry *entry[BYPASS_RDMA_MMAPS_MAX];
	unsigned int count;
};

/**
 * struct bypass_ucontext - a process that has the device open
 * @ibuc: the core's part
 * @mmaps: what the process may map of its context
 * @handle: the host's name for the context
 * @mlx5: what a ConnectX's driver answered, for a process that imports the context
 */
struct bypass_ucontext {
	struct ib_ucontext ibuc;
	struct bypass_mmaps mmaps;
	u32 handle;
	struct mlx5_ib_alloc_ucontext_resp mlx5;
};

/**
 * struct bypass_mmap_entry - a piece of the shared memory region that a process may map
 * @rdma_entry: the core's part
 * @dev: the slice
 * @ucontext: the process
 * @shm_offset: offset in the region
 * @size: bytes
 * @flags: enum bypass_rdma_mmap_flags
 * @context: of a doorbell page that the process asked for: the host's name for the context that came
 *	with the page, and ends with it; BYPASS_RDMA_NONE for all other pieces
 * @release: gives the piece back to the host
 */
struct bypass_mmap_entry {
	struct rdma_user_mmap_entry rdma_entry;
	struct bypass_dev *dev;
	struct bypass_ucontext *ucontext;
	u64 shm_offset;
	u64 size;
	u32 flags;
	u32 context;
	struct work_struct release;
};

/**
 * struct bypass_pin - memory of a process that the HCA may touch
 * @parked: place in the slice's list of parked memory
 * @umem: the pages
 * @pages: guest-physical addresses of pages full of runs, until the host has read them
 * @count: number of @pages
 * @runs: number of runs in the last of @pages
 * @last: the last run, which may still grow
 */
struct bypass_pin {
	struct list_head parked;
	struct ib_umem *umem;
	__le64 *pages;
	unsigned int count;
	unsigned int runs;
	struct bypass_rdma_run *last;
};

/**
 * struct bypass_user_queue - what a process says of its queue
 * @buffer: address of the queue
 * @size: its bytes; 0 for none
 * @record: address of the doorbell record
 * @has_record: the command names one
 * @page: number of the doorbell page that the process wants for the queue; 0: its static page
 */
struct bypass_user_queue {
	u64 buffer;
	u64 size;
	u64 record;
	bool has_record;
	u32 page;
};

/**
 * struct bypass_queue - memory of a process that is a queue
 * @buffer: the queue; NULL for none
 * @record: the page of its doorbell record; NULL for none
 * @page: the doorbell page that rings it, if not the static one of the process
 * @memory: what the host is told
 */
struct bypass_queue {
	struct bypass_pin *buffer;
	struct bypass_pin *record;
	struct rdma_user_mmap_entry *page;
	struct bypass_rdma_queue_memory memory;
};

/**
 * struct bypass_kind - how the host makes and destroys objects of a kind
 * @create: the command that makes one
 * @destroy: the command that destroys one; its body is a handle
 * @request_size: bytes of the body of @create
 * @response_size: bytes of the answer to @create, which begins with the handle
 */
struct bypass_kind {
	u32 create;
	u32 destroy;
	size_t request_size;
	size_t response_size;
};

/**
 * struct bypass_object - what the host keeps for a process
 * @kind: how it is destroyed
 * @owner: the process; NULL: the guest's kernel, on behalf of all
 * @lock: serializes changes
 * @mmaps: what the process may map of the object
 * @table: where events find the object by its handle; NULL for kinds without events
 * @pin: memory that the HCA may touch while the object lives; NULL for none
 * @queue: likewise, of a queue
 * @answer: receives the provider's answer to the creation, @answer_size bytes; NULL: nobody wants to know
 * @answer_size: see @answer
 * @handle: the host's name for the object
 */
struct bypass_object {
	const struct bypass_kind *kind;
	struct bypass_ucontext *owner;
	struct mutex lock; /* changes */
	struct bypass_mmaps mmaps;
	struct bypass_table *table;
	struct bypass_pin *pin;
	struct bypass_queue queue;
	void *answer;
	size_t answer_size;
	u32 handle;
};

struct bypass_pd {
	struct ib_pd ibpd;
	struct bypass_object object;
	struct mlx5_ib_alloc_pd_resp mlx5; /* what a ConnectX's driver answered */
};

struct bypass_mr {
	struct ib_mr ibmr;
	struct bypass_object object;
};

struct bypass_mw {
	struct ib_mw ibmw;
	struct bypass_object object;
};

struct bypass_cq {
	struct ib_cq ibcq;
	struct bypass_object object;
	struct mutex arming; /* one request for a notification at a time */
};

struct bypass_srq {
	struct ib_srq ibsrq;
	struct bypass_object object;
};

struct bypass_qp {
	struct ib_qp ibqp;
	struct bypass_object object;
	enum ib_qp_state state; /* that MODIFY_QP has set last; the HCA may have gone on to ERR */
};

struct bypass_ah {
	struct ib_ah ibah;
	struct bypass_object object;
};

struct bypass_xrcd {
	struct ib_xrcd ibxrcd;
	struct bypass_object object;
};

static inline struct bypass_dev *to_dev(struct ib_device *ibdev)
{
	return container_of(ibdev, struct bypass_dev, ibdev);
}

#define BYPASS_TO(type, field)                                                                     \
	static inline struct bypass_##type *to_##type(struct ib_##type *object)                    \
	{                                                                                          \
		return container_of(object, struct bypass_##type, field);                          \
	}
BYPASS_TO(ucontext, ibuc)
BYPASS_TO(pd, ibpd)
BYPASS_TO(mr, ibmr)
BYPASS_TO(mw, ibmw)
BYPASS_TO(cq, ibcq)
BYPASS_TO(srq, ibsrq)
BYPASS_TO(qp, ibqp)
BYPASS_TO(ah, ibah)
BYPASS_TO(xrcd, ibxrcd)
#undef BYPASS_TO

/* The process behind a verb; NULL where the kernel itself asks, as it does for XRC targets. */
static inline struct bypass_ucontext *bypass_caller(struct ib_udata *udata)
{
	return rdma_udata_to_drv_context(udata, struct bypass_ucontext, ibuc);
}

/* ctrl.c: commands to the host */

/**
 * struct bypass_command - a command and its answer
 * @number: enum bypass_rdma_command
 * @undo: command that destroys what this one creates, sent when the answer cannot be
 *	handed on; the answer then begins with the handle. 0 when nothing is created
 * @ucontext: the process that asks, NULL for the kernel itself
 * @request: body, @request_size bytes
 * @request_size: see @request
 * @queue: follows the blob; NULL for none
 * @tail: follows the blob and @queue, @tail_size bytes
 * @tail_size: see @tail
 * @response: set to the answer's body, @response_size bytes, on success
 * @response_size: see @response
 * @udata: the provider's blobs, NULL when there are none
 * @blob: the provider's input in place of @udata's, @blob_size bytes; NULL: none
 * @blob_size: see @blob
 * @answer: receives the provider's output too, at most @answer_size bytes; NULL: not
 * @answer_size: see @answer
 * @page: a queue's doorbell page, if not the static one of @ucontext
 * @mmaps: receives what the answer offers to mmap; NULL when it may offer nothing
 * @place_first: the offers are placed at this page of the file or behind, in place of where they say …
 * @place_last: … and not behind this one; 0: where they say
 * @patience: milliseconds to wait for the answer on top of the usual
 */
struct bypass_command {
	u32 number;
	u32 undo;
	struct bypass_ucontext *ucontext;
	const void *request;
	size_t request_size;
	const struct bypass_rdma_queue_memory *queue;
	const void *tail;
	size_t tail_size;
	void *response;
	size_t response_size;
	struct ib_udata *udata;
	const void *blob;
	size_t blob_size;
	void *answer;
	size_t answer_size;
	const struct bypass_mmap_entry *page;
	struct bypass_mmaps *mmaps;
	u32 place_first;
	u32 place_last;
	unsigned int patience;
};

int bypass_execute(struct bypass_dev *dev, const struct bypass_command *command);
int bypass_destroy_handle(struct bypass_dev *dev, u32 number, struct bypass_ucontext *owner,
			  u32 handle);
void bypass_control_done(struct virtqueue *vq);
void bypass_control_drain(struct bypass_dev *dev);
unsigned int bypass_timeout_ms(void);

/* object.c: what the host keeps for a process */
int bypass_create(struct bypass_dev *dev, struct bypass_object *object,
		  const struct bypass_kind *kind, const void *request, void *response,
		  struct ib_udata *udata);
int bypass_destroy(struct bypass_dev *dev, struct bypass_object *object);
int bypass_change(struct bypass_dev *dev, struct bypass_object *object,
		  struct bypass_command *command);
void bypass_mmap_free(struct rdma_user_mmap_entry *rdma_entry);

/* lost.c: the end of a device whose host is gone, and its second life */
void bypass_lost(struct bypass_dev *dev, const char *why);
void bypass_silent(struct bypass_dev *dev, const char *why);
struct bypass_revival *bypass_revival_make(struct virtio_device *vdev);
void bypass_revival_free(struct bypass_revival *revival);
void bypass_revival_arm(struct bypass_dev *dev, struct bypass_revival *revival);
void bypass_revival_disarm(struct bypass_dev *dev);
int bypass_revivals_start(void);
void bypass_revivals_stop(void);

/* device.c: the verbs device */
int bypass_device_setup(struct bypass_dev *dev);

/* port.c: its ports */
int bypass_ask_port(struct bypass_dev *dev, u32 number, u32 port, void *response,
		    size_t response_size);
int bypass_port_setup(struct bypass_dev *dev, u32 port);
int bypass_refresh_gids(struct bypass_dev *dev, u32 port);
int bypass_refresh_pkeys(struct bypass_dev *dev, u32 port);
int bypass_describe_gids(struct ib_device *ibdev);
void bypass_tables_changed(struct ib_event_handler *handler, struct ib_event *event);
int bypass_query_port(struct ib_device *ibdev, u32 port, struct ib_port_attr *attr);
int bypass_get_port_immutable(struct ib_device *ibdev, u32 port,
			      struct ib_port_immutable *immutable);
enum rdma_link_layer bypass_get_link_layer(struct ib_device *ibdev, u32 port);
int bypass_query_gid(struct ib_device *ibdev, u32 port, int index, union ib_gid *gid);
int bypass_query_pkey(struct ib_device *ibdev, u32 port, u16 index, u16 *pkey);

/* gid_netdev.c: network devices that have the addresses of GIDs */
int bypass_naming_start(struct bypass_dev *dev);
void bypass_naming_stop(struct bypass_dev *dev);
void bypass_name_netdevs(struct bypass_dev *dev);

/* absent.c: is the device there at all? */
bool bypass_absent(struct bypass_dev *dev);
u32 bypass_owner(const struct bypass_dev *dev);
bool bypass_owner_died(const struct bypass_dev *dev);
void bypass_give_up_absent(struct bypass_dev *dev);

/* owner.c: the host is told where to say whether somebody serves the device */
int bypass_owner_setup(struct bypass_dev *dev);
void bypass_owner_free(struct bypass_dev *dev);

/* watch.c: does the host still answer? */
void bypass_watch(struct work_struct *work);
void bypass_watch_begin(struct bypass_dev *dev);

/* doorbell.c */
int bypass_doorbell_setup(struct bypass_dev *dev);
void bypass_doorbell_free(struct bypass_dev *dev);
int bypass_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		     const struct ib_send_wr **bad_wr);
int bypass_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags flags);

/* events.c */
void bypass_read_events(struct work_struct *work);
int bypass_events_setup(struct bypass_dev *dev);
void bypass_events_start(struct bypass_dev *dev);
void bypass_events_free(struct bypass_dev *dev);
void bypass_event_arrived(struct virtqueue *vq);
void bypass_completion_arrived(struct virtqueue *vq);

/* mmap.c */
int bypass_mmaps_insert(struct bypass_dev *dev, const struct bypass_command *command,
			const struct bypass_rdma_mmap *from, unsigned int count);
void bypass_mmaps_remove(struct bypass_mmaps *mmaps);
void bypass_mmaps_replace(struct bypass_mmaps *mmaps, const struct bypass_mmaps *newer);
int bypass_mmap(struct ib_ucontext *ibuc, struct vm_area_struct *vma);

/* pin.c */
struct bypass_pin *bypass_pin(struct bypass_dev *dev, u64 start, u64 length, u64 iova, int access);
void bypass_pin_describe(const struct bypass_pin *pin, struct bypass_command *command);
void bypass_pin_described(struct bypass_pin *pin);
void bypass_unpin(struct bypass_dev *dev, struct bypass_pin *pin);
void bypass_unpin_parked(struct bypass_dev *dev);

/* queue.c */
bool bypass_queue_known(const struct bypass_dev *dev);
int bypass_queue_pin(struct bypass_dev *dev, struct bypass_queue *queue,
		     struct bypass_command *command);
void bypass_queue_described(struct bypass_queue *queue);
void bypass_queue_unpin(struct bypass_dev *dev, struct bypass_queue *queue);
void bypass_queue_replace(struct bypass_dev *dev, struct bypass_queue *queue,
			  struct bypass_queue *newer);

/* mlx5.c */
int bypass_mlx5_find(const struct bypass_command *command, struct bypass_user_queue *queue);
void bypass_mlx5_hide_page(u32 number, void *blob, size_t size);

/* mlx5_uapi.c */
int bypass_query_ucontext(struct ib_ucontext *ibuc, struct uverbs_attr_bundle *attrs);
extern const struct uapi_definition bypass_mlx5_uapi[];

/* counters.c */
int bypass_counters_setup(struct bypass_dev *dev);
struct bypass_rdma_counters *bypass_ask_counters(struct bypass_dev *dev, u32 port, u32 *count,
						 u32 *pma);

/* pma.c: port counters in the form of datagrams, as the core wants them */
void bypass_pma_setup(struct bypass_dev *dev);

/* cm.c */
void bypass_cm_event(struct bypass_dev *dev);

/* context.c */
int bypass_ask_context(struct bypass_dev *dev, struct bypass_command *command);
int bypass_alloc_ucontext(struct ib_ucontext *ibuc, struct ib_udata *udata);
void bypass_dealloc_ucontext(struct ib_ucontext *ibuc);
void bypass_disassociate(struct ib_ucontext *ibuc);

/* pd.c */
int bypass_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
int bypass_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);

/* mr.c */
struct ib_mr *bypass_reg_user_mr(struct ib_pd *ibpd, u64 start, u64 length, u64 iova, int access,
				 BYPASS_DMAH_PARAMETER struct ib_udata *udata);
struct ib_mr *bypass_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start, u64 length, u64 iova,
				   int access, struct ib_pd *ibpd, struct ib_udata *udata);
int bypass_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata);

/* mw.c */
int bypass_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata);
int bypass_dealloc_mw(struct ib_mw *ibmw);

/* cq.c */
int bypass_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		     BYPASS_CQ_ATTRS *attrs);
int bypass_resize_cq(struct ib_cq *ibcq, BYPASS_CQE cqe, struct ib_udata *udata);
int bypass_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata);

/* srq.c */
int bypass_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init, struct ib_udata *udata);
int bypass_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr, enum ib_srq_attr_mask mask,
		      struct ib_udata *udata);
int bypass_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr);
int bypass_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata);

/* qp.c */
int bypass_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *init, struct ib_udata *udata);
int bypass_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask, struct ib_udata *udata);
int bypass_query_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		    struct ib_qp_init_attr *init);
int bypass_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata);

/* ah.c */
void bypass_pack_ah(struct bypass_rdma_ah_attr *to, const struct rdma_ah_attr *from);
void bypass_unpack_ah(struct bypass_dev *dev, struct rdma_ah_attr *to,
		      const struct bypass_rdma_ah_attr *from);
int bypass_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init, struct ib_udata *udata);
int bypass_destroy_ah(struct ib_ah *ibah, u32 flags);

/* xrcd.c */
int bypass_alloc_xrcd(struct ib_xrcd *ibxrcd, struct ib_udata *udata);
int bypass_dealloc_xrcd(struct ib_xrcd *ibxrcd, struct ib_udata *udata);

/* mcast.c */
int bypass_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);
int bypass_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);

#endif
