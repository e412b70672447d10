// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the server says of its function, and what the slice is made of: version, config space, BARs
 * with windows and doorbells, vectors. Nothing that the server says is believed unchecked.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "client.h"

#define AREAS_MAX 1024
#define KICKS_MAX 2048

static const char hello[] = "{\"capabilities\":{\"max_msg_fds\":253,\"max_data_xfer_size\":65536}}";

static int introduce(struct vfu_client *client)
{
	struct vfu_version version = {VFU_MAJOR, VFU_MINOR};
	struct vfu_request request = {
		.command = VFU_VERSION,
		.piece = {{&version, sizeof(version)}, {(void *)hello, sizeof(hello)}},
	};
	const struct vfu_message *msg = &client->stream.in;
	int ret = vfu_call(client, &request, sizeof(version));

	if (ret < 0)
		return ret;
	if (msg->version.major != VFU_MAJOR)
		return bypass_fail(EPROTO, "%s: its server speaks vfio-user version %u",
				   client->slice.name, msg->version.major);
	vfu_capabilities(msg, &client->server_fds, &client->server_data);
	if (client->server_fds > VFU_FDS)
		client->server_fds = VFU_FDS;
	return 0;
}

static int check_device(struct vfu_client *client)
{
	struct vfu_device_info info = {.argsz = sizeof(info)};
	struct vfu_request request = {.command = VFU_GET_INFO, .piece = {{&info, sizeof(info)}}};
	const struct vfu_message *msg = &client->stream.in;
	int ret = vfu_call(client, &request, sizeof(info));

	if (ret < 0)
		return ret;
	if (!(msg->info.flags & VFIO_DEVICE_FLAGS_PCI) ||
	    msg->info.regions <= VFIO_PCI_CONFIG_REGION_INDEX ||
	    msg->info.irqs <= VFIO_PCI_MSIX_IRQ_INDEX)
		return bypass_fail(EPROTO, "%s: its server shows no PCI function",
				   client->slice.name);
	return 0;
}

/* Ask for a region, with room for all that the answer may say. */
static int ask_region(struct vfu_client *client, uint32_t index)
{
	struct vfio_region_info info = {.argsz = VFU_PAYLOAD, .index = index};
	struct vfu_request request = {
		.command = VFU_GET_REGION_INFO,
		.piece = {{&info, sizeof(info)}},
	};
	const struct vfu_message *msg = &client->stream.in;
	int ret = vfu_call(client, &request, sizeof(info));

	if (!ret && msg->region.index != index)
		ret = bypass_fail(EPROTO, "%s: its server tells of another region than %u",
				  client->slice.name, index);
	return ret;
}

/* Sparse areas of the region in stream.in; NULL: there is no such list. */
static const struct vfio_region_info_cap_sparse_mmap *find_areas(const struct vfu_message *msg)
{
	const struct vfio_region_info_cap_sparse_mmap *cap;
	uint32_t at = msg->region.cap_offset, size = vfu_payload(msg);

	/* Each capability lies behind the one before: a list without an end is none. */
	for (uint32_t before = 0;
	     at > before && at % 8 == 0 && size >= sizeof(*cap) && at <= size - sizeof(*cap);
	     before = at, at = cap->header.next) {
		cap = (const void *)(msg->data + at);
		if (cap->header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && cap->nr_areas &&
		    cap->nr_areas <= AREAS_MAX &&
		    cap->nr_areas <= (size - at - sizeof(*cap)) / sizeof(cap->areas[0]))
			return cap;
	}
	return NULL;
}

/* Map one area of a BAR. A bad area is left out: the guest then reaches it by message. */
static void add_window(struct vfu_client *client, unsigned int index, uint64_t base,
		       uint64_t offset, uint64_t size)
{
	struct bypass_bar *bar = &client->slice.bars[index];
	struct bypass_window *w = &client->windows[index][bar->n_windows];
	uint64_t page = sysconf(_SC_PAGESIZE), end;
	struct stat st;

	w->offset = offset;
	w->size = size;
	w->fd = client->bar_fd[index];
	end = bar->n_windows ? w[-1].offset + w[-1].size : 0;
	if (!size || (offset | size | base) % page || offset < end || offset > bar->size ||
	    size > bar->size - offset || __builtin_add_overflow(base, offset, &w->fd_offset) ||
	    __builtin_add_overflow(w->fd_offset, size, &end) || fstat(w->fd, &st) ||
	    (S_ISREG(st.st_mode) && end > (uint64_t)st.st_size))
		goto bad;
	w->hva = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, w->fd_offset);
	if (w->hva == MAP_FAILED)
		goto bad;
	bar->n_windows++;
	return;
