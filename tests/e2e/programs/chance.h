/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random numbers for programs that attack: the same seed gives the same attack.
 */
#ifndef CHANCE_H
#define CHANCE_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t chance; /* the seed; not 0 */

/* xorshift64* */
static inline uint64_t any(void)
{
	chance ^= chance >> 12;
	chance ^= chance << 25;
	chance ^= chance >> 27;
	return chance * 0x2545f4914f6cdd1dull;
}

static inline uint64_t below(uint64_t n)
{
	return n ? any() % n : 0;
}

static inline bool one_in(unsigned int n)
{
	return below(n) == 0;
}

/* Numbers that matter more than others: small, all ones, powers of two and their neighbours. */
static inline uint64_t number(void)
{
	switch (below(6)) {
	case 0:
		return below(4);
	case 1:
		return ~0ull >> below(64);
	case 2:
		return (1ull << below(64)) + below(3) - 1;
	case 3:
		return below(4096);
	case 4:
		return below(1ull << 32);
	default:
		return any();
	}
}

#endif
