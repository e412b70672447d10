// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is said of a carving that is done: slices that a guest cannot use yet, or not as well as it could.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

/* Firmware that goes on using memory by way of a device (an RMRR) ties the device to the host. */
static void remark_reserved(const char *address)
{
	char path[256], line[128], type[32];
	unsigned long long first, last;
	FILE *file;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/iommu_group/reserved_regions",
		 host_paths.sys, address);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx %llx %31s", &first, &last, type) == 3 && !strcmp(type, "dire"
											      "ct"))
			bypass_log(BYPASS_LOG_WARN,
				   "the host's firmware uses the memory from %#llx to %#llx by way "
				   "of "
				   "%s (an RMRR), so the kernel may refuse to give it to a guest: "
				   "the "
				   "firmware's set-up or the vendor can end that",
				   first, last, address);
	if (file)
		fclose(file);
}

static void remark_link(const char *pf)
{
	char interface[32], attribute[64], flags[16];

	if (vf_link_interface(pf, interface, sizeof(interface)))
		return;
	snprintf(attribute, sizeof(attribute), "net/%s/flags", interface);
	if (!host_read(pf, attribute, flags, sizeof(flags)) && !(strtoul(flags, NULL, 0) & 1))
		bypass_log(BYPASS_LOG_WARN,
			   "%s, the PF's interface, is down, and so are the links of its VFs: 'ip "
			   "link set %s up'",
			   interface, interface);
}

/* Slices that are carved but cannot be used yet are worth a remark. */
void carve_remark(const struct ledger *ledger, const struct bypass_carve *what)
{
	for (size_t i = 0; i < ledger->slice_count; i++) {
		const char *address = ledger->slice[i].address;

		if (bypass_group_check(address))
			bypass_log(BYPASS_LOG_WARN, "%s", bypass_error());
		remark_reserved(address);
	}
	if (ledger->slice_count)
		vfio_driver_remark(ledger->slice[0].address);
	if (what->vfs)
		remark_link(ledger->function);
}
