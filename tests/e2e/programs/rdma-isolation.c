// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What one guest may not do to another.
 *
 *	rdma-isolation DEVICE victim		waits for attackers; ends after the last try
 *	rdma-isolation DEVICE attacker HOST	tries, and expects to be refused
 *
 * The victim opens one buffer to its peer, and keeps a secret one in another protection
 * domain. Each try has a queue pair of its own, since the refusal is that one's end. The
 * victim looks at all its memory after each.
 */
#include <sys/mman.h>

#include "rdma-peer.h"

#define PORT "18700"
#define SIZE 4096

/* What the victim tells; the last two it should not. */
struct invitation {
	struct address at;
	uint32_t rkey;
	uint64_t open;
	uint64_t secret;
	uint32_t secret_rkey;
};

struct
try {
	const char *what;
	enum ibv_wr_opcode opcode;
	enum ibv_wc_status status;
	bool secret;	  /* the secret's address, … */
	bool secret_rkey; /* … the secret's key */
	int64_t offset;
	uint32_t rkey_change;
};

static const struct try tries[] = {
	{.what = "a write to what is open", .opcode = IBV_WR_RDMA_WRITE, .status = IBV_WC_SUCCESS},
	{.what = "a write with a key that is none",
	 .opcode = IBV_WR_RDMA_WRITE,
	 .status = IBV_WC_REM_ACCESS_ERR,
	 .rkey_change = 0x5a00},
	{.what = "a write with a key that was",
	 .opcode = IBV_WR_RDMA_WRITE,
	 .status = IBV_WC_REM_ACCESS_ERR,
	 .rkey_change = 1},
	{.what = "a write with the key of another domain",
	 .opcode = IBV_WR_RDMA_WRITE,
	 .status = IBV_WC_REM_ACCESS_ERR,
	 .secret = true,
	 .secret_rkey = true},
	{.what = "a read with the key of another domain",
	 .opcode = IBV_WR_RDMA_READ,
	 .status = IBV_WC_REM_ACCESS_ERR,
	 .secret = true,
	 .secret_rkey = true},
	{.what = "a write to the secret with the open key",
	 .opcode = IBV_WR_RDMA_WRITE,
	 .status = IBV_WC_REM_ACCESS_ERR,
	 .secret = true},
	{.what = "a write past the end",
	 .opcode = IBV_WR_RDMA_WRITE,
	 .status = IBV_WC_REM_ACCESS_ERR,
	 .offset = SIZE - 8},
	{.what = "a write before the start",
	 .opcode = IBV_WR_RDMA_WRITE,
	 .status = IBV_WC_REM_ACCESS_ERR,
	 .offset = -8},
	{.what = "a read past the end",
	 .opcode = IBV_WR_RDMA_READ,
	 .status = IBV_WC_REM_ACCESS_ERR,
	 .offset = SIZE - 8},
};
#define TRIES (sizeof(tries) / sizeof(tries[0]))

static struct ibv_qp *new_qp(const struct device *device)
{
	struct ibv_cq *cq = ibv_create_cq(device->context, 16, NULL, NULL, 0);

	if (!cq)
		fail("ibv_create_cq");
	return make_qp(device, cq);
}

static void must_be(const char *what, const uint8_t *at, uint8_t value)
{
	for (size_t i = 0; i < SIZE; i++) {
		errno = 0;
		if (at[i] != value)
			fail("%s: byte %zu is %#x, not %#x", what, i, at[i], value);
	}
}

