// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Settings of VFs: the messages to and from the kernel, and what a carving gives VFs by itself.
 */
#include <errno.h>
#include <sys/utsname.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <bypass/log.h>

#include "host_tree.h"

#include "../../libbypass/host/vf_link.h"

#define PF	"0000:04:00.0"
#define OTHER	"0000:05:00.0"
#define MACHINE "0123456789abcdef0123456789abcdef\n"

static char remarks[4096];

static void keep_remark(void *opaque, enum bypass_log_level level, const char *text)
{
	(void)opaque;
	if (level == BYPASS_LOG_WARN && strlen(remarks) + strlen(text) < sizeof(remarks))
		strcat(remarks, text);
}

static void test_change(void **state)
{
	struct nlattr *link[IFLA_MAX + 1], *list[2], *info[IFLA_VF_MAX + 1];
	const struct ifinfomsg *header;
	struct ifla_vf_guid guid;
	struct nl_msg *message;

	(void)state;
	message = vf_link_change(7, 3, "port", "02:11:22:33:44:55:66:77");
	assert_non_null(message);
	assert_int_equal(nlmsg_hdr(message)->nlmsg_type, RTM_SETLINK);
	header = nlmsg_data(nlmsg_hdr(message));
	assert_int_equal(header->ifi_index, 7);
	assert_int_equal(nlmsg_parse(nlmsg_hdr(message), sizeof(*header), link, IFLA_MAX, NULL), 0);
	assert_int_equal(nla_parse_nested(list, 1, link[IFLA_VFINFO_LIST], NULL), 0);
	assert_int_equal(nla_parse_nested(info, IFLA_VF_MAX, list[IFLA_VF_INFO], NULL), 0);
	assert_null(info[IFLA_VF_IB_NODE_GUID]);
	memcpy(&guid, nla_data(info[IFLA_VF_IB_PORT_GUID]), sizeof(guid));
	assert_int_equal(guid.vf, 3);
	assert_int_equal(guid.guid, 0x0211223344556677);
	nlmsg_free(message);
	assert_null(vf_link_change(7, 3, "port", "02:11"));
	assert_null(vf_link_change(7, 3, "colour", "red"));
	assert_says("no setting 'colour'");
}

static void test_query(void **state)
{
	struct nl_msg *message = vf_link_query(7);
	struct nlattr *link[IFLA_MAX + 1];

	(void)state;
	assert_non_null(message);
	assert_int_equal(
		nlmsg_parse(nlmsg_hdr(message), sizeof(struct ifinfomsg), link, IFLA_MAX, NULL), 0);
	/* Without the statistics, which leave no room for more than 200 VFs. */
	assert_int_equal(nla_get_u32(link[IFLA_EXT_MASK]), RTEXT_FILTER_VF | 1 << 3);
	nlmsg_free(message);
}

/* The answer of a kernel whose PF has @vfs VFs. */
static struct nl_msg *answer(unsigned int vfs)
{
	struct nl_msg *message = nlmsg_alloc_size(1 << 17);
	struct ifinfomsg header = {.ifi_index = 7};
	struct nlattr *list, *info;

	assert_non_null(nlmsg_put(message, 0, 0, RTM_NEWLINK, 0, 0));
	assert_int_equal(nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO), 0);
	list = nla_nest_start(message, IFLA_VFINFO_LIST);
	for (unsigned int i = 0; i < vfs; i++) {
		struct ifla_vf_mac mac = {.vf = i, .mac = {2, 0, 0, 0, i >> 8, i}};
		struct ifla_vf_vlan vlan = {.vf = i, .vlan = i};
		struct ifla_vf_trust trust = {.vf = i, .setting = i & 1 ? 1 : UINT32_MAX};
		struct ifla_vf_link_state link = {.vf = i, .link_state = i % 3};
		struct ifla_vf_guid guid = {.vf = i, .guid = 0x1000 + i};

		info = nla_nest_start(message, IFLA_VF_INFO);
		assert_int_equal(nla_put(message, IFLA_VF_MAC, sizeof(mac), &mac), 0);
		assert_int_equal(nla_put(message, IFLA_VF_VLAN, sizeof(vlan), &vlan), 0);
		assert_int_equal(nla_put(message, IFLA_VF_TRUST, sizeof(trust), &trust), 0);
		assert_int_equal(nla_put(message, IFLA_VF_LINK_STATE, sizeof(link), &link), 0);
		assert_int_equal(nla_put(message, IFLA_VF_IB_NODE_GUID, sizeof(guid), &guid), 0);
		nla_nest_end(message, info);
	}
	nla_nest_end(message, list);
	return message;
}

