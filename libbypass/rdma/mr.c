// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Registrations of guest memory.
 *
 * The guest names runs of its pages. The host lays the same pages of the guest's memfd
 * side by side in a span of addresses of its own, registers the span, and takes it down
 * again: the HCA's driver holds the pages from then on, and the HCA finds them under the
 * guest's own virtual addresses (iova). One run needs no span.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>
#include <bypass/memory.h>

#include "internal.h"

#define HUGE_PAGE (2ull << 20)

/* Mappings that the process needs for everything else. */
#define OTHER_MAPPINGS 4096u

#define ACCESS                                                                                     \
	(IB_UVERBS_ACCESS_LOCAL_WRITE | IB_UVERBS_ACCESS_REMOTE_WRITE |                            \
	 IB_UVERBS_ACCESS_REMOTE_READ | IB_UVERBS_ACCESS_REMOTE_ATOMIC |                           \
	 IB_UVERBS_ACCESS_MW_BIND | IB_UVERBS_ACCESS_ZERO_BASED | IB_UVERBS_ACCESS_OPTIONAL_RANGE)

#define REREG (BYPASS_RDMA_REREG_TRANS | BYPASS_RDMA_REREG_PD | BYPASS_RDMA_REREG_ACCESS)

/* Guest memory that is in one piece for the host too. */
struct piece {
	char *hva; /* NULL: a hole, behind which is scratch */
	uint64_t size;
	uint64_t offset; /* in fd */
	int fd;
};

struct layout {
	struct piece *pieces;
	uint32_t n;
	uint32_t room;
	uint64_t size;	  /* of all pieces */
	void *reserved;	  /* the span's mapping, or NULL: there is one piece */
	uint64_t reserve; /* its size */
	char *hva;	  /* what to register */
	int scratch_fd;	  /* behind holes in RAM, or -1 */
};

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

static int add_piece(struct layout *l, const struct piece *piece)
{
	struct piece *last = l->n ? &l->pieces[l->n - 1] : NULL;
	uint32_t max;

	l->size += piece->size;
	if (last && last->hva && last->hva + last->size == piece->hva && last->fd == piece->fd &&
	    last->offset + last->size == piece->offset) {
		last->size += piece->size;
		return 0;
	}
	if (l->n == l->room) {
		max = max_mappings();
		if (l->n + OTHER_MAPPINGS > max)
			return bypass_fail(E2BIG,
					   "The guest's buffer is scattered over more than %u runs "
					   "of pages; "
					   "each takes a mapping, of which the process may have %u "
					   "(vm.max_map_count, less %u for other uses). Raise "
					   "that, or let "
					   "the guest use huge pages",
					   l->n, max, OTHER_MAPPINGS);
		l->room = l->room ? l->room * 2 : 64;
		last = reallocarray(l->pieces, l->room, sizeof(*last));
		if (!last)
			return bypass_fail(ENOMEM, "No memory for a list of %u runs", l->room);
		l->pieces = last;
	}
	l->pieces[l->n++] = *piece;
	return 0;
}

/* A run of guest pages may span several ranges of the memory map. */
static int add_run(struct rdma_slice *s, struct layout *l, uint64_t gpa, uint64_t size)
{
	while (size) {
		const struct bypass_memory_range *r = bypass_memory_find(s->memory, gpa, 1);
		struct piece piece;
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
		err = add_piece(l, &piece);
		if (err)
			return err;
		gpa += piece.size;
		size -= piece.size;
	}
	return 0;
}

/* Copy one page of runs and add them; never more than @want bytes. */
static int add_run_page(struct rdma_slice *s, struct layout *l, uint64_t page, uint32_t n,
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

		if (!size || (gpa | size) % RDMA_PAGE || size > want - l->size)
			return bypass_fail(EPROTO,
					   "Run %#llx + %#llx of a registration is misaligned or "
					   "too long",
					   (unsigned long long)gpa, (unsigned long long)size);
		err = add_run(s, l, gpa, size);
		if (err)
			return err;
	}
	return 0;
}

static int read_runs(struct rdma_slice *s, const struct rdma_command *c,
		     const struct bypass_rdma_reg_mr *reg, uint64_t want, struct layout *l)
{
	uint32_t pages = le32toh(reg->run_pages), last = le32toh(reg->last_runs);
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
		err = add_run_page(s, l, le64toh(page),
				   i + 1 < pages ? BYPASS_RDMA_RUNS_PER_PAGE : last, want);
		if (err)
			return err;
	}
	if (l->size != want)
		return bypass_fail(EPROTO, "A registration of %llu bytes of pages lists %llu",
				   (unsigned long long)want, (unsigned long long)l->size);
	return 0;
}

