// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A hostile guest: drives the virtio device of a context slice from user space, with no
 * driver in between, and sends it what no driver would. For root in a guest.
 *
 *	rdma-hostile [--spare-vmm] [--only-commands] DEVICE SECONDS [SEED]	DEVICE is its folder in /sys
 *
 * Two kinds of rounds, each begun by a reset in the middle of whatever was going on. In a
 * shallow one nothing needs to be right: queues, chains, indices, registers, config space. A
 * deep one begins as a driver does, which must work, and goes on with requests that are right
 * but for a field or two, work requests in the shared memory likewise. Each of its requests must be
 * answered, with whatever status; these are counted.
 *
 * It spares its own kernel, whose end would be the end of the attack: what the device may
 * write to is the arena, or no memory at all. It also keeps away from queue pairs that are not
 * its own: anybody on a network may send to these. With --only-commands it leaves the shared memory alone:
 * a slice with `trust-guest` shows the HCA's own queues there, and trusts the guest with these.
 */
#include <getopt.h>
#include <sched.h>
#include <time.h>

#include "rdma-requests.h"
#include "rdma-post-mlx5.h"

/* The arena. An address below LIMIT has 1 MiB behind it, more than any response. */
#define REQUEST_AT  0x30000u
#define RESPONSE_AT 0x40000u
#define RUNS_AT	    0x50000u
#define DOORBELL_AT 0x54000u
#define OWNER_AT    0x57fc0u
#define EVENTS_AT   0x58000u
#define TABLE_AT    0x5a000u
#define MEMORY_AT   0x60000u
#define LIMIT	    0x100000u

#define PATIENCE  30 /* seconds for an answer */
#define DEEP	  15 /* rounds a minute, or it takes longer: each command is to be met */
#define STATUSES  (BYPASS_RDMA_E_NO_CONNECTION + 1)
#define DOORBELLS BYPASS_RDMA_QUEUE_DOORBELL

struct attack {
	bool spare_vmm, only_commands;
	struct virtio v;
	struct model m;
	uint8_t home[4 * 6]; /* the BARs as they were */
	uint16_t posted_on[MLX5_QPS];
	unsigned long shallow, deep, chains, posted, notified;
	unsigned long accepted[COMMANDS], refused[COMMANDS], statuses[STATUSES];
};

/* In the arena, or outside memory. */
static uint64_t address(struct attack *a)
{
	uint64_t at = number();

	if (one_in(4) && at >= a->v.ram_end)
		return at;
	return a->v.gpa + (one_in(3) ? below(LIMIT) : below(LIMIT / PAGE) * PAGE);
}

static void prepare(struct attack *a, const char *path)
{
	virtio_open(&a->v, path);
	for (unsigned int i = 0; i < sizeof(a->m.config); i++)
		((uint8_t *)&a->m.config)[i] = a->v.config.at[i];
	if (a->m.config.magic != BYPASS_RDMA_MAGIC)
		fail("%s is no context slice", path);
	if (pread(a->v.config_fd, a->home, sizeof(a->home), PCI_BASE_ADDRESS_0) != sizeof(a->home))
		fail("cannot read config space");
	a->m.doorbell_gpa = a->v.gpa + DOORBELL_AT;
	a->m.owner_gpa = a->v.gpa + OWNER_AT;
	a->m.runs = (void *)(a->v.arena + RUNS_AT);
	a->m.runs_gpa = a->v.gpa + RUNS_AT;
	a->m.memory_gpa = a->v.gpa + MEMORY_AT;
	a->m.memory_pages = (LIMIT - MEMORY_AT) / PAGE;
	a->m.outside = a->v.ram_end > 1ull << 32 ? a->v.ram_end : 1ull << 32;
}

