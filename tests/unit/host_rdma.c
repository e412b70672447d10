// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Carving an HCA in software: names and addresses, what is refused, a carve that fails in the
 * middle, and a change that two carvings share.
 */
#include <errno.h>

#include "host_tree.h"

#include "../../libbypass/host/netdev.h"

#define NETDEV "eth77" /* which the kernel of whoever runs the test does not know */

static void test_names(void **state)
{
	static const char *const bad[] = {"",  "all", "0a", "a/b", "a:b", "a b", "abcdefghijklmnop",
					  ".x"};
	char key[BYPASS_ADDRESS_SIZE];

	(void)state;
	assert_int_equal(ledger_key("bypass0", key), 0);
	assert_string_equal(key, "bypass0");
	assert_int_equal(ledger_key("abcdefghijklmno", key), 0);
	assert_int_equal(ledger_key("0A:00.1", key), 0);
	assert_string_equal(key, "0000:0a:00.1");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ledger_key(bad[i], key), -EINVAL);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {
		"",	      "10.7.0",	   "10.7.0.5/33", "10.7.0.5/",	 "10.7.0.5/x",
		"10.7.0.5/0", "127.0.0.1", "0.0.0.1",	  "224.0.0.1",	 "255.255.255.255",
		"::1",	      "fe80::1",   "ff0e::1",	  "fd00::5/129", "::ffff:10.7.0.5",
		"eth0"};
	struct netdev_address address;

	(void)state;
	assert_true(netdev_address_parse("10.7.0.5/24", &address));
	assert_int_equal(address.length, 24);
	assert_int_equal(address.byte[3], 5);
	assert_true(netdev_address_parse("fd00:7::5/64", &address));
	assert_int_equal(address.length, 64);
	assert_int_equal(address.byte[15], 5);
	assert_true(netdev_address_parse("2001:db8::1", &address));
	assert_int_equal(address.length, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (netdev_address_parse(bad[i], &address))
			fail_msg("%s is an address", bad[i]);
}

static int carve(const char *netdev, const char *address, const char *name)
{
	const struct bypass_carve_rdma what = {
		.netdev = netdev, .address_count = 1, .addresses = &address, .name = name};

	return bypass_carve_rdma(&what, NULL);
}

static char *arp_path(void)
{
	return in_tree("proc/sys/net/ipv4/conf/" NETDEV "/arp_ignore");
}

static void put_netdev(void)
{
	put_file(in_tree("sys/class/net/" NETDEV "/type"), "1\n");
	put_file(in_tree("sys/module/rdma_rxe/refcnt"), "0\n");
	put_file(arp_path(), "0\n");
	put_file(in_tree("proc/sys/net/ipv4/conf/" NETDEV "/arp_announce"), "0\n");
}

static void assert_arp(const char *value)
{
	char now[16];

	get_file(arp_path(), now, sizeof(now));
	assert_string_equal(now, value);
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(carve(NETDEV, "10.7.0.5/24", NULL), -ENODEV);
	assert_says("no network device '" NETDEV "'");
	assert_int_equal(carve("../eth0", "10.7.0.5/24", NULL), -ENODEV);
	put_file(in_tree("sys/class/net/" NETDEV "/type"), "32\n");
	assert_int_equal(carve(NETDEV, "10.7.0.5/24", NULL), -ENOTSUP);
	assert_says("no Ethernet");
	put_file(in_tree("sys/class/net/" NETDEV "/type"), "1\n");
	assert_int_equal(carve(NETDEV, "10.7.0.5/24", NULL), -ENOTSUP);
	assert_says("modprobe rdma_rxe");
	put_netdev();
	assert_int_equal(carve(NETDEV, "127.0.0.1/8", NULL), -EINVAL);
	assert_int_equal(carve(NETDEV, "127.0.0.1", NULL), -EINVAL);
	assert_int_equal(carve(NETDEV, "10.7.0.5", NULL), -EINVAL);
	assert_says("how long the prefix is");
	assert_int_equal(carve(NETDEV, "10.7.0.5/24", "a:b"), -EINVAL);
	assert_int_equal(carve(NETDEV, "10.7.0.5/24", NETDEV), -EEXIST);
	assert_says("a network device");
	make_directories(in_tree("sys/class/infiniband/rxe7"));
	assert_int_equal(carve(NETDEV, "10.7.0.5/24", "rxe7"), -EEXIST);
	assert_says("an HCA");
	make_directories(in_tree("sys/class/infiniband/mlx5_0/device/net/" NETDEV));
	assert_int_equal(carve(NETDEV, "10.7.0.5/24", NULL), -EOPNOTSUPP);
	assert_says("--rdma mlx5_0,addr=");
	assert_arp("0");
}

