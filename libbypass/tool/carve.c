// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass carve: makes slices of a function: VFs of a PF, or the whole function; or an HCA with
 * addresses of its own.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

#define MOST_VFS 65535 /* TotalVFs is 16 bits wide */

struct arguments {
	struct bypass_carve carve;
	struct bypass_carve_rdma rdma;
	const char *addresses[BYPASS_CARVE_ADDRESSES];
	const char *mac;
	const char *guid;
	const char *vlan;
	const char *trust;
};

static bool parse_mac(const char *text, struct bypass_vf_settings *settings)
{
	unsigned int byte[6];
	int end = -1;

	/* %x takes blanks and signs as well. */
	if (strspn(text, "0123456789abcdefABCDEF:") != strlen(text))
		return false;
	sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
	       &byte[5], &end);
	if (end < 0 || text[end] || (byte[0] & 1)) /* no multicast address */
		return false;
	for (int i = 0; i < 6; i++)
		settings->mac[i] = byte[i];
	return true;
}

static bool parse_guid(const char *text, struct bypass_vf_settings *settings)
{
	uint64_t guid = 0;
	unsigned int byte;

	for (int i = 0; i < 8; i++, text += 2) {
		if (i && *text++ != ':')
			return false;
		if (strspn(text, "0123456789abcdefABCDEF") < 2 || sscanf(text, "%2x", &byte) != 1)
			return false;
		guid = guid << 8 | byte;
	}
	settings->guid = guid;
	return !*text && guid && guid != UINT64_MAX;
}

static bool parse_vlan(const char *text, struct bypass_vf_settings *settings)
{
	char *end;
	unsigned long vlan = strtoul(text, &end, 10);

	settings->vlan = vlan;
	return *text && !*end && vlan >= 1 && vlan <= 4094;
}

static bool parse_trust(const char *text, struct bypass_vf_settings *settings)
{
	settings->trust = !strcmp(text, "on");
	return settings->trust || !strcmp(text, "off");
}

/* A list with commas: one value for each VF, or one for all of them if @for_all. */
static bool parse_list(const char *list, struct bypass_vf_settings *settings, unsigned int vfs,
		       bool for_all, bool (*parse)(const char *, struct bypass_vf_settings *))
{
	char *copy, *rest, *value, *last = NULL;
	unsigned int i = 0;
	bool good = true;

	if (!list)
		return true;
	rest = copy = strdup(list);
	while (good && copy && (value = strsep(&rest, ",")))
		good = i < vfs && parse(last = value, &settings[i++]);
	if (good && for_all && i == 1)
		for (; i < vfs; i++)
			parse(last, &settings[i]);
	free(copy);
	return good && i == vfs;
}

static enum exit_code parse_settings(const struct arguments *arguments,
				     struct bypass_vf_settings *settings)
{
	unsigned int vfs = arguments->carve.vfs;

	for (unsigned int i = 0; i < vfs; i++)
		settings[i].trust = -1;
	if (!parse_list(arguments->mac, settings, vfs, false, parse_mac))
		return wrong_usage(&command_carve, "--mac takes one unicast address for each VF, "
						   "such as 02:00:00:00:00:01,02:00:00:00:00:02");
	if (!parse_list(arguments->guid, settings, vfs, false, parse_guid))
		return wrong_usage(&command_carve, "--guid takes one GUID for each VF, such as "
						   "02:00:00:00:00:00:00:01,02:00:00:00:00:00:00:"
						   "02");
	if (!parse_list(arguments->vlan, settings, vfs, true, parse_vlan))
		return wrong_usage(&command_carve, "--vlan takes a number from 1 to 4094, or one "
						   "for each VF");
	if (!parse_list(arguments->trust, settings, vfs, true, parse_trust))
		return wrong_usage(&command_carve, "--trust takes 'on' or 'off', or one of them "
						   "for each VF");
	return EXIT_DONE;
}

