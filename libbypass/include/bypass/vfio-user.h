/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A slice across processes, by the vfio-user protocol. The server shows a slice to a VMM that
 * speaks vfio-user, such as an unmodified QEMU. The client makes a slice of the function that
 * a server shows.
 *
 * Protocol: QEMU's docs/interop/vfio-user, version 0.1. Regions and interrupts go by the
 * indices of linux/vfio.h.
 */
#ifndef BYPASS_VFIO_USER_H
#define BYPASS_VFIO_USER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bypass_slice;

/**
 * struct bypass_vfio_user_server - serves one slice to one client; opaque
 *
 * Calls on one server must not overlap. A slice is served to one client at a time. One thread
 * may serve many slices: no call waits for a client, except the DMA calls.
 */
struct bypass_vfio_user_server;

/**
 * bypass_vfio_user_server_new() - begin to serve a connection
 * @slice: what the client sees: not plugged, and served by nobody else. Must outlive the server
 * @connection: a connected UNIX stream socket; taken over on success, and made non-blocking
 * @server: set to the server; to be given to bypass_vfio_user_server_free()
 *
 * The client sees the slice's config space, with BARs as registers, its BARs and vectors. A
 * window with a descriptor is an area that the client maps: of each BAR the windows of one
 * descriptor with one distance between offset and fd_offset. The client reaches all else by
 * messages. A store to a kick signals the kick's eventfd.
 *
 * Guest memory that the client maps for DMA with a descriptor, readable and writable, becomes
 * the memory map that the slice's set_memory() gets, guest-physical addresses being the client's
 * DMA addresses. Each file is mapped once, whole. The map changes only inside
 * bypass_vfio_user_server_dispatch(), and each change is followed by set_memory(): a slice with
 * no thread of its own may use the map in place until the next call. A mapping without a
 * descriptor, or one that is read-only, is not in the map: see bypass_vfio_user_dma_read().
 *
 * A store to a BAR is answered before the slice's bar_write() runs, as PCI posts it. A store to
 * config space is answered afterwards.
 *
 * Everything that the client sends is checked. By cutting off the file behind its memory a client
 * can end this process (SIGBUS), unless the file is sealed against this, as QEMU's memfd is: a
 * process that serves clients which do not trust each other refuses files without the seal, see
 * bypass_vfio_user_server_need_seals().
 *
 * Return: 0; -ENOMEM; -EMFILE; or what the kernel said.
 */
int bypass_vfio_user_server_new(struct bypass_slice *slice, int connection,
				struct bypass_vfio_user_server **server);

/**
 * bypass_vfio_user_server_need_seals() - refuse memory that the client can cut off
 * @server: the server, before its first dispatch
 *
 * From now on a file for DMA must be a memfd with F_SEAL_SHRINK. The client gets EPERM otherwise.
 */
void bypass_vfio_user_server_need_seals(struct bypass_vfio_user_server *server);

/**
 * bypass_vfio_user_server_fd() - what to wait for
 * @server: the server
 *
 * Return: a descriptor for poll(2), never to be read: readable when there is work for
 * bypass_vfio_user_server_dispatch(). Belongs to @server.
 */
int bypass_vfio_user_server_fd(const struct bypass_vfio_user_server *server);

/**
 * bypass_vfio_user_server_dispatch() - do what the client has asked for
 * @server: the server
 *
 * Handles the messages that have arrived, a bounded number of them, and never waits.
 *
 * Return: 0, also when there was nothing to do; -ENOTCONN when the client closed the connection;
 * -EPROTO when it broke the protocol; or what a call returned. After a failure the server is
 * only to be freed.
 */
int bypass_vfio_user_server_dispatch(struct bypass_vfio_user_server *server);

/**
 * bypass_vfio_user_server_unplug() - ask the client to give the device back
 * @server: the server
 *
 * Signals the eventfd that the client has connected to VFIO_PCI_REQ_IRQ_INDEX. QEMU asks the
 * guest to let go of the device, and then closes the connection.
 *
 * Return: 0; -ENOTSUP: the client connected no eventfd.
 */
int bypass_vfio_user_server_unplug(struct bypass_vfio_user_server *server);

/**
 * bypass_vfio_user_server_free() - end of a connection
 * @server: or NULL
 *
 * The slice's vectors are off afterwards, its memory map is NULL, and it is reset: it can be
 * served to the next client.
 */
void bypass_vfio_user_server_free(struct bypass_vfio_user_server *server);

/**
 * bypass_vfio_user_dma_read() - read memory that the client has mapped for DMA
 * @server: the server
 * @address: DMA address
 * @data: filled
 * @size: bytes
 *
 * Memory that came with a descriptor is copied. For other memory a message goes to the client,
 * and the call waits up to five seconds for the answer. Requests of the client that arrive
 * meanwhile are handled by the next bypass_vfio_user_server_dispatch(). May be called by the
 * slice's bar_write(), but not by other operations of the slice: the client may be waiting for
 * these, and then does not answer.
 *
 * Return: 0; -EFAULT (not mapped, or mapped without the right to read); -ETIMEDOUT; -EIO (the
 * client refused); or as bypass_vfio_user_server_dispatch().
 */
int bypass_vfio_user_dma_read(struct bypass_vfio_user_server *server, uint64_t address, void *data,
			      uint64_t size);

/**
 * bypass_vfio_user_dma_write() - write memory that the client has mapped for DMA
 * @server: the server
 * @address: DMA address
 * @data: what to write
 * @size: bytes
 *
 * Return: as bypass_vfio_user_dma_read().
 */
int bypass_vfio_user_dma_write(struct bypass_vfio_user_server *server, uint64_t address,
			       const void *data, uint64_t size);

/**
 * bypass_vfio_user_open() - a slice of a function that lives behind a socket
 * @path: the server's socket
 * @slice: set to the slice; to be plugged like any, and given to bypass_slice_close()
 *
 * Windows are mappings of the server's descriptors, vectors signal the VMM's eventfds, kicks are
 * eventfds of the server. The server maps the guest's RAM: each range of the memory map needs a
 * descriptor. The server is trusted with all of the guest's RAM, and with nothing of this process:
 * everything that it sends is checked.
 *
 * When the server is gone the slice says BYPASS_EVENT_DEAD. Reads then give all ones, and stores
 * go nowhere. Windows stay mapped. The slice of a server that was started again is opened anew.
 *
 * An operation waits up to thirty seconds for the server's answer, as a reset may take its time.
 * A server that does not answer in this time counts as gone. The server can end this process, too,
 * by cutting off the file behind a window. The slice counts no interrupts: the server signals the
 * guest itself.
 *
 * Return: 0; -ENOENT, -ECONNREFUSED, -EACCES (the socket: the text says what to do); -ENODEV (the
 * server closed the connection, gave no answer, or broke the protocol); -EPROTO (the server says
 * impossible things); -ENOMEM; -EMFILE.
 */
int bypass_vfio_user_open(const char *path, struct bypass_slice **slice);

#ifdef __cplusplus
}
#endif
#endif