/* Between two ranges of RAM the one region shows scratch pages, the same ones over and over. */
static int add_hole(struct layout *l, uint64_t size)
{
	struct piece piece = {.offset = 0};
	int err;

	if (l->scratch_fd < 0) {
		l->scratch_fd = memfd_create("bypass-hole", MFD_CLOEXEC);
		if (l->scratch_fd < 0 || ftruncate(l->scratch_fd, HUGE_PAGE))
			return bypass_fail(errno, "Cannot make scratch memory for a hole in RAM: "
						  "%m");
	}
	for (piece.fd = l->scratch_fd; size; size -= piece.size) {
		piece.size = size < HUGE_PAGE ? size : HUGE_PAGE;
		err = add_piece(l, &piece);
		if (err)
			return err;
	}
	return 0;
}

static int all_ram(struct rdma_slice *s, struct layout *l, uint64_t *iova)
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
			err = add_hole(l, r[i].gpa - end);
		if (!err)
			err = add_run(s, l, r[i].gpa, r[i].size);
		end = r[i].gpa + r[i].size;
	}
	return err;
}

static int map_piece(const struct piece *p, char *at)
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

/* Make the pieces contiguous, in line with @iova so that huge pages stay whole. */
static int lay_out(struct layout *l, uint64_t iova)
{
	uint64_t skew;
	char *at;
	int err;

	if (l->n == 1) {
		l->hva = l->pieces[0].hva;
		return 0;
	}
	l->reserve = l->size + HUGE_PAGE;
	l->reserved = mmap(NULL, l->reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
	if (l->reserved == MAP_FAILED) {
		l->reserved = NULL;
		return bypass_fail(ENOMEM, "Cannot reserve %llu bytes of addresses: %m",
				   (unsigned long long)l->reserve);
	}
	skew = ((iova & -(uint64_t)RDMA_PAGE) - (uintptr_t)l->reserved) % HUGE_PAGE;
	l->hva = at = (char *)l->reserved + skew;
	for (uint32_t i = 0; i < l->n; i++) {
		err = map_piece(&l->pieces[i], at);
		if (err)
			return err;
		at += l->pieces[i].size;
	}
	return 0;
}

static void take_down(struct layout *l)
{
	if (l->reserved)
		munmap(l->reserved, l->reserve);
	if (l->scratch_fd >= 0)
		close(l->scratch_fd);
	free(l->pieces);
}

static int check_quota(struct rdma_slice *s, uint64_t now, uint64_t want)
{
	uint64_t quota = s->options.quota.pinned_bytes;

	if (want > quota || s->pinned - now > quota - want)
		return bypass_fail(EDQUOT,
				   "The guest has %llu bytes registered; %llu more would exceed "
				   "its quota of %llu (pinned=)",
				   (unsigned long long)s->pinned, (unsigned long long)want,
				   (unsigned long long)quota);
	return 0;
}

/*
 * Prepare what @reg describes. @now: bytes that it replaces. Returns with memory_lock
 * held for reading, also on failure: the pages must stay until the driver holds them.
 */
static int prepare(struct rdma_slice *s, const struct rdma_command *c,
		   const struct bypass_rdma_reg_mr *reg, uint64_t now, struct layout *l,
		   uint64_t *iova, uint64_t *length)
{
	uint32_t flags = le32toh(reg->flags);
	uint64_t first, end, want;
	int err;

	*l = (struct layout){.scratch_fd = -1};
	*iova = le64toh(reg->iova);
	*length = le64toh(reg->length);
	pthread_rwlock_rdlock(&s->memory_lock);
	if (flags == BYPASS_RDMA_MR_ALL_RAM) {
		if (!(s->features & 1ull << BYPASS_RDMA_F_ALL_RAM))
			return bypass_fail(EPERM, "The slice may not register all RAM at once "
						  "(all-ram)");
		if (*iova || *length || reg->run_pages || reg->last_runs || c->tail_size)
			return bypass_fail(EPROTO, "A registration of all RAM names addresses");
		err = all_ram(s, l, iova);
		*length = l->size;
		if (!err)
			err = check_quota(s, now, l->size);
	} else {
		first = *iova & -(uint64_t)RDMA_PAGE;
		end = (*iova + *length + RDMA_PAGE - 1) & -(uint64_t)RDMA_PAGE;
		want = end - first;
		if (flags || !*length || end <= first || *length > want)
			return bypass_fail(EINVAL, "Cannot register %#llx + %#llx, flags %#x",
					   (unsigned long long)*iova, (unsigned long long)*length,
					   flags);
		err = check_quota(s, now, want);
		if (!err)
			err = read_runs(s, c, reg, want, l);
	}
	return err ? err : lay_out(l, *iova);
}

static int explain(struct rdma_slice *s, int err, uint64_t size)
{
	struct rlimit limit;

	if (err == -ENOMEM && !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		return bypass_fail(ENOMEM,
				   "%s cannot pin %llu bytes of guest memory on top of %llu: the "
				   "process "
				   "may lock %llu (ulimit -l); raise that",
				   s->hca.name, (unsigned long long)size,
				   (unsigned long long)s->pinned,
				   (unsigned long long)limit.rlim_cur);
	return bypass_fail(-err, "%s cannot register %llu bytes of guest memory: %s", s->hca.name,
			   (unsigned long long)size, strerror(-err));
}

static int check_reg(const struct bypass_rdma_reg_mr *reg)
{
	if (le32toh(reg->access) & ~ACCESS)
		return bypass_fail(EOPNOTSUPP, "Access flags %#x cannot be had through a slice",
				   le32toh(reg->access) & ~ACCESS);
	return 0;
}

static void set_pinned(struct rdma_slice *s, struct rdma_object *mr, uint64_t size)
{
	s->pinned += size - mr->pinned;
	rdma_count(&s->stats.pinned_bytes, size - mr->pinned);
	mr->pinned = size;
}

int rdma_reg_mr(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_reg_mr *reg = c->body;
	struct rdma_object *pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(reg->pd));
	struct ib_uverbs_reg_mr in = {.access_flags = le32toh(reg->access)};
	struct ib_uverbs_reg_mr_resp out;
	struct bypass_rdma_mr *reply = (void *)c->reply;
	struct rdma_blob blob;
	struct layout layout;
	uint64_t iova, length;
	uint32_t handle;
	int err;

	if (!pd)
		return -EBADF;
	err = check_reg(reg);
	if (!err)
		err = rdma_blob_in(s, c, &blob);
	if (!err)
		err = rdma_table_take(&s->tables[RDMA_MR], c->ucontext, &handle);
	if (err)
		return err;

	err = prepare(s, c, reg, 0, &layout, &iova, &length);
	if (!err) {
		in.start = (uintptr_t)layout.hva + iova % RDMA_PAGE;
		in.length = length;
		in.hca_va = iova;
		in.pd_handle = pd->host;
		err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_REG_MR, &in, sizeof(in), &out,
				  sizeof(out), &blob.udata);
		if (err)
			err = explain(s, err, layout.size);
	}
	pthread_rwlock_unlock(&s->memory_lock);
	take_down(&layout);
	if (err) {
		rdma_table_put(&s->tables[RDMA_MR], handle);
		return err;
	}
	s->tables[RDMA_MR].objects[handle].host = out.mr_handle;
	set_pinned(s, &s->tables[RDMA_MR].objects[handle], layout.size);
	rdma_count(&s->stats.objects, 1);
	*reply = (struct bypass_rdma_mr){
		.handle = htole32(handle),
		.lkey = htole32(out.lkey),
		.rkey = htole32(out.rkey),
	};
	return 0;
}

