// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Settings of a network interface's link: through sysfs where sysfs takes them, else through
 * rtnetlink and ethtool.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bypass/error.h>

#include "interface.h"

#define NET_ADDR_SET 3 /* addr_assign_type of an address that somebody has set */

static void attribute_name(const struct interface *interface, const char *attribute, char *text,
			   size_t size)
{
	snprintf(text, size, "net/%s/%s", interface->name, attribute);
}

static int read_attribute(const struct interface *interface, const char *attribute, char *value)
{
	char path[64];

	attribute_name(interface, attribute, path, sizeof(path));
	return host_read(interface->function, path, value, HOST_VALUE_SIZE);
}

static int write_attribute(const struct interface *interface, const char *attribute,
			   const char *value)
{
	char path[64];

	attribute_name(interface, attribute, path, sizeof(path));
	return host_write(interface->function, path, value);
}

static int read_name(const struct interface *interface, char *value)
{
	snprintf(value, HOST_VALUE_SIZE, "%s", interface->name);
	return 0;
}

static int read_mtu(const struct interface *interface, char *value)
{
	return read_attribute(interface, "mtu", value);
}

static int write_mtu(const struct interface *interface, const char *value)
{
	return write_attribute(interface, "mtu", value);
}

static int read_queue(const struct interface *interface, char *value)
{
	return read_attribute(interface, "tx_queue_len", value);
}

static int write_queue(const struct interface *interface, const char *value)
{
	return write_attribute(interface, "tx_queue_len", value);
}

/* The adapter's own address comes back by itself. */
static int read_mac(const struct interface *interface, char *value)
{
	int err = read_attribute(interface, "addr_assign_type", value);

	if (err || atoi(value) != NET_ADDR_SET)
		return err ? err : -ENOENT;
	return read_attribute(interface, "address", value);
}

static int read_up(const struct interface *interface, char *value)
{
	int err = read_attribute(interface, "flags", value);

	if (!err)
		snprintf(value, HOST_VALUE_SIZE, "%s",
			 strtoul(value, NULL, 0) & IFF_UP ? "up" : "down");
	return err;
}

static int write_up(const struct interface *interface, const char *value)
{
	char flags[HOST_VALUE_SIZE];
	unsigned long bits;
	int err;

	err = read_attribute(interface, "flags", flags);
	if (err)
		return err;
	/* A bridge counts these two by itself. What is written here would be a count of the user's. */
	bits = strtoul(flags, NULL, 0) & ~(unsigned long)(IFF_UP | IFF_PROMISC | IFF_ALLMULTI);
	snprintf(flags, sizeof(flags), "%#lx", bits | (strcmp(value, "up") ? 0 : IFF_UP));
	return write_attribute(interface, "flags", flags);
}

static int read_master(const struct interface *interface, char *value)
{
	char path[64];
	int err;

	attribute_name(interface, "master", path, sizeof(path));
	err = host_link(interface->function, path, value, HOST_VALUE_SIZE);
	return err || value[0] ? err : -ENOENT;
}

/* Changes by rtnetlink, with @set for what is to be changed. */
static int change_link(const struct interface *interface, const char *value,
		       int (*set)(struct nl_sock *sock, struct rtnl_link *link, const char *value))
{
	struct rtnl_link *now = rtnl_link_alloc(), *change = rtnl_link_alloc();
	int err = -NLE_NOMEM;

	if (now && change) {
		rtnl_link_set_ifindex(now, interface->index);
		err = set(interface->sock, change, value);
	}
	if (!err)
		err = rtnl_link_change(interface->sock, now, change, 0);
	rtnl_link_put(now);
	rtnl_link_put(change);
	return err ? bypass_fail(EIO, "%s", nl_geterror(err)) : 0;
}

static int set_name(struct nl_sock *sock, struct rtnl_link *link, const char *value)
{
	(void)sock;
	rtnl_link_set_name(link, value);
	return 0;
}

