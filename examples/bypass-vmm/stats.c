// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What slices and vCPUs have cost, as a table and as JSON.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <json-c/json.h>

#include <bypass/error.h>
#include <bypass/rdma.h>

#include "internal.h"

static const char *const cause_names[CAUSES] = {
	[CAUSE_MMIO] = "mmio",
	[CAUSE_PIO] = "pio",
	[CAUSE_OTHER] = "other",
};

/* KVM's counters of a vCPU's exits. */
static const char *const shown[] = {"exits", "mmio_exits", "io_exits", "irq_exits", "halt_exits"};
#define N_SHOWN (sizeof(shown) / sizeof(shown[0]))

static void pick_shown(void *opaque, const char *name, uint64_t value)
{
	uint64_t *values = opaque;

	for (unsigned int i = 0; i < N_SHOWN; i++)
		if (!strcmp(name, shown[i]))
			values[i] = value;
}

static void print_slices(const struct slices *slices)
{
	struct bypass_slice_stats s;

	fprintf(stderr, "%-16s %8s %8s %8s %8s %8s %10s %10s %10s\n", "slice", "cfg-rd", "cfg-wr",
		"mmio-rd", "mmio-wr", "pio", "interrupts", "window-KiB", "DMA-KiB");
	for (unsigned int i = 0; i < slices->n; i++) {
		if (!slices->slice[i] || bypass_vm_stats(slices->vm, slices->slice[i], &s))
			continue;
		fprintf(stderr, "%-16s %8lu %8lu %8lu %8lu %8lu %10lu %10lu %10lu\n",
			slices->slice[i]->name, s.config_reads, s.config_writes, s.mmio_reads,
			s.mmio_writes, s.pio, s.interrupts, s.window_bytes >> 10,
			s.dma_bytes >> 10);
	}
}

/* The host's work for RDMA slices. No vCPU's thread does any of it. */
static void print_rdma(const struct slices *slices)
{
	struct bypass_rdma_stats s;
	bool any = false;

	for (unsigned int i = 0; i < slices->n; i++) {
		if (!slices->rdma[i])
			continue;
		if (!any)
			fprintf(stderr, "\n%-16s %10s %10s %10s %10s %10s %10s %10s\n",
				"RDMA slice", "commands", "refused", "kicks", "posts", "arms",
				"completns", "events");
		any = true;
		bypass_rdma_stats(slices->rdma[i], &s);
		fprintf(stderr, "%-16s %10lu %10lu %10lu %10lu %10lu %10lu %10lu\n",
			slices->slice[i]->name, s.commands, s.refused, s.kicks, s.post_sends,
			s.arms, s.completions, s.events);
	}
}

static void print_cpus(const struct vmm *vmm)
{
	fprintf(stderr, "\n%-4s %26s   %s\n", "", "exits to user space",
		"exits as KVM counts them");
	fprintf(stderr, "%-4s %8s %8s %8s   %10s %10s %10s %10s %10s\n", "vCPU", "mmio", "pio",
		"other", "all", "mmio", "pio", "irq", "halt");
	for (unsigned int i = 0; i < vmm->n_cpus; i++) {
		const struct cpu *cpu = &vmm->cpus[i];
		uint64_t kvm[N_SHOWN] = {0};

		kvm_stats(cpu->fd, pick_shown, kvm);
		fprintf(stderr, "%-4u %8lu %8lu %8lu   %10lu %10lu %10lu %10lu %10lu\n", i,
			cpu->exits[CAUSE_MMIO], cpu->exits[CAUSE_PIO], cpu->exits[CAUSE_OTHER],
			kvm[0], kvm[1], kvm[2], kvm[3], kvm[4]);
	}
}

/**
 * stats_print() - the table, to standard error: standard output is the guest's
 * @vmm: the machine; no vCPU runs
 */
void stats_print(const struct vmm *vmm)
{
	print_slices(&vmm->slices);
	print_rdma(&vmm->slices);
	print_cpus(vmm);
}

