// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Info structures of VFIO that grow at their end by a chain of capabilities
 * (struct vfio_info_cap_header of linux/vfio.h).
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "capability.h"

/* More than any kernel says: a wrong argsz must not make us allocate without bound. */
#define INFO_MAX (1u << 20)

void *info_get(int fd, unsigned long request, const void *first, uint32_t size)
{
	uint32_t argsz = size, asked;
	void *info = NULL, *more;

	/* The kernel sets argsz to the size of its answer, which may grow between two calls. */
	do {
		asked = argsz;
		more = realloc(info, asked);
		if (!more)
			goto fail;
		info = more;
		memset(info, 0, asked);
		memcpy(info, first, size);
		memcpy(info, &asked, sizeof(asked));
		if (ioctl(fd, request, info) < 0)
			goto fail;
		memcpy(&argsz, info, sizeof(argsz));
		if (argsz > INFO_MAX) {
			errno = EMSGSIZE;
			goto fail;
		}
	} while (argsz > asked);
	/* argsz becomes the bound for parsing: the size that we allocated, whatever the kernel set. */
	memcpy(info, &asked, sizeof(asked));
	return info;
fail:
	free(info);
	return NULL;
}

const void *info_capability(const void *info, uint32_t offset, uint16_t id, size_t size,
			    size_t *room)
{
	struct vfio_info_cap_header header;
	uint32_t end;

	memcpy(&end, info, sizeof(end));
	while (offset && offset < end && end - offset >= sizeof(header)) {
		memcpy(&header, (const char *)info + offset, sizeof(header));
		if (header.id == id) {
			if (end - offset < size || offset % _Alignof(uint64_t))
				return NULL;
			if (room)
				*room = end - offset;
			return (const char *)info + offset;
		}
		if (header.next <= offset)
			break;
		offset = header.next;
	}
	return NULL;
}
