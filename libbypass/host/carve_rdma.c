// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Carving an HCA in software: a network device with addresses of its own, and an rxe on it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"
#include "netdev.h"

#define NAME_STEM "bypass"
#define NAMES	  1000 /* that are tried */

/* What is to be made, in the kernel's spelling. */
struct plan {
	char netdev[IF_NAMESIZE];
	char name[IF_NAMESIZE];
	size_t address_count;
	char address[BYPASS_CARVE_ADDRESSES][64];
};

static int fail_adapter(const char *netdev, const char *hca)
{
	return bypass_fail(EOPNOTSUPP,
			   "%s is an interface of the adapter %s, which does RDMA by itself: "
			   "carving makes "
			   "HCAs in software. By hand: 'ip link add link %s name rdma0 type "
			   "macvlan mode "
			   "bridge', 'ip address add ADDRESS/LENGTH dev rdma0', 'ip link set rdma0 "
			   "up'; then "
			   "'--rdma %s,addr=ADDRESS'",
			   netdev, hca, netdev, hca);
}

static int check_netdev(const char *netdev)
{
	char path[256], type[16], hca[64];

	snprintf(path, sizeof(path), "%s/class/net/%.15s/type", host_paths.sys, netdev);
	if (strlen(netdev) >= IF_NAMESIZE || strchr(netdev, '/') ||
	    host_file(path, type, sizeof(type)) <= 0)
		return bypass_fail(ENODEV,
				   "there is no network device '%s' on this host: 'ip link' shows "
				   "those there are",
				   netdev);
	if (atoi(type) != ARPHRD_ETHER)
		return bypass_fail(ENOTSUP, "%s is no Ethernet, and RoCE needs one", netdev);
	rdma_link_adapter(netdev, hca, sizeof(hca));
	if (hca[0])
		return fail_adapter(netdev, hca);
	snprintf(path, sizeof(path), "%s/module/rdma_rxe", host_paths.sys);
	if (!access(path, F_OK))
		return 0;
	return bypass_fail(ENOTSUP, "the kernel's RDMA in software, rdma_rxe, is not loaded: "
				    "'modprobe "
				    "rdma_rxe' loads it now, a line 'rdma_rxe' in "
				    "/etc/modules-load.d/bypass.conf at every boot");
}

/* Fills in the length of the network, and the kernel's spelling. */
static int check_address(struct plan *plan, const char *text)
{
	struct netdev_address address;
	char owner[IF_NAMESIZE], spelling[INET6_ADDRSTRLEN];
	int err;

	if (!netdev_address_parse(text, &address))
		return bypass_fail(EINVAL,
				   "'%s' is no address that a slice could have: write one of IPv4 "
				   "or IPv6, such as 10.7.0.5/24",
				   text);
	inet_ntop(address.family, address.byte, spelling, sizeof(spelling));
	err = netdev_address_owner(&address, owner, sizeof(owner));
	if (!err && owner[0])
		return bypass_fail(EADDRINUSE, "%s is an address of %s already", spelling, owner);
	if (!err && !address.length)
		err = netdev_address_length(plan->netdev, &address, &address.length);
	if (err)
		return err;
	if (!address.length)
		return bypass_fail(EINVAL,
				   "%s has no address in the network of %s: say how long the "
				   "prefix is, such as %s/%d",
				   plan->netdev, spelling, spelling,
				   address.family == AF_INET ? 24 : 64);
	for (size_t i = 0; i < plan->address_count; i++)
		if (!strncmp(plan->address[i], spelling, strlen(spelling)) &&
		    plan->address[i][strlen(spelling)] == '/')
			return bypass_fail(EINVAL, "%s is named twice", spelling);
	snprintf(plan->address[plan->address_count++], sizeof(plan->address[0]), "%s/%u", spelling,
		 address.length);
	return 0;
}

