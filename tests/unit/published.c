// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Published statistics: what another process reads, and what is left of a dead VMM.
 */
#include "fake_vm.h"

#include <fcntl.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bypass/published.h>

static char directory[64];

static char *file_path(pid_t pid, unsigned int n)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%d.%u", directory, (int)pid, n);
	return path;
}

static int directory_make(void **state)
{
	strcpy(directory, "/tmp/bypass-published-XXXXXX");
	return mkdtemp(directory) ? fake_vm_setup(state) : -1;
}

static int directory_remove(void **state)
{
	return fake_vm_teardown(state) | rmdir(directory);
}

static void test_counters(void **state)
{
	struct fake_vm *t = *state;
	struct bypass_published page;
	struct stat st;
	bool alive = false;

	cfg_read(t, 0, 4);
	assert_int_equal(bypass_vm_publish(t->vm, directory), 0);
	assert_int_equal(bypass_vm_publish(t->vm, directory), -EALREADY);
	assert_int_equal(stat(file_path(getpid(), 0), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	decode(t, true);
	mmio_write(t, MMIO32 + 0x20, 4, 0);
	assert_int_equal(bypass_published_read(file_path(getpid(), 0), &page, &alive), 0);
	assert_true(alive);
	assert_int_equal(page.pid, getpid());
	assert_string_equal(page.slices[0].name, "fake");
	assert_string_equal(page.slices[1].name, "");
	assert_int_equal(page.slices[0].devfn, DEVFN);
	assert_int_equal(page.slices[0].stats.config_reads, 2);
	assert_int_equal(page.slices[0].stats.config_writes, 1);
	assert_int_equal(page.slices[0].stats.mmio_writes, 1);
	assert_int_equal(page.slices[0].stats.window_bytes, 0x6000);
	assert_int_equal(page.slices[0].stats.dma_bytes, RAM_SIZE);
	assert_int_equal(page.slices[0].stats.interrupts, 7);

	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	assert_int_equal(bypass_published_read(file_path(getpid(), 0), &page, &alive), 0);
	assert_string_equal(page.slices[0].name, "");
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, -1), 0);
	assert_int_equal(bypass_published_read(file_path(getpid(), 0), &page, &alive), 0);
	assert_string_equal(page.slices[0].name, "fake");
	assert_int_equal(page.slices[0].stats.mmio_writes, 0);
}

/* More slices than a page holds: the rest is counted all the same. */
static void test_full_page(void **state)
{
	struct fake_slice *more[BYPASS_PUBLISHED_SLICES];
	struct fake_vm *t = *state;
	struct bypass_slice_stats stats;
	struct bypass_published page;
	uint32_t id;
	bool alive;

	for (unsigned int i = 0; i < BYPASS_PUBLISHED_SLICES; i++) {
		more[i] = fake_slice_open();
		assert_int_equal(bypass_vm_plug(t->vm, &more[i]->slice, 0x20 + i, -1), 0);
	}
	assert_int_equal(bypass_vm_publish(t->vm, directory), 0);
	bypass_vm_pci(t->vm, 0x20 + BYPASS_PUBLISHED_SLICES - 1, 0, &id, 4, false);
	assert_int_equal(bypass_vm_stats(t->vm, &more[BYPASS_PUBLISHED_SLICES - 1]->slice, &stats),
			 0);
	assert_int_equal(stats.config_reads, 1);
	assert_int_equal(bypass_published_read(file_path(getpid(), 0), &page, &alive), 0);
	assert_string_equal(page.slices[BYPASS_PUBLISHED_SLICES - 1].name, "fake");
	for (unsigned int i = 0; i < BYPASS_PUBLISHED_SLICES; i++) {
		assert_int_equal(bypass_vm_unplug(t->vm, &more[i]->slice), 0);
		bypass_slice_close(&more[i]->slice);
	}
}

static void test_two_vms_and_detach(void **state)
{
	struct bypass_vm_config config = fake_vm_config();
	struct fake_vm *t = *state;
	struct bypass_vm *second;

	config.first_slot = 40;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &second), 0);
	assert_int_equal(bypass_vm_publish(t->vm, directory), 0);
	assert_int_equal(bypass_vm_publish(second, directory), 0);
	assert_int_equal(access(file_path(getpid(), 1), R_OK), 0);
	bypass_vm_detach(second);
	assert_int_equal(access(file_path(getpid(), 1), R_OK), -1);
}

/* Killed, it leaves its file; that shows, and the next VMM of this PID takes the place. */
static void test_dead_vmm(void **state)
{
	struct fake_vm *t = *state;
	struct bypass_published page;
	char old[128], new[128];
	bool alive = true;
	int status, foreign;
	pid_t pid = fork();

	if (!pid)
		_exit(bypass_vm_publish(t->vm, directory));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	strcpy(old, file_path(pid, 0));
	assert_int_equal(bypass_published_read(old, &page, &alive), 0);
	assert_false(alive);
	assert_int_equal(page.pid, pid);
	assert_string_equal(page.slices[0].name, "fake");
	strcpy(new, file_path(getpid(), 0));
	assert_int_equal(rename(old, new), 0);
	/* Others, of any PID, go too; what is not ours, or not dead, stays. */
	pid = fork();
	if (!pid)
		_exit(bypass_vm_publish(t->vm, directory));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	strcpy(old, file_path(pid, 0));
	foreign = open(file_path(1, 0), O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(foreign, "no statistics", 13), 13);
	assert_int_equal(bypass_vm_publish(t->vm, directory), 0);
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(unlink(file_path(1, 0)), 0);
	close(foreign);
	assert_int_equal(access(file_path(getpid(), 1), F_OK), -1);
	assert_int_equal(bypass_published_read(new, &page, &alive), 0);
	assert_true(alive);
}

static void test_wrong_files(void **state)
{
	struct fake_vm *t = *state;
	struct bypass_published page = {.magic = 1};
	char *path = file_path(1, 0);
	bool alive;
	FILE *f;

	assert_int_equal(bypass_published_read(path, &page, &alive), -ENOENT);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(bypass_published_read(path, &page, &alive), -EINVAL);
	for (int i = 0; i < 4096; i++)
		fputc(i, f);
	fclose(f);
	assert_int_equal(bypass_published_read(path, &page, &alive), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(bypass_published_read(path, &page, &alive), -EINVAL);
	assert_int_equal(rmdir(path), 0);
	assert_true(bypass_vm_publish(t->vm, "/nonexistent/directory") < 0);
	assert_non_null(strstr(bypass_error(), "/nonexistent/directory"));
}

#define rule(test) cmocka_unit_test_setup_teardown(test, directory_make, directory_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(test_counters), rule(test_full_page),   rule(test_two_vms_and_detach),
		rule(test_dead_vmm), rule(test_wrong_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
