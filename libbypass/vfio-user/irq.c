// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The client's eventfds, and what a client does with interrupts: connect, mask, unmask, trigger.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bypass/error.h>

#include "server.h"

int vfu_irqs_open(struct bypass_vfio_user_server *server)
{
	struct vfu_irqs *irqs = &server->irqs;

	irqs->request_fd = -1;
	irqs->resample_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (irqs->resample_fd < 0)
		return bypass_fail(errno, "no eventfd for interrupts: %s", strerror(errno));
	for (unsigned int t = 0; t < BYPASS_IRQS; t++) {
		unsigned int n = server->slice->vectors[t];
		struct vfu_vector *vector = calloc(n ? n : 1, sizeof(*vector));

		if (!vector)
			return bypass_fail(ENOMEM, "no memory for %u vectors", n);
		for (unsigned int i = 0; i < n; i++)
			vector[i].fd = vector[i].held = -1;
		irqs->type[t].vector = vector;
	}
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void stop_type(struct bypass_vfio_user_server *server, enum bypass_irq type)
{
	struct vfu_vectors *vectors = &server->irqs.type[type];
	struct bypass_slice *slice = server->slice;

	if (vectors->on)
		slice->ops->vectors(slice, type, 0, 0, NULL);
	vectors->on = false;
	for (unsigned int i = 0; vectors->vector && i < slice->vectors[type]; i++) {
		close_fd(&vectors->vector[i].fd);
		close_fd(&vectors->vector[i].held);
		vectors->vector[i].masked = false;
	}
}

/* All vectors of the slice are off afterwards, and all eventfds closed. */
void vfu_irqs_stop(struct bypass_vfio_user_server *server)
{
	for (unsigned int t = 0; t < BYPASS_IRQS; t++)
		stop_type(server, t);
}

void vfu_irqs_close(struct bypass_vfio_user_server *server)
{
	struct vfu_irqs *irqs = &server->irqs;

	vfu_irqs_stop(server);
	for (unsigned int t = 0; t < BYPASS_IRQS; t++)
		free(irqs->type[t].vector);
	close_fd(&irqs->resample_fd);
	close_fd(&irqs->request_fd);
}

/* Connect vectors to what each is to signal now. The type goes on, if it was off. */
static int connect_vectors(struct bypass_vfio_user_server *server, enum bypass_irq type,
			   unsigned int start, unsigned int count)
{
	struct vfu_vectors *vectors = &server->irqs.type[type];
	struct bypass_slice *slice = server->slice;
	int *fds = malloc(count * sizeof(*fds));
	int ret;

	if (!fds)
		return bypass_fail(ENOMEM, "no memory to connect %u vectors", count);
	for (unsigned int i = 0; i < count; i++) {
		const struct vfu_vector *v = &vectors->vector[start + i];

		fds[i] = v->fd >= 0 && v->masked ? v->held : v->fd;
	}
	ret = slice->ops->vectors(slice, type, start, count, fds);
	free(fds);
	if (!ret)
		vectors->on = true;
	return ret;
}

/* Whatever the descriptor is, a write to it must never wait for the client. */
static int check_eventfds(const struct vfu_message *msg)
{
	for (unsigned int i = 0; i < msg->n_fds; i++) {
		int flags = fcntl(msg->fds[i], F_GETFL);

		if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY ||
		    fcntl(msg->fds[i], F_SETFL, flags | O_NONBLOCK))
			return bypass_fail(EINVAL, "the VMM's descriptor for an interrupt is no "
						   "eventfd");
	}
	return 0;
}

/* One type of interrupts is on at a time. */
static int check_others_off(const struct bypass_vfio_user_server *server, uint32_t type)
{
	for (unsigned int t = 0; t < BYPASS_IRQS; t++)
		if (t != type && server->irqs.type[t].on)
			return bypass_fail(EBUSY,
					   "the VMM turns on a second type of interrupts of %s",
					   server->slice->name);
	return 0;
}

