// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The DMA address space: what goes to the kernel when, what each failure means in
 * words, and that a failure leaves everything as it was.
 */
#include "vfio_kernel.h"

#include <sys/resource.h>

#include <bypass/iommu.h>
#include <bypass/memory.h>
#include <bypass/vfio.h>

#include "../../libbypass/iommu/capability.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define BOTH (BYPASS_DMA_READ | BYPASS_DMA_WRITE)

static void *const hva = (void *)0x7000000000;

#define with_kernel(test) cmocka_unit_test_setup_teardown(test, kernel_setup, kernel_teardown)

static struct bypass_iommu *iommu_new(void)
{
	struct bypass_iommu *iommu = NULL;

	assert_int_equal(bypass_iommu_new(&iommu), 0);
	return iommu;
}

static struct bypass_vfio *device_open(struct bypass_iommu *iommu, const char *address)
{
	struct bypass_vfio *device = NULL;

	assert_int_equal(bypass_vfio_open(iommu, address, NULL, &device), 0);
	return device;
}

static void add(struct bypass_memory *mem, uint64_t gpa, uint64_t size, uint64_t at)
{
	struct bypass_memory_range r = {
		.gpa = gpa, .size = size, .hva = (char *)hva + at, .fd = -1};

	assert_int_equal(bypass_memory_add(mem, &r), 0);
}

static bool kernel_has(uint64_t iova, uint64_t size, uint64_t at)
{
	for (unsigned int i = 0; i < kernel.n_mappings; i++)
		if (kernel.mappings[i].iova == iova && kernel.mappings[i].size == size &&
		    kernel.mappings[i].vaddr == (uintptr_t)hva + at)
			return true;
	return false;
}

static void test_new_refused(void **state)
{
	struct bypass_iommu *iommu;
	char command[128];

	(void)state;
	kernel.open_error = ENOENT;
	assert_int_equal(bypass_iommu_new(&iommu), -ENODEV);
	assert_says("modprobe vfio-pci");
	kernel.open_error = EACCES;
	assert_int_equal(bypass_iommu_new(&iommu), -EACCES);
	assert_says("chmod 0666 /dev/vfio/vfio");
	kernel.open_error = 0;
	kernel_fails(VFIO_GET_API_VERSION, -7, 0);
	assert_int_equal(bypass_iommu_new(&iommu), -ENODEV);
	kernel.no_type1v2 = true;
	assert_int_equal(bypass_iommu_new(&iommu), -ENODEV);
	assert_says("modprobe vfio_iommu_type1");
	kernel.no_type1v2 = false;
	/* a host without an IOMMU has no groups */
	snprintf(command, sizeof(command), "rm -r %s", in_tree("sys/kernel/iommu_groups"));
	assert_int_equal(system(command), 0);
	assert_int_equal(bypass_iommu_new(&iommu), -ENOTSUP);
	assert_says("intel_iommu=on");
}

static void test_replay(void **state)
{
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device;
	unsigned int n;

	(void)state;
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, MIB, BOTH), 0);
	assert_int_equal(bypass_iommu_map(iommu, 4 * MIB, hva, PAGE, BYPASS_DMA_READ), 0);
	assert_int_equal(kernel.maps, 0);
	assert_null(bypass_iommu_ranges(iommu, &n));
	device = device_open(iommu, FUNCTION);
	assert_string_equal(kernel.device_name, FUNCTION);
	assert_int_equal(kernel.maps, 2);
	assert_true(kernel_has(0, MIB, 0) && kernel_has(4 * MIB, PAGE, 0));
	assert_int_equal(kernel.mappings[1].flags, VFIO_DMA_MAP_FLAG_READ);
	assert_int_equal(bypass_iommu_ranges(iommu, &n)[1].last, 0xffffffffffff);
	assert_int_equal(n, 2);

	/* all devices gone, one back: a new container, and the mappings once more */
	bypass_vfio_close(device);
	assert_int_equal(kernel.containers, 0);
	assert_null(bypass_iommu_ranges(iommu, &n));
	assert_int_equal(bypass_iommu_unmap(iommu, 4 * MIB, PAGE), 0);
	device = device_open(iommu, FUNCTION);
	assert_int_equal(kernel.n_mappings, 1);
	assert_int_equal(bypass_iommu_bytes(iommu), MIB);
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
}

