// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Times of the control path: creating a VM, moving a window, connecting a vector.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <time.h>

#include <bypass/error.h>

#include "control.h"
#include "machine.h"
#include "mapping.h"
#include "plan.h"

#define CREATE_ROUNDS 15u
#define MOVES	      16u
#define SMALL_DATA    4096u
#define TIMEOUT_S     5

static int first_completion(struct bench_lab *lab, struct bench_vm *vm, struct bypass_slice *slice)
{
	struct bench_job *job = bench_ram_job(vm->ram);
	struct bench_target target = {.serving = BENCH_POLL_RING, .slice = slice};
	int ret;

	bench_server_serve(&lab->server, &target);
	ret = bench_vm_run(vm, TIMEOUT_S);
	if (ret)
		return ret;
	if (job->error)
		return bypass_fail(ENODEV, "the measuring guest does not find its device");
	*job = (struct bench_job){
		.path = BENCH_BYPASS,
		.size = BYPASS_LOOP_INLINE,
		.depth = 1,
		.operations = 1,
		.timeout = (uint64_t)(1e9 / lab->cycle_ns),
	};
	ret = bench_vm_run(vm, TIMEOUT_S);
	if (!ret && (job->error || job->done != 1))
		ret = bypass_fail(EIO, "a new VM does not complete its first operation");
	return ret;
}

/* Everything is made anew but the device's thread. */
static int create_once(struct bench_lab *lab, double *ms)
{
	const struct bypass_loop_config config = {
		.name = "new",
		.entries = BENCH_ENTRIES,
		.data_size = SMALL_DATA,
		.serve = bench_echo,
		.opaque = &lab->echo,
	};
	double begin = bench_now_ms();
	struct bypass_slice *slice;
	struct bench_ram ram;
	struct bench_vm vm;
	int ret;

	ret = bench_ram_alloc(&ram);
	if (ret)
		return ret;
	ret = bypass_loop_open(&config, &slice);
	if (ret)
		goto out_ram;
	ret = bench_vm_open(&vm, &ram, slice, NULL, NULL);
	if (ret)
		goto out_slice;
	ret = first_completion(lab, &vm, slice);
	*ms = bench_now_ms() - begin;
	bench_server_serve(&lab->server, &(struct bench_target){.serving = BENCH_IDLE});
	bench_vm_close(&vm);
out_slice:
	bypass_slice_close(slice);
out_ram:
	bench_ram_free(&ram);
	return ret;
}

static int measure_create(struct bench_control *control, struct bench_lab *lab)
{
	double values[CREATE_ROUNDS];

	for (unsigned int i = 0; i < CREATE_ROUNDS; i++) {
		int ret = create_once(lab, &values[i]);

		if (ret)
			return ret;
	}
	control->create_ms = bench_median(values, CREATE_ROUNDS);
	control->create_max_ms = values[CREATE_ROUNDS - 1];
	return 0;
}

static uint32_t config_access(struct bench_lab *lab, uint32_t offset, uint32_t value, bool write)
{
	bypass_vm_pci(lab->vm.glue, BENCH_DEVFN_RING, offset, &value, sizeof(value), write);
	return value;
}

/*
 * KVM ends the registration of a doorbell in the background; a memory slot that is
 * removed meanwhile waits for that, 4 ms or more. Guests do not move windows in a row.
 */
static void settle(void)
{
	const struct timespec time = {.tv_nsec = 20000000};

	nanosleep(&time, NULL);
}

/* As firmware and kernels do it: decoding off, the new address, decoding on. */
static void move_window(struct bench_lab *lab, uint64_t to)
{
	uint32_t command = config_access(lab, PCI_COMMAND, 0, false) & 0xffff;

	config_access(lab, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY, true);
	config_access(lab, PCI_BASE_ADDRESS_0, (uint32_t)to, true);
	config_access(lab, PCI_BASE_ADDRESS_1, (uint32_t)(to >> 32), true);
	config_access(lab, PCI_COMMAND, command, true);
}

static void measure_remap(struct bench_control *control, struct bench_lab *lab)
{
	uint64_t home = config_access(lab, PCI_BASE_ADDRESS_0, 0, false) &
			PCI_BASE_ADDRESS_MEM_MASK;
	double values[MOVES];

	home |= (uint64_t)config_access(lab, PCI_BASE_ADDRESS_1, 0, false) << 32;
	for (unsigned int i = 0; i < MOVES; i++) {
		double begin;

		settle();
		begin = bench_now_ms();
		move_window(lab, i % 2 ? home : BENCH_FREE_MMIO);
		values[i] = (bench_now_ms() - begin) * 1e3;
	}
	control->remap_us = bench_median(values, MOVES);
}

static void measure_vector(struct bench_control *control, struct bench_lab *lab)
{
	uint32_t cap = config_access(lab, PCI_CAPABILITY_LIST, 0, false) & 0xff;
	uint32_t value = 0;
	double values[MOVES];

	while (cap && ((value = config_access(lab, cap, 0, false)) & 0xff) != PCI_CAP_ID_MSIX)
		cap = value >> 8 & 0xff;
	for (unsigned int i = 0; cap && i < MOVES; i++) {
		double begin;

		config_access(lab, cap, value & ~(PCI_MSIX_FLAGS_ENABLE << 16), true);
		begin = bench_now_ms();
		config_access(lab, cap, value, true);
		values[i] = (bench_now_ms() - begin) * 1e3;
	}
	control->vector_us = cap ? bench_median(values, MOVES) : 0;
}

int bench_control_run(struct bench_control *control, struct bench_lab *lab)
{
	int ret = measure_create(control, lab);

	if (ret)
		return ret;
	measure_remap(control, lab);
	measure_vector(control, lab);
	for (unsigned int pages = 0; pages < BENCH_PAGES; pages++)
		bench_mapping_run(&control->mappings[pages], pages);
	return 0;
}
