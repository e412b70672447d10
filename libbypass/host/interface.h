/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between the files on network interfaces: interface.c notes settings and puts them back,
 * interface_link.c knows those of the link, interface_address.c addresses and routes,
 * interface_sysctl.c sysctls.
 */
#ifndef BYPASS_HOST_INTERFACE_H
#define BYPASS_HOST_INTERFACE_H

#include <net/if.h>
#include <netlink/netlink.h>

#include "internal.h"

/* An interface of @function. Its port tells it from others of the function, and outlives it. */
struct interface {
	const char *function;
	unsigned int port;
	char name[IFNAMSIZ];
	int index; /* 0: the kernel does not know the name */
	struct nl_sock *sock;
};

/* A setting as text. A read of -ENOENT: there is nothing to note. */
struct interface_setting {
	const char *name;
	int (*read)(const struct interface *interface, char value[HOST_VALUE_SIZE]);
	int (*write)(const struct interface *interface, const char *value);
	/* A command that does the same: '@' stands for the interface, '=' for the value. */
	const char *command;
};

/*
 * interface_link.c: in the order in which they are noted; the last one is put back first. The first one
 * says whether the interface is up.
 */
extern const struct interface_setting interface_link_settings[];
extern const size_t interface_link_setting_count;

/* interface_address.c: added, and never read back, as adding one that is there does no harm */
int interface_write_address(const struct interface *interface, const char *value);
int interface_write_route(const struct interface *interface, const char *value);
int interface_write_multipath(const struct interface *interface, const char *value);

/* Takes a setting and its value. */
struct interface_notes {
	void (*note)(struct interface_notes *notes, const char *setting, const char *value);
	const struct interface *interface;
	struct ledger *ledger;
	int err;
};
void interface_note_routes(struct interface_notes *notes);
/* Those that would run out are noted as "lease", the others as "address". */
void interface_note_addresses(struct interface_notes *notes);

/* interface_sysctl.c: those that differ from the defaults */
void interface_note_sysctls(struct interface_notes *notes);
int interface_write_sysctl(const struct interface *interface, const char *value);

#endif
