// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What of the host depends on the disks of a function: file systems, swap, devices that are built
 * on a disk, and programs that have a disk open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

/* Is there an entry in this directory other than . and ..? The entry's name goes into @name. */
static bool first_entry(const char *path, char *name, size_t size)
{
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(path);

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = entry->d_name[0] != '.';
		if (found)
			snprintf(name, size, "%s", entry->d_name);
	}
	closedir(dir);
	return found;
}

/* mountinfo: ID, parent, major:minor, root, mount point, …; " - " type, source. */
static int check_mounts(const char *address, const char *disk, const char *number)
{
	char path[256], line[4096], device[32], where[1024], source[256], node[300];
	FILE *file;
	int err = 0;

	snprintf(path, sizeof(path), "%s/self/mountinfo", host_paths.proc);
	file = fopen(path, "re");
	if (!file)
		return bypass_fail(errno, "cannot read %s to see what is mounted: %s", path,
				   strerror(errno));
	snprintf(node, sizeof(node), "/dev/%s", disk);
	while (!err && fgets(line, sizeof(line), file)) {
		char *tail = strstr(line, " - ");

		if (sscanf(line, "%*s %*s %31s %*s %1023s", device, where) != 2)
			continue;
		/* btrfs mounts show a number that is no disk's: go by the source as well. */
		if (!tail || sscanf(tail, " - %*s %255s", source) != 1)
			source[0] = '\0';
		if (!strcmp(device, number) || !strcmp(source, node))
			err = bypass_fail(EBUSY,
					  "%s carries the host's disk %s, which is mounted on %s: "
					  "'umount %s' first",
					  address, disk, where, where);
	}
	fclose(file);
	return err;
}

static int check_swap(const char *address, const char *disk)
{
	char path[256], line[512], device[256], node[300];
	FILE *file;
	int err = 0;

	snprintf(path, sizeof(path), "%s/swaps", host_paths.proc);
	snprintf(node, sizeof(node), "/dev/%s", disk);
	file = fopen(path, "re");
	if (!file)
		return 0; /* a kernel without swap */
	while (!err && fgets(line, sizeof(line), file))
		if (sscanf(line, "%255s", device) == 1 && !strcmp(device, node))
			err = bypass_fail(EBUSY,
					  "%s carries the host's disk %s, which it swaps to: "
					  "'swapoff %s' first",
					  address, disk, node);
	fclose(file);
	return err;
}

