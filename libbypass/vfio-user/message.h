/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vfio-user messages: their layout, and a stream of them on a socket, for both ends. Source of
 * numbers and layouts: QEMU's docs/interop/vfio-user, and linux/vfio.h where the protocol refers
 * to this header.
 */
#ifndef BYPASS_VFIO_USER_MESSAGE_H
#define BYPASS_VFIO_USER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/vfio.h>

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_GET_INFO = 4,
	VFU_GET_REGION_INFO = 5,
	VFU_GET_REGION_IO_FDS = 6,
	VFU_GET_IRQ_INFO = 7,
	VFU_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DMA_READ = 11, /* from the server */
	VFU_DMA_WRITE = 12,
	VFU_RESET = 13,
	VFU_COMMANDS,
};

/* Header flags */
#define VFU_TYPE_MASK 0xfu
#define VFU_TYPE_CALL 0u
#define VFU_REPLY     1u
#define VFU_NO_REPLY  (1u << 4)
#define VFU_ERROR     (1u << 5)

#define VFU_MAJOR    0
#define VFU_MINOR    1
#define VFU_FDS	     8	     /* descriptors in a message from the client; QEMU sends no more */
#define VFU_FDS_MAX  253     /* that the kernel passes at once (SCM_MAX_FD) */
#define VFU_DATA_MAX 0x10000 /* bytes of a read or write; fits a socket's buffer */
#define VFU_PAYLOAD  (VFU_DATA_MAX + 64)
#define VFU_REGIONS  (VFIO_PCI_VGA_REGION_INDEX + 1)
#define VFU_IRQS     (VFIO_PCI_REQ_IRQ_INDEX + 1)
/* Milliseconds that one end waits for the other. A slice that is reset may take its time. */
#define VFU_SERVER_PATIENCE 5000
#define VFU_CLIENT_PATIENCE 30000

struct vfu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size;
	uint32_t flags;
	uint32_t error;
};

struct vfu_version {
	uint16_t major;
	uint16_t minor; /* JSON follows */
};

struct vfu_dma_map {
	uint32_t argsz;
	uint32_t flags; /* VFIO_DMA_MAP_FLAG_READ, _WRITE */
	uint64_t offset;
	uint64_t address;
	uint64_t size;
};

struct vfu_dma_unmap {
	uint32_t argsz;
	uint32_t flags; /* VFIO_DMA_UNMAP_FLAG_ALL */
	uint64_t address;
	uint64_t size;
};

struct vfu_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t regions;
	uint32_t irqs;
};

/* Head of VFU_GET_REGION_IO_FDS in both directions; entries follow in the reply. */
struct vfu_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

#define VFU_IO_FD_EVENTFD 0

struct vfu_io_fd {
	uint64_t offset;
	uint64_t size;
	uint32_t fd_index;
	uint32_t type;
	uint32_t flags;
	uint32_t padding;
	uint64_t datamatch;
};

/* struct vfio_irq_set; data follows */
struct vfu_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
};

struct vfu_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};

struct vfu_dma_access {
	uint64_t address;
	uint64_t count;
};

/* A message that has arrived: a private copy, with the descriptors that came along. */
struct vfu_message {
	struct vfu_header header;
	int fds[VFU_FDS_MAX];
	unsigned int n_fds;
	union {
		uint8_t data[VFU_PAYLOAD];
		struct vfu_version version;
		struct vfu_dma_map map;
		struct vfu_dma_unmap unmap;
		struct vfu_device_info info;
		struct vfio_region_info region;
		struct vfu_io_fds io_fds;
		struct vfio_irq_info irq;
		struct vfu_irq_set irq_set;
		struct vfu_region_access access;
		struct vfu_dma_access dma;
	};
};

/**
 * struct vfu_stream - messages on a non-blocking socket
 * @fd: the socket
 * @most_fds: descriptors that one message may bring
 * @got: bytes of @in that have arrived
 * @in: the message that is arriving
 * @out: what the socket did not take yet; NULL: nothing
 * @out_size: bytes of @out
 */
struct vfu_stream {
	int fd;
	unsigned int most_fds;
	size_t got;
	struct vfu_message in;
	uint8_t *out;
	size_t out_size;
};

/* What is sent: a header whose size is filled in, and up to two pieces of payload. */
struct vfu_letter {
	struct vfu_header header;
	struct iovec piece[2];
	const int *fds;
	unsigned int n_fds;
};

int vfu_stream_open(struct vfu_stream *stream, int fd, unsigned int most_fds);
void vfu_stream_close(struct vfu_stream *stream);
int vfu_receive(struct vfu_stream *stream);
void vfu_consume(struct vfu_stream *stream);
void vfu_take(struct vfu_stream *stream, struct vfu_message *msg);
void vfu_close_fds(struct vfu_message *msg);
int vfu_send(struct vfu_stream *stream, struct vfu_letter *letter);
int vfu_flush(struct vfu_stream *stream);
int64_t vfu_deadline(int patience);
int vfu_flush_by(struct vfu_stream *stream, int64_t deadline);
int vfu_wait(const struct vfu_stream *stream, int64_t deadline);
uint32_t vfu_payload(const struct vfu_message *msg);
int vfu_no_fds(const struct vfu_message *msg);
void vfu_capabilities(const struct vfu_message *msg, uint32_t *most_fds, uint32_t *most_data);

#endif
