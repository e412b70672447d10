// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The client's memory as the server sees it. A guest behind an emulated IOMMU has thousands of
 * mappings of one file, so each file is mapped once, whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/memory.h>

#include "server.h"

#define READ_WRITE (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

int vfu_dma_open(struct vfu_space *space)
{
	space->mem = bypass_memory_new();
	return space->mem ? 0 : -errno;
}

static void file_put(struct vfu_space *space, struct vfu_file *file)
{
	struct vfu_file **link = &space->files;

	if (!file || --file->users)
		return;
	while (*link != file)
		link = &(*link)->next;
	*link = file->next;
	munmap(file->map, file->size);
	close(file->fd);
	free(file);
}

/* The slice has been told before that it has no memory. */
void vfu_dma_close(struct vfu_space *space)
{
	for (unsigned int i = 0; i < space->n; i++)
		file_put(space, space->maps[i].file);
	free(space->maps);
	bypass_memory_free(space->mem);
	*space = (struct vfu_space){};
}

/* An access past the end of a file that the client has cut off raises SIGBUS. */
static int check_file(const struct vfu_space *space, int fd, struct stat *st)
{
	if (fstat(fd, st))
		return bypass_fail(errno, "cannot stat the file behind guest memory: %s",
				   strerror(errno));
	if (!S_ISREG(st->st_mode) || !st->st_size)
		return bypass_fail(EINVAL, "the descriptor of guest memory is no file with a size");
	if (space->need_seals && !(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK))
		return bypass_fail(EPERM, "the file behind guest memory can be cut off by the VMM: "
					  "use a sealed memfd (memory-backend-memfd of QEMU)");
	return 0;
}

/* Returns the mapped file behind @fd, which it takes over on success; NULL with errno. */
static struct vfu_file *file_get(struct vfu_space *space, int *fd)
{
	struct vfu_file *file;
	struct stat st;

	if (check_file(space, *fd, &st))
		return NULL;
	for (file = space->files; file; file = file->next) {
		if (file->dev == st.st_dev && file->ino == st.st_ino &&
		    file->size == (uint64_t)st.st_size) {
			file->users++;
			return file;
		}
	}
	file = calloc(1, sizeof(*file));
	if (!file) {
		bypass_fail(ENOMEM, "no memory for a mapping of guest memory");
		return NULL;
	}
	file->map =
		mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, *fd, 0);
	if (file->map == MAP_FAILED) {
		free(file);
		bypass_fail(errno, "cannot map %lld bytes of guest memory: %s",
			    (long long)st.st_size, strerror(errno));
		return NULL;
	}
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	file->size = st.st_size;
	file->fd = *fd;
	file->users = 1;
	file->next = space->files;
	space->files = file;
	*fd = -1;
	return file;
}

