// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * integrate ADDRESS|HCA: what a KVM VMM adds to give its guest a slice stands between the two
 * lines below; the rest is the smallest VMM that can show it. Its guest asks device 1 who it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/kvm.h>

#include <bypass/error.h>
#include <bypass/function.h>
#include <bypass/iommu.h>
#include <bypass/kvm.h>
#include <bypass/rdma.h>

/* --- from here */
static struct bypass_vm *vm;
static struct bypass_iommu *iommu;
static struct bypass_memory_range ram; /* from bypass_ram_alloc() */

/* When the VM has its interrupt controllers and its memory: */
static int add_slice(int vm_fd, const char *name)
{
	struct bypass_vm_config config = {.first_slot = 1,
					  .first_gsi = 24,
					  .mmio32 = {0xc0000000, 256 << 20},
					  .mmio64 = {1ull << 32, 1ull << 32}};
	bool function = strchr(name, ':');
	struct bypass_slice *slice;

	if (bypass_vm_attach(vm_fd, &config, &vm) || bypass_vm_add_ram(vm, &ram, false) ||
	    (function && bypass_iommu_new(&iommu)))
		return -1;
	if (function ? bypass_function_open(iommu, name, NULL, &slice)
		     : bypass_rdma_slice_open(name, &slice))
		return -1;
	if (!bypass_vm_plug(vm, slice, 1 << 3, 17))
		return 0;
	bypass_slice_close(slice);
	return -1;
}

/* On KVM_EXIT_MMIO; KVM_EXIT_IO and config space are passed on by bypass_vm_pio() and _pci(): */
static bool slice_mmio(struct kvm_run *run)
{
	return bypass_vm_mmio(vm, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
			      run->mmio.is_write);
}

/* When bypass_vm_event_fd() is readable, beside the running vCPUs: */
static void slice_events(void)
{
	struct bypass_vm_event event;

	while (bypass_vm_event(vm, &event)) {
		fprintf(stderr, "%s: %s\n", event.slice->name, event.what.text);
		if (event.what.kind == BYPASS_EVENT_REMARK)
			continue;
		/* The host wants it back, or it is dead. The guest sees an empty slot. */
		bypass_vm_unplug(vm, event.slice);
		bypass_slice_close(event.slice);
	}
}

/* At the end: unplugs and closes all slices. */
static void remove_slices(void)
{
	bypass_vm_close(vm);
	bypass_iommu_free(iommu);
}
/* --- to here */

#define RAM_SIZE (2 << 20)

/* mov $0x80000800,%eax; mov $0xcf8,%dx; out %eax,%dx; mov $0xfc,%dl; in %dx,%eax; out %eax,$0x80 */
static const uint8_t code[] = {0x66, 0xb8, 0x00, 0x08, 0x00, 0x80, 0xba, 0xf8, 0x0c,
			       0x66, 0xef, 0xb2, 0xfc, 0x66, 0xed, 0x66, 0xe7, 0x80};

static int create_vm(int kvm)
{
	struct kvm_userspace_memory_region region = {.memory_size = RAM_SIZE,
						     .userspace_addr = (uintptr_t)ram.hva};
	int vm_fd = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm_fd < 0 || ioctl(vm_fd, KVM_SET_TSS_ADDR, 0xfeffd000) < 0 ||
	    ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0 ||
	    ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -1;
	return vm_fd;
}

static struct kvm_run *create_cpu(int kvm, int vm_fd, int *fd)
{
	struct kvm_regs regs = {.rip = 0x1000, .rflags = 2};
	struct kvm_sregs sregs;

	*fd = ioctl(vm_fd, KVM_CREATE_VCPU, 0);
	if (*fd < 0 || ioctl(*fd, KVM_GET_SREGS, &sregs) < 0)
		return MAP_FAILED;
	sregs.cs.base = sregs.cs.selector = 0;
	if (ioctl(*fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(*fd, KVM_SET_REGS, &regs) < 0)
		return MAP_FAILED;
	return mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED,
		    *fd, 0);
}

/* Until the guest has said what it found. */
static int run_guest(int cpu, struct kvm_run *run, uint32_t *answer)
{
	uint32_t address = 0;

	while (!ioctl(cpu, KVM_RUN, 0)) {
		void *data = (uint8_t *)run + run->io.data_offset;

		if (run->exit_reason == KVM_EXIT_MMIO && slice_mmio(run))
			continue;
		if (run->exit_reason != KVM_EXIT_IO)
			break;
		if (run->io.port == 0xcf8)
			memcpy(&address, data, 4);
		else if (run->io.port == 0xcfc)
			bypass_vm_pci(vm, address >> 8, address & 0xfc, data, run->io.size,
				      run->io.direction == KVM_EXIT_IO_OUT);
		else
			return memcpy(answer, data, 4), 0;
	}
	return bypass_fail(EIO, "the guest ended with exit reason %u", run->exit_reason);
}

int main(int argc, char **argv)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm_fd, cpu, ret;
	struct pollfd told = {.events = POLLIN};
	struct kvm_run *run;
	uint32_t answer = 0;

	if (argc != 2 || bypass_ram_alloc(RAM_SIZE, false, &ram)) {
		fprintf(stderr, "usage: integrate ADDRESS|HCA\n");
		return 2;
	}
	vm_fd = create_vm(kvm);
	run = create_cpu(kvm, vm_fd, &cpu);
	if (vm_fd < 0 || run == MAP_FAILED) {
		perror("integrate: KVM");
		return 1;
	}
	memcpy((uint8_t *)ram.hva + 0x1000, code, sizeof(code));

	ret = add_slice(vm_fd, argv[1]);
	if (!ret)
		ret = run_guest(cpu, run, &answer);
	told.fd = vm ? bypass_vm_event_fd(vm) : -1;
	if (poll(&told, 1, 0) > 0)
		slice_events();
	if (ret)
		fprintf(stderr, "integrate: %s\n", bypass_error());
	else
		printf("the guest found %04x:%04x\n", answer & 0xffff, answer >> 16);
	remove_slices();
	bypass_ram_free(&ram);
	return ret ? 1 : 0;
}
