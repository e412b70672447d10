// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * HCAs in software: an rxe is made and removed through the kernel's RDMA netlink
 * (rdma/rdma_netlink.h). And who uses an HCA.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <rdma/rdma_netlink.h>

#include <bypass/error.h>

#include "netdev.h"

#define LINK_TYPE "rxe"

int rdma_link_read(const char *name, char *value, size_t size)
{
	char path[256], parent[64];
	int length;

	value[0] = '\0';
	snprintf(path, sizeof(path), "%s/class/infiniband/%s", host_paths.sys, name);
	if (access(path, F_OK))
		return 0;
	/* Of all HCAs, an rxe alone has this attribute. */
	snprintf(path, sizeof(path), "%s/class/infiniband/%s/parent", host_paths.sys, name);
	length = host_file(path, parent, sizeof(parent));
	parent[strcspn(parent, "\n")] = '\0';
	if (length > 0)
		snprintf(value, size, LINK_TYPE " on %s", parent);
	else
		snprintf(value, size, "another HCA");
	return 0;
}

static struct nl_msg *new_message(int command, int flags)
{
	return nlmsg_alloc_simple(RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command), flags);
}

static struct nl_sock *open_netlink(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (sock && !nl_connect(sock, NETLINK_RDMA))
		return sock;
	if (sock)
		nl_socket_free(sock);
	bypass_fail(EIO, "the kernel's RDMA netlink does not answer: is ib_core loaded?");
	return NULL;
}

struct search {
	const char *name;
	uint32_t index;
	bool found;
};

static int compare_name(struct nl_msg *message, void *opaque)
{
	struct nlattr *attributes[RDMA_NLDEV_ATTR_MAX] = {NULL};
	struct search *search = opaque;

	if (nlmsg_parse(nlmsg_hdr(message), 0, attributes, RDMA_NLDEV_ATTR_MAX - 1, NULL) ||
	    !attributes[RDMA_NLDEV_ATTR_DEV_NAME] || !attributes[RDMA_NLDEV_ATTR_DEV_INDEX] ||
	    strcmp(nla_get_string(attributes[RDMA_NLDEV_ATTR_DEV_NAME]), search->name))
		return NL_OK;
	search->index = nla_get_u32(attributes[RDMA_NLDEV_ATTR_DEV_INDEX]);
	search->found = true;
	return NL_OK;
}

/* The kernel removes an HCA by its number, and numbers are listed alone. */
static int find_index(struct nl_sock *sock, struct search *search)
{
	struct nl_msg *message = new_message(RDMA_NLDEV_CMD_GET, NLM_F_DUMP);
	int err = message ? nl_send_auto(sock, message) : -NLE_NOMEM;

	nlmsg_free(message);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, compare_name, search);
	if (err >= 0)
		err = nl_recvmsgs_default(sock);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	return err < 0 ? err : 0;
}

static int remove_rxe(struct nl_sock *sock, const char *name)
{
	struct search search = {.name = name};
	struct nl_msg *message;
	int err = find_index(sock, &search);

	if (err || !search.found)
		return err;
	message = new_message(RDMA_NLDEV_CMD_DELLINK, 0);
	err = message ? nla_put_u32(message, RDMA_NLDEV_ATTR_DEV_INDEX, search.index) : -NLE_NOMEM;
	if (!err)
		err = nl_send_auto(sock, message);
	nlmsg_free(message);
	return err < 0 ? err : nl_wait_for_ack(sock);
}

static int make_rxe(struct nl_sock *sock, const char *name, const char *netdev)
{
	struct nl_msg *message = new_message(RDMA_NLDEV_CMD_NEWLINK, 0);
	int err = message ? nla_put_string(message, RDMA_NLDEV_ATTR_DEV_NAME, name) : -NLE_NOMEM;

	if (!err)
		err = nla_put_string(message, RDMA_NLDEV_ATTR_LINK_TYPE, LINK_TYPE);
	if (!err)
		err = nla_put_string(message, RDMA_NLDEV_ATTR_NDEV_NAME, netdev);
	if (!err)
		err = nl_send_auto(sock, message);
	nlmsg_free(message);
	return err < 0 ? err : nl_wait_for_ack(sock);
}

int rdma_link_write(const char *name, const char *value)
{
	struct nl_sock *sock = open_netlink();
	char netdev[16];
	int err;

	if (!sock)
		return -EIO;
	if (!value[0])
		err = remove_rxe(sock, name);
	else if (sscanf(value, LINK_TYPE " on %15s", netdev) == 1)
		err = make_rxe(sock, name, netdev);
	else
		err = -NLE_INVAL;
	nl_socket_free(sock);
	if (!err)
		return 0;
	return bypass_fail(err == -NLE_PERM ? EPERM : EIO,
			   value[0] ? "the kernel makes no rxe %s: %s. 'dmesg' may say more; rxe "
				      "needs the module crc32_generic too"
				    : "the kernel does not remove the rxe %s: %s",
			   name, nl_geterror(err));
}

void rdma_link_adapter(const char *netdev, char *hca, size_t size)
{
	char path[512];
	struct dirent *entry;
	DIR *dir;

	hca[0] = '\0';
	snprintf(path, sizeof(path), "%s/class/infiniband", host_paths.sys);
	dir = opendir(path);
	while (dir && !hca[0] && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/class/infiniband/%s/device/net/%s", host_paths.sys,
			 entry->d_name, netdev);
		if (!access(path, F_OK))
			snprintf(hca, size, "%.63s", entry->d_name);
	}
	if (dir)
		closedir(dir);
}

void rdma_link_above(const char *netdev, char *hca, size_t size)
{
	char path[256], link[64], wanted[64];
	struct dirent *entry;
	DIR *dir;

	hca[0] = '\0';
	snprintf(wanted, sizeof(wanted), LINK_TYPE " on %s", netdev);
	snprintf(path, sizeof(path), "%s/class/infiniband", host_paths.sys);
	dir = opendir(path);
	while (dir && !hca[0] && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !rdma_link_read(entry->d_name, link, sizeof(link)) &&
		    !strcmp(link, wanted))
			snprintf(hca, size, "%.63s", entry->d_name);
	if (dir)
		closedir(dir);
}

static bool is_node(const char *link, const void *opaque)
{
	char target[256];
	ssize_t size = readlink(link, target, sizeof(target) - 1);

	if (size <= 0)
		return false;
	target[size] = '\0';
	return !strcmp(target, opaque);
}

int rdma_link_holder(const char *name, struct bypass_holder *holder)
{
	char path[512], hca[64], node[320] = "";
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/class/infiniband_verbs", host_paths.sys);
	dir = opendir(path);
	while (dir && !node[0] && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/class/infiniband_verbs/%s/ibdev", host_paths.sys,
			 entry->d_name);
		if (entry->d_name[0] == '.' || host_file(path, hca, sizeof(hca)) <= 0)
			continue;
		hca[strcspn(hca, "\n")] = '\0';
		if (!strcmp(hca, name))
			snprintf(node, sizeof(node), "%s/infiniband/%s", host_paths.dev,
				 entry->d_name);
	}
	if (dir)
		closedir(dir);
	return node[0] ? holder_find(is_node, node, holder) : 0;
}
