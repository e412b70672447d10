// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Discovery on a host made of files: addresses, functions, groups, holders, and what the
 * host itself depends on.
 */
#include <errno.h>

#include "host_tree.h"

static void test_address(void **state)
{
	static const char *const wrong[] = {
		"",	    "01:00",   "0000:01:00.8", "0000:01:20.0",	    "0000:01:00.0 ",
		" 01:00.0", "-1:00.0", "eth0",	       "0000:01:00.0/../x", "123456789:01:00.0"};
	char address[BYPASS_ADDRESS_SIZE];

	(void)state;
	assert_int_equal(bypass_address("01:1F.7", address), 0);
	assert_string_equal(address, "0000:01:1f.7");
	assert_int_equal(bypass_address("10000:e1:00.0", address), 0);
	assert_string_equal(address, "10000:e1:00.0");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(bypass_address(wrong[i], address), -EINVAL);
	assert_says("is not a PCI address");
}

static void test_functions(void **state)
{
	struct bypass_function **list;

	(void)state;
	put_function("0000:02:00.0", "0x8086:0x10c9", "0x020000", "igb", 7);
	put_function("0000:01:00.0", "0x1b36:0x000c", "0x060400", "pcieport", 5);
	put_file(device_path("0000:02:00.0", "sriov_totalvfs"), "7\n");
	put_file(device_path("0000:02:00.0", "sriov_numvfs"), "2\n");
	put_file(device_path("0000:02:00.0", "reset_method"), "flr bus\n");
	put_file(device_path("0000:02:00.0", "driver_override"), "igb\n");
	assert_int_equal(bypass_functions(&list), 2);
	assert_string_equal(list[0]->address, "0000:01:00.0");
	assert_true(list[0]->is_bridge);
	assert_string_equal(list[1]->address, "0000:02:00.0");
	assert_int_equal(list[1]->vendor_id, 0x8086);
	assert_int_equal(list[1]->device_id, 0x10c9);
	assert_int_equal(list[1]->class_code >> 8, 0x0200);
	assert_string_equal(list[1]->driver, "igb");
	assert_string_equal(list[1]->driver_override, "igb");
	assert_string_equal(list[1]->reset_methods, "flr bus");
	assert_int_equal(list[1]->iommu_group, 7);
	assert_int_equal(list[1]->group_size, 1);
	assert_int_equal(list[1]->numa_node, -1);
	assert_int_equal(list[1]->vfs_total, 7);
	assert_int_equal(list[1]->vfs, 2);
	assert_int_equal(list[1]->bar_size[0], 0x20000);
	assert_int_equal(list[1]->bar_size[3], 0x4000);
	assert_int_equal(list[1]->bar_size[1], 0);
	assert_null(list[2]);
	bypass_functions_free(list);
}

