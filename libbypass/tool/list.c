// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass list: the functions of the host that a guest could have, and the state of each.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define CLASS_NVME 0x0108

/* Name of the slice at @address; empty when the function is no slice. */
static const char *slice_name(struct bypass_carving **carvings, const char *address)
{
	for (size_t i = 0; carvings && carvings[i]; i++)
		for (size_t j = 0; j < carvings[i]->count; j++)
			if (!strcmp(carvings[i]->slice[j].address, address))
				return carvings[i]->slice[j].name;
	return "";
}

static const char *state_of(const struct bypass_function *function, bool held, const char *slice)
{
	if (held)
		return "in use";
	if (!function->driver[0])
		return "unbound";
	if (!strstr(function->driver, "vfio"))
		return "host";
	if (bypass_group_check(function->address))
		return "blocked";
	return slice[0] ? "carved" : "ready";
}

static struct json_object *bars_json(const struct bypass_function *function)
{
	struct json_object *bars = json_object_new_array();

	for (int i = 0; i < 6; i++)
		json_object_array_add(bars, json_object_new_int64(function->bar_size[i]));
	return bars;
}

/* Numbers of the BARs whose accesses are exits. */
static struct json_object *traps_json(const struct bypass_function *function)
{
	struct json_object *traps = json_object_new_array();

	for (int i = 0; i < 6; i++)
		if (function->bar_traps & 1 << i)
			json_object_array_add(traps, json_object_new_int(i));
	return traps;
}

static struct json_object *function_json(const struct bypass_function *function, const char *slice)
{
	struct json_object *object = json_object_new_object();
	struct json_object *holder = holder_json(function->address);

	add_text(object, "address", function->address);
	add_number(object, "vendor_id", function->vendor_id);
	add_number(object, "device_id", function->device_id);
	add_text(object, "vendor", function->vendor);
	add_text(object, "device", function->device);
	add_number(object, "class_code", function->class_code);
	add_text(object, "class", function->class_name);
	add_text_or_null(object, "driver", function->driver);
	add_text_or_null(object, "driver_override", function->driver_override);
	add_number(object, "numa_node", function->numa_node);
	add_number(object, "iommu_group", function->iommu_group);
	add_number(object, "group_size", function->group_size);
	add_number(object, "vfs_total", function->vfs_total);
	add_number(object, "vfs", function->vfs);
	add_text_or_null(object, "pf", function->pf);
	add_text(object, "reset_methods", function->reset_methods);
	json_object_object_add(object, "bar_sizes", bars_json(function));
	json_object_object_add(object, "trapped_bars", traps_json(function));
	add_number(object, "rom_size", function->rom_size);
	add_text(object, "state", state_of(function, holder != NULL, slice));
	json_object_object_add(object, "holder", holder);
	add_text_or_null(object, "slice", slice);
	return object;
}

static void cell_address(struct json_object *row, char *text, size_t size)
{
	snprintf(text, size, "%s", get_text(row, "address"));
}

static void cell_name(struct json_object *row, char *text, size_t size)
{
	snprintf(text, size, "%s", get_text(row, "device"));
}

/* Shortens the names of classes in pci.ids. */
static void cell_class(struct json_object *row, char *text, size_t size)
{
	bool nvme = get_number(row, "class_code") >> 8 == CLASS_NVME;
	char *tail;

	snprintf(text, size, "%s", nvme ? "NVMe" : get_text(row, "class"));
	tail = strstr(text, " controller");
	if (tail)
		*tail = '\0';
}

static void cell_driver(struct json_object *row, char *text, size_t size)
{
	snprintf(text, size, "%s", is_null(row, "driver") ? "-" : get_text(row, "driver"));
}

static void cell_vfs(struct json_object *row, char *text, size_t size)
{
	if (!is_null(row, "pf"))
		snprintf(text, size, "VF");
	else if (get_number(row, "vfs_total"))
		snprintf(text, size, "%d/%d", (int)get_number(row, "vfs"),
			 (int)get_number(row, "vfs_total"));
	else
		snprintf(text, size, "-");
}

static void cell_group(struct json_object *row, char *text, size_t size)
{
	int group = get_number(row, "iommu_group"), shared = get_number(row, "group_size");

	if (group < 0)
		snprintf(text, size, "-");
	else if (shared > 1)
		snprintf(text, size, "%d×%d", group, shared);
	else
		snprintf(text, size, "%d", group);
}

static void cell_numa(struct json_object *row, char *text, size_t size)
{
	int node = get_number(row, "numa_node");

	snprintf(text, size, node < 0 ? "-" : "%d", node);
}

static void cell_state(struct json_object *row, char *text, size_t size)
{
	snprintf(text, size, "%s", get_text(row, "state"));
}

