// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * NVMe VFs are born without queues and interrupts, and offline. Their PF, the primary
 * controller, deals out what it has of both by the Virtualization Management command.
 * NVM Express Base Specification 2.0: 5.28 (the command), 8.26 (virtualization enhancements),
 * figures 283 and 284 (what Identify tells of primary and secondary controllers).
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/nvme_ioctl.h>
#include <sys/ioctl.h>

#include <bypass/error.h>

#include "internal.h"

#define NVME_ADMIN_IDENTIFY  0x06
#define NVME_ADMIN_VIRT_MGMT 0x1c

#define NVME_IDENTIFY_PRIMARY	0x14 /* primary controller capabilities */
#define NVME_IDENTIFY_SECONDARY 0x15 /* secondary controller list */
#define NVME_IDENTIFY_SIZE	4096

/* Virtualization Management, command dword 10: ACT, RT, CNTLID */
#define NVME_ACT_OFFLINE 0x7
#define NVME_ACT_ASSIGN	 0x8
#define NVME_ACT_ONLINE	 0x9
#define NVME_RT_QUEUES	 0x0
#define NVME_RT_VECTORS	 0x1

/* A controller needs its admin queue and one for I/O. */
#define NVME_MIN_QUEUES	 2
#define NVME_MIN_VECTORS 1

/* Flexible resources of one kind, of the primary controller. */
struct nvme_pool {
	__le32 total;	  /* VQFRT, VIFRT */
	__le32 assigned;  /* VQRFA, VIRFA: to secondary controllers */
	__le16 allocated; /* VQRFAP, VIRFAP: to the primary controller */
	__le16 private;	  /* VQPRT, VIPRT */
	__le16 maximum;	  /* VQFRSM, VIFRSM: of one secondary controller */
	__le16 granule;	  /* VQGRAN, VIGRAN */
	__u8 reserved[16];
};

struct nvme_primary {
	__le16 controller;
	__le16 port;
	__u8 types;
	__u8 reserved[27];
	struct nvme_pool queues;
	struct nvme_pool vectors;
};
_Static_assert(sizeof(struct nvme_primary) == 96, "layout of Identify CNS 14h");

struct nvme_secondary {
	__le16 controller;
	__le16 primary;
	__u8 state; /* bit 0: online */
	__u8 reserved[3];
	__le16 vf; /* from 1 */
	__le16 queues;
	__le16 vectors;
	__u8 reserved2[18];
};
_Static_assert(sizeof(struct nvme_secondary) == 32, "layout of an entry of Identify CNS 15h");

struct nvme_secondary_list {
	__u8 count;
	__u8 reserved[31];
	struct nvme_secondary entry[127];
};
_Static_assert(sizeof(struct nvme_secondary_list) == NVME_IDENTIFY_SIZE, "layout of Identify CNS "
									 "15h");

static int nvme_open(const char *pf)
{
	char controller[32], path[128];
	int fd;

	if (host_child(pf, "nvme", controller, sizeof(controller)))
		return bypass_fail(ENODEV,
				   "%s has no NVMe controller device: its driver nvme must be "
				   "bound to it, and the controller live",
				   pf);
	snprintf(path, sizeof(path), "%s/%s", host_paths.dev, controller);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return bypass_fail(errno, "cannot open %s, the controller of %s: %s", path, pf,
				   strerror(errno));
	return fd;
}

/* Runs one admin command; a status that the controller gives back becomes EIO. */
static int nvme_admin(int fd, const char *pf, const char *what, struct nvme_admin_cmd *command)
{
	int status = ioctl(fd, NVME_IOCTL_ADMIN_CMD, command);

	if (status < 0)
		return bypass_fail(errno, "cannot %s on the NVMe controller %s: %s", what, pf,
				   strerror(errno));
	if (status > 0)
		return bypass_fail(EIO,
				   "the NVMe controller %s refused to %s: status type %d, code "
				   "%#04x",
				   pf, what, status >> 8 & 7, status & 0xff);
	return 0;
}

static int nvme_identify(int fd, const char *pf, unsigned int cns, unsigned int from, void *data)
{
	struct nvme_admin_cmd command = {
		.opcode = NVME_ADMIN_IDENTIFY,
		.addr = (uintptr_t)data,
		.data_len = NVME_IDENTIFY_SIZE,
		.cdw10 = cns | from << 16,
	};

	return nvme_admin(fd, pf,
			  cns == NVME_IDENTIFY_PRIMARY ? "identify resources for VFs"
						       : "list secondary controllers",
			  &command);
}

/* Finds the entry for which @match says yes. */
static int find_secondary(int fd, const char *pf, struct nvme_secondary *found,
			  bool (*match)(const struct nvme_secondary *entry, unsigned int id),
			  unsigned int id)
{
	struct nvme_secondary_list *list = malloc(sizeof(*list));
	unsigned int from = 0;
	int err;

	if (!list)
		return bypass_fail(ENOMEM, "no memory for a list of NVMe controllers");
	do {
		err = nvme_identify(fd, pf, NVME_IDENTIFY_SECONDARY, from, list);
		if (err)
			break;
		err = -ENODEV;
		for (unsigned int i = 0; i < list->count && i < 127; i++) {
			if (!match(&list->entry[i], id)) {
				from = le16toh(list->entry[i].controller) + 1;
				continue;
			}
			*found = list->entry[i];
			err = 0;
			break;
		}
	} while (err && list->count >= 127 && from <= 0xffff);
	free(list);
	return err;
}

