// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The measuring code: drives a device over each path and takes the times. The
 * same source runs in the guest and as an ordinary process.
 */
#include "measure.h"

#define SPINS 4096u /* between two looks at the clock */
#define LOOKS 1000u /* at the clock, at the least: the whole machine may have been stopped */
#define AGAIN UINT32_MAX

/* Opcodes of requests, and in the third word whether their end is told */
#define RDMA_WRITE    0x08u
#define RDMA_READ     0x10u
#define RDMA_SIGNALED (0x08u << 8)

bool bench_ring_init(struct bench_ring *ring, void *window)
{
	struct bypass_loop_header *header = window;

	if (header->magic != BYPASS_LOOP_MAGIC)
		return false;
	ring->header = header;
	ring->requests = (void *)((uint8_t *)window + header->requests);
	ring->completions = (void *)((uint8_t *)window + header->completions);
	ring->data = (uint8_t *)window + header->data;
	ring->mask = header->entries - 1;
	return true;
}

void bench_lines_init(struct bench_side *side, const struct bench_ring *ring)
{
	uint8_t *end = ring->data + ring->header->data_size;

	side->lines[0] = (uint64_t *)(end - 4096);
	side->lines[1] = (uint64_t *)(end - 2048);
}

void bench_virtqueue_init(struct bench_side *side, uint8_t *memory)
{
	struct bench_virtqueue *queue = &side->queue;

	queue->memory = memory;
	queue->virtq = (struct virtq *)(memory + BENCH_QUEUE);
	queue->buffers = memory + BENCH_QUEUE_BUFFERS;
	queue->virtq->avail.flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
}

static inline void fill(struct bench_side *side, const struct bench_job *job, uint32_t number,
			void *payload)
{
	bench_word *words = payload;

	if (job->check) {
		for (uint32_t i = 0; i < job->size / 8; i++)
			words[i] = bench_pattern(number, i);
		return;
	}
	*(bench_word *)side->source = number;
	bench_copy(payload, side->source, job->size);
}

static inline uint32_t verify(struct bench_side *side, const struct bench_job *job, uint32_t number,
			      const void *payload)
{
	const bench_word *words = payload;

	if (job->check) {
		for (uint32_t i = 0; i < job->size / 8; i++)
			if (words[i] != ~bench_pattern(number, i))
				return BENCH_CORRUPT;
		return BENCH_OK;
	}
	bench_copy(side->sink, payload, job->size);
	return *(bench_word *)side->sink == number ? BENCH_OK : BENCH_CORRUPT;
}

/* Where in the memory for payloads operation @number has its own; the response comes after. */
static inline uint64_t place(const struct bench_job *job, uint32_t number)
{
	return 2ull * (number % job->depth) * ((job->size + 63) & ~63u);
}

static inline uint64_t response_place(const struct bench_job *job, uint32_t number)
{
	return place(job, number) + ((job->size + 63) & ~63u);
}

static inline void ring_post(struct bench_side *side, const struct bench_job *job,
			     const struct bench_ring *ring, uint32_t number, uint16_t flags)
{
	struct bypass_loop_entry *entry = &ring->requests[number & ring->mask];

	if (job->size <= BYPASS_LOOP_INLINE) {
		fill(side, job, number, entry->data);
	} else {
		flags |= BYPASS_LOOP_IN_DATA;
		entry->place.request = place(job, number);
		entry->place.response = response_place(job, number);
		entry->place.room = job->size;
		fill(side, job, number, ring->data + place(job, number));
	}
	entry->length = job->size;
	entry->flags = flags;
	entry->tag = number;
	__atomic_store_n(&entry->seq, number + 1, __ATOMIC_RELEASE);
}

static inline uint32_t ring_reap(struct bench_side *side, const struct bench_job *job,
				 const struct bench_ring *ring, uint32_t number)
{
	const struct bypass_loop_entry *entry = &ring->completions[number & ring->mask];

	if (__atomic_load_n(&entry->seq, __ATOMIC_ACQUIRE) != number + 1)
		return AGAIN;
	if (entry->status)
		return BENCH_REFUSED;
	if (entry->tag != number || entry->length != job->size)
		return BENCH_CORRUPT;
	return verify(side, job, number,
		      job->size <= BYPASS_LOOP_INLINE ? entry->data
						      : ring->data + response_place(job, number));
}