/* Who has the name: a device, or a carving that would make one or has a slice of it. */
static bool is_taken(const char *name, struct bypass_carving *const *list, const char **by)
{
	static const char *const classes[] = {"net", "infiniband"};
	static const char *const kinds[] = {"a network device", "an HCA"};
	char path[256];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/class/%s/%s", host_paths.sys, classes[i], name);
		*by = kinds[i];
		if (!access(path, F_OK))
			return true;
	}
	for (size_t i = 0; list[i]; i++) {
		*by = list[i]->function;
		if (!strcmp(list[i]->function, name) || !strcmp(list[i]->name, name))
			return true;
		for (size_t j = 0; j < list[i]->count; j++)
			if (!strcmp(list[i]->slice[j].name, name))
				return true;
	}
	return false;
}

static int choose_name(struct plan *plan, const char *name, struct bypass_carving *const *list)
{
	char key[BYPASS_ADDRESS_SIZE];
	const char *by;

	for (unsigned int i = 0; !name && i < NAMES; i++) {
		snprintf(plan->name, sizeof(plan->name), NAME_STEM "%u", i);
		if (!is_taken(plan->name, list, &by))
			return 0;
	}
	if (!name)
		return bypass_fail(EEXIST, "the names " NAME_STEM "0 to " NAME_STEM "%d are taken",
				   NAMES - 1);
	if (ledger_key(name, key) || strchr(name, ':'))
		return bypass_fail(EINVAL,
				   "'%s' cannot be the name of an RDMA slice, and so of a network "
				   "device: letters, digits, '-', '_' and '.', %d at the most, the "
				   "first a letter",
				   name, IF_NAMESIZE - 1);
	if (is_taken(name, list, &by))
		return bypass_fail(EEXIST, "the name '%s' is taken by %s", name, by);
	snprintf(plan->name, sizeof(plan->name), "%s", name);
	return 0;
}

/* With the lock over all ledgers. */
static int make_plan(const struct bypass_carve_rdma *what, struct plan *plan)
{
	struct bypass_carving **list;
	int err = check_netdev(what->netdev);

	if (err)
		return err;
	snprintf(plan->netdev, sizeof(plan->netdev), "%s", what->netdev);
	if (!what->address_count || what->address_count > BYPASS_CARVE_ADDRESSES)
		return bypass_fail(EINVAL, "a slice has 1 to %d addresses, not %zu",
				   BYPASS_CARVE_ADDRESSES, what->address_count);
	for (size_t i = 0; i < what->address_count && !err; i++)
		err = check_address(plan, what->addresses[i]);
	if (err)
		return err;
	err = bypass_carvings(&list);
	if (err < 0)
		return err;
	err = choose_name(plan, what->name, list);
	bypass_carvings_free(list);
	return err;
}

/* A step of the slice's own devices; the network device of the host is @function otherwise. */
static struct step new_step(const struct plan *plan, enum step_kind kind)
{
	struct step step = {.kind = kind};

	snprintf(step.function, sizeof(step.function), "%s", plan->name);
	snprintf(step.slice, sizeof(step.slice), "%s", plan->name);
	return step;
}

/* A random address of the kind that nobody administers: it also tells the device from one of somebody else's. */
static int make_netdev(struct ledger *ledger, const struct plan *plan)
{
	struct step step = new_step(plan, STEP_NETDEV);
	uint8_t mac[6];

	if (getrandom(mac, sizeof(mac), 0) != sizeof(mac))
		return bypass_fail(errno, "the kernel has no random number: %s", strerror(errno));
	mac[0] = (mac[0] & 0xfc) | 2;
	snprintf(step.to, sizeof(step.to), "macvlan %02x:%02x:%02x:%02x:%02x:%02x on %s", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5], plan->netdev);
	return carve_step(ledger, step);
}

/* A setting of the host's device, which is a number: the larger, the stricter. */
static int restrict_arp(struct ledger *ledger, const struct plan *plan, const char *setting,
			const char *to)
{
	struct step step = new_step(plan, STEP_SYSCTL);
	char now[HOST_VALUE_SIZE];
	int err = netdev_sysctl_read(plan->netdev, setting, now, sizeof(now));

	if (err || atoi(now) > atoi(to))
		return err;
	snprintf(step.function, sizeof(step.function), "%s", plan->netdev);
	snprintf(step.attribute, sizeof(step.attribute), "%s", setting);
	snprintf(step.to, sizeof(step.to), "%s", to);
	return carve_step(ledger, step);
}

