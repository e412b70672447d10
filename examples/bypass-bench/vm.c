// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The smallest VMM that can carry slices: a VM, a vCPU, an irqchip in the kernel,
 * and vmm-glue for the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bypass/error.h>

#include "boot.h"
#include "vm.h"

#define FIRST_SLOT   16
#define IOAPIC_PINS  24
#define FIRST_GSI    IOAPIC_PINS
#define IDENTITY_MAP 0xfeffc000ull /* VMX wants these in real mode, four pages */
#define PCI_ADDRESS  0xcf8
#define PCI_DATA     0xcfc
#define PCI_ENABLE   (1u << 31)

int bench_ram_alloc(struct bench_ram *ram)
{
	ram->hva = MAP_FAILED;
	ram->fd = memfd_create("bypass-bench", MFD_CLOEXEC);
	if (ram->fd >= 0 && !ftruncate(ram->fd, BENCH_RAM))
		ram->hva = mmap(NULL, BENCH_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, ram->fd, 0);
	if (ram->hva != MAP_FAILED)
		return 0;
	if (ram->fd >= 0)
		close(ram->fd);
	return bypass_fail(errno, "no memory for a guest of %u MiB: %s", BENCH_RAM >> 20,
			   strerror(errno));
}

void bench_ram_free(struct bench_ram *ram)
{
	munmap(ram->hva, BENCH_RAM);
	close(ram->fd);
}

static int open_kvm(int *kvm)
{
	static const struct {
		int cap;
		const char *name;
	} needs[] = {
		{KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP"},
		{KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
		{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
		{KVM_CAP_BINARY_STATS_FD, "KVM_CAP_BINARY_STATS_FD"},
		{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
	};

	*kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (*kvm < 0)
		return bypass_fail(errno, "/dev/kvm: %s%s", strerror(errno),
				   errno == ENOENT   ? ": load kvm-intel or kvm-amd; is "
						       "virtualisation "
						       "on in the firmware?"
				   : errno == EACCES ? ": be root, or a member of its group"
						     : "");
	for (unsigned int i = 0; i < sizeof(needs) / sizeof(*needs); i++)
		if (ioctl(*kvm, KVM_CHECK_EXTENSION, needs[i].cap) <= 0)
			return bypass_fail(EOPNOTSUPP,
					   "this KVM has no %s, without which the paths cannot be "
					   "measured; a newer kernel has it",
					   needs[i].name);
	return 0;
}

static int kvm_failed(const char *what)
{
	return bypass_fail(errno, "KVM: %s: %s", what, strerror(errno));
}

/*
 * Local APICs only: the guest uses no other. PIC and IOAPIC would register on KVM's
 * I/O bus. The next memory slot would then wait for an RCU grace period, about 4 ms.
 */
int bench_kvm_open(int *kvm, int *vm)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {IOAPIC_PINS}};
	int ret;

	*vm = -1;
	ret = open_kvm(kvm);
	if (ret)
		return ret;
	*vm = ioctl(*kvm, KVM_CREATE_VM, 0);
	if (*vm < 0)
		return kvm_failed("cannot create a VM");
	return ioctl(*vm, KVM_ENABLE_CAP, &cap) ? kvm_failed("cannot create local APICs") : 0;
}

static int create_vcpu(struct bench_vm *vm)
{
	uint64_t identity = IDENTITY_MAP;
	int size;

	if (ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0 &&
	    (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) ||
	     ioctl(vm->fd, KVM_SET_TSS_ADDR, IDENTITY_MAP + 4096)))
		return kvm_failed("cannot set the addresses that VMX needs");
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		return kvm_failed("cannot create a vCPU");
	size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size > 0)
		vm->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (size <= 0 || vm->run == MAP_FAILED) {
		vm->run = NULL;
		return kvm_failed("cannot map the vCPU");
	}
	vm->run_size = (size_t)size;
	return 0;
}

static int plug(struct bench_vm *vm, struct bypass_slice *ring, struct bypass_slice *trap,
		struct bypass_slice *hca)
{
	const struct bypass_vm_config config = {
		.first_slot = FIRST_SLOT,
		.first_gsi = FIRST_GSI,
		.split_irqchip = true,
		.mmio32 = {BENCH_MMIO, BENCH_MMIO_SIZE},
	};
	const struct bypass_memory_range range = {
		.size = BENCH_RAM, .hva = vm->ram->hva, .fd = vm->ram->fd};
	int ret = bypass_vm_attach(vm->fd, &config, &vm->glue);

	if (!ret)
		ret = bypass_vm_add_ram(vm->glue, &range, true);
	if (!ret)
		ret = bypass_vm_plug(vm->glue, ring, BENCH_DEVFN_RING, -1);
	if (!ret && trap)
		ret = bypass_vm_plug(vm->glue, trap, BENCH_DEVFN_TRAP, -1);
	if (!ret && hca)
		ret = bypass_vm_plug(vm->glue, hca, BENCH_DEVFN_HCA, -1);
	return ret;
}

int bench_vm_open(struct bench_vm *vm, const struct bench_ram *ram, struct bypass_slice *ring,
		  struct bypass_slice *trap, struct bypass_slice *hca)
{
	int ret;

