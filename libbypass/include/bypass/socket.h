/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The UNIX socket at which a service waits for VMMs.
 */
#ifndef BYPASS_SOCKET_H
#define BYPASS_SOCKET_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * bypass_socket_listen() - make the socket of a service
 * @path: where. The socket of a service that was killed is removed first
 * @group: name of the group that may connect besides the owner; NULL: the owner alone
 * @fd: set to a listening stream socket, close-on-exec
 *
 * Return: 0; -EEXIST (something else is at @path); -EADDRINUSE (another service listens there);
 * -ENAMETOOLONG; -ENOENT (no such group); or what the kernel said.
 */
int bypass_socket_listen(const char *path, const char *group, int *fd);

#ifdef __cplusplus
}
#endif
#endif