/* What stands below the table, which has no room for it. */
static void print_holder(struct json_object *row)
{
	struct json_object *holder = json_object_object_get(row, "holder");

	if (holder)
		printf("%s is in use by %s (%d).\n", get_text(row, "address"),
		       get_text(holder, "name"), (int)get_number(holder, "pid"));
}

static void print_traps(struct json_object *row)
{
	struct json_object *traps = json_object_object_get(row, "trapped_bars");

	for (size_t i = 0; i < json_object_array_length(traps); i++)
		printf("%s: BAR %d is smaller than a page: each access of a guest is an exit.\n",
		       get_text(row, "address"),
		       json_object_get_int(json_object_array_get_idx(traps, i)));
}

static void show(struct json_object *functions)
{
	static const struct column columns[] = {
		{.title = "ADDRESS", .cell = cell_address},
		{.title = "NAME", .cell = cell_name, .shrinks = true},
		{.title = "CLASS", .cell = cell_class, .shrinks = true},
		{.title = "DRIVER", .cell = cell_driver},
		{.title = "VFS", .cell = cell_vfs, .right = true},
		{.title = "GROUP", .cell = cell_group},
		{.title = "NUMA", .cell = cell_numa, .right = true},
		{.title = "STATE", .cell = cell_state},
	};

	if (json_object_array_length(functions))
		print_table(functions, columns, sizeof(columns) / sizeof(columns[0]));
	else
		puts("No PCI function that a guest could have; --all shows bridges too.");
	for (size_t i = 0; i < json_object_array_length(functions); i++) {
		print_holder(json_object_array_get_idx(functions, i));
		print_traps(json_object_array_get_idx(functions, i));
	}
}

static int list_functions(struct json_object *array, bool all)
{
	struct bypass_carving **carvings = NULL;
	struct bypass_function **functions;

	if (bypass_functions(&functions) < 0)
		return -1;
	/* Only root may read the ledgers. Others see every function, but not which are carved. */
	if (bypass_carvings(&carvings) < 0)
		carvings = NULL;
	for (size_t i = 0; functions[i]; i++)
		if (all || !functions[i]->is_bridge)
			json_object_array_add(
				array, function_json(functions[i],
						     slice_name(carvings, functions[i]->address)));
	bypass_carvings_free(carvings);
	bypass_functions_free(functions);
	return 0;
}

/* Lists functions, HCAs, or with both options both. */
static enum exit_code list(bool all, bool rdma)
{
	struct json_object *document = json_object_new_object();
	struct json_object *functions = json_object_new_array();
	struct json_object *devices = json_object_new_array();
	bool pci = all || !rdma;

	json_object_object_add(document, "functions", functions);
	json_object_object_add(document, "rdma", devices);
	if ((pci && list_functions(functions, all)) || (rdma && list_rdma(devices))) {
		json_object_put(document);
		return failed();
	}
	if (wants_json()) {
		print_json(document);
		return EXIT_DONE;
	}
	if (pci)
		show(functions);
	if (pci && rdma)
		putchar('\n');
	if (rdma)
		print_rdma(devices);
	json_object_put(document);
	return EXIT_DONE;
}

static enum exit_code run_list(int argc, char **argv)
{
	enum { OPTION_ALL = OPTION_FIRST, OPTION_RDMA };
	static const struct option options[] = {
		{"all", no_argument, NULL, OPTION_ALL},
		{"rdma", no_argument, NULL, OPTION_RDMA},
		COMMON_OPTIONS,
	};
	bool all = false, rdma = false;
	enum exit_code code;
	int option;

	while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
		if (option == OPTION_ALL)
			all = true;
		else if (option == OPTION_RDMA)
			rdma = true;
		else if (common_option(&command_list, option, &code))
			return code;
	}
	if (optind < argc)
		return wrong_usage(&command_list, "'%s' is one argument too many", argv[optind]);
	return list(all, rdma);
}

const struct command command_list = {
	.name = "list",
	.summary = "functions that a guest could have, and how each stands",
	.usage = "bypass list [--all] [--rdma] [--json]\n"
		 "Shows the PCI functions of this host. STATE is one of: host (a driver of the\n"
		 "host has it), unbound, ready (for a guest), carved (ready, by 'bypass\n"
		 "carve'), blocked (another member of its IOMMU group is in the way), in use.\n\n"
		 "  --rdma      RDMA devices instead: link, GIDs, and the PCI function behind\n"
		 "              them; SLICES says how guests can share them\n"
		 "  --all       everything: bridges, and with --rdma the PCI functions too\n"
		 "  --json      the same and more, as JSON\n"
		 "  -h, --help  this text\n\n"
		 "Examples:\n"
		 "  bypass list\n"
		 "  bypass list --rdma\n"
		 "  bypass list --json | jq '.functions[] | select(.vfs_total > 0)'",
	.run = run_list,
};
