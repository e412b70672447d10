// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The doctor on hosts made of files: each fault is found, named and given its fix, and a
 * healthy host is left in peace.
 */
#include <endian.h>
#include <errno.h>

#include <fcntl.h>
#include <sys/resource.h>

#include <linux/pci_regs.h>

#include <bypass/doctor.h>

#include "host_tree.h"

#define PF   "0000:02:00.0"
#define PORT "0000:00:01.0"

#define HUGE_POOL "kernel/mm/hugepages/hugepages-2048kB"
#define CGROUP	  "sys/fs/cgroup/user/shell/"
#define GROUP	  "sys/kernel/iommu_groups/7/"

static struct bypass_finding findings[64];
static unsigned int count;

static void collect(void *opaque, const struct bypass_finding *finding)
{
	(void)opaque;
	assert_true(count < 64);
	findings[count++] = *finding;
}

static int examine(const char *function, uint64_t memory)
{
	const struct bypass_doctor ask = {
		.function = function, .guest_memory = memory, .found = collect};

	count = 0;
	return bypass_doctor(&ask);
}

/* The finding about this; there must be one. */
static const struct bypass_finding *about(const char *what)
{
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(findings[i].about, what))
			return &findings[i];
	fail_msg("nothing was found about %s", what);
	return NULL;
}

static bool silent_about(const char *what)
{
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(findings[i].about, what))
			return false;
	return true;
}

static void put_host(void)
{
	put_file(in_tree("proc/cpuinfo"), "vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx sse\n");
	put_file(in_tree("proc/interrupts"), "  1:  7  IR-IO-APIC  1-edge  i8042\n");
	put_file(in_tree("proc/meminfo"), "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"
					  "HugePages_Total: 10\nHugePages_Free: 4\n"
					  "Hugepagesize: 1048576 kB\n");
	put_file(in_tree("sys/" HUGE_POOL "/nr_hugepages"), "10\n");
	put_file(in_tree("sys/" HUGE_POOL "/free_hugepages"), "5\n");
	put_file(in_tree("sys/" HUGE_POOL "/resv_hugepages"), "1\n");
	put_file(in_tree("dev/vfio/vfio"), "");
	put_file(in_tree("proc/sys/vm/max_map_count"), "1048576\n");
	put_file(in_tree("proc/self/status"), "Name:\tx\nCapEff:\t000001ffffffffff\n");
	put_file(in_tree("sys/module/kvm/parameters/halt_poll_ns"), "200000\n");
	put_file(in_tree("sys/module/vfio_iommu_type1/parameters/dma_entry_limit"), "65535\n");
	put_file(in_tree("sys/kernel/iommu_groups/7/type"), "DMA-FQ\n");
	put_function(PF, "0x8086:0x10c9", "0x020000", "igb", 7);
	put_file(device_path(PF, "reset_method"), "flr bus\n");
	put_file(device_path(PF, "sriov_totalvfs"), "8\n");
	put_file(device_path(PF, "sriov_numvfs"), "0\n");
	put_file(device_path(PF, "ari_enabled"), "1\n");
	put_file(device_path(PF, "net/eth7/flags"), "0x1003\n");
	put_file(device_path(PF, "net/eth7/carrier"), "1\n");
}

/* Here no /dev/kvm is a device: that one finding fails on every host made of files. */
static int examine_pf(void)
{
	int fails = examine(PF, 0);

	assert_int_equal(about("kvm")->verdict, BYPASS_FAIL);
	return fails - 1;
}

static void test_healthy(void **state)
{
	(void)state;
	put_host();
	assert_int_equal(examine_pf(), 0);
	assert_int_equal(about("cpu")->verdict, BYPASS_OK);
	assert_int_equal(about("iommu")->verdict, BYPASS_OK);
	assert_int_equal(about("interrupt-remapping")->verdict, BYPASS_OK);
	assert_int_equal(about("iommu-mode")->verdict, BYPASS_OK);
	assert_int_equal(about("group")->verdict, BYPASS_OK);
	assert_int_equal(about("ari")->verdict, BYPASS_OK);
	assert_int_equal(about("link")->verdict, BYPASS_OK);
	assert_true(silent_about("numa"));
	assert_true(silent_about("hugepages"));
}

static void test_no_such_function(void **state)
{
	(void)state;
	put_host();
	assert_int_equal(examine("0000:7f:00.0", 0), -ENODEV);
	assert_int_equal(examine("eth0", 0), -EINVAL);
	assert_int_equal(count, 0);
}

