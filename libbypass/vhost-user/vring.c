// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The rings of a vhost-user device. The front end describes a ring in several messages. The ring
 * starts when the description is complete, and GET_VRING_BASE stops it.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

static struct vu_vring *take_ring(struct vu *vu, uint64_t index)
{
	if (index < vu->dev->n_queues)
		return &vu->vrings[index];
	bypass_fail(EPROTO, "the VMM names queue %llu; %s has %u: give QEMU's device num_vqs=%u",
		    (unsigned long long)index, vu->dev->name, vu->dev->n_queues, vu->dev->n_queues);
	return NULL;
}

static void replace_fd(int *fd, int with)
{
	if (*fd >= 0)
		close(*fd);
	*fd = with;
}

static bool may_start(const struct vu *vu, const struct vu_vring *vring)
{
	bool enabled = !(vu->features & VU_F_PROTOCOL_FEATURES) || vring->enabled;

	return !vring->started && enabled && vring->addressed && vring->queue.size &&
	       vring->queue.kick_fd >= 0;
}

static int start_ring(struct vu *vu, struct vu_vring *vring)
{
	struct bypass_virtio_queue *q = &vring->queue;
	int ret;

	if (!may_start(vu, vring))
		return 0;
	/* Translate now: the memory map may have changed since SET_VRING_ADDR. */
	ret = vu_memory_gpa(vu, vring->addr.desc, &q->desc);
	if (!ret)
		ret = vu_memory_gpa(vu, vring->addr.avail, &q->avail);
	if (!ret)
		ret = vu_memory_gpa(vu, vring->addr.used, &q->used);
	if (ret)
		return ret;
	vu_backend_mute(vu, false);
	/* Another ring's thread may wait for the front end, which waits for this answer. */
	vu_backend_cancel(vu, true);
	ret = vu->dev->ops->queue_start(vu->dev, vring - vu->vrings, q);
	vu_backend_cancel(vu, false);
	vring->started = !ret;
	return ret;
}

static void stop_ring(struct vu *vu, struct vu_vring *vring)
{
	int next;

	if (!vring->started)
		return;
	vring->started = false;
	/* Mute until a ring starts again: as a rule all rings stop, one after the other. */
	vu_backend_mute(vu, true);
	vu_backend_cancel(vu, true);
	next = vu->dev->ops->queue_stop(vu->dev, vring - vu->vrings);
	vu_backend_cancel(vu, false);
	vring->queue.next = next < 0 ? 0 : next;
}

/* Whether any ring has had SET_VRING_KICK, and no GET_VRING_BASE since. */
bool vu_vrings_in_use(const struct vu *vu)
{
	for (unsigned int i = 0; i < vu->dev->n_queues; i++) {
		if (vu->vrings[i].queue.kick_fd >= 0)
			return true;
	}
	return false;
}

void vu_vrings_stop(struct vu *vu)
{
	for (unsigned int i = 0; i < vu->dev->n_queues; i++)
		stop_ring(vu, &vu->vrings[i]);
}

/* Return all rings to the state before the first message. */
void vu_vrings_forget(struct vu *vu)
{
	for (unsigned int i = 0; i < vu->dev->n_queues; i++) {
		struct vu_vring *vring = &vu->vrings[i];

		replace_fd(&vring->queue.kick_fd, -1);
		replace_fd(&vring->queue.call_fd, -1);
		*vring = (struct vu_vring){.queue = {.kick_fd = -1, .call_fd = -1}};
	}
}

static int set_num(struct vu *vu, struct vu_vring *vring, uint32_t num)
{
	unsigned int index = vring - vu->vrings;

	if (!num || num > vu->dev->queue_size[index] || (num & (num - 1)))
		return bypass_fail(EPROTO,
				   "the VMM gives queue %u %u entries; %s has at most %u, "
				   "a power of two",
				   index, num, vu->dev->name, vu->dev->queue_size[index]);
	vring->queue.size = num;
	return 0;
}

