// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Makes an interface a port of an Open vSwitch datapath, as ovs-vswitchd does, or deletes the
 * datapath: ovs_port add INTERFACE | ovs_port delete.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <linux/genetlink.h>
#include <linux/openvswitch.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "fail.h"

#define DATAPATH "ovs9"

static struct nl_sock *sock;

static struct nl_msg *request(int family, int command, int version)
{
	struct nl_msg *msg = nlmsg_alloc_simple(family, NLM_F_REQUEST | NLM_F_ACK);
	struct genlmsghdr header = {.cmd = command, .version = version};

	nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO);
	return msg;
}

static struct nl_msg *ovs_request(int family, int command, int version, int datapath)
{
	struct nl_msg *msg = request(family, command, version);
	struct ovs_header header = {.dp_ifindex = datapath};

	nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO);
	return msg;
}

static void send_request(struct nl_msg *msg, const char *what)
{
	int err = nl_send_auto(sock, msg);

	nlmsg_free(msg);
	if (err >= 0)
		err = nl_wait_for_ack(sock);
	if (err < 0)
		fail("cannot %s: %s", what, nl_geterror(err));
}

static int got_family(struct nl_msg *msg, void *opaque)
{
	struct nlattr *attrs[CTRL_ATTR_MAX + 1];

	if (!nlmsg_parse(nlmsg_hdr(msg), GENL_HDRLEN, attrs, CTRL_ATTR_MAX, NULL) &&
	    attrs[CTRL_ATTR_FAMILY_ID])
		*(int *)opaque = nla_get_u16(attrs[CTRL_ATTR_FAMILY_ID]);
	return NL_OK;
}

static int find_family(const char *name)
{
	struct nl_msg *msg = request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	int family = 0;

	nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, name);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, got_family, &family);
	send_request(msg, "find Open vSwitch in the kernel");
	/* Answers to later requests are no families, and &family ends with this function. */
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	return family;
}

int main(int argc, char **argv)
{
	struct nl_msg *msg;

	sock = nl_socket_alloc();
	if (!sock || nl_connect(sock, NETLINK_GENERIC))
		fail("no netlink socket");
	if (argc == 2 && !strcmp(argv[1], "delete")) {
		msg = ovs_request(find_family(OVS_DATAPATH_FAMILY), OVS_DP_CMD_DEL,
				  OVS_DATAPATH_VERSION, if_nametoindex(DATAPATH));
		send_request(msg, "delete the datapath");
		return 0;
	}
	if (argc != 3 || strcmp(argv[1], "add"))
		fail("usage: ovs_port add INTERFACE | ovs_port delete");
	msg = ovs_request(find_family(OVS_DATAPATH_FAMILY), OVS_DP_CMD_NEW, OVS_DATAPATH_VERSION,
			  0);
	nla_put_string(msg, OVS_DP_ATTR_NAME, DATAPATH);
	nla_put_u32(msg, OVS_DP_ATTR_UPCALL_PID, 0);
	send_request(msg, "make a datapath");
	msg = ovs_request(find_family(OVS_VPORT_FAMILY), OVS_VPORT_CMD_NEW, OVS_VPORT_VERSION,
			  if_nametoindex(DATAPATH));
	nla_put_u32(msg, OVS_VPORT_ATTR_TYPE, OVS_VPORT_TYPE_NETDEV);
	nla_put_string(msg, OVS_VPORT_ATTR_NAME, argv[2]);
	nla_put_u32(msg, OVS_VPORT_ATTR_UPCALL_PID, 0);
	send_request(msg, "make a port");
	return 0;
}