/* A memory BAR smaller than a page is one that the VMM answers; an I/O BAR is none of memory. */
static void test_small_bars(void **state)
{
	struct bypass_function function;

	(void)state;
	put_function("0000:02:00.0", "0x1b36:0x000d", "0x0c0330", NULL, 7);
	put_file(device_path("0000:02:00.0", "resource"),
		 "0x00000000fe000000 0x00000000fe0000ff 0x0000000000040200\n"
		 "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"
		 "0x00000000fe001000 0x00000000fe001fff 0x0000000000040200\n"
		 "0x00000000fe002800 0x00000000fe002fff 0x0000000000140204\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	assert_int_equal(bypass_function("02:00.0", &function), 0);
	assert_int_equal(function.bar_size[0], 256);
	assert_int_equal(function.bar_size[1], 32);
	assert_int_equal(function.bar_traps, 1 << 0 | 1 << 3);
}

/* libpci gives up on a pci.ids that makes no sense. Names are then numbers, and nothing else fails. */
static void test_bad_pci_ids(void **state)
{
	struct bypass_function **list;
	char path[128];

	(void)state;
	put_function("0000:02:00.0", "0x8086:0x10c9", "0x020000", "igb", 7);
	put_function("0000:03:00.0", "0x8086:0x10c9", "0x020000", "igb", 8);
	put_file(in_tree("pci.ids"), "8086  Intel\n\t10c9  Net\033[31mwork\nnonsense\n");
	snprintf(path, sizeof(path), "%s", in_tree("pci.ids"));
	host_paths.pci_ids = path;
	assert_int_equal(bypass_functions(&list), 2);
	assert_int_equal(list[1]->device_id, 0x10c9);
	assert_string_equal(list[1]->driver, "igb");
	assert_null(strchr(list[1]->device, '\033'));
	assert_non_null(strstr(list[1]->class_name, "0200"));
	bypass_functions_free(list);
	host_paths.pci_ids = NULL;
}

static void test_noiommu(void **state)
{
	struct bypass_holder holder;
	struct bypass_function function;

	(void)state;
	put_function("0000:03:01.0", "0x8086:0x10c9", "0x020000", "vfio-pci", 9);
	assert_int_equal(bypass_iommu_check(), 0);
	put_file(in_tree("sys/kernel/iommu_groups/9/name"), "vfio-noiommu\n");
	assert_int_equal(bypass_iommu_check(), -ENOTSUP);
	assert_int_equal(bypass_function_check("0000:03:01.0"), -ENOTSUP);
	assert_says("no IOMMU in use");
	assert_int_equal(bypass_function("0000:03:01.0", &function), 0);
	assert_int_equal(function.iommu_group, -1);
	put_link(in_tree("proc/12/fd/5"), in_tree("dev/vfio/noiommu-9"));
	assert_int_equal(bypass_function_holder("0000:03:01.0", &holder), 1);
	/* One without a group of its own, where others have theirs. */
	put_function("0000:04:00.0", "0x8086:0x10c9", "0x020000", "igb", 10);
	assert_int_equal(bypass_function_check("0000:03:01.0"), -ENOTSUP);
	assert_says("unlike others");
}

/* Of bridges, only one between PCI buses may keep its driver. */
static void test_isa_bridge(void **state)
{
	(void)state;
	put_function("0000:00:1f.0", "0x8086:0x2918", "0x060100", "lpc_ich", 9);
	put_function("0000:00:1f.2", "0x8086:0x2922", "0x010601", "vfio-pci", 9);
	assert_int_equal(bypass_group_check("0000:00:1f.2"), -EPERM);
	assert_says("lpc_ich");
	unlink(device_path("0000:00:1f.0", "driver"));
	assert_int_equal(bypass_group_check("0000:00:1f.2"), 0);
}

static void test_vf_names_its_pf(void **state)
{
	struct bypass_function vf;

	(void)state;
	put_function("0000:02:00.0", "0x8086:0x10c9", "0x020000", "igb", 7);
	put_function("0000:02:10.2", "0xffff:0xffff", "0x020000", NULL, 8);
	put_file(device_path("0000:02:00.0", "sriov_totalvfs"), "7\n");
	put_file(device_path("0000:02:00.0", "sriov_numvfs"), "2\n");
	put_link(device_path("0000:02:10.2", "physfn"), "../0000:02:00.0");
	put_link(device_path("0000:02:00.0", "virtfn1"), "../0000:02:10.2");
	assert_int_equal(bypass_function("02:10.2", &vf), 0);
	assert_string_equal(vf.pf, "0000:02:00.0");
	assert_int_equal(vf.vf_index, 1);
	assert_string_equal(vf.driver, "");
	assert_int_equal(vf.vfs_total, 0);
}

static void test_no_such_function(void **state)
{
	struct bypass_function function;

	(void)state;
	assert_int_equal(bypass_function("0000:02:00.0", &function), -ENODEV);
	assert_says("no PCI function 0000:02:00.0");
	assert_int_equal(bypass_function("nonsense", &function), -EINVAL);
}

static void test_no_sysfs(void **state)
{
	struct bypass_function **list;

	(void)state;
	rmdir(in_tree("sys/bus/pci/devices"));
	assert_int_equal(bypass_functions(&list), -ENODEV);
	assert_says("cannot be listed");
}

static void test_group(void **state)
{
	(void)state;
	put_function("0000:03:01.0", "0x1234:0x11e8", "0x00ff00", "vfio-pci", 9);
	put_function("0000:03:02.0", "0x1af4:0x1000", "0x020000", "virtio-pci", 9);
	put_function("0000:03:00.0", "0x1b36:0x000e", "0x060400", "shpchp", 9);
	assert_int_equal(bypass_group_check("0000:03:01.0"), -EPERM);
	assert_says("0000:03:02.0");
	assert_says("virtio-pci");
	assert_says("bypass carve 0000:03:02.0");
	assert_int_equal(bypass_function_check("0000:03:01.0"), -EPERM);
	/* Without a driver it does no DMA; and bridges may keep theirs. */
	unlink(device_path("0000:03:02.0", "driver"));
	assert_int_equal(bypass_group_check("0000:03:01.0"), 0);
	assert_int_equal(bypass_function_check("0000:03:01.0"), 0);
}

static void test_host_driver(void **state)
{
	(void)state;
	put_function("0000:03:01.0", "0x8086:0x10c9", "0x020000", "igb", 9);
	assert_int_equal(bypass_function_check("0000:03:01.0"), -EBUSY);
	assert_says("host's driver igb");
	assert_says("bypass carve 0000:03:01.0");
}

static void test_no_iommu(void **state)
{
	(void)state;
	put_function("0000:03:01.0", "0x8086:0x10c9", "0x020000", "vfio-pci", -1);
	assert_int_equal(bypass_function_check("0000:03:01.0"), -ENOTSUP);
	assert_says("intel_iommu=on");
}

static void test_holder(void **state)
{
	struct bypass_holder holder;

	(void)state;
	put_function("0000:03:01.0", "0x1234:0x11e8", "0x00ff00", "vfio-pci", 9);
	put_file(in_tree("proc/77/comm"), "init\n");
	put_link(in_tree("proc/77/fd/3"), "/dev/vfio/9"); /* of another root than ours */
	assert_int_equal(bypass_function_holder("0000:03:01.0", &holder), 0);
	put_file(in_tree("proc/4711/comm"), "bypass-vmm\n");
	put_link(in_tree("proc/4711/fd/12"), in_tree("dev/vfio/9"));
	assert_int_equal(bypass_function_holder("0000:03:01.0", &holder), 1);
	assert_int_equal(holder.pid, 4711);
	assert_string_equal(holder.name, "bypass-vmm");
}

static void test_holder_of_device_node(void **state)
{
	struct bypass_holder holder;

	(void)state;
	put_function("0000:03:01.0", "0x1234:0x11e8", "0x00ff00", "vfio-pci", 9);
	put_file(device_path("0000:03:01.0", "vfio-dev/vfio2/dev"), "511:2\n");
	put_file(in_tree("proc/12/comm"), "qemu\n");
	put_link(in_tree("proc/12/fd/5"), in_tree("dev/vfio/devices/vfio21"));
	assert_int_equal(bypass_function_holder("0000:03:01.0", &holder), 0);
	put_link(in_tree("proc/12/fd/5"), in_tree("dev/vfio/devices/vfio2"));
	assert_int_equal(bypass_function_holder("0000:03:01.0", &holder), 1);
	assert_string_equal(holder.name, "qemu");
}

/* A disk of 0000:04:00.0 with one partition. */
static void put_disk(void)
{
	put_function("0000:04:00.0", "0x1b36:0x0010", "0x010802", "nvme", 4);
	put_file(device_path("0000:04:00.0", "nvme/nvme0/nvme0n1/dev"), "259:0\n");
	put_file(device_path("0000:04:00.0", "nvme/nvme0/nvme0n1/nvme0n1p1/dev"), "259:1\n");
	put_link(in_tree("sys/class/block/nvme0n1"), "../../bus/pci/devices/0000:04:00.0/nvme/"
						     "nvme0/nvme0n1");
	put_link(in_tree("sys/class/block/nvme0n1p1"), "../../bus/pci/devices/0000:04:00.0/nvme/"
						       "nvme0/nvme0n1/nvme0n1p1");
}

static void test_mounted_disk(void **state)
{
	(void)state;
	put_disk();
	assert_int_equal(bypass_function_burden("0000:04:00.0"), 0);
	put_file(in_tree("proc/self/mountinfo"), "22 1 254:0 / / rw,relatime shared:1 - ext4 "
						 "/dev/vda rw\n"
						 "36 22 259:1 / /srv rw,relatime shared:1 - ext4 "
						 "/dev/nvme0n1p1 rw\n");
	assert_int_equal(bypass_function_burden("0000:04:00.0"), -EBUSY);
	assert_says("nvme0n1p1, which is mounted on /srv");
}

static void test_btrfs(void **state)
{
	(void)state;
	put_disk();
	put_file(in_tree("proc/self/mountinfo"), "36 22 0:31 / /data rw - btrfs /dev/nvme0n1 "
						 "rw,subvol=/\n");
	assert_int_equal(bypass_function_burden("0000:04:00.0"), -EBUSY);
	assert_says("/data");
}

static void test_swap_and_stack(void **state)
{
	(void)state;
	put_disk();
	put_file(in_tree("proc/swaps"), "Filename Type Size Used Priority\n"
					"/dev/nvme0n1p1 partition 1024 0 -2\n");
	assert_int_equal(bypass_function_burden("0000:04:00.0"), -EBUSY);
	assert_says("swapoff /dev/nvme0n1p1");
	put_file(device_path("0000:04:00.0", "nvme/nvme0/nvme0n1/holders/dm-3"), "");
	unlink(in_tree("proc/swaps"));
	assert_int_equal(bypass_function_burden("0000:04:00.0"), -EBUSY);
	assert_says("dm-3");
}

static void test_loop(void **state)
{
	(void)state;
	put_disk();
	put_file(in_tree("sys/class/block/loop3/loop/backing_file"), "/srv/image\n");
	assert_int_equal(bypass_function_burden("0000:04:00.0"), 0);
	put_file(in_tree("sys/class/block/loop3/loop/backing_file"), "/dev/nvme0n1p1\n");
	assert_int_equal(bypass_function_burden("0000:04:00.0"), -EBUSY);
	assert_says("nvme0n1p1, which loop3 is built on");
	assert_says("losetup -d /dev/loop3");
}

/* Any node that the driver offers: here the function's node is that of /dev/null. */
static void test_open_node(void **state)
{
	(void)state;
	put_disk();
	put_file(device_path("0000:04:00.0", "nvme/nvme0/dev"), "1:3\n");
	put_file(in_tree("proc/31/comm"), "nvme-\033[31mcli\n");
	put_link(in_tree("proc/31/fd/3"), "/dev/zero");
	assert_int_equal(bypass_function_burden("0000:04:00.0"), 0);
	put_link(in_tree("proc/31/fd/3"), "/dev/null");
	assert_int_equal(bypass_function_burden("0000:04:00.0"), -EBUSY);
	assert_says("in use by process 31 (nvme-?[31mcli)");
}

/* What is open behind a bridge is no use of the bridge. */
static void test_open_node_behind_bridge(void **state)
{
	(void)state;
	put_function("0000:00:01.0", "0x1b36:0x000c", "0x060400", "pcieport", 1);
	put_file(device_path("0000:00:01.0", "0000:01:00.0/nvme/nvme0/dev"), "1:3\n");
	put_link(in_tree("proc/31/fd/3"), "/dev/null");
	assert_int_equal(bypass_function_burden("0000:00:01.0"), 0);
}

/* The interface is there, but not for us: its directory is empty. */
static void test_hidden_interface(void **state)
{
	(void)state;
	put_function("0000:02:00.0", "0x8086:0x10c9", "0x020000", "igb", 7);
	make_directories(device_path("0000:02:00.0", "net"));
	assert_int_equal(bypass_function_burden("0000:02:00.0"), -EBUSY);
	assert_says("in another network namespace");
	make_directories(device_path("0000:02:00.0", "net/eth7"));
	assert_int_equal(bypass_function_burden("0000:02:00.0"), 0);
}

static void test_held_function(void **state)
{
	(void)state;
	put_function("0000:03:01.0", "0x1234:0x11e8", "0x00ff00", "vfio-pci", 9);
	put_file(in_tree("proc/77/comm"), "vmm\n");
	put_link(in_tree("proc/77/fd/3"), in_tree("dev/vfio/9"));
	assert_int_equal(bypass_function_burden("0000:03:01.0"), -EBUSY);
	assert_says("in use by process 77 (vmm)");
}

/* With multipath the disk hangs below the subsystem, next to its controllers. */
static void test_shared_subsystem(void **state)
{
	(void)state;
	put_function("0000:04:00.0", "0x1b36:0x0010", "0x010802", "nvme", 4);
	make_directories(device_path("0000:04:00.0", "nvme/nvme0"));
	put_file(in_tree("sys/devices/nvme-subsystem/nvme-subsys0/nvme0n1/dev"), "259:0\n");
	put_link(in_tree("sys/devices/nvme-subsystem/nvme-subsys0/nvme0"), in_tree("sys"));
	put_link(in_tree("sys/class/block/nvme0n1"), "../../devices/nvme-subsystem/nvme-subsys0/"
						     "nvme0n1");
	put_file(in_tree("proc/self/mountinfo"), "36 22 259:0 / /srv rw - ext4 /dev/nvme0n1 rw\n");
	assert_int_equal(bypass_function_burden("0000:04:00.0"), -EBUSY);
	unlink(in_tree("sys/devices/nvme-subsystem/nvme-subsys0/nvme0"));
	assert_int_equal(bypass_function_burden("0000:04:00.0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address),
		in_host_tree(test_functions),
		in_host_tree(test_vf_names_its_pf),
		in_host_tree(test_no_such_function),
		in_host_tree(test_no_sysfs),
		in_host_tree(test_group),
		in_host_tree(test_host_driver),
		in_host_tree(test_no_iommu),
		in_host_tree(test_holder),
		in_host_tree(test_holder_of_device_node),
		in_host_tree(test_mounted_disk),
		in_host_tree(test_btrfs),
		in_host_tree(test_swap_and_stack),
		in_host_tree(test_shared_subsystem),
		in_host_tree(test_loop),
		in_host_tree(test_open_node),
		in_host_tree(test_open_node_behind_bridge),
		in_host_tree(test_hidden_interface),
		in_host_tree(test_held_function),
		in_host_tree(test_small_bars),
		in_host_tree(test_bad_pci_ids),
		in_host_tree(test_noiommu),
		in_host_tree(test_isa_bridge),
	};

	return cmocka_run_group_tests_name("host functions", tests, NULL, NULL);
}
