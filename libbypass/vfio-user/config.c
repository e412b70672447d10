// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Config space as the client sees it: the slice's, with BARs as registers that keep an address and
 * show their size, and without a ROM.
 */
#include <string.h>

#include <linux/pci_regs.h>

#include "server.h"

#define BARS_END (PCI_BASE_ADDRESS_0 + 4 * BYPASS_BARS)

/* The bits of a BAR's register that say what the BAR is. */
static uint32_t type_of(const struct bypass_bar *bar)
{
	if (!bar->size)
		return 0;
	if (bar->io)
		return PCI_BASE_ADDRESS_SPACE_IO;
	return (bar->is_64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
	       (bar->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
}

/* Which bits of a register a driver can set: the address, in steps of the size. */
static uint32_t writable(const struct bypass_slice *slice, unsigned int i)
{
	const struct bypass_bar *bar = &slice->bars[i];

	if (bar->size)
		return ~(bar->size - 1) & (bar->io ? ~3u : ~15u);
	if (i && slice->bars[i - 1].size && slice->bars[i - 1].is_64)
		return ~(slice->bars[i - 1].size - 1) >> 32;
	return 0;
}

void vfu_config_reset(struct bypass_vfio_user_server *server)
{
	for (unsigned int i = 0; i < BYPASS_BARS; i++)
		server->bar[i] = type_of(&server->slice->bars[i]);
}

static void bar_access(struct bypass_vfio_user_server *server, uint32_t offset, void *data,
		       uint32_t size, bool write)
{
	unsigned int i = (offset - PCI_BASE_ADDRESS_0) / 4;
	uint32_t value = server->bar[i], mask;

	if (!write) {
		memcpy(data, (char *)&value + offset % 4, size);
		return;
	}
	memcpy((char *)&value + offset % 4, data, size);
	mask = writable(server->slice, i);
	server->bar[i] = (value & mask) | type_of(&server->slice->bars[i]);
}

/* One aligned access of 1, 2 or 4 bytes. */
static int access_one(struct bypass_vfio_user_server *server, uint32_t offset, void *data,
		      uint32_t size, bool write)
{
	struct bypass_slice *slice = server->slice;

	if (offset >= PCI_BASE_ADDRESS_0 && offset < BARS_END) {
		bar_access(server, offset, data, size, write);
		return 0;
	}
	if (offset / 4 == PCI_ROM_ADDRESS / 4) {
		if (!write)
			memset(data, 0, size);
		return 0;
	}
	return write ? slice->ops->config_write(slice, offset, data, size)
		     : slice->ops->config_read(slice, offset, data, size);
}

/* Any access inside of config space. A client may read all of it at once. */
int vfu_config_access(struct bypass_vfio_user_server *server, uint32_t offset, void *data,
		      uint32_t size, bool write)
{
	int ret = 0;

	while (size && !ret) {
		uint32_t one = size >= 4 && !(offset & 3) ? 4 : size >= 2 && !(offset & 1) ? 2 : 1;

		ret = access_one(server, offset, data, one, write);
		data = (char *)data + one;
		offset += one;
		size -= one;
	}
	return ret;
}