/* True when nothing on the host depends on the function, or the user takes it all the same. */
static bool may_take(struct bypass_carve *carve)
{
	if (carve->vfs || carve->force || bypass_function_burden(carve->function) != -EBUSY)
		return true; /* what else is wrong, carving will say */
	fprintf(stderr, "bypass: %s.\n", bypass_error());
	carve->force = confirmed("Take it from the host all the same?");
	if (!carve->force)
		fprintf(stderr, "Nothing was changed. --force takes it without a question.\n");
	return carve->force;
}

static void report(const struct bypass_carving *carving)
{
	struct json_object *document = json_object_new_object();
	struct json_object *carvings = json_object_new_array();

	json_object_array_add(carvings, carving_json(carving));
	json_object_object_add(document, "carvings", carvings);
	if (wants_json()) {
		print_json(document);
		return;
	}
	print_carvings(carvings);
	json_object_put(document);
}

static enum exit_code carve(struct arguments *arguments)
{
	struct bypass_vf_settings *settings;
	struct bypass_carving *carving;
	enum exit_code code;
	sigset_t held;
	int err;

	settings = calloc(arguments->carve.vfs + 1, sizeof(*settings));
	if (!settings)
		return EXIT_FAILED;
	code = parse_settings(arguments, settings);
	if (code == EXIT_DONE && !may_take(&arguments->carve))
		code = EXIT_FAILED;
	if (code == EXIT_DONE) {
		arguments->carve.settings = settings;
		hold_signals(&held);
		err = bypass_carve(&arguments->carve, &carving);
		if (err) {
			code = failed();
		} else {
			report(carving);
			free(carving);
		}
	}
	free(settings);
	return code;
}

static enum exit_code carve_rdma(struct arguments *arguments)
{
	struct bypass_carving *carving;
	sigset_t held;

	arguments->rdma.addresses = arguments->addresses;
	arguments->rdma.name = arguments->carve.name;
	hold_signals(&held);
	if (bypass_carve_rdma(&arguments->rdma, &carving))
		return failed();
	report(carving);
	if (!wants_json())
		printf("\nFor a guest: --rdma %s,addr=%s\n", carving->function, carving->addresses);
	free(carving);
	return EXIT_DONE;
}

static enum exit_code add_address(struct arguments *arguments, const char *address)
{
	if (arguments->rdma.address_count == BYPASS_CARVE_ADDRESSES)
		return wrong_usage(&command_carve, "--addr is given more than %d times",
				   BYPASS_CARVE_ADDRESSES);
	arguments->addresses[arguments->rdma.address_count++] = address;
	return EXIT_DONE;
}

/* Do the options go together? Then the slices are carved. */
static enum exit_code carve_either(struct arguments *arguments, char **rest, int count)
{
	bool of_vfs = arguments->mac || arguments->guid || arguments->vlan || arguments->trust;

	if (arguments->rdma.netdev) {
		if (count || arguments->carve.vfs || of_vfs || arguments->carve.force)
			return wrong_usage(&command_carve, "--rdma goes with --addr and --name "
							   "alone, and with no function");
		if (!arguments->rdma.address_count)
			return wrong_usage(&command_carve, "--rdma needs an address: --addr");
		return carve_rdma(arguments);
	}
	if (arguments->rdma.address_count)
		return wrong_usage(&command_carve, "--addr goes with --rdma");
	if (count != 1)
		return wrong_usage(&command_carve, "say which one function to carve");
	if (!arguments->carve.vfs && of_vfs)
		return wrong_usage(&command_carve, "--mac, --guid, --vlan and --trust go with "
						   "--vfs");
	arguments->carve.function = rest[0];
	return carve(arguments);
}

