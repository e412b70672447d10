// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The Linux boot protocol (Documentation/arch/x86/boot.rst): places kernel, initrd
 * and command line in guest memory and sets up the first vCPU for the 32-bit entry point.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <asm/bootparam.h>

#include <bypass/error.h>

#include "internal.h"

#define GDT_BASE       0x500ull
#define BOOT_PARAMS    0x7000ull
#define CMDLINE_BASE   0x20000ull
#define CMDLINE_SIZE   0x10000ull
#define BOOT_FLAG      0xaa55
#define HEADER_MAGIC   0x53726448 /* "HdrS" */
#define OLDEST	       0x020a	  /* first protocol that says how much memory a kernel needs */
#define LOADER_UNKNOWN 0xff
#define E820_RAM       1
#define E820_RESERVED  2
#define SECTOR	       512

/* On hardware-reduced ACPI a kernel reboots by EFI, which is not here, unless reboot= says otherwise. */
#define DEFAULT_ARGS "console=ttyS0 reboot=acpi"

/* A file to copy into the guest. */
struct image {
	const char *path;
	const uint8_t *data;
	size_t size;
};

static int image_open(struct image *image, const char *path)
{
	struct stat st;
	int fd, ret = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return bypass_fail(errno, "%s cannot be opened: %s", path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size) {
		ret = bypass_fail(EINVAL, "%s is not a file with anything in it", path);
		goto out;
	}
	image->path = path;
	image->size = st.st_size;
	image->data = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image->data == MAP_FAILED) {
		image->data = NULL;
		ret = bypass_fail(errno, "%s cannot be mapped: %s", path, strerror(errno));
	}
out:
	close(fd);
	return ret;
}

static void image_close(struct image *image)
{
	if (image->data)
		munmap((void *)image->data, image->size);
}

static int header_check(const struct image *kernel, const struct setup_header *hdr)
{
	if (kernel->size < 2 * SECTOR || hdr->boot_flag != BOOT_FLAG || hdr->header != HEADER_MAGIC)
		return bypass_fail(ENOEXEC,
				   "%s is not a Linux bzImage. Give --kernel a file such as "
				   "/boot/vmlinuz, not an ELF vmlinux",
				   kernel->path);
	if (hdr->version < OLDEST || !(hdr->loadflags & LOADED_HIGH) || !hdr->relocatable_kernel)
		return bypass_fail(ENOEXEC,
				   "%s is too old: boot protocol %u.%u, 2.10 and a relocatable "
				   "kernel are needed",
				   kernel->path, hdr->version >> 8, hdr->version & 0xff);
	return 0;
}

/* Where RAM below 4 GiB ends. */
static uint64_t low_ram_end(const struct vmm *vmm)
{
	unsigned int n;
	const struct bypass_memory_range *range = bypass_memory_ranges(vmm->memory, &n);

	return range[0].gpa + range[0].size;
}

/* The kernel goes to the address that it prefers. @end is set to the end of the room that it unpacks in. */
static int load_kernel(struct vmm *vmm, const struct image *image, struct setup_header *hdr,
		       uint64_t *end)
{
	size_t setup = ((hdr->setup_sects ? hdr->setup_sects : 4) + 1ul) * SECTOR;
	uint64_t base = hdr->pref_address > KERNEL_BASE ? hdr->pref_address : KERNEL_BASE;
	uint64_t size = hdr->init_size;
	uint8_t *to;

	if (setup >= image->size)
		return bypass_fail(ENOEXEC, "%s is cut short", image->path);
	if (size < image->size - setup)
		size = image->size - setup;
	to = bypass_memory_hva(vmm->memory, base, size);
	if (!to || base >> 32)
		return bypass_fail(ENOMEM,
				   "%s needs %llu MiB of memory from %#llx on, and the guest has "
				   "less. Give it more with --mem",
				   image->path, (unsigned long long)(size >> 20) + 1,
				   (unsigned long long)base);
	memcpy(to, image->data + setup, image->size - setup);
	hdr->code32_start = base;
	*end = base + size;
	return 0;
}

/* The initrd goes as high as the kernel allows, out of the way of what unpacks. */
static int load_initrd(struct vmm *vmm, const struct image *image, struct setup_header *hdr,
		       uint64_t kernel_end)
{
	uint64_t limit = low_ram_end(vmm), base;
	uint8_t *to = NULL;

	if (limit > hdr->initrd_addr_max + 1ull)
		limit = hdr->initrd_addr_max + 1ull;
	base = limit > image->size ? (limit - image->size) & ~0xfffull : 0;
	if (base >= kernel_end)
		to = bypass_memory_hva(vmm->memory, base, image->size);
	if (!to)
		return bypass_fail(ENOMEM,
				   "%s (%zu MiB) does not fit into the guest's memory beside the "
				   "kernel. Give it more with --mem",
				   image->path, (image->size >> 20) + 1);
	memcpy(to, image->data, image->size);
	hdr->ramdisk_image = base;
	hdr->ramdisk_size = image->size;
	return 0;
}

