// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Guest memory for the HCA's driver to pin. The guest names runs of its pages. The slice lays
 * the same pages of the guest's memfd side by side in a span of addresses of its own. One run
 * needs no span of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/memory.h>

#include "internal.h"

#define HUGE_PAGE (2ull << 20)

/* Mappings that the process needs for everything else. */
#define OTHER_MAPPINGS 4096u

void rdma_span_init(struct rdma_span *span)
{
	*span = (struct rdma_span){.scratch_fd = -1, .dmabuf_fd = -1};
}

/* In what unit mmap maps a file. mmap rounds a length up to it, with MAP_FIXED too. */
static uint64_t file_page(int fd)
{
	struct statfs fs;

	if (fd >= 0 && !fstatfs(fd, &fs) && fs.f_type == HUGETLBFS_MAGIC)
		return fs.f_bsize;
	return RDMA_PAGE;
}

uint64_t rdma_ram_page(const struct bypass_memory *memory)
{
	const struct bypass_memory_range *r;
	uint64_t page, most = RDMA_PAGE;
	unsigned int n;

	r = bypass_memory_ranges(memory, &n);
	for (unsigned int i = 0; i < n; i++) {
		page = file_page(r[i].fd);
		if (page > most)
			most = page;
	}
	return most;
}

static uint32_t max_mappings(void)
{
	unsigned int max = 65530;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");

	if (f) {
		if (fscanf(f, "%u", &max) != 1)
			max = 65530;
		fclose(f);
	}
	return max;
}

/* Each piece takes a mapping. */
static int fail_scattered(uint32_t n)
{
	return bypass_fail(E2BIG,
			   "the guest's buffer is scattered over more than %u runs of pages; each "
			   "takes a mapping, of which the process may have %u (vm.max_map_count) "
			   "less %u for other uses; raise that, or let the guest use huge pages",
			   n, max_mappings(), OTHER_MAPPINGS);
}

/* Room for one more piece. */
static int make_room(struct rdma_span *span)
{
	struct rdma_piece *pieces;
	uint32_t max, room;

	if (span->n && !span->most) {
		max = max_mappings();
		span->most = max > OTHER_MAPPINGS ? max - OTHER_MAPPINGS : 1;
	}
	if (span->n && span->n >= span->most && span->n >= span->gather)
		return fail_scattered(span->n);
	if (span->n < span->room)
		return 0;
	room = span->room ? span->room * 2 : 64;
	pieces = reallocarray(span->pieces, room, sizeof(*pieces));
	if (!pieces)
		return bypass_fail(ENOMEM, "no memory for a list of %u runs", room);
	span->pieces = pieces;
	span->room = room;
	return 0;
}

static int add_piece(struct rdma_span *span, const struct rdma_piece *piece)
{
	struct rdma_piece *last = span->n ? &span->pieces[span->n - 1] : NULL;
	int err;

	span->size += piece->size;
	if (last && last->hva && last->hva + last->size == piece->hva && last->fd == piece->fd &&
	    last->offset + last->size == piece->offset) {
		last->size += piece->size;
		return 0;
	}
	err = make_room(span);
	if (err)
		return err;
	last = span->n ? &span->pieces[span->n - 1] : NULL;
	span->pieces[span->n] = *piece;
	span->pieces[span->n].page = last && last->fd == piece->fd ? last->page
								   : file_page(piece->fd);
	span->n++;
	return 0;
}

/* A run of guest pages may span several ranges of the memory map. */
static int add_run(struct rdma_slice *s, struct rdma_span *span, uint64_t gpa, uint64_t size)
{
	while (size) {
		const struct bypass_memory_range *r = bypass_memory_find(s->memory, gpa, 1);
		struct rdma_piece piece;
		int err;

		if (!r)
			return bypass_fail(EFAULT, "page %#llx of a registration is not guest RAM",
					   (unsigned long long)gpa);
		piece.hva = (char *)r->hva + (gpa - r->gpa);
		piece.size = r->gpa + r->size - gpa;
		piece.fd = r->fd;
		piece.offset = r->offset + (gpa - r->gpa);
		if (piece.size > size)
			piece.size = size;
		err = add_piece(span, &piece);
		if (err)
			return err;
		gpa += piece.size;
		size -= piece.size;
	}
	return 0;
}

