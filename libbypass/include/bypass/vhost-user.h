/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A virtio device served to another process: a VMM that speaks vhost-user, such as
 * an unmodified QEMU, puts it into its guest.
 */
#ifndef BYPASS_VHOST_USER_H
#define BYPASS_VHOST_USER_H

#ifdef __cplusplus
extern "C" {
#endif

struct bypass_virtio_device;

/**
 * bypass_vhost_user_serve() - be the back end of one vhost-user connection
 * @dev: the device; it must have no other transport, and is reset and detached on return.
 *	It stays the caller's and can be served again to the next connection
 * @connection: a connected UNIX stream socket; stays the caller's
 * @stop_fd: ends the service when it becomes readable (an eventfd or a signalfd); -1: none
 *
 * Runs in the calling thread until the front end goes. Everything the front end sends is
 * checked; it can end the service, and by truncating the file behind memory that it told
 * of, even the process (SIGBUS): serve one guest a process. A device with shared memory needs a
 * front end that maps shared memory on the back end's demand (VHOST_USER_PROTOCOL_F_SHMEM),
 * which QEMU does from 11.1 on. Of the shared memory region it is asked to map at most 448 pieces at a
 * time, as each is a memory region, of which it tells at most 509; the device's request for
 * one more ends with -ENOSPC.
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
