// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass list --rdma: the HCAs, of which a guest could have a context slice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/rdma.h>

#include "internal.h"

static struct json_object *port_json(const char *hca, unsigned int port)
{
	struct json_object *object = json_object_new_object();
	struct json_object *gids = json_object_new_array();
	struct bypass_rdma_link link;

	bypass_rdma_link(hca, port, &link);
	add_number(object, "port", port);
	add_text_or_null(object, "state", link.state);
	add_text_or_null(object, "function", link.function);
	add_number(object, "gid_count", link.gids);
	for (unsigned int i = 0; i < link.gids && i < sizeof(link.gid) / sizeof(link.gid[0]); i++)
		json_object_array_add(gids, json_object_new_string(link.gid[i]));
	json_object_object_add(object, "gids", gids);
	return object;
}

int list_rdma(struct json_object *devices)
{
	struct bypass_rdma_hca *hcas;
	unsigned int count;

	if (bypass_rdma_hcas(&hcas, &count))
		return -1;
	for (unsigned int i = 0; i < count; i++) {
		struct json_object *object = json_object_new_object();
		struct json_object *ports = json_object_new_array();

		add_text(object, "name", hcas[i].name);
		add_text_or_null(object, "netdev", hcas[i].netdev);
		add_text_or_null(object, "dialect", hcas[i].driver);
		json_object_object_add(object, "guarded", json_object_new_boolean(hcas[i].guarded));
		for (unsigned int port = 1; port <= hcas[i].ports || port == 1; port++)
			json_object_array_add(ports, port_json(hcas[i].name, port));
		json_object_object_add(object, "ports", ports);
		json_object_array_add(devices, object);
	}
	free(hcas);
	return 0;
}

/* A row is a port, with its device's facts beside it. */
static void cell_name(struct json_object *row, char *text, size_t size)
{
	snprintf(text, size, "%s/%d", get_text(row, "name"), (int)get_number(row, "port"));
}

static void cell_of(struct json_object *row, const char *key, char *text, size_t size)
{
	snprintf(text, size, "%s", is_null(row, key) ? "-" : get_text(row, key));
}

static void cell_state(struct json_object *row, char *text, size_t size)
{
	cell_of(row, "state", text, size);
}

static void cell_netdev(struct json_object *row, char *text, size_t size)
{
	cell_of(row, "netdev", text, size);
}

static void cell_function(struct json_object *row, char *text, size_t size)
{
	cell_of(row, "function", text, size);
}

static void cell_slices(struct json_object *row, char *text, size_t size)
{
	struct json_object *guarded = json_object_object_get(row, "guarded");

	if (is_null(row, "dialect"))
		snprintf(text, size, "no");
	else
		snprintf(text, size, "%s%s", get_text(row, "dialect"),
			 json_object_get_boolean(guarded) ? ", guarded" : "");
}

static void cell_gids(struct json_object *row, char *text, size_t size)
{
	struct json_object *gids = json_object_object_get(row, "gids");
	int count = get_number(row, "gid_count");
	const char *first = count ? json_object_get_string(json_object_array_get_idx(gids, 0))
				  : "-";

	if (count > 1)
		snprintf(text, size, "%s +%d", first, count - 1);
	else
		snprintf(text, size, "%s", first);
}

static void copy_members(struct json_object *to, struct json_object *from)
{
	struct json_object_iterator at = json_object_iter_begin(from);
	struct json_object_iterator end = json_object_iter_end(from);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		json_object_object_add(to, json_object_iter_peek_name(&at),
				       json_object_get(json_object_iter_peek_value(&at)));
}

static struct json_object *flatten(struct json_object *device, struct json_object *port)
{
	struct json_object *row = json_object_new_object();

	copy_members(row, device);
	copy_members(row, port);
	return row;
}

void print_rdma(struct json_object *devices)
{
	static const struct column columns[] = {
		{.title = "RDMA", .cell = cell_name},
		{.title = "LINK", .cell = cell_state},
		{.title = "NETDEV", .cell = cell_netdev},
		{.title = "FUNCTION", .cell = cell_function},
		{.title = "SLICES", .cell = cell_slices},
		{.title = "GIDS", .cell = cell_gids, .shrinks = true},
	};
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		struct json_object *ports = json_object_object_get(device, "ports");

		for (size_t j = 0; j < json_object_array_length(ports); j++)
			json_object_array_add(rows,
					      flatten(device, json_object_array_get_idx(ports, j)));
	}
	if (json_object_array_length(rows))
		print_table(rows, columns, sizeof(columns) / sizeof(columns[0]));
	else
		puts("No RDMA device. (A software one: 'rdma link add rxe0 type rxe netdev …')");
	json_object_put(rows);
}