/* Copy one page of runs and add them; never more than @want bytes. */
static int add_run_page(struct rdma_slice *s, struct rdma_span *span, uint64_t page, uint32_t n,
			uint64_t want)
{
	struct bypass_rdma_run runs[BYPASS_RDMA_RUNS_PER_PAGE];
	const void *hva;
	int err;

	hva = page % RDMA_PAGE ? NULL : bypass_memory_hva(s->memory, page, RDMA_PAGE);
	if (!hva)
		return bypass_fail(EFAULT, "list of runs at %#llx is not a page of guest RAM",
				   (unsigned long long)page);
	memcpy(runs, hva, n * sizeof(runs[0]));
	atomic_signal_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t gpa = le64toh(runs[i].gpa), size = le64toh(runs[i].size);

		if (!size || (gpa | size) % RDMA_PAGE || size > want - span->size)
			return bypass_fail(EPROTO,
					   "run %#llx + %#llx of a registration is misaligned or "
					   "too long",
					   (unsigned long long)gpa, (unsigned long long)size);
		err = add_run(s, span, gpa, size);
		if (err)
			return err;
	}
	return 0;
}

int rdma_span_read_runs(struct rdma_slice *s, struct rdma_span *span, const struct rdma_command *c,
			uint32_t pages, uint32_t last, uint64_t want)
{
	int err;

	if (!pages || c->tail_size != (uint64_t)pages * sizeof(__le64) || !last ||
	    last > BYPASS_RDMA_RUNS_PER_PAGE)
		return bypass_fail(EPROTO,
				   "a registration's list: %u pages, %u runs in the last, %u "
				   "bytes of addresses",
				   pages, last, c->tail_size);
	for (uint32_t i = 0; i < pages; i++) {
		__le64 page;

		memcpy(&page, c->tail + i * sizeof(page), sizeof(page));
		err = add_run_page(s, span, le64toh(page),
				   i + 1 < pages ? BYPASS_RDMA_RUNS_PER_PAGE : last, want);
		if (err)
			return err;
	}
	if (span->size != want)
		return bypass_fail(EPROTO, "a registration of %llu bytes of pages lists %llu",
				   (unsigned long long)want, (unsigned long long)span->size);
	return 0;
}

/* Between two ranges of RAM the one region shows scratch pages, the same ones over and over. */
static int add_hole(struct rdma_span *span, uint64_t size)
{
	struct rdma_piece piece = {.offset = 0};
	int err;

	if (span->scratch_fd < 0) {
		span->scratch_fd = memfd_create("bypass-hole", MFD_CLOEXEC);
		if (span->scratch_fd < 0 || ftruncate(span->scratch_fd, HUGE_PAGE))
			return bypass_fail(errno, "cannot make scratch memory for a hole in RAM: "
						  "%m");
	}
	for (piece.fd = span->scratch_fd; size; size -= piece.size) {
		piece.size = size < HUGE_PAGE ? size : HUGE_PAGE;
		err = add_piece(span, &piece);
		if (err)
			return err;
	}
	return 0;
}

int rdma_span_add_ram(struct rdma_slice *s, struct rdma_span *span, uint64_t *iova)
{
	const struct bypass_memory_range *r;
	unsigned int n;
	uint64_t end;
	int err = 0;

	r = bypass_memory_ranges(s->memory, &n);
	if (!n)
		return bypass_fail(EFAULT, "the guest has no RAM");
	*iova = end = r[0].gpa;
	for (unsigned int i = 0; i < n && !err; i++) {
		if (r[i].gpa > end)
			err = add_hole(span, r[i].gpa - end);
		if (!err)
			err = add_run(s, span, r[i].gpa, r[i].size);
		end = r[i].gpa + r[i].size;
	}
	return err;
}

/* The huge pages of a file stay whole, or are not mapped at all. */
static int fail_whole(const struct rdma_piece *p)
{
	return bypass_fail(EINVAL,
			   "guest RAM is made of huge pages of %llu KiB (hugetlb), and a buffer is "
			   "scattered over parts of them (a run of %llu bytes); let the guest use "
			   "huge pages for it, or back its RAM by ordinary memory",
			   (unsigned long long)p->page >> 10, (unsigned long long)p->size);
}

