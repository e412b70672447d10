// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Doorbell pages that are there when the slice is opened, and stay, for a carrier that maps windows once.
 *
 * Such a carrier hands the descriptor of the pages to the VMM's process, which maps the pages itself. Whoever
 * has that descriptor can also call verbs on it. So the pages have a descriptor, and a context on the host, of
 * their own: nothing of the guest is in that context, and the descriptor of the slice's queues and memory
 * stays in this process. The HCA takes a page of any context for a queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/slice.h>

#include "internal.h"

static int begin_context(struct rdma_slice *s)
{
	char path[sizeof(RDMA_NODES "/") + sizeof(s->hca.node)];
	int err;

	snprintf(path, sizeof(path), RDMA_NODES "/%s", s->hca.node);
	s->pages.fd = open(path, O_RDWR | O_CLOEXEC);
	if (s->pages.fd < 0)
		return bypass_fail(errno, "cannot open %s for doorbell pages: %m", path);
	err = s->dialect->user_queues->begin(s->pages.fd);
	if (err)
		return bypass_fail(-err, "%s gives no context for doorbell pages: %s", s->hca.name,
				   strerror(-err));
	return 0;
}

/* A region has one descriptor and one base: each page must lie behind the one before. */
static int take(struct rdma_slice *s, uint32_t i)
{
	struct rdma_doorbell_page *page = &s->pages.page[i];
	int err = s->dialect->user_queues->page_take(s->pages.fd, page);

	if (err)
		return err;
	if (page->offset == s->pages.page[0].offset + (uint64_t)i * RDMA_PAGE)
		return 0;
	s->dialect->user_queues->page_give(s->pages.fd, page->handle);
	return -ERANGE;
}

int rdma_pages_take(struct rdma_slice *s)
{
	struct bypass_rdma_quota *q = &s->options.quota;
	uint32_t want = q->ucontexts;
	int err = 0;

	if (!s->options.fixed_windows || !s->dialect->user_queues)
		return 0;
	if (want > RDMA_PAGES_MOST)
		return bypass_fail(EINVAL,
				   "ucontexts=%u: by vfio-user %s has doorbell pages for %u "
				   "processes at most",
				   want, s->hca.name, RDMA_PAGES_MOST);
	s->pages.page = calloc(want, sizeof(*s->pages.page));
	s->pages.windows = calloc(want, sizeof(*s->pages.windows));
	if (!s->pages.page || !s->pages.windows)
		return bypass_fail(ENOMEM, "no memory for a slice of %s", s->hca.name);
	err = begin_context(s);
	if (err)
		return err;
	while (s->pages.n < want && !(err = take(s, s->pages.n)))
		s->pages.n++;
	if (!s->pages.n)
		return bypass_fail(-err, "%s has no doorbell page: %s", s->hca.name,
				   strerror(-err));
	if (err)
		bypass_log(BYPASS_LOG_WARN,
			   "%s: doorbell pages for %u processes of the guest only, not for %u: %s",
			   s->hca.name, s->pages.n, want, strerror(-err));
	q->ucontexts = s->pages.n;
	for (q->shm_bytes = RDMA_PAGE;
	     q->shm_bytes < (uint64_t)s->pages.n * RDMA_PAGE + rdma_clock_size(s);)
		q->shm_bytes *= 2;
	return 0;
}

int rdma_pages_show(struct rdma_slice *s)
{
	for (uint32_t i = 0; i < s->pages.n; i++) {
		uint64_t offset = s->pages.page[i].offset, at = (uint64_t)i * RDMA_PAGE;
		char *hva = (char *)s->shm.hva + at;

		if (mmap(hva, RDMA_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 s->pages.fd, offset) == MAP_FAILED)
			return bypass_fail(errno, "cannot map doorbell page %u of %s: %m", i,
					   s->hca.name);
		s->pages.windows[i] = (struct bypass_window){
			.offset = at,
			.size = RDMA_PAGE,
			.hva = hva,
			.fd = s->pages.fd,
			.fd_offset = offset,
		};
	}
	return 0;
}

/* The descriptor is open as long as windows name it, also when the HCA is removed. Its end ends the pages. */
void rdma_pages_free(struct rdma_pages *pages)
{
	free(pages->page);
	free(pages->windows);
	if (pages->fd >= 0)
		close(pages->fd);
	*pages = (struct rdma_pages){.fd = -1};
}
