// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The fuzzer's guest with random streams, for builds without a fuzzer. The seed is
 * printed, and can be given as the argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "../fuzz/pci.c"

#define ROUNDS 2000
#define LENGTH 2048

static unsigned int seed;

static void test_random_guests(void **state)
{
	uint8_t stream[LENGTH];

	(void)state;
	printf("seed %u\n", seed);
	srandom(seed);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < LENGTH; i++)
			stream[i] = random() >> 8;
		LLVMFuzzerTestOneInput(stream, 64 + random() % (LENGTH - 64));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_guests),
	};

	seed = argc > 1 ? strtoul(argv[1], NULL, 0) : (unsigned int)time(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