bad:
	bypass_log(BYPASS_LOG_WARN,
		   "%s: %#llx bytes at %#llx of BAR %u cannot be mapped as its server says: the "
		   "guest gets there slowly",
		   client->slice.name, (unsigned long long)size, (unsigned long long)offset, index);
}

/* The region in stream.in has a descriptor: map the areas, or all of it. */
static int add_windows(struct vfu_client *client, unsigned int index)
{
	struct vfu_message *msg = &client->stream.in;
	const struct vfio_region_info_cap_sparse_mmap *cap = NULL;
	uint64_t base = msg->region.offset;
	uint32_t n = 1;

	if (!(msg->region.flags & VFIO_REGION_INFO_FLAG_MMAP) || msg->n_fds != 1)
		return 0;
	if (msg->region.flags & VFIO_REGION_INFO_FLAG_CAPS)
		cap = find_areas(msg);
	if (cap)
		n = cap->nr_areas;
	client->windows[index] = calloc(n, sizeof(*client->windows[index]));
	if (!client->windows[index])
		return bypass_fail(ENOMEM, "%s: no memory for %u windows", client->slice.name, n);
	client->bar_fd[index] = msg->fds[0];
	msg->fds[0] = -1;
	for (uint32_t i = 0; cap && i < n; i++)
		add_window(client, index, base, cap->areas[i].offset, cap->areas[i].size);
	if (!cap)
		add_window(client, index, base, 0, client->slice.bars[index].size);
	client->slice.bars[index].windows = client->windows[index];
	return 0;
}

static bool kick_fits(const struct bypass_bar *bar, const struct vfu_io_fd *e, unsigned int n_fds)
{
	return e->type == VFU_IO_FD_EVENTFD && !e->flags && e->fd_index < n_fds &&
	       (e->size == 0 || e->size == 1 || e->size == 2 || e->size == 4 || e->size == 8) &&
	       e->offset < bar->size && e->size <= bar->size - e->offset;
}

/* Keep the eventfds of the answer in stream.in. */
static int take_kick_fds(struct vfu_client *client)
{
	struct vfu_message *msg = &client->stream.in;
	int *fds = reallocarray(client->kick_fds, client->n_kick_fds + msg->n_fds, sizeof(*fds));

	if (!fds)
		return bypass_fail(ENOMEM, "%s: no memory for doorbells", client->slice.name);
	client->kick_fds = fds;
	memcpy(fds + client->n_kick_fds, msg->fds, msg->n_fds * sizeof(*fds));
	client->n_kick_fds += msg->n_fds;
	return 0;
}

/* Doorbells that are eventfds. A server that knows nothing of this gets them by message. */
static int add_kicks(struct vfu_client *client, unsigned int index)
{
	struct vfu_io_fds ask = {.argsz = VFU_PAYLOAD, .index = index};
	struct vfu_request request = {
		.command = VFU_GET_REGION_IO_FDS,
		.piece = {{&ask, sizeof(ask)}},
	};
	struct vfu_message *msg = &client->stream.in;
	const struct vfu_io_fd *entry = (const void *)(msg->data + sizeof(ask));
	struct bypass_bar *bar = &client->slice.bars[index];
	int ret = vfu_call(client, &request, sizeof(ask));
	uint32_t n;

	if (ret < 0)
		return ret == -ENODEV ? ret : 0;
	n = msg->io_fds.count;
	if (n > KICKS_MAX || n > (vfu_payload(msg) - sizeof(ask)) / sizeof(*entry))
		return bypass_fail(EPROTO,
				   "%s: its server tells of %u doorbells of BAR %u, and "
				   "describes fewer",
				   client->slice.name, n, index);
	if (!n || !msg->n_fds)
		return 0;
	client->kicks[index] = calloc(n, sizeof(*client->kicks[index]));
	if (!client->kicks[index])
		return bypass_fail(ENOMEM, "%s: no memory for doorbells", client->slice.name);
	ret = take_kick_fds(client);
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < n; i++) {
		if (!kick_fits(bar, &entry[i], msg->n_fds))
			continue;
		client->kicks[index][bar->n_kicks++] = (struct bypass_kick){
			.offset = entry[i].offset,
			.size = entry[i].size,
			.fd = msg->fds[entry[i].fd_index],
		};
	}
	bar->kicks = client->kicks[index];
	msg->n_fds = 0;
	return 0;
}

