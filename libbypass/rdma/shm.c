// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The shared memory region is one span of host addresses. The slice reserves the span for life; pages
 * of the HCA come and go inside. Between them lies anonymous memory: a stray access of the guest
 * neither faults nor reaches anything.
 *
 * In the guarded way the region is one memfd with the copies of all queues, and holds no page of the
 * HCA. A transport out of process maps the same pages at the same offsets in its own process; this
 * process then does not map pages of the HCA.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

#define ORPHANS_LEAST 64u

/* Map anonymous memory at @at, or anywhere. */
static void *map_scratch(void *at, uint64_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0);
	void *hva = mmap(at, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	/* A stray access must cost one page, not a huge page. */
	if (hva != MAP_FAILED)
		madvise(hva, size, MADV_NOHUGEPAGE);
	return hva;
}

/* A file of fixed size: nobody can truncate the file under those who map the file. */
static void *map_file(uint64_t size, int *fd)
{
	*fd = memfd_create("bypass-shm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0 || ftruncate(*fd, size) ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return MAP_FAILED;
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
}

int rdma_shm_init(struct rdma_shm *shm, uint64_t size, bool file)
{
	int fd = -1;
	void *hva = file ? map_file(size, &fd) : map_scratch(NULL, size);

	if (hva == MAP_FAILED)
		return bypass_fail(errno,
				   "cannot reserve %llu bytes of addresses for a shared memory "
				   "region: %m",
				   (unsigned long long)size);
	*shm = (struct rdma_shm){.hva = hva, .size = size, .fd = fd};
	return 0;
}

void rdma_shm_free(struct rdma_shm *shm)
{
	struct rdma_mapping *next;

	for (struct rdma_mapping *m = shm->mappings; m; m = next) {
		next = m->next;
		free(m);
	}
	if (shm->hva)
		munmap(shm->hva, shm->size);
	if (shm->fd >= 0)
		close(shm->fd);
	*shm = (struct rdma_shm){.fd = -1};
}

/* Find the first gap of @size bytes. Returns the link for the new mapping, or NULL: no gap. */
static struct rdma_mapping **find_gap(struct rdma_shm *shm, uint64_t size, uint64_t *offset)
{
	struct rdma_mapping **link = &shm->mappings;

	*offset = 0;
	for (; *link && (*link)->offset - *offset < size; link = &(*link)->next)
		*offset = (*link)->offset + (*link)->size;
	return shm->size - shm->tail - *offset < size ? NULL : link;
}

/* Pages that are shown for life stay, and nothing else is in such a region. */
static bool is_fixed(const struct rdma_slice *s)
{
	return s->pages.n;
}

static int map_pages(struct rdma_slice *s, const struct rdma_mapping *m, int fd, uint64_t fd_offset)
{
	if (s->carrier && s->carrier->shm_map)
		return s->carrier->shm_map(s->transport, m->offset, m->size, fd, fd_offset, true);
	if (fd == s->shm.fd)
		return 0; /* the region shows all of its file */
	if (mmap((char *)s->shm.hva + m->offset, m->size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, fd_offset) == MAP_FAILED)
		return bypass_fail(errno,
				   "cannot map %llu bytes of %s into the shared memory region: %m",
				   (unsigned long long)m->size, s->hca.name);
	return 0;
}

/* Replace pages by anonymous memory: what was there is gone, and the next queue begins with zeroes. */
static int clear_pages(struct rdma_slice *s, uint64_t offset, uint64_t size)
{
	if (s->shm.fd >= 0)
		return fallocate(s->shm.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
				 size)
			       ? -errno
			       : 0;
	return map_scratch((char *)s->shm.hva + offset, size) == MAP_FAILED ? -errno : 0;
}

static void unmap_pages(struct rdma_slice *s, const struct rdma_mapping *m)
{
	int err = 0;

	if (is_fixed(s))
		return;
	if (s->carrier && s->carrier->shm_map && !s->resets)
		err = s->carrier->shm_unmap(s->transport, m->offset, m->size);
	if (!err && (s->shm.fd >= 0 || !s->carrier || !s->carrier->shm_map))
		err = clear_pages(s, m->offset, m->size);
	if (err)
		rdma_remark(s, "cannot take shared pages %#llx + %#llx back (%d)",
			    (unsigned long long)m->offset, (unsigned long long)m->size, err);
}

/*
 * A guest may keep the pages of a queue that is gone, because a process may still map the pages.
 * Each such piece is a mapping of the VMM's process: there may be as many pieces as queues, and no
 * more.
 */
static uint32_t most_orphans(const struct rdma_slice *s)
{
	const struct bypass_rdma_quota *q = &s->options.quota;
	uint32_t queues = 2 * q->qps + q->cqs + q->srqs;

	return queues > ORPHANS_LEAST ? queues : ORPHANS_LEAST;
}

/* As find_gap(), with an error text when there is no gap. */
static struct rdma_mapping **find_room(struct rdma_slice *s, uint64_t size, uint64_t *offset)
{
	struct rdma_mapping **link;

	if (!size || size % RDMA_PAGE || size > s->shm.size - s->shm.tail) {
		bypass_fail(ENOSPC,
			    "a queue of %llu bytes does not fit into the shared memory region of "
			    "%llu; give the "
			    "slice a larger one (shm=)",
			    (unsigned long long)size, (unsigned long long)s->shm.size);
		return NULL;
	}
	if (s->shm.orphans >= most_orphans(s)) {
		bypass_fail(ENOSPC,
			    "the guest keeps %u pieces of the shared memory region whose queues "
			    "are gone; it has to release them",
			    s->shm.orphans);
		return NULL;
	}
	link = find_gap(&s->shm, size, offset);
	if (!link)
		bypass_fail(ENOSPC,
			    "the shared memory region has no %llu bytes left in one piece: %llu of "
			    "%llu are in "
			    "use; give the slice a larger one (shm=)",
			    (unsigned long long)size, (unsigned long long)s->shm.used,
			    (unsigned long long)s->shm.size);
	return link;
}

/* A transport out of process has its own limits: map pages there, and unmap them again. */
static int try_transport(struct rdma_slice *s, uint64_t offset, uint64_t size)
{
	int fd, err;

	if (!s->carrier || !s->carrier->shm_map)
		return 0;
	fd = memfd_create("bypass-room", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, size)) {
		err = bypass_fail(errno, "no memory to try the shared memory region with: %m");
		goto out;
	}
	err = s->carrier->shm_map(s->transport, offset, size, fd, 0, true);
	if (!err)
		err = s->carrier->shm_unmap(s->transport, offset, size);
out:
	if (fd >= 0)
		close(fd);
	return err;
}