static void assert_setting(struct nl_msg *message, unsigned int vf, const char *setting,
			   const char *expected)
{
	char value[HOST_VALUE_SIZE];

	assert_true(vf_link_find(nlmsg_hdr(message), vf, setting, value, sizeof(value)));
	assert_string_equal(value, expected);
}

static void test_find(void **state)
{
	struct nl_msg *message = answer(254);
	char value[HOST_VALUE_SIZE];

	(void)state;
	assert_setting(message, 0, "mac", "02:00:00:00:00:00");
	assert_setting(message, 253, "mac", "02:00:00:00:00:fd");
	assert_setting(message, 7, "vlan", "7");
	assert_setting(message, 1, "trust", "1");
	assert_setting(message, 2, "trust", "0");
	assert_setting(message, 3, "policy", "Follow");
	assert_setting(message, 4, "policy", "Up");
	assert_setting(message, 5, "policy", "Down");
	assert_setting(message, 5, "node", "00:00:00:00:00:00:10:05");
	assert_setting(message, 5, "port",
		       "00:00:00:00:00:00:00:00"); /* an older kernel tells none */
	assert_false(vf_link_find(nlmsg_hdr(message), 254, "mac", value, sizeof(value)));
	nlmsg_free(message);
}

static void test_guid(void **state)
{
	uint64_t guid;

	(void)state;
	assert_true(vf_guid_parse("ff:00:00:00:00:00:00:01", &guid));
	assert_int_equal(guid, 0xff00000000000001);
	assert_false(vf_guid_parse("ff:00:00:00:00:00:00", &guid));
	assert_false(vf_guid_parse("ff:00:00:00:00:00:00:01:02", &guid));
	assert_false(vf_guid_parse("-1:00:00:00:00:00:00:01", &guid));
}

static void put_port_name(const char *interface, const char *name)
{
	put_file(in_tree("sys/bus/pci/devices/" PF "/net/%s/phys_port_name", interface), name);
}

/* In switchdev mode the VFs have interfaces below the PF, whose names may come first. */
static void test_uplink(void **state)
{
	char interface[32];

	(void)state;
	put_function(PF, "0x15b3:0x1019", "0x020000", "mlx5_core", 7);
	assert_int_equal(vf_link_interface(PF, interface, sizeof(interface)), -ENOENT);
	put_file(in_tree("sys/bus/pci/devices/" PF "/net/eth3/mtu"), "1500\n");
	put_file(in_tree("sys/bus/pci/devices/" PF "/net/eth2/mtu"), "1500\n");
	assert_int_equal(vf_link_interface(PF, interface, sizeof(interface)), 0);
	assert_string_equal(interface, "eth2");
	put_port_name("eth0", "pf0vf0\n");
	put_port_name("eth1", "pf0sf1\n");
	put_port_name("eth3", "p0\n");
	assert_int_equal(vf_link_interface(PF, interface, sizeof(interface)), 0);
	assert_string_equal(interface, "eth3");
}