static int add_bar(struct vfu_client *client, unsigned int index)
{
	struct bypass_bar *bar = &client->slice.bars[index];
	uint32_t value;
	uint64_t size;
	int ret;

	ret = vfu_region_call(client, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_0 + 4 * index,
			      &value, sizeof(value), false);
	if (!ret)
		ret = ask_region(client, index);
	if (ret < 0)
		return ret;
	size = client->stream.in.region.size;
	if (!size)
		return 0;
	if (index && client->slice.bars[index - 1].is_64)
		return bypass_fail(EPROTO,
				   "%s: BAR %u is the upper half of another, and has a size",
				   client->slice.name, index);
	bar->io = value & PCI_BASE_ADDRESS_SPACE_IO;
	bar->is_64 = !bar->io &&
		     (value & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
	bar->prefetchable = !bar->io && value & PCI_BASE_ADDRESS_MEM_PREFETCH;
	if (size & (size - 1) || size < (bar->io ? 4 : 16) || size > (bar->io ? 256 : 1ull << 46) ||
	    (!bar->is_64 && size > 1u << 31) || (bar->is_64 && index == BYPASS_BARS - 1))
		return bypass_fail(EPROTO, "%s: BAR %u cannot have 0x%" PRIx64 " bytes",
				   client->slice.name, index, size);
	bar->size = size;
	ret = bar->io ? 0 : add_windows(client, index);
	return ret < 0 ? ret : add_kicks(client, index);
}

static int add_vectors(struct vfu_client *client, enum bypass_irq type)
{
	static const uint32_t most[BYPASS_IRQS] = {1, 32, 2048};
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = type};
	struct vfu_request request = {
		.command = VFU_GET_IRQ_INFO,
		.piece = {{&info, sizeof(info)}},
	};
	const struct vfio_irq_info *said = &client->stream.in.irq;
	int ret = vfu_call(client, &request, sizeof(info));

	if (ret < 0)
		return ret;
	if (said->count > most[type])
		return bypass_fail(EPROTO,
				   "%s: its server tells of %u vectors of interrupt type %u",
				   client->slice.name, said->count, type);
	if (said->flags & VFIO_IRQ_INFO_EVENTFD)
		client->slice.vectors[type] = said->count;
	return 0;
}

int vfu_discover(struct vfu_client *client)
{
	int ret = introduce(client);
	uint64_t size = 0;

	if (!ret)
		ret = check_device(client);
	if (!ret)
		ret = ask_region(client, VFIO_PCI_CONFIG_REGION_INDEX);
	if (!ret)
		size = client->stream.in.region.size;
	if (!ret && size != 256 && size != 4096)
		ret = bypass_fail(EPROTO, "%s: config space cannot have 0x%" PRIx64 " bytes",
				  client->slice.name, size);
	client->slice.config_size = size;
	for (unsigned int i = 0; i < BYPASS_BARS && !ret; i++)
		ret = add_bar(client, i);
	for (unsigned int t = 0; t < BYPASS_IRQS && !ret; t++)
		ret = add_vectors(client, t);
	return ret;
}

/* Windows are unmapped, and the server's descriptors closed. */
void vfu_undiscover(struct vfu_client *client)
{
	for (unsigned int i = 0; i < BYPASS_BARS; i++) {
		struct bypass_bar *bar = &client->slice.bars[i];

		for (unsigned int j = 0; j < bar->n_windows; j++)
			munmap(client->windows[i][j].hva, client->windows[i][j].size);
		free(client->windows[i]);
		free(client->kicks[i]);
		if (client->bar_fd[i] >= 0)
			close(client->bar_fd[i]);
	}
	for (unsigned int i = 0; i < client->n_kick_fds; i++)
		close(client->kick_fds[i]);
	free(client->kick_fds);
}
