// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory keys: which memory of the guest a queue entry may name, and how. The translation tables are
 * copies, so that the guest cannot change them behind a check.
 */
#include <stdlib.h>

#include "hca.h"
#include "layout.h"

#define OCTOWORD  16
#define MAX_DEPTH 4 /* of a key whose ranges are of other keys */
#define NO_QPN	  0xffffff

enum mode { MODE_PHYSICAL, MODE_PAGES, MODE_RANGES };

/* Which parts of the context a work request changes */
#define CHANGE_LENGTH	   (1ull << 0)
#define CHANGE_PAGE_SIZE   (1ull << 1)
#define CHANGE_START	   (1ull << 6)
#define CHANGE_PD	   (1ull << 7)
#define CHANGE_INVALIDATE  (1ull << 8)
#define CHANGE_KEY	   (1ull << 13)
#define CHANGE_QPN	   (1ull << 14)
#define CHANGE_LOCAL_WRITE (1ull << 18)
#define CHANGE_READ	   (1ull << 19)
#define CHANGE_WRITE	   (1ull << 20)
#define CHANGE_ATOMIC	   (1ull << 21)
#define CHANGE_FREE	   (1ull << 29)
#define CHANGE_ALL	   UINT64_MAX

static struct mkey *find(struct hca *hca, uint32_t key)
{
	struct mkey *mkey = table_get(&hca->mkeys, key >> 8);

	return mkey && mkey->key == (key & 0xff) && !mkey->free ? mkey : NULL;
}

static bool has_right(const struct mkey *mkey, enum right right)
{
	switch (right) {
	case LOCAL_READ:
		return true;
	case LOCAL_WRITE:
		return mkey->local_write;
	case REMOTE_READ:
		return mkey->remote_read;
	case REMOTE_WRITE:
		return mkey->remote_write;
	case REMOTE_ATOMIC:
		return mkey->remote_atomic;
	}
	return false;
}

static bool allows(const struct mkey *mkey, const struct access *access, uint64_t address,
		   uint64_t size)
{
	if (access->pd != ANY_PD && mkey->pd != access->pd)
		return false;
	if (!has_right(mkey, access->right))
		return false;
	if (mkey->bound && access->right >= REMOTE_READ && mkey->qpn != access->qpn)
		return false;
	if (mkey->mode == MODE_PHYSICAL || mkey->whole)
		return true;
	return address - mkey->start <= mkey->length &&
	       size <= mkey->length - (address - mkey->start);
}

/* Pages: the first begins at the start's page. False outside the table. */
static bool find_page(const struct mkey *mkey, uint64_t *address, uint64_t *size)
{
	uint64_t page, offset, index;

	if (mkey->page_shift < 12 || mkey->page_shift > 51)
		return false;
	page = 1ull << mkey->page_shift;
	offset = *address - mkey->start + (mkey->start & (page - 1));
	index = offset >> mkey->page_shift;
	offset &= page - 1;
	if (index >= (uint64_t)mkey->octowords * 2)
		return false;
	*address = (get_be64(mkey->table + 8 * index) & ~0xfffull) + offset;
	if (*size > page - offset)
		*size = page - offset;
	return true;
}

/* Ranges of other keys, side by side: length, key, address. */
static bool find_range(const struct mkey *mkey, uint32_t *key, uint64_t *address, uint64_t *size)
{
	uint64_t offset = *address - mkey->start;

	for (uint32_t i = 0; i < mkey->octowords && i < HCA_KLMS; i++) {
		const uint8_t *range = mkey->table + (uint64_t)OCTOWORD * i;
		uint32_t length = get_be32(range);

		if (offset >= length) {
			offset -= length;
			continue;
		}
		*key = get_be32(range + 4);
		*address = get_be64(range + 8) + offset;
		if (*size > length - offset)
			*size = length - offset;
		return true;
	}
	return false;
}

uint8_t *mkey_span(const struct access *access, uint32_t key, uint64_t address, uint64_t *size)
{
	struct access inner = *access;

	for (unsigned int depth = 0; depth < MAX_DEPTH; depth++) {
		const struct mkey *mkey = find(access->hca, key);

		if (!mkey || !allows(mkey, &inner, address, *size))
			return NULL;
		switch (mkey->mode) {
		case MODE_PHYSICAL:
			return dma_span(access->hca, address, size);
		case MODE_PAGES:
			return find_page(mkey, &address, size)
				       ? dma_span(access->hca, address, size)
				       : NULL;
		case MODE_RANGES:
			if (!find_range(mkey, &key, &address, size))
				return NULL;
			/* The outer key gives remote rights, the inner one those of its owner. */
			if (inner.right >= REMOTE_READ)
				inner.right = inner.right == REMOTE_READ ? LOCAL_READ : LOCAL_WRITE;
			break;
		default:
			return NULL;
		}
	}
	return NULL;
}

