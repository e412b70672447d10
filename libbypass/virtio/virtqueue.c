// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Split virtqueues, seen from the device. Ring layout: virtio 1.2, section 2.7, and
 * linux/virtio_ring.h.
 */
#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/virtio_ring.h>

#include <bypass/error.h>
#include <bypass/memory.h>
#include <bypass/virtqueue.h>

/* Bytes of the two rings; each ends with the event index, which is there even if unused. */
static uint64_t avail_bytes(uint16_t size)
{
	return sizeof(struct vring_avail) + sizeof(__virtio16) * (size + 1ull);
}

static uint64_t used_bytes(uint16_t size)
{
	return sizeof(struct vring_used) + sizeof(struct vring_used_elem) * size +
	       sizeof(__virtio16);
}

static uint16_t load16(const __virtio16 *p)
{
	return le16toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

int bypass_virtqueue_start(struct bypass_virtqueue *vq, const struct bypass_memory *mem,
			   const struct bypass_virtio_queue *queue, uint16_t max)
{
	const struct vring_used *used;
	uint16_t size = queue->size;

	if (!size || (size & (size - 1)) || size > max)
		return bypass_fail(EINVAL,
				   "a virtqueue of %u entries: it must be a power of two, at most "
				   "%u",
				   size, max);
	if (queue->desc % VRING_DESC_ALIGN_SIZE || queue->avail % VRING_AVAIL_ALIGN_SIZE ||
	    queue->used % VRING_USED_ALIGN_SIZE)
		return bypass_fail(EINVAL,
				   "a virtqueue's ring is misaligned (descriptors %#llx, "
				   "available %#llx, used %#llx)",
				   (unsigned long long)queue->desc,
				   (unsigned long long)queue->avail,
				   (unsigned long long)queue->used);
	used = bypass_memory_hva(mem, queue->used, used_bytes(size));
	if (!used || !bypass_memory_find(mem, queue->avail, avail_bytes(size)) ||
	    !bypass_memory_find(mem, queue->desc, sizeof(struct vring_desc) * (uint64_t)size))
		return bypass_fail(EFAULT,
				   "a virtqueue's ring is not in guest RAM (descriptors "
				   "%#llx, available %#llx, used %#llx)",
				   (unsigned long long)queue->desc,
				   (unsigned long long)queue->avail,
				   (unsigned long long)queue->used);
	vq->queue = *queue;
	vq->used = load16(&used->idx);
	vq->broken = false;
	return 0;
}

uint16_t bypass_virtqueue_stop(struct bypass_virtqueue *vq)
{
	uint16_t next = vq->queue.next;

	vq->queue = (struct bypass_virtio_queue){0};
	vq->broken = false;
	return next;
}

static int broken(struct bypass_virtqueue *vq, const char *why)
{
	vq->broken = true;
	return bypass_fail(EPROTO, "the driver broke a virtqueue: %s", why);
}

/* Copy between @data and guest RAM, which may go on in a range that lies next to the first. */
static bool copy_ram(const struct bypass_memory *mem, uint64_t gpa, char *data, uint64_t size,
		     bool to_guest)
{
	while (size) {
		const struct bypass_memory_range *r = bypass_memory_find(mem, gpa, 1);
		uint64_t at, n;

		if (!r)
			return false;
		at = gpa - r->gpa;
		n = r->size - at < size ? r->size - at : size;
		if (to_guest)
			memcpy((char *)r->hva + at, data, n);
		else
			memcpy(data, (char *)r->hva + at, n);
		gpa += n;
		data += n;
		size -= n;
	}
	return true;
}

/* Copy one descriptor of a table, so that what is checked is what is used. */
static bool copy_desc(const struct bypass_memory *mem, uint64_t table, uint32_t index,
		      struct vring_desc *desc)
{
	if (!copy_ram(mem, table + index * sizeof(*desc), (char *)desc, sizeof(*desc), false))
		return false;
	atomic_signal_fence(memory_order_seq_cst);
	desc->addr = le64toh(desc->addr);
	desc->len = le32toh(desc->len);
	desc->flags = le16toh(desc->flags);
	desc->next = le16toh(desc->next);
	return true;
}

/* Add a buffer to the chain; says what is wrong with it, or NULL. */
static const char *add_part(struct bypass_chain *chain, const struct vring_desc *desc)
{
	bool writable = desc->flags & VRING_DESC_F_WRITE;

	if (chain->n == BYPASS_CHAIN_MAX)
		return "a chain has too many descriptors";
	if (!writable && chain->n != chain->n_readable)
		return "a readable descriptor follows a writable one";
	chain->part[chain->n].gpa = desc->addr;
	chain->part[chain->n].size = desc->len;
	chain->n++;
	if (writable) {
		chain->writable += desc->len;
	} else {
		chain->n_readable++;
		chain->readable += desc->len;
	}
	return NULL;
}

/* Follow a chain through one table of @entries; an indirect table holds no further one. */
static const char *walk(const struct bypass_memory *mem, uint64_t table, uint32_t entries,
			uint32_t index, bool indirect, struct bypass_chain *chain)
{
	struct vring_desc desc;
	const char *wrong;

	for (uint32_t seen = 0;; seen++) {
		if (seen == entries)
			return "a chain loops";
		if (index >= entries)
			return "a descriptor's index is beyond its table";
		if (!copy_desc(mem, table, index, &desc))
			return "a descriptor table is not in RAM";
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (indirect || (desc.flags & VRING_DESC_F_NEXT))
				return "an indirect descriptor is not the last of a chain";
			if (!desc.len || desc.len % sizeof(desc))
				return "an indirect table's length is not a multiple of 16";
			if (desc.addr + desc.len < desc.addr)
				return "an indirect table wraps around";
			return walk(mem, desc.addr, desc.len / sizeof(desc), 0, true, chain);
		}
		wrong = add_part(chain, &desc);
		if (wrong)
			return wrong;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return NULL;
		index = desc.next;
	}
}

