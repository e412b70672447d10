// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the PF of a network adapter enforces on its VFs: MAC address, VLAN and trust; on InfiniBand
 * node GUID, port GUID and link policy. Through rtnetlink on the PF's interface, or through sriov/N/ of
 * the PF where a driver has that.
 * Source: IFLA_VFINFO_LIST of <linux/if_link.h>.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <bypass/error.h>

#include "vf_link.h"

#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

bool vf_link_is_uplink(const char *port_name)
{
	size_t digits = port_name[0] == 'p' ? strspn(port_name + 1, "0123456789") : 0;

	return digits && !port_name[1 + digits];
}

/*
 * In switchdev mode the PF also carries an interface for each VF. The uplink is the one whose port is
 * called "p0"; without switchdev, ports often have no name.
 */
int vf_link_interface(const char *pf, char *interface, size_t size)
{
	char path[320], port_name[HOST_VALUE_SIZE];
	struct dirent *entry;
	bool named = false;
	DIR *dir;

	interface[0] = '\0';
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/net", host_paths.sys, pf);
	dir = opendir(path);
	while (dir && !named && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "net/%.31s/phys_port_name", entry->d_name);
		if (host_read(pf, path, port_name, sizeof(port_name)))
			port_name[0] = '\0';
		named = vf_link_is_uplink(port_name);
		if (named ||
		    (!port_name[0] && (!interface[0] || strcmp(entry->d_name, interface) < 0)))
			snprintf(interface, size, "%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return interface[0] ? 0 : -ENOENT;
}

enum vf_link_kind vf_link_kind(const char *pf)
{
	char interface[32], path[64];
	unsigned int type;

	if (host_has(pf, "sriov/0/node"))
		return VF_LINK_INFINIBAND;
	if (vf_link_interface(pf, interface, sizeof(interface)))
		return VF_LINK_NONE;
	snprintf(path, sizeof(path), "net/%s/type", interface);
	if (host_read_uint(pf, path, &type) || type == ARPHRD_ETHER)
		return VF_LINK_ETHERNET;
	return type == ARPHRD_INFINIBAND ? VF_LINK_INFINIBAND : VF_LINK_NONE;
}

/* The settings as text, and as attributes of IFLA_VF_INFO. */

static void format_mac(struct nlattr *const *info, char *value, size_t size)
{
	static const struct ifla_vf_mac none;
	const struct ifla_vf_mac *mac = info[IFLA_VF_MAC] ? nla_data(info[IFLA_VF_MAC]) : &none;

	snprintf(value, size, "%02x:%02x:%02x:%02x:%02x:%02x", mac->mac[0], mac->mac[1],
		 mac->mac[2], mac->mac[3], mac->mac[4], mac->mac[5]);
}

static void format_vlan(struct nlattr *const *info, char *value, size_t size)
{
	const struct ifla_vf_vlan *vlan = info[IFLA_VF_VLAN] ? nla_data(info[IFLA_VF_VLAN]) : NULL;

	snprintf(value, size, "%u", vlan ? vlan->vlan : 0);
}

static void format_trust(struct nlattr *const *info, char *value, size_t size)
{
	const struct ifla_vf_trust *trust = info[IFLA_VF_TRUST] ? nla_data(info[IFLA_VF_TRUST])
								: NULL;

	/* All ones: the driver knows no trust. */
	snprintf(value, size, "%u", trust && trust->setting != UINT32_MAX ? trust->setting : 0);
}

static void format_guid(struct nlattr *attribute, char *value, size_t size)
{
	struct ifla_vf_guid guid = {0};

	/* An attribute is aligned to 4 bytes, its GUID to 8. */
	if (attribute && nla_len(attribute) >= (int)sizeof(guid))
		memcpy(&guid, nla_data(attribute), sizeof(guid));
	vf_guid_format(guid.guid, value, size);
}

static void format_node(struct nlattr *const *info, char *value, size_t size)
{
	format_guid(info[IFLA_VF_IB_NODE_GUID], value, size);
}

static void format_port(struct nlattr *const *info, char *value, size_t size)
{
	format_guid(info[IFLA_VF_IB_PORT_GUID], value, size);
}

static const char *const policies[] = {
	[IFLA_VF_LINK_STATE_AUTO] = "Follow",
	[IFLA_VF_LINK_STATE_ENABLE] = "Up",
	[IFLA_VF_LINK_STATE_DISABLE] = "Down",
};

static void format_policy(struct nlattr *const *info, char *value, size_t size)
{
	const struct ifla_vf_link_state *state =
		info[IFLA_VF_LINK_STATE] ? nla_data(info[IFLA_VF_LINK_STATE]) : NULL;

	snprintf(value, size, "%s",
		 state && state->link_state <= IFLA_VF_LINK_STATE_DISABLE
			 ? policies[state->link_state]
			 : "Down");
}

static int put_mac(struct nl_msg *message, unsigned int vf, const char *value)
{
	struct ifla_vf_mac mac = {.vf = vf};

	sscanf(value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac.mac[0], &mac.mac[1], &mac.mac[2],
	       &mac.mac[3], &mac.mac[4], &mac.mac[5]);
	return nla_put(message, IFLA_VF_MAC, sizeof(mac), &mac);
}

static int put_vlan(struct nl_msg *message, unsigned int vf, const char *value)
{
	struct ifla_vf_vlan vlan = {.vf = vf, .vlan = strtoul(value, NULL, 10)};

	return nla_put(message, IFLA_VF_VLAN, sizeof(vlan), &vlan);
}

static int put_trust(struct nl_msg *message, unsigned int vf, const char *value)
{
	struct ifla_vf_trust trust = {.vf = vf, .setting = value[0] == '1'};

	return nla_put(message, IFLA_VF_TRUST, sizeof(trust), &trust);
}

static int put_guid(struct nl_msg *message, int type, unsigned int vf, const char *value)
{
	struct ifla_vf_guid guid = {.vf = vf};
	uint64_t number;

	if (!vf_guid_parse(value, &number))
		return -NLE_INVAL;
	guid.guid = number;
	return nla_put(message, type, sizeof(guid), &guid);
}

static int put_node(struct nl_msg *message, unsigned int vf, const char *value)
{
	return put_guid(message, IFLA_VF_IB_NODE_GUID, vf, value);
}

static int put_port(struct nl_msg *message, unsigned int vf, const char *value)
{
	return put_guid(message, IFLA_VF_IB_PORT_GUID, vf, value);
}

static int put_policy(struct nl_msg *message, unsigned int vf, const char *value)
{
	struct ifla_vf_link_state state = {.vf = vf};

	while (state.link_state < IFLA_VF_LINK_STATE_DISABLE &&
	       strcmp(policies[state.link_state], value))
		state.link_state++;
	return nla_put(message, IFLA_VF_LINK_STATE, sizeof(state), &state);
}

static const struct setting {
	const char *name;
	bool sysfs; /* drivers may have it as sriov/N/@name of the PF */
	void (*format)(struct nlattr *const *info, char *value, size_t size);
	int (*put)(struct nl_msg *message, unsigned int vf, const char *value);
} settings[] = {
	{"mac", false, format_mac, put_mac},	   {"vlan", false, format_vlan, put_vlan},
	{"trust", false, format_trust, put_trust}, {"node", true, format_node, put_node},
	{"port", true, format_port, put_port},	   {"policy", true, format_policy, put_policy},
};

static const struct setting *find_setting(const char *name)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!strcmp(settings[i].name, name))
			return &settings[i];
	bypass_fail(EINVAL, "a VF has no setting '%s'", name);
	return NULL;
}

