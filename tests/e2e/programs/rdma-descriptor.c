// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the descriptors of a ConnectX are good for that another process has, such as a VMM that maps doorbell pages:
 * which objects they lead to, and whether one can be made with them. Only for tests: takes the descriptors as root.
 *
 *	rdma-descriptor PID
 */
#include <dirent.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/mlx5-abi.h>

#include "../../../libbypass/rdma/internal.h"
#include "fail.h"

#define NODE	"/dev/infiniband/uverbs"
#define HANDLES 1024u

/* The driver has an answer of its own to some commands. */
static int call(int fd, uint32_t command, const void *in, size_t in_size, void *out,
		size_t out_size)
{
	const struct rdma_hca hca = {.cmd_fd = fd, .driver_id = RDMA_DRIVER_MLX5};
	struct mlx5_ib_alloc_pd_resp answer;
	const struct rdma_udata udata = {.out = &answer, .out_size = sizeof(answer)};

	return rdma_uverbs(&hca, command, in, in_size, out, out_size, &udata);
}

/* Destroying is what no object that is there can refuse but for its users, and these are tried first. */
static unsigned int count_reached(int fd)
{
	static const uint32_t simple[] = {
		IB_USER_VERBS_CMD_DESTROY_AH,
		IB_USER_VERBS_CMD_DEALLOC_MW,
		IB_USER_VERBS_CMD_DEREG_MR,
		IB_USER_VERBS_CMD_DEALLOC_PD,
	};
	unsigned int n = 0;

	for (uint32_t handle = 0; handle < HANDLES; handle++) {
		const struct ib_uverbs_destroy_qp qp = {.qp_handle = handle};
		const struct ib_uverbs_destroy_srq srq = {.srq_handle = handle};
		const struct ib_uverbs_destroy_cq cq = {.cq_handle = handle};
		struct ib_uverbs_destroy_cq_resp events;

		n += !call(fd, IB_USER_VERBS_CMD_DESTROY_QP, &qp, sizeof(qp), &events, 4);
		n += !call(fd, IB_USER_VERBS_CMD_DESTROY_SRQ, &srq, sizeof(srq), &events, 4);
		n += !call(fd, IB_USER_VERBS_CMD_DESTROY_CQ, &cq, sizeof(cq), &events,
			   sizeof(events));
		for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++)
			n += !call(fd, simple[i], &handle, sizeof(handle), NULL, 0);
	}
	return n;
}

/* What it makes is reached as well, so that a count of 0 means something. */
static void look_at(int fd, const char *name)
{
	const struct ib_uverbs_alloc_pd in = {0};
	struct ib_uverbs_alloc_pd_resp out;
	int err = call(fd, IB_USER_VERBS_CMD_ALLOC_PD, &in, sizeof(in), &out, sizeof(out));

	printf("%s: one object made: %s, %u reached\n", name, strerror(-err), count_reached(fd));
}

int main(int argc, char **argv)
{
	char path[512], target[64];
	struct dirent *entry;
	ssize_t length;
	int pidfd, fd;
	DIR *dir;

	if (argc != 2) {
		fputs("usage: rdma-descriptor PID\n", stderr);
		return 2;
	}
	pidfd = syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	snprintf(path, sizeof(path), "/proc/%s/fd", argv[1]);
	dir = opendir(path);
	if (pidfd < 0 || !dir)
		fail("no process %s", argv[1]);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", argv[1], entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		if (strncmp(target, NODE, strlen(NODE)))
			continue;
		fd = syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
		if (fd < 0)
			fail("cannot take descriptor %s", entry->d_name);
		look_at(fd, target);
		close(fd);
	}
	closedir(dir);
	return 0;
}
