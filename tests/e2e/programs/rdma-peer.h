/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A TCP connection between the two sides of an RDMA program, to exchange addresses.
 */
#ifndef RDMA_PEER_H
#define RDMA_PEER_H

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "rdma-verbs.h"

#define WAIT 60 /* seconds for the other side to come up */

static inline int accept_one(const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE,
				 .ai_family = AF_INET,
				 .ai_socktype = SOCK_STREAM},
			*info;
	int on = 1, fd, peer;

	if (getaddrinfo(NULL, port, &hints, &info))
		fail("getaddrinfo");
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, 1))
		fail("cannot listen on port %s", port);
	peer = accept(fd, NULL, NULL);
	if (peer < 0)
		fail("accept");
	close(fd);
	freeaddrinfo(info);
	return peer;
}

static inline int reach(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *info;
	double end = now() + WAIT;
	int fd;

	if (getaddrinfo(host, port, &hints, &info))
		fail("no such host: %s", host);
	for (;;) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (!connect(fd, info->ai_addr, info->ai_addrlen))
			break;
		if (now() > end)
			fail("%s does not answer", host);
		close(fd);
		usleep(100000);
	}
	freeaddrinfo(info);
	return fd;
}

static inline void swap_bytes(int fd, const void *out, void *in, size_t size)
{
	size_t done = 0;
	ssize_t n;

	if (write(fd, out, size) != (ssize_t)size)
		fail("write to the other side");
	for (; done < size; done += n) {
		n = read(fd, (char *)in + done, size - done);
		if (n <= 0)
			fail("read from the other side");
	}
}

/*
 * The machine of this side may power off at once. TCP repeats what was lost only while the machine
 * lives: leave() waits until the other side leaves too, for ten seconds at the most.
 */
static inline void leave(int fd)
{
	struct timeval patience = {.tv_sec = 10};
	char byte;

	shutdown(fd, SHUT_WR);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (read(fd, &byte, 1) > 0)
		;
	close(fd);
}

#endif
