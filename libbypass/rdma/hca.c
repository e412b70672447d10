// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * HCAs: finding and opening an HCA, and the state of the HCA's ports. No other file needs
 * libibverbs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

/* Bits of PortInfo's capability mask for services that a guest has no way to reach. */
#define PORT_CAP_SM	      (1u << 1)
#define PORT_CAP_CM	      (1u << 16)
#define PORT_CAP_SNMP_TUNNEL  (1u << 17)
#define PORT_CAP_DEVICE_MGMT  (1u << 19)
#define PORT_CAP_VENDOR_CLASS (1u << 20)
#define PORT_CAP_UNREACHABLE                                                                       \
	(PORT_CAP_SM | PORT_CAP_CM | PORT_CAP_SNMP_TUNNEL | PORT_CAP_DEVICE_MGMT |                 \
	 PORT_CAP_VENDOR_CLASS)

static void copy_string(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* One line of a sysfs file, or an empty string. */
static void read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");

	line[0] = '\0';
	if (!f)
		return;
	if (fgets(line, size, f))
		line[strcspn(line, "\n")] = '\0';
	fclose(f);
}

/* The network device that the first GIDs of port 1 stand for. */
static void find_netdev(struct ibv_device *device, char *name, size_t size)
{
	char path[IBV_SYSFS_PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/ports/1/gid_attrs/ndevs/0", device->ibdev_path);
	read_line(path, name, size);
}

/*
 * Find the driver of an HCA. The kernel names the driver only by netlink. But the kernel refuses an
 * ioctl that names the wrong driver: try the driver of each dialect, with a command that changes
 * nothing.
 */
static const struct rdma_dialect *find_dialect(struct rdma_hca *hca)
{
	struct ib_uverbs_query_device in = {0};
	struct ib_uverbs_query_device_resp out;

	for (hca->driver_id = 0; hca->driver_id < 64; hca->driver_id++) {
		if (!rdma_dialect_find(hca->driver_id))
			continue;
		if (!rdma_uverbs(hca, IB_USER_VERBS_CMD_QUERY_DEVICE, &in, sizeof(in), &out,
				 sizeof(out), NULL))
			return rdma_dialect_find(hca->driver_id);
	}
	return NULL;
}

static int open_device(struct ibv_device *device, struct rdma_hca *hca)
{
	struct ibv_context *context = ibv_open_device(device);
	struct ibv_device_attr attr;
	char path[IBV_SYSFS_PATH_MAX + 64], abi[16];

	if (!context)
		return bypass_fail(errno ? errno : EIO,
				   "cannot open %s (%m); /dev/infiniband/%s must exist and be "
				   "accessible, and the provider's library be installed",
				   device->name, device->dev_name);
	if (ibv_query_device(context, &attr)) {
		ibv_close_device(context);
		return bypass_fail(EIO, "%s does not answer", device->name);
	}
	snprintf(path, sizeof(path), "%s/abi_version", device->dev_path);
	read_line(path, abi, sizeof(abi));
	*hca = (struct rdma_hca){
		.context = context,
		.cmd_fd = context->cmd_fd,
		.async_fd = context->async_fd,
		.cm_fd = -1,
		.index = ibv_get_device_index(device),
		.vectors = context->num_comp_vectors > 0 ? context->num_comp_vectors : 1,
		.ports = attr.phys_port_cnt,
		.abi = strtoul(abi, NULL, 10),
	};
	copy_string(hca->name, sizeof(hca->name), device->name);
	copy_string(hca->node, sizeof(hca->node), device->dev_name);
	copy_string(hca->sysfs, sizeof(hca->sysfs), device->ibdev_path);
	fcntl(hca->async_fd, F_SETFL, fcntl(hca->async_fd, F_GETFL) | O_NONBLOCK);
	return 0;
}

void rdma_hca_close(struct rdma_hca *hca)
{
	if (hca->context)
		ibv_close_device(hca->context);
	hca->context = NULL;
	hca->cmd_fd = hca->async_fd = -1;
	if (hca->cm_fd >= 0)
		close(hca->cm_fd);
	hca->cm_fd = -1;
}

/* All names, for a message. */
static void list_names(struct ibv_device **devices, int n, char *text, size_t size)
{
	size_t used = 0;

	copy_string(text, size, "none");
	for (int i = 0; i < n && used < size; i++)
		used += snprintf(text + used, size - used, "%s%s", i ? ", " : "", devices[i]->name);
}

int rdma_hca_open(const char *name, struct rdma_hca *hca, const struct rdma_dialect **dialect)
{
	struct ibv_device **devices, *found = NULL;
	char netdev[64], names[512];
	int n = 0, err;

	devices = ibv_get_device_list(&n);
	if (!devices)
		return bypass_fail(errno, "cannot list the HCAs: %m");
	for (int i = 0; i < n && !found; i++) {
		find_netdev(devices[i], netdev, sizeof(netdev));
		if (!strcmp(devices[i]->name, name) || (name[0] && !strcmp(netdev, name)))
			found = devices[i];
	}
	list_names(devices, n, names, sizeof(names));
	err = found ? open_device(found, hca)
		    : bypass_fail(ENODEV,
				  "no HCA, and no network device of one, is called '%s'; there "
				  "are: "
				  "%s. (A software one: rdma link add rxe0 type rxe netdev …)",
				  name, names);
	ibv_free_device_list(devices);
	if (err)
		return err;
	*dialect = find_dialect(hca);
	if (*dialect)
		return 0;
	rdma_hca_close(hca);
	return bypass_fail(EOPNOTSUPP,
			   "%s: no context slices on this HCA: its provider's dialect is "
			   "not known here (rxe and mlx5 are)",
			   hca->name);
}

int bypass_rdma_hcas(struct bypass_rdma_hca **hcas, unsigned int *count)
{
	const struct rdma_dialect *dialect;
	struct ibv_device **devices;
	struct ibv_port_attr port;
	struct bypass_rdma_hca *list;
	struct rdma_hca hca;
	int n = 0;

	devices = ibv_get_device_list(&n);
	/* ENOSYS: the kernel has no ib_uverbs loaded, and so no HCA for us. */
	if (!devices && errno != ENOSYS)
		return bypass_fail(errno, "cannot list the HCAs: %m");
	list = calloc(n + 1, sizeof(*list));
	for (int i = 0; list && i < n; i++) {
		copy_string(list[i].name, sizeof(list[i].name), devices[i]->name);
		find_netdev(devices[i], list[i].netdev, sizeof(list[i].netdev));
		if (open_device(devices[i], &hca))
			continue;
		dialect = find_dialect(&hca);
		if (dialect) {
			copy_string(list[i].driver, sizeof(list[i].driver), dialect->name);
			list[i].guarded = dialect->distrust;
		}
		list[i].ports = hca.ports;
		list[i].active = !ibv_query_port(hca.context, 1, &port) &&
				 port.state == IBV_PORT_ACTIVE;
		rdma_hca_close(&hca);
	}
	if (devices)
		ibv_free_device_list(devices);
	if (!list)
		return bypass_fail(ENOMEM, "no memory for a list of %d HCAs", n);
	*hcas = list;
	*count = n;
	return 0;
}

int rdma_hca_query_port(const struct rdma_hca *hca, uint32_t port, struct bypass_rdma_port *out)
{
	struct ibv_port_attr a;
	uint32_t gids, pkeys;
	int err = ibv_query_port(hca->context, port, &a);

	if (err)
		return bypass_fail(err, "%s cannot query port %u: %s", hca->name, port,
				   strerror(err));
	gids = a.gid_tbl_len;
	pkeys = a.pkey_tbl_len;
	*out = (struct bypass_rdma_port){
		.port_cap_flags = htole32(a.port_cap_flags & ~PORT_CAP_UNREACHABLE),
		.max_msg_sz = htole32(a.max_msg_sz),
		.bad_pkey_cntr = htole32(a.bad_pkey_cntr),
		.qkey_viol_cntr = htole32(a.qkey_viol_cntr),
		.gid_tbl_len = htole32(gids < BYPASS_RDMA_GIDS_MAX ? gids : BYPASS_RDMA_GIDS_MAX),
		.pkey_tbl_len =
			htole32(pkeys < BYPASS_RDMA_PKEYS_MAX ? pkeys : BYPASS_RDMA_PKEYS_MAX),
		.active_speed = htole32(a.active_speed),
		.lid = htole32(a.lid),
		.sm_lid = htole32(a.sm_lid),
		.state = a.state,
		.phys_state = a.phys_state,
		.max_mtu = a.max_mtu,
		.active_mtu = a.active_mtu,
		.lmc = a.lmc,
		.max_vl_num = a.max_vl_num,
		.sm_sl = a.sm_sl,
		.subnet_timeout = a.subnet_timeout,
		.init_type_reply = a.init_type_reply,
		.active_width = a.active_width,
		.link_layer = a.link_layer,
		.flags = a.flags,
	};
	return 0;
}

int rdma_hca_query_gids(const struct rdma_hca *hca, uint32_t port, struct bypass_rdma_gids *out)
{
	struct bypass_rdma_port attr;
	struct ibv_gid_entry *entries;
	uint32_t count;
	ssize_t n;
	int err;

	err = rdma_hca_query_port(hca, port, &attr);
	if (err)
		return err;
	count = le32toh(attr.gid_tbl_len);
	/* The kernel lists the valid entries of all ports, each with its index. */
	entries = calloc(BYPASS_RDMA_GIDS_MAX * hca->ports, sizeof(*entries));
	if (!entries)
		return bypass_fail(ENOMEM, "no memory for the GIDs of %s", hca->name);
	n = ibv_query_gid_table(hca->context, entries, BYPASS_RDMA_GIDS_MAX * hca->ports, 0);
	for (ssize_t i = 0; i < n; i++) {
		if (entries[i].port_num != port || entries[i].gid_index >= count)
			continue;
		memcpy(out->gid[entries[i].gid_index], entries[i].gid.raw, 16);
		out->type[entries[i].gid_index] = entries[i].gid_type;
	}
	free(entries);
	if (n < 0)
		return bypass_fail(-n, "cannot read the GIDs of %s: %s", hca->name, strerror(-n));
	out->count = htole32(count);
	return 0;
}

int rdma_hca_query_pkeys(const struct rdma_hca *hca, uint32_t port, struct bypass_rdma_pkeys *out)
{
	struct bypass_rdma_port attr;
	uint32_t count;
	__be16 pkey;
	int err;

	err = rdma_hca_query_port(hca, port, &attr);
	if (err)
		return err;
	count = le32toh(attr.pkey_tbl_len);
	for (uint32_t i = 0; i < count; i++) {
		if (!ibv_query_pkey(hca->context, port, i, &pkey))
			out->pkey[i] = htole16(be16toh(pkey));
	}
	out->count = htole32(count);
	return 0;
}