/*
 * Map a piece at @at. A piece may begin and end within a huge page of its file, which is mapped
 * whole. @end: where the last mapping ended. No mapping may cover another, or leave the span's
 * reservation, behind which lies other memory of the VMM.
 */
static int map_piece(const struct rdma_span *span, const struct rdma_piece *p, uintptr_t at,
		     uintptr_t *end)
{
	uint64_t before = p->offset % p->page;
	uint64_t length = (before + p->size + p->page - 1) & -p->page;
	uintptr_t limit = (uintptr_t)span->reserved + span->reserve;

	if (p->fd < 0)
		return bypass_fail(EOPNOTSUPP, "scattered guest memory can be registered only "
					       "where RAM is a shared file (memfd)");
	if (before > at || (at - before) % p->page || at - before < *end || at - before > limit ||
	    length > limit - (at - before))
		return fail_whole(p);
	if (mmap((void *)(at - before), length, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED | MAP_POPULATE, p->fd, p->offset - before) == MAP_FAILED) {
		if (errno == ENOMEM)
			return bypass_fail(E2BIG,
					   "the process has as many mappings as it may "
					   "(vm.max_map_count is %u); raise that, or let the guest "
					   "use huge pages",
					   max_mappings());
		return bypass_fail(errno, "cannot map guest memory for a registration: %m");
	}
	*end = at - before + length;
	return 0;
}

/* The largest page of the span's files. */
static uint64_t largest_page(const struct rdma_span *span)
{
	uint64_t most = RDMA_PAGE;

	for (uint32_t i = 0; i < span->n; i++) {
		if (span->pieces[i].page > most)
			most = span->pieces[i].page;
	}
	return most;
}

/*
 * Where in a page of @page bytes the span begins, so that the first piece of such pages lies in
 * line with its file. Where there are only ordinary pages, @iova decides: what the guest has
 * in a huge page then lies in one here too.
 */
static uint64_t find_skew(const struct rdma_span *span, uint64_t page, uint64_t iova)
{
	uint64_t at = 0;

	for (uint32_t i = 0; page > RDMA_PAGE && i < span->n; i++) {
		if (span->pieces[i].page == page)
			return span->pieces[i].offset - at;
		at += span->pieces[i].size;
	}
	return iova & -(uint64_t)RDMA_PAGE;
}

int rdma_span_lay_out(struct rdma_span *span, uint64_t iova)
{
	uint64_t page = largest_page(span), align = page > HUGE_PAGE ? page : HUGE_PAGE;
	uintptr_t at, end;
	int err;

	if (span->n == 1) {
		span->hva = span->pieces[0].hva;
		return 0;
	}
	if (span->n > span->most)
		return fail_scattered(span->most);
	/* Room to align the beginning, and for the rest of the first page and of the last one. */
	if (__builtin_add_overflow(span->size, 3 * align, &span->reserve))
		return bypass_fail(ENOMEM, "a registration of %llu bytes",
				   (unsigned long long)span->size);
	span->reserved = mmap(NULL, span->reserve, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (span->reserved == MAP_FAILED) {
		span->reserved = NULL;
		return bypass_fail(ENOMEM, "cannot reserve %llu bytes of addresses: %m",
				   (unsigned long long)span->reserve);
	}
	end = (uintptr_t)span->reserved;
	at = ((end + align - 1) & -align) + find_skew(span, page, iova) % align;
	span->hva = (char *)at;
	for (uint32_t i = 0; i < span->n; i++) {
		err = map_piece(span, &span->pieces[i], at, &end);
		if (err)
			return err;
		at += span->pieces[i].size;
	}
	return 0;
}

void rdma_span_take_down(struct rdma_span *span)
{
	if (span->reserved && munmap(span->reserved, span->reserve))
		bypass_log(BYPASS_LOG_WARN,
			   "guest memory stays mapped at %p + %#llx after a registration: %m",
			   span->reserved, (unsigned long long)span->reserve);
	if (span->scratch_fd >= 0)
		close(span->scratch_fd);
	if (span->dmabuf_fd >= 0)
		close(span->dmabuf_fd);
	free(span->pieces);
}
