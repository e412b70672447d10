// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ovs_port add BRIDGE INTERFACE | ovs_port delete BRIDGE: a datapath of the kernel's Open vSwitch with
 * an interface as its port, without the programs of Open vSwitch.
 */
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <linux/genetlink.h>
#include <linux/openvswitch.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#define NOBODY 0 /* takes the packets for which the datapath has no flow */

static struct nl_sock *sock;

static int take_family(struct nl_msg *msg, void *family)
{
	struct nlattr *id = nlmsg_find_attr(nlmsg_hdr(msg), GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);

	if (id)
		*(uint16_t *)family = nla_get_u16(id);
	return NL_OK;
}

static struct nl_msg *request(uint16_t family, uint8_t command, uint8_t version, int flags)
{
	struct genlmsghdr header = {.cmd = command, .version = version};
	struct nl_msg *msg = nlmsg_alloc_simple(family, NLM_F_REQUEST | flags);

	nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO);
	return msg;
}

/* Sends @msg, and waits for one answer: what was asked for, or the acknowledgement. */
static int ask(struct nl_msg *msg, const char *what)
{
	int err = nl_send_auto(sock, msg);

	nlmsg_free(msg);
	if (err >= 0)
		err = nl_recvmsgs_default(sock);
	if (err < 0)
		fprintf(stderr, "ovs_port: %s: %s\n", what, nl_geterror(err));
	return err < 0 ? err : 0;
}

static uint16_t family_of(const char *name)
{
	struct nl_msg *msg = request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
	uint16_t family = 0;

	nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, name);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, take_family, &family);
	return ask(msg, name) ? 0 : family;
}

static int datapath(const char *bridge, uint8_t command)
{
	struct nl_msg *msg =
		request(family_of(OVS_DATAPATH_FAMILY), command, OVS_DATAPATH_VERSION, NLM_F_ACK);

	nlmsg_append(msg, &(struct ovs_header){0}, sizeof(struct ovs_header), NLMSG_ALIGNTO);
	nla_put_string(msg, OVS_DP_ATTR_NAME, bridge);
	if (command == OVS_DP_CMD_NEW)
		nla_put_u32(msg, OVS_DP_ATTR_UPCALL_PID, NOBODY);
	return ask(msg, bridge);
}

static int port(const char *bridge, const char *interface)
{
	struct ovs_header header = {.dp_ifindex = if_nametoindex(bridge)};
	struct nl_msg *msg = request(family_of(OVS_VPORT_FAMILY), OVS_VPORT_CMD_NEW,
				     OVS_VPORT_VERSION, NLM_F_ACK);

	nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO);
	nla_put_string(msg, OVS_VPORT_ATTR_NAME, interface);
	nla_put_u32(msg, OVS_VPORT_ATTR_TYPE, OVS_VPORT_TYPE_NETDEV);
	nla_put_u32(msg, OVS_VPORT_ATTR_UPCALL_PID, NOBODY);
	return ask(msg, interface);
}

int main(int argc, char **argv)
{
	int err;

	sock = nl_socket_alloc();
	if (!sock || nl_connect(sock, NETLINK_GENERIC))
		return 1;
	nl_socket_disable_auto_ack(sock);
	if (argc == 4 && !strcmp(argv[1], "add"))
		err = datapath(argv[2], OVS_DP_CMD_NEW) || port(argv[2], argv[3]);
	else
		err = argc != 3 || strcmp(argv[1], "delete") || datapath(argv[2], OVS_DP_CMD_DEL);
	nl_socket_free(sock);
	return err != 0;
}