/*
 * A chain of two descriptors: what the device reads, and what it writes. Then, as the
 * specification has it (2.7.13), a barrier and a look at whether the device wants to be
 * notified: it polls, so it never does.
 */
static inline void virtq_post(struct bench_side *side, const struct bench_job *job, uint32_t number)
{
	struct bench_virtqueue *queue = &side->queue;
	struct virtq *virtq = queue->virtq;
	uint16_t head = 2 * number % VIRTQ_SIZE;
	uint8_t *request = queue->buffers + place(job, number);

	fill(side, job, number, request);
	virtq->desc[head] = (struct virtq_desc){
		.addr = (uint64_t)(request - queue->memory),
		.len = job->size,
		.flags = VIRTQ_DESC_F_NEXT,
		.next = head + 1,
	};
	virtq->desc[head + 1] = (struct virtq_desc){
		.addr = (uint64_t)(queue->buffers + response_place(job, number) - queue->memory),
		.len = job->size,
		.flags = VIRTQ_DESC_F_WRITE,
	};
	virtq->avail.ring[number % VIRTQ_SIZE] = head;
	__atomic_store_n(&virtq->avail.idx, (uint16_t)(number + 1), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&virtq->used.flags, __ATOMIC_RELAXED) & VIRTQ_USED_F_NO_NOTIFY))
		queue->notifications++;
}

static inline uint32_t virtq_reap(struct bench_side *side, const struct bench_job *job,
				  uint32_t number)
{
	struct bench_virtqueue *queue = &side->queue;
	const struct virtq_used_elem *elem = &queue->virtq->used.ring[number % VIRTQ_SIZE];

	if ((int16_t)(__atomic_load_n(&queue->virtq->used.idx, __ATOMIC_ACQUIRE) -
		      (uint16_t)number) <= 0)
		return AGAIN;
	if (elem->id != 2 * number % VIRTQ_SIZE || elem->len != job->size)
		return BENCH_CORRUPT;
	return verify(side, job, number, queue->buffers + response_place(job, number));
}

/* A request of one block, as mlx5 has it; @opcode: also whether to tell of the end */
static inline void rdma_request(struct bench_side *side, const struct bench_job *job,
				uint32_t opcode, uint64_t local, uint64_t remote)
{
	struct bench_rdma *rdma = (struct bench_rdma *)(side->ram + BENCH_RDMA);
	uint32_t index = rdma->posted++;
	uint32_t *request = (uint32_t *)(side->ram + BENCH_RDMA_REQUESTS +
					 64 * (index % (1u << BENCH_RDMA_LOG)));

	request[0] = __builtin_bswap32((index & 0xffff) << 8 | (opcode & 0xff));
	request[1] = __builtin_bswap32(rdma->qpn << 8 | 3);
	request[2] = __builtin_bswap32(opcode >> 8);
	request[3] = 0;
	*(bench_word *)(request + 4) = __builtin_bswap64(remote);
	request[6] = __builtin_bswap32(rdma->remote_key);
	request[7] = 0;
	request[8] = __builtin_bswap32(job->size);
	request[9] = __builtin_bswap32(rdma->key);
	*(bench_word *)(request + 10) = __builtin_bswap64(local);
	__atomic_store_n((uint32_t *)(side->ram + BENCH_RDMA_QP_RECORD + 4),
			 __builtin_bswap32(rdma->posted & 0xffff), __ATOMIC_RELEASE);
	__atomic_store_n(side->doorbell, *(bench_word *)request, __ATOMIC_RELEASE);
}

/* A payload that is checked is read back from the other guest. */
static inline void rdma_post(struct bench_side *side, const struct bench_job *job, uint32_t number)
{
	uint64_t local = BENCH_RDMA_BUFFERS + place(job, number);

	fill(side, job, number, side->ram + local);
	if (!job->check) {
		rdma_request(side, job, RDMA_WRITE | RDMA_SIGNALED, local, local);
		return;
	}
	rdma_request(side, job, RDMA_WRITE, local, local);
	rdma_request(side, job, RDMA_READ | RDMA_SIGNALED,
		     BENCH_RDMA_BUFFERS + response_place(job, number), local);
}

