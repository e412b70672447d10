// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a network adapter's PF enforces on its VFs: MAC address, VLAN, trust. Through
 * rtnetlink on the PF's interface, because the VF's own has no say in it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/sriov.h>

#include <linux/if_ether.h>
#include <net/if.h>
#include <sys/socket.h>

#include <bypass/error.h>

#include "internal.h"

struct vf_link {
	struct nl_sock *sock;
	struct rtnl_link *link; /* the PF's interface, with all its VFs */
	char interface[32];
};

static void vf_link_close(struct vf_link *pf)
{
	rtnl_link_put(pf->link);
	nl_socket_free(pf->sock);
}

static int vf_link_open(struct vf_link *pf, const char *address)
{
	int err;

	memset(pf, 0, sizeof(*pf));
	if (host_child(address, "net", pf->interface, sizeof(pf->interface)))
		return bypass_fail(ENODEV,
				   "%s has no network interface, through which its VFs get their "
				   "MAC address, VLAN and trust: is it a network adapter, and its "
				   "driver loaded?",
				   address);
	pf->sock = nl_socket_alloc();
	if (!pf->sock)
		return bypass_fail(ENOMEM, "no memory for a netlink socket");
	err = nl_connect(pf->sock, NETLINK_ROUTE);
	if (!err)
		err = rtnl_link_get_kernel(pf->sock, 0, pf->interface, &pf->link);
	if (err) {
		vf_link_close(pf);
		return bypass_fail(EIO, "cannot ask for the VFs of %s (%s): %s", pf->interface,
				   address, nl_geterror(err));
	}
	return 0;
}

static void format_mac(struct rtnl_link_vf *vf, char *value, size_t size)
{
	struct nl_addr *addr;

	snprintf(value, size, "00:00:00:00:00:00");
	if (!rtnl_link_vf_get_addr(vf, &addr) && nl_addr_get_len(addr) == ETH_ALEN)
		nl_addr2str(addr, value, size);
}

static void format_vlan(struct rtnl_link_vf *vf, char *value, size_t size)
{
	nl_vf_vlans_t *vlans;

	snprintf(value, size, "0");
	if (rtnl_link_vf_get_vlans(vf, &vlans))
		return;
	if (vlans->size > 0)
		snprintf(value, size, "%u", vlans->vlans[0].vf_vlan);
	rtnl_link_vf_vlan_put(vlans);
}

static void format_trust(struct rtnl_link_vf *vf, char *value, size_t size)
{
	uint32_t trust = 0;

	rtnl_link_vf_get_trust(vf, &trust);
	snprintf(value, size, "%u", trust);
}

static int set_mac(struct rtnl_link_vf *vf, const char *value)
{
	struct nl_addr *addr;
	int err;

	err = nl_addr_parse(value, AF_LLC, &addr);
	if (err)
		return err;
	rtnl_link_vf_set_addr(vf, addr);
	nl_addr_put(addr);
	return 0;
}

static int set_vlan(struct rtnl_link_vf *vf, const char *value)
{
	nl_vf_vlans_t *vlans;
	int err;

	err = rtnl_link_vf_vlan_alloc(&vlans, 1);
	if (err)
		return err;
	vlans->vlans[0].vf_vlan = strtoul(value, NULL, 10);
	vlans->vlans[0].vf_vlan_qos = 0;
	vlans->vlans[0].vf_vlan_proto = ETH_P_8021Q;
	rtnl_link_vf_set_vlans(vf, vlans);
	rtnl_link_vf_vlan_put(vlans);
	return 0;
}

static int set_trust(struct rtnl_link_vf *vf, const char *value)
{
	rtnl_link_vf_set_trust(vf, value[0] == '1');
	return 0;
}

static const struct setting {
	const char *name;
	void (*format)(struct rtnl_link_vf *vf, char *value, size_t size);
	int (*set)(struct rtnl_link_vf *vf, const char *value);
} settings[] = {
	{"mac", format_mac, set_mac},
	{"vlan", format_vlan, set_vlan},
	{"trust", format_trust, set_trust},
};

static const struct setting *find_setting(const char *name)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!strcmp(settings[i].name, name))
			return &settings[i];
	bypass_fail(EINVAL, "a VF has no setting '%s'", name);
	return NULL;
}

int vf_link_read(const char *address, unsigned int index, const char *name, char *value,
		 size_t size)
{
	const struct setting *setting = find_setting(name);
	struct rtnl_link_vf *vf;
	struct vf_link pf;
	int err;

	if (!setting)
		return -EINVAL;
	err = vf_link_open(&pf, address);
	if (err)
		return err;
	vf = rtnl_link_vf_get(pf.link, index);
	if (vf) {
		setting->format(vf, value, size);
		rtnl_link_vf_put(vf);
	} else {
		err = bypass_fail(ENODEV, "the driver of %s (%s) tells nothing of its VF %u",
				  pf.interface, address, index);
	}
	vf_link_close(&pf);
	return err;
}

/* A change that names this one VF and this one setting. */
static int change(struct vf_link *pf, unsigned int index, const struct setting *setting,
		  const char *value)
{
	struct rtnl_link *changes = rtnl_link_alloc();
	struct rtnl_link_vf *vf = rtnl_link_vf_alloc();
	int err = -NLE_NOMEM;

	if (!changes || !vf)
		goto out;
	rtnl_link_vf_set_index(vf, index);
	err = setting->set(vf, value);
	if (err)
		goto out;
	err = rtnl_link_vf_add(changes, vf);
	if (!err)
		err = rtnl_link_change(pf->sock, pf->link, changes, 0);
out:
	if (vf)
		rtnl_link_vf_put(vf);
	rtnl_link_put(changes);
	return err;
}

int vf_link_write(const char *address, unsigned int index, const char *name, const char *value)
{
	const struct setting *setting = find_setting(name);
	struct vf_link pf;
	int err;

	if (!setting)
		return -EINVAL;
	err = vf_link_open(&pf, address);
	if (err)
		return err;
	err = change(&pf, index, setting, value);
	if (err)
		err = bypass_fail(EIO,
				  "cannot set %s of VF %u of %s (%s) to %s: %s; 'ip link set %s vf "
				  "%u %s %s' would do the same",
				  name, index, pf.interface, address, value, nl_geterror(err),
				  pf.interface, index, name, value);
	vf_link_close(&pf);
	return err;
}
