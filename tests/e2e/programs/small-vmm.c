// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * small-vmm KERNEL INITRD ARGUMENTS [ADDRESS | rdma:TEXT]...: a VMM of its own, on the public
 * headers of vmm-glue alone. It boots a stock kernel on one CPU, with no ACPI and no firmware,
 * and gives it the slices. What the slices tell goes to standard error; a slice that is
 * wanted back, or dead, is unplugged and closed under the running guest.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/function.h>
#include <bypass/iommu.h>
#include <bypass/kvm.h>
#include <bypass/rdma.h>

#define RAM_SIZE    (512ull << 20)
#define GDT_BASE    0x500ull
#define BOOT_PARAMS 0x7000ull
#define CMDLINE	    0x20000ull
#define LOW_END	    0x9f000ull
#define KERNEL_BASE 0x1000000ull
#define SERIAL_PORT 0x3f8
#define SERIAL_GSI  4

static struct bypass_vm *vm;
static struct bypass_iommu *iommu;
static struct bypass_memory_range ram;
static int kvm, vm_fd, cpu_fd;

static void die(const char *what)
{
	fprintf(stderr, "small-vmm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(int err)
{
	if (!err)
		return;
	fprintf(stderr, "small-vmm: %s\n", bypass_error());
	exit(1);
}

static int must_ioctl(int fd, unsigned long request, void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		die(what);
	return ret;
}

/* --- the slices: all that a VMM has to do for them */

static void attach(struct kvm_cpuid2 *cpuid)
{
	struct bypass_vm_config config = {
		.first_slot = 1,
		.first_gsi = 24,
		.mmio32 = {0xc0000000, 0x20000000},
		.pio = {0xc000, 0x1000},
	};

	must(bypass_vm_mmio64(cpuid, &config));
	must(bypass_vm_attach(vm_fd, &config, &vm));
	must(bypass_vm_add_ram(vm, &ram, false));
}

static void plug(const char *text, unsigned int device)
{
	struct bypass_slice *slice;

	if (!strncmp(text, "rdma:", 5)) {
		must(bypass_rdma_slice_open(text + 5, &slice));
	} else {
		if (!iommu)
			must(bypass_iommu_new(&iommu));
		must(bypass_function_open(iommu, text, NULL, &slice));
	}
	must(bypass_vm_plug(vm, slice, device << 3, -1));
}

static void hear(void)
{
	static const char *const kinds[] = {"wanted back", "dead", "remark"};
	struct bypass_vm_event event;

	while (bypass_vm_event(vm, &event)) {
		fprintf(stderr, "%s: %s: %s\n", event.slice->name, kinds[event.what.kind],
			event.what.text);
		if (event.what.kind == BYPASS_EVENT_REMARK)
			continue;
		must(bypass_vm_unplug(vm, event.slice));
		bypass_slice_close(event.slice);
		fprintf(stderr, "unplugged, %s are left\n",
			bypass_vm_slice(vm, 0) ? "others" : "none");
	}
}

/* Configuration mechanism 1: bus 0 with a host bridge, which Linux looks for, and the slices. */
static void config_pio(uint16_t port, uint8_t *data, uint32_t size, bool write)
{
	static const uint8_t bridge[16] = {0x36, 0x1b, 0x08, 0x00, [11] = 0x06};
	static uint32_t address;
	uint32_t at = (address & 0xfc) + (port & 3);

	if (port < 0xcfc) {
		memcpy(write ? (void *)&address : data, write ? data : (void *)&address, size);
		return;
	}
	if (address >> 31 && !(address & 0xffff00))
		for (uint32_t i = 0; i < size && !write; i++)
			data[i] = at + i < sizeof(bridge) ? bridge[at + i] : 0;
	else if ((address & 0x80ff0000) != 0x80000000 ||
		 !bypass_vm_pci(vm, address >> 8, at, data, size, write))
		memset(data, 0xff, write ? 0 : size);
}

/* --- the rest of the machine: a serial port, a CPU, a kernel in memory */

static void serial(unsigned int reg, uint8_t *data, bool write)
{
	static uint8_t regs[8], divisor[2];
	struct kvm_irq_level irq = {.irq = SERIAL_GSI, .level = 1};
	bool latch = regs[3] & 0x80;

	if (reg < 2 && latch)
		memcpy(write ? &divisor[reg] : data, write ? data : &divisor[reg], 1);
	else if (write && reg == 0)
		putchar(*data), fflush(stdout);
	else if (write)
		regs[reg] = *data;
	else if (reg == 2) /* the transmitter is always empty */
		*data = regs[1] & 2 ? 0x02 : 0x01;
	else if (reg == 5)
		*data = 0x60;
	else if (reg == 6)
		*data = regs[4] & 0x10 ? 0x90 : 0xb0;
	else
		*data = reg ? regs[reg] : 0;
	if (!write || reg > 1 || latch || !(regs[1] & 2))
		return;
	ioctl(vm_fd, KVM_IRQ_LINE, &irq);
	irq.level = 0;
	ioctl(vm_fd, KVM_IRQ_LINE, &irq);
}

static void pio(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool write = run->io.direction == KVM_EXIT_IO_OUT;
	uint16_t port = run->io.port;

	/* A string instruction is several accesses. */
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (port >= SERIAL_PORT && port < SERIAL_PORT + 8 && run->io.size == 1)
			serial(port - SERIAL_PORT, data, write);
		else if (port >= 0xcf8 && port < 0xd00)
			config_pio(port, data, run->io.size, write);
		else if (!bypass_vm_pio(vm, port, data, run->io.size, write) && !write)
			memset(data, 0xff, run->io.size);
	}
}

/* Until the guest reboots, which it does by a triple fault. */
static void *run_cpu(void *opaque)
{
	struct kvm_run *run = opaque;

	while (!ioctl(cpu_fd, KVM_RUN, 0) || errno == EINTR) {
		if (run->exit_reason == KVM_EXIT_IO)
			pio(run);
		else if (run->exit_reason != KVM_EXIT_MMIO)
			break;
		else if (!bypass_vm_mmio(vm, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
					 run->mmio.is_write) &&
			 !run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	}
	fprintf(stderr, "the guest ended with exit reason %u\n", run->exit_reason);
	exit(run->exit_reason == KVM_EXIT_SHUTDOWN ? 0 : 1);
}

static const uint8_t *map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *data;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	*size = st.st_size;
	data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		die(path);
	close(fd);
	return data;
}

/* Documentation/arch/x86/boot.rst: the 32-bit entry. */
static void load(const char *kernel, const char *initrd, const char *arguments)
{
	struct boot_params *params = (void *)((char *)ram.hva + BOOT_PARAMS);
	size_t size, initrd_size, setup;
	const uint8_t *image = map_file(kernel, &size), *disk = map_file(initrd, &initrd_size);
	uint64_t disk_at = (RAM_SIZE - initrd_size) & ~0xfffull;

	memcpy(&params->hdr, image + offsetof(struct boot_params, hdr), sizeof(params->hdr));
	setup = (params->hdr.setup_sects + 1) * 512;
	memcpy((char *)ram.hva + KERNEL_BASE, image + setup, size - setup);
	memcpy((char *)ram.hva + disk_at, disk, initrd_size);
	snprintf((char *)ram.hva + CMDLINE, 1024, "console=ttyS0 acpi=off reboot=t panic=-1 %s",
		 arguments);
	params->hdr.type_of_loader = 0xff;
	params->hdr.code32_start = KERNEL_BASE;
	params->hdr.cmd_line_ptr = CMDLINE;
	params->hdr.ramdisk_image = disk_at;
	params->hdr.ramdisk_size = initrd_size;
	params->e820_table[0] = (struct boot_e820_entry){0, LOW_END, 1};
	params->e820_table[1] = (struct boot_e820_entry){1 << 20, RAM_SIZE - (1 << 20), 1};
	params->e820_entries = 2;
}

static void enter(void)
{
	static const uint64_t gdt[] = {0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
	struct kvm_segment code = {
		.limit = ~0u, .selector = 0x10, .type = 0xb, .present = 1, .db = 1, .s = 1, .g = 1};
	struct kvm_segment data = code;
	struct kvm_regs regs = {.rip = KERNEL_BASE, .rsi = BOOT_PARAMS, .rflags = 2};
	struct kvm_sregs sregs;

	must_ioctl(cpu_fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	data.selector = 0x18;
	data.type = 3;
	memcpy((char *)ram.hva + GDT_BASE, gdt, sizeof(gdt));
	sregs.gdt.base = GDT_BASE;
	sregs.gdt.limit = sizeof(gdt) - 1;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = 0x11;
	must_ioctl(cpu_fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	must_ioctl(cpu_fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

int main(int argc, char **argv)
{
	static uint64_t space[2048];
	struct kvm_cpuid2 *cpuid = (void *)space;
	struct kvm_userspace_memory_region region = {.memory_size = RAM_SIZE};
	struct kvm_pit_config pit = {.flags =
					     KVM_PIT_SPEAKER_DUMMY}; /* Linux times the TSC by it */
	struct kvm_run *run;
	pthread_t thread;

	if (argc < 4)
		return fprintf(stderr, "usage: small-vmm KERNEL INITRD ARGUMENTS [SLICE]...\n"), 2;
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vm_fd = must_ioctl(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	must(bypass_ram_alloc(RAM_SIZE, false, &ram));
	region.userspace_addr = (uintptr_t)ram.hva;
	must_ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
	must_ioctl(vm_fd, KVM_SET_TSS_ADDR, (void *)0xfffbd000, "KVM_SET_TSS_ADDR");
	must_ioctl(vm_fd, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	must_ioctl(vm_fd, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
	cpu_fd = must_ioctl(vm_fd, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	cpuid->nent = 256;
	must_ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
	for (unsigned int i = 0; i < cpuid->nent; i++) /* a hypervisor and a TSC deadline timer */
		cpuid->entries[i].ecx |= cpuid->entries[i].function == 1 ? 0x81000000 : 0;
	must_ioctl(cpu_fd, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED,
		   cpu_fd, 0);
	if (run == MAP_FAILED)
		die("the vCPU cannot be mapped");
	attach(cpuid);
	for (int i = 4; i < argc; i++)
		plug(argv[i], i - 3);
	load(argv[1], argv[2], argv[3]);
	enter();
	if (pthread_create(&thread, NULL, run_cpu, run))
		die("no thread");
	for (struct pollfd p = {.fd = bypass_vm_event_fd(vm), .events = POLLIN};;)
		if (poll(&p, 1, -1) > 0)
			hear();
}
