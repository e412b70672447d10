// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Options of a slice, as users write them: "rxe0,trust-guest,qps=64,pinned=1G". Names,
 * defaults and limits stand in one table, which holds for callers of the library as well.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

#define NUMBER(name, member, normal, most)                                                         \
	{                                                                                          \
		name, offsetof(struct bypass_rdma_options, member),                                \
			sizeof(((struct bypass_rdma_options *)NULL)->member), normal, most         \
	}

/* The numbers: the word of the parser, the default (0: see slice.c), the limit. */
static const struct number {
	const char *name;
	size_t offset;
	size_t size;
	uint64_t normal;
	uint64_t most;
} numbers[] = {
	NUMBER("id", virtio_id, BYPASS_RDMA_VIRTIO_ID, 63),
	NUMBER("vectors", vectors, 0, RDMA_VECTORS_MAX),
	NUMBER("ucontexts", quota.ucontexts, 1024, 1 << 16),
	NUMBER("pds", quota.pds, 2048, 1 << 20),
	NUMBER("mrs", quota.mrs, 4096, 1 << 20),
	NUMBER("mws", quota.mws, 1024, 1 << 20),
	NUMBER("cqs", quota.cqs, 1024, 1 << 16),
	NUMBER("srqs", quota.srqs, 256, 1 << 16),
	NUMBER("qps", quota.qps, 1024, 1 << 16),
	NUMBER("ahs", quota.ahs, 1024, 1 << 20),
	NUMBER("mcasts", quota.mcasts, 128, 1 << 16),
	NUMBER("depth", quota.depth, 16384, 1 << 20),
	NUMBER("pinned", quota.pinned_bytes, 64ull << 30, 1ull << 46),
	NUMBER("shm", quota.shm_bytes, 256ull << 20, 1ull << 36),
};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

#define INDEX_MOST 127

static int parse_number(const char *word, const char *text, uint64_t most, uint64_t *value)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	if (end == text || errno || *text == '-')
		return bypass_fail(EINVAL, "'%s': a number is wanted", word);
	suffix = *end ? strchr(suffixes, *end) : NULL;
	if (suffix) {
		unsigned int shift = 10 * (suffix - suffixes + 1);

		if (*value > UINT64_MAX >> shift)
			return bypass_fail(EINVAL, "'%s': too large", word);
		*value <<= shift;
		end++;
	}
	if (*end)
		return bypass_fail(EINVAL, "'%s': '%s' after the number; K, M, G and T are known",
				   word, end);
	if (!*value || *value > most)
		return bypass_fail(EINVAL, "'%s': from 1 to %llu", word, (unsigned long long)most);
	return 0;
}

static void store(struct bypass_rdma_options *options, const struct number *n, uint64_t value)
{
	char *to = (char *)options + n->offset;

	if (n->size == sizeof(uint64_t))
		*(uint64_t *)to = value;
	else if (n->size == sizeof(uint32_t))
		*(uint32_t *)to = value;
	else
		*(uint16_t *)to = value;
}

static uint64_t load(const struct bypass_rdma_options *options, const struct number *n)
{
	const char *from = (const char *)options + n->offset;

	if (n->size == sizeof(uint64_t))
		return *(const uint64_t *)from;
	if (n->size == sizeof(uint32_t))
		return *(const uint32_t *)from;
	return *(const uint16_t *)from;
}

int rdma_options_complete(struct bypass_rdma_options *options)
{
	uint64_t shm;

	for (size_t i = 0; i < NUMBERS; i++) {
		const struct number *n = &numbers[i];

		if (!load(options, n))
			store(options, n, n->normal);
		if (load(options, n) > n->most)
			return bypass_fail(EINVAL, "%s=%llu: at most %llu", n->name,
					   (unsigned long long)load(options, n),
					   (unsigned long long)n->most);
	}
	shm = options->quota.shm_bytes;
	if (shm & (shm - 1) || shm < RDMA_PAGE)
		return bypass_fail(EINVAL,
				   "a shared memory region of %llu bytes: it must be a power of "
				   "two",
				   (unsigned long long)shm);
	if (options->n_gids > BYPASS_RDMA_GIDS || options->n_pkeys > BYPASS_RDMA_GIDS)
		return bypass_fail(EINVAL, "%u GIDs and %u P_Keys: at most %u", options->n_gids,
				   options->n_pkeys, BYPASS_RDMA_GIDS);
	return 0;
}

/* Indices that are joined by +. */
static int parse_list(const char *word, uint8_t *list, unsigned int *count)
{
	const char *text = strchr(word, '=');
	char *end;

	*count = 0;
	do {
		unsigned long value;

		errno = 0;
		text++;
		value = strtoul(text, &end, 0);
		if (end == text || errno || *text == '-' || (*end && *end != '+') ||
		    value > INDEX_MOST)
			return bypass_fail(EINVAL,
					   "'%s': indices from 0 to %u, joined by +, are wanted",
					   word, INDEX_MOST);
		if (*count == BYPASS_RDMA_GIDS)
			return bypass_fail(EINVAL, "'%s': at most %u indices", word,
					   BYPASS_RDMA_GIDS);
		list[(*count)++] = value;
		text = end;
	} while (*end);
	return 0;
}

static int unknown_word(const char *word)
{
	char known[512] = "trust-guest, all-ram, gids=, pkeys=";
	size_t used = strlen(known);

	for (size_t i = 0; i < NUMBERS; i++)
		used += snprintf(known + used, sizeof(known) - used, ", %s=", numbers[i].name);
	return bypass_fail(EINVAL, "'%s' is not an option of an RDMA slice; known are %s", word,
			   known);
}

static int parse_word(char *word, struct bypass_rdma_options *options)
{
	char *equals = strchr(word, '=');
	uint64_t value;
	int err;

	if (!strcmp(word, "trust-guest")) {
		options->trust_guest = true;
		return 0;
	}
	if (!strcmp(word, "all-ram")) {
		options->all_ram = true;
		return 0;
	}
	if (!strncmp(word, "gids=", 5))
		return parse_list(word, options->gids, &options->n_gids);
	if (!strncmp(word, "pkeys=", 6))
		return parse_list(word, options->pkeys, &options->n_pkeys);
	for (size_t i = 0; equals && i < NUMBERS; i++) {
		const struct number *n = &numbers[i];

		if (strlen(n->name) != (size_t)(equals - word) ||
		    strncmp(n->name, word, equals - word))
			continue;
		err = parse_number(word, equals + 1, n->most, &value);
		if (!err)
			store(options, n, value);
		return err;
	}
	return unknown_word(word);
}

int bypass_rdma_parse(const char *text, struct bypass_rdma_options *options)
{
	char *copy = strdup(text), *rest = copy, *word;
	int err = 0;

	if (!copy)
		return bypass_fail(ENOMEM, "no memory for options");
	*options = (struct bypass_rdma_options){0};
	word = strsep(&rest, ",");
	if (!*word || strlen(word) >= sizeof(options->hca))
		err = bypass_fail(EINVAL, "'%s': begins with no name of an HCA", text);
	else
		strcpy(options->hca, word);
	while (!err && (word = strsep(&rest, ",")))
		err = parse_word(word, options);
	free(copy);
	return err;
}
