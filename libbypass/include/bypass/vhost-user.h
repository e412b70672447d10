/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A virtio device for a VMM in another process. The VMM speaks vhost-user, as an unmodified QEMU
 * does, and puts the device into its guest.
 */
#ifndef BYPASS_VHOST_USER_H
#define BYPASS_VHOST_USER_H

#ifdef __cplusplus
extern "C" {
#endif

struct bypass_virtio_device;

/**
 * bypass_vhost_user_serve() - be the back end of one vhost-user connection
 * @dev: the device; must have no other transport. On return the device is reset and detached, stays
 *	the caller's, and can be served to the next connection
 * @connection: a connected UNIX stream socket; stays the caller's
 * @stop_fd: ends the service when it becomes readable (an eventfd or a signalfd); -1: none
 *
 * The call runs in the calling thread until the front end closes the connection. Everything that the
 * front end sends is checked. The front end can end the service. By truncating the file behind its
 * memory it can end the process (SIGBUS): serve one guest a process.
 *
 * A device with shared memory needs a front end that maps shared memory on the back end's request
 * (VHOST_USER_PROTOCOL_F_SHMEM). QEMU does so from 11.1 on. The front end has at most 448 shared
 * pages mapped at a time: each is a memory region, and a front end reports at most 509 of these. The
 * device's request for one more ends with -ENOSPC.
 *
 * Protocol: QEMU's docs/interop/vhost-user.
 *
 * Return: 0 when the front end closed the connection; -EINTR for @stop_fd; -EOPNOTSUPP when
 * the front end lacks SHMEM; -EPROTO when it broke the protocol; or what a call returned.
 */
int bypass_vhost_user_serve(struct bypass_virtio_device *dev, int connection, int stop_fd);

#ifdef __cplusplus
}
#endif
#endif