static void test_no_iommu(void **state)
{
	(void)state;
	put_host();
	assert_int_equal(remove_all(in_tree("sys/kernel/iommu_groups/7")), 0);
	unlink(device_path(PF, "iommu_group"));
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("iommu")->verdict, BYPASS_FAIL);
	assert_non_null(strstr(about("iommu")->fix, "intel_iommu=on"));
	assert_false(about("iommu")->is_command);
	/* What follows from it is not said once more. */
	assert_true(silent_about("interrupt-remapping"));
	assert_true(silent_about("group"));
}

static void test_no_interrupt_remapping(void **state)
{
	(void)state;
	put_host();
	put_file(in_tree("proc/interrupts"), "  1:  7  IO-APIC  1-edge  i8042\n");
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("interrupt-remapping")->verdict, BYPASS_FAIL);
	put_file(in_tree("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"), "Y\n");
	assert_int_equal(examine_pf(), 0);
	assert_int_equal(about("interrupt-remapping")->verdict, BYPASS_WARN);
}

static void test_no_vfio(void **state)
{
	(void)state;
	put_host();
	rmdir(in_tree("sys/bus/pci/drivers/vfio-pci"));
	assert_int_equal(examine_pf(), 1);
	assert_string_equal(about("vfio")->fix, "modprobe vfio-pci");
	assert_true(about("vfio")->is_command);
}

static void test_memory(void **state)
{
	(void)state;
	put_host();
	assert_int_equal(examine(NULL, 8ull << 20), 1);
	assert_int_equal(about("memory")->verdict, BYPASS_OK);
	assert_true(silent_about("hugepages"));
	assert_int_equal(examine(NULL, 1ull << 30), 1);
	assert_int_equal(about("hugepages")->verdict, BYPASS_WARN);
	/*
	 * What is in use stays in use: 6 of 10, and 512 for the guest. The host's huge pages of
	 * 1 GiB are none that a guest could use.
	 */
	assert_non_null(strstr(about("hugepages")->fix, "echo 518 >"));
	assert_non_null(strstr(about("hugepages")->fix, HUGE_POOL "/nr_hugepages"));
	assert_int_equal(examine(NULL, 6ull << 30), 2);
	assert_int_equal(about("memory")->verdict, BYPASS_FAIL);
}

static void test_cgroup(void **state)
{
	(void)state;
	put_host();
	put_file(in_tree("proc/self/cgroup"), "0::/user/shell\n");
	put_file(in_tree(CGROUP "memory.max"), "max\n");
	put_file(in_tree("sys/fs/cgroup/user/memory.max"), "536870912\n");
	put_file(in_tree("sys/fs/cgroup/user/memory.current"), "134217728\n");
	put_file(in_tree("sys/fs/cgroup/user/memory.stat"), "anon 67108864\ninactive_file "
							    "33554432\nactive_file 33554432\n");
	assert_int_equal(examine(NULL, 256ull << 20), 1);
	assert_int_equal(about("memory")->verdict, BYPASS_OK);
	assert_int_equal(examine(NULL, 512ull << 20), 2);
	assert_int_equal(about("memory")->verdict, BYPASS_FAIL);
	assert_non_null(strstr(about("memory")->text, "leaves it 448 MiB"));
	assert_non_null(strstr(about("memory")->text, "user/memory.max says 512"));
	/* The guest's 512 MiB, 34 beside them, 64 in use in the group, and room for 16 more. */
	assert_non_null(strstr(about("memory")->fix, "echo 656408576 >"));
	/* With that limit the finding is gone, though the group uses 4 MiB more by then. */
	put_file(in_tree("sys/fs/cgroup/user/memory.max"), "656408576\n");
	put_file(in_tree("sys/fs/cgroup/user/memory.current"), "138412032\n");
	assert_int_equal(examine(NULL, 512ull << 20), 1);
	assert_int_equal(about("memory")->verdict, BYPASS_OK);
	/* The tightest one counts, wherever it stands. */
	put_file(in_tree(CGROUP "memory.max"), "134217728\n");
	assert_int_equal(examine(NULL, 256ull << 20), 2);
	assert_non_null(strstr(about("memory")->text, "shell/memory.max says 128"));
	/* A name that is no word for a shell stands in no command. */
	put_file(in_tree("proc/self/cgroup"), "0::/a;reboot\n");
	put_file(in_tree("sys/fs/cgroup/a;reboot/memory.max"), "134217728\n");
	assert_int_equal(examine(NULL, 256ull << 20), 2);
	assert_string_equal(about("memory")->fix, "");
}

