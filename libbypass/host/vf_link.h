/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The messages in which a PF's interface tells and takes the settings of its VFs.
 */
#ifndef BYPASS_HOST_VF_LINK_H
#define BYPASS_HOST_VF_LINK_H

#include <netlink/msg.h>

#include "internal.h"

/* Is this the phys_port_name of the adapter's own port, "p0", and not of a VF's, "pf0vf1"? */
bool vf_link_is_uplink(const char *port_name);

/* Asks for an interface with its VFs. NULL: no memory; free with nlmsg_free(). */
struct nl_msg *vf_link_query(int interface);
/* Changes one setting of one VF. NULL: no memory, or no such value. */
struct nl_msg *vf_link_change(int interface, unsigned int vf, const char *setting,
			      const char *value);
/* Finds a setting in the answer. False: the answer does not tell the VF. */
bool vf_link_find(struct nlmsghdr *answer, unsigned int vf, const char *setting, char *value,
		  size_t size);

#endif