static void test_groups(void **state)
{
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *one = device_open(iommu, FUNCTION), *two, *three;
	unsigned int n;

	(void)state;
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, MIB, BOTH), 0);
	two = device_open(iommu, NEIGHBOUR);
	assert_int_equal(kernel.groups, 1);
	assert_int_equal(bypass_vfio_kvm_fd(one), bypass_vfio_kvm_fd(two));
	/* another group may bring other reserved addresses with it */
	kernel.ranges[0].end = 0x7fffffff;
	three = device_open(iommu, OTHER);
	assert_int_equal(kernel.groups, 2);
	assert_int_equal(bypass_iommu_ranges(iommu, &n)[0].last, 0x7fffffff);
	assert_int_equal(kernel.maps, 1);
	bypass_vfio_close(one);
	assert_int_equal(kernel.groups, 2);
	bypass_vfio_close(two);
	assert_int_equal(kernel.groups, 1);
	assert_int_equal(bypass_iommu_map(iommu, MIB, hva, MIB, BOTH), 0);
	assert_int_equal(kernel.maps, 2);
	bypass_vfio_close(three);
	bypass_iommu_free(iommu);
}

static void test_map_checks(void **state)
{
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device = device_open(iommu, FUNCTION);

	(void)state;
	assert_int_equal(bypass_iommu_map(iommu, MIB, hva, MIB, BOTH), 0);
	assert_int_equal(bypass_iommu_map(iommu, 1, hva, MIB, BOTH), -EINVAL);
	assert_int_equal(bypass_iommu_map(iommu, 0, (char *)hva + 1, MIB, BOTH), -EINVAL);
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, MIB + 1, BOTH), -EINVAL);
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, 0, BOTH), -EINVAL);
	assert_int_equal(bypass_iommu_map(iommu, -PAGE, hva, 2 * PAGE, BOTH), -EINVAL);
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, PAGE, 0), -EINVAL);
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, PAGE, 4), -EINVAL);
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, 2 * MIB, BOTH), -EEXIST);
	assert_says("[0x0, 0x1fffff]");
	assert_says("[0x100000, 0x1fffff]");
	assert_int_equal(bypass_iommu_map(iommu, 2 * MIB - PAGE, hva, MIB, BOTH), -EEXIST);
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, 16 * MIB, BOTH), -EEXIST);
	assert_int_equal(bypass_iommu_map(iommu, 0xfedff000, hva, 2 * PAGE, BOTH), -ERANGE);
	assert_says("[0xfee00000, 0xfeefffff]");
	assert_int_equal(bypass_iommu_map(iommu, 0xfeeff000, hva, 2 * PAGE, BOTH), -ERANGE);
	assert_says("[0xfee00000, 0xfeefffff]");
	assert_int_equal(bypass_iommu_map(iommu, 1ull << 48, hva, PAGE, BOTH), -ERANGE);
	assert_says("[0x1000000000000, 0xffffffffffffffff]");
	assert_int_equal(bypass_iommu_map(iommu, 0xfedff000, hva, PAGE, BOTH), 0);
	assert_int_equal(bypass_iommu_map(iommu, 0xfef00000, hva, PAGE, BOTH), 0);
	assert_int_equal(bypass_iommu_unmap(iommu, MIB, PAGE), -ENOENT);
	assert_int_equal(bypass_iommu_unmap(iommu, 0, MIB), -ENOENT);
	assert_int_equal(bypass_iommu_unmap(iommu, UINT64_MAX, MIB), -ENOENT);
	assert_int_equal(bypass_iommu_unmap(iommu, MIB, MIB), 0);
	assert_int_equal(kernel.maps, 3);
	assert_int_equal(kernel.unmaps, 1);
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
}

