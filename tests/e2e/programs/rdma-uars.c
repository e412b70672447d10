// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * All doorbell pages (UARs) that a slice of a ConnectX has: by as many contexts, of which the first and the last send
 * a message to themselves, and then twice by one context that asks for all others. One more is refused as above the
 * slice's quota. All are given back, and may be taken again at once.
 *
 *	rdma-uars DEVICE PAGES
 */
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/mlx5_user_ioctl_cmds.h>
#include <rdma/mlx5_user_ioctl_verbs.h>

#include "../../../libbypass/rdma/dialect/message.h"
#include "../../../libbypass/rdma/internal.h"
#include "rdma-verbs.h"

#define MOST 1024

static const char *name;
static unsigned int pages;

static void check_number(unsigned int got, unsigned int wanted, const char *what)
{
	if (errno != EDQUOT || got != wanted)
		fail("%u %s, not %u", got, what, wanted);
}

static void send_message(struct ibv_context *context)
{
	struct device device = use_context(context);
	static char memory[2][64];
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	struct ibv_qp *qp;

	qp = make_loop(&device);
	cq = qp->send_cq;
	mr = must_reg(&device, memory, sizeof(memory));
	memset(memory[0], 7, sizeof(memory[0]));
	memset(memory[1], 0, sizeof(memory[1]));
	expect(do_rdma(qp, IBV_WR_RDMA_WRITE, (uintptr_t)memory[0], mr->lkey, (uintptr_t)memory[1],
		       mr->rkey, sizeof(memory[0])),
	       IBV_WC_SUCCESS, "a write");
	if (memcmp(memory[0], memory[1], sizeof(memory[0])))
		fail("a write of other bytes");
	if (ibv_destroy_qp(qp) || ibv_destroy_cq(cq) || ibv_dereg_mr(mr) ||
	    ibv_dealloc_pd(device.pd))
		fail("a context that keeps its objects");
}

static void take_contexts(void)
{
	static struct ibv_context *contexts[MOST];
	unsigned int n = 0;

	while (n < MOST && (contexts[n] = open_context(name)))
		n++;
	check_number(n, pages, "contexts");
	send_message(contexts[0]);
	send_message(contexts[n - 1]);
	while (n)
		if (ibv_close_device(contexts[--n]))
			fail("ibv_close_device");
}

/* What libmlx5 asks, which may share one page among all who want one. Returns 0 or a negative errno. */
static int take_page(int fd, uint32_t *handle)
{
	union rdma_message m =
		rdma_message(RDMA_DRIVER_MLX5, MLX5_IB_OBJECT_UAR, MLX5_IB_METHOD_UAR_OBJ_ALLOC);
	struct ib_uverbs_attr *page = rdma_message_add(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_HANDLE, 0);
	const uint64_t type = MLX5_IB_UAPI_UAR_ALLOC_TYPE_NC;
	uint32_t length, number;
	uint64_t offset;
	int err;

	rdma_message_in(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_TYPE, &type, sizeof(type));
	rdma_message_out(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_OFFSET, &offset, sizeof(offset));
	rdma_message_out(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_LENGTH, &length, sizeof(length));
	rdma_message_out(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_PAGE_ID, &number, sizeof(number));
	err = rdma_message_send(fd, &m);
	*handle = page->data;
	return err;
}

/* One page is the context's own. */
static void take_pages(struct ibv_context *context)
{
	static uint32_t handles[MOST];
	unsigned int n = 0;
	int err;

	while (n < MOST && !(err = take_page(context->cmd_fd, &handles[n])))
		n++;
	errno = n < MOST ? -err : 0;
	check_number(n, pages - 1, "pages");
	while (n) {
		errno = -rdma_dialect_mlx5.user_queues->page_give(context->cmd_fd, handles[--n]);
		if (errno)
			fail("a page that stays");
	}
}

int main(int argc, char **argv)
{
	struct ibv_context *context, *other;

	if (argc != 3) {
		fprintf(stderr, "usage: rdma-uars DEVICE PAGES\n");
		return 2;
	}
	name = argv[1];
	pages = atoi(argv[2]);
	take_contexts();
	context = open_context(name);
	if (!context)
		fail("no context after all were closed");
	take_pages(context);
	take_pages(context);
	other = open_context(name);
	if (!other)
		fail("no second context after all pages were given back");
	send_message(context);
	if (ibv_close_device(context) || ibv_close_device(other))
		fail("ibv_close_device");
	printf("uars: %u contexts, twice %u pages in one, and none beyond\n", pages, pages - 1);
	return 0;
}
