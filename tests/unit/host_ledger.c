// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ledger: what is written is what is read; what is not quite what we would write is
 * refused; and a carve that fails leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>

#include "host_tree.h"

#define FUNCTION "0000:02:00.0"

static struct step some_step(const char *slice)
{
	struct step step = {
		.kind = STEP_ATTRIBUTE, .function = FUNCTION, .from = "", .to = "vfio-pci"};

	snprintf(step.slice, sizeof(step.slice), "%s", slice);
	strcpy(step.attribute, "driver_override");
	return step;
}

/* A whole function, carved, as another bypass would have left it. */
static void put_ledger(void)
{
	struct step step = some_step(FUNCTION);
	struct ledger ledger;

	assert_int_equal(ledger_lock(&ledger, FUNCTION, true), 0);
	ledger.state = LEDGER_CARVED;
	ledger.vendor_id = 0x8086;
	ledger.device_id = 0x10c9;
	ledger.pid = 4711;
	ledger.since = 1000000000;
	assert_int_equal(ledger_add_slice(&ledger, FUNCTION, "web"), 0);
	assert_int_equal(ledger_add_step(&ledger, &step), 0);
	assert_int_equal(ledger_save(&ledger), 0);
	ledger_close(&ledger);
}

static void test_round_trip(void **state)
{
	struct step step = some_step(FUNCTION);
	struct ledger ledger;

	(void)state;
	put_ledger();
	assert_int_equal(ledger_peek(&ledger, FUNCTION), 0);
	assert_int_equal(ledger_load(&ledger), 0);
	assert_int_equal(ledger.state, LEDGER_CARVED);
	assert_int_equal(ledger.vendor_id, 0x8086);
	assert_int_equal(ledger.pid, 4711);
	assert_int_equal(ledger.since, 1000000000);
	assert_int_equal(ledger.slice_count, 1);
	assert_string_equal(ledger.slice[0].name, "web");
	assert_int_equal(ledger.step_count, 1);
	assert_memory_equal(&ledger.step[0], &step, sizeof(step));
	ledger_close(&ledger);
}

static void test_nothing_left_is_no_file(void **state)
{
	struct ledger ledger;

	(void)state;
	put_ledger();
	assert_int_equal(ledger_lock(&ledger, FUNCTION, false), 0);
	assert_int_equal(ledger_remove(&ledger), 0);
	assert_int_equal(ledger_load(&ledger), -ENOENT);
	ledger_close(&ledger);
	assert_int_equal(rmdir(in_tree("ledger")), 0);
}

static void test_damage(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} damages[] = {
		{"{", "", "JSON"},
		{"\"version\":2", "\"version\":3", "version 3"},
		{"\"version\":2", "\"verzion\":2", "'version'"},
		{"\"version\":2", "\"version\":\"2\"", "'version'"},
		{"\"state\":\"carved\"", "\"state\":\"craved\"", "'state'"},
		{"\"kind\":\"attribute\"", "\"kind\":\"script\"", "'kind'"},
		{"driver_override", "../../evil", "'attribute'"},
		{"driver_override", "driver_\\u0000de", "'attribute'"},
		{"\"index\":0", "\"index\":-1", "'index'"},
		{"\"index\":0", "\"index\":65536", "'index'"},
		{"\"slice\":\"0000:02:00.0\"", "\"slice\":\"0000:02:00\"", "'slice'"},
		{"\"function\":\"0000:02:00.0\"", "\"function\":\"0000:03:00.0\"", "0000:03:00.0"},
		{"\"steps\":[", "\"steps\":[7,", "'kind'"},
		{"}", "} garbage", "JSON"},
		{"", NULL, "JSON"},
	};
	char text[4096], damaged[4096 + 64];
	struct ledger ledger;

	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		char *at, *path, *from = text, *to = text;

		put_ledger();
		path = in_tree("ledger/%s.json", FUNCTION);
		assert_true(host_file(path, text, sizeof(text)) > 0);
		do /* the blanks of pretty-printing are in the way */
			if (*from != ' ' && *from != '\n')
				*to++ = *from;
		while (*from++);
		if (damages[i].to) {
			/* A closing brace is to be the last one. */
			at = damages[i].from[0] == '}' ? strrchr(text, '}')
						       : strstr(text, damages[i].from);
			assert_non_null(at);
			snprintf(damaged, sizeof(damaged), "%.*s%s%s", (int)(at - text), text,
				 damages[i].to, at + strlen(damages[i].from));
		} else {
			snprintf(damaged, sizeof(damaged), "%.*s", (int)strlen(text) / 2, text);
		}
		put_file(path, damaged);
		assert_int_equal(ledger_peek(&ledger, FUNCTION), 0);
		assert_int_equal(ledger_load(&ledger), -EBADMSG);
		assert_says(damages[i].says);
		ledger_close(&ledger);
		/* Neither release nor carve touches anything because of it. */
		put_function(FUNCTION, "0x8086:0x10c9", "0x020000", NULL, 7);
		assert_int_equal(bypass_release(FUNCTION), -EBADMSG);
		get_file(device_path(FUNCTION, "driver_override"), text, sizeof(text));
		assert_string_equal(text, "(null)");
		assert_int_equal(access(path, F_OK), 0);
	}
}