/* A loop device keeps no claim on the disk behind it. */
static int check_loops(const char *address, const char *disk, const char *number)
{
	char path[512], file[PATH_MAX], node[300], device[32];
	struct dirent *entry;
	struct stat st;
	int err = 0;
	DIR *dir;

	snprintf(node, sizeof(node), "/dev/%s", disk);
	snprintf(path, sizeof(path), "%s/class/block", host_paths.sys);
	dir = opendir(path);
	while (dir && !err && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/class/block/%s/loop/backing_file", host_paths.sys,
			 entry->d_name);
		if (host_file(path, file, sizeof(file)) <= 0)
			continue;
		file[strcspn(file, "\n")] = '\0';
		device[0] = '\0';
		if (!stat(file, &st) && S_ISBLK(st.st_mode))
			snprintf(device, sizeof(device), "%u:%u", major(st.st_rdev),
				 minor(st.st_rdev));
		if (!strcmp(file, node) || !strcmp(device, number))
			err = bypass_fail(EBUSY,
					  "%s carries the host's disk %s, which %s is built on: "
					  "'losetup -d /dev/%s' first",
					  address, disk, entry->d_name, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return err;
}

/* Does this descriptor write to the disk? Programs that look at new disks only read. */
static bool writes_to(const char *link, const void *opaque)
{
	char path[600], text[256], *flags, *end;
	const dev_t *disk = opaque;
	struct stat st;

	if (stat(link, &st) || !S_ISBLK(st.st_mode) || st.st_rdev != *disk)
		return false;
	/* /proc/PID/fd/N has its flags, in octal, in /proc/PID/fdinfo/N. */
	end = strrchr(link, '/');
	snprintf(path, sizeof(path), "%.*sinfo%s", (int)(end - link), link, end);
	if (host_file(path, text, sizeof(text)) <= 0)
		return false;
	flags = strstr(text, "flags:");
	return flags && (strtoul(flags + strlen("flags:"), NULL, 8) & O_ACCMODE) != O_RDONLY;
}

/*
 * Whoever mounts a disk, in whatever namespace, or builds on it claims it in the kernel: so does
 * O_EXCL, which a second one does not get. A program that writes needs no claim.
 */
static int check_open(const char *address, const char *disk, const char *number)
{
	unsigned int major, minor;
	struct bypass_holder holder;
	char node[300];
	struct stat st;
	dev_t device;
	int fd;

	snprintf(node, sizeof(node), "%s/%s", host_paths.dev, disk);
	if (sscanf(number, "%u:%u", &major, &minor) != 2)
		return 0;
	device = makedev(major, minor);
	if (holder_find(writes_to, &device, &holder) > 0)
		return bypass_fail(EBUSY,
				   "%s carries the host's disk %s, which process %d (%s) has open: "
				   "end that first",
				   address, disk, holder.pid, holder.name);
	if (stat(node, &st) || !S_ISBLK(st.st_mode) || st.st_rdev != device)
		return 0; /* a disk that is hidden behind another */
	fd = open(node, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY)
		return bypass_fail(EBUSY,
				   "%s carries the host's disk %s, which somebody has open "
				   "exclusively: a program, or the kernel for a file system in "
				   "another mount namespace, ZFS or RAID. 'fuser -v %s' may tell",
				   address, disk, node);
	if (fd >= 0)
		close(fd);
	return 0;
}

/* @disk may be a whole disk or a partition: each is a directory in class/block. */
static int check_disk(const char *address, const char *disk)
{
	char path[512], holder[256], number[32];
	int err;

	snprintf(path, sizeof(path), "%s/class/block/%s/holders", host_paths.sys, disk);
	if (first_entry(path, holder, sizeof(holder)))
		return bypass_fail(EBUSY,
				   "%s carries the host's disk %s, which %s is built on: take that "
				   "apart first",
				   address, disk, holder);
	snprintf(path, sizeof(path), "%s/class/block/%s/dev", host_paths.sys, disk);
	if (host_file(path, number, sizeof(number)) <= 0)
		return 0;
	number[strcspn(number, "\n")] = '\0';
	err = check_mounts(address, disk, number);
	if (!err)
		err = check_swap(address, disk);
	if (!err)
		err = check_loops(address, disk, number);
	return err ? err : check_open(address, disk, number);
}

/*
 * Does this block device live on the function? A namespace of a shared NVMe subsystem hangs
 * below the subsystem, beside links to its controllers.
 */
static bool is_disk_of(const char *address, const char *controller, const char *disk)
{
	char real[PATH_MAX] = "", *subsystem, *end;

	if (host_lies_on(address, "block", disk, real))
		return true;
	subsystem = strstr(real, "/nvme-subsystem/");
	if (!subsystem || !controller[0])
		return false;
	end = strchr(subsystem + strlen("/nvme-subsystem/"), '/');
	if (!end)
		return false;
	snprintf(end, sizeof(real) - (end - real), "/%s", controller);
	return access(real, F_OK) == 0;
}

int burden_disks(const char *address)
{
	char path[256], controller[32];
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	host_child(address, "nvme", controller, sizeof(controller));
	snprintf(path, sizeof(path), "%s/class/block", host_paths.sys);
	dir = opendir(path);
	if (!dir)
		return 0; /* a kernel without block devices */
	while (!err && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && is_disk_of(address, controller, entry->d_name))
			err = check_disk(address, entry->d_name);
	closedir(dir);
	return err;
}
