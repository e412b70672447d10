/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside the vhost-user back end: messages as they are on the socket, and the state
 * of one connection. Numbers and layouts: QEMU's docs/interop/vhost-user.
 */
#ifndef BYPASS_VIRTIO_VHOST_USER_H
#define BYPASS_VIRTIO_VHOST_USER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <bypass/virtio.h>

/* Front end to back end */
enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_RESET_DEVICE = 34,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_GET_SHMEM_CONFIG = 44,
	VU_REQUESTS,
};

/* Back end to front end */
enum vu_backend_request {
	VU_BACKEND_CONFIG_CHANGE = 2,
	VU_BACKEND_SHMEM_MAP = 9,
	VU_BACKEND_SHMEM_UNMAP = 10,
};

/* Feature bit of vhost-user among those of virtio, and the protocol's own feature bits */
#define VU_F_PROTOCOL_FEATURES	 (1ull << 30)
#define VU_P_MQ			 (1ull << 0)
#define VU_P_REPLY_ACK		 (1ull << 3)
#define VU_P_BACKEND_REQ	 (1ull << 5)
#define VU_P_CONFIG		 (1ull << 9)
#define VU_P_BACKEND_SEND_FD	 (1ull << 10)
#define VU_P_RESET_DEVICE	 (1ull << 13)
#define VU_P_CONFIGURE_MEM_SLOTS (1ull << 15)
#define VU_P_SHMEM		 (1ull << 22)

/* Header flags */
#define VU_VERSION	1u
#define VU_VERSION_MASK 3u
#define VU_REPLY	(1u << 2)
#define VU_NEED_REPLY	(1u << 3)

#define VU_VRING_INDEX 0xffull
#define VU_VRING_NO_FD (1ull << 8)
#define VU_SHMEM_WRITE 1ull
#define VU_SHMEM_IDS   256
#define VU_TABLE_MAX   8   /* regions in one SET_MEM_TABLE, so also descriptors in a message */
#define VU_SLOTS_MAX   509 /* regions in all; as many as QEMU can have besides its own */
#define VU_SHOWS_MAX                                                                               \
	448 /* pieces of the shared memory region among them, so that guest RAM has room */
#define VU_PAYLOAD_MAX 4096
#define VU_CONFIG_MAX  256

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vu_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user_addr; /* in the front end's address space */
	uint64_t offset;    /* of the region in its file */
};

struct vu_table {
	uint32_t count;
	uint32_t padding;
	struct vu_region region[VU_TABLE_MAX];
};

struct vu_slot_region {
	uint64_t padding;
	struct vu_region region;
};

struct vu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VU_CONFIG_MAX];
};

struct vu_shmem_config {
	uint32_t count;
	uint32_t padding;
	uint64_t size[VU_SHMEM_IDS];
};

struct vu_shmem_map {
	uint8_t id;
	uint8_t padding[7];
	uint64_t fd_offset;
	uint64_t offset;
	uint64_t size;
	uint64_t flags;
};

/* A message from the front end: a private copy, and the descriptors that came with it. */
struct vu_message {
	struct vu_header header;
	union {
		uint8_t bytes[VU_PAYLOAD_MAX];
		uint64_t u64;
		struct vu_vring_state state;
		struct vu_vring_addr addr;
		struct vu_table table;
		struct vu_slot_region slot;
		struct vu_config config;
		struct vu_shmem_config shmem;
	};
	int fds[VU_TABLE_MAX]; /* -1 when taken over */
	unsigned int n_fds;
};

/*
 * A region of the front end's memory map. Shared pages that we had it map are among
 * them, as it tells all that its guest sees: those have no mapping here.
 */
struct vu_slot {
	struct vu_region region;
	void *map; /* the file from its start to the region's end; NULL: not RAM */
	size_t map_size;
	int fd; /* -1: not RAM */
};

struct vu_vring {
	struct bypass_virtio_queue queue;
	struct vu_vring_addr addr; /* as told: in the front end's addresses */
	bool addressed;
	bool enabled;
	bool started;
};

/* A file of the device's own that the region shows; device nodes are not among them. */
struct vu_shown {
	uint64_t offset; /* in the region */
	uint64_t size;
	dev_t dev;
	ino_t ino;
};

/*
 * The channel on which we ask the front end. Its replies come in the order of the
 * requests; those that nobody waits for any more are counted and skipped.
 */
struct vu_backend {
	int fd;		      /* -1: none */
	int cancel_fd;	      /* readable: whoever waits for a reply shall give up */
	pthread_mutex_t lock; /* of what is sent, and of what is shown */
	unsigned int abandoned;
	bool mute;	    /* the front end stops the device: nothing more is sent */
	unsigned int shows; /* pieces of the region that are mapped */
	struct vu_shown *shown;
	unsigned int n_shown;
};

struct vu {
	struct bypass_virtio_device *dev;
	int fd;
	int stop_fd;
	uint64_t protocol_features;
	uint64_t features;
	bool accepted;	  /* the device knows of @features */
	pthread_t thread; /* the one that serves the connection */
	struct vu_backend backend;
	struct vu_slot slots[VU_SLOTS_MAX];
	unsigned int n_slots;
	struct bypass_memory *mem;
	struct vu_vring *vrings;
};

/* vhost-user-socket.c */
int vu_receive(struct vu *vu, struct vu_message *msg);
int vu_reply(struct vu *vu, const struct vu_message *msg, const void *data, uint32_t size);
void vu_close_fds(struct vu_message *msg);

/* vhost-user-backend.c */
extern const struct bypass_virtio_carrier vu_carrier;
int vu_backend_open(struct vu *vu, int fd);
void vu_backend_close(struct vu *vu);
void vu_backend_cancel(struct vu *vu, bool cancel);
void vu_backend_mute(struct vu *vu, bool mute);
bool vu_backend_shows(struct vu *vu, const struct stat *file);

/* vhost-user-memory.c */
int vu_memory_table(struct vu *vu, struct vu_message *msg);
int vu_memory_add(struct vu *vu, struct vu_message *msg);
int vu_memory_remove(struct vu *vu, const struct vu_message *msg);
void vu_memory_clear(struct vu *vu);
int vu_memory_gpa(const struct vu *vu, uint64_t user_addr, uint64_t *gpa);

/* vhost-user-vring.c */
int vu_vring_message(struct vu *vu, struct vu_message *msg);
bool vu_vrings_in_use(const struct vu *vu);
void vu_vrings_stop(struct vu *vu);
void vu_vrings_forget(struct vu *vu);

#endif