static void test_damage_is_listed(void **state)
{
	struct bypass_carving **list;

	(void)state;
	put_ledger();
	put_file(in_tree("ledger/%s.json", FUNCTION), "\x01\x02garbage");
	assert_int_equal(bypass_carvings(&list), 1);
	assert_int_equal(list[0]->state, BYPASS_LEDGER_BAD);
	assert_int_equal(list[0]->count, 0);
	assert_non_null(strstr(list[0]->problem, "cannot be used"));
	bypass_carvings_free(list);
}

static void test_gone_device(void **state)
{
	struct bypass_carving **list;

	(void)state;
	put_ledger();
	assert_int_equal(bypass_release("web"), -ENODEV);
	assert_says("is gone");
	put_function(FUNCTION, "0x8086:0x1572", "0x020000", NULL, 7);
	assert_int_equal(bypass_release(FUNCTION), -ENODEV);
	assert_says("another device");
	assert_int_equal(bypass_carvings(&list), 1);
	assert_int_equal(list[0]->state, BYPASS_LEDGER_BAD);
	bypass_carvings_free(list);
}

static void test_release(void **state)
{
	struct bypass_carving **list;
	char text[64];

	(void)state;
	put_ledger();
	put_function(FUNCTION, "0x8086:0x10c9", "0x020000", NULL, 7);
	put_file(device_path(FUNCTION, "driver_override"), "vfio-pci\n");
	assert_int_equal(bypass_release("nothing"), -ENOENT);
	assert_int_equal(bypass_release("web"), 0);
	get_file(device_path(FUNCTION, "driver_override"), text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(bypass_carvings(&list), 0);
	bypass_carvings_free(list);
	assert_int_equal(bypass_release("web"), -ENOENT);
}

/* A function with the ledger of put_ledger(), and @override in its driver_override. */
static void put_carved(const char *override)
{
	put_function(FUNCTION, "0x8086:0x10c9", "0x020000", NULL, 7);
	put_ledger();
	put_file(device_path(FUNCTION, "driver_override"), override);
}

static void assert_override(const char *expected)
{
	char text[64];

	get_file(device_path(FUNCTION, "driver_override"), text, sizeof(text));
	assert_string_equal(text, expected);
}

static void test_another_value_stays(void **state)
{
	(void)state;
	put_carved("another\n");
	assert_int_equal(bypass_release("web"), 0);
	assert_override("another");
	assert_int_equal(bypass_release("web"), -ENOENT);
}

/* The value that we had set, but in a device that has come since. */
static void test_device_came_back(void **state)
{
	struct ledger ledger;

	(void)state;
	put_carved("vfio-pci\n");
	assert_int_equal(ledger_lock(&ledger, FUNCTION, false), 0);
	assert_int_equal(ledger_load(&ledger), 0);
	ledger.step[0].instance = 1;
	assert_int_equal(ledger_save(&ledger), 0);
	ledger_close(&ledger);
	assert_int_equal(bypass_release("web"), 0);
	assert_override("vfio-pci");
}

static void test_earlier_boot(void **state)
{
	struct bypass_carving **list;

	(void)state;
	put_carved("vfio-pci\n");
	put_file(in_tree("proc/sys/kernel/random/boot_id"), "another\n");
	assert_int_equal(bypass_carvings(&list), 1);
	assert_int_equal(list[0]->state, BYPASS_LEDGER_BAD);
	assert_non_null(strstr(list[0]->problem, "earlier boot"));
	bypass_carvings_free(list);
	assert_int_equal(bypass_release("web"), 0);
	assert_override("vfio-pci");
	assert_int_equal(bypass_carvings(&list), 0);
	bypass_carvings_free(list);
}

/* The host's driver is not in the kernel now: the function is not given back, and the ledger stays. */
static void test_driver_is_missing(void **state)
{
	struct step step = {.kind = STEP_DRIVER, .function = FUNCTION, .slice = FUNCTION};
	struct bypass_carving **list;
	struct ledger ledger;

	(void)state;
	put_carved("\n");
	strcpy(step.from, "igb");
	assert_int_equal(ledger_lock(&ledger, FUNCTION, false), 0);
	assert_int_equal(ledger_load(&ledger), 0);
	assert_int_equal(ledger_add_step(&ledger, &step), 0);
	assert_int_equal(ledger_save(&ledger), 0);
	ledger_close(&ledger);
	assert_int_equal(bypass_release("web"), -ENOENT);
	assert_says("modprobe igb");
	assert_int_equal(bypass_carvings(&list), 1);
	assert_int_equal(list[0]->state, BYPASS_RELEASE_HALF);
	bypass_carvings_free(list);
}

static void test_empty_name(void **state)
{
	(void)state;
	put_carved("vfio-pci\n");
	assert_int_equal(bypass_release(""), -EINVAL);
	assert_says("empty");
	assert_override("vfio-pci");
}

/* A PF with two VFs, carved. */
#define PF  "0000:04:00.0"
#define VF0 "0000:04:00.1"
#define VF1 "0000:04:00.2"

static void put_vf(unsigned int index, const char *address)
{
	put_function(address, "0x8086:0x10ca", "0x020000", "vfio-pci", 20 + index);
	put_link(device_path(address, "physfn"), in_tree("sys/bus/pci/devices/" PF));
	put_link(in_tree("sys/bus/pci/devices/" PF "/virtfn%u", index),
		 in_tree("sys/bus/pci/devices/%s", address));
	put_file(device_path(address, "driver_override"), "vfio-pci\n");
}

static void add_step(struct ledger *ledger, enum step_kind kind, const char *slice,
		     const char *attribute, const char *to)
{
	struct step step = {.kind = kind};

	strcpy(step.function, slice[0] ? slice : PF);
	strcpy(step.slice, slice);
	strcpy(step.attribute, attribute);
	strcpy(step.to, to);
	strcpy(step.from, kind == STEP_VFS ? "0" : "");
	assert_int_equal(ledger_add_step(ledger, &step), 0);
}

static void put_carved_pf(enum ledger_state carved)
{
	struct ledger ledger;

	put_function(PF, "0x8086:0x10c9", "0x020000", "igb", 19);
	put_file(device_path(PF, "sriov_totalvfs"), "7\n");
	put_file(device_path(PF, "sriov_numvfs"), "2\n");
	put_vf(0, VF0);
	put_vf(1, VF1);
	assert_int_equal(ledger_lock(&ledger, PF, true), 0);
	ledger.state = carved;
	ledger.vendor_id = 0x8086;
	ledger.device_id = 0x10c9;
	ledger.vfs = 2;
	strcpy(ledger.name, "net");
	strcpy(ledger.id, "0123456789abcdef");
	assert_int_equal(ledger_add_slice(&ledger, VF0, "net-0"), 0);
	assert_int_equal(ledger_add_slice(&ledger, VF1, "net-1"), 0);
	add_step(&ledger, STEP_VFS, "", "", "2");
	add_step(&ledger, STEP_ATTRIBUTE, VF0, "driver_override", "vfio-pci");
	add_step(&ledger, STEP_DRIVER, VF0, "", "vfio-pci");
	add_step(&ledger, STEP_ATTRIBUTE, VF1, "driver_override", "vfio-pci");
	if (carved == LEDGER_CARVED)
		add_step(&ledger, STEP_DRIVER, VF1, "", "vfio-pci");
	assert_int_equal(ledger_save(&ledger), 0);
	ledger_close(&ledger);
}

static enum bypass_carving_state only_state(void)
{
	struct bypass_carving **list;
	enum bypass_carving_state state;

	assert_int_equal(bypass_carvings(&list), 1);
	state = list[0]->state;
	bypass_carvings_free(list);
	return state;
}

/* In a tree of files nothing unbinds a driver: this is what the kernel would do. */
static void release_vf(const char *vf, const char *name)
{
	unlink(device_path(vf, "driver"));
	assert_int_equal(bypass_release(name), 0);
}

static void test_release_of_one(void **state)
{
	(void)state;
	put_carved_pf(LEDGER_CARVED);
	release_vf(VF0, "net-0");
	assert_int_equal(only_state(), BYPASS_CARVED);
}

/* One slice given back of a carving that is half done: the rest does not look whole. */
static void test_release_of_one_of_half(void **state)
{
	(void)state;
	put_carved_pf(LEDGER_CARVING);
	release_vf(VF0, "net-0");
	assert_int_equal(only_state(), BYPASS_CARVE_HALF);
}

static void test_release_of_one_of_half_released(void **state)
{
	(void)state;
	put_carved_pf(LEDGER_RELEASING);
	release_vf(VF0, "net-0");
	assert_int_equal(only_state(), BYPASS_RELEASE_HALF);
}

/* A VF that is no slice any more goes with the last slice: somebody who has it open must not. */
static void test_release_with_vf_in_use(void **state)
{
	(void)state;
	put_carved_pf(LEDGER_CARVED);
	release_vf(VF0, "net-0");
	put_link(device_path(VF0, "driver"), in_tree("sys/bus/pci/drivers/vfio-pci"));
	put_file(in_tree("proc/99/comm"), "vmm\n");
	put_link(in_tree("proc/99/fd/4"), in_tree("dev/vfio/20"));
	assert_int_equal(bypass_release("net-1"), -EBUSY);
	assert_says(VF0);
	assert_says("process 99 (vmm)");
}

static void test_vf_of_carved_pf(void **state)
{
	const struct bypass_carve what = {.function = VF0};

	(void)state;
	put_carved_pf(LEDGER_CARVED);
	release_vf(VF0, "net-0");
	assert_int_equal(bypass_carve(&what, NULL), -EBUSY);
	assert_says("made when " PF " was carved");
}

/* Whoever carved it releases that carving, and none that was made since. */
static void test_release_of_own(void **state)
{
	struct bypass_carving **list;

	(void)state;
	put_carved("vfio-pci\n");
	assert_int_equal(bypass_carvings(&list), 1);
	strcpy(list[0]->id, "0000000000000000");
	assert_int_equal(bypass_release_carving(list[0]), 0);
	assert_override("vfio-pci");
	assert_int_equal(only_state(), BYPASS_CARVED);
	list[0]->id[0] = '\0'; /* as in the ledger of put_ledger() */
	assert_int_equal(bypass_release_carving(list[0]), 0);
	assert_override("");
	assert_int_equal(bypass_release_carving(list[0]), 0);
	bypass_carvings_free(list);
}

/* Names that a carving in the making will take for slices that it has not made yet. */
static void test_names_to_come(void **state)
{
	struct bypass_carve what = {.function = FUNCTION, .name = "net-1"};
	struct ledger ledger;

	(void)state;
	put_function(FUNCTION, "0x8086:0x10c9", "0x020000", NULL, 7);
	assert_int_equal(ledger_lock(&ledger, PF, true), 0);
	ledger.vfs = 2;
	strcpy(ledger.name, "net");
	assert_int_equal(ledger_save(&ledger), 0);
	assert_int_equal(bypass_carve(&what, NULL), -EEXIST);
	assert_says("'net-1' is taken");
	what.name = "net-2";
	assert_int_not_equal(bypass_carve(&what, NULL), -EEXIST);
	ledger_close(&ledger);
}

/* What the errors of sriov_numvfs mean. */
static void test_vfs_in_words(void **state)
{
	static const struct {
		int err;
		const char *says;
	} errors[] = {
		{ENOENT, "igb, makes no VFs"},
		{ENOSYS, "igb, makes no VFs"},
		{ENOMEM, "pci=realloc"},
		{ENOSPC, "interrupt vectors"},
		{EBUSY, "in use"},
		{EIO, "cannot make 9 VFs: Input/output error"},
	};

	(void)state;
	put_function(PF, "0x8086:0x10c9", "0x020000", "igb", 19);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		assert_int_equal(step_fail_vfs(PF, 9, -errors[i].err), -errors[i].err);
		assert_says(errors[i].says);
	}
	unlink(device_path(PF, "driver"));
	assert_int_equal(step_fail_vfs(PF, 9, -ENOENT), -ENOENT);
	assert_says("bound to no driver");
}

