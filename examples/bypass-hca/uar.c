// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * UAR pages, and which queues use which. The first page that a driver takes has its event queues, of which
 * no doorbell record in memory tells: each store there traps. The other pages are memory that the guest
 * writes with no exit. See doorbell.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>

#include "hca.h"
#include "layout.h"

int uar_open(struct hca *hca)
{
	struct bypass_window *window = &hca->window;

	*window = (struct bypass_window){
		.offset = HCA_FIRST_SHARED * HCA_PAGE,
		.fd_offset = HCA_FIRST_SHARED * HCA_PAGE,
		.size = HCA_BAR_SIZE - HCA_FIRST_SHARED * HCA_PAGE,
		.hva = MAP_FAILED,
	};
	window->fd = memfd_create("bypass-hca", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (window->fd >= 0 && !ftruncate(window->fd, HCA_BAR_SIZE) &&
	    !fcntl(window->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		window->hva = mmap(NULL, window->size, PROT_READ | PROT_WRITE, MAP_SHARED,
				   window->fd, window->fd_offset);
	if (window->hva == MAP_FAILED)
		return bypass_fail(errno, "%s: no memory for its UAR pages: %s", hca->slice.name,
				   strerror(errno));
	hca->slice.bars[0].windows = window;
	hca->slice.bars[0].n_windows = hca->subnet->traps ? 0 : 1;
	return 0;
}

void uar_close(struct hca *hca)
{
	if (hca->window.hva != MAP_FAILED)
		munmap(hca->window.hva, hca->window.size);
	if (hca->window.fd >= 0)
		close(hca->window.fd);
}

uint8_t *uar_memory(const struct hca *hca, uint32_t number)
{
	return (uint8_t *)hca->window.hva + (number - HCA_FIRST_SHARED) * HCA_PAGE;
}

/* A page has nothing of the program that used it before. */
enum status uar_alloc(struct hca *hca, const struct command *cmd)
{
	uint32_t number = HCA_FIRST_UAR;

	if (!table_add_at(&hca->uars, number, hca)) {
		number = table_add(&hca->uars, hca);
		if (!number)
			return STATUS_LIMIT;
		memset(uar_memory(hca, number), 0, HCA_PAGE);
	}
	field_set(cmd->out, CMD_NUMBER, number);
	return STATUS_OK;
}

enum status uar_dealloc(struct hca *hca, const struct command *cmd)
{
	uint32_t number = field_get(cmd->in, CMD_NUMBER);

	if (!table_get(&hca->uars, number))
		return STATUS_BAD_RESOURCE;
	table_remove(&hca->uars, number);
	return STATUS_OK;
}

bool uar_is_shared(const struct hca *hca, uint32_t number)
{
	return !hca->subnet->traps && number >= HCA_FIRST_SHARED && number < HCA_UARS;
}

static void join(struct hca *hca, uint32_t number, struct uar_user **list, struct uar_user *user)
{
	struct uar_page *page = &hca->uar_pages[number];

	if (!page->qps && !page->cqs) {
		page->next = hca->used_uars;
		page->at = &hca->used_uars;
		if (page->next)
			page->next->at = &page->next;
		hca->used_uars = page;
	}
	user->page = page;
	user->next = *list;
	user->at = list;
	if (user->next)
		user->next->at = &user->next;
	*list = user;
}

void uar_join_qp(struct qp *qp)
{
	uint32_t number = field_get(qp->context, QPC_UAR);

	if (uar_is_shared(qp->hca, number))
		join(qp->hca, number, &qp->hca->uar_pages[number].qps, &qp->uar);
}

void uar_join_cq(struct hca *hca, struct cq *cq)
{
	uint32_t number = field_get(cq->context, CQC_UAR);

	if (uar_is_shared(hca, number))
		join(hca, number, &hca->uar_pages[number].cqs, &cq->uar);
}

void uar_leave(struct uar_user *user)
{
	struct uar_page *page = user->page;

	if (!page)
		return;
	user->page = NULL;
	*user->at = user->next;
	if (user->next)
		user->next->at = user->at;
	if (page->qps || page->cqs)
		return;
	*page->at = page->next;
	if (page->next)
		page->next->at = page->at;
}
