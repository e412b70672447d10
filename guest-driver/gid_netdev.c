// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Network devices of GIDs: where a network device of the guest has the address that a GID stands for, the
 * core's table names the device (gid_attrs/ndevs in sysfs, ibv_query_gid_ex()).
 *
 * The core names a device itself only on a RoCE port, which this port is not to the core. But each entry of
 * the core's table has the pointer, and the module writes it. Its readers are sysfs and uverbs. They follow the
 * pointer under RCU; rdma_query_gid_table() loads it once, with interrupts disabled, which a grace period
 * waits for as well. The module therefore holds the network device until a grace period after the pointer is
 * gone. The core replaces entries whenever it fetches the table, and queue pairs keep the old ones: the
 * module holds each entry that has a pointer. The core puts no device that it has not named.
 *
 * Who hears of a change queues work, and does nothing more: addresses change with the lock of all network
 * devices (rtnl) held, or in softirqs. The work does not take that lock: who holds it may wait for the
 * core's work.
 */
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/if_inet6.h>
#include <rdma/ib_cache.h>

#include "internal.h"

/**
 * struct bypass_gid_netdev - a network device that an entry of the core's table names
 * @rcu: puts @netdev when nobody follows the entry's pointer any more
 * @attr: the entry; held
 * @netdev: the network device; held
 * @tracker: of that reference
 */
struct bypass_gid_netdev {
	struct rcu_head rcu;
	const struct ib_gid_attr *attr;
	struct net_device *netdev;
	netdevice_tracker tracker;
};

/* Called under RCU. An address counts from when it is there: whether it is a duplicate is known later. */
static bool has_address(const struct net_device *netdev, const struct in6_addr *address)
{
	const struct in_device *in_dev = __in_dev_get_rcu(netdev);
	const struct in_ifaddr *ifa;

	if (!ipv6_addr_v4mapped(address))
		return IS_ENABLED(CONFIG_IPV6) &&
		       ipv6_chk_addr_and_flags(&init_net, address, netdev, false, 1, 0);
	if (!in_dev)
		return false;
	in_dev_for_each_ifa_rcu(ifa, in_dev) {
		if (ifa->ifa_local == address->s6_addr32[3])
			return true;
	}
	return false;
}

/* Likewise. Not by the routing table: it may lose an address later than this module hears of it. */
static struct net_device *find_netdev(const struct ib_gid_attr *attr)
{
	struct net_device *netdev;
	struct in6_addr address;

	memcpy(&address, &attr->gid, sizeof(address));
	for_each_netdev_rcu(&init_net, netdev) {
		if (has_address(netdev, &address))
			return netdev;
	}
	return NULL;
}

static void set_netdev(const struct ib_gid_attr *attr, struct net_device *netdev)
{
	rcu_assign_pointer(((struct ib_gid_attr *)attr)->ndev, netdev);
}

static void put_netdev(struct rcu_head *rcu)
{
	struct bypass_gid_netdev *named = container_of(rcu, struct bypass_gid_netdev, rcu);

	netdev_put(named->netdev, &named->tracker);
	kfree(named);
}

static void unname(struct bypass_gid_netdev **place)
{
	struct bypass_gid_netdev *named = *place;

	if (!named)
		return;
	*place = NULL;
	set_netdev(named->attr, NULL);
	rdma_put_gid_attr(named->attr);
	call_rcu(&named->rcu, put_netdev);
}

/* Called under RCU. Without memory the GID remains without a device. */
static void name(struct bypass_gid_netdev **place, const struct ib_gid_attr *attr,
		 struct net_device *netdev)
{
	struct bypass_gid_netdev *named = kzalloc(sizeof(*named), GFP_ATOMIC);

	if (!named)
		return;
	rdma_hold_gid_attr(attr);
	netdev_hold(netdev, &named->tracker, GFP_ATOMIC);
	named->attr = attr;
	named->netdev = netdev;
	set_netdev(attr, netdev);
	*place = named;
}

static void name_anew(struct bypass_dev *dev, u32 port, u32 index)
{
	struct bypass_gid_netdev **place = &dev->ports[port - 1].netdevs[index];
	const struct ib_gid_attr *attr = rdma_get_gid_attr(&dev->ibdev, port, index);
	struct net_device *netdev;

	if (IS_ERR(attr)) { /* the entry is empty */
		unname(place);
		return;
	}
	rcu_read_lock();
	netdev = find_netdev(attr);
	if (*place && ((*place)->attr != attr || (*place)->netdev != netdev))
		unname(place);
	if (!*place && netdev)
		name(place, attr, netdev);
	rcu_read_unlock();
	rdma_put_gid_attr(attr);
}

