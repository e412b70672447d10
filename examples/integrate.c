// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * integrate ADDRESS: what a KVM VMM adds to give its guest a slice stands between the two lines
 * below; the rest is the smallest VMM that can show it. Its guest asks device 1 who it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/kvm.h>

#include <bypass/error.h>
#include <bypass/function.h>
#include <bypass/iommu.h>
#include <bypass/kvm.h>

/* --- from here */
static struct bypass_vm *vm;
static struct bypass_iommu *iommu;
static struct bypass_slice *slice;

/* When the VM has its interrupt controllers and its memory: */
static int add_slice(int vm_fd, void *ram, uint64_t ram_size, const char *address)
{
	struct bypass_vm_config config = {.first_slot = 1,
					  .first_gsi = 24,
					  .mmio32 = {0xc0000000, 256 << 20},
					  .mmio64 = {1ull << 32, 1ull << 32}};
	struct bypass_memory_range range = {.gpa = 0, .size = ram_size, .hva = ram, .fd = -1};

	if (bypass_vm_attach(vm_fd, &config, &vm) || bypass_vm_add_ram(vm, &range, false) ||
	    bypass_iommu_new(&iommu) || bypass_function_open(iommu, address, NULL, &slice))
		return -1;
	return bypass_vm_plug(vm, slice, 1 << 3, 17);
}

/* On KVM_EXIT_MMIO; KVM_EXIT_IO and config space are passed on by bypass_vm_pio() and _pci(): */
static bool slice_mmio(struct kvm_run *run)
{
	return bypass_vm_mmio(vm, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
			      run->mmio.is_write);
}
/* --- to here */

#define RAM_SIZE (2 << 20)

/* mov $0x80000800,%eax; mov $0xcf8,%dx; out %eax,%dx; mov $0xfc,%dl; in %dx,%eax; out %eax,$0x80 */
static const uint8_t code[] = {0x66, 0xb8, 0x00, 0x08, 0x00, 0x80, 0xba, 0xf8, 0x0c,
			       0x66, 0xef, 0xb2, 0xfc, 0x66, 0xed, 0x66, 0xe7, 0x80};

static int create_vm(int kvm, void *ram)
{
	struct kvm_userspace_memory_region region = {.memory_size = RAM_SIZE,
						     .userspace_addr = (uintptr_t)ram};
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
	void *ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm_fd, cpu, ret;
	struct kvm_run *run;
	uint32_t answer = 0;

	if (argc != 2 || ram == MAP_FAILED) {
		fprintf(stderr, "usage: integrate ADDRESS\n");
		return 2;
	}
	vm_fd = create_vm(kvm, ram);
	run = create_cpu(kvm, vm_fd, &cpu);
	if (vm_fd < 0 || run == MAP_FAILED) {
		perror("integrate: KVM");
		return 1;
	}
	memcpy((uint8_t *)ram + 0x1000, code, sizeof(code));

	ret = add_slice(vm_fd, ram, RAM_SIZE, argv[1]);
	if (!ret)
		ret = run_guest(cpu, run, &answer);
	if (ret)
		fprintf(stderr, "integrate: %s\n", bypass_error());
	else
		printf("the guest found %04x:%04x\n", answer & 0xffff, answer >> 16);
	bypass_vm_detach(vm);
	bypass_slice_close(slice);
	bypass_iommu_free(iommu);
	return ret ? 1 : 0;
}