static void test_map_errors(void **state)
{
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device = device_open(iommu, FUNCTION);
	static const struct {
		int err, result;
		const char *text;
	} cases[] = {
		{ENOSPC, ENOSPC, "dma_entry_limit"},	   {EEXIST, EEXIST, "not by us"},
		{EINVAL, ERANGE, "reserved_regions"},	   {EFAULT, EFAULT, "cannot be written"},
		{EBUSY, EBUSY, "Device or resource busy"},
	};

	(void)state;
	put_file(in_tree("sys/module/vfio_iommu_type1/parameters/dma_entry_limit"), "65535\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kernel_fails(VFIO_IOMMU_MAP_DMA, cases[i].err, 0);
		assert_int_equal(bypass_iommu_map(iommu, 0, hva, MIB, BOTH), -cases[i].result);
		assert_says(cases[i].text);
		assert_int_equal(bypass_iommu_bytes(iommu), 0);
	}
	kernel_fails(VFIO_IOMMU_MAP_DMA, ENOSPC, 0);
	bypass_iommu_map(iommu, 0, hva, MIB, BOTH);
	assert_says("allows 65535 mappings");

	assert_int_equal(bypass_iommu_map(iommu, 0, hva, MIB, BOTH), 0);
	kernel_fails(VFIO_IOMMU_UNMAP_DMA, EIO, 0);
	assert_int_equal(bypass_iommu_unmap(iommu, 0, MIB), -EIO);
	assert_int_equal(bypass_iommu_bytes(iommu), MIB);
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
}

/* CAP_IPC_LOCK lifts the limit, and tests may run as root: two answers are right. */
static void test_memlock(void **state)
{
	struct rlimit limit = {1 * MIB, RLIM_INFINITY}, before;
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	limit.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	add(mem, 0, 3 * MIB, 0);
	add(mem, 8 * MIB, MIB, 8 * MIB);
	device = device_open(iommu, FUNCTION);
	/* what is asked for is all that is missing, not only the range that failed */
	kernel_fails(VFIO_IOMMU_MAP_DMA, ENOMEM, 0);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), -ENOMEM);
	assert_says("pin 4096 KiB");
	if (strstr(bypass_error(), "prlimit")) {
		assert_says("it is 1024 KiB");
		assert_says("--memlock=4194304");
	} else {
		assert_says("not enough free memory");
	}
	kernel_fails(VFIO_IOMMU_MAP_DMA, ENOMEM, 1);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), -ENOMEM);
	assert_says("pin 1024 KiB");
	assert_int_equal(kernel.n_mappings, 0);
	bypass_vfio_close(device);

	assert_int_equal(bypass_iommu_set_memory(iommu, mem), 0);
	kernel_fails(VFIO_IOMMU_MAP_DMA, ENOMEM, 1);
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -ENOMEM);
	assert_int_equal(kernel.groups, 0);
	setrlimit(RLIMIT_MEMLOCK, &before);
	bypass_iommu_free(iommu);
	bypass_memory_free(mem);
}

static void test_memory(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device = device_open(iommu, FUNCTION);

	(void)state;
	assert_int_equal(bypass_iommu_map(iommu, 64 * MIB, hva, PAGE, BOTH), 0);
	add(mem, 0, MIB, 0);
	add(mem, 4 * MIB, MIB, 4 * MIB);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), 0);
	assert_int_equal(kernel.maps, 3);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), 0);
	assert_int_equal(kernel.maps, 3);
	assert_int_equal(kernel.unmaps, 0);

	/* one range comes, one moves in this process, one stays */
	add(mem, 8 * MIB, MIB, 8 * MIB);
	assert_int_equal(bypass_memory_remove(mem, 4 * MIB), 0);
	add(mem, 4 * MIB, MIB, 16 * MIB);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), 0);
	assert_int_equal(kernel.maps, 5);
	assert_int_equal(kernel.unmaps, 1);
	assert_true(kernel_has(4 * MIB, MIB, 16 * MIB) && kernel_has(8 * MIB, MIB, 8 * MIB));
	assert_int_equal(bypass_iommu_bytes(iommu), 3 * MIB + PAGE);

	/* nothing of the guest's, but what was mapped by hand */
	assert_int_equal(bypass_iommu_set_memory(iommu, NULL), 0);
	assert_int_equal(kernel.n_mappings, 1);
	assert_true(kernel_has(64 * MIB, PAGE, 0));
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
	bypass_memory_free(mem);
}

