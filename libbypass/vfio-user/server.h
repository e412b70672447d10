/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state of a vfio-user server: one connection, the client's memory, its eventfds.
 */
#ifndef BYPASS_VFIO_USER_SERVER_H
#define BYPASS_VFIO_USER_SERVER_H

#include <sys/types.h>

#include <bypass/slice.h>
#include <bypass/vfio-user.h>

#include "message.h"

#define VFU_MAPS_MAX	65535
#define VFU_WAITING_MAX 256

/* A file behind memory of the client, mapped once for all mappings that show a part of it. */
struct vfu_file {
	struct vfu_file *next;
	dev_t dev;
	ino_t ino;
	uint64_t size;
	uint8_t *map;
	int fd;
	unsigned int users;
};

/* What the client mapped by one VFU_DMA_MAP. */
struct vfu_mapping {
	uint64_t address;
	uint64_t size;
	uint64_t offset; /* in @file */
	uint32_t flags;
	struct vfu_file *file; /* NULL: no RAM, and reached by messages only */
};

/* The client's memory: all mappings by rising address, and the slice's map of those that are RAM. */
struct vfu_space {
	struct vfu_mapping *maps;
	unsigned int n;
	unsigned int room;
	struct vfu_file *files;
	struct bypass_memory *mem;
	bool need_seals;
};

/*
 * One vector. While the vector is masked, the slice signals @held in place of the client's
 * eventfd, so that no interrupt is lost.
 */
struct vfu_vector {
	int fd;	  /* the client's; -1: not connected */
	int held; /* -1: the vector was never masked */
	bool masked;
};

struct vfu_vectors {
	struct vfu_vector *vector;
	bool on;
};

struct vfu_irqs {
	struct vfu_vectors type[BYPASS_IRQS];
	int resample_fd; /* lets the next INTx through */
	int request_fd;	 /* the client's: asks it to give the device back */
};

/* A request of the client that arrived while the server waited for an answer. */
struct vfu_waiting {
	struct vfu_waiting *next;
	struct vfu_message *msg;
};

struct bypass_vfio_user_server {
	struct bypass_slice *slice;
	struct vfu_stream stream;
	struct vfu_message now; /* the request that is handled */
	struct vfu_waiting *waiting;
	unsigned int n_waiting;
	int poll_fd;
	int wake_fd; /* readable: requests wait */
	bool introduced;
	uint16_t next_id;
	uint32_t client_fds;  /* descriptors that the client takes in one message */
	uint32_t client_data; /* bytes that the client takes in one message */
	uint32_t bar[BYPASS_BARS];
	struct vfu_space space;
	struct vfu_irqs irqs;
};

/* The payload of an answer. */
struct vfu_answer {
	struct iovec piece[2];
	int fds[VFU_FDS_MAX];
	unsigned int n_fds;
};

/* dma.c */
int vfu_dma_map(struct bypass_vfio_user_server *server, struct vfu_message *msg);
int vfu_dma_unmap(struct bypass_vfio_user_server *server, const struct vfu_message *msg);
const struct vfu_mapping *vfu_dma_find(const struct vfu_space *space, uint64_t address);
int vfu_dma_open(struct vfu_space *space);
void vfu_dma_close(struct vfu_space *space);

/* ask.c */
int vfu_waiting_take(struct bypass_vfio_user_server *server);
void vfu_waiting_drop(struct bypass_vfio_user_server *server);

/* info.c */
int vfu_device_info(struct vfu_message *msg, struct vfu_answer *answer);
int vfu_region_info(struct bypass_vfio_user_server *server, struct vfu_message *msg,
		    struct vfu_answer *answer);
int vfu_io_fds(struct bypass_vfio_user_server *server, struct vfu_message *msg,
	       struct vfu_answer *answer);
int vfu_irq_info(struct bypass_vfio_user_server *server, struct vfu_message *msg,
		 struct vfu_answer *answer);

/* region.c */
uint64_t vfu_region_size(const struct bypass_slice *slice, uint32_t region);
int vfu_region_check(const struct bypass_vfio_user_server *server, const struct vfu_message *msg,
		     bool write);
int vfu_region_read(struct bypass_vfio_user_server *server, struct vfu_message *msg,
		    struct vfu_answer *answer);
int vfu_region_write(struct bypass_vfio_user_server *server, const struct vfu_message *msg);

/* config.c */
void vfu_config_reset(struct bypass_vfio_user_server *server);
int vfu_config_access(struct bypass_vfio_user_server *server, uint32_t offset, void *data,
		      uint32_t size, bool write);

/* irq.c */
int vfu_irqs_open(struct bypass_vfio_user_server *server);
int vfu_irqs_set(struct bypass_vfio_user_server *server, struct vfu_message *msg);
void vfu_irqs_stop(struct bypass_vfio_user_server *server);
void vfu_irqs_close(struct bypass_vfio_user_server *server);

#endif
