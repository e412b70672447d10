// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * busy_vmm ADDRESS: a VMM without a guest. The VMM has a slice and publishes its counters. Until
 * it is ended, the VMM answers a hundred config and fifty MMIO accesses a second. On SIGUSR1 the
 * VMM unplugs the slice and plugs it again: the slice's counters begin anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#include <linux/kvm.h>

#include <bypass/error.h>
#include <bypass/function.h>
#include <bypass/iommu.h>
#include <bypass/kvm.h>
#include <bypass/memory.h>
#include <bypass/published.h>
#include <bypass/slice.h>

#define DEVFN	    (1 << 3)
#define GSI	    11
#define MMIO_BASE   0xe0000000u
#define RAM_SIZE    (64ull << 20)
#define COMMAND	    0x04
#define MEMORY	    0x2
#define MSI_CONTROL 0x42 /* any register of config space */

static struct bypass_iommu *iommu;
static struct bypass_slice *slice;
static volatile sig_atomic_t asked;

static void replug_asked(int signal)
{
	(void)signal;
	asked = 1;
}

static int plug(const char *address, struct bypass_vm *vm)
{
	uint16_t command = MEMORY;
	int err;

	err = bypass_function_open(iommu, address, NULL, &slice);
	if (!err)
		err = bypass_vm_plug(vm, slice, DEVFN, GSI);
	if (!err)
		bypass_vm_pci(vm, DEVFN, COMMAND, &command, sizeof(command), true);
	return err;
}

static int replug(const char *address, struct bypass_vm *vm)
{
	asked = 0;
	bypass_vm_unplug(vm, slice);
	bypass_slice_close(slice);
	return plug(address, vm);
}

static int set_up(const char *address, struct bypass_vm **vm)
{
	struct bypass_vm_config config = {
		.first_slot = 0,
		.first_gsi = 24,
		.mmio32 = {MMIO_BASE, 64ull << 20},
	};
	struct bypass_memory *mem = bypass_memory_new();
	const struct bypass_memory_range *range;
	unsigned int n;
	int vm_fd, err;

	vm_fd = ioctl(open("/dev/kvm", O_RDWR), KVM_CREATE_VM, 0);
	if (vm_fd < 0 || ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0))
		return bypass_fail(ENODEV, "no KVM");
	err = bypass_memory_alloc(mem, RAM_SIZE, false);
	if (!err)
		err = bypass_vm_attach(vm_fd, &config, vm);
	range = bypass_memory_ranges(mem, &n);
	if (!err)
		err = bypass_vm_add_ram(*vm, range, true);
	if (!err)
		err = bypass_vm_publish(*vm, NULL);
	if (!err)
		err = bypass_iommu_new(&iommu);
	return err ? err : plug(address, *vm);
}

int main(int argc, char **argv)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	struct bypass_vm *vm;
	uint32_t data;

	if (argc != 2)
		return 2;
	signal(SIGUSR1, replug_asked);
	if (set_up(argv[1], &vm)) {
		fprintf(stderr, "busy_vmm: %s\n", bypass_error());
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		if (asked && replug(argv[1], vm)) {
			fprintf(stderr, "busy_vmm: %s\n", bypass_error());
			return 1;
		}
		bypass_vm_pci(vm, DEVFN, 0, &data, sizeof(data), false);
		bypass_vm_pci(vm, DEVFN, MSI_CONTROL, &data, 2, false);
		/* Whatever lies there, a trap or a window, an access that comes to us counts. */
		bypass_vm_mmio(vm, MMIO_BASE, &data, sizeof(data), false);
		nanosleep(&pause, NULL);
	}
}