static void test_cgroup_v1(void **state)
{
	(void)state;
	put_host();
	put_file(in_tree("proc/self/cgroup"), "5:cpu,cpuacct:/x\n4:memory:/user/shell\n0::/\n");
	put_file(in_tree("sys/fs/cgroup/memory/memory.limit_in_bytes"), "9223372036854771712\n");
	put_file(in_tree("sys/fs/cgroup/memory/user/shell/memory.limit_in_bytes"), "268435456\n");
	put_file(in_tree("sys/fs/cgroup/memory/user/shell/memory.usage_in_bytes"), "1048576\n");
	put_file(in_tree("sys/fs/cgroup/memory/user/shell/memory.stat"), "cache "
									 "1048576\ntotal_inactive_"
									 "file "
									 "524288\ntotal_active_"
									 "file 524288\n");
	assert_int_equal(examine(NULL, 128ull << 20), 1);
	assert_int_equal(examine(NULL, 512ull << 20), 2);
	assert_non_null(strstr(about("memory")->text, "leaves it 256 MiB"));
}

static void test_no_container(void **state)
{
	(void)state;
	put_host();
	unlink(in_tree("dev/vfio/vfio"));
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("vfio")->verdict, BYPASS_FAIL);
	assert_non_null(strstr(about("vfio")->fix, "mknod -m 0666"));
	put_file(in_tree("dev/vfio/vfio"), "");
	/* iommufd is no help to a program that speaks type1. */
	assert_int_equal(remove_all(in_tree("sys/module/vfio_iommu_type1")), 0);
	put_file(in_tree("dev/iommu"), "");
	assert_int_equal(examine_pf(), 1);
	assert_string_equal(about("vfio")->fix, "modprobe vfio_iommu_type1");
}

static void test_noiommu(void **state)
{
	(void)state;
	put_host();
	put_file(in_tree("sys/module/vfio/parameters/enable_unsafe_noiommu_mode"), "Y\n");
	assert_int_equal(examine_pf(), 0);
	assert_int_equal(about("iommu")->verdict, BYPASS_OK);
	assert_int_equal(about("no-iommu-mode")->verdict, BYPASS_WARN);
	put_file(in_tree(GROUP "name"), "vfio-noiommu\n");
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("iommu")->verdict, BYPASS_FAIL);
}

static void test_reserved_memory(void **state)
{
	(void)state;
	put_host();
	put_file(in_tree(GROUP "reserved_regions"), "0x00000000000a0000 0x00000000000bffff "
						    "direct-relaxable\n"
						    "0x00000000fee00000 0x00000000feefffff msi\n"
						    "0x000000fd00000000 0x000000ffffffffff "
						    "reserved\n");
	assert_int_equal(examine_pf(), 0);
	assert_true(silent_about("reserved-memory"));
	examine(PF, 1024ull << 30);
	assert_int_equal(about("reserved-memory")->verdict, BYPASS_WARN);
	put_file(in_tree(GROUP "reserved_regions"), "0x000000007f000000 0x000000007f7fffff "
						    "direct\n");
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("reserved-memory")->verdict, BYPASS_FAIL);
	assert_non_null(strstr(about("reserved-memory")->text, "[0x7f000000, 0x7f7fffff]"));
}

static void test_virtio(void **state)
{
	(void)state;
	put_host();
	put_file(device_path(PF, "vendor"), "0x1af4");
	put_file(device_path(PF, "device"), "0x1041");
	assert_int_equal(examine_pf(), 0);
	assert_int_equal(about("virtio-dma")->verdict, BYPASS_WARN);
	put_file(device_path(PF, "virtio3/features"), "11111111111111111111111111111111100000000000"
						      "00000000000000000000\n");
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("virtio-dma")->verdict, BYPASS_FAIL);
	put_file(device_path(PF, "virtio3/features"), "00000000000000000000000000000000010000000000"
						      "00000000000000000000\n");
	assert_int_equal(examine_pf(), 0);
	assert_int_equal(about("virtio-dma")->verdict, BYPASS_OK);
}

static void test_small_bar(void **state)
{
	(void)state;
	put_host();
	put_file(device_path(PF, "resource"), "0x00000000fe000000 0x00000000fe0000ff "
					      "0x0000000000040200\n");
	assert_int_equal(examine_pf(), 0);
	assert_int_equal(about("bar-pages")->verdict, BYPASS_WARN);
	assert_non_null(strstr(about("bar-pages")->text, "BAR 0 of " PF " has 256 bytes"));
}