/* The kernel has no such device: no macvlan comes about, and what was done before is undone. */
static void test_fails_in_the_middle(void **state)
{
	struct bypass_carving **list;
	char announce[16];

	(void)state;
	put_netdev();
	assert_true(carve(NETDEV, "10.7.0.5/24", NULL) < 0);
	assert_says("The steps before it were undone");
	assert_arp("0");
	get_file(in_tree("proc/sys/net/ipv4/conf/" NETDEV "/arp_announce"), announce,
		 sizeof(announce));
	assert_string_equal(announce, "0");
	assert_int_equal(bypass_carvings(&list), 0);
	bypass_carvings_free(list);
}

/* The ledger of a slice of which one step is done: ARP of the host's device. */
static void put_ledger(const char *name, const char *from)
{
	struct step step = {.kind = STEP_SYSCTL, .function = NETDEV, .attribute = "arp_ignore"};
	struct step address = {.kind = STEP_ADDRESS, .to = "10.7.0.5/24"};
	struct ledger ledger;

	snprintf(step.slice, sizeof(step.slice), "%s", name);
	strcpy(step.from, from);
	strcpy(step.to, "1");
	strcpy(address.function, name);
	assert_int_equal(ledger_lock(&ledger, name, true), 0);
	ledger.state = LEDGER_CARVED;
	strcpy(ledger.netdev, NETDEV);
	strcpy(ledger.name, name);
	assert_int_equal(ledger_add_slice(&ledger, name, name), 0);
	assert_int_equal(ledger_add_step(&ledger, &step), 0);
	assert_int_equal(ledger_add_step(&ledger, &address), 0);
	assert_int_equal(ledger_save(&ledger), 0);
	ledger_close(&ledger);
}

static void test_shared(void **state)
{
	struct bypass_carving **list;

	(void)state;
	put_netdev();
	put_file(arp_path(), "1\n");
	put_ledger("bypass0", "0");
	put_ledger("bypass1", "0");
	assert_int_equal(bypass_carvings(&list), 2);
	assert_string_equal(list[0]->function, "bypass0");
	assert_string_equal(list[0]->netdev, NETDEV);
	assert_string_equal(list[0]->addresses, "10.7.0.5");
	assert_int_equal(list[0]->state, BYPASS_CARVED);
	bypass_carvings_free(list);
	assert_int_equal(carve(NETDEV, "10.7.0.6/24", "bypass1"), -EEXIST);
	assert_int_equal(bypass_release("bypass0"), 0);
	assert_arp("1");
	assert_int_equal(bypass_release("bypass1"), 0);
	assert_arp("0");
	assert_int_equal(rmdir(in_tree("ledger")), 0);
}

/* A value that somebody has changed since stays. */
static void test_of_another(void **state)
{
	(void)state;
	put_netdev();
	put_file(arp_path(), "2\n");
	put_ledger("bypass0", "0");
	assert_int_equal(bypass_release("bypass0"), 0);
	assert_arp("2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_host_tree(test_names),   in_host_tree(test_addresses),
		in_host_tree(test_refused), in_host_tree(test_fails_in_the_middle),
		in_host_tree(test_shared),  in_host_tree(test_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
