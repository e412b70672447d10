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
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/memory.h>

#include "internal.h"

#define HUGE_PAGE (2ull << 20)

/* Mappings that the process needs for everything else. */
#define OTHER_MAPPINGS 4096u

/* Guest memory that is in one piece for the host too. */
struct rdma_piece {
	char *hva; /* NULL: a hole, behind which is scratch */
	uint64_t size;
	uint64_t offset; /* in fd */
	int fd;
};

void rdma_span_init(struct rdma_span *span)
{
	*span = (struct rdma_span){.scratch_fd = -1};
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

static int add_piece(struct rdma_span *span, const struct rdma_piece *piece)
{
	struct rdma_piece *last = span->n ? &span->pieces[span->n - 1] : NULL;
	uint32_t max;

	span->size += piece->size;
	if (last && last->hva && last->hva + last->size == piece->hva && last->fd == piece->fd &&
	    last->offset + last->size == piece->offset) {
		last->size += piece->size;
		return 0;
	}
	if (span->n == span->room) {
		max = max_mappings();
		if (span->n + OTHER_MAPPINGS > max)
			return bypass_fail(E2BIG,
					   "The guest's buffer is scattered over more than %u runs "
					   "of pages; "
					   "each takes a mapping, of which the process may have %u "
					   "(vm.max_map_count, less %u for other uses). Raise "
					   "that, or let "
					   "the guest use huge pages",
					   span->n, max, OTHER_MAPPINGS);
		span->room = span->room ? span->room * 2 : 64;
		last = reallocarray(span->pieces, span->room, sizeof(*last));
		if (!last)
			return bypass_fail(ENOMEM, "No memory for a list of %u runs", span->room);
		span->pieces = last;
	}
	span->pieces[span->n++] = *piece;
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
			return bypass_fail(EFAULT, "Page %#llx of a registration is not guest RAM",
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
		return bypass_fail(EFAULT, "List of runs at %#llx is not a page of guest RAM",
				   (unsigned long long)page);
	memcpy(runs, hva, n * sizeof(runs[0]));
	atomic_signal_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t gpa = le64toh(runs[i].gpa), size = le64toh(runs[i].size);

		if (!size || (gpa | size) % RDMA_PAGE || size > want - span->size)
			return bypass_fail(EPROTO,
					   "Run %#llx + %#llx of a registration is misaligned or "
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
				   "A registration's list: %u pages, %u runs in the last, %u "
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
		return bypass_fail(EPROTO, "A registration of %llu bytes of pages lists %llu",
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
			return bypass_fail(errno, "Cannot make scratch memory for a hole in RAM: "
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
		return bypass_fail(EFAULT, "The guest has no RAM");
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

static int map_piece(const struct rdma_piece *p, char *at)
{
	if (p->fd < 0)
		return bypass_fail(EOPNOTSUPP, "Scattered guest memory can be registered only "
					       "where RAM is a "
					       "shared file (memfd)");
	if (mmap(at, p->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, p->fd,
		 p->offset) != MAP_FAILED)
		return 0;
	if (errno == EINVAL)
		return bypass_fail(EINVAL,
				   "Guest RAM is made of huge pages (hugetlb), and a run of %llu "
				   "bytes of "
				   "a scattered buffer is less than one: let the guest use huge "
				   "pages for "
				   "it, or back its RAM by ordinary memory",
				   (unsigned long long)p->size);
	if (errno == ENOMEM)
		return bypass_fail(E2BIG,
				   "The process has as many mappings as it may (vm.max_map_count "
				   "is %u); "
				   "raise that, or let the guest use huge pages",
				   max_mappings());
	return bypass_fail(errno, "Cannot map guest memory for a registration: %m");
}

/* In line with @iova so that huge pages stay whole. */
int rdma_span_lay_out(struct rdma_span *span, uint64_t iova)
{
	uint64_t skew;
	char *at;
	int err;

	if (span->n == 1) {
		span->hva = span->pieces[0].hva;
		return 0;
	}
	span->reserve = span->size + HUGE_PAGE;
	span->reserved = mmap(NULL, span->reserve, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (span->reserved == MAP_FAILED) {
		span->reserved = NULL;
		return bypass_fail(ENOMEM, "Cannot reserve %llu bytes of addresses: %m",
				   (unsigned long long)span->reserve);
	}
	skew = ((iova & -(uint64_t)RDMA_PAGE) - (uintptr_t)span->reserved) % HUGE_PAGE;
	span->hva = at = (char *)span->reserved + skew;
	for (uint32_t i = 0; i < span->n; i++) {
		err = map_piece(&span->pieces[i], at);
		if (err)
			return err;
		at += span->pieces[i].size;
	}
	return 0;
}

void rdma_span_take_down(struct rdma_span *span)
{
	if (span->reserved)
		munmap(span->reserved, span->reserve);
	if (span->scratch_fd >= 0)
		close(span->scratch_fd);
	free(span->pieces);
}
