/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The vhost-user back end: the layout of messages on the socket, and the state of one connection.
 * Source of numbers and layouts: QEMU's docs/interop/vhost-user.
 */
#ifndef BYPASS_VHOST_USER_INTERNAL_H
#define BYPASS_VHOST_USER_INTERNAL_H

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
#define VU_TABLE_MAX   8   /* regions in one SET_MEM_TABLE, and descriptors in one message */
#define VU_SLOTS_MAX   509 /* memory regions; QEMU has no more beside its own */
#define VU_SHOWS_MAX   448 /* shared pages among the regions; the rest is for guest RAM */
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

/* A message from the front end: a private copy, with the descriptors of the message. */
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
	int fds[VU_TABLE_MAX]; /* -1: somebody else owns the descriptor now */
	unsigned int n_fds;
};

/*
 * A region of the front end's memory map. The front end reports everything that the guest sees,
 * also the shared pages that this back end asked for. Shared pages have no mapping here.
 */
struct vu_slot {
	struct vu_region region;
	void *map; /* the file, from the file's start to the region's end; NULL: not RAM */
	size_t map_size;
	int fd; /* -1: not RAM */
};

struct vu_vring {
	struct bypass_virtio_queue queue;
	struct vu_vring_addr addr; /* in the front end's address space */
	bool addressed;
	bool enabled;
	bool started;
};

/* A regular file of the device that the shared memory region shows. Device nodes are not listed. */
struct vu_shown {
	uint64_t offset; /* in the region */
	uint64_t size;
	dev_t dev;
	ino_t ino;
};

/*
 * The channel for requests to the front end. Replies come in the order of the requests. A reply
 * that no thread waits for is counted in @abandoned and skipped.
 */
struct vu_backend {
	int fd;		      /* -1: none */
	int cancel_fd;	      /* readable: a thread that waits for a reply gives up */
	pthread_mutex_t lock; /* protects sending, and the list of shown files */
	unsigned int abandoned;
	bool mute;	    /* the front end stops the device: no request is sent */
	unsigned int shows; /* shared pages that the front end has mapped */
	struct vu_shown *shown;
	unsigned int n_shown;
};

struct vu {
	struct bypass_virtio_device *dev;
	int fd;
	int stop_fd;
	uint64_t protocol_features;
	uint64_t features;
	bool accepted;	  /* the device has been given @features */
	pthread_t thread; /* serves the connection */
	struct vu_backend backend;
	struct vu_slot slots[VU_SLOTS_MAX];
	unsigned int n_slots;
	struct bypass_memory *mem;
	struct vu_vring *vrings;
};

/* socket.c */
int vu_receive(struct vu *vu, struct vu_message *msg);
int vu_reply(struct vu *vu, const struct vu_message *msg, const void *data, uint32_t size);
void vu_close_fds(struct vu_message *msg);

/* backend.c */
extern const struct bypass_virtio_carrier vu_carrier;
int vu_backend_open(struct vu *vu, int fd);
void vu_backend_close(struct vu *vu);
void vu_backend_cancel(struct vu *vu, bool cancel);
void vu_backend_mute(struct vu *vu, bool mute);
bool vu_backend_shows(struct vu *vu, const struct stat *file);

/* memory.c */
int vu_memory_table(struct vu *vu, struct vu_message *msg);
int vu_memory_add(struct vu *vu, struct vu_message *msg);
int vu_memory_remove(struct vu *vu, const struct vu_message *msg);
void vu_memory_clear(struct vu *vu);
int vu_memory_gpa(const struct vu *vu, uint64_t user_addr, uint64_t *gpa);

/* vring.c */
int vu_vring_message(struct vu *vu, struct vu_message *msg);
bool vu_vrings_in_use(const struct vu *vu);
void vu_vrings_stop(struct vu *vu);
void vu_vrings_forget(struct vu *vu);

#endif
