// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Liveness: while processes have the device open, the module asks the host now and then for a sign
 * of life. A process that waits for a completion asks nothing itself. The module does not poll the
 * device's status: such a read is an exit to user space, and a running job makes none.
 */
#include "internal.h"

/*
 * The answer does not matter. A host that gives none is declared silent by bypass_execute(); a
 * device that is not there any more, within seconds. While commands are in flight these find out,
 * and the question would only wait behind them.
 */
void bypass_watch(struct work_struct *work)
{
	struct bypass_dev *dev = container_of(work, struct bypass_dev, watch.work);
	struct bypass_rdma_port response;

	if (!atomic_read(&dev->in_flight))
		bypass_ask_port(dev, BYPASS_RDMA_QUERY_PORT, 1, &response, sizeof(response));
	bypass_watch_more(dev);
}

void bypass_watch_more(struct bypass_dev *dev)
{
	if (atomic_read(&dev->contexts) && !READ_ONCE(dev->gone))
		schedule_delayed_work(&dev->watch, msecs_to_jiffies(bypass_timeout_ms() / 2));
}