static void test_identity(void **state)
{
	uint8_t mac[6], again[6], other[6];
	uint64_t guid;

	(void)state;
	assert_false(identity_mac(PF, 0, mac));
	put_file(in_tree("machine-id"), "\n");
	assert_false(identity_mac(PF, 0, mac));
	put_file(in_tree("machine-id"), MACHINE);
	for (unsigned int vf = 0; vf < 256; vf++) {
		assert_true(identity_mac(PF, vf, mac));
		assert_int_equal(mac[0] & 3, 2); /* locally administered, one station */
		assert_true(identity_mac(PF, vf, again));
		assert_memory_equal(mac, again, sizeof(mac));
		assert_true(identity_mac(PF, vf + 1, other));
		assert_memory_not_equal(mac, other, sizeof(mac));
		assert_true(identity_mac(OTHER, vf, other));
		assert_memory_not_equal(mac, other, sizeof(mac));
		assert_true(identity_guid(PF, vf, &guid));
		assert_int_equal(guid >> 56 & 3, 2);
	}
	assert_true(identity_mac(PF, 0, mac));
	put_file(in_tree("machine-id"), "f123456789abcdef0123456789abcdef\n");
	assert_true(identity_mac(PF, 0, other));
	assert_memory_not_equal(mac, other, sizeof(mac));
}

/* An InfiniBand PF with two VFs, whose driver takes their settings in sysfs. */
static void put_infiniband(void)
{
	put_function(PF, "0x15b3:0x1019", "0x020700", "mlx5_core", 7);
	put_file(device_path(PF, "sriov_totalvfs"), "2\n");
	put_file(device_path(PF, "sriov_numvfs"), "0\n");
	for (int i = 0; i < 2; i++) {
		char vf[BYPASS_ADDRESS_SIZE];

		snprintf(vf, sizeof(vf), "0000:04:00.%d", i + 1);
		put_function(vf, "0x15b3:0x101a", "0x020700", NULL, 8 + i);
		put_link(device_path(vf, "physfn"), in_tree("sys/bus/pci/devices/" PF));
		put_link(in_tree("sys/bus/pci/devices/" PF "/virtfn%d", i),
			 in_tree("sys/bus/pci/devices/%s", vf));
		put_file(in_tree("sys/bus/pci/devices/" PF "/sriov/%d/node", i), "00:00:00:00:00:"
										 "00:00:00\n");
		put_file(in_tree("sys/bus/pci/devices/" PF "/sriov/%d/port", i), "00:00:00:00:00:"
										 "00:00:00\n");
		put_file(in_tree("sys/bus/pci/devices/" PF "/sriov/%d/policy", i), "Down\n");
	}
	put_file(in_tree("sys/bus/pci/drivers/vfio-pci/bind"), "");
	put_file(in_tree("machine-id"), MACHINE);
	remarks[0] = '\0';
	bypass_log_set(keep_remark, NULL);
}

static void get_setting(unsigned int vf, const char *setting, char *value)
{
	get_file(in_tree("sys/bus/pci/devices/" PF "/sriov/%u/%s", vf, setting), value, 64);
}

static void test_infiniband(void **state)
{
	struct bypass_vf_settings settings[2] = {{.trust = -1},
						 {.trust = -1, .guid = 0x0200000000000099}};
	const struct bypass_carve what = {
		.function = PF,
		.vfs = 2,
		.name = "ib",
		.settings = settings,
	};
	char node[64], port[64], expected[64];
	uint64_t guid;

	(void)state;
	put_infiniband();
	assert_int_equal(bypass_carve(&what, NULL), 0);
	assert_true(identity_guid(PF, 0, &guid));
	vf_guid_format(guid, expected, sizeof(expected));
	get_setting(0, "node", node);
	get_setting(0, "port", port);
	assert_string_equal(node, expected);
	assert_string_equal(port, expected);
	get_setting(0, "policy", node);
	assert_string_equal(node, "Follow");
	get_setting(1, "node", node);
	assert_string_equal(node, "02:00:00:00:00:00:00:99");
	assert_int_equal(bypass_release("ib-1"), 0);
	get_setting(1, "port", port);
	assert_string_equal(port, "00:00:00:00:00:00:00:00");
	get_setting(1, "policy", port);
	assert_string_equal(port, "Down");
	assert_int_equal(bypass_release("ib-0"), 0);
	get_setting(0, "node", node);
	assert_string_equal(node, "00:00:00:00:00:00:00:00");
}

