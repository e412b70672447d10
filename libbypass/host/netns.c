// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The network namespaces of this host, and netlink sockets in them.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <netlink/netlink.h>

#include <bypass/error.h>

#include "internal.h"

#define OWN_NETNS   "/proc/thread-self/ns/net"
#define NAMED_NETNS "/run/netns" /* where ip-netns(8) binds them */

static bool is_known(const struct netns *list, size_t count, const struct stat *st)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].inode == st->st_ino && list[i].device == st->st_dev)
			return true;
	return false;
}

/* Adds the namespace at @path. A namespace that is gone or out of reach is left out. */
static int add(struct netns **list, size_t *count, const char *path, const char *name)
{
	struct netns *more;
	struct stat st;
	int fd;

	if (stat(path, &st) || is_known(*list, *count, &st))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		return bypass_fail(errno, "cannot look into all network namespaces: too few "
					  "descriptors. "
					  "Raise the limit with 'ulimit -n'");
	if (fd < 0)
		return 0;
	more = realloc(*list, (*count + 1) * sizeof(*more));
	if (!more) {
		close(fd);
		return bypass_fail(ENOMEM, "no memory for a list of network namespaces");
	}
	*list = more;
	more += (*count)++;
	*more = (struct netns){.device = st.st_dev, .inode = st.st_ino, .fd = fd};
	snprintf(more->name, sizeof(more->name), "%s", name);
	return 0;
}

static int add_named(struct netns **list, size_t *count)
{
	char path[300], name[300];
	struct dirent *entry;
	int err = 0;
	DIR *dir = opendir(NAMED_NETNS);

	while (dir && !err && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), NAMED_NETNS "/%s", entry->d_name);
		snprintf(name, sizeof(name), "%s", entry->d_name);
		if (entry->d_name[0] != '.')
			err = add(list, count, path, name);
	}
	if (dir)
		closedir(dir);
	return err;
}

static int add_of_processes(struct netns **list, size_t *count)
{
	char path[300], name[320], process[BYPASS_PROCESS_NAME_SIZE];
	struct dirent *entry;
	int err = 0;
	DIR *dir = opendir(host_paths.proc);

	while (dir && !err && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%s/%s/ns/net", host_paths.proc, entry->d_name);
		bypass_process_name(atoi(entry->d_name), process);
		snprintf(name, sizeof(name), "of process %.16s (%s)", entry->d_name, process);
		err = add(list, count, path, name);
	}
	if (dir)
		closedir(dir);
	return err;
}

void netns_free(struct netns *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(list[i].fd);
	free(list);
}

int netns_list(struct netns **result)
{
	struct netns *list = NULL;
	size_t count = 0;
	int err;

	err = add(&list, &count, OWN_NETNS, "");
	if (!err && !count)
		err = bypass_fail(EIO, "cannot open %s", OWN_NETNS);
	if (!err)
		err = add_named(&list, &count);
	if (!err)
		err = add_of_processes(&list, &count);
	if (err) {
		netns_free(list, count);
		return err;
	}
	*result = list;
	return count;
}

/* A socket stays in the namespace in which it was made; the thread goes there and back for it. */
struct nl_sock *netns_socket(const struct netns *own, const struct netns *where)
{
	struct nl_sock *sock;
	int err;

	if (where != own && setns(where->fd, CLONE_NEWNET))
		return NULL;
	sock = nl_socket_alloc();
	err = sock ? nl_connect(sock, NETLINK_ROUTE) : 0;
	if (where != own && setns(own->fd, CLONE_NEWNET))
		err = -1; /* who may leave a namespace that it has open may also come back */
	if (!err)
		return sock;
	nl_socket_free(sock);
	return NULL;
}