	*vm = (struct bench_vm){.kvm = -1, .fd = -1, .vcpu = -1, .ram = ram};
	ret = bench_kvm_open(&vm->kvm, &vm->fd);
	if (!ret)
		ret = create_vcpu(vm);
	if (!ret)
		ret = plug(vm, ring, trap, hca);
	if (!ret)
		ret = bench_boot(vm->kvm, vm->vcpu, ram->hva);
	if (ret)
		bench_vm_close(vm);
	return ret;
}

void bench_vm_close(struct bench_vm *vm)
{
	bypass_vm_detach(vm->glue);
	if (vm->run)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm >= 0)
		close(vm->kvm);
	*vm = (struct bench_vm){.kvm = -1, .fd = -1, .vcpu = -1};
}

static int guest_fault(const struct bench_vm *vm)
{
	struct kvm_sregs sregs = {0};
	struct kvm_regs regs = {0};
	uint64_t frame[3] = {0};

	if (ioctl(vm->vcpu, KVM_GET_REGS, &regs) || ioctl(vm->vcpu, KVM_GET_SREGS, &sregs))
		return kvm_failed("cannot read the vCPU's registers");
	if (regs.rsp < BENCH_STACK0 && regs.rsp >= BENCH_STACK0 - 4096)
		memcpy(frame, vm->ram->hva + regs.rsp, sizeof(frame));
	return bypass_fail(EFAULT,
			   "the measuring guest had exception %llu (error code or RIP %#llx, then "
			   "%#llx, CR2 %#llx): a defect; please report it",
			   (unsigned long long)frame[0], (unsigned long long)frame[1],
			   (unsigned long long)frame[2], (unsigned long long)sregs.cr2);
}

/* 1: go on; 0: the guest wants a job; or an error. */
static int handle_io(struct bench_vm *vm)
{
	struct kvm_run *run = vm->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool write = run->io.direction == KVM_EXIT_IO_OUT;
	uint16_t port = run->io.port;

	if (port == BENCH_PORT && write)
		return *data == BENCH_SAY_FAULT ? guest_fault(vm) : 0;
	if (port == PCI_ADDRESS && run->io.size == 4) {
		memcpy(write ? (void *)&vm->pci_address : data,
		       write ? data : (void *)&vm->pci_address, 4);
		return 1;
	}
	if (port >= PCI_DATA && port + run->io.size <= PCI_DATA + 4 &&
	    vm->pci_address & PCI_ENABLE && !(vm->pci_address & 0xff0000) &&
	    bypass_vm_pci(vm->glue, vm->pci_address >> 8 & 0xff,
			  (vm->pci_address & 0xfc) + (port - PCI_DATA), data, run->io.size, write))
		return 1;
	if (!write)
		memset(data, 0xff, run->io.size);
	return 1;
}

static int handle_exit(struct bench_vm *vm)
{
	struct kvm_run *run = vm->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return handle_io(vm);
	case KVM_EXIT_MMIO:
		if (!bypass_vm_mmio(vm->glue, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
				    run->mmio.is_write) &&
		    !run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		return 1;
	case KVM_EXIT_INTR:
		return 1;
	case KVM_EXIT_INTERNAL_ERROR:
		return bypass_fail(EIO, "KVM cannot run the measuring guest: internal error %u",
				   run->internal.suberror);
	case KVM_EXIT_FAIL_ENTRY:
		return bypass_fail(
			EIO, "the CPU refuses to enter the measuring guest: reason %#llx",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	default:
		return bypass_fail(EIO, "the measuring guest ended with KVM exit %u",
				   run->exit_reason);
	}
}

/* Whose vCPU the alarm is for; one job runs at a time in a thread. */
static _Thread_local struct kvm_run *running;

static void on_alarm(int signal)
{
	(void)signal;
	if (running)
		running->immediate_exit = 1;
}

/* A signal to this thread every second, to look whether the guest gets on. */
static int start_alarm(timer_t *timer)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	struct itimerspec when = {.it_value.tv_sec = 1, .it_interval.tv_sec = 1};

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	sigaction(SIGALRM, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, timer))
		return bypass_fail(errno, "no timer to guard the guest with: %s", strerror(errno));
	timer_settime(*timer, 0, &when, NULL);
	return 0;
}

int bench_vm_run(struct bench_vm *vm, unsigned int seconds)
{
	const struct bench_job *job = bench_ram_job(vm->ram);
	unsigned int idle = 0;
	uint64_t done = 0;
	timer_t timer;
	int ret = start_alarm(&timer);

	if (ret)
		return ret;
	running = vm->run;
	do {
		if (!ioctl(vm->vcpu, KVM_RUN, 0)) {
			vm->exits++;
			ret = handle_exit(vm);
			continue;
		}
		ret = errno == EINTR ? 1 : kvm_failed("cannot run the vCPU");
		if (ret < 0 || !vm->run->immediate_exit)
			continue;
		vm->run->immediate_exit = 0;
		idle = job->done == done ? idle + 1 : 0;
		done = job->done;
		if (idle >= seconds)
			ret = bypass_fail(ETIMEDOUT,
					  "the measuring guest is stuck: nothing done in %u s; "
					  "does its device still run?",
					  seconds);
	} while (ret > 0);
	running = NULL;
	timer_delete(timer);
	return ret;
}