/*
 * The host's device would answer ARP for the slices' addresses as well, and first: what other hosts
 * send then would reach the host's device and no slice. Who is asked learns from the question too:
 * the host answers a ping to a slice by its own device, which then may not ask in the slice's name.
 */
static int keep_arp_apart(struct ledger *ledger, const struct plan *plan)
{
	int err = restrict_arp(ledger, plan, "arp_ignore", "1");

	return err ? err : restrict_arp(ledger, plan, "arp_announce", "2");
}

static int carve_steps(struct ledger *ledger, const struct plan *plan)
{
	struct step step;
	int err;

	fault_point("ledger begun");
	err = ledger_add_slice(ledger, plan->name, plan->name);
	if (!err)
		err = keep_arp_apart(ledger, plan);
	if (!err)
		err = make_netdev(ledger, plan);
	for (size_t i = 0; i < plan->address_count && !err; i++) {
		step = new_step(plan, STEP_ADDRESS);
		snprintf(step.to, sizeof(step.to), "%s", plan->address[i]);
		err = carve_step(ledger, step);
	}
	step = new_step(plan, STEP_UP);
	strcpy(step.to, "up");
	if (!err)
		err = carve_step(ledger, step);
	step = new_step(plan, STEP_RDMA);
	snprintf(step.to, sizeof(step.to), "rxe on %s", plan->name);
	return err ? err : carve_step(ledger, step);
}

/* Takes what the plan needs: a name, and a ledger with it. */
static int claim(struct ledger *ledger, const struct bypass_carve_rdma *what, struct plan *plan)
{
	struct ledger_all all;
	int err;

	err = ledger_lock_all(&all);
	if (err)
		return err;
	err = make_plan(what, plan);
	if (!err)
		err = ledger_lock(ledger, plan->name, true);
	if (!err) {
		snprintf(ledger->netdev, sizeof(ledger->netdev), "%s", plan->netdev);
		err = carving_begin(ledger, plan->name);
		if (err)
			ledger_close(ledger);
	}
	ledger_unlock_all(&all);
	return err;
}

/* The kernel gives such an HCA the GIDs of a macvlan on its device too. */
static void remark_rxe(const char *netdev)
{
	char hca[64];

	rdma_link_above(netdev, hca, sizeof(hca));
	if (hca[0])
		bypass_log(BYPASS_LOG_WARN,
			   "%s has the HCA %s, which rdma_cm takes for the addresses of slices "
			   "on %s: guests cannot connect by rdma_cm. 'rdma link delete %s', and "
			   "carve an HCA for the host",
			   netdev, hca, netdev, hca);
}

static void remark_down(const char *netdev)
{
	char state[HOST_VALUE_SIZE];

	if (!netdev_up_read(netdev, state, sizeof(state)) && strcmp(state, "up"))
		bypass_log(BYPASS_LOG_WARN,
			   "%s is down, and so is the link of the slice: 'ip link set %s up'",
			   netdev, netdev);
}

int bypass_carve_rdma(const struct bypass_carve_rdma *what, struct bypass_carving **carving)
{
	struct plan plan = {0};
	struct ledger ledger;
	int err;

	err = claim(&ledger, what, &plan);
	if (err)
		return err;
	err = carving_end(&ledger, carve_steps(&ledger, &plan));
	if (!err) {
		remark_down(plan.netdev);
		remark_rxe(plan.netdev);
	}
	if (!err && carving) {
		*carving = carving_of(&ledger);
		if (!*carving)
			err = bypass_fail(ENOMEM, "no memory to tell what was carved");
	}
	ledger_close(&ledger);
	return err;
}

int bypass_carved_holder(const struct bypass_carved *slice, struct bypass_holder *holder)
{
	char address[BYPASS_ADDRESS_SIZE];

	if (pci_address(slice->address, address))
		return rdma_link_holder(slice->address, holder);
	return bypass_function_holder(address, holder);
}
