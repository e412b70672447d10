/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Network devices and software HCAs that carving makes: netdev.c makes the first, rdma_link.c the
 * second. Values are text as the ledger has it; an empty value means that the thing is not there.
 */
#ifndef BYPASS_HOST_NETDEV_H
#define BYPASS_HOST_NETDEV_H

#include "internal.h"

/* "macvlan 02:00:00:00:00:01 on eth0". Of another device of the name its kind, such as "dummy". */
int netdev_read(const char *name, char *value, size_t size);
/* Makes the device as @value says, or removes it when @value is empty. */
int netdev_write(const char *name, const char *value);

/* @address, "10.7.0.5/24", when the device has it, else "". */
int netdev_address_read(const char *name, const char *address, char *value, size_t size);
/* Gives the device @address or takes it away. The route to its network has the worst metric, so that the host's own
 * traffic does not take it. */
int netdev_address_write(const char *name, const char *address, bool add);

/* "up", "down" */
int netdev_up_read(const char *name, char *value, size_t size);
int netdev_up_write(const char *name, const char *value);

/* net.ipv4.conf.@name.@sysctl */
int netdev_sysctl_read(const char *name, const char *sysctl, char *value, size_t size);
int netdev_sysctl_write(const char *name, const char *sysctl, const char *value);

/* An address as the kernel takes it. */
struct netdev_address {
	int family;
	unsigned char byte[16];
	unsigned int length; /* of the prefix */
};

/* "10.7.0.5/24". Without a length, @length is 0. False: no address that a slice could have. */
bool netdev_address_parse(const char *text, struct netdev_address *address);
/* The interface of this host that has the address, or an empty string. */
int netdev_address_owner(const struct netdev_address *address, char *interface, size_t size);
/* The length of the network of @name that the address lies in; 0 when it lies in none. */
int netdev_address_length(const char *name, const struct netdev_address *address,
			  unsigned int *length);

/* rdma_link.c: "rxe on NETDEV"; of an HCA that is no rxe, "another HCA" */
int rdma_link_read(const char *name, char *value, size_t size);
int rdma_link_write(const char *name, const char *value);
/* The HCA that is an adapter with the interface @netdev; empty: none. */
void rdma_link_adapter(const char *netdev, char *hca, size_t size);
/* The rxe on @netdev; empty: none. */
void rdma_link_above(const char *netdev, char *hca, size_t size);
/* As bypass_function_holder(), of an HCA. */
int rdma_link_holder(const char *name, struct bypass_holder *holder);

#endif