static int set_kick(struct vu *vu, struct vu_vring *vring, int fd)
{
	if (fd < 0)
		return bypass_fail(EOPNOTSUPP,
				   "the VMM wants queue %td polled; its notifications are needed",
				   vring - vu->vrings);
	stop_ring(vu, vring);
	replace_fd(&vring->queue.kick_fd, fd);
	return start_ring(vu, vring);
}

static int set_call(struct vu *vu, struct vu_vring *vring, int fd)
{
	int ret = 0;

	if (vring->started)
		ret = vu->dev->ops->queue_call(vu->dev, vring - vu->vrings, fd);
	replace_fd(ret < 0 ? &fd : &vring->queue.call_fd, ret < 0 ? -1 : fd);
	return ret;
}

static int set_fd(struct vu *vu, struct vu_message *msg)
{
	int fd = msg->n_fds ? msg->fds[0] : -1;
	struct vu_vring *vring;

	if (msg->header.size != sizeof(msg->u64) || msg->n_fds > 1 ||
	    (msg->n_fds == 0) != !!(msg->u64 & VU_VRING_NO_FD))
		return bypass_fail(EPROTO, "the VMM's descriptor for a queue is malformed");
	vring = take_ring(vu, msg->u64 & VU_VRING_INDEX);
	if (!vring)
		return -EPROTO;
	/* The error descriptor is not used: this back end reports no error there. */
	if (msg->header.request == VU_SET_VRING_ERR)
		return 0;
	/* Whatever the descriptor is, a read or a write here must never wait for the front end. */
	if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		return bypass_fail(EPROTO, "the VMM's descriptor for a queue is no eventfd: %m");
	msg->n_fds = 0; /* the ring owns the descriptor now */
	if (msg->header.request == VU_SET_VRING_KICK)
		return set_kick(vu, vring, fd);
	return set_call(vu, vring, fd);
}

static int set_state(struct vu *vu, struct vu_message *msg)
{
	struct vu_vring *vring;

	if (msg->header.size != sizeof(msg->state))
		return bypass_fail(EPROTO, "the VMM's message %u for a queue is malformed",
				   msg->header.request);
	vring = take_ring(vu, msg->state.index);
	if (!vring)
		return -EPROTO;
	switch (msg->header.request) {
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_BASE:
		if (vring->started)
			return bypass_fail(EPROTO, "the VMM changes queue %u while it runs",
					   msg->state.index);
		if (msg->header.request == VU_SET_VRING_NUM)
			return set_num(vu, vring, msg->state.num);
		vring->queue.next = msg->state.num;
		return 0;
	case VU_SET_VRING_ENABLE:
		vring->enabled = msg->state.num;
		if (!vring->enabled)
			stop_ring(vu, vring);
		return start_ring(vu, vring);
	default: /* VU_GET_VRING_BASE: the ring stops until a new kick descriptor comes */
		stop_ring(vu, vring);
		replace_fd(&vring->queue.kick_fd, -1);
		msg->state.num = vring->queue.next;
		return 0;
	}
}

static int set_addr(struct vu *vu, struct vu_message *msg)
{
	struct vu_vring *vring;

	if (msg->header.size != sizeof(msg->addr))
		return bypass_fail(EPROTO, "the VMM's address of a queue is malformed");
	vring = take_ring(vu, msg->addr.index);
	if (!vring)
		return -EPROTO;
	if (vring->started)
		return bypass_fail(EPROTO, "the VMM moves queue %u while it runs", msg->addr.index);
	vring->addr = msg->addr;
	vring->addressed = true;
	return start_ring(vu, vring);
}

/* Handle a message about one ring. For GET_VRING_BASE @msg becomes the answer. */
int vu_vring_message(struct vu *vu, struct vu_message *msg)
{
	switch (msg->header.request) {
	case VU_SET_VRING_ADDR:
		return set_addr(vu, msg);
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		return set_fd(vu, msg);
	default:
		return set_state(vu, msg);
	}
}