static void name_all(struct bypass_dev *dev)
{
	for (u32 port = 1; port <= dev->ibdev.phys_port_cnt; port++) {
		if (dev->ports[port - 1].link_layer != IB_LINK_LAYER_ETHERNET)
			continue; /* a GID of InfiniBand is no address of a network device */
		for (u32 i = 0; i < dev->ports[port - 1].gid_count; i++)
			name_anew(dev, port, i);
	}
}

/**
 * bypass_name_netdevs() - name the network devices of all GIDs
 * @dev: the slice, whose tables of GIDs the core has just filled
 */
void bypass_name_netdevs(struct bypass_dev *dev)
{
	mutex_lock(&dev->naming.lock);
	dev->naming.filled = true;
	name_all(dev);
	mutex_unlock(&dev->naming.lock);
}

static void changed(struct work_struct *work)
{
	struct bypass_dev *dev = container_of(work, struct bypass_dev, naming.work);

	mutex_lock(&dev->naming.lock);
	if (dev->naming.filled)
		name_all(dev);
	mutex_unlock(&dev->naming.lock);
}

static bool has_gid(struct bypass_dev *dev, const struct in6_addr *address)
{
	bool found = false;

	spin_lock_bh(&dev->port_lock);
	for (u32 port = 0; port < dev->ibdev.phys_port_cnt; port++) {
		for (u32 i = 0; i < dev->ports[port].gid_count && !found; i++)
			found = !memcmp(&dev->ports[port].gids[i], address, sizeof(*address));
	}
	spin_unlock_bh(&dev->port_lock);
	return found;
}

/* A GID that comes later finds its network device when the core has it in its table. */
static void address_changed(struct bypass_naming *naming, const struct in6_addr *address)
{
	struct bypass_dev *dev = container_of(naming, struct bypass_dev, naming);

	if (has_gid(dev, address))
		schedule_work(&naming->work);
}

static int inet_changed(struct notifier_block *block, unsigned long event, void *data)
{
	const struct in_ifaddr *ifa = data;
	struct in6_addr address;

	ipv6_addr_set_v4mapped(ifa->ifa_local, &address);
	address_changed(container_of(block, struct bypass_naming, inet), &address);
	return NOTIFY_DONE;
}

static int inet6_changed(struct notifier_block *block, unsigned long event, void *data)
{
	const struct inet6_ifaddr *ifa = data;

	address_changed(container_of(block, struct bypass_naming, inet6), &ifa->addr);
	return NOTIFY_DONE;
}

/* Its addresses go as well. But it waits for all references, and repeats this event until they are put. */
static int netdev_changed(struct notifier_block *block, unsigned long event, void *data)
{
	if (event == NETDEV_UNREGISTER)
		schedule_work(&container_of(block, struct bypass_naming, netdev)->work);
	return NOTIFY_DONE;
}

/**
 * bypass_naming_start() - hear of network devices and their addresses
 * @dev: knows its GIDs; the core need not have its tables yet
 *
 * Return: 0 or a negative errno; then nothing is to be undone.
 */
int bypass_naming_start(struct bypass_dev *dev)
{
	struct bypass_naming *naming = &dev->naming;
	int err;

	mutex_init(&naming->lock);
	INIT_WORK(&naming->work, changed);
	naming->netdev.notifier_call = netdev_changed;
	naming->inet.notifier_call = inet_changed;
	naming->inet6.notifier_call = inet6_changed;
	err = register_netdevice_notifier(&naming->netdev);
	if (err)
		return err;
	/* These two cannot fail for a block that is in no list yet. */
	register_inetaddr_notifier(&naming->inet);
	if (IS_ENABLED(CONFIG_IPV6))
		register_inet6addr_notifier(&naming->inet6);
	naming->started = true;
	return 0;
}

/**
 * bypass_naming_stop() - take all names back
 * @dev: no device of the core's any more, but still with the core's tables
 *
 * An entry of a table that was held until now ends in a work of the core, which needs the tables.
 */
void bypass_naming_stop(struct bypass_dev *dev)
{
	struct bypass_naming *naming = &dev->naming;

	if (!naming->started)
		return;
	if (IS_ENABLED(CONFIG_IPV6))
		unregister_inet6addr_notifier(&naming->inet6);
	unregister_inetaddr_notifier(&naming->inet);
	unregister_netdevice_notifier(&naming->netdev);
	cancel_work_sync(&naming->work);
	for (u32 port = 1; port <= dev->ibdev.phys_port_cnt; port++) {
		for (u32 i = 0; i < dev->ports[port - 1].gid_count; i++)
			unname(&dev->ports[port - 1].netdevs[i]);
	}
	flush_workqueue(ib_wq);
}
