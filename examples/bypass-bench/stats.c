// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Finds counters in what KVM describes (Documentation/virt/kvm/api.rst, 4.133).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bypass/error.h>

#include "stats.h"

const char *const bench_counter_names[BENCH_COUNTERS] = {
	[BENCH_EXITS] = "exits",
	[BENCH_IO_EXITS] = "io_exits",
	[BENCH_MMIO_EXITS] = "mmio_exits",
	[BENCH_HALT_EXITS] = "halt_exits",
	[BENCH_IRQ_WINDOW_EXITS] = "irq_window_exits",
	[BENCH_IRQ_EXITS] = "irq_exits",
	[BENCH_SIGNAL_EXITS] = "signal_exits",
	[BENCH_HYPERCALLS] = "hypercalls",
	[BENCH_PF_TAKEN] = "pf_taken",
	[BENCH_INSN_EMULATION] = "insn_emulation",
	[BENCH_IRQ_INJECTIONS] = "irq_injections",
};

static int find_counters(struct bench_stats *stats)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	size_t size;

	if (pread(stats->fd, &header, sizeof(header), 0) != sizeof(header) ||
	    header.name_size > 4096)
		return -EIO;
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size + 1);
	if (!desc)
		return -ENOMEM;
	for (uint32_t i = 0; i < header.num_desc; i++) {
		if (pread(stats->fd, desc, size, header.desc_offset + (off_t)(i * size)) !=
		    (ssize_t)size)
			break;
		((char *)desc)[size] = '\0';
		for (unsigned int k = 0; k < BENCH_COUNTERS; k++)
			if (!strcmp(desc->name, bench_counter_names[k]))
				stats->offset[k] = header.data_offset + desc->offset;
	}
	free(desc);
	return stats->offset[BENCH_EXITS] ? 0 : -ENOENT;
}

int bench_stats_open(struct bench_stats *stats, int vcpu)
{
	int ret;

	*stats = (struct bench_stats){.fd = ioctl(vcpu, KVM_GET_STATS_FD, NULL)};
	ret = stats->fd < 0 ? -errno : find_counters(stats);
	if (!ret)
		return 0;
	bench_stats_close(stats);
	return bypass_fail(-ret, "KVM's counters cannot be read: %s", strerror(-ret));
}

void bench_stats_read(const struct bench_stats *stats, struct bench_counters *counters)
{
	memset(counters, 0, sizeof(*counters));
	for (unsigned int i = 0; i < BENCH_COUNTERS; i++)
		if (stats->offset[i] && pread(stats->fd, &counters->value[i], sizeof(uint64_t),
					      (off_t)stats->offset[i]) != sizeof(uint64_t))
			counters->value[i] = 0;
}

void bench_stats_close(struct bench_stats *stats)
{
	if (stats->fd >= 0)
		close(stats->fd);
	stats->fd = -1;
}