/* The driver refuses to take the GUID back: the VF is released all the same. */
static void test_refused_undo(void **state)
{
	const struct bypass_carve what = {.function = PF, .vfs = 2, .name = "ib"};
	char value[64];

	(void)state;
	put_infiniband();
	assert_int_equal(bypass_carve(&what, NULL), 0);
	assert_int_equal(unlink(in_tree("sys/bus/pci/devices/" PF "/sriov/0/node")), 0);
	assert_int_equal(bypass_release(PF), 0);
	assert_non_null(strstr(remarks, "did not undo 'set node of VF 0"));
	get_file(device_path(PF, "sriov_numvfs"), value, sizeof(value));
	assert_string_equal(value, "0");
}

static void put_alias(const char *text)
{
	struct utsname kernel;

	assert_int_equal(uname(&kernel), 0);
	put_file(in_tree("modules/%s/modules.alias", kernel.release), text);
}

/* A device that a VFIO driver of its own serves best. */
static void test_variant(void **state)
{
	char driver[32];

	(void)state;
	put_infiniband();
	put_file(device_path(PF, "modalias"), "pci:"
					      "v000015B3d0000101Esv000015B3sd00000001bc02sc00i00"
					      "\n");
	put_file(in_tree("modules/other/modules.alias"), "");
	vfio_driver(PF, driver, sizeof(driver));
	assert_string_equal(driver, "vfio-pci");
	put_alias("alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
		  "alias pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core\n"
		  "alias vfio_pci:v000015B3d00001018sv*sd*bc*sc*i* another_vfio_pci\n"
		  "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n");
	vfio_driver(PF, driver, sizeof(driver));
	assert_string_equal(driver, "vfio-pci");
	vfio_driver_remark(PF);
	assert_non_null(strstr(remarks, "modprobe mlx5_vfio_pci"));
	make_directories(in_tree("sys/module/mlx5_vfio_pci/drivers/pci:mlx5-vfio-pci"));
	vfio_driver(PF, driver, sizeof(driver));
	assert_string_equal(driver, "mlx5-vfio-pci");
}

/* Firmware that uses memory through the device. */
static void test_reserved(void **state)
{
	const struct bypass_carve what = {.function = PF, .vfs = 2};

	(void)state;
	put_infiniband();
	put_file(in_tree("sys/kernel/iommu_groups/8/reserved_regions"), "0x00000000000e0000 "
									"0x00000000000fffff "
									"direct-relaxable\n"
									"0x00000000fee00000 "
									"0x00000000feefffff msi\n");
	put_file(in_tree("sys/kernel/iommu_groups/9/reserved_regions"), "0x000000007b800000 "
									"0x000000007fffffff "
									"direct\n");
	assert_int_equal(bypass_carve(&what, NULL), 0);
	assert_non_null(strstr(remarks, "0x7b800000 to 0x7fffffff by way of 0000:04:00.2 (an "
					"RMRR)"));
	assert_null(strstr(remarks, "0000:04:00.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_host_tree(test_change),     in_host_tree(test_query),
		in_host_tree(test_find),       in_host_tree(test_guid),
		in_host_tree(test_uplink),     in_host_tree(test_identity),
		in_host_tree(test_infiniband), in_host_tree(test_refused_undo),
		in_host_tree(test_variant),    in_host_tree(test_reserved),
	};

	return cmocka_run_group_tests_name("host VF settings", tests, NULL, NULL);
}
