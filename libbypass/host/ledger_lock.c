// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ledgers' directory and its locks: FUNCTION.lock, which whoever works on the function has
 * locked, and one over all ledgers. What is not as we would have made it is reported and left
 * alone.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

#define ALL_LOCK   "all.lock"
#define LOCK_TRIES 500 /* of 20 ms */

int ledger_fail_directory(int err)
{
	const char *path = host_paths.ledger;

	if (err == EACCES || (err == EROFS && geteuid()))
		return bypass_fail(EACCES,
				   "the ledger in %s is root's alone: carving, releasing and their "
				   "status need root, try 'sudo bypass …'",
				   path);
	if (err == ELOOP || err == ENOTDIR)
		return bypass_fail(err,
				   "%s is %s, not a directory, so it is not bypass that made it: "
				   "nothing was read or written through it. Look who put it there, "
				   "then remove it",
				   path, err == ELOOP ? "a symbolic link" : "a file");
	return bypass_fail(err, "cannot open the ledger's directory %s: %s", path, strerror(err));
}

int ledger_directory(bool create)
{
	struct stat info;
	int fd;

	/* Passable for all: what VMMs publish for `bypass top` lies below it, beside the ledgers. */
	if (create && mkdir(host_paths.ledger, 0711) && errno != EEXIST)
		return ledger_fail_directory(errno);
	fd = open(host_paths.ledger, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		int err = errno;

		/* The kernel says ENOTDIR for a link too, because it does not follow it. */
		if (err == ENOTDIR && !lstat(host_paths.ledger, &info) && S_ISLNK(info.st_mode))
			err = ELOOP;
		return err == ENOENT ? -ENOENT : ledger_fail_directory(err);
	}
	if (fstat(fd, &info) || info.st_uid != geteuid() || (info.st_mode & 022)) {
		close(fd);
		return bypass_fail(EPERM,
				   "others than root could have written to %s (owner %u, mode "
				   "%#o): what it says is not to be trusted. Look at it; 'chown "
				   "root %s' and 'chmod 711 %s' when it is right",
				   host_paths.ledger, info.st_uid, info.st_mode & 07777,
				   host_paths.ledger, host_paths.ledger);
	}
	return fd;
}

int ledger_key(const char *text, char key[BYPASS_ADDRESS_SIZE])
{
	size_t length = strlen(text);

	if (!pci_address(text, key))
		return 0;
	/* The lock over all ledgers has the place of one that is called "all". */
	if (!isalpha((unsigned char)text[0]) || length >= IF_NAMESIZE || !strcmp(text, "all") ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") !=
		    length)
		return -EINVAL;
	strcpy(key, text);
	return 0;
}

void ledger_file_name(char *name, size_t size, const char *function, const char *suffix)
{
	snprintf(name, size, "%s.%s", function, suffix);
}

/*
 * Open file description locks: held by the descriptor as flock(2) does, gone with the process
 * however it ends; but others can ask who has one without taking it.
 */
static struct flock whole_file(void)
{
	return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

static pid_t lock_holder(int lock)
{
	char text[32] = "";

	return pread(lock, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0;
}

pid_t ledger_locked_by(int directory, const char *function)
{
	struct flock query = whole_file();
	char name[40];
	pid_t pid = 0;
	int lock;

	ledger_file_name(name, sizeof(name), function, "lock");
	lock = openat(directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (lock < 0)
		return 0;
	if (!fcntl(lock, F_OFD_GETLK, &query) && query.l_type != F_UNLCK)
		pid = lock_holder(lock);
	close(lock);
	return pid;
}

static int fail_locked(const char *function, pid_t pid)
{
	char path[64], name[32];

	snprintf(path, sizeof(path), "%s/%d/comm", host_paths.proc, pid);
	if (host_file(path, name, sizeof(name)) <= 0)
		strcpy(name, "?");
	name[strcspn(name, "\n")] = '\0';
	return bypass_fail(EBUSY,
			   "process %d (%s) is carving or releasing %s right now: try again when "
			   "it has finished",
			   pid, name, function);
}

/*
 * Takes the lock in the file @name. Returns its descriptor, or -EBUSY and the PID of who has it in
 * @holder. Whoever had the lock removes the file when done: -EAGAIN when the file that was locked is
 * not in its place any more.
 */
static int try_lock(int directory, const char *name, pid_t *holder)
{
	struct flock lock = whole_file();
	struct stat ours, theirs;
	int fd, err;

	fd = openat(directory, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return bypass_fail(errno, "cannot open %s/%s: %s", host_paths.ledger, name,
				   strerror(errno));
	if (fcntl(fd, F_OFD_SETLK, &lock)) {
		*holder = lock_holder(fd);
		err = -EBUSY;
	} else if (fstat(fd, &ours) || fstatat(directory, name, &theirs, 0) ||
		   ours.st_ino != theirs.st_ino) {
		err = -EAGAIN;
	} else if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0) {
		err = bypass_fail(errno, "cannot write %s/%s: %s", host_paths.ledger, name,
				  strerror(errno));
	} else {
		return fd;
	}
	close(fd);
	return err;
}

/* Makes the directory and opens it. */
static int make_directory(void)
{
	int fd = ledger_directory(true);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : ledger_directory(false);
}

int ledger_lock_all(struct ledger_all *all)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	pid_t holder = 0;

	all->directory = make_directory();
	if (all->directory < 0)
		return all->directory;
	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		all->lock = try_lock(all->directory, ALL_LOCK, &holder);
		if (all->lock >= 0)
			return 0;
		if (all->lock != -EBUSY && all->lock != -EAGAIN)
			break;
		if (all->lock == -EBUSY)
			nanosleep(&pause, NULL);
	}
	close(all->directory);
	if (all->lock != -EBUSY && all->lock != -EAGAIN)
		return all->lock;
	return bypass_fail(EBUSY,
			   "process %d has been looking at all carvings for %d seconds: try again "
			   "when it has finished",
			   holder, LOCK_TRIES / 50);
}

void ledger_unlock_all(struct ledger_all *all)
{
	unlinkat(all->directory, ALL_LOCK, 0);
	close(all->lock);
	close(all->directory);
}

int ledger_peek(struct ledger *ledger, const char *function)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->lock = -1;
	snprintf(ledger->function, sizeof(ledger->function), "%s", function);
	ledger->directory = ledger_directory(false);
	return ledger->directory < 0 ? ledger->directory : 0;
}

int ledger_lock(struct ledger *ledger, const char *function, bool create)
{
	pid_t holder = 0;
	char name[40];
	int err;

	err = create ? ledger_directory(true) : 0;
	if (err > 0)
		close(err);
	if (err >= 0)
		err = ledger_peek(ledger, function);
	if (err)
		return err;
	ledger_file_name(name, sizeof(name), function, "lock");
	do {
		ledger->lock = try_lock(ledger->directory, name, &holder);
	} while (ledger->lock == -EAGAIN);
	if (ledger->lock >= 0)
		return 0;
	err = ledger->lock == -EBUSY ? fail_locked(function, holder) : ledger->lock;
	ledger_close(ledger);
	return err;
}

void ledger_close(struct ledger *ledger)
{
	char name[40];

	if (ledger->lock >= 0) {
		ledger_file_name(name, sizeof(name), ledger->function, "lock");
		unlinkat(ledger->directory, name, 0);
		close(ledger->lock);
	}
	if (ledger->directory >= 0)
		close(ledger->directory);
	free(ledger->step);
	free(ledger->slice);
	memset(ledger, 0, sizeof(*ledger));
	ledger->directory = ledger->lock = -1;
}