bool mkey_invalidate(struct hca *hca, uint32_t key, uint32_t pd)
{
	struct mkey *mkey = find(hca, key);

	if (!mkey || !mkey->invalidatable || mkey->pd != pd)
		return false;
	mkey->free = true;
	return true;
}

static void change(struct mkey *mkey, const uint8_t *context, uint64_t mask)
{
	if (mask & CHANGE_LENGTH) {
		mkey->length = field_get(context, MKC_LENGTH);
		mkey->whole = field_get(context, MKC_LENGTH64);
	}
	if (mask & CHANGE_PAGE_SIZE)
		mkey->page_shift = field_get(context, MKC_LOG_PAGE);
	if (mask & CHANGE_START)
		mkey->start = field_get(context, MKC_START);
	if (mask & CHANGE_PD)
		mkey->pd = field_get(context, MKC_PD);
	if (mask & CHANGE_INVALIDATE)
		mkey->invalidatable = field_get(context, MKC_INVALIDATABLE);
	if (mask & CHANGE_KEY)
		mkey->key = field_get(context, MKC_KEY);
	if (mask & CHANGE_QPN) {
		mkey->qpn = field_get(context, MKC_QPN);
		mkey->bound = mkey->qpn != NO_QPN;
	}
	if (mask & CHANGE_LOCAL_WRITE)
		mkey->local_write = field_get(context, MKC_LOCAL_WRITE);
	if (mask & CHANGE_READ)
		mkey->remote_read = field_get(context, MKC_REMOTE_READ);
	if (mask & CHANGE_WRITE)
		mkey->remote_write = field_get(context, MKC_REMOTE_WRITE);
	if (mask & CHANGE_ATOMIC)
		mkey->remote_atomic = field_get(context, MKC_ATOMIC);
	if (mask & CHANGE_FREE)
		mkey->free = field_get(context, MKC_FREE);
}

/* A work request that changes a key: control, UMR control, context, then translations. */
#define UMR_KEY		 12
#define UMR_FLAGS	 16
#define UMR_OCTOWORDS	 20
#define UMR_OFFSET	 22 /* in octowords; the higher bits stand in UMR_OFFSET_HIGH */
#define UMR_MASK	 24
#define UMR_OFFSET_HIGH	 32
#define UMR_CONTEXT	 64
#define UMR_TRANSLATIONS 128
#define FLAG_INLINE	 0x80
#define FLAG_CHECK_FREE	 0x40
#define FLAG_CHECK_USED	 0x20
#define FLAG_OFFSET	 0x10

static enum syndrome read_translations(struct qp *qp, const uint8_t *source, uint8_t *to,
				       uint64_t size)
{
	const struct access access = {
		.hca = qp->hca,
		.pd = ANY_PD,
		.right = LOCAL_READ,
	};
	uint32_t key = get_be32(source + 4);
	uint64_t address = get_be64(source + 8);

	while (size) {
		uint64_t n = size;
		const uint8_t *from = mkey_span(&access, key, address, &n);

		if (!from)
			return SYNDROME_LOCAL_PROTECTION;
		memcpy(to, from, n);
		to += n;
		address += n;
		size -= n;
	}
	return SYNDROME_NONE;
}

/*
 * The driver rounds a list of translations up to 64 bytes, beyond the end of the key's table. What is
 * beyond is left out.
 */
static enum syndrome change_table(struct qp *qp, struct mkey *mkey, const uint8_t *request,
				  uint32_t ds)
{
	uint64_t count = get_be16(request + UMR_OCTOWORDS), offset = 0;
	uint8_t flags = request[UMR_FLAGS];

	if (!count || ds * OCTOWORD <= UMR_TRANSLATIONS)
		return SYNDROME_NONE;
	if (flags & FLAG_OFFSET)
		offset = get_be16(request + UMR_OFFSET) |
			 (uint64_t)get_be32(request + UMR_OFFSET_HIGH) << 16;
	if (offset >= mkey->octowords)
		return SYNDROME_BIND;
	if (count > mkey->octowords - offset)
		count = mkey->octowords - offset;
	if (!(flags & FLAG_INLINE)) {
		/* Only the driver knows the addresses at which translations lie. */
		if (field_get(qp->context, QPC_TRANSPORT) != TRANSPORT_UMR &&
		    !field_get(qp->context, QPC_FAST_REGISTER))
			return SYNDROME_BIND;
		return read_translations(qp, request + UMR_TRANSLATIONS,
					 mkey->table + offset * OCTOWORD, count * OCTOWORD);
	}
	if (count > ds - UMR_TRANSLATIONS / OCTOWORD)
		count = ds - UMR_TRANSLATIONS / OCTOWORD;
	memcpy(mkey->table + offset * OCTOWORD, request + UMR_TRANSLATIONS, count * OCTOWORD);
	return SYNDROME_NONE;
}

