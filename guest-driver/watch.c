// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Liveness: while processes have the device open, the module looks whether the device is there,
 * and asks the host now and then for a sign of life. A process that waits for a completion asks
 * nothing itself.
 */
#include "internal.h"

/* Looks at the device for one question to the host; half of the timeout passes between questions. */
#define LOOKS 15

/*
 * The answer does not matter, and a host that gives none is declared silent by
 * bypass_execute(). While commands are in flight these find out, and the question would
 * only wait behind them.
 */
void bypass_watch(struct work_struct *work)
{
	struct bypass_dev *dev = container_of(work, struct bypass_dev, watch.work);
	struct bypass_rdma_port response;

	if (bypass_absent(dev)) {
		bypass_silent(dev, "the device is gone");
		return;
	}
	if (++dev->looks % LOOKS == 0 && !atomic_read(&dev->in_flight))
		bypass_ask_port(dev, BYPASS_RDMA_QUERY_PORT, 1, &response, sizeof(response));
	bypass_watch_more(dev);
}

void bypass_watch_more(struct bypass_dev *dev)
{
	if (atomic_read(&dev->contexts) && !READ_ONCE(dev->gone))
		schedule_delayed_work(&dev->watch,
				      msecs_to_jiffies(bypass_timeout_ms() / 2 / LOOKS));
}