static inline uint32_t rdma_reap(struct bench_side *side, const struct bench_job *job,
				 uint32_t number)
{
	struct bench_rdma *rdma = (struct bench_rdma *)(side->ram + BENCH_RDMA);
	const uint8_t *cqe =
		side->ram + BENCH_RDMA_COMPLETIONS + 64 * (rdma->taken % (1u << BENCH_RDMA_LOG));
	const bench_word *words;
	uint8_t owner = __atomic_load_n(cqe + 63, __ATOMIC_ACQUIRE);

	if (owner == BENCH_RDMA_NO_COMPLETION || (owner & 1) != (rdma->taken >> BENCH_RDMA_LOG & 1))
		return AGAIN;
	rdma->taken++;
	__atomic_store_n((uint32_t *)(side->ram + BENCH_RDMA_CQ_RECORD),
			 __builtin_bswap32(rdma->taken & 0xffffff), __ATOMIC_RELEASE);
	if (owner >> 4)
		return BENCH_REFUSED;
	words = (const bench_word *)(side->ram + BENCH_RDMA_BUFFERS + response_place(job, number));
	for (uint32_t i = 0; job->check && i < job->size / 8; i++)
		if (words[i] != bench_pattern(number, i))
			return BENCH_CORRUPT;
	return BENCH_OK;
}

static inline bool by_interrupt(enum bench_path path)
{
	return path == BENCH_HALT || path == BENCH_HALTPOLL || path == BENCH_KICK;
}

static inline void post(struct bench_side *side, const struct bench_job *job, enum bench_path path,
			uint32_t number, bool last)
{
	if (path == BENCH_LINES)
		__atomic_store_n(side->lines[0], number + 1, __ATOMIC_RELEASE);
	else if (path == BENCH_VIRTQ)
		virtq_post(side, job, number);
	else if (path == BENCH_WRITE)
		rdma_post(side, job, number);
	else
		ring_post(side, job, &side->ring[path], number,
			  by_interrupt(path) && last ? BYPASS_LOOP_INTERRUPT : 0);
}

static inline uint32_t reap(struct bench_side *side, const struct bench_job *job,
			    enum bench_path path, uint32_t number)
{
	if (path == BENCH_LINES)
		return __atomic_load_n(side->lines[1], __ATOMIC_ACQUIRE) == number + 1 ? BENCH_OK
										       : AGAIN;
	if (path == BENCH_VIRTQ)
		return virtq_reap(side, job, number);
	if (path == BENCH_WRITE)
		return rdma_reap(side, job, number);
	return ring_reap(side, job, &side->ring[path], number);
}

/* An error when it is time to give up. */
static inline uint32_t overdue(struct bench_side *side, const struct bench_job *job,
			       enum bench_path path, uint64_t since)
{
	const struct bypass_loop_header *header = side->ring[path].header;

	if (header && !__atomic_load_n(&header->alive, __ATOMIC_ACQUIRE))
		return BENCH_DEAD;
	return bench_tsc() - since > job->timeout ? BENCH_TIMEOUT : AGAIN;
}

static inline uint32_t await_polling(struct bench_side *side, const struct bench_job *job,
				     enum bench_path path, uint32_t number)
{
	uint64_t since = 0;
	uint32_t ret;

	for (uint32_t looks = 0;; looks++) {
		for (uint32_t i = 0; i < SPINS; i++) {
			ret = reap(side, job, path, number);
			if (ret != AGAIN)
				return ret;
		}
		if (!since)
			since = bench_tsc();
		ret = overdue(side, job, path, since);
		if (ret != AGAIN && (ret != BENCH_TIMEOUT || looks > LOOKS))
			return ret;
	}
}

/*
 * Looks whether the device lives before each sleep: the interrupt by which it says
 * farewell may have fallen together with that of a completion.
 */
static inline uint32_t await_interrupt(struct bench_side *side, const struct bench_job *job,
				       enum bench_path path, uint32_t number, uint32_t seen)
{
	uint64_t since = bench_tsc();
	uint32_t ret;

	for (;;) {
		ret = overdue(side, job, path, since);
		if (ret != AGAIN)
			return ret;
		if (path == BENCH_HALTPOLL)
			while (side_interrupts(side) == seen &&
			       bench_tsc() - since < job->halt_poll)
				;
		if (!side_sleep(side, seen))
			return BENCH_TIMEOUT;
		seen = side_interrupts(side);
		ret = reap(side, job, path, number);
		if (ret != AGAIN)
			return ret;
	}
}

/* Waits until operation @number is completed. */
static inline uint32_t await(struct bench_side *side, const struct bench_job *job,
			     enum bench_path path, uint32_t number, uint32_t seen)
{
	if (by_interrupt(path))
		return await_interrupt(side, job, path, number, seen);
	return await_polling(side, job, path, number);
}