/* The place of the first mapping that begins above @address. */
static unsigned int place_of(const struct vfu_space *space, uint64_t address)
{
	unsigned int low = 0, high = space->n;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (space->maps[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The mapping that holds @address, or NULL. */
const struct vfu_mapping *vfu_dma_find(const struct vfu_space *space, uint64_t address)
{
	unsigned int place = place_of(space, address);
	const struct vfu_mapping *map = place ? &space->maps[place - 1] : NULL;

	return map && address - map->address < map->size ? map : NULL;
}

static int check_map(const struct vfu_space *space, const struct vfu_message *msg)
{
	const struct vfu_dma_map *map = &msg->map;
	unsigned int place;
	uint64_t end;

	if (vfu_payload(msg) != sizeof(*map) || map->argsz < sizeof(*map) || msg->n_fds > 1)
		return bypass_fail(EINVAL, "the VMM's DMA_MAP is malformed");
	if (!map->flags || map->flags & ~READ_WRITE || !map->size ||
	    __builtin_add_overflow(map->address, map->size - 1, &end))
		return bypass_fail(EINVAL,
				   "the VMM maps 0x%" PRIx64 " bytes at 0x%" PRIx64 " with flags "
				   "0x%x: empty, "
				   "too long, or "
				   "with unknown "
				   "flags",
				   map->size, map->address, map->flags);
	place = place_of(space, map->address);
	if (vfu_dma_find(space, map->address) ||
	    (place < space->n && space->maps[place].address <= end))
		return bypass_fail(EEXIST,
				   "the VMM maps 0x%" PRIx64 " bytes at 0x%" PRIx64 " over an "
				   "earlier "
				   "mapping",
				   map->size, map->address);
	if (space->n == VFU_MAPS_MAX)
		return bypass_fail(ENOSPC, "the VMM maps more than %d pieces for DMA",
				   VFU_MAPS_MAX);
	return 0;
}

/* Bring the mapping into the slice's memory map. */
static int ram_add(struct bypass_vfio_user_server *server, const struct vfu_mapping *map)
{
	struct bypass_slice *slice = server->slice;
	struct bypass_memory *mem = server->space.mem;
	const struct bypass_memory_range range = {
		.gpa = map->address,
		.size = map->size,
		.hva = map->file->map + map->offset,
		.fd = map->file->fd,
		.offset = map->offset,
	};
	int ret = bypass_memory_add(mem, &range);

	if (ret < 0)
		return ret;
	ret = slice->ops->set_memory(slice, mem);
	if (ret < 0)
		bypass_memory_remove(mem, map->address);
	return ret;
}

/* After this the slice touches no byte of the mapping. */
static int ram_remove(struct bypass_vfio_user_server *server, const struct vfu_mapping *map)
{
	struct bypass_slice *slice = server->slice;
	struct bypass_memory *mem = server->space.mem;

	bypass_memory_remove(mem, map->address);
	return slice->ops->set_memory(slice, mem);
}

static int insert(struct vfu_space *space, const struct vfu_mapping *map)
{
	unsigned int place = place_of(space, map->address);

	if (space->n == space->room) {
		unsigned int room = space->room ? 2 * space->room : 64;
		struct vfu_mapping *maps = reallocarray(space->maps, room, sizeof(*maps));

		if (!maps)
			return bypass_fail(ENOMEM, "no memory for %u mappings of the VMM", room);
		space->maps = maps;
		space->room = room;
	}
	memmove(&space->maps[place + 1], &space->maps[place],
		(space->n - place) * sizeof(space->maps[0]));
	space->maps[place] = *map;
	space->n++;
	return 0;
}

static void take_out(struct vfu_space *space, unsigned int place)
{
	file_put(space, space->maps[place].file);
	memmove(&space->maps[place], &space->maps[place + 1],
		(--space->n - place) * sizeof(space->maps[0]));
}

int vfu_dma_map(struct bypass_vfio_user_server *server, struct vfu_message *msg)
{
	struct vfu_space *space = &server->space;
	struct vfu_mapping map = {
		.address = msg->map.address,
		.size = msg->map.size,
		.offset = msg->map.offset,
		.flags = msg->map.flags,
	};
	uint64_t end;
	int ret = check_map(space, msg);

	if (ret < 0)
		return ret;
	/* A slice may write to all memory that it knows: what the guest must not change is no RAM. */
	if (msg->n_fds && map.flags == READ_WRITE) {
		map.file = file_get(space, &msg->fds[0]);
		if (!map.file)
			return -errno;
	}
	if (map.file &&
	    (__builtin_add_overflow(map.offset, map.size, &end) || end > map.file->size))
		ret = bypass_fail(EINVAL,
				  "the VMM maps 0x%" PRIx64 " bytes at 0x%" PRIx64 " of a file "
				  "with "
				  "0x%" PRIx64,
				  map.size, map.offset, map.file->size);
	if (!ret)
		ret = insert(space, &map);
	if (ret < 0) {
		file_put(space, map.file);
		return ret;
	}
	ret = map.file ? ram_add(server, &map) : 0;
	if (ret < 0)
		take_out(space, place_of(space, map.address) - 1);
	if (!map.file && map.flags == READ_WRITE)
		bypass_log(BYPASS_LOG_INFO,
			   "%s: 0x%" PRIx64 " bytes of guest memory at 0x%" PRIx64
			   " come without a descriptor: the device cannot use them as RAM. With "
			   "QEMU give the guest memory-backend-memfd,share=on",
			   server->slice->name, map.size, map.address);
	return ret;
}

static int unmap(struct bypass_vfio_user_server *server, unsigned int place)
{
	struct vfu_space *space = &server->space;
	int ret = space->maps[place].file ? ram_remove(server, &space->maps[place]) : 0;

	/* A slice that may still reach memory which the client takes back cannot be served. */
	if (ret < 0)
		return bypass_fail(ENOTRECOVERABLE, "%s cannot give guest memory back: %s",
				   server->slice->name, bypass_error());
	take_out(space, place);
	return 0;
}

/* Returns -ENOTRECOVERABLE when the connection must end. */
int vfu_dma_unmap(struct bypass_vfio_user_server *server, const struct vfu_message *msg)
{
	struct vfu_space *space = &server->space;
	const struct vfu_dma_unmap *gone = &msg->unmap;
	unsigned int place;
	int ret = vfu_no_fds(msg);

	if (ret < 0)
		return ret;
	if (vfu_payload(msg) != sizeof(*gone) || gone->flags & ~VFIO_DMA_UNMAP_FLAG_ALL ||
	    (gone->flags && (gone->address || gone->size)))
		return bypass_fail(EINVAL, "the VMM's DMA_UNMAP is malformed");
	while (gone->flags && space->n && !ret)
		ret = unmap(server, space->n - 1);
	if (gone->flags)
		return ret;
	place = place_of(space, gone->address);
	if (!place || space->maps[place - 1].address != gone->address ||
	    space->maps[place - 1].size != gone->size)
		return bypass_fail(ENOENT,
				   "the VMM unmaps 0x%" PRIx64 " bytes at 0x%" PRIx64 ", which it "
				   "never "
				   "mapped as "
				   "one piece",
				   gone->size, gone->address);
	return unmap(server, place - 1);
}
