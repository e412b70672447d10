// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Options of a slice, as users write them: "rxe0,trust-guest,qps=64,pinned=1G".
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

#define WORDS                                                                                      \
	"trust-guest, all-ram, id=, vectors=, ucontexts=, pds=, mrs=, mws=, cqs=, srqs=, qps=, "   \
	"ahs=, mcasts=, depth=, pinned=, shm="

#define NUMBER(name, member, most)                                                                 \
	{                                                                                          \
		name, offsetof(struct bypass_rdma_options, member),                                \
			sizeof(((struct bypass_rdma_options *)NULL)->member), most                 \
	}

static const struct number {
	const char *name;
	size_t offset;
	size_t size;
	uint64_t most;
} numbers[] = {
	NUMBER("id", virtio_id, 63),
	NUMBER("vectors", vectors, RDMA_VECTORS_MAX),
	NUMBER("ucontexts", quota.ucontexts, 1 << 16),
	NUMBER("pds", quota.pds, 1 << 20),
	NUMBER("mrs", quota.mrs, 1 << 20),
	NUMBER("mws", quota.mws, 1 << 20),
	NUMBER("cqs", quota.cqs, 1 << 16),
	NUMBER("srqs", quota.srqs, 1 << 16),
	NUMBER("qps", quota.qps, 1 << 16),
	NUMBER("ahs", quota.ahs, 1 << 20),
	NUMBER("mcasts", quota.mcasts, 1 << 16),
	NUMBER("depth", quota.depth, 1 << 20),
	NUMBER("pinned", quota.pinned_bytes, 1ull << 46),
	NUMBER("shm", quota.shm_bytes, 1ull << 36),
};

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
	for (size_t i = 0; equals && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const struct number *n = &numbers[i];

		if (strlen(n->name) != (size_t)(equals - word) ||
		    strncmp(n->name, word, equals - word))
			continue;
		err = parse_number(word, equals + 1, n->most, &value);
		if (!err)
			store(options, n, value);
		return err;
	}
	return bypass_fail(EINVAL, "'%s' is not an option of an RDMA slice; known are " WORDS,
			   word);
}

int bypass_rdma_parse(const char *text, struct bypass_rdma_options *options)
{
	char *copy = strdup(text), *rest = copy, *word;
	int err = 0;

	if (!copy)
		return bypass_fail(ENOMEM, "No memory for options");
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