int bypass_virtqueue_pop(struct bypass_virtqueue *vq, const struct bypass_memory *mem,
			 struct bypass_chain *chain)
{
	const struct bypass_virtio_queue *q = &vq->queue;
	const struct vring_avail *avail;
	const char *wrong;
	uint16_t waiting;

	if (vq->broken)
		return bypass_fail(EPROTO, "the virtqueue is broken since an earlier error");
	avail = bypass_memory_hva(mem, q->avail, avail_bytes(q->size));
	if (!avail)
		return broken(vq, "its available ring is no longer in RAM");
	waiting = load16(&avail->idx) - q->next;
	if (!waiting)
		return 0;
	if (waiting > q->size)
		return broken(vq, "more is available than fits into the ring");

	chain->head = load16(&avail->ring[q->next & (q->size - 1)]);
	chain->n = chain->n_readable = 0;
	chain->readable = chain->writable = 0;
	wrong = walk(mem, q->desc, q->size, chain->head, false, chain);
	if (wrong)
		return broken(vq, wrong);
	vq->queue.next++;
	return 1;
}

int bypass_virtqueue_push(struct bypass_virtqueue *vq, const struct bypass_memory *mem,
			  const struct bypass_chain *chain, uint32_t written)
{
	struct vring_used *used =
		bypass_memory_hva(mem, vq->queue.used, used_bytes(vq->queue.size));
	struct vring_used_elem *elem;

	if (!used)
		return bypass_fail(EFAULT, "a virtqueue's used ring is no longer in RAM");
	elem = &used->ring[vq->used & (vq->queue.size - 1)];
	elem->id = htole32(chain->head);
	elem->len = htole32(written);
	vq->used++;
	__atomic_store_n(&used->idx, htole16(vq->used), __ATOMIC_RELEASE);
	return 0;
}

void bypass_virtqueue_signal(struct bypass_virtqueue *vq, const struct bypass_memory *mem)
{
	const struct vring_avail *avail =
		bypass_memory_hva(mem, vq->queue.avail, avail_bytes(vq->queue.size));

	/* The driver sets the flag, then looks at the used ring; here it is the reverse. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!avail || vq->queue.call_fd < 0 || (load16(&avail->flags) & VRING_AVAIL_F_NO_INTERRUPT))
		return;
	__atomic_store_n(&vq->interrupts, vq->interrupts + 1, __ATOMIC_RELAXED);
	eventfd_write(vq->queue.call_fd, 1);
}

/* Copy between @data and the parts [first, last) of a chain, from @offset in them on. */
static int copy_parts(const struct bypass_chain *chain, const struct bypass_memory *mem,
		      unsigned int first, unsigned int last, uint64_t offset, char *data,
		      size_t size, bool to_guest)
{
	for (unsigned int i = first; i < last && size; i++) {
		uint64_t part = chain->part[i].size;
		size_t n;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		n = part - offset < size ? part - offset : size;
		/* gpa + offset may wrap around: the result is then in no range, or it is RAM. */
		if (!copy_ram(mem, chain->part[i].gpa + offset, data, n, to_guest))
			return bypass_fail(
				EFAULT, "a descriptor's buffer, %#llx + %#llx, is not RAM",
				(unsigned long long)chain->part[i].gpa, (unsigned long long)part);
		data += n;
		size -= n;
		offset = 0;
	}
	if (size)
		return bypass_fail(EINVAL, "a descriptor chain is %zu bytes too short", size);
	return 0;
}

int bypass_chain_read(const struct bypass_chain *chain, const struct bypass_memory *mem,
		      uint64_t offset, void *data, size_t size)
{
	return copy_parts(chain, mem, 0, chain->n_readable, offset, data, size, false);
}

int bypass_chain_write(const struct bypass_chain *chain, const struct bypass_memory *mem,
		       uint64_t offset, const void *data, size_t size)
{
	return copy_parts(chain, mem, chain->n_readable, chain->n, offset, (char *)data, size,
			  true);
}