/* More VFs than any adapter has today. */
static void test_many_vfs(void **state)
{
	struct ledger ledger, again;

	(void)state;
	assert_int_equal(ledger_lock(&ledger, PF, true), 0);
	ledger.vfs = 1000;
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(ledger_add_slice(&ledger, VF0, "net"), 0);
		for (int j = 0; j < 8; j++)
			add_step(&ledger, STEP_ATTRIBUTE, VF0, "driver_override", "vfio-pci");
	}
	assert_int_equal(ledger_save(&ledger), 0);
	assert_int_equal(ledger_peek(&again, PF), 0);
	assert_int_equal(ledger_load(&again), 0);
	assert_int_equal(again.step_count, 8000);
	ledger_close(&again);
	ledger_close(&ledger);
}

static void test_release_in_use(void **state)
{
	(void)state;
	put_ledger();
	put_function(FUNCTION, "0x8086:0x10c9", "0x020000", "vfio-pci", 7);
	put_file(in_tree("proc/99/comm"), "vmm\n");
	put_link(in_tree("proc/99/fd/4"), in_tree("dev/vfio/7"));
	assert_int_equal(bypass_release("web"), -EBUSY);
	assert_says("process 99 (vmm)");
}

static void test_symlink_for_directory(void **state)
{
	struct bypass_carving **list;

	(void)state;
	make_directories(in_tree("elsewhere"));
	put_link(in_tree("ledger"), in_tree("elsewhere"));
	assert_int_equal(bypass_carvings(&list), -ELOOP);
	assert_says("symbolic link");
	assert_int_equal(ledger_directory(true), -ELOOP);
	unlink(in_tree("ledger"));
	put_file(in_tree("ledger"), "");
	assert_int_equal(ledger_directory(true), -ENOTDIR);
}

