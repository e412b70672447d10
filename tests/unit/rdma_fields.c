// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table of docs/threat-model.md, field by field, on an HCA that takes everything: whatever is
 * refused, the slice refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rdma_slice.h"

#include "../rdma_fields.h"

static void test_fields(void **state)
{
	struct bypass_virtio_device *dev = mock_open("mock0,trust-guest,qps=4,cqs=4,vectors=2");
	struct rdma_guest g = {0};
	struct fields f = {.g = &g};

	(void)state;
	assert_non_null(dev);
	guest_init(&g.guest, 4 << 20);
	rdma_guest_start(&g, dev);
	fields_run(&f);
	printf("%u values, %u refused\n", f.tried, f.refused);
	assert_true(f.tried > 400);
	assert_int_equal(f.wrong, 0);
	rdma_guest_stop(&g);
	assert_int_equal(mock_objects(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