static void test_memory_undone(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device = device_open(iommu, FUNCTION);

	(void)state;
	add(mem, 0, MIB, 0);
	add(mem, 4 * MIB, MIB, 4 * MIB);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), 0);
	assert_int_equal(bypass_memory_remove(mem, 0), 0);
	add(mem, 8 * MIB, MIB, 8 * MIB);
	add(mem, 12 * MIB, MIB, 12 * MIB);
	kernel_fails(VFIO_IOMMU_MAP_DMA, ENOSPC, 1);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), -ENOSPC);
	assert_says("[0xc00000, 0xcfffff]");
	assert_int_equal(kernel.n_mappings, 2);
	assert_true(kernel_has(0, MIB, 0) && kernel_has(4 * MIB, MIB, 4 * MIB));
	assert_int_equal(bypass_iommu_bytes(iommu), 2 * MIB);
	kernel_fails(VFIO_IOMMU_UNMAP_DMA, EIO, 0);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), -EIO);
	assert_int_equal(kernel.n_mappings, 2);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), 0);
	assert_int_equal(kernel.n_mappings, 3);

	/* it overlaps what was mapped by hand */
	assert_int_equal(bypass_iommu_map(iommu, 32 * MIB, hva, PAGE, BOTH), 0);
	add(mem, 31 * MIB, 2 * MIB, 31 * MIB);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), -EEXIST);
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
	bypass_memory_free(mem);
}

static void test_sharing(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *one = device_open(iommu, FUNCTION), *two = device_open(iommu, OTHER);

	(void)state;
	add(mem, 0, MIB, 0);
	assert_int_equal(bypass_vfio_set_memory(one, mem), 0);
	assert_int_equal(bypass_vfio_set_memory(one, mem), 0);
	assert_int_equal(bypass_vfio_set_memory(two, mem), 0);
	assert_int_equal(kernel.maps, 1);
	assert_int_equal(bypass_vfio_set_memory(one, NULL), 0);
	assert_int_equal(bypass_vfio_set_memory(one, NULL), 0);
	assert_int_equal(kernel.n_mappings, 1);
	/* closing one that still has it takes it off, when no other has it */
	bypass_vfio_close(two);
	assert_int_equal(bypass_iommu_bytes(iommu), 0);
	assert_int_equal(kernel.n_mappings, 0);
	bypass_vfio_close(one);
	bypass_iommu_free(iommu);
	bypass_memory_free(mem);
}

static void test_open_errors(void **state)
{
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device;
	static const struct {
		unsigned long request;
		const char *token;
		int err, result;
		const char *text;
	} cases[] = {
		{VFIO_SET_IOMMU, NULL, EPERM, EPERM, "no interrupt remapping"},
		{VFIO_GROUP_SET_CONTAINER, NULL, EINVAL, ERANGE, "reserved_regions"},
		{VFIO_GROUP_SET_CONTAINER, NULL, EBUSY, EBUSY, "is in use"},
		{VFIO_GROUP_GET_STATUS, NULL, EIO, EIO, "cannot be attached"},
		{VFIO_IOMMU_GET_INFO, NULL, EIO, EIO, "does not describe itself"},
		{VFIO_GROUP_GET_DEVICE_FD, NULL, EACCES, EACCES, "needs a VF token"},
		{VFIO_GROUP_GET_DEVICE_FD, "uuid", EACCES, EACCES, "the VF token uuid"},
		{VFIO_GROUP_GET_DEVICE_FD, "uuid", EINVAL, EINVAL, "takes no VF token"},
		{VFIO_GROUP_GET_DEVICE_FD, NULL, EINVAL, EINVAL, "Invalid argument"},
		{VFIO_GROUP_GET_DEVICE_FD, NULL, ENODEV, ENODEV, "a moment ago"},
		{VFIO_DEVICE_GET_INFO, NULL, EIO, EIO, "does not describe " FUNCTION},
		{VFIO_DEVICE_GET_REGION_INFO, NULL, EIO, EIO, "BAR 0 of " FUNCTION},
		{VFIO_DEVICE_GET_IRQ_INFO, NULL, EIO, EIO, "INTx of " FUNCTION},
	};

	(void)state;
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, MIB, BOTH), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kernel_fails(cases[i].request, cases[i].err, 0);
		assert_int_equal(bypass_vfio_open(iommu, FUNCTION, cases[i].token, &device),
				 -cases[i].result);
		assert_says(cases[i].text);
		assert_int_equal(kernel.groups, 0);
		assert_int_equal(kernel.devices, 0);
	}
	/* and after all of them it still can be opened */
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, "uuid", &device), 0);
	assert_string_equal(kernel.device_name, FUNCTION " vf_token=uuid");
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
}