/* As a driver does it. */
static void set_up_well(struct attack *a)
{
	struct virtio *v = &a->v;
	const uint8_t ready = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			      VIRTIO_CONFIG_S_FEATURES_OK;

	virtio_reset(v);
	memset(v->arena, 0, REQUEST_AT);
	memset(v->arena + DOORBELL_AT, 0, EVENTS_AT - DOORBELL_AT);
	memset(a->m.n, 0, sizeof(a->m.n));
	memset(a->m.mmaps, 0, sizeof(a->m.mmaps));
	memset(a->posted_on, 0, sizeof(a->posted_on));
	v->common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	virtio_accept(v, virtio_features(v));
	v->common->device_status = ready;
	if (v->common->device_status != ready)
		fail("the device does not take its own features");
	for (unsigned int i = 0; i < v->n_queues; i++)
		virtio_queue(v, i, RING, v->gpa + v->rings[i].desc, v->gpa + v->rings[i].avail,
			     v->gpa + v->rings[i].used);
	v->common->device_status = ready | VIRTIO_CONFIG_S_DRIVER_OK;
}

/* ---- A shallow round ---- */

static void set_up_badly(struct attack *a)
{
	struct virtio *v = &a->v;
	const uint8_t ready = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			      VIRTIO_CONFIG_S_FEATURES_OK;
	uint64_t features;

	virtio_reset(v);
	memset(v->arena, 0, REQUEST_AT);
	features = virtio_features(v);
	virtio_accept(v, one_in(20) ? number() : features);
	v->common->device_status = ready;
	for (unsigned int i = 0; i < v->n_queues; i++)
		virtio_queue(v, i, one_in(40) ? number() : RING,
			     one_in(40) ? address(a) : v->gpa + v->rings[i].desc,
			     one_in(40) ? address(a) : v->gpa + v->rings[i].avail,
			     one_in(40) ? address(a) : v->gpa + v->rings[i].used);
	if (!one_in(20))
		v->common->device_status = ready | VIRTIO_CONFIG_S_DRIVER_OK;
}

static bool maps(uint32_t command)
{
	return command == BYPASS_RDMA_CREATE_CQ || command == BYPASS_RDMA_RESIZE_CQ ||
	       command == BYPASS_RDMA_CREATE_SRQ || command == BYPASS_RDMA_MODIFY_SRQ ||
	       command == BYPASS_RDMA_CREATE_QP || command == BYPASS_RDMA_CREATE_XSRQ;
}

/* A known command, and a body of numbers that may mean something; never a place for the host. */
static void scribble(const struct attack *a, uint32_t *words, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		words[i] = one_in(2) ? below(3) : number();
		if (words[i] == BYPASS_RDMA_SET_DOORBELL || words[i] == BYPASS_RDMA_SET_OWNER)
			words[i]++;
	}
	words[0] = BYPASS_RDMA_ALLOC_UCONTEXT + below(60);
	if (a->spare_vmm && maps(words[0]))
		words[0] = BYPASS_RDMA_QUERY_QP;
}

/* A table full of nonsense: loops, indirection, directions, lengths, addresses. */
static void write_nonsense(struct attack *a, unsigned int queue)
{
	struct vring_desc *desc = virtio_desc(&a->v, queue);

	for (unsigned int i = 0; i < RING; i++)
		desc[i] = (struct vring_desc){
			.addr = address(a),
			.len = one_in(2) ? below(256) * 16 : number(),
			.flags = below(8),
			.next = one_in(10) ? number() : below(RING),
		};
}

static void send_chain(struct attack *a)
{
	unsigned int queue = one_in(2) ? 0 : below(a->v.n_queues);
	struct vring_desc *desc = virtio_desc(&a->v, queue);
	struct vring_avail *avail = virtio_avail(&a->v, queue);
	uint16_t head = below(RING - 1);

	if (one_in(3)) {
		write_nonsense(a, queue);
		head = one_in(10) ? number() : head;
	} else {
		scribble(a, (uint32_t *)(a->v.arena + REQUEST_AT), 64);
		desc[head] = (struct vring_desc){
			.addr = a->v.gpa + REQUEST_AT,
			.len = sizeof(struct bypass_rdma_request) + below(40) * 4,
			.flags = VRING_DESC_F_NEXT,
			.next = head + 1,
		};
		desc[head + 1] = (struct vring_desc){
			.addr = a->v.gpa + RESPONSE_AT,
			.len = one_in(10) ? number() : PAGE,
			.flags = VRING_DESC_F_WRITE,
		};
	}
	avail->flags = one_in(4);
	virtio_offer(&a->v, queue, head);
	if (one_in(50))
		avail->idx = number();
	virtio_kick(&a->v, queue);
	a->chains++;
}

