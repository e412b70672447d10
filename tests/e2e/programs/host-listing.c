// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * host-listing: what a user of devices can change on a host, a fact a line, to compare: the attributes of
 * all PCI devices, the sysctls of the network, the rings and channels of adapters, the resources of NVMe
 * controllers. One program, as scenarios ask after each step.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/nvme_ioctl.h>
#include <linux/sockios.h>

#define NVME_IDENTIFY	   0x06
#define NVME_SECONDARY_CNS 0x15
#define NVME_LIST_SIZE	   4096

/*
 * What changes by itself: counters, times, numbers that the kernel deals out anew (disk names too: it looks
 * for NVMe namespaces in parallel), what cannot be read, two things that it learns of a device when that is
 * first bound to a driver, and the queues of an interface, of which there are fewer once it was up.
 */
static const char *const unsteady[] = {
	"statistics",
	"counters",
	"power",
	"msi_irqs",
	"hwmon*",
	"virtio*",
	"trace",
	"queues",
	"resource[0-9]*",
	"rom",
	"remove",
	"rescan",
	"reset",
	"config",
	"vpd",
	"irq",
	"ifindex",
	"iflink",
	"stat",
	"inflight",
	"diskseq",
	"aer_*",
	"pools",
	"carrier*",
	"power_state",
	"waiting_for_supplier",
	"nsid",
	"wwid",
	"brport/*timer",
	"brport/change_ack",
};

static bool is_steady(const char *path)
{
	const char *name = strrchr(path, '/') + 1, *two = name - 1;

	while (two[-1] != '/')
		two--;
	for (size_t i = 0; i < sizeof(unsteady) / sizeof(unsteady[0]); i++)
		if (!fnmatch(unsteady[i], strchr(unsteady[i], '/') ? two : name, 0))
			return false;
	return true;
}

/* Each line of the file. What cannot be read is no fact. */
static void list_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char text[1 << 16], *rest = text, *line;
	ssize_t size = 0, done;

	if (fd < 0)
		return;
	while (size < (ssize_t)sizeof(text) - 1 &&
	       (done = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += done;
	close(fd);
	text[size] = '\0';
	while ((line = strsep(&rest, "\n")))
		if ((*line || rest) && strncmp(line, "IFINDEX=", 8) && strncmp(line, "DISKSEQ=", 8))
			printf("%s:%s\n", path, line);
}

static void list_link(const char *path)
{
	char target[PATH_MAX];
	ssize_t size = readlink(path, target, sizeof(target) - 1);

	if (size > 0)
		printf("%s -> %.*s\n", path, (int)size, target);
}

static void list_folder(const char *folder);

static void list_entry(const char *path, unsigned char type)
{
	if (type == DT_DIR)
		list_folder(path);
	else if (type == DT_LNK)
		list_link(path);
	else
		list_file(path);
}

static void list_folder(const char *folder)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int count = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const struct dirent *entry = entries[i];

		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.' && is_steady(path))
			list_entry(path, entry->d_type);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* Calls @list for each entry of @folder whose name matches @pattern. */
static void for_each(const char *folder, const char *pattern, void (*list)(const char *path))
{
	struct dirent **entries;
	char path[PATH_MAX];
	int count = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (!fnmatch(pattern, entries[i]->d_name, FNM_PERIOD))
			list(path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static bool ethtool(const char *interface, void *command)
{
	struct ifreq request = {.ifr_data = command};
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool answered;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	answered = sock >= 0 && !ioctl(sock, SIOCETHTOOL, &request);
	close(sock);
	return answered;
}

static void list_interface(const char *path)
{
	struct ethtool_ringparam rings = {.cmd = ETHTOOL_GRINGPARAM};
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	const char *name = strrchr(path, '/') + 1;

	if (ethtool(name, &rings))
		printf("%s rings: rx %u of %u, mini %u of %u, jumbo %u of %u, tx %u of %u\n", name,
		       rings.rx_pending, rings.rx_max_pending, rings.rx_mini_pending,
		       rings.rx_mini_max_pending, rings.rx_jumbo_pending,
		       rings.rx_jumbo_max_pending, rings.tx_pending, rings.tx_max_pending);
	if (ethtool(name, &channels))
		printf("%s channels: rx %u of %u, tx %u of %u, other %u of %u, combined %u of %u\n",
		       name, channels.rx_count, channels.max_rx, channels.tx_count, channels.max_tx,
		       channels.other_count, channels.max_other, channels.combined_count,
		       channels.max_combined);
}

/* The controller's secondary controllers, 32 bytes each behind a first 32: NVM Express, Secondary Controller List. */
static void list_controller(const char *path)
{
	static uint8_t list[NVME_LIST_SIZE];
	struct nvme_admin_cmd command = {
		.opcode = NVME_IDENTIFY,
		.cdw10 = NVME_SECONDARY_CNS,
		.addr = (uintptr_t)list,
		.data_len = sizeof(list),
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && !ioctl(fd, NVME_IOCTL_ADMIN_CMD, &command))
		for (unsigned int i = 1; i <= list[0] && i < sizeof(list) / 32; i++) {
			printf("%s secondary:", path);
			for (unsigned int byte = 0; byte < 32; byte++)
				printf(" %02x", list[32 * i + byte]);
			putchar('\n');
		}
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	for_each("/sys/devices", "pci*", list_folder);
	for_each("/proc/sys/net/ipv4/conf", "*", list_folder);
	for_each("/proc/sys/net/ipv4/neigh", "*", list_folder);
	for_each("/proc/sys/net/ipv6/conf", "*", list_folder);
	for_each("/proc/sys/net/ipv6/neigh", "*", list_folder);
	for_each("/sys/class/net", "*", list_interface);
	for_each("/dev", "nvme[0-9]", list_controller);
	return ferror(stdout);
}