bool vf_guid_parse(const char *text, uint64_t *guid)
{
	unsigned int byte[8];
	int end = -1;

	if (strspn(text, "0123456789abcdefABCDEF:") != strlen(text))
		return false;
	sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
	       &byte[4], &byte[5], &byte[6], &byte[7], &end);
	if (end < 0 || text[end])
		return false;
	*guid = 0;
	for (int i = 0; i < 8; i++)
		*guid = *guid << 8 | byte[i];
	return true;
}

void vf_guid_format(uint64_t guid, char *text, size_t size)
{
	size_t length = 0;

	for (int shift = 56; shift >= 0 && length < size; shift -= 8)
		length += snprintf(text + length, size - length, "%02x%s",
				   (unsigned int)(guid >> shift & 0xff), shift ? ":" : "");
}

struct nl_msg *vf_link_query(int interface)
{
	struct ifinfomsg header = {.ifi_index = interface};
	struct nl_msg *message = nlmsg_alloc_simple(RTM_GETLINK, 0);

	/* Statistics would take the room of a third of the VFs. */
	if (message && !nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) &&
	    !nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS))
		return message;
	nlmsg_free(message);
	return NULL;
}

struct nl_msg *vf_link_change(int interface, unsigned int vf, const char *name, const char *value)
{
	struct ifinfomsg header = {.ifi_index = interface};
	const struct setting *setting = find_setting(name);
	struct nl_msg *message = nlmsg_alloc_simple(RTM_SETLINK, 0);
	struct nlattr *list, *info;

	if (!setting || !message || nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO))
		goto fail;
	list = nla_nest_start(message, IFLA_VFINFO_LIST);
	info = list ? nla_nest_start(message, IFLA_VF_INFO) : NULL;
	if (!info || setting->put(message, vf, value))
		goto fail;
	nla_nest_end(message, info);
	nla_nest_end(message, list);
	return message;