/* Any register of the common configuration, at any width. */
static void write_common(struct attack *a)
{
	volatile uint8_t *at = (volatile uint8_t *)a->v.common;
	uint32_t offset = below(sizeof(*a->v.common));
	const uint32_t rings = offsetof(struct virtio_pci_common_cfg, queue_desc_lo);

	/* Not where the rings are: see the head of this file. */
	if (offset >= rings - 3)
		offset = offsetof(struct virtio_pci_common_cfg, queue_select);
	switch (below(3)) {
	case 0:
		at[offset] = number();
		break;
	case 1:
		*(volatile uint16_t *)(at + offset / 2 * 2) = number();
		break;
	default:
		*(volatile uint32_t *)(at + offset / 4 * 4) = number();
	}
}

/* Any place beside and between the registers that mean something. */
static void touch_others(struct attack *a)
{
	const struct region *regions[] = {&a->v.isr, &a->v.notify, &a->v.config};
	const struct region *r = regions[below(3)];
	volatile uint8_t *at = r->at + below(r->length);

	if (one_in(2))
		*at = number();
	else
		(void)*at;
	*(volatile uint32_t *)(a->v.notify.at + below(a->v.notify.length / 4) * 4) = number();
}

static void switch_msix(struct attack *a, uint16_t flags)
{
	if (pwrite(a->v.config_fd, &flags, 2, a->v.msix + PCI_MSIX_FLAGS) != 2)
		fail("cannot write config space");
}

/* Vectors of devices: at one of its own, such as 0x80, our kernel would stop. */
static void write_msix(struct attack *a)
{
	volatile uint32_t *entry =
		(volatile uint32_t *)a->v.table.at + below(a->v.table.length / 16) * 4;

	entry[0] = one_in(2) ? 0xfee00000 : number();
	entry[1] = one_in(4) ? number() : 0;
	entry[2] = 0x40 + below(0x40);
	entry[3] = below(2);
	switch_msix(a, (one_in(2) ? PCI_MSIX_FLAGS_ENABLE : 0) |
			       (one_in(2) ? PCI_MSIX_FLAGS_MASKALL : 0));
	a->v.common->msix_config = one_in(4) ? number() : below(8);
	a->v.common->queue_select = below(8);
	a->v.common->queue_msix_vector = one_in(4) ? number() : below(8);
}

/* BARs anywhere and switched off, registers through config space; then all as it was. */
static void scramble_config(struct attack *a)
{
	const struct virtio_pci_cap cap = {.bar = below(8), .offset = number(), .length = number()};
	int fd = a->v.config_fd, offset, done = 0;
	uint32_t value;

	for (unsigned int n = below(6); n; n--) {
		offset = one_in(2) ? PCI_BASE_ADDRESS_0 + 4 * below(6) : PCI_COMMAND;
		value = number();
		done += pwrite(fd, &value, one_in(4) ? 2 : 4, offset);
		done += a->v.common->device_status;
	}
	done += pwrite(fd, a->home, sizeof(a->home), PCI_BASE_ADDRESS_0);
	done += pwrite(fd, a->v.command, 2, PCI_COMMAND);
	offset = offsetof(struct virtio_pci_cap, bar);
	done += pwrite(fd, (const uint8_t *)&cap + offset, sizeof(cap) - offset,
		       a->v.access + offset);
	done += pread(fd, &value, 4, a->v.access + sizeof(cap));
	if (done < 0)
		fail("cannot write config space");
}

static void shallow_round(struct attack *a)
{
	if (a->spare_vmm)
		set_up_well(a);
	else
		set_up_badly(a);
	for (unsigned int n = below(300); n; n--) {
		send_chain(a);
		if (one_in(8))
			touch_others(a);
		if (a->spare_vmm)
			continue;
		if (one_in(8))
			write_common(a);
		if (one_in(30))
			write_msix(a);
		if (one_in(60))
			scramble_config(a);
	}
	a->shallow++;
}

/* ---- A deep round ---- */