/*
 * Give vectors the descriptors of the message; without descriptors the vectors are disconnected.
 * The slice lets go of the old descriptors before these are closed.
 */
static int set_eventfds(struct bypass_vfio_user_server *server, struct vfu_message *msg)
{
	const struct vfu_irq_set *set = &msg->irq_set;
	struct vfu_vectors *vectors = &server->irqs.type[set->index];
	struct vfu_vector *vector = &vectors->vector[set->start];
	int ret = check_others_off(server, set->index), *old;

	if (!ret && set->index == VFIO_PCI_INTX_IRQ_INDEX && !vectors->on)
		ret = server->slice->ops->resample(server->slice, server->irqs.resample_fd);
	if (ret < 0)
		return ret;
	old = malloc(set->count * sizeof(*old));
	if (!old)
		return bypass_fail(ENOMEM, "no memory to connect %u vectors", set->count);
	for (unsigned int i = 0; i < set->count; i++) {
		old[i] = vector[i].fd;
		vector[i].fd = msg->n_fds ? msg->fds[i] : -1;
		if (msg->n_fds)
			msg->fds[i] = -1;
	}
	ret = connect_vectors(server, set->index, set->start, set->count);
	for (unsigned int i = 0; i < set->count; i++) {
		if (ret < 0)
			close_fd(&vector[i].fd);
		close_fd(&old[i]);
	}
	free(old);
	return ret;
}

/* Pass on an interrupt that the slice raised while the vector was masked. */
static void release_held(struct bypass_vfio_user_server *server, const struct vfu_vector *v,
			 bool intx)
{
	eventfd_t count;

	if (v->held >= 0 && !eventfd_read(v->held, &count) && v->fd >= 0)
		eventfd_write(v->fd, 1);
	else if (intx)
		eventfd_write(server->irqs.resample_fd, 1);
}

static int mask_one(struct bypass_vfio_user_server *server, enum bypass_irq type, unsigned int i,
		    bool masked)
{
	struct vfu_vectors *vectors = &server->irqs.type[type];
	struct vfu_vector *v = &vectors->vector[i];
	int ret = 0;

	if (masked && v->held < 0) {
		v->held = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->held < 0)
			return bypass_fail(errno, "no eventfd for a masked vector: %s",
					   strerror(errno));
	}
	if (v->masked != masked) {
		v->masked = masked;
		ret = v->fd >= 0 ? connect_vectors(server, type, i, 1) : 0;
	}
	if (!masked && !ret)
		release_held(server, v, type == BYPASS_IRQ_INTX);
	return ret;
}

static void trigger_one(struct bypass_vfio_user_server *server, enum bypass_irq type,
			unsigned int i)
{
	const struct vfu_vector *v = &server->irqs.type[type].vector[i];

	if (v->fd >= 0)
		eventfd_write(v->masked ? v->held : v->fd, 1);
}

/* Mask, unmask or trigger those vectors that the message means. */
static int act(struct bypass_vfio_user_server *server, const struct vfu_message *msg)
{
	const struct vfu_irq_set *set = &msg->irq_set;
	const uint8_t *chosen = msg->data + sizeof(*set);
	int ret = 0;

	for (unsigned int i = 0; i < set->count && !ret; i++) {
		if (set->flags & VFIO_IRQ_SET_DATA_BOOL && !chosen[i])
			continue;
		if (set->flags & VFIO_IRQ_SET_ACTION_TRIGGER)
			trigger_one(server, set->index, set->start + i);
		else
			ret = mask_one(server, set->index, set->start + i,
				       set->flags & VFIO_IRQ_SET_ACTION_MASK);
	}
	return ret;
}

/* The client's eventfd lets the next INTx through, in place of a message; none: the server's own. */
static int set_resample(struct bypass_vfio_user_server *server, struct vfu_message *msg)
{
	struct bypass_slice *slice = server->slice;
	int fd, ret;

	if (!msg->n_fds)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	else
		fd = msg->fds[0];
	if (fd < 0)
		return bypass_fail(errno, "no eventfd for INTx: %s", strerror(errno));
	if (msg->n_fds)
		msg->fds[0] = -1;
	ret = slice->ops->resample(slice, fd);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	close_fd(&server->irqs.resample_fd);
	server->irqs.resample_fd = fd;
	return 0;
}

