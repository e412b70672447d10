/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A virtio device, and what carries it. A device (the RDMA context slice is one)
 * knows nothing of PCI or of a VMM; a transport (vmm-glue's virtio-pci, the
 * vhost-user back end, or one that a VMM has already) knows nothing of what the
 * device does. This is the line between them: virtio 1.x, modern only.
 */
#ifndef BYPASS_VIRTIO_H
#define BYPASS_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include <bypass/event.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bypass_memory;
struct bypass_virtio_device;
struct bypass_window;

/**
 * struct bypass_virtio_shm - a shared memory region (virtio 1.2, section 2.10)
 * @size: bytes, a power of two, a multiple of the page size; 0: there is none
 * @hva: the region in this process. The device reserves it for life and maps and
 *	unmaps pages inside; where nothing is mapped lies scratch memory, so that any
 *	access of the guest is harmless. One KVM memory slot covers all of it, once.
 *
 * @fd: a descriptor whose mmap(2) shows the region in another process, all of it and for
 *	life; the device's own. -1: there is none, as pages of several files come and go
 * @windows: NULL: the guest sees all of the region. Else the parts that the guest sees for
 *	life, by rising offset, as those of a BAR (bypass/slice.h); the device's own
 * @n_windows: their number. Reads beside them go to shm_read
 *
 * A transport that has shm_map is told of each page in its place, and @hva is not
 * what the guest sees.
 */
struct bypass_virtio_shm {
	uint64_t size;
	void *hva;
	int fd;
	const struct bypass_window *windows;
	unsigned int n_windows;
};

/**
 * struct bypass_virtio_queue - where the driver put a split virtqueue
 * @size: entries, a power of two not above the device's queue_size
 * @next: index of the first entry of the available ring to be looked at; 0 for a
 *	fresh queue, else what queue_stop returned
 * @desc: guest-physical address of the descriptor table
 * @avail: of the available ring
 * @used: of the used ring
 * @kick_fd: eventfd that is signalled when the driver notifies the queue (KVM's
 *	ioeventfd, or a transport that takes the exit and writes it)
 * @call_fd: eventfd that the device signals for a used-buffer notification (KVM's
 *	irqfd); -1: the driver wants none
 *
 * The descriptors stay the transport's and must outlive the started queue.
 */
struct bypass_virtio_queue {
	uint16_t size;
	uint16_t next;
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
	int kick_fd;
	int call_fd;
};

/**
 * struct bypass_virtio_carrier - what a transport does for its device
 * @config_changed: raise the configuration change notification; the device calls it
 *	without locks held, from any of its threads
 * @needs_reset: NULL: the transport cannot. Else set DEVICE_NEEDS_RESET and notify: the
 *	driver broke the rules beyond repair, and only a reset helps. From any thread
 * @shm_map: NULL: the guest sees the region's hva. Else (out of process): make
 *	[@offset, @offset + @size) of the region show @fd from @fd_offset on, and
 *	return when the guest can see it. Called by one thread of the device at a
 *	time, only after DRIVER_OK. queue_stop and reset wait for it: a transport that
 *	is about to call them makes it return first
 * @shm_unmap: the reverse; with @shm_map. Not called upon reset, at which a transport
 *	with shm_map takes all pages back by itself
 *
 * shm_map and shm_unmap return 0 or a negative errno with bypass_error().
 */
struct bypass_virtio_carrier {
	void (*config_changed)(void *transport);
	void (*needs_reset)(void *transport);
	int (*shm_map)(void *transport, uint64_t offset, uint64_t size, int fd, uint64_t fd_offset,
		       bool writable);
	int (*shm_unmap)(void *transport, uint64_t offset, uint64_t size);
};