/* Cut [@at, @at + @size) into at most eight descriptors from desc[n] on; returns the next n. */
static unsigned int cut(struct vring_desc *desc, unsigned int n, uint64_t at, uint32_t size,
			uint16_t flags)
{
	while (size) {
		uint32_t part = one_in(3) ? 1 + below(size) : size;

		if (n % 8 == 7)
			part = size;
		desc[n] = (struct vring_desc){at, part, flags | VRING_DESC_F_NEXT, n + 1};
		n++;
		at += part;
		size -= part;
	}
	return n;
}

/* Offer the request and room for a response, directly or by an indirect table. */
static void offer_request(struct attack *a, uint32_t size, uint32_t room)
{
	bool indirect = one_in(3);
	struct vring_desc *queue = virtio_desc(&a->v, 0);
	struct vring_desc *desc = indirect ? (struct vring_desc *)(a->v.arena + TABLE_AT) : queue;
	unsigned int n = cut(desc, 0, a->v.gpa + REQUEST_AT, size, 0);

	n = cut(desc, n, a->v.gpa + RESPONSE_AT, room, VRING_DESC_F_WRITE);
	desc[n - 1].flags &= ~VRING_DESC_F_NEXT;
	if (indirect)
		queue[0] = (struct vring_desc){
			.addr = a->v.gpa + TABLE_AT,
			.len = n * sizeof(*desc),
			.flags = VRING_DESC_F_INDIRECT,
		};
	memset(a->v.arena + RESPONSE_AT, 0xa5, sizeof(struct bypass_rdma_response));
	virtio_offer(&a->v, 0, 0);
	virtio_kick(&a->v, 0);
}

/* The bytes of the response. A device that is silent, or answers something else, fails. */
static uint32_t await_answer(struct attack *a, const char *name)
{
	const struct vring_used *used = virtio_used(&a->v, 0);
	uint16_t want = virtio_avail(&a->v, 0)->idx;
	time_t end = time(NULL) + PATIENCE;

	while (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != want) {
		if (time(NULL) > end)
			fail("no answer to %s in %d s; status of the device %#x", name, PATIENCE,
			     a->v.common->device_status);
		sched_yield();
	}
	if (used->ring[(want - 1) % RING].id)
		fail("an answer to another request than %s", name);
	return used->ring[(want - 1) % RING].len;
}

/* One field, one bit, or a length. */
static void mutate(uint8_t *request, uint32_t *size, uint32_t *room)
{
	uint32_t value = number();

	switch (below(8)) {
	case 0:
		*size = 1 + below(*size + 64);
		break;
	case 1:
		*room = below(*room);
		break;
	case 2:
		request[below(*size)] ^= 1 << below(8);
		break;
	default:
		memcpy(request + below(*size / 4) * 4, &value, sizeof(value));
	}
}

/* See the head of this file. */
static void spare_others(struct attack *a, void *at)
{
	struct bypass_rdma_request *request = at;
	struct bypass_rdma_set_doorbell *doorbell = (void *)(request + 1);
	struct bypass_rdma_set_owner *owner = (void *)(request + 1);
	struct bypass_rdma_modify_qp *modify = (void *)(request + 1);

	if (request->command == BYPASS_RDMA_SET_DOORBELL && doorbell->gpa < a->v.ram_end &&
	    doorbell->gpa - a->v.gpa >= LIMIT)
		doorbell->gpa = a->m.doorbell_gpa;
	if (request->command == BYPASS_RDMA_SET_OWNER && owner->gpa < a->v.ram_end &&
	    owner->gpa - a->v.gpa >= LIMIT)
		owner->gpa = a->m.owner_gpa;
	/* What belongs to a process can be given back at one stroke. */
	if (a->spare_vmm && maps(request->command))
		request->ucontext = a->m.objects[UCONTEXT][0].handle;
	if (request->command != BYPASS_RDMA_MODIFY_QP)
		return;
	for (uint32_t i = 0; i < a->m.n[QP]; i++) {
		if (a->m.objects[QP][i].key == modify->attr.dest_qpn)
			return;
	}
	modify->attr.dest_qpn |= 0x800000;
}

