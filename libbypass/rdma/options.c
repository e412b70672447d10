// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Options of a slice, as users write them: "rxe0,trust-guest,qps=64,pinned=1G". Names,
 * defaults and limits stand in one table, which holds for callers of the library as well.
 */
#include <arpa/inet.h>
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

/*
 * The numbers: the word of the parser, the default (0: see slice.c), the limit. The defaults suffice for two guests of
 * 32 ranks, each connected with each: 32 * 63 queue pairs, of 260 KiB each as UCX creates them on rxe.
 */
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
	NUMBER("qps", quota.qps, 4096, 1 << 16),
	NUMBER("ahs", quota.ahs, 1024, 1 << 20),
	NUMBER("xrcds", quota.xrcds, 256, 1 << 16),
	NUMBER("mcasts", quota.mcasts, 128, 1 << 16),
	NUMBER("ids", quota.ids, 1024, 1 << 16),
	NUMBER("backlog", quota.backlog, 128, 1024),
	NUMBER("depth", quota.depth, 16384, 1 << 20),
	NUMBER("pinned", quota.pinned_bytes, 64ull << 30, 1ull << 46),
	NUMBER("shm", quota.shm_bytes, 1ull << 30, 1ull << 36),
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
	if (options->n_addrs > BYPASS_RDMA_GIDS || (options->n_addrs && options->n_gids))
		return bypass_fail(EINVAL,
				   "%u addresses and %u GIDs: at most %u, of the one or of the "
				   "other",
				   options->n_addrs, options->n_gids, BYPASS_RDMA_GIDS);
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

/* One address, as its GID is. */
static int parse_address(const char *text, uint8_t *ip)
{
	memset(ip, 0, 16);
	if (inet_pton(AF_INET6, text, ip) == 1)
		return 0;
	ip[10] = ip[11] = 0xff;
	if (inet_pton(AF_INET, text, ip + 12) == 1)
		return 0;
	return bypass_fail(EINVAL, "'%s' is no IPv4 or IPv6 address (addr=)", text);
}

/* Addresses that are joined by +. */
static int parse_addresses(char *word, struct bypass_rdma_options *options)
{
	char *rest = strchr(word, '=') + 1, *text;
	int err = 0;

	options->n_addrs = 0;
	while (!err && (text = strsep(&rest, "+"))) {
		if (options->n_addrs == BYPASS_RDMA_GIDS)
			return bypass_fail(EINVAL, "addr=: at most %u addresses", BYPASS_RDMA_GIDS);
		err = parse_address(text, options->addrs[options->n_addrs++]);
	}
	return err;
}

/* FIRST-LAST, or one port. */
static int parse_ports(const char *word, struct bypass_rdma_options *options)
{
	unsigned int first, last;
	int end = 0;

	if (sscanf(word, "ports=%u%n", &first, &end) == 1 && !word[end])
		last = first;
	else if (sscanf(word, "ports=%u-%u%n", &first, &last, &end) != 2 || word[end])
		first = 0;
	if (!first || first > last || last > UINT16_MAX)
		return bypass_fail(EINVAL, "'%s': FIRST-LAST is wanted, from 1 to %u", word,
				   UINT16_MAX);
	options->port_first = first;
	options->port_last = last;
	return 0;
}

static int unknown_word(const char *word)
{
	char known[512] = "trust-guest, all-ram, hca-counters, gids=, addr=, pkeys=, ports=";
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
	if (!strcmp(word, "hca-counters")) {
		options->hca_counters = true;
		return 0;
	}
	if (!strncmp(word, "gids=", 5))
		return parse_list(word, options->gids, &options->n_gids);
	if (!strncmp(word, "pkeys=", 6))
		return parse_list(word, options->pkeys, &options->n_pkeys);
	if (!strncmp(word, "addr=", 5))
		return parse_addresses(word, options);
	if (!strncmp(word, "ports=", 6))
		return parse_ports(word, options);
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
