// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Liveness: while processes have the device open, the module looks whether somebody serves the device.
 * A process that waits for a completion asks nothing itself. Each second the module looks at the word
 * that says whether the device has an owner: that costs neither an exit nor a wake-up of the host. A
 * command now and then finds a host that hangs, or one that has no such word. The module does not poll
 * the device's status: such a read is an exit to user space, and a running job makes none.
 */
#include "internal.h"

#define BYPASS_LOOK_MS 1000
/* A device without an owner: the service ends in good order, and the function goes soon. */
#define BYPASS_LOOKS 3

/* Has the device had an owner, and has none any more? */
static bool left_alone(struct bypass_dev *dev)
{
	if (bypass_owner(dev))
		dev->owned = BYPASS_LOOKS;
	else if (dev->owned)
		return !--dev->owned;
	return false;
}

static void ask_later(struct bypass_dev *dev)
{
	WRITE_ONCE(dev->question, jiffies + msecs_to_jiffies(bypass_timeout_ms() / 2));
}

/*
 * The answer does not matter. A host that gives none is declared silent by bypass_execute(); a
 * device that is not there any more, within seconds. While commands are in flight these find out,
 * and the question would only wait behind them.
 */
static void ask(struct bypass_dev *dev)
{
	struct bypass_rdma_port response;

	if (!atomic_read(&dev->in_flight))
		bypass_ask_port(dev, BYPASS_RDMA_QUERY_PORT, 1, &response, sizeof(response));
	ask_later(dev);
}

static void look_again(struct bypass_dev *dev)
{
	if (atomic_read(&dev->contexts) && !READ_ONCE(dev->gone))
		schedule_delayed_work(&dev->watch, msecs_to_jiffies(BYPASS_LOOK_MS));
}

void bypass_watch(struct work_struct *work)
{
	struct bypass_dev *dev = container_of(work, struct bypass_dev, watch.work);

	if (bypass_owner_died(dev) || left_alone(dev))
		bypass_silent(dev, "the process that serves the device has ended");
	else if (time_after_eq(jiffies, READ_ONCE(dev->question)))
		ask(dev);
	look_again(dev);
}

/* A process has opened the device. */
void bypass_watch_begin(struct bypass_dev *dev)
{
	if (atomic_inc_return(&dev->contexts) == 1)
		ask_later(dev);
	look_again(dev);
}