/* Send a command, right or @wrong in a place or two; returns its status. */
static uint32_t ask(struct attack *a, const struct command *c, bool wrong)
{
	uint8_t *request = a->v.arena + REQUEST_AT;
	const struct bypass_rdma_response *response = (void *)(a->v.arena + RESPONSE_AT);
	uint32_t size = write_request(&a->m, c, request), room, length;
	uint32_t needed = sizeof(*response) + c->reply + BYPASS_RDMA_HIDDEN_ROOM +
			  ((const struct bypass_rdma_request *)request)->udata_out +
			  BYPASS_RDMA_MMAPS_MAX * sizeof(struct bypass_rdma_mmap);

	room = needed;
	for (unsigned int n = wrong ? 1 + below(2) : 0; n; n--)
		mutate(request, &size, &room);
	spare_others(a, request);
	offer_request(a, size, room);
	length = await_answer(a, c->name);
	if (length < sizeof(*response)) {
		if (room >= sizeof(*response))
			fail("%u bytes of response to %s", length, c->name);
		a->refused[c - commands]++;
		return BYPASS_RDMA_E_MALFORMED;
	}
	if (response->status >= STATUSES)
		fail("%s: status %#x", c->name, response->status);
	a->statuses[response->status]++;
	if (response->status) {
		a->refused[c - commands]++;
		return response->status;
	}
	/* A mutation may have made it another command. */
	if (((const struct bypass_rdma_request *)request)->command == c->code) {
		a->accepted[c - commands]++;
		note(&a->m, c, request, response);
	}
	return 0;
}

static const struct command *find_command(uint32_t code)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (commands[i].code == code)
			return &commands[i];
	}
	return NULL;
}

/* What a driver does first. It must work, whatever was done to the device before. */
static void begin(struct attack *a)
{
	static const uint32_t first[] = {
		BYPASS_RDMA_SET_DOORBELL, BYPASS_RDMA_QUERY_GIDS, BYPASS_RDMA_ALLOC_UCONTEXT,
		BYPASS_RDMA_ALLOC_PD,	  BYPASS_RDMA_REG_MR,	  BYPASS_RDMA_CREATE_CQ,
		BYPASS_RDMA_CREATE_QP,	  BYPASS_RDMA_MODIFY_QP,  BYPASS_RDMA_MODIFY_QP,
		BYPASS_RDMA_MODIFY_QP,	  BYPASS_RDMA_SET_OWNER,
	};
	const struct bypass_rdma_gids *gids =
		(void *)(a->v.arena + RESPONSE_AT + sizeof(struct bypass_rdma_response));

	set_up_well(a);
	a->m.straight = true;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		const struct command *c = find_command(first[i]);
		uint32_t status = ask(a, c, false);

		if (status)
			fail("after %lu rounds the device refuses %s: status %u",
			     a->shallow + a->deep, c->name, status);
		if (first[i] == BYPASS_RDMA_QUERY_GIDS)
			memcpy(a->m.gid, gids->gid[1], sizeof(a->m.gid));
	}
	a->m.straight = false;
}

/* Somewhere in the shared memory. */
static void *shm(struct attack *a, uint64_t at)
{
	return (void *)(a->v.shm.at + at % (SHM_SEEN - PAGE));
}

static void ring_doorbell(struct attack *a, uint32_t handle)
{
	uint64_t *words = (uint64_t *)(a->v.arena + DOORBELL_AT + BYPASS_RDMA_SEND_OFFSET);
	uint32_t bytes = BYPASS_RDMA_DOORBELL_BYTES(a->m.config.max_qp, a->m.config.max_cq) -
			 BYPASS_RDMA_SEND_OFFSET;

	__atomic_fetch_or(&words[handle / 64 % (bytes / 8)], 1ull << handle % 64, __ATOMIC_SEQ_CST);
	if (one_in(8))
		words[below(bytes / 8)] = any();
	virtio_kick(&a->v, DOORBELLS);
}

