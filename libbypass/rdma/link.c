// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ports of HCAs as sysfs shows them: state, GIDs, and the PCI function behind. See Linux
 * Documentation/ABI/stable/sysfs-class-infiniband.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/rdma.h>

#define CLASS	  "/sys/class/infiniband"
#define GID_TABLE 256 /* where to stop looking for GIDs */

static int read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool good;

	text[0] = '\0';
	if (!file)
		return -errno;
	good = fgets(text, size, file);
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	return good ? 0 : -EIO;
}

/* "4: ACTIVE" */
static int read_state(const char *hca, unsigned int port, char *state, size_t size)
{
	char path[256], text[32];
	const char *name;
	int err;

	snprintf(path, sizeof(path), CLASS "/%s/ports/%u/state", hca, port);
	err = read_text(path, text, sizeof(text));
	name = strchr(text, ' ');
	snprintf(state, size, "%.*s", (int)size - 1, name ? name + 1 : text);
	return err;
}

static bool is_zero(const char *gid)
{
	return strspn(gid, "0:") == strlen(gid);
}

static void read_gids(const char *hca, unsigned int port, struct bypass_rdma_link *link)
{
	char path[256], gid[64];

	for (unsigned int i = 0; i < GID_TABLE; i++) {
		snprintf(path, sizeof(path), CLASS "/%s/ports/%u/gids/%u", hca, port, i);
		if (read_text(path, gid, sizeof(gid)) == -ENOENT)
			return;
		if (is_zero(gid))
			continue;
		if (link->gids < sizeof(link->gid) / sizeof(link->gid[0]))
			snprintf(link->gid[link->gids], sizeof(link->gid[0]), "%.39s", gid);
		link->gids++;
	}
}

/* The last part of where a link leads, if it looks like the address of a PCI function. */
static bool read_address(const char *path, char *address, size_t size)
{
	char *real = realpath(path, NULL), *part;
	bool good = false;

	/* A virtio device is a child of its function. */
	for (int i = 0; real && !good && i < 2 && (part = strrchr(real, '/')); i++) {
		good = isxdigit((unsigned char)part[1]) && strchr(part, ':') && strchr(part, '.');
		if (good)
			snprintf(address, size, "%s", part + 1);
		*part = '\0';
	}
	free(real);
	return good;
}

static void read_function(const char *hca, struct bypass_rdma_link *link)
{
	char path[256], netdev[32];

	snprintf(path, sizeof(path), CLASS "/%s/device", hca);
	if (read_address(path, link->function, sizeof(link->function)))
		return;
	/* A software HCA names the network device that it sits on. */
	snprintf(path, sizeof(path), CLASS "/%s/parent", hca);
	if (read_text(path, netdev, sizeof(netdev)))
		return;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", netdev);
	read_address(path, link->function, sizeof(link->function));
}

int bypass_rdma_link(const char *hca, unsigned int port, struct bypass_rdma_link *link)
{
	memset(link, 0, sizeof(*link));
	if (strchr(hca, '/') || read_state(hca, port, link->state, sizeof(link->state)))
		return bypass_fail(ENODEV, "there is no HCA %s with a port %u on this host", hca,
				   port);
	read_gids(hca, port, link);
	read_function(hca, link);
	return 0;
}