static int load_cmdline(struct vmm *vmm, const char *append, struct setup_header *hdr)
{
	char *to = bypass_memory_hva(vmm->memory, CMDLINE_BASE, CMDLINE_SIZE);
	uint32_t limit = hdr->cmdline_size < CMDLINE_SIZE ? hdr->cmdline_size : CMDLINE_SIZE - 1;
	size_t need = strlen(DEFAULT_ARGS) + (append ? strlen(append) + 1 : 0);

	if (need > limit)
		return bypass_fail(E2BIG,
				   "the kernel takes a command line of %u bytes, this has %zu",
				   limit, need);
	strcpy(to, DEFAULT_ARGS);
	if (append) {
		strcat(to, " ");
		strcat(to, append);
	}
	hdr->cmd_line_ptr = CMDLINE_BASE;
	return 0;
}

static void add_e820(struct boot_params *params, uint64_t start, uint64_t end, uint32_t type)
{
	params->e820_table[params->e820_entries++] =
		(struct boot_e820_entry){.addr = start, .size = end - start, .type = type};
}

static void build_e820(struct vmm *vmm, struct boot_params *params)
{
	unsigned int n;
	const struct bypass_memory_range *range = bypass_memory_ranges(vmm->memory, &n);

	add_e820(params, 0, LOW_RAM_END, E820_RAM);
	add_e820(params, LOW_RAM_END, KERNEL_BASE, E820_RESERVED);
	add_e820(params, KERNEL_BASE, low_ram_end(vmm), E820_RAM);
	/* Linux uses ECAM only where the memory map reserves it. */
	add_e820(params, ECAM_BASE, ECAM_BASE + ECAM_SIZE, E820_RESERVED);
	for (unsigned int i = 1; i < n; i++)
		add_e820(params, range[i].gpa, range[i].gpa + range[i].size, E820_RAM);
}

/* The state that the protocol's 32-bit entry asks for: flat segments, no paging. */
static int enter_at(struct vmm *vmm, uint32_t entry)
{
	static const uint64_t gdt[] = {0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
	struct kvm_segment code = {.limit = 0xffffffff,
				   .selector = 0x10,
				   .type = 0xb,
				   .present = 1,
				   .db = 1,
				   .s = 1,
				   .g = 1};
	struct kvm_segment data = code;
	struct kvm_regs regs = {.rip = entry, .rsi = BOOT_PARAMS, .rflags = 0x2};
	struct kvm_sregs sregs;
	int fd = vmm->cpus[0].fd;

	if (ioctl(fd, KVM_GET_SREGS, &sregs) < 0)
		goto fail;
	data.selector = 0x18;
	data.type = 0x3;
	memcpy(bypass_memory_hva(vmm->memory, GDT_BASE, sizeof(gdt)), gdt, sizeof(gdt));
	sregs.gdt.base = GDT_BASE;
	sregs.gdt.limit = sizeof(gdt) - 1;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = 0x11; /* PE, ET */
	if (ioctl(fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(fd, KVM_SET_REGS, &regs) < 0)
		goto fail;
	return 0;
fail:
	return bypass_fail(errno, "the first vCPU cannot be set up: %s", strerror(errno));
}

/**
 * boot() - put the kernel and its belongings into memory and the first vCPU at its entry
 * @vmm: the machine, as after power-on
 * @opt: which kernel, initrd and arguments
 *
 * Return: 0, or a negative errno with bypass_error().
 */
int boot(struct vmm *vmm, const struct options *opt)
{
	struct image kernel = {0}, initrd = {0};
	struct boot_params *params;
	uint64_t kernel_end = 0;
	size_t header_size;
	int ret;

	ret = image_open(&kernel, opt->kernel);
	if (!ret && opt->initrd)
		ret = image_open(&initrd, opt->initrd);
	if (ret)
		goto out;

	params = bypass_memory_hva(vmm->memory, BOOT_PARAMS, sizeof(*params));
	memset(params, 0, sizeof(*params));
	if (kernel.size >= 2 * SECTOR) {
		/* The byte at 0x201 says where the header ends; what lies behind it is code. */
		header_size = 0x202 + kernel.data[0x201] - offsetof(struct boot_params, hdr);
		if (header_size > sizeof(params->hdr))
			header_size = sizeof(params->hdr);
		memcpy(&params->hdr, kernel.data + offsetof(struct boot_params, hdr), header_size);
	}
	ret = header_check(&kernel, &params->hdr);
	if (!ret)
		ret = load_kernel(vmm, &kernel, &params->hdr, &kernel_end);
	if (!ret && initrd.data)
		ret = load_initrd(vmm, &initrd, &params->hdr, kernel_end);
	if (!ret)
		ret = load_cmdline(vmm, opt->append, &params->hdr);
	if (ret)
		goto out;
	params->hdr.type_of_loader = LOADER_UNKNOWN;
	params->acpi_rsdp_addr = ACPI_BASE;
	build_e820(vmm, params);
	acpi_build(vmm);
	ret = enter_at(vmm, params->hdr.code32_start);
out:
	image_close(&initrd);
	image_close(&kernel);
	return ret;
}