static int set_mac(struct nl_sock *sock, struct rtnl_link *link, const char *value)
{
	struct nl_addr *addr;
	int err = nl_addr_parse(value, AF_LLC, &addr);

	(void)sock;
	if (err)
		return err;
	rtnl_link_set_addr(link, addr);
	nl_addr_put(addr);
	return 0;
}

static int set_master(struct nl_sock *sock, struct rtnl_link *link, const char *value)
{
	struct rtnl_link *master;
	int err = rtnl_link_get_kernel(sock, 0, value, &master);

	if (err)
		return err;
	rtnl_link_set_master(link, rtnl_link_get_ifindex(master));
	rtnl_link_put(master);
	return 0;
}

static int write_name(const struct interface *interface, const char *value)
{
	return change_link(interface, value, set_name);
}

static int write_mac(const struct interface *interface, const char *value)
{
	return change_link(interface, value, set_mac);
}

static int write_master(const struct interface *interface, const char *value)
{
	return change_link(interface, value, set_master);
}

static int ethtool(const struct interface *interface, void *command)
{
	struct ifreq request = {.ifr_data = command};
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (sock < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface->name);
	if (ioctl(sock, SIOCETHTOOL, &request))
		err = -errno;
	close(sock);
	return err;
}

static int read_rings(const struct interface *interface, char *value)
{
	struct ethtool_ringparam rings = {.cmd = ETHTOOL_GRINGPARAM};

	if (ethtool(interface, &rings))
		return -ENOENT;
	snprintf(value, HOST_VALUE_SIZE, "rx %u rx-mini %u rx-jumbo %u tx %u", rings.rx_pending,
		 rings.rx_mini_pending, rings.rx_jumbo_pending, rings.tx_pending);
	return 0;
}

static int write_rings(const struct interface *interface, const char *value)
{
	struct ethtool_ringparam rings = {.cmd = ETHTOOL_GRINGPARAM};
	int err = ethtool(interface, &rings);

	if (!err && sscanf(value, "rx %u rx-mini %u rx-jumbo %u tx %u", &rings.rx_pending,
			   &rings.rx_mini_pending, &rings.rx_jumbo_pending, &rings.tx_pending) != 4)
		err = -EINVAL;
	rings.cmd = ETHTOOL_SRINGPARAM;
	if (!err)
		err = ethtool(interface, &rings);
	return err ? bypass_fail(-err, "%s", strerror(-err)) : 0;
}

static int read_channels(const struct interface *interface, char *value)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (ethtool(interface, &channels))
		return -ENOENT;
	snprintf(value, HOST_VALUE_SIZE, "rx %u tx %u other %u combined %u", channels.rx_count,
		 channels.tx_count, channels.other_count, channels.combined_count);
	return 0;
}

static int write_channels(const struct interface *interface, const char *value)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	int err = ethtool(interface, &channels);

	if (!err &&
	    sscanf(value, "rx %u tx %u other %u combined %u", &channels.rx_count,
		   &channels.tx_count, &channels.other_count, &channels.combined_count) != 4)
		err = -EINVAL;
	channels.cmd = ETHTOOL_SCHANNELS;
	if (!err)
		err = ethtool(interface, &channels);
	return err ? bypass_fail(-err, "%s", strerror(-err)) : 0;
}

const struct interface_setting interface_link_settings[] = {
	{"up", read_up, write_up, "ip link set @ ="},
	{"master", read_master, write_master, "ip link set @ master ="},
	{"channels", read_channels, write_channels, "ethtool -L @ ="},
	{"rings", read_rings, write_rings, "ethtool -G @ ="},
	{"mac", read_mac, write_mac, "ip link set @ address ="},
	{"queue", read_queue, write_queue, "ip link set @ txqueuelen ="},
	{"mtu", read_mtu, write_mtu, "ip link set @ mtu ="},
	{"name", read_name, write_name, "ip link set @ name ="},
};
const size_t interface_link_setting_count =
	sizeof(interface_link_settings) / sizeof(interface_link_settings[0]);