/*
 * The driver tells the size of the new queue when there is no way back. So this check takes the
 * upper limit: an entry takes no more than its share of the old queue's pages, a driver rounds the
 * number of entries up to a power of two, and a header takes less than a page.
 */
int rdma_shm_check_resize(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle,
			  uint32_t entries)
{
	uint32_t had = s->tables[kind].objects[handle].entries;
	uint64_t size = 0, offset;

	for (const struct rdma_mapping *m = s->shm.mappings; m; m = m->next) {
		if (!m->orphan && m->kind == kind && m->handle == handle)
			size = m->size;
	}
	if (!size || !had)
		return 0;
	size = (size / had + 1) << (32 - __builtin_clz(entries));
	size = (size + 2 * RDMA_PAGE - 1) & -(uint64_t)RDMA_PAGE;
	if (!find_room(s, size, &offset))
		return -ENOSPC;
	return try_transport(s, offset, size);
}

static struct rdma_mapping *new_mapping(const struct rdma_mapping *owner, uint64_t offset,
					uint64_t size)
{
	struct rdma_mapping *m = malloc(sizeof(*m));

	if (!m) {
		bypass_fail(ENOMEM, "no memory for a mapping");
		return NULL;
	}
	*m = *owner;
	m->offset = offset;
	m->size = size;
	m->orphan = false;
	return m;
}