fail:
	nlmsg_free(message);
	return NULL;
}

bool vf_link_find(struct nlmsghdr *answer, unsigned int vf, const char *name, char *value,
		  size_t size)
{
	struct nlattr *link[IFLA_MAX + 1], *info[IFLA_VF_MAX + 1], *each;
	const struct setting *setting = find_setting(name);
	int left;

	if (!setting || nlmsg_parse(answer, sizeof(struct ifinfomsg), link, IFLA_MAX, NULL) < 0 ||
	    !link[IFLA_VFINFO_LIST])
		return false;
	nla_for_each_nested(each, link[IFLA_VFINFO_LIST], left)
	{
		const struct ifla_vf_mac *mac;

		if (nla_parse_nested(info, IFLA_VF_MAX, each, NULL) < 0 || !info[IFLA_VF_MAC])
			continue;
		mac = nla_data(info[IFLA_VF_MAC]); /* each setting begins with the VF's number */
		if (mac->vf != vf)
			continue;
		setting->format(info, value, size);
		return true;
	}
	return false;
}

struct vf_link {
	const char *pf;
	char attribute[64];   /* of the PF in sysfs */
	char interface[32];   /* of the PF */
	struct nl_sock *sock; /* NULL: @attribute has the setting */
};

static int query_failed(const struct vf_link *link, int err)
{
	return bypass_fail(EIO, "cannot ask for the VFs of %s (%s): %s", link->interface, link->pf,
			   nl_geterror(err));
}

/* The way to one setting of a VF. */
static int vf_link_open(const char *pf, unsigned int vf, const char *name, struct vf_link *link)
{
	const struct setting *setting = find_setting(name);
	int err;

	*link = (struct vf_link){.pf = pf};
	if (!setting)
		return -EINVAL;
	snprintf(link->attribute, sizeof(link->attribute), "sriov/%u/%s", vf, setting->name);
	if (setting->sysfs && host_has(pf, link->attribute))
		return 0;
	if (vf_link_interface(pf, link->interface, sizeof(link->interface)))
		return bypass_fail(ENODEV,
				   "%s has no network interface, through which its VFs get their "
				   "settings: is it a network adapter, and its driver loaded?",
				   pf);
	link->sock = nl_socket_alloc();
	if (!link->sock)
		return bypass_fail(ENOMEM, "no memory for a netlink socket");
	err = nl_connect(link->sock, NETLINK_ROUTE);
	if (!err)
		return 0;
	nl_socket_free(link->sock);
	return query_failed(link, err);
}

struct question {
	unsigned int vf;
	const char *setting;
	char *value;
	size_t size;
	bool answered;
};

static int take_answer(struct nl_msg *message, void *opaque)
{
	struct question *question = opaque;

	question->answered = vf_link_find(nlmsg_hdr(message), question->vf, question->setting,
					  question->value, question->size);
	return NL_OK;
}

int vf_link_read(const char *pf, unsigned int vf, const char *name, char *value, size_t size)
{
	struct question question = {.vf = vf, .setting = name, .value = value, .size = size};
	struct nl_msg *message;
	struct vf_link link;
	int err;

	err = vf_link_open(pf, vf, name, &link);
	if (err)
		return err;
	if (!link.sock)
		return host_read(pf, link.attribute, value, size);
	nl_socket_modify_cb(link.sock, NL_CB_VALID, NL_CB_CUSTOM, take_answer, &question);
	message = vf_link_query(if_nametoindex(link.interface));
	err = message ? nl_send_auto(link.sock, message) : -NLE_NOMEM;
	if (err >= 0)
		err = nl_recvmsgs_default(link.sock);
	nlmsg_free(message);
	nl_socket_free(link.sock);
	if (err < 0)
		return query_failed(&link, err);
	if (question.answered)
		return 0;
	return bypass_fail(ENODEV,
			   "the kernel tells nothing of VF %u of %s (%s): the PF's driver does "
			   "not, or the VFs are too many for one answer, which has room for about "
			   "300",
			   vf, link.interface, pf);
}

int vf_link_write(const char *pf, unsigned int vf, const char *name, const char *value)
{
	struct nl_msg *message;
	struct vf_link link;
	int err;

	err = vf_link_open(pf, vf, name, &link);
	if (err)
		return err;
	if (!link.sock)
		return host_write(pf, link.attribute, value);
	message = vf_link_change(if_nametoindex(link.interface), vf, name, value);
	err = message ? nl_send_sync(link.sock, message) : -NLE_NOMEM; /* frees it */
	nl_socket_free(link.sock);
	if (err < 0)
		return bypass_fail(EIO, "cannot set %s of VF %u of %s (%s) to %s: %s", name, vf,
				   link.interface, pf, value, nl_geterror(err));
	return 0;
}