/**
 * struct bypass_virtio_ops - what a device does
 * @attach: from now on @carrier serves the device; @transport is handed to its
 *	functions. NULL @carrier detaches, after a reset
 * @set_memory: guest RAM is now as @mem says (NULL: none); called before the first queue
 *	is started and after each change. The device copies the map, and has done with
 *	memory that is not in it when this returns. Never blocks for shm_map. Device
 *	memory of any kind (windows) must not be in @mem
 * @accept: the driver accepts @features (FEATURES_OK). -EINVAL refuses them
 * @config_read: read device-specific configuration; @offset + @size was checked
 *	against config_size
 * @config_write: write it. A device without writable fields ignores it
 * @shm_read: a read of 1, 2, 4 or 8 bytes, aligned, beside the windows of the shared memory
 *	region; NULL: there are zeroes. Writes there have no effect. Any thread, also while
 *	another call is under way
 * @queue_start: begin to serve a queue; the transport calls it at DRIVER_OK for each
 *	enabled queue (or later for one enabled late), never before. Refuses rings
 *	outside RAM and misaligned ones
 * @queue_call: the queue's call_fd is now @fd (-1: none); running queues too. Never
 *	blocks for shm_map
 * @queue_stop: cease to serve it; when this returns the device touches neither the
 *	rings nor the queue's descriptors any more. Returns the next entry it would
 *	have looked at (0 to 65535); on a stopped queue 0
 * @reset: the driver reset the device (status 0) or is gone: all queues are stopped,
 *	all that the guest has created is destroyed, features are forgotten. Returns
 *	when that is done
 * @interrupts: used-buffer notifications signalled since the device was made; any thread
 * @event: as of struct bypass_slice_ops. Also before attach and after a reset
 * @close: reset, then free the device
 *
 * The transport serialises calls, except to @interrupts and @shm_read; they may come from any
 * thread but the device's own (not from within a carrier's function). Data-path
 * work is done by the device's own threads, which wait for the kick_fds.
 *
 * Functions returning int return 0 or a negative errno with bypass_error().
 */
struct bypass_virtio_ops {
	int (*attach)(struct bypass_virtio_device *dev, const struct bypass_virtio_carrier *carrier,
		      void *transport);
	int (*set_memory)(struct bypass_virtio_device *dev, const struct bypass_memory *mem);
	int (*accept)(struct bypass_virtio_device *dev, uint64_t features);
	void (*config_read)(struct bypass_virtio_device *dev, uint32_t offset, void *data,
			    uint32_t size);
	void (*config_write)(struct bypass_virtio_device *dev, uint32_t offset, const void *data,
			     uint32_t size);
	void (*shm_read)(struct bypass_virtio_device *dev, uint64_t offset, void *data,
			 uint32_t size);
	int (*queue_start)(struct bypass_virtio_device *dev, unsigned int index,
			   const struct bypass_virtio_queue *queue);
	int (*queue_call)(struct bypass_virtio_device *dev, unsigned int index, int fd);
	int (*queue_stop)(struct bypass_virtio_device *dev, unsigned int index);
	void (*reset)(struct bypass_virtio_device *dev);
	uint64_t (*interrupts)(struct bypass_virtio_device *dev);
	int (*event)(struct bypass_virtio_device *dev, struct bypass_event *event);
	void (*close)(struct bypass_virtio_device *dev);
};

/**
 * struct bypass_virtio_device - what a transport may know of a device
 * @ops: its kind
 * @name: for messages and tables, such as "rxe0"
 * @id: virtio device ID; a PCI transport presents device ID 0x1040 + @id
 * @features: offered, VIRTIO_F_VERSION_1 (bit 32) always among them. A transport
 *	adds none for the device, but may take ring features off that it cannot carry
 * @config_size: bytes of device-specific configuration
 * @n_queues: number of virtqueues
 * @queue_size: their largest sizes, @n_queues of them, powers of two
 * @shm: shared memory region 0
 * @event_fd: as of struct bypass_slice: readable when the device has something to tell its
 *	VMM, such as that its HCA was removed; -1: never
 *
 * Filled when the device is made, constant afterwards. A device embeds it as the
 * first member of a struct of its own.
 */
struct bypass_virtio_device {
	const struct bypass_virtio_ops *ops;
	char name[64];
	uint16_t id;
	uint64_t features;
	uint32_t config_size;
	unsigned int n_queues;
	const uint16_t *queue_size;
	struct bypass_virtio_shm shm;
	int event_fd;
};

/**
 * bypass_virtio_close() - give a device back that no transport has
 * @dev: any kind, not attached; or NULL. Under virtio-pci it is its slice that is closed
 */
void bypass_virtio_close(struct bypass_virtio_device *dev);

#ifdef __cplusplus
}
#endif
#endif