static inline void ring_bell(struct bench_side *side, enum bench_path path)
{
	if (path == BENCH_KICK)
		side_kick(side);
	else if (path == BENCH_EXIT)
		side_trap(side);
}

static inline void record(struct bench_histogram *histogram, uint64_t cycles)
{
	histogram->buckets[bench_bucket(cycles)]++;
	histogram->sum += cycles;
	histogram->count++;
	if (cycles < histogram->min)
		histogram->min = cycles;
	if (cycles > histogram->max)
		histogram->max = cycles;
}

/* The time since the last sample is one, once it is warm. */
static inline uint64_t take_sample(struct bench_job *job, uint64_t last)
{
	uint64_t now = bench_tsc();

	if (job->done > job->warmup)
		record(&job->histogram, now - last);
	return now;
}

/* One at a time, a sample each: from one completion to the next. */
static inline void one_by_one(struct bench_side *side, struct bench_job *job, enum bench_path path)
{
	uint64_t total = job->warmup + job->operations;
	uint64_t last = bench_tsc(), begin = last;

	for (job->done = 0; job->done < total && !job->error; job->next++) {
		uint32_t seen = by_interrupt(path) ? side_interrupts(side) : 0;

		post(side, job, path, job->next, true);
		ring_bell(side, path);
		job->error = await(side, job, path, job->next, seen);
		job->done++;
		last = take_sample(job, last);
		if (job->done <= job->warmup)
			begin = last;
	}
	job->cycles = last - begin;
}

/*
 * @depth requests are under way at all times. Every @depth completions make one sample,
 * so that a pause which others on the machine cause is seen as such. With a doorbell or
 * an interrupt, the queue is filled before the doorbell rings once, and the last
 * completion interrupts.
 */
static inline void in_depth(struct bench_side *side, struct bench_job *job, enum bench_path path)
{
	uint64_t total = job->warmup + job->operations;
	uint64_t posted = 0, begin = bench_tsc(), last = begin;
	uint32_t first = job->next;

	for (job->done = 0; job->done < total && !job->error;) {
		uint64_t room = job->done + job->depth < total ? job->done + job->depth : total;
		uint32_t seen = by_interrupt(path) ? side_interrupts(side) : 0;
		uint64_t until;

		while (posted < room) {
			posted++;
			post(side, job, path, first + (uint32_t)posted - 1, posted == room);
		}
		ring_bell(side, path);
		if (by_interrupt(path))
			job->error = await(side, job, path, first + (uint32_t)posted - 1, seen);
		until = by_interrupt(path) ? posted : job->done + 1;
		while (job->done < until && !job->error) {
			job->error = await_polling(side, job, path, job->next++);
			if (++job->done % job->depth)
				continue;
			last = take_sample(job, last);
			if (job->done <= job->warmup)
				begin = last;
		}
	}
	job->cycles = bench_tsc() - begin;
}

static inline void measure(struct bench_side *side, struct bench_job *job, enum bench_path path)
{
	if (job->depth > 1)
		in_depth(side, job, path);
	else
		one_by_one(side, job, path);
}

static void clear(struct bench_job *job)
{
	struct bench_histogram *histogram = &job->histogram;

	histogram->count = histogram->sum = histogram->max = 0;
	histogram->min = UINT64_MAX;
	for (unsigned int i = 0; i < BENCH_BUCKETS; i++)
		histogram->buckets[i] = 0;
	job->error = BENCH_OK;
}

void bench_measure(struct bench_side *side, struct bench_job *job)
{
	uint32_t interrupts = side_interrupts(side);

	clear(job);
	switch (job->path) {
	case BENCH_LINES:
		measure(side, job, BENCH_LINES);
		break;
	case BENCH_BYPASS:
		measure(side, job, BENCH_BYPASS);
		break;
	case BENCH_HALT:
		measure(side, job, BENCH_HALT);
		break;
	case BENCH_HALTPOLL:
		measure(side, job, BENCH_HALTPOLL);
		break;
	case BENCH_KICK:
		measure(side, job, BENCH_KICK);
		break;
	case BENCH_EXIT:
		measure(side, job, BENCH_EXIT);
		break;
	case BENCH_VIRTQ:
		measure(side, job, BENCH_VIRTQ);
		break;
	case BENCH_WRITE:
		measure(side, job, BENCH_WRITE);
		break;
	}
	job->interrupts = side_interrupts(side) - interrupts;
}