static void test_group_errors(void **state)
{
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device;

	(void)state;
	kernel.group_error = EBUSY;
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -EBUSY);
	assert_says("name is hidden");
	put_file(in_tree("proc/4711/comm"), "qemu\n");
	make_directories(in_tree("proc/4711/fd"));
	put_link(in_tree("proc/4711/fd/9"), in_tree("dev/vfio/7"));
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -EBUSY);
	assert_says("in use by qemu (process 4711)");
	kernel.group_error = EACCES;
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -EACCES);
	assert_says("chown USER /dev/vfio/7");
	kernel.group_error = ENOENT;
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -ENXIO);
	kernel.group_error = 0;

	kernel.not_viable = true;
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -EPERM);
	assert_says("Try again");
	put_function(NEIGHBOUR, "0x8086:0x10ca", "0x020000", "igbvf", 7);
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -EPERM);
	assert_says(NEIGHBOUR);
	assert_says("igbvf");
	bypass_iommu_free(iommu);
}

/* A guest with one function twice would have two drivers on one device. */
static void test_open_twice(void **state)
{
	static const char *const names[] = {FUNCTION, "01:10.0", "0000:01:10.0"};
	struct bypass_iommu *iommu = iommu_new(), *second = iommu_new();
	struct bypass_vfio *device = device_open(iommu, FUNCTION), *again;
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(bypass_vfio_open(iommu, names[i], NULL, &again), -EBUSY);
		assert_says(FUNCTION " is open in this process already");
	}
	assert_int_equal(kernel.devices, 1);
	snprintf(path, sizeof(path), "proc/%d/fd/9", (int)getpid());
	make_directories(in_tree("proc/%d/fd", (int)getpid()));
	put_link(in_tree("%s", path), in_tree("dev/vfio/7"));
	assert_int_equal(bypass_vfio_open(second, FUNCTION, NULL, &again), -EBUSY);
	assert_says(FUNCTION " is in use: this process has it");
	bypass_vfio_close(device);
	/* closed is free again */
	device = device_open(second, "01:10.0");
	bypass_vfio_close(device);
	bypass_iommu_free(second);
	bypass_iommu_free(iommu);
}

/* What a device would forbid is what was free before, when it cannot join. */
static void test_join_refused(void **state)
{
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device = device_open(iommu, FUNCTION), *other;
	unsigned int n;

	(void)state;
	assert_int_equal(bypass_iommu_map(iommu, 0xfed00000, hva, PAGE, BOTH), 0);
	kernel.ranges[0].end = 0x7fffffff;
	assert_int_equal(bypass_vfio_open(iommu, OTHER, NULL, &other), -ERANGE);
	assert_says("[0x80000000, 0xfeefffff]");
	assert_int_equal(kernel.groups, 1);
	assert_int_equal(bypass_iommu_ranges(iommu, &n)[0].last, 0xfedfffff);
	assert_int_equal(bypass_iommu_unmap(iommu, 0xfed00000, PAGE), 0);
	other = device_open(iommu, OTHER);
	assert_int_equal(bypass_iommu_ranges(iommu, &n)[0].last, 0x7fffffff);
	bypass_vfio_close(other);
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
}

/* Past a control group's limit the kernel would kill the process while it pins. */
static void test_cgroup(void **state)
{
	struct bypass_memory *mem = bypass_memory_new(), *large = bypass_memory_new();
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device;

	(void)state;
	put_file(in_tree("proc/self/cgroup"), "0::/small\n");
	put_file(in_tree("sys/fs/cgroup/small/memory.max"), "8388608\n");
	put_file(in_tree("sys/fs/cgroup/small/memory.current"), "2097152\n");
	assert_int_equal(bypass_memory_alloc(mem, 6 * MIB, false), 0);
	assert_int_equal(bypass_memory_alloc(large, 8 * MIB, false), 0);
	/* before a device joins nothing is pinned: it is the device that is refused */
	assert_int_equal(bypass_iommu_set_memory(iommu, large), 0);
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -ENOMEM);
	assert_says("leaves it 6 MiB");
	assert_says("small/memory.max says 8");
	assert_says("8 MiB more");
	assert_int_equal(bypass_iommu_set_memory(iommu, NULL), 0);
	device = device_open(iommu, FUNCTION);
	assert_int_equal(bypass_iommu_set_memory(iommu, large), -ENOMEM);
	assert_int_equal(kernel.n_mappings, 0);
	assert_int_equal(bypass_iommu_set_memory(iommu, mem), 0);
	/* pages that are there are counted already */
	memset(bypass_memory_hva(large, 0, 8 * MIB), 1, 8 * MIB);
	assert_int_equal(bypass_iommu_set_memory(iommu, large), 0);
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
	bypass_memory_free(large);
	bypass_memory_free(mem);
}