static void add_number(void *object, const char *name, uint64_t value)
{
	json_object_object_add(object, name, json_object_new_uint64(value));
}

static struct json_object *json_rdma(struct bypass_virtio_device *dev)
{
	struct json_object *o = json_object_new_object();
	struct bypass_rdma_stats s;

	bypass_rdma_stats(dev, &s);
	add_number(o, "commands", s.commands);
	add_number(o, "refused", s.refused);
	add_number(o, "kicks", s.kicks);
	add_number(o, "post_sends", s.post_sends);
	add_number(o, "arms", s.arms);
	add_number(o, "completions", s.completions);
	add_number(o, "events", s.events);
	add_number(o, "copied", s.copied);
	add_number(o, "pinned_bytes", s.pinned_bytes);
	add_number(o, "shm_bytes", s.shm_bytes);
	add_number(o, "objects", s.objects);
	return o;
}

static struct json_object *json_slice(const struct slices *slices, unsigned int i)
{
	struct json_object *o = json_object_new_object();
	struct bypass_slice_stats s;

	json_object_object_add(o, "name", json_object_new_string(slices->slice[i]->name));
	if (bypass_vm_stats(slices->vm, slices->slice[i], &s))
		return o;
	add_number(o, "config_reads", s.config_reads);
	add_number(o, "config_writes", s.config_writes);
	add_number(o, "mmio_reads", s.mmio_reads);
	add_number(o, "mmio_writes", s.mmio_writes);
	add_number(o, "pio", s.pio);
	add_number(o, "interrupts", s.interrupts);
	add_number(o, "window_bytes", s.window_bytes);
	add_number(o, "dma_bytes", s.dma_bytes);
	if (slices->rdma[i])
		json_object_object_add(o, "rdma", json_rdma(slices->rdma[i]));
	return o;
}

static struct json_object *json_cpu(const struct cpu *cpu)
{
	struct json_object *o = json_object_new_object();
	struct json_object *exits = json_object_new_object();
	struct json_object *kvm = json_object_new_object();

	for (unsigned int i = 0; i < CAUSES; i++)
		add_number(exits, cause_names[i], cpu->exits[i]);
	kvm_stats(cpu->fd, add_number, kvm);
	json_object_object_add(o, "user_exits", exits);
	json_object_object_add(o, "kvm", kvm);
	return o;
}

/**
 * stats_write_json() - the same, and all that KVM counts
 * @vmm: the machine; no vCPU runs
 * @path: file to write
 *
 * { "slices": [{ "name", the fields of struct bypass_slice_stats,
 *                "rdma": { the fields of struct bypass_rdma_stats } }],
 *   "vcpus": [{ "user_exits": { cause: count }, "kvm": { counter: value } }],
 *   "vm": { counter: value } }
 *
 * Return: 0, or a negative errno with bypass_error().
 */
int stats_write_json(const struct vmm *vmm, const char *path)
{
	struct json_object *root = json_object_new_object();
	struct json_object *slices = json_object_new_array();
	struct json_object *cpus = json_object_new_array();
	struct json_object *vm = json_object_new_object();
	int ret = 0;

	for (unsigned int i = 0; i < vmm->slices.n; i++)
		if (vmm->slices.slice[i])
			json_object_array_add(slices, json_slice(&vmm->slices, i));
	for (unsigned int i = 0; i < vmm->n_cpus; i++)
		json_object_array_add(cpus, json_cpu(&vmm->cpus[i]));
	kvm_stats(vmm->vm_fd, add_number, vm);
	json_object_object_add(root, "slices", slices);
	json_object_object_add(root, "vcpus", cpus);
	json_object_object_add(root, "vm", vm);
	if (json_object_to_file_ext(path, root, JSON_C_TO_STRING_PRETTY) < 0)
		ret = bypass_fail(errno ? errno : EIO, "%s cannot be written: %s", path,
				  json_util_get_last_err());
	json_object_put(root);
	return ret;
}
