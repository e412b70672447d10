// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The statistics of a VM's slices, in one page. Publishing maps a file in the place of the
 * page: the addresses of the counters stay the same.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/published.h>

#include "internal.h"

#define PAGE_SIZE  4096
#define PAGE_TRIES 100

_Static_assert(sizeof(struct bypass_published) <= PAGE_SIZE, "one page");

int stats_open(struct bypass_vm *vm)
{
	vm->page_fd = -1;
	vm->page =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->page == MAP_FAILED)
		return bypass_fail(ENOMEM, "no memory for the VM's statistics");
	vm->page->magic = BYPASS_PUBLISHED_MAGIC;
	vm->page->version = BYPASS_PUBLISHED_VERSION;
	vm->page->started = time(NULL);
	return 0;
}

void stats_close(struct bypass_vm *vm)
{
	if (vm->page_fd >= 0) {
		unlink(vm->page_path);
		close(vm->page_fd);
		free(vm->page_path);
	}
	munmap(vm->page, PAGE_SIZE);
}

static void generation_step(struct bypass_vm *vm)
{
	__atomic_add_fetch(&vm->page->generation, 1, __ATOMIC_SEQ_CST);
}

void stats_begin(struct function *fn)
{
	struct bypass_vm *vm = fn->vm;

	fn->stats = &fn->own_stats;
	for (unsigned int i = 0; i < BYPASS_PUBLISHED_SLICES; i++) {
		struct bypass_published_slice *s = &vm->page->slices[i];

		if (s->name[0])
			continue;
		generation_step(vm);
		memset(s, 0, sizeof(*s));
		snprintf(s->name, sizeof(s->name), "%s", fn->slice->name);
		s->devfn = fn->devfn;
		fn->stats = &s->stats;
		generation_step(vm);
		return;
	}
}

void stats_end(struct function *fn)
{
	if (fn->stats == &fn->own_stats)
		return;
	generation_step(fn->vm);
	for (unsigned int i = 0; i < BYPASS_PUBLISHED_SLICES; i++)
		if (fn->stats == &fn->vm->page->slices[i].stats)
			fn->vm->page->slices[i].name[0] = '\0';
	generation_step(fn->vm);
	fn->stats = &fn->own_stats;
}

void stats_refresh(struct function *fn)
{
	const struct bypass_slice_ops *ops = fn->slice->ops;

	__atomic_store_n(&fn->stats->interrupts, ops->interrupts(fn->slice), __ATOMIC_RELAXED);
	__atomic_store_n(&fn->stats->dma_bytes, ops->dma_bytes(fn->slice), __ATOMIC_RELAXED);
}

/*
 * A living VMM holds the lock of its file, so a file without a lock is a dead VMM's. The lock
 * is held while the file is removed, and the link count is read under the lock: another
 * process may have removed the file, and a living VMM may have a new file of that name.
 */
static void sweep_file(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint64_t magic = 0;
	struct stat st;

	if (fd < 0)
		return;
	if (pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) &&
	    magic == BYPASS_PUBLISHED_MAGIC && !flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &st) &&
	    st.st_nlink)
		unlinkat(directory, name, 0);
	close(fd);
}

/* Files named PID.N alone, with our magic: nothing else in the directory is ours. */
static void sweep(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	unsigned int pid, n;
	int end;

	while (directory && (entry = readdir(directory)))
		if (sscanf(entry->d_name, "%u.%u%n", &pid, &n, &end) == 2 && !entry->d_name[end])
			sweep_file(dirfd(directory), entry->d_name);
	if (directory)
		closedir(directory);
}

/* The file appears whole and locked. Returns its path, or NULL with errno. */
static char *page_link(int fd, const char *directory)
{
	char self[32], *path;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	for (unsigned int n = 0; n < PAGE_TRIES; n++) {
		if (asprintf(&path, "%s/%d.%u", directory, getpid(), n) < 0)
			return NULL;
		if (!linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW))
			return path;
		free(path);
		if (errno != EEXIST)
			return NULL;
	}
	return NULL;
}

static int page_file(struct bypass_vm *vm, const char *directory)
{
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644), err;

	if (fd < 0)
		return bypass_fail(errno, "no statistics can be published in %s: %s", directory,
				   strerror(errno));
	vm->page->pid = getpid();
	if (fchmod(fd, 0644) || pwrite(fd, vm->page, PAGE_SIZE, 0) != PAGE_SIZE ||
	    flock(fd, LOCK_EX | LOCK_NB))
		goto fail;
	sweep(directory);
	vm->page_path = page_link(fd, directory);
	if (!vm->page_path)
		goto fail;
	if (mmap(vm->page, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	    MAP_FAILED) {
		err = errno;
		unlink(vm->page_path);
		free(vm->page_path);
		errno = err;
		goto fail;
	}
	vm->page_fd = fd;
	return 0;
fail:
	err = errno;
	close(fd);
	return bypass_fail(err, "no statistics can be published in %s: %s", directory,
			   strerror(err));
}

int bypass_vm_publish(struct bypass_vm *vm, const char *directory)
{
	int err;

	if (!directory) {
		directory = BYPASS_PUBLISHED_DIRECTORY;
		mkdir("/run/bypass", 0711);
	}
	/* If the directory cannot be made, making the file fails and says why. */
	mkdir(directory, 0755);
	pthread_mutex_lock(&vm->lock);
	if (vm->page_fd >= 0)
		err = bypass_fail(EALREADY, "this VM is published as %s", vm->page_path);
	else
		err = page_file(vm, directory);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

static int page_read(int fd, const char *path, struct bypass_published *copy)
{
	struct bypass_published *page;
	uint64_t before, after = 1;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < PAGE_SIZE)
		return bypass_fail(EINVAL, "%s is no VMM's statistics", path);
	page = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return bypass_fail(errno, "%s cannot be mapped: %s", path, strerror(errno));
	for (unsigned int i = 0; i < PAGE_TRIES; i++) {
		before = __atomic_load_n(&page->generation, __ATOMIC_SEQ_CST);
		memcpy(copy, page, sizeof(*copy));
		after = __atomic_load_n(&page->generation, __ATOMIC_SEQ_CST);
		if (before == after && !(after & 1))
			break;
	}
	munmap(page, PAGE_SIZE);
	if (copy->magic != BYPASS_PUBLISHED_MAGIC || copy->version != BYPASS_PUBLISHED_VERSION)
		return bypass_fail(EINVAL, "%s is no VMM's statistics of version %u", path,
				   BYPASS_PUBLISHED_VERSION);
	if (before != after || after & 1)
		return bypass_fail(EAGAIN, "%s changes all the time", path);
	for (unsigned int i = 0; i < BYPASS_PUBLISHED_SLICES; i++)
		copy->slices[i].name[sizeof(copy->slices[i].name) - 1] = '\0';
	return 0;
}

int bypass_published_read(const char *path, struct bypass_published *copy, bool *alive)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), err;

	if (fd < 0)
		return bypass_fail(errno, "%s cannot be read: %s", path, strerror(errno));
	err = page_read(fd, path, copy);
	*alive = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return err;
}