/* A chain of three, and what a kernel that is not well could make of it. */
static void test_capabilities(void **state)
{
	struct {
		uint32_t argsz, pad;
		struct vfio_info_cap_header caps[3];
	} info = {.argsz = sizeof(info), .caps = {{1, 1, 16}, {2, 1, 24}, {3, 1, 0}}};
	size_t room;

	(void)state;
	assert_ptr_equal(info_capability(&info, 8, 1, 8, NULL), &info.caps[0]);
	assert_ptr_equal(info_capability(&info, 8, 3, 8, &room), &info.caps[2]);
	assert_int_equal(room, 8);
	assert_null(info_capability(&info, 8, 3, 9, NULL));
	assert_null(info_capability(&info, 8, 4, 8, NULL));
	assert_null(info_capability(&info, 0, 1, 8, NULL));
	assert_null(info_capability(&info, 25, 1, 8, NULL));
	assert_null(info_capability(&info, sizeof(info), 1, 8, NULL));
	assert_null(info_capability(&info, UINT32_MAX, 1, 8, NULL));
	info.caps[1].next = 8; /* back, for ever */
	assert_null(info_capability(&info, 8, 3, 8, NULL));
	info.caps[1].next = 16; /* itself */
	assert_null(info_capability(&info, 8, 3, 8, NULL));
	info.caps[1].next = 28; /* half outside */
	assert_null(info_capability(&info, 8, 3, 8, NULL));
	info.caps[1].next = 4096; /* outside: a page that may not be there */
	assert_null(info_capability(&info, 8, 3, 8, NULL));
	info.caps[1].next = UINT32_MAX - 3;
	assert_null(info_capability(&info, 8, 3, 8, NULL));
}

static void test_reserved_at_join(void **state)
{
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device;

	(void)state;
	assert_int_equal(bypass_iommu_map(iommu, 0, hva, MIB, BOTH), 0);
	assert_int_equal(bypass_iommu_map(iommu, 0xfee00000, hva, PAGE, BOTH), 0);
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -ERANGE);
	assert_says("[0xfee00000, 0xfeefffff]");
	assert_int_equal(kernel.maps, 0);
	assert_int_equal(bypass_iommu_unmap(iommu, 0xfee00000, PAGE), 0);
	device = device_open(iommu, FUNCTION);
	assert_int_equal(kernel.maps, 1);
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
}

static void test_odd_info(void **state)
{
	struct bypass_iommu *iommu = iommu_new();
	struct bypass_vfio *device;
	unsigned int n;

	(void)state;
	/* more ranges said than there are; and a chain that leads back */
	kernel.reported_ranges = 1000000;
	kernel.cap_next = 24;
	device = device_open(iommu, FUNCTION);
	bypass_iommu_ranges(iommu, &n);
	assert_int_equal(n, 2);
	bypass_vfio_close(device);
	/* a chain that leads out */
	kernel.cap_next = 0xfffffff0;
	kernel.reported_ranges = 2;
	device = device_open(iommu, FUNCTION);
	bypass_vfio_close(device);
	/* an old kernel: nothing known, nothing checked */
	kernel.no_caps = true;
	device = device_open(iommu, FUNCTION);
	bypass_iommu_ranges(iommu, &n);
	assert_int_equal(n, 0);
	assert_int_equal(bypass_iommu_map(iommu, 0xfee00000, hva, PAGE, BOTH), 0);
	bypass_vfio_close(device);
	bypass_iommu_free(iommu);
	bypass_iommu_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_kernel(test_new_refused),	with_kernel(test_replay),
		with_kernel(test_groups),	with_kernel(test_map_checks),
		with_kernel(test_map_errors),	with_kernel(test_memlock),
		with_kernel(test_memory),	with_kernel(test_memory_undone),
		with_kernel(test_sharing),	with_kernel(test_open_errors),
		with_kernel(test_group_errors), with_kernel(test_odd_info),
		with_kernel(test_capabilities), with_kernel(test_reserved_at_join),
		with_kernel(test_open_twice),	with_kernel(test_cgroup),
		with_kernel(test_join_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