static void add_mapping(struct rdma_slice *s, struct rdma_mapping **link, struct rdma_mapping *m)
{
	m->next = *link;
	*link = m;
	s->shm.used += m->size;
	rdma_count(&s->stats.shm_bytes, m->size);
}

int rdma_shm_map(struct rdma_slice *s, int fd, uint64_t fd_offset, uint64_t size,
		 const struct rdma_mapping *owner, uint64_t *offset)
{
	struct rdma_mapping *m, **link;
	int err;

	link = find_room(s, size, offset);
	if (!link)
		return -ENOSPC;
	m = new_mapping(owner, *offset, size);
	if (!m)
		return -ENOMEM;
	err = map_pages(s, m, fd, fd == s->shm.fd ? m->offset : fd_offset);
	if (err)
		free(m);
	else
		add_mapping(s, link, m);
	return err;
}

int rdma_shm_assign(struct rdma_slice *s, uint64_t offset, uint64_t size,
		    const struct rdma_mapping *owner)
{
	struct rdma_mapping *m, **link = &s->shm.mappings;

	while (*link && (*link)->offset < offset)
		link = &(*link)->next;
	m = new_mapping(owner, offset, size);
	if (!m)
		return -ENOMEM;
	add_mapping(s, link, m);
	return 0;
}

static void remove_mapping(struct rdma_slice *s, struct rdma_mapping **link)
{
	struct rdma_mapping *m = *link;

	unmap_pages(s, m);
	s->shm.used -= m->size;
	s->shm.orphans -= m->orphan;
	rdma_count(&s->stats.shm_bytes, -m->size);
	*link = m->next;
	free(m);
}

void rdma_shm_orphan(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	for (struct rdma_mapping *m = s->shm.mappings; m; m = m->next) {
		if (m->orphan || m->kind != kind || m->handle != handle)
			continue;
		m->orphan = true;
		s->shm.orphans++;
	}
}

int rdma_shm_release(struct rdma_slice *s, uint64_t offset, uint64_t size)
{
	struct rdma_mapping **link = &s->shm.mappings;

	/* What all processes share stays, when one of them has gone. */
	if (s->shm.tail && size == RDMA_PAGE && offset % RDMA_PAGE == 0 && offset < s->shm.size &&
	    offset >= s->shm.size - s->shm.tail)
		return 0;
	while (*link && (*link)->offset != offset)
		link = &(*link)->next;
	if (!*link || (*link)->size != size)
		return bypass_fail(EINVAL,
				   "nothing is mapped at %#llx + %#llx of the shared memory region",
				   (unsigned long long)offset, (unsigned long long)size);
	/* A doorbell page is the context's, which the guest's kernel ends right after. */
	if (!(*link)->orphan && (*link)->kind != RDMA_UCONTEXT)
		return bypass_fail(EBUSY,
				   "shared pages %#llx + %#llx belong to an object that "
				   "still exists",
				   (unsigned long long)offset, (unsigned long long)size);
	remove_mapping(s, link);
	return 0;
}

void rdma_shm_drop(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	struct rdma_mapping **link = &s->shm.mappings;

	while (*link) {
		if (!(*link)->orphan && (*link)->kind == kind && (*link)->handle == handle)
			remove_mapping(s, link);
		else
			link = &(*link)->next;
	}
}

void rdma_shm_sweep(struct rdma_slice *s, uint32_t ucontext)
{
	struct rdma_mapping **link = &s->shm.mappings;

	while (*link) {
		if (ucontext == RDMA_ALL || (*link)->ucontext == ucontext)
			remove_mapping(s, link);
		else
			link = &(*link)->next;
	}
	/* Pages that the guest touched by mistake go too, and the pieces become one mapping again. */
	if (ucontext == RDMA_ALL && !is_fixed(s) && clear_pages(s, 0, s->shm.size - s->shm.tail))
		bypass_log(BYPASS_LOG_WARN, "%s: cannot make the shared memory region anew: %m",
			   s->dev.name);
}