static void test_memlock(void **state)
{
	struct rlimit old, low = {.rlim_cur = 65536};

	(void)state;
	put_host();
	put_file(in_tree("proc/self/status"), "CapEff:\t0000000000000000\n");
	getrlimit(RLIMIT_MEMLOCK, &old);
	low.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	assert_int_equal(examine(NULL, 1ull << 30), 2);
	assert_string_equal(about("memlock")->fix, "prlimit --pid $$ "
						   "--memlock=1073741824:1073741824");
	assert_int_equal(examine(NULL, 65536), 1);
	assert_int_equal(about("memlock")->verdict, BYPASS_OK);
	assert_int_equal(examine(NULL, 0), 1);
	assert_int_equal(about("memlock")->verdict, BYPASS_WARN);
	setrlimit(RLIMIT_MEMLOCK, &old);
}

static void test_slow_kernel(void **state)
{
	(void)state;
	put_host();
	put_file(in_tree("proc/cpuinfo"), "flags\t: fpu svm hypervisor\n");
	put_file(in_tree("proc/sys/vm/max_map_count"), "65530\n");
	put_file(in_tree("sys/module/kvm/parameters/halt_poll_ns"), "0\n");
	put_file(in_tree("sys/kernel/iommu_groups/7/type"), "DMA\n");
	put_file(in_tree("sys/devices/system/cpu/cpu0/cpuidle/state0/disable"), "0\n");
	put_file(in_tree("sys/devices/system/cpu/cpu0/cpuidle/state0/latency"), "2\n");
	put_file(in_tree("sys/devices/system/cpu/cpu0/cpuidle/state1/disable"), "0\n");
	put_file(in_tree("sys/devices/system/cpu/cpu0/cpuidle/state1/latency"), "133\n");
	assert_int_equal(examine_pf(), 0);
	assert_int_equal(about("cpu")->verdict, BYPASS_WARN);
	assert_int_equal(about("map-count")->verdict, BYPASS_WARN);
	assert_int_equal(about("halt-polling")->verdict, BYPASS_WARN);
	assert_int_equal(about("iommu-mode")->verdict, BYPASS_WARN);
	assert_int_equal(about("idle-states")->verdict, BYPASS_WARN);
	put_file(in_tree("sys/devices/system/cpu/cpu0/cpuidle/state1/disable"), "1\n");
	examine_pf();
	assert_int_equal(about("idle-states")->verdict, BYPASS_OK);
}

static void test_vfs(void **state)
{
	(void)state;
	put_host();
	put_file(device_path(PF, "sriov_numvfs"), "3\n");
	assert_int_equal(examine_pf(), 0);
	assert_int_equal(about("sr-iov")->verdict, BYPASS_WARN);
	put_file(device_path(PF, "sriov_numvfs"), "8\n");
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("sr-iov")->verdict, BYPASS_FAIL);
	/* Nobody carved them, so there is nothing to release. */
	assert_null(strstr(about("sr-iov")->fix, "bypass release"));
	assert_non_null(strstr(about("sr-iov")->fix, "echo 0 >"));
	assert_non_null(strstr(about("sr-iov")->fix, PF "/sriov_numvfs"));
	put_file(device_path(PF, "ari_enabled"), "0\n");
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("ari")->verdict, BYPASS_WARN);
}

static void test_bar_space(void **state)
{
	static const char empty[] = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
	char text[1024] = "";

	(void)state;
	put_host();
	for (int i = 0; i < 7; i++)
		strcat(text, empty);
	strcat(text, "0x00000000fea40000 0x00000000fea43fff 0x000000000014220c\n");
	put_file(device_path(PF, "resource"), text);
	assert_int_equal(examine_pf(), 0);
	strcat(text, empty);
	strcat(text, empty);
	strcat(text, "0x0000000000000000 0x0000000000003fff 0x000000000014220c\n");
	put_file(device_path(PF, "resource"), text);
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("bar-space")->verdict, BYPASS_FAIL);
	assert_non_null(strstr(about("bar-space")->text, "BAR 3"));
}

static void test_group(void **state)
{
	(void)state;
	put_host();
	put_function("0000:02:00.1", "0x8086:0x10c9", "0x020000", NULL, 7);
	assert_int_equal(examine_pf(), 0);
	assert_int_equal(about("group")->verdict, BYPASS_WARN);
	put_link(device_path("0000:02:00.1", "driver"), in_tree("sys/bus/pci/drivers/e1000"));
	assert_int_equal(examine_pf(), 1);
	assert_string_equal(about("group")->fix, "bypass carve 0000:02:00.1");
}

