// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Settings of a network interface that go away with its driver: carving a whole function notes them,
 * releasing puts them back into the interface that the driver makes anew.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "interface.h"

static int refuse(const struct interface *interface, const char *value)
{
	(void)interface;
	(void)value;
	return bypass_fail(ENOTSUP, "bypass does not set this");
}

/* Noted in this order, before those of the link; sysctls are noted among these. */
static const struct interface_setting upper_settings[] = {
	{"route", NULL, interface_write_route, "ip route add = dev @"},
	{"multipath", NULL, interface_write_multipath, "ip route replace ="},
	{"upper", NULL, refuse, "ip link add link @ name = ..."},
	{"lease", NULL, refuse, "ip address add = dev @"},
	{"address", NULL, interface_write_address, "ip address add = dev @"},
	{"sysctl", NULL, interface_write_sysctl, "sysctl -w ="},
};

static const struct interface_setting *find_setting(const char *name)
{
	for (size_t i = 0; i < sizeof(upper_settings) / sizeof(upper_settings[0]); i++)
		if (!strcmp(upper_settings[i].name, name))
			return &upper_settings[i];
	for (size_t i = 0; i < interface_link_setting_count; i++)
		if (!strcmp(interface_link_settings[i].name, name))
			return &interface_link_settings[i];
	return NULL;
}

/* "ip link set eth0 mtu 1400" */
static void format_command(const struct interface_setting *setting, const char *interface,
			   const char *value, char *text, size_t size)
{
	size_t length = 0;

	for (const char *from = setting->command; *from && length + 1 < size; from++) {
		if (*from == '@')
			length += snprintf(text + length, size - length, "%s", interface);
		else if (*from == '=')
			length += snprintf(text + length, size - length, "%s", value);
		else
			text[length++] = *from;
	}
	text[length < size ? length : size - 1] = '\0';
}

/* Connects @interface to the kernel, after its name is known. */
static int open_interface(struct interface *interface)
{
	interface->index = if_nametoindex(interface->name);
	interface->sock = nl_socket_alloc();
	if (!interface->sock)
		return bypass_fail(ENOMEM, "no memory for a netlink socket");
	if (nl_connect(interface->sock, NETLINK_ROUTE)) {
		nl_socket_free(interface->sock);
		return bypass_fail(EIO,
				   "cannot ask for the settings of %s: rtnetlink does not answer",
				   interface->name);
	}
	return 0;
}

static void note(struct interface_notes *notes, const char *setting, const char *value)
{
	struct step step = {.kind = STEP_INTERFACE, .index = notes->interface->port};

	if (notes->err)
		return;
	snprintf(step.function, sizeof(step.function), "%s", notes->interface->function);
	snprintf(step.slice, sizeof(step.slice), "%s", notes->interface->function);
	snprintf(step.attribute, sizeof(step.attribute), "%s", setting);
	snprintf(step.from, sizeof(step.from), "%s", value);
	notes->err = ledger_add_step(notes->ledger, &step);
}

/* VLANs and the like: they go away with the interface. */
static void note_uppers(struct interface_notes *notes)
{
	const struct interface *interface = notes->interface;
	char path[320], link[64], master[HOST_VALUE_SIZE];
	struct dirent *entry;
	DIR *dir;

	snprintf(link, sizeof(link), "net/%s/master", interface->name);
	if (host_link(interface->function, link, master, sizeof(master)))
		master[0] = '\0';
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/net/%s", host_paths.sys,
		 interface->function, interface->name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "upper_", 6) && strcmp(entry->d_name + 6, master))
			note(notes, "upper", entry->d_name + 6);
	if (dir)
		closedir(dir);
}

static unsigned int port_of(const char *function, const char *name)
{
	unsigned int port;
	char path[280];

	snprintf(path, sizeof(path), "net/%s/dev_port", name);
	return host_read_uint(function, path, &port) ? 0 : port;
}

static void note_link(struct interface_notes *notes, const struct interface_setting *setting)
{
	char value[HOST_VALUE_SIZE];

	if (!setting->read(notes->interface, value))
		note(notes, setting->name, value);
}

static int note_interface(struct ledger *ledger, struct interface *interface)
{
	struct interface_notes notes = {.note = note, .ledger = ledger, .interface = interface};

	notes.err = open_interface(interface);
	if (notes.err)
		return notes.err;
	if (interface->index)
		interface_note_routes(&notes);
	note_uppers(&notes);
	if (interface->index && !notes.err)
		interface_note_addresses(&notes);
	/* Sysctls are put back before the interface is up: the kernel makes addresses by them. */
	note_link(&notes, &interface_link_settings[0]);
	interface_note_sysctls(&notes);
	for (size_t i = 1; i < interface_link_setting_count; i++)
		note_link(&notes, &interface_link_settings[i]);
	nl_socket_free(interface->sock);
	return notes.err;
}

int interfaces_note(struct ledger *ledger, const char *function)
{
	struct interface interface = {.function = function};
	struct dirent *entry;
	char path[256];
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/net", host_paths.sys, function);
	dir = opendir(path);
	while (dir && !err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(interface.name, sizeof(interface.name), "%.15s", entry->d_name);
		interface.port = port_of(function, interface.name);
		err = note_interface(ledger, &interface);
	}
	if (dir)
		closedir(dir);
	return err;
}

static bool find_port(struct interface *interface)
{
	struct dirent *entry;
	char path[256];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/net", host_paths.sys,
		 interface->function);
	dir = opendir(path);
	interface->name[0] = '\0';
	while (dir && !interface->name[0] && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    port_of(interface->function, entry->d_name) == interface->port)
			snprintf(interface->name, sizeof(interface->name), "%.15s", entry->d_name);
	if (dir)
		closedir(dir);
	return interface->name[0];
}

/* Some drivers make their interfaces after they were bound. */
static bool await_port(struct interface *interface)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

	for (int tries = 0; tries < 100; tries++) {
		if (find_port(interface))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static int put_back(const struct interface_setting *setting, struct interface *interface,
		    const char *value)
{
	char now[HOST_VALUE_SIZE];
	int err;

	if (setting->read && !setting->read(interface, now) && !strcmp(now, value))
		return 0;
	err = open_interface(interface);
	if (err)
		return err;
	err = setting->write(interface, value);
	nl_socket_free(interface->sock);
	return err;
}

void interface_put_back(const struct step *step)
{
	struct interface interface = {.function = step->function, .port = step->index};
	const struct interface_setting *setting = find_setting(step->attribute);
	bool first = !strcmp(step->attribute, "name");
	char command[2 * HOST_VALUE_SIZE];

	if (!setting)
		return;
	if (!(first ? await_port(&interface) : find_port(&interface)))
		bypass_fail(ENODEV, "%s has no interface", step->function);
	else if (!put_back(setting, &interface, step->from))
		return;
	format_command(setting, interface.name[0] ? interface.name : "INTERFACE", step->from,
		       command, sizeof(command));
	bypass_log(BYPASS_LOG_WARN,
		   "could not put back '%s' of interface %s of %s: %s. By hand: '%s'",
		   step->attribute, interface.name, step->function, bypass_error(), command);
}