static void victim(struct device *device)
{
	uint8_t *memory = aligned_alloc(4096, 4 * SIZE), *open = memory + SIZE;
	uint8_t *secret = memory + 3 * SIZE;
	struct device other = *device;
	struct ibv_mr *mr, *secret_mr;
	struct address peer;
	char token = 0;
	int fd;

	memset(memory, 0x11, 4 * SIZE);
	other.pd = ibv_alloc_pd(device->context);
	if (!other.pd)
		fail("ibv_alloc_pd");
	mr = must_reg(device, open, SIZE);
	secret_mr = must_reg(&other, secret, SIZE);
	fd = accept_one(PORT);
	for (size_t i = 0; i < TRIES; i++) {
		struct ibv_qp *qp = new_qp(device);
		struct invitation mine = {
			.at = address_of(device, qp),
			.rkey = mr->rkey,
			.open = (uintptr_t)open,
			.secret = (uintptr_t)secret,
			.secret_rkey = secret_mr->rkey,
		};

		if (write(fd, &mine, sizeof(mine)) != sizeof(mine) ||
		    recv(fd, &peer, sizeof(peer), MSG_WAITALL) != sizeof(peer))
			fail("the attacker is gone");
		connect_qp(device, qp, &peer);
		swap_bytes(fd, &token, &token, 1); /* connected */
		swap_bytes(fd, &token, &token, 1); /* tried */
		must_be("before", memory, 0x11);
		must_be("open", open, 0x22);
		must_be("between", open + SIZE, 0x11);
		must_be("secret", secret, 0x11);
		ibv_destroy_qp(qp);
	}
	printf("victim: %zu tries, all memory as it should be\n", TRIES);
	leave(fd);
}

static void attack(const struct device *device, int fd, const struct try *try, struct ibv_mr *mr)
{
	struct ibv_qp *qp = new_qp(device);
	struct address mine = address_of(device, qp);
	struct invitation there;
	struct ibv_wc wc;
	uint64_t remote;
	char token = 0;

	if (recv(fd, &there, sizeof(there), MSG_WAITALL) != sizeof(there) ||
	    write(fd, &mine, sizeof(mine)) != sizeof(mine))
		fail("the victim is gone");
	connect_qp(device, qp, &there.at);
	swap_bytes(fd, &token, &token, 1);
	remote = (try->secret ? there.secret : there.open) + try->offset;
	memset(mr->addr, try->status == IBV_WC_SUCCESS ? 0x22 : 0x33, SIZE);
	wc = do_rdma(qp, try->opcode, (uintptr_t)mr->addr, mr->lkey, remote,
		     (try->secret_rkey ? there.secret_rkey : there.rkey) + try->rkey_change, SIZE);
	expect(wc, try->status, try->what);
	/* A read that was refused has brought nothing. */
	if (try->status != IBV_WC_SUCCESS)
		must_be("what was read", mr->addr, 0x33);
	swap_bytes(fd, &token, &token, 1);
	ibv_destroy_qp(qp);
	printf("attacker: %s: %s\n", try->what, ibv_wc_status_str(wc.status));
}

/* Offsets of the device's file that nobody gave us. On mlx5 the first page is our own doorbells. */
static void map_at_random(const struct device *device)
{
	bool mlx5 = !strncmp(ibv_get_device_name(device->context->device), "mlx5", 4);

	for (uint64_t offset = mlx5; offset < 4096; offset++) {
		void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
				device->context->cmd_fd, offset << 12);

		errno = 0;
		if (at != MAP_FAILED)
			fail("page %#llx of the device could be mapped",
			     (unsigned long long)offset);
	}
	printf("attacker: none of 4096 pages of the device can be mapped\n");
}

int main(int argc, char **argv)
{
	struct device device;
	struct ibv_mr *mr;
	int fd;

	if (argc == 3 && !strcmp(argv[2], "victim")) {
		device = open_device(argv[1]);
		victim(&device);
		return 0;
	}
	if (argc != 4 || strcmp(argv[2], "attacker")) {
		fputs("usage: rdma-isolation DEVICE victim | attacker HOST\n", stderr);
		return 2;
	}
	device = open_device(argv[1]);
	map_at_random(&device);
	mr = must_reg(&device, aligned_alloc(4096, SIZE), SIZE);
	fd = reach(argv[3], PORT);
	for (size_t i = 0; i < TRIES; i++)
		attack(&device, fd, &tries[i], mr);
	leave(fd);
	return 0;
}