int rdma_rereg_mr(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_rereg_mr *body = c->body;
	uint32_t handle = le32toh(body->handle), flags = le32toh(body->flags);
	struct rdma_object *mr = rdma_table_get(&s->tables[RDMA_MR], handle);
	struct ib_uverbs_rereg_mr in = {.flags = flags};
	struct ib_uverbs_rereg_mr_resp out;
	struct bypass_rdma_mr *reply = (void *)c->reply;
	struct layout layout = {.scratch_fd = -1};
	struct rdma_object *pd;
	struct rdma_blob blob;
	uint64_t iova = 0, length = 0;
	int err;

	if (!mr)
		return -EBADF;
	err = check_reg(&body->reg);
	if (!err)
		err = rdma_blob_in(s, c, &blob);
	if (err)
		return err;
	if (!flags || flags & ~REREG)
		return bypass_fail(EOPNOTSUPP, "A region cannot be changed with flags %#x", flags);
	in.mr_handle = mr->host;
	if (flags & BYPASS_RDMA_REREG_PD) {
		pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(body->reg.pd));
		if (!pd)
			return -EBADF;
		in.pd_handle = pd->host;
	}
	if (flags & BYPASS_RDMA_REREG_ACCESS)
		in.access_flags = le32toh(body->reg.access);
	if (flags & BYPASS_RDMA_REREG_TRANS) {
		err = prepare(s, c, &body->reg, mr->pinned, &layout, &iova, &length);
		in.start = (uintptr_t)layout.hva + iova % RDMA_PAGE;
		in.length = length;
		in.hca_va = iova;
	} else {
		pthread_rwlock_rdlock(&s->memory_lock);
	}
	if (!err) {
		err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_REREG_MR, &in, sizeof(in), &out,
				  sizeof(out), &blob.udata);
		if (err)
			err = explain(s, err, layout.size);
	}
	pthread_rwlock_unlock(&s->memory_lock);
	take_down(&layout);
	if (err)
		return err;
	if (flags & BYPASS_RDMA_REREG_TRANS)
		set_pinned(s, mr, layout.size);
	*reply = (struct bypass_rdma_mr){
		.handle = htole32(handle),
		.lkey = htole32(out.lkey),
		.rkey = htole32(out.rkey),
	};
	return 0;
}
