// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Settings of a network interface: noted when a function is carved, put back when its driver has made
 * the interface anew, and left alone when somebody else has.
 */
#include "host_tree.h"

#include <bypass/log.h>

#define FUNCTION "0000:02:00.0"

static char remarks[4096];

static void keep_remark(void *opaque, enum bypass_log_level level, const char *text)
{
	(void)opaque;
	if (level == BYPASS_LOG_WARN && strlen(remarks) + strlen(text) < sizeof(remarks))
		strcat(remarks, text);
}

static char *net_path(const char *interface, const char *attribute)
{
	return in_tree("sys/bus/pci/devices/" FUNCTION "/net/%s/%s", interface, attribute);
}

/* No kernel has an interface of such a name: what goes through sockets is left out. */
static void put_interface(const char *name, const char *port, const char *mtu, const char *flags)
{
	put_file(net_path(name, "dev_port"), port);
	put_file(net_path(name, "mtu"), mtu);
	put_file(net_path(name, "flags"), flags);
	put_file(net_path(name, "tx_queue_len"), "1000\n");
	put_file(net_path(name, "addr_assign_type"), "0\n");
	put_file(net_path(name, "address"), "02:00:00:00:00:01\n");
}

static void assert_value(const char *name, const char *attribute, const char *expected)
{
	char text[64];

	get_file(net_path(name, attribute), text, sizeof(text));
	assert_string_equal(text, expected);
}

/* As carving leaves it: the host's driver is gone, and so is its interface. */
static void note(bool rebound)
{
	struct ledger ledger;

	put_function(FUNCTION, "0x8086:0x10c9", "0x020000", NULL, 7);
	put_interface("bypassp0", "0\n", "1400\n", "0x1003\n");
	put_interface("bypassp1", "1\n", "9000\n", "0x1002\n");
	put_file(net_path("bypassp1", "upper_vlan7"), "");
	assert_int_equal(ledger_lock(&ledger, FUNCTION, true), 0);
	ledger.state = LEDGER_CARVED;
	ledger.vendor_id = 0x8086;
	ledger.device_id = 0x10c9;
	ledger.rebound = rebound;
	assert_int_equal(ledger_add_slice(&ledger, FUNCTION, "web"), 0);
	assert_int_equal(interfaces_note(&ledger, FUNCTION), 0);
	assert_int_equal(ledger_save(&ledger), 0);
	ledger_close(&ledger);
	remove_all(net_path("", ""));
	/* The driver makes them again, as it always does. */
	put_interface("bypassp0", "0\n", "1500\n", "0x1002\n");
	put_interface("bypassp1", "1\n", "1500\n", "0x1003\n");
	remarks[0] = '\0';
	bypass_log_set(keep_remark, NULL);
}

static void test_put_back(void **state)
{
	(void)state;
	note(true);
	assert_int_equal(bypass_release("web"), 0);
	assert_value("bypassp0", "mtu", "1400");
	assert_value("bypassp0", "flags", "0x1003");
	assert_value("bypassp1", "mtu", "9000");
	assert_value("bypassp1", "flags", "0x1002");
	/* What cannot be put back is said, with the command. */
	assert_non_null(strstr(remarks, "'ip link add link bypassp1 name vlan7 ...'"));
}

/* Only sysctls that are not the default, as a new interface gets the defaults. */
static void test_sysctl(void **state)
{
	char text[64];

	(void)state;
	put_file(in_tree("proc/sys/net/ipv4/conf/default/forwarding"), "0\n");
	put_file(in_tree("proc/sys/net/ipv4/conf/default/rp_filter"), "2\n");
	put_file(in_tree("proc/sys/net/ipv4/conf/bypassp0/forwarding"), "1\n");
	put_file(in_tree("proc/sys/net/ipv4/conf/bypassp0/rp_filter"), "2\n");
	put_file(in_tree("proc/sys/net/ipv6/conf/default/accept_ra"), "1\n");
	put_file(in_tree("proc/sys/net/ipv6/conf/bypassp1/accept_ra"), "0\n");
	note(true);
	put_file(in_tree("proc/sys/net/ipv4/conf/bypassp0/forwarding"), "0\n");
	put_file(in_tree("proc/sys/net/ipv4/conf/bypassp0/rp_filter"), "3\n");
	remove_all(in_tree("proc/sys/net/ipv6/conf/bypassp1"));
	assert_int_equal(bypass_release("web"), 0);
	get_file(in_tree("proc/sys/net/ipv4/conf/bypassp0/forwarding"), text, sizeof(text));
	assert_string_equal(text, "1");
	get_file(in_tree("proc/sys/net/ipv4/conf/bypassp0/rp_filter"), text, sizeof(text));
	assert_string_equal(text, "3");
	assert_non_null(strstr(remarks, "'sysctl -w net/ipv6/conf/bypassp1/accept_ra=0'"));
}

static void test_another_ones(void **state)
{
	(void)state;
	note(false);
	assert_int_equal(bypass_release("web"), 0);
	assert_value("bypassp0", "mtu", "1500");
	assert_value("bypassp1", "flags", "0x1003");
	assert_non_null(strstr(remarks, "settings of its interface stay"));
}

static void test_does_not_come_back(void **state)
{
	(void)state;
	note(true);
	remove_all(net_path("bypassp0", ""));
	assert_int_equal(bypass_release("web"), 0);
	assert_value("bypassp1", "mtu", "9000");
	assert_non_null(strstr(remarks, "'ip link set INTERFACE mtu 1400'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_host_tree(test_put_back),
		in_host_tree(test_sysctl),
		in_host_tree(test_another_ones),
		in_host_tree(test_does_not_come_back),
	};

	return cmocka_run_group_tests_name("host interface", tests, NULL, NULL);
}
