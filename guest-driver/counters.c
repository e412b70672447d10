// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counters of the ports, in hw_counters/ of sysfs and for "rdma statistic". The host names them,
 * once, and gives their values whenever somebody asks. The core keeps the values for a moment, so
 * that no reader floods the host. Those that have their place in counters/ are left to pma.c.
 */
#include <linux/ctype.h>
#include <linux/slab.h>

#include "internal.h"

/**
 * bypass_ask_counters() - ask the host for the counters of a port
 * @dev: the slice
 * @port: the port
 * @count: how many there are
 * @pma: how many of these, the last ones, have their place in counters/; see pma.c
 *
 * Return: names and values, which the caller frees, or an error pointer.
 */
struct bypass_rdma_counters *bypass_ask_counters(struct bypass_dev *dev, u32 port, u32 *count,
						 u32 *pma)
{
	struct bypass_rdma_counters *counters = kmalloc(sizeof(*counters), GFP_KERNEL);
	int err;

	if (!counters)
		return ERR_PTR(-ENOMEM);
	err = bypass_ask_port(dev, BYPASS_RDMA_QUERY_COUNTERS, port, counters, sizeof(*counters));
	if (err) {
		kfree(counters);
		return ERR_PTR(err);
	}
	*count = min(le32_to_cpu(counters->count), BYPASS_RDMA_COUNTERS_MAX);
	*pma = min(le32_to_cpu(counters->port_count), *count);
	return counters;
}

static struct rdma_hw_stats *alloc_stats(struct ib_device *ibdev, u32 port)
{
	const struct bypass_port *ours = &to_dev(ibdev)->ports[port - 1];

	return rdma_alloc_hw_stats_struct(ours->counters, ours->counter_count,
					  RDMA_HW_STATS_DEFAULT_LIFESPAN);
}

/* Return: the number of counters, all of which have a new value, or a negative errno. */
static int get_stats(struct ib_device *ibdev, struct rdma_hw_stats *stats, u32 port, int index)
{
	struct bypass_dev *dev = to_dev(ibdev);
	const struct bypass_port *ours;
	struct bypass_rdma_counters *response;
	u32 count, there, pma;

	if (!rdma_is_port_valid(ibdev, port))
		return -EINVAL;
	ours = &dev->ports[port - 1];
	count = min_t(u32, stats->num_counters, ours->counter_count);
	response = bypass_ask_counters(dev, port, &there, &pma);
	if (IS_ERR(response))
		return PTR_ERR(response);
	for (u32 i = 0; i < count; i++)
		if (!strncmp(ours->names[i], response->counter[i].name, sizeof(ours->names[i])))
			stats->value[i] = le64_to_cpu(response->counter[i].value);
	kfree(response);
	return count;
}

static const struct ib_device_ops counter_ops = {
	.alloc_hw_port_stats = alloc_stats,
	.get_hw_stats = get_stats,
};

/* May the host's name be one in sysfs? */
static bool is_name(const struct bypass_port *port, const char *name)
{
	size_t length = strnlen(name, sizeof(port->names[0]));

	if (!length || length == sizeof(port->names[0]))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isascii(name[i]) || (!isalnum(name[i]) && name[i] != '_'))
			return false;
	for (u32 i = 0; i < port->counter_count; i++)
		if (!strcmp(port->names[i], name))
			return false;
	return true;
}

/* Return: 0, or an error of the command. */
static int find_names(struct bypass_dev *dev, u32 port)
{
	struct bypass_port *ours = &dev->ports[port - 1];
	struct bypass_rdma_counters *response;
	u32 count, pma;
	int err = 0;

	response = bypass_ask_counters(dev, port, &count, &pma);
	if (IS_ERR(response))
		return PTR_ERR(response);
	ours->pma_count = pma;
	for (u32 i = 0; i < count - pma; i++) {
		const char *name = response->counter[i].name;

		if (!is_name(ours, name)) {
			err = -EPROTO;
			break;
		}
		strscpy(ours->names[i], name, sizeof(ours->names[i]));
		ours->counters[i].name = ours->names[i];
		ours->counter_count++;
	}
	kfree(response);
	return err;
}

/**
 * bypass_counters_setup() - find the counters of all ports, and offer them to the core
 * @dev: the slice, not registered yet
 *
 * A device without counters at one of its ports offers none: the core wants some at each.
 *
 * Return: 0, or a negative errno.
 */
int bypass_counters_setup(struct bypass_dev *dev)
{
	bool all = true;

	if (!virtio_has_feature(dev->vdev, BYPASS_RDMA_F_COUNTERS))
		return 0;
	for (u32 port = 1; port <= dev->ibdev.phys_port_cnt; port++) {
		int err = find_names(dev, port);

		if (err)
			return err;
		all &= dev->ports[port - 1].counter_count > 0;
	}
	if (all)
		ib_set_device_ops(&dev->ibdev, &counter_ops);
	return 0;
}