static enum exit_code run_carve(int argc, char **argv)
{
	enum {
		OPTION_VFS = OPTION_FIRST,
		OPTION_MAC,
		OPTION_GUID,
		OPTION_VLAN,
		OPTION_TRUST,
		OPTION_NAME,
		OPTION_FORCE,
		OPTION_RDMA,
		OPTION_ADDR
	};
	static const struct option options[] = {
		{"vfs", required_argument, NULL, OPTION_VFS},
		{"mac", required_argument, NULL, OPTION_MAC},
		{"guid", required_argument, NULL, OPTION_GUID},
		{"vlan", required_argument, NULL, OPTION_VLAN},
		{"trust", required_argument, NULL, OPTION_TRUST},
		{"name", required_argument, NULL, OPTION_NAME},
		{"force", no_argument, NULL, OPTION_FORCE},
		{"rdma", required_argument, NULL, OPTION_RDMA},
		{"addr", required_argument, NULL, OPTION_ADDR},
		COMMON_OPTIONS,
	};
	struct arguments arguments = {0};
	enum exit_code code;
	char *end = "";
	int option;

	while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
		if (option == OPTION_VFS) {
			arguments.carve.vfs = strtoul(optarg, &end, 10);
			if (!*optarg || *end || arguments.carve.vfs < 1 ||
			    arguments.carve.vfs > MOST_VFS)
				return wrong_usage(&command_carve, "--vfs takes a number from 1");
		} else if (option == OPTION_MAC) {
			arguments.mac = optarg;
		} else if (option == OPTION_GUID) {
			arguments.guid = optarg;
		} else if (option == OPTION_VLAN) {
			arguments.vlan = optarg;
		} else if (option == OPTION_TRUST) {
			arguments.trust = optarg;
		} else if (option == OPTION_NAME) {
			arguments.carve.name = optarg;
		} else if (option == OPTION_FORCE) {
			arguments.carve.force = true;
		} else if (option == OPTION_RDMA) {
			arguments.rdma.netdev = optarg;
		} else if (option == OPTION_ADDR) {
			code = add_address(&arguments, optarg);
			if (code != EXIT_DONE)
				return code;
		} else if (common_option(&command_carve, option, &code)) {
			return code;
		}
	}
	return carve_either(&arguments, argv + optind, argc - optind);
}

const struct command command_carve = {
	.name = "carve",
	.summary = "make slices of a function: its VFs, or all of it; or an HCA",
	.usage = "bypass carve PF --vfs N [OPTION…]\n"
		 "       bypass carve FUNCTION [OPTION…]\n"
		 "       bypass carve --rdma NETDEV --addr ADDRESS[/LENGTH]… [--name NAME]\n"
		 "Creates N VFs on a PF, or takes a whole function from its driver, and binds\n"
		 "them to vfio-pci for guests. Or makes an HCA in software (rxe) that has\n"
		 "addresses of its own, on a network device. All of it or, when a step fails,\n"
		 "nothing. Needs root.\n\n"
		 "  --vfs N             create N VFs; without it, the function itself is the\n"
		 "                      slice\n"
		 "  --mac MAC[,…]       MAC address of each VF; by default one that is derived\n"
		 "                      from this host and the VF, the same at each carving\n"
		 "  --guid GUID[,…]     node and port GUID of each InfiniBand VF; default\n"
		 "                      likewise\n"
		 "  --vlan ID[,…]       VLAN that the PF puts each VF's traffic in\n"
		 "  --trust on|off[,…]  whether each VF may change its filters and MAC address\n"
		 "  --name NAME         call the slices NAME-0, NAME-1, …, or a whole function\n"
		 "                      NAME\n"
		 "  --force             take a function that the host itself depends on,\n"
		 "                      unasked\n"
		 "  --rdma NETDEV       an HCA on a macvlan of this network device\n"
		 "  --addr ADDRESS      IPv4 or IPv6 address of the HCA, with the length of its\n"
		 "                      prefix unless NETDEV is in its network; up to 8 times\n"
		 "  --json              what was carved, as JSON\n"
		 "  -v, --verbose       each step\n"
		 "  -h, --help          this text\n\n"
		 "Examples:\n"
		 "  bypass carve 0000:01:00.0 --vfs 2 --mac 02:00:00:00:00:01,02:00:00:00:00:02\n"
		 "  bypass carve 02:00.0 --vfs 1 --name scratch\n"
		 "  bypass carve 03:00.0\n"
		 "  bypass carve --rdma eth0 --addr 10.7.0.5/24",
	.run = run_carve,
};
