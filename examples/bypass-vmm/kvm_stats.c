// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * KVM's own counters, by name (KVM_GET_STATS_FD; Documentation/virt/kvm/api.rst, 4.133).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"

static void *read_at(int fd, size_t size, off_t offset)
{
	void *data = malloc(size ? size : 1);

	if (data && pread(fd, data, size, offset) != (ssize_t)size) {
		free(data);
		data = NULL;
	}
	return data;
}

static void visit(int stats, kvm_stats_fn *fn, void *opaque)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc *desc;
	size_t step;
	char *descs;
	uint64_t value;

	if (pread(stats, &head, sizeof(head), 0) != sizeof(head))
		return;
	step = sizeof(*desc) + head.name_size;
	descs = read_at(stats, step * head.num_desc, head.desc_offset);
	for (uint32_t i = 0; descs && i < head.num_desc; i++) {
		desc = (struct kvm_stats_desc *)(descs + i * step);
		if (desc->size == 1 && pread(stats, &value, sizeof(value),
					     head.data_offset + desc->offset) == sizeof(value))
			fn(opaque, desc->name, value);
	}
	free(descs);
}

/**
 * kvm_stats() - visit the counters of a VM or a vCPU; histograms are left out
 * @fd: descriptor of the VM or vCPU
 * @fn: called for each
 * @opaque: handed to @fn
 *
 * Visits none where the kernel (before 5.14) has no such counters.
 */
void kvm_stats(int fd, kvm_stats_fn *fn, void *opaque)
{
	int stats = ioctl(fd, KVM_GET_STATS_FD, NULL);

	if (stats < 0)
		return;
	visit(stats, fn, opaque);
	close(stats);
}