/* A work request that the HCA would execute. */
static void write_work(struct attack *a, const struct object *qp, struct rxe_send_wqe *wqe)
{
	const struct object *mr = some(&a->m, MR), *ah = some(&a->m, AH), *mw = some(&a->m, MW);

	*wqe = (struct rxe_send_wqe){
		.wr.opcode = below(15),
		.wr.send_flags = IBV_SEND_SIGNALED,
		.dma.num_sge = 1,
		.dma.length = 8,
		.dma.resid = 8,
	};
	wqe->dma.sge[0] = (struct rxe_sge){.addr = mr->iova, .length = 8, .lkey = mr->key};
	if (qp->type == IBV_QPT_UD) {
		wqe->wr.opcode = IBV_WR_SEND;
		wqe->wr.wr.ud.ah_num = ah->key;
		wqe->wr.wr.ud.remote_qpn = qp->key;
		wqe->wr.wr.ud.remote_qkey = 0x11111111;
	} else if (wqe->wr.opcode == IBV_WR_BIND_MW) {
		wqe->wr.wr.mw.addr = mr->iova;
		wqe->wr.wr.mw.length = PAGE;
		wqe->wr.wr.mw.mr_lkey = mr->key;
		wqe->wr.wr.mw.mw_rkey = mw->key;
		wqe->wr.wr.mw.rkey = mw->key + 1;
	} else {
		wqe->wr.wr.rdma.remote_addr = mr->iova;
		wqe->wr.wr.rdma.rkey = mr->key;
		wqe->iova = one_in(2) ? mr->iova : any();
	}
}

/* Into the queue in the shared memory, which belongs to a queue pair that may have gone since. */
static void post_work(struct attack *a)
{
	union {
		struct rxe_send_wqe wqe;
		uint32_t words[(sizeof(struct rxe_send_wqe) + sizeof(struct rxe_sge)) / 4];
	} work;
	const struct object *qp = some(&a->m, QP);
	struct rxe_queue_buf *ring = shm(a, qp->queue);
	uint32_t mask = ring->index_mask, shift = ring->log2_elem_size;
	uint64_t at;

	if (qp->queue == BYPASS_RDMA_NONE || shift > 12)
		return;
	at = qp->queue + sizeof(*ring) + ((uint64_t)(ring->producer_index & mask) << shift);
	write_work(a, qp, &work.wqe);
	if (one_in(3))
		work.words[below(sizeof(work) / 4)] = number();
	memcpy(shm(a, at), &work, sizeof(work));
	__atomic_store_n(&ring->producer_index,
			 one_in(30) ? number() : (ring->producer_index + 1) & mask,
			 __ATOMIC_RELEASE);
	ring_doorbell(a, qp->handle);
	a->posted++;
}

/* Pages that the host's kernel driver uses, and those that lie between. */
static void scribble_shm(struct attack *a)
{
	const struct object *object = some(&a->m, one_in(2) ? CQ : QP);
	uint32_t value = number();

	memcpy(shm(a, one_in(2) ? object->queue + below(512) * 4 : below(SHM_SEEN / 4) * 4), &value,
	       sizeof(value));
}

static void post(struct attack *a)
{
	if (!is_mlx5(&a->m))
		post_work(a);
	else if (post_mlx5_work(&a->v, &a->m, a->posted_on))
		a->posted++;
}

static void use_shm(struct attack *a)
{
	if (one_in(2))
		post(a);
	if (one_in(8))
		scribble_shm(a);
}

/* A buffer for events or completions, and all completion queues armed. */
static void post_buffer(struct attack *a)
{
	uint32_t arm = BYPASS_RDMA_ARM_OFFSET(a->m.config.max_qp);
	unsigned int queue = 1 + below(a->v.n_queues - 1);
	uint16_t head = below(RING);

	if (queue == DOORBELLS)
		queue = BYPASS_RDMA_QUEUE_VECTOR;
	virtio_desc(&a->v, queue)[head] = (struct vring_desc){
		.addr = a->v.gpa + EVENTS_AT + head * sizeof(struct bypass_rdma_event),
		.len = sizeof(struct bypass_rdma_event),
		.flags = VRING_DESC_F_WRITE,
	};
	virtio_offer(&a->v, queue, head);
	virtio_kick(&a->v, queue);
	*(uint64_t *)(a->v.arena + DOORBELL_AT + arm) = ~0ull;
	virtio_kick(&a->v, DOORBELLS);
}