static void test_directory_of_others(void **state)
{
	(void)state;
	make_directories(in_tree("ledger"));
	chmod(in_tree("ledger"), 0777);
	assert_int_equal(ledger_directory(false), -EPERM);
	assert_says("chmod 711");
	chmod(in_tree("ledger"), 0755);
	assert_true(ledger_directory(false) >= 0);
}

static void test_symlink_for_ledger(void **state)
{
	(void)state;
	put_ledger();
	assert_int_equal(rename(in_tree("ledger/%s.json", FUNCTION), in_tree("real")), 0);
	put_link(in_tree("ledger/%s.json", FUNCTION), in_tree("real"));
	assert_int_equal(bypass_release(FUNCTION), -EBADMSG);
}

/* The holder must be another process: its PID is what the error names. */
static void test_lock(void **state)
{
	struct ledger ledger;
	char number[16], byte;
	int pipes[2][2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(pipes[0]) | pipe(pipes[1]), 0);
	child = fork();
	if (!child) {
		int err = ledger_lock(&ledger, FUNCTION, true);

		byte = err ? 'n' : 'y';
		if (write(pipes[0][1], &byte, 1) != 1 || read(pipes[1][0], &byte, 1) != 1)
			_exit(2);
		_exit(0); /* without giving the lock back, as if killed */
	}
	assert_int_equal(read(pipes[0][0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(ledger_lock(&ledger, FUNCTION, true), -EBUSY);
	snprintf(number, sizeof(number), "%d", child);
	assert_says(number);
	assert_int_equal(ledger_peek(&ledger, FUNCTION), 0);
	assert_int_equal(ledger_locked_by(ledger.directory, FUNCTION), child);
	ledger_close(&ledger);
	assert_int_equal(write(pipes[1][1], &byte, 1), 1);
	waitpid(child, NULL, 0);
	assert_int_equal(ledger_lock(&ledger, FUNCTION, true), 0);
	assert_int_equal(ledger_locked_by(ledger.directory, FUNCTION), getpid());
	ledger_close(&ledger);
	assert_int_equal(rmdir(in_tree("ledger")), 0);
}

/* Whoever carves looks at all carvings, and claims the own one, with nobody else in between. */
static void test_lock_of_all(void **state)
{
	const struct bypass_carve what = {.function = FUNCTION, .name = "web"};
	struct ledger_all all;
	int ready[2], status;
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		byte = ledger_lock_all(&all) ? 'n' : 'y';
		if (write(ready[1], &byte, 1) != 1)
			_exit(2);
		usleep(200 * 1000);
		put_file(in_tree("looked"), "");
		ledger_unlock_all(&all);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(bypass_carve(&what, NULL), -ENODEV);
	assert_int_equal(access(in_tree("looked"), F_OK), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(rmdir(in_tree("ledger")), 0);
	close(ready[0]);
	close(ready[1]);
}

/* The kernel refuses to bind: what was done before is undone, and the ledger is gone. */
static void test_failing_carve(void **state)
{
	const struct bypass_carve what = {.function = FUNCTION, .name = "web"};
	struct bypass_carving **list;
	char text[64];

	(void)state;
	put_function(FUNCTION, "0x8086:0x10c9", "0x020000", NULL, 7);
	put_file(device_path(FUNCTION, "driver_override"), "mine\n");
	assert_int_equal(bypass_carve(&what, NULL), -ENOENT);
	assert_says("bind 0000:02:00.0 to vfio-pci");
	assert_says("undone");
	get_file(device_path(FUNCTION, "driver_override"), text, sizeof(text));
	assert_string_equal(text, "mine");
	assert_int_equal(bypass_carvings(&list), 0);
	bypass_carvings_free(list);
}

static void test_refusals(void **state)
{
	struct bypass_carve what = {.function = FUNCTION, .vfs = 3};

	(void)state;
	assert_int_equal(bypass_carve(&what, NULL), -ENODEV);
	put_function(FUNCTION, "0x8086:0x10c9", "0x020000", "igb", 7);
	assert_int_equal(bypass_carve(&what, NULL), -ENOTSUP);
	assert_says("no SR-IOV");
	put_file(device_path(FUNCTION, "sriov_totalvfs"), "2\n");
	put_file(device_path(FUNCTION, "sriov_numvfs"), "0\n");
	assert_int_equal(bypass_carve(&what, NULL), -ERANGE);
	put_file(device_path(FUNCTION, "sriov_numvfs"), "1\n");
	what.vfs = 2;
	assert_int_equal(bypass_carve(&what, NULL), -EBUSY);
	assert_says("did not make");
	what.name = "no/slash";
	assert_int_equal(bypass_carve(&what, NULL), -EINVAL);
	what.name = "web";
	put_function("0000:03:00.0", "0x8086:0x10c9", "0x020000", "igb", 8);
	put_ledger();
	what.function = "0000:03:00.0";
	what.vfs = 0;
	assert_int_equal(bypass_carve(&what, NULL), -EEXIST);
	what.function = FUNCTION;
	what.name = NULL;
	put_file(device_path(FUNCTION, "sriov_numvfs"), "0\n");
	assert_int_equal(bypass_carve(&what, NULL), -EBUSY);
	assert_says("carved already");
	rmdir(in_tree("sys/bus/pci/drivers/vfio-pci"));
	assert_int_equal(bypass_carve(&what, NULL), -ENOTSUP);
	assert_says("modprobe vfio-pci");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_host_tree(test_round_trip),
		in_host_tree(test_nothing_left_is_no_file),
		in_host_tree(test_damage),
		in_host_tree(test_damage_is_listed),
		in_host_tree(test_gone_device),
		in_host_tree(test_release),
		in_host_tree(test_another_value_stays),
		in_host_tree(test_device_came_back),
		in_host_tree(test_earlier_boot),
		in_host_tree(test_driver_is_missing),
		in_host_tree(test_empty_name),
		in_host_tree(test_release_of_one),
		in_host_tree(test_release_of_one_of_half),
		in_host_tree(test_release_of_one_of_half_released),
		in_host_tree(test_release_with_vf_in_use),
		in_host_tree(test_vf_of_carved_pf),
		in_host_tree(test_release_of_own),
		in_host_tree(test_names_to_come),
		in_host_tree(test_vfs_in_words),
		in_host_tree(test_many_vfs),
		in_host_tree(test_release_in_use),
		in_host_tree(test_symlink_for_directory),
		in_host_tree(test_directory_of_others),
		in_host_tree(test_symlink_for_ledger),
		in_host_tree(test_lock),
		in_host_tree(test_lock_of_all),
		in_host_tree(test_failing_carve),
		in_host_tree(test_refusals),
	};

	return cmocka_run_group_tests_name("host ledger", tests, NULL, NULL);
}
