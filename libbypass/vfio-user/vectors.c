// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Vectors of a function behind a socket: the server gets the VMM's eventfds and signals them itself.
 */
#include <errno.h>
#include <stdio.h>

#include <bypass/error.h>

#include "client.h"

static int set(struct vfu_client *client, uint32_t index, uint32_t flags, uint32_t start,
	       uint32_t count, const int *fds, unsigned int n_fds)
{
	struct vfu_irq_set set = {sizeof(set), flags, index, start, count};
	struct vfu_request request = {
		.command = VFU_SET_IRQS,
		.piece = {{&set, sizeof(set)}},
		.fds = fds,
		.n_fds = n_fds,
	};

	return vfu_call(client, &request, 0);
}

/* How many of the first @n entries are all descriptors, or all none. */
static unsigned int run_of(const int *fds, unsigned int n, unsigned int most_fds)
{
	unsigned int run = 1;

	while (run < n && (fds[run] < 0) == (fds[0] < 0) && (fds[0] < 0 || run < most_fds))
		run++;
	return run;
}

static int connect_vectors(struct vfu_client *client, enum bypass_irq irq, unsigned int start,
			   unsigned int count, const int *fds)
{
	int ret = 0;

	for (unsigned int i = 0, run; i < count && !ret; i += run) {
		run = run_of(fds + i, count - i, client->server_fds);
		ret = set(client, irq, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			  start + i, run, fds + i, fds[i] < 0 ? 0 : run);
	}
	return ret;
}

int vfu_client_vectors(struct bypass_slice *slice, enum bypass_irq irq, unsigned int start,
		       unsigned int count, const int *fds)
{
	struct vfu_client *client = (struct vfu_client *)slice;
	char why[512];
	int ret;

	if (start > slice->vectors[irq] || count > slice->vectors[irq] - start)
		return bypass_fail(EINVAL, "%s has no vectors %u to %u + %u of type %u",
				   slice->name, start, start, count, irq);
	if (!client->server_fds && count)
		return bypass_fail(EOPNOTSUPP, "%s: its server takes no eventfds", slice->name);
	if (client->gone)
		return 0;
	if (!count)
		ret = set(client, irq, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0,
			  NULL, 0);
	else
		ret = connect_vectors(client, irq, start, count, fds);
	if (ret < 0 && !client->gone && count) {
		snprintf(why, sizeof(why), "%s", bypass_error());
		set(client, irq, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, start,
		    count, NULL, 0);
		bypass_fail(-ret, "%s", why);
	}
	return client->gone ? 0 : ret;
}

int vfu_client_resample(struct bypass_slice *slice, int fd)
{
	struct vfu_client *client = (struct vfu_client *)slice;
	int ret = 0;

	if (!slice->vectors[BYPASS_IRQ_INTX] && fd >= 0)
		return bypass_fail(EINVAL, "%s: has no INTx to resample", slice->name);
	if (slice->vectors[BYPASS_IRQ_INTX])
		ret = set(client, VFIO_PCI_INTX_IRQ_INDEX,
			  VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, &fd,
			  fd >= 0);
	return client->gone ? 0 : ret;
}
