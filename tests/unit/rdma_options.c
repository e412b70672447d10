// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Options of an RDMA slice as users write them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <bypass/error.h>

#include "../mock_uverbs.h"

static void test_options(void **state)
{
	struct bypass_rdma_options o;

	(void)state;
	assert_int_equal(bypass_rdma_parse("mlx5_0,qps=0x10,pinned=2G,all-ram,shm=64M,id=21", &o),
			 0);
	assert_string_equal(o.hca, "mlx5_0");
	assert_int_equal(o.quota.qps, 16);
	assert_int_equal(o.quota.pinned_bytes, 2ull << 30);
	assert_int_equal(o.quota.shm_bytes, 64 << 20);
	assert_int_equal(o.virtio_id, 21);
	assert_true(o.all_ram);
	assert_false(o.hca_counters);
	assert_false(o.trust_guest);
	assert_int_equal(bypass_rdma_parse("", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse(",qps=1", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,qps", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,qps=", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,qps=-1", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,qps=1x", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,qps=0", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,vectors=65", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,pinned=99999999999T", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,,", &o), -EINVAL);
}

static void test_lists(void **state)
{
	struct bypass_rdma_options o;

	(void)state;
	assert_int_equal(bypass_rdma_parse("a,gids=3+0x10,pkeys=0", &o), 0);
	assert_int_equal(o.n_gids, 2);
	assert_int_equal(o.gids[0], 3);
	assert_int_equal(o.gids[1], 16);
	assert_int_equal(o.n_pkeys, 1);
	assert_int_equal(bypass_rdma_parse("a,gids=", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,gids=1+", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,gids=1-2", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,gids=-1", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,gids=128", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,pkeys=x", &o), -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,gids=0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0", &o),
			 -EINVAL);
	assert_int_equal(bypass_rdma_parse("a,gidz=1", &o), -EINVAL);
	assert_non_null(strstr(bypass_error(), "ucontexts=, pds="));
}

/* What the parser refuses, a caller of the library cannot have either; and the defaults. */
static void test_limits(void **state)
{
	struct bypass_rdma_options o = {.quota.qps = (1 << 16) + 1};

	(void)state;
	assert_int_equal(rdma_options_complete(&o), -EINVAL);
	o = (struct bypass_rdma_options){.virtio_id = 64};
	assert_int_equal(rdma_options_complete(&o), -EINVAL);
	o = (struct bypass_rdma_options){.vectors = 65};
	assert_int_equal(rdma_options_complete(&o), -EINVAL);
	o = (struct bypass_rdma_options){.n_gids = BYPASS_RDMA_GIDS + 1};
	assert_int_equal(rdma_options_complete(&o), -EINVAL);
	o = (struct bypass_rdma_options){0};
	assert_int_equal(rdma_options_complete(&o), 0);
	/* One process a rank, and two protection domains in each. */
	assert_true(o.quota.ucontexts >= 1024 && o.quota.pds >= 2048);
	/* 32 ranks that each have a queue pair with 63 others, as large as UCX has it on rxe. */
	assert_true(o.quota.qps >= 32 * 63 && o.quota.shm_bytes >= 32 * 63 * 266240ull);
	assert_int_equal(o.virtio_id, 42);
}

static void test_shm_size(void **state)
{
	(void)state;
	assert_null(mock_open("mock0,trust-guest,shm=12345"));
	assert_non_null(strstr(bypass_error(), "power of two"));
	ibv_close_device(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_shm_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