static void random_command(struct attack *a)
{
	const struct command *c = &commands[below(COMMANDS)];

	/* An object of a process that is gone is nobody's, and cannot be given back with one. */
	if (!a->spare_vmm || c->code != BYPASS_RDMA_DEALLOC_UCONTEXT)
		ask(a, c, one_in(3));
}

static void give_back(struct attack *a)
{
	const struct command *c = find_command(BYPASS_RDMA_DEALLOC_UCONTEXT);

	while (a->m.n[UCONTEXT])
		if (ask(a, c, false))
			fail("a process cannot end");
	ask(a, c, false); /* of one that never began */
}

static void deep_round(struct attack *a)
{
	begin(a);
	for (unsigned int n = 100 + below(300); n; n--) {
		random_command(a);
		if (!a->only_commands)
			use_shm(a);
		if (one_in(8))
			post_buffer(a);
	}
	for (unsigned int i = BYPASS_RDMA_QUEUE_VECTOR; i < a->v.n_queues; i++)
		a->notified += virtio_used(&a->v, i)->idx;
	if (a->spare_vmm)
		give_back(a);
	a->deep++;
}

/* A guarded slice of rxe has no memory windows, and no slice of rxe has XRC. */
static bool can_be_had(const struct attack *a, const char *command)
{
	if (is_mlx5(&a->m))
		return true;
	return (a->only_commands || !strstr(command, "_MW")) && !strstr(command, "_X");
}

static void report(const struct attack *a)
{
	unsigned long accepted = 0, refused = 0;

	for (size_t i = 0; i < COMMANDS; i++) {
		printf("hostile: %s accepted %lu refused %lu%s\n", commands[i].name, a->accepted[i],
		       a->refused[i], can_be_had(a, commands[i].name) ? "" : " not offered");
		accepted += a->accepted[i];
		refused += a->refused[i];
	}
	printf("hostile: refused:");
#define PRINT_STATUS(name, err, number) printf(" " #name " %lu", a->statuses[number]);
	BYPASS_RDMA_STATUSES(PRINT_STATUS)
#undef PRINT_STATUS
	printf("\nhostile: %lu shallow rounds with %lu chains\n", a->shallow, a->chains);
	printf("hostile: %lu deep rounds: %lu commands accepted, %lu refused, %lu work requests, "
	       "%lu completions notified\n",
	       a->deep, accepted, refused, a->posted, a->notified);
}

/* Has each command been accepted, where it can be had, and refused? */
static bool met_all(const struct attack *a)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!a->refused[i] || (!a->accepted[i] && can_be_had(a, commands[i].name)))
			return false;
	return true;
}

/* Chance decides what is met: an attack that is to meet each command goes on, within limits. */
static bool goes_on(const struct attack *a, time_t end, unsigned long seconds)
{
	time_t now = time(NULL);

	if (now < end || a->deep < seconds * DEEP / 60)
		return true;
	return seconds >= 20 && !met_all(a) && now < end + (time_t)(4 * seconds);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"spare-vmm", no_argument, NULL, 's'},
		{"only-commands", no_argument, NULL, 'c'},
		{},
	};
	static struct attack a;
	unsigned long seconds;
	time_t end;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		a.spare_vmm |= option == 's';
		a.only_commands |= option == 'c';
	}
	argc -= optind;
	argv += optind;
	if (argc < 2 || argc > 3) {
		fputs("usage: rdma-hostile [--spare-vmm] [--only-commands] DEVICE SECONDS [SEED]\n",
		      stderr);
		return 2;
	}
	chance = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL) + 1;
	printf("hostile: seed %#llx\n", (unsigned long long)chance);
	fflush(stdout);
	prepare(&a, argv[0]);
	seconds = strtoul(argv[1], NULL, 0);
	for (end = time(NULL) + seconds; goes_on(&a, end, seconds);) {
		if (one_in(2))
			shallow_round(&a);
		else
			deep_round(&a);
	}
	virtio_reset(&a.v);
	switch_msix(&a, 0);
	report(&a);
	return 0;
}