static void test_link(void **state)
{
	(void)state;
	put_host();
	put_file(device_path(PF, "net/eth7/carrier"), "0\n");
	assert_int_equal(examine_pf(), 1);
	assert_int_equal(about("link")->verdict, BYPASS_FAIL);
	assert_string_equal(about("link")->fix, "");
	put_file(device_path(PF, "net/eth7/flags"), "0x1002\n");
	assert_int_equal(examine_pf(), 1);
	assert_string_equal(about("link")->fix, "ip link set eth7 up");
}

static void test_in_use(void **state)
{
	(void)state;
	put_host();
	put_link(device_path(PF, "driver"), in_tree("sys/bus/pci/drivers/vfio-pci"));
	put_file(in_tree("proc/321/comm"), "vmm\n");
	put_link(in_tree("proc/321/fd/7"), in_tree("dev/vfio/7"));
	assert_int_equal(examine_pf(), 1);
	assert_string_equal(about("driver")->fix, "kill 321");
}

/* The function below a port whose config space is as given. */
static void put_port(const uint8_t *config, size_t size)
{
	char path[128];
	FILE *file;

	put_function(PORT, "0x1b36:0x000c", "0x060400", "pcieport", 1);
	snprintf(path, sizeof(path), "%s", device_path(PORT, PF));
	assert_int_equal(rename(in_tree("sys/bus/pci/devices/%s", PF), path), 0);
	put_link(in_tree("sys/bus/pci/devices/%s", PF), path);
	file = fopen(device_path(PORT, "config"), "w");
	assert_int_equal(fwrite(config, 1, size, file), size);
	fclose(file);
}

static void test_acs(void **state)
{
	uint8_t config[4096] = {0};
	uint32_t *header = (uint32_t *)(config + 0x100);

	(void)state;
	put_host();
	/* Another capability first, and then ACS with all that isolates. */
	header[0] = htole32(PCI_EXT_CAP_ID_ERR | 1 << 16 | 0x148 << 20);
	*(uint32_t *)(config + 0x148) = htole32(PCI_EXT_CAP_ID_ACS | 1 << 16);
	*(uint16_t *)(config + 0x148 + PCI_ACS_CTRL) =
		htole16(PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF);
	put_port(config, sizeof(config));
	examine_pf();
	assert_int_equal(about("acs")->verdict, BYPASS_OK);
	assert_non_null(strstr(about("acs")->text, "ports above"));
}

static void test_no_acs(void **state)
{
	uint8_t config[4096] = {0};

	(void)state;
	put_host();
	/* A list that is a ring: it ends all the same. */
	*(uint32_t *)(config + 0x100) = htole32(PCI_EXT_CAP_ID_ERR | 1 << 16 | 0x100 << 20);
	put_port(config, sizeof(config));
	examine_pf();
	assert_int_equal(about("acs")->verdict, BYPASS_WARN);
	assert_non_null(strstr(about("acs")->text, PORT));
}

static void test_acs_unseen(void **state)
{
	const uint8_t config[64] = {0};

	(void)state;
	put_host();
	put_port(config, sizeof(config)); /* what all but root get */
	examine_pf();
	assert_int_equal(about("acs")->verdict, BYPASS_WARN);
	assert_non_null(strstr(about("acs")->text, "root only"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_host_tree(test_healthy),
		in_host_tree(test_no_such_function),
		in_host_tree(test_no_iommu),
		in_host_tree(test_no_interrupt_remapping),
		in_host_tree(test_no_vfio),
		in_host_tree(test_memory),
		in_host_tree(test_memlock),
		in_host_tree(test_slow_kernel),
		in_host_tree(test_vfs),
		in_host_tree(test_bar_space),
		in_host_tree(test_group),
		in_host_tree(test_link),
		in_host_tree(test_in_use),
		in_host_tree(test_acs),
		in_host_tree(test_no_acs),
		in_host_tree(test_acs_unseen),
		in_host_tree(test_cgroup),
		in_host_tree(test_cgroup_v1),
		in_host_tree(test_no_container),
		in_host_tree(test_noiommu),
		in_host_tree(test_reserved_memory),
		in_host_tree(test_virtio),
		in_host_tree(test_small_bar),
	};

	return cmocka_run_group_tests_name("host doctor", tests, NULL, NULL);
}