static bool is_vf(const struct nvme_secondary *entry, unsigned int vf)
{
	return le16toh(entry->vf) == vf + 1;
}

static bool is_controller(const struct nvme_secondary *entry, unsigned int id)
{
	return le16toh(entry->controller) == id;
}

int nvme_vf_controller(const char *pf, unsigned int vf, unsigned int *controller)
{
	struct nvme_secondary entry;
	int fd, err;

	fd = nvme_open(pf);
	if (fd < 0)
		return fd;
	err = find_secondary(fd, pf, &entry, is_vf, vf);
	close(fd);
	if (err == -ENODEV)
		return bypass_fail(ENODEV,
				   "the NVMe controller %s knows no secondary controller for VF %u",
				   pf, vf);
	if (!err)
		*controller = le16toh(entry.controller);
	return err;
}

/* An equal share of what nobody has, as far as one controller may have it. */
static int share(const char *pf, const char *what, const struct nvme_pool *pool, unsigned int vfs,
		 unsigned int minimum, unsigned int *each)
{
	unsigned int total = le32toh(pool->total);
	unsigned int taken = le32toh(pool->assigned) + le16toh(pool->allocated);
	unsigned int left = taken < total ? total - taken : 0;
	unsigned int granule = le16toh(pool->granule);

	*each = left / vfs;
	if (*each > le16toh(pool->maximum))
		*each = le16toh(pool->maximum);
	if (granule > 1)
		*each -= *each % granule;
	if (*each >= minimum)
		return 0;
	return bypass_fail(ENOSPC,
			   "the NVMe controller %s has too few %s for %u VFs: of %u that it can "
			   "deal out, its VFs have %u and it keeps %u; each VF needs %u and may "
			   "have %u. Carve fewer VFs%s",
			   pf, what, vfs, total, le32toh(pool->assigned), le16toh(pool->allocated),
			   minimum, le16toh(pool->maximum),
			   le16toh(pool->allocated) ? ", or have the controller keep fewer ('nvme "
						      "virt-mgmt' with action 1, then a controller "
						      "reset)"
						    : "");
}

int nvme_vf_share(const char *pf, unsigned int vfs, unsigned int *queues, unsigned int *vectors)
{
	union {
		struct nvme_primary primary;
		uint8_t data[NVME_IDENTIFY_SIZE];
	} identify;
	int fd, err;

	fd = nvme_open(pf);
	if (fd < 0)
		return fd;
	err = nvme_identify(fd, pf, NVME_IDENTIFY_PRIMARY, 0, &identify);
	close(fd);
	if (!err)
		err = share(pf, "queues", &identify.primary.queues, vfs, NVME_MIN_QUEUES, queues);
	if (!err)
		err = share(pf, "interrupts", &identify.primary.vectors, vfs, NVME_MIN_VECTORS,
			    vectors);
	return err;
}

int nvme_vf_read(const char *pf, unsigned int controller, const char *setting, char *value,
		 size_t size)
{
	struct nvme_secondary entry;
	int fd, err;

	fd = nvme_open(pf);
	if (fd < 0)
		return fd;
	err = find_secondary(fd, pf, &entry, is_controller, controller);
	close(fd);
	if (err == -ENODEV)
		return bypass_fail(ENODEV, "the NVMe controller %s has no secondary controller %u",
				   pf, controller);
	if (err)
		return err;
	if (!strcmp(setting, "queues"))
		snprintf(value, size, "%u", le16toh(entry.queues));
	else if (!strcmp(setting, "vectors"))
		snprintf(value, size, "%u", le16toh(entry.vectors));
	else
		snprintf(value, size, "%s", entry.state & 1 ? "online" : "offline");
	return 0;
}

int nvme_vf_write(const char *pf, unsigned int controller, const char *setting, const char *value)
{
	unsigned int action, type = NVME_RT_QUEUES, amount = 0;
	struct nvme_admin_cmd command = {.opcode = NVME_ADMIN_VIRT_MGMT};
	char what[128];
	int fd, err;

	if (!strcmp(setting, "state")) {
		action = !strcmp(value, "online") ? NVME_ACT_ONLINE : NVME_ACT_OFFLINE;
	} else {
		action = NVME_ACT_ASSIGN;
		type = !strcmp(setting, "queues") ? NVME_RT_QUEUES : NVME_RT_VECTORS;
		amount = strtoul(value, NULL, 10);
	}
	command.cdw10 = action | type << 8 | controller << 16;
	command.cdw11 = amount;
	snprintf(what, sizeof(what), "set %s of secondary controller %u to %s", setting, controller,
		 value);
	fd = nvme_open(pf);
	if (fd < 0)
		return fd;
	err = nvme_admin(fd, pf, what, &command);
	close(fd);
	return err;
}