/* The eventfd that asks the client to give the device back. */
static int set_request(struct bypass_vfio_user_server *server, struct vfu_message *msg)
{
	const struct vfu_irq_set *set = &msg->irq_set;

	if (!(set->flags & VFIO_IRQ_SET_ACTION_TRIGGER) || set->flags & VFIO_IRQ_SET_DATA_BOOL)
		return bypass_fail(EINVAL, "the VMM can only connect the device's request to let "
					   "go of it");
	close_fd(&server->irqs.request_fd);
	if (msg->n_fds) {
		server->irqs.request_fd = msg->fds[0];
		msg->fds[0] = -1;
	}
	return 0;
}

static bool one_of(uint32_t flags, uint32_t mask)
{
	return flags & mask && !((flags & mask) & ((flags & mask) - 1));
}

/* What a message must have, whatever it asks for. */
static int check_set(const struct bypass_vfio_user_server *server, const struct vfu_message *msg)
{
	const struct vfu_irq_set *set = &msg->irq_set;
	bool fds = set->flags & VFIO_IRQ_SET_DATA_EVENTFD, bools;
	uint32_t n;

	bools = set->flags & VFIO_IRQ_SET_DATA_BOOL;
	if (vfu_payload(msg) < sizeof(*set) || set->index >= VFU_IRQS ||
	    !one_of(set->flags, VFIO_IRQ_SET_DATA_TYPE_MASK) ||
	    !one_of(set->flags, VFIO_IRQ_SET_ACTION_TYPE_MASK) ||
	    set->flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK))
		return bypass_fail(EINVAL, "the VMM's SET_IRQS is malformed");
	n = set->index < BYPASS_IRQS ? server->slice->vectors[set->index]
				     : set->index == VFIO_PCI_REQ_IRQ_INDEX;
	if (set->start > n || set->count > n - set->start)
		return bypass_fail(EINVAL,
				   "the VMM means vectors %u to %u + %u of interrupt type %u, "
				   "which "
				   "has %u",
				   set->start, set->start, set->count, set->index, n);
	if (vfu_payload(msg) - sizeof(*set) < (bools ? set->count : 0) ||
	    (msg->n_fds && (!fds || msg->n_fds != set->count)) || (!set->count && (fds || bools)))
		return bypass_fail(EINVAL, "the VMM's SET_IRQS has data for another number of "
					   "vectors");
	return 0;
}

int vfu_irqs_set(struct bypass_vfio_user_server *server, struct vfu_message *msg)
{
	const struct vfu_irq_set *set = &msg->irq_set;
	bool eventfds = set->flags & VFIO_IRQ_SET_DATA_EVENTFD;
	int ret = check_set(server, msg);

	if (!ret)
		ret = check_eventfds(msg);
	if (ret < 0)
		return ret;
	if (set->index == VFIO_PCI_REQ_IRQ_INDEX)
		return set_request(server, msg);
	if (set->index >= BYPASS_IRQS)
		return 0; /* no vector, and nothing to do */
	if (!set->count && set->flags & VFIO_IRQ_SET_ACTION_TRIGGER)
		stop_type(server, set->index);
	if (!set->count || !eventfds)
		return act(server, msg);
	if (set->flags & VFIO_IRQ_SET_ACTION_TRIGGER)
		return set_eventfds(server, msg);
	/* INTx: the client's eventfd lets the next one through, in place of a message. */
	if (set->index != VFIO_PCI_INTX_IRQ_INDEX || set->flags & VFIO_IRQ_SET_ACTION_MASK)
		return bypass_fail(EINVAL, "a mask of interrupt type %u has no eventfd",
				   set->index);
	return set_resample(server, msg);
}
