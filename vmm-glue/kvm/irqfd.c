// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * irqfds: KVM turns an eventfd that a device signals into an interrupt of the guest, inside
 * the kernel.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bypass/error.h>

#include "machine.h"

/* @resample_fd: KVM signals it when the guest has acknowledged a level-triggered GSI; or -1 */
int glue_irqfd(struct glue_machine *m, int fd, uint32_t gsi, int resample_fd, bool assign)
{
	struct kvm_irqfd irqfd = {
		.fd = fd,
		.gsi = gsi,
		.flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	if (assign && resample_fd >= 0) {
		irqfd.flags |= KVM_IRQFD_FLAG_RESAMPLE;
		irqfd.resamplefd = resample_fd;
	}
	if (ioctl(m->fd, KVM_IRQFD, &irqfd) < 0)
		return bypass_fail(errno, "KVM refuses to %s GSI %u %s an eventfd: %s",
				   assign ? "connect" : "disconnect", gsi, assign ? "to" : "from",
				   strerror(errno));
	return 0;
}

int glue_vector_init(struct glue_machine *m, struct glue_vector *v)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return bypass_fail(errno, "no eventfd for an interrupt vector: %s%s",
				   strerror(errno),
				   errno == EMFILE ? ". Raise the limit with 'ulimit -n NUMBER' in "
						     "the "
						     "shell that starts the VMM"
						   : "");
	if (glue_ids_take(&m->gsis, &v->gsi)) {
		close(fd);
		return bypass_fail(ENOSPC, "all %u GSIs from %u up are taken", m->gsis.count,
				   m->gsis.first);
	}
	v->fd = fd;
	v->open = false;
	return 0;
}

/* The route is dropped from our table. KVM drops the route with the next commit. */
void glue_vector_fini(struct glue_machine *m, struct glue_vector *v)
{
	if (v->fd < 0)
		return;
	glue_vector_shut(m, v);
	glue_route_drop(m, v->gsi);
	glue_ids_give(&m->gsis, v->gsi);
	close(v->fd);
	v->fd = -1;
}

/*
 * KVM reads the eventfd when it connects it. So an interrupt that came while the vector was
 * shut is delivered now, as PCI demands of a vector that is unmasked.
 */
int glue_vector_open(struct glue_machine *m, struct glue_vector *v)
{
	int err;

	if (v->open)
		return 0;
	err = glue_irqfd(m, v->fd, v->gsi, -1, true);
	if (!err)
		v->open = true;
	return err;
}

void glue_vector_shut(struct glue_machine *m, struct glue_vector *v)
{
	if (v->fd < 0 || !v->open)
		return;
	glue_irqfd(m, v->fd, v->gsi, -1, false);
	v->open = false;
}

bool glue_vector_pending(const struct glue_vector *v)
{
	struct pollfd p = {.fd = v->fd, .events = POLLIN};

	return v->fd >= 0 && !v->open && poll(&p, 1, 0) == 1;
}
