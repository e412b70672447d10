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
		cmocka_unit_test(test_shm_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