/*
 * A program posts such requests too, for memory windows. A program may change keys of its own
 * protection domain that allow changes, and no table of pages: pages are addresses of the guest's RAM.
 */
enum syndrome mkey_change(struct qp *qp, const uint8_t *request, uint32_t ds)
{
	struct mkey *mkey = table_get(&qp->hca->mkeys, get_be32(request + UMR_KEY) >> 8);
	bool driver = field_get(qp->context, QPC_TRANSPORT) == TRANSPORT_UMR;
	bool kernel = driver || field_get(qp->context, QPC_FAST_REGISTER);
	uint64_t mask = get_be64(request + UMR_MASK);
	uint8_t flags = request[UMR_FLAGS];
	enum syndrome syndrome;

	if (!mkey)
		return SYNDROME_BIND;
	if (!driver && (!mkey->changeable || mkey->pd != field_get(qp->context, QPC_PD) ||
			mask & CHANGE_PD || (!kernel && mkey->mode == MODE_PAGES)))
		return SYNDROME_BIND;
	if ((flags & FLAG_CHECK_FREE && mkey->free) || (flags & FLAG_CHECK_USED && !mkey->free))
		return SYNDROME_BIND;
	syndrome = change_table(qp, mkey, request, ds);
	if (!syndrome && ds * OCTOWORD > UMR_CONTEXT)
		change(mkey, request + UMR_CONTEXT, mask);
	return syndrome;
}

static enum status make_table(struct hca *hca, struct mkey *mkey, const struct command *cmd)
{
	uint64_t actual = field_get(cmd->in, CMD_OCTOWORDS);
	uint64_t left = command_left(cmd, CMD_PAGES) / OCTOWORD;
	uint64_t size = field_get(cmd->in + CMD_CONTEXT, MKC_OCTOWORDS);
	uint64_t octowords = ((uint64_t)hca->subnet->limits.tables << 20) / OCTOWORD;

	if (actual > left)
		return STATUS_BAD_INPUT_LENGTH;
	if (size < actual)
		size = actual;
	if (mkey->mode == MODE_RANGES && size > HCA_KLMS)
		return STATUS_BAD_PARAMETER;
	if (size > octowords - hca->octowords)
		return STATUS_LIMIT;
	if (!size)
		return STATUS_OK;
	mkey->table = calloc(size, OCTOWORD);
	if (!mkey->table)
		return STATUS_LIMIT;
	memcpy(mkey->table, cmd->in + CMD_PAGES, actual * OCTOWORD);
	mkey->octowords = size;
	hca->octowords += size;
	return STATUS_OK;
}

enum status mkey_create(struct hca *hca, const struct command *cmd)
{
	const uint8_t *context = cmd->in + CMD_CONTEXT;
	struct mkey *mkey = calloc(1, sizeof(*mkey));
	enum status status = STATUS_LIMIT;
	uint32_t number;

	if (!mkey)
		return STATUS_LIMIT;
	memcpy(mkey->context, context, sizeof(mkey->context));
	change(mkey, context, CHANGE_ALL & ~CHANGE_QPN);
	mkey->mode = field_get(context, MKC_MODE) | field_get(context, MKC_MODE_HIGH) << 2;
	mkey->changeable = field_get(context, MKC_UMR);
	if (mkey->mode > MODE_RANGES) {
		free(mkey);
		return STATUS_BAD_PARAMETER;
	}
	number = table_add(&hca->mkeys, mkey);
	if (!number) {
		free(mkey);
		return STATUS_LIMIT;
	}
	status = make_table(hca, mkey, cmd);
	if (status) {
		mkey_free(hca, number);
		return status;
	}
	field_set(cmd->out, CMD_NUMBER, number);
	return STATUS_OK;
}

void mkey_free(struct hca *hca, uint32_t number)
{
	struct mkey *mkey = table_get(&hca->mkeys, number);

	if (!mkey)
		return;
	table_remove(&hca->mkeys, number);
	hca->octowords -= mkey->octowords;
	free(mkey->table);
	free(mkey);
}

enum status mkey_destroy(struct hca *hca, const struct command *cmd)
{
	uint32_t number = field_get(cmd->in, CMD_NUMBER);

	if (!table_get(&hca->mkeys, number))
		return STATUS_BAD_RESOURCE;
	mkey_free(hca, number);
	return STATUS_OK;
}

enum status mkey_query(struct hca *hca, const struct command *cmd)
{
	const struct mkey *mkey = table_get(&hca->mkeys, field_get(cmd->in, CMD_NUMBER));

	if (!mkey)
		return STATUS_BAD_RESOURCE;
	memcpy(cmd->out + CMD_CONTEXT, mkey->context, sizeof(mkey->context));
	field_set(cmd->out + CMD_CONTEXT, MKC_FREE, mkey->free);
	return STATUS_OK;
}
