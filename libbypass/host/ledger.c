// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ledger's files: one for each carved function, FUNCTION.json, written whole beside its
 * place and renamed into it; and FUNCTION.lock, which whoever works on the function has
 * locked. What is not exactly as we would have written it is reported and left alone.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include <bypass/error.h>

#include "internal.h"

#define ALL_LOCK   "all.lock"
#define LOCK_TRIES 500 /* of 20 ms */

static const char *const state_names[] = {
	[LEDGER_CARVING] = "carving",
	[LEDGER_CARVED] = "carved",
	[LEDGER_RELEASING] = "releasing",
};

static int fail_directory(int err)
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
		return fail_directory(errno);
	fd = open(host_paths.ledger, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		int err = errno;

		/* The kernel says ENOTDIR for a link too, because it does not follow it. */
		if (err == ENOTDIR && !lstat(host_paths.ledger, &info) && S_ISLNK(info.st_mode))
			err = ELOOP;
		return err == ENOENT ? -ENOENT : fail_directory(err);
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

static void file_name(char *name, size_t size, const char *function, const char *suffix)
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

	file_name(name, sizeof(name), function, "lock");
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
	file_name(name, sizeof(name), function, "lock");
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
		file_name(name, sizeof(name), ledger->function, "lock");
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

void ledger_boot(char boot[40])
{
	char path[256];

	snprintf(path, sizeof(path), "%s/sys/kernel/random/boot_id", host_paths.proc);
	if (host_file(path, boot, 40) < 0)
		boot[0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
}

bool ledger_is_of_this_boot(const struct ledger *ledger)
{
	char boot[40];

	ledger_boot(boot);
	return !strcmp(ledger->boot, boot);
}

int ledger_add_step(struct ledger *ledger, const struct step *step)
{
	struct step *more;

	more = realloc(ledger->step, (ledger->step_count + 1) * sizeof(*more));
	if (!more)
		return bypass_fail(ENOMEM, "no memory for another step in the ledger");
	ledger->step = more;
	ledger->step[ledger->step_count++] = *step;
	return 0;
}

int ledger_add_slice(struct ledger *ledger, const char *address, const char *name)
{
	struct bypass_carved *more;

	more = realloc(ledger->slice, (ledger->slice_count + 1) * sizeof(*more));
	if (!more)
		return bypass_fail(ENOMEM, "no memory for another slice in the ledger");
	ledger->slice = more;
	more += ledger->slice_count++;
	snprintf(more->address, sizeof(more->address), "%s", address);
	snprintf(more->name, sizeof(more->name), "%s", name);
	return 0;
}

static void put_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static void put_number(struct json_object *object, const char *key, int64_t number)
{
	json_object_object_add(object, key, json_object_new_int64(number));
}

static struct json_object *step_to_json(const struct step *step)
{
	struct json_object *object = json_object_new_object();

	put_text(object, "kind", step_kind_name(step->kind));
	put_number(object, "instance", step->instance);
	put_text(object, "function", step->function);
	put_text(object, "slice", step->slice);
	put_number(object, "index", step->index);
	put_text(object, "attribute", step->attribute);
	put_text(object, "from", step->from);
	put_text(object, "to", step->to);
	return object;
}

static struct json_object *ledger_to_json(const struct ledger *ledger)
{
	struct json_object *root = json_object_new_object();
	struct json_object *slices = json_object_new_array();
	struct json_object *steps = json_object_new_array();

	put_number(root, "version", LEDGER_VERSION);
	put_text(root, "function", ledger->function);
	put_number(root, "vendor", ledger->vendor_id);
	put_number(root, "device", ledger->device_id);
	put_text(root, "boot", ledger->boot);
	put_text(root, "id", ledger->id);
	put_text(root, "name", ledger->name);
	put_text(root, "state", state_names[ledger->state]);
	put_number(root, "since", ledger->since);
	put_number(root, "pid", ledger->pid);
	put_number(root, "vfs", ledger->vfs);
	put_number(root, "rebound", ledger->rebound);
	for (size_t i = 0; i < ledger->slice_count; i++) {
		struct json_object *slice = json_object_new_object();

		put_text(slice, "address", ledger->slice[i].address);
		put_text(slice, "name", ledger->slice[i].name);
		json_object_array_add(slices, slice);
	}
	for (size_t i = 0; i < ledger->step_count; i++)
		json_object_array_add(steps, step_to_json(&ledger->step[i]));
	json_object_object_add(root, "slices", slices);
	json_object_object_add(root, "steps", steps);
	return root;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t done = write(fd, text, left);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		text += done;
		left -= done;
	}
	return 0;
}

static int write_file(struct ledger *ledger, const char *text)
{
	char name[40], fresh[40];
	int fd, err;

	file_name(name, sizeof(name), ledger->function, "json");
	file_name(fresh, sizeof(fresh), ledger->function, "new");
	unlinkat(ledger->directory, fresh, 0);
	fd = openat(ledger->directory, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text);
	if (close(fd) && !err)
		err = -errno;
	fault_point("new ledger written");
	if (!err && renameat(ledger->directory, fresh, ledger->directory, name))
		err = -errno;
	if (err)
		unlinkat(ledger->directory, fresh, 0);
	return err;
}

static int fail_save(const struct ledger *ledger, int err)
{
	return bypass_fail(err, "cannot write the ledger of %s in %s: %s", ledger->function,
			   host_paths.ledger, strerror(err));
}

int ledger_save(struct ledger *ledger)
{
	struct json_object *root = ledger_to_json(ledger);
	int err;

	err = write_file(ledger, json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY));
	json_object_put(root);
	return err ? fail_save(ledger, -err) : 0;
}

int ledger_remove(struct ledger *ledger)
{
	char name[40];

	file_name(name, sizeof(name), ledger->function, "json");
	if (unlinkat(ledger->directory, name, 0) && errno != ENOENT)
		return fail_save(ledger, errno);
	return 0;
}

int ledger_list(int directory, char (**functions)[BYPASS_ADDRESS_SIZE])
{
	char(*list)[BYPASS_ADDRESS_SIZE] = NULL, (*more)[BYPASS_ADDRESS_SIZE];
	char address[BYPASS_ADDRESS_SIZE];
	struct dirent *entry;
	int count = 0, copy;
	DIR *dir;

	copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir) {
		if (copy >= 0)
			close(copy);
		return fail_directory(errno);
	}
	while ((entry = readdir(dir))) {
		char *suffix = strrchr(entry->d_name, '.');

		if (!suffix || strcmp(suffix, ".json"))
			continue;
		*suffix = '\0';
		if (bypass_address(entry->d_name, address))
			continue;
		more = realloc(list, (count + 1) * sizeof(*list));
		if (!more)
			break;
		list = more;
		strcpy(list[count++], address);
	}
	closedir(dir);
	if (count)
		qsort(list, count, sizeof(*list), (int (*)(const void *, const void *))strcmp);
	*functions = list;
	return count;
}
