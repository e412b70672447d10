// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The loop slice: what a driver may say in the window, and what the slice does when
 * it lies there.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <cmocka.h>

#include <bypass/error.h>
#include <bypass/loop.h>
#include <bypass/memory.h>

#define ENTRIES 16u
#define PAGE	4096u
#define RAM	(2u << 20)

/* What the slice was asked to serve, and the driver's view of its window. */
struct fixture {
	struct bypass_slice *slice;
	struct bypass_loop_header *header;
	struct bypass_loop_entry *requests;
	struct bypass_loop_entry *completions;
	uint8_t *data;
	uint32_t next;
	unsigned int served;
	int64_t answer; /* when not 0: what serve returns */
};

/* Adds one to each byte. */
static int64_t serve(void *opaque, const void *request, uint32_t length, void *response,
		     uint32_t room)
{
	struct fixture *f = opaque;

	f->served++;
	if (f->answer)
		return f->answer;
	if (length > room)
		return -ENOSPC;
	for (uint32_t i = 0; i < length; i++)
		((uint8_t *)response)[i] = ((const uint8_t *)request)[i] + 1;
	return length;
}

static void command_register(struct fixture *f, uint16_t command, uint32_t size)
{
	assert_int_equal(f->slice->ops->config_write(f->slice, PCI_COMMAND, &command, size), 0);
}

static void open_slice(struct fixture *f, bool trap, bool pin)
{
	const struct bypass_loop_config config = {.name = "test",
						  .entries = ENTRIES,
						  .data_size = 3 * PAGE,
						  .trap = trap,
						  .pin = pin,
						  .serve = serve,
						  .opaque = f};

	memset(f, 0, sizeof(*f));
	assert_int_equal(bypass_loop_open(&config, &f->slice), 0);
	f->header = f->slice->bars[BYPASS_LOOP_WINDOW_BAR].windows[0].hva;
	assert_int_equal(f->header->magic, BYPASS_LOOP_MAGIC);
	assert_int_equal(f->header->entries, ENTRIES);
	f->requests = (void *)((uint8_t *)f->header + f->header->requests);
	f->completions = (void *)((uint8_t *)f->header + f->header->completions);
	f->data = (uint8_t *)f->header + f->header->data;
	command_register(f, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

static void open_polled(struct fixture *f)
{
	open_slice(f, false, false);
}

/* Publishes a request as the next one. */
static void post(struct fixture *f, const struct bypass_loop_entry *request)
{
	struct bypass_loop_entry *entry = &f->requests[f->next % ENTRIES];
	struct bypass_loop_entry copy = *request;

	copy.tag = ~f->next;
	copy.seq = ++f->next;
	*entry = copy;
}

/* The completion of the request that was posted last. */
static const struct bypass_loop_entry *completion(const struct fixture *f)
{
	const struct bypass_loop_entry *entry = &f->completions[(f->next - 1) % ENTRIES];

	assert_int_equal(entry->seq, f->next);
	assert_int_equal(entry->tag, ~(f->next - 1));
	return entry;
}

static void test_inline(void **state)
{
	struct bypass_loop_entry request = {.length = 5, .data = "\1\2\3\4\5 and the rest"};
	struct fixture f;

	(void)state;
	open_polled(&f);
	assert_int_equal(bypass_loop_poll(f.slice, 8), 0);
	for (unsigned int i = 0; i < 5 * ENTRIES; i++) {
		const struct bypass_loop_entry *done;

		post(&f, &request);
		assert_int_equal(bypass_loop_poll(f.slice, 8), 1);
		done = completion(&f);
		assert_int_equal(done->status, 0);
		assert_int_equal(done->length, 5);
		assert_memory_equal(done->data, "\2\3\4\5\6", 5);
		/* Nothing of our memory leaks out behind the response. */
		for (unsigned int k = 5; k < BYPASS_LOOP_INLINE; k++)
			assert_int_equal(done->data[k], 0);
	}
	assert_int_equal(bypass_loop_poll(f.slice, 8), 0);
	bypass_slice_close(f.slice);
}

static void test_budget(void **state)
{
	struct fixture f;

	(void)state;
	open_polled(&f);
	for (unsigned int i = 0; i < 10; i++)
		post(&f, &(struct bypass_loop_entry){.length = 8});
	assert_int_equal(bypass_loop_poll(f.slice, 4), 4);
	assert_int_equal(bypass_loop_poll(f.slice, 100), 6);
	assert_int_equal(f.served, 10);
	bypass_slice_close(f.slice);
}

static void test_in_data(void **state)
{
	struct bypass_loop_entry request = {.flags = BYPASS_LOOP_IN_DATA, .length = PAGE};
	struct fixture f;

	(void)state;
	open_polled(&f);
	request.place = (struct bypass_loop_place){
		.request = 0, .response = f.header->data_size - PAGE, .room = PAGE};
	memset(f.data, 7, PAGE);
	post(&f, &request);
	assert_int_equal(bypass_loop_poll(f.slice, 1), 1);
	assert_int_equal(completion(&f)->status, 0);
	assert_int_equal(completion(&f)->length, PAGE);
	assert_int_equal(f.data[f.header->data_size - 1], 8);
	assert_int_equal(f.data[f.header->data_size - PAGE], 8);
	bypass_slice_close(f.slice);
}

static void expect_status(struct fixture *f, const struct bypass_loop_entry *request, int status)
{
	unsigned int before = f->served;

	post(f, request);
	assert_int_equal(bypass_loop_poll(f->slice, 1), 1);
	assert_int_equal(completion(f)->status, status);
	assert_int_equal(completion(f)->length, 0);
	assert_int_equal(f->served, before);
}

/* Every way to point outside, and flags that contradict each other. */
static void test_lies(void **state)
{
	struct fixture f;
	uint64_t size;

	(void)state;
	open_polled(&f);
	size = f.header->data_size;
	const struct {
		uint32_t length;
		struct bypass_loop_place place;
	} outside[] = {
		{8, {.request = size, .room = 8}},
		{8, {.request = size - 7, .room = 8}},
		{8, {.request = UINT64_MAX, .room = 8}},
		{8, {.request = UINT64_MAX - 7, .room = 8}},
		{UINT32_MAX, {.room = 8}},
		{(uint32_t)size + 1, {.room = 8}},
		{8, {.response = size - 7, .room = 8}},
		{8, {.response = UINT64_MAX - 3, .room = 8}},
		{8, {.response = 1, .room = UINT32_MAX}},
		{8, {.response = size, .room = 1}},
	};

	for (unsigned int i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		for (unsigned int memory = 0; memory < 2; memory++)
			expect_status(
				&f,
				&(struct bypass_loop_entry){.flags = memory ? BYPASS_LOOP_IN_MEMORY
									    : BYPASS_LOOP_IN_DATA,
							    .length = outside[i].length,
							    .place = outside[i].place},
				EFAULT);
	expect_status(&f, &(struct bypass_loop_entry){.length = BYPASS_LOOP_INLINE + 1}, EMSGSIZE);
	expect_status(&f, &(struct bypass_loop_entry){.length = UINT32_MAX}, EMSGSIZE);
	expect_status(&f,
		      &(struct bypass_loop_entry){
			      .flags = BYPASS_LOOP_IN_DATA | BYPASS_LOOP_IN_MEMORY, .length = 8},
		      EINVAL);
	bypass_slice_close(f.slice);
}

/* The guest can write the header too; the slice goes by its own copies. */
static void test_header_is_not_believed(void **state)
{
	struct fixture f;

	(void)state;
	open_polled(&f);
	memset(f.header, 0xff, sizeof(*f.header));
	post(&f, &(struct bypass_loop_entry){.length = 8});
	assert_int_equal(bypass_loop_poll(f.slice, 8), 1);
	assert_int_equal(completion(&f)->status, 0);
	bypass_slice_close(f.slice);
}

static void test_serve_fails(void **state)
{
	struct fixture f;

	(void)state;
	open_polled(&f);
	f.answer = -EIO;
	post(&f, &(struct bypass_loop_entry){.length = 8});
	assert_int_equal(bypass_loop_poll(f.slice, 8), 1);
	assert_int_equal(completion(&f)->status, EIO);
	bypass_slice_close(f.slice);
}

static uint64_t taken(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void test_vector(void **state)
{
	struct bypass_loop_entry request = {.flags = BYPASS_LOOP_INTERRUPT, .length = 8};
	int fd = eventfd(0, EFD_NONBLOCK), none = -1;
	struct fixture f;

	(void)state;
	open_polled(&f);
	post(&f, &request); /* not connected: nobody hears it, and it does not count */
	bypass_loop_poll(f.slice, 8);
	assert_int_equal(f.slice->ops->interrupts(f.slice), 0);

	assert_int_equal(f.slice->ops->vectors(f.slice, BYPASS_IRQ_MSIX, 0, 1, &fd), 0);
	post(&f, &request);
	bypass_loop_poll(f.slice, 8);
	assert_int_equal(taken(fd), 1);
	post(&f, &(struct bypass_loop_entry){.length = 8}); /* does not ask for it */
	bypass_loop_poll(f.slice, 8);
	assert_int_equal(taken(fd), 0);
	post(&f, &request);
	post(&f, &request); /* two in one go: one interrupt */
	bypass_loop_poll(f.slice, 8);
	assert_int_equal(taken(fd), 1);
	assert_int_equal(f.slice->ops->interrupts(f.slice), 2);

	assert_int_equal(f.slice->ops->vectors(f.slice, BYPASS_IRQ_MSIX, 0, 1, &none), 0);
	post(&f, &request);
	bypass_loop_poll(f.slice, 8);
	assert_int_equal(taken(fd), 0);
	assert_int_equal(f.slice->ops->vectors(f.slice, BYPASS_IRQ_MSIX, 0, 0, NULL), 0);

	assert_int_equal(f.slice->ops->vectors(f.slice, BYPASS_IRQ_MSIX, 1, 1, &fd), -EINVAL);
	assert_int_equal(f.slice->ops->vectors(f.slice, BYPASS_IRQ_MSI, 0, 1, &fd), -EINVAL);
	assert_non_null(strstr(bypass_error(), "MSI-X"));
	bypass_slice_close(f.slice);
	close(fd);
}

/* Another process that is given the descriptor sees the window, and cannot cut it off. */
static void test_window_file(void **state)
{
	const struct bypass_window *w;
	struct bypass_loop_header *same;
	struct fixture f;

	(void)state;
	open_polled(&f);
	w = &f.slice->bars[BYPASS_LOOP_WINDOW_BAR].windows[0];
	same = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, w->fd_offset);
	assert_ptr_not_equal(same, MAP_FAILED);
	assert_int_equal(same->magic, BYPASS_LOOP_MAGIC);
	same->alive = 7;
	assert_int_equal(f.header->alive, 7);
	assert_int_equal(ftruncate(w->fd, 0), -1);
	munmap(same, w->size);
	bypass_slice_close(f.slice);
}

static void test_dead(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct pollfd told = {.fd = -1, .events = POLLIN};
	struct bypass_event event;
	struct fixture f;

	(void)state;
	open_polled(&f);
	f.slice->ops->vectors(f.slice, BYPASS_IRQ_MSIX, 0, 1, &fd);
	assert_int_equal(f.header->alive, 1);
	assert_int_equal(f.slice->ops->event(f.slice, &event), 0);
	bypass_loop_dead(f.slice);
	assert_int_equal(f.header->alive, 0);
	assert_int_equal(taken(fd), 1);
	assert_int_equal(poll(&told, 1, 0), 0);
	told.fd = f.slice->event_fd;
	assert_int_equal(poll(&told, 1, 0), 1);
	assert_int_equal(f.slice->ops->event(f.slice, &event), 1);
	assert_int_equal(event.kind, BYPASS_EVENT_DEAD);
	assert_non_null(strstr(event.text, "unplug"));
	assert_int_equal(f.slice->ops->event(f.slice, &event), 0);
	assert_int_equal(poll(&told, 1, 0), 0);
	bypass_slice_close(f.slice);
	close(fd);
}

static void test_reset(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct fixture f;

	(void)state;
	open_polled(&f);
	f.slice->ops->vectors(f.slice, BYPASS_IRQ_MSIX, 0, 1, &fd);
	for (unsigned int i = 0; i < 3; i++)
		post(&f, &(struct bypass_loop_entry){.length = 8});
	bypass_loop_poll(f.slice, 1);
	assert_int_equal(f.slice->ops->reset(f.slice), 0);
	/* What was posted before is forgotten, and a new driver starts where it is told. */
	assert_int_equal(bypass_loop_poll(f.slice, 8), 0);
	assert_int_not_equal(f.header->start, 0);
	f.next = f.header->start;
	post(&f, &(struct bypass_loop_entry){.flags = BYPASS_LOOP_INTERRUPT, .length = 8});
	assert_int_equal(bypass_loop_poll(f.slice, 8), 1);
	assert_int_equal(completion(&f)->status, 0);
	assert_int_equal(taken(fd), 0); /* vectors are off */
	bypass_slice_close(f.slice);
	close(fd);
}

static void test_trap(void **state)
{
	uint32_t value = 1;
	struct fixture f;

	(void)state;
	open_slice(&f, true, false);
	assert_int_equal(bypass_loop_poll(f.slice, 8), -EBUSY);
	assert_non_null(strstr(bypass_error(), "trap"));
	post(&f, &(struct bypass_loop_entry){.length = 8});
	post(&f, &(struct bypass_loop_entry){.length = 8});
	f.slice->ops->bar_write(f.slice, BYPASS_LOOP_DOORBELL_BAR, BYPASS_LOOP_KICK, &value, 4);
	assert_int_equal(f.served, 0);
	f.slice->ops->bar_write(f.slice, BYPASS_LOOP_DOORBELL_BAR, BYPASS_LOOP_TRAP, &value, 4);
	assert_int_equal(f.served, 2);
	assert_int_equal(completion(&f)->status, 0);
	bypass_slice_close(f.slice);

	open_polled(&f); /* without a trap the store does nothing */
	post(&f, &(struct bypass_loop_entry){.length = 8});
	f.slice->ops->bar_write(f.slice, BYPASS_LOOP_DOORBELL_BAR, BYPASS_LOOP_TRAP, &value, 4);
	assert_int_equal(f.served, 0);
	bypass_slice_close(f.slice);
}

static void test_guest_memory(void **state)
{
	struct bypass_loop_entry request = {.flags = BYPASS_LOOP_IN_MEMORY, .length = PAGE};
	struct bypass_memory *mem = bypass_memory_new();
	struct fixture f;
	uint8_t *ram;

	(void)state;
	open_slice(&f, false, true);
	assert_int_equal(bypass_memory_alloc(mem, RAM, false), 0);
	ram = bypass_memory_hva(mem, 0, RAM);
	request.place =
		(struct bypass_loop_place){.request = 0, .response = RAM - PAGE, .room = PAGE};
	expect_status(&f, &request, EFAULT); /* not within reach yet */

	if (f.slice->ops->set_memory(f.slice, mem)) {
		assert_non_null(strstr(bypass_error(), "limit"));
		print_message("RLIMIT_MEMLOCK is too low here\n");
		bypass_slice_close(f.slice);
		bypass_memory_free(mem);
		skip();
	}
	assert_int_equal(f.slice->ops->dma_bytes(f.slice), RAM);
	ram[0] = 41;
	post(&f, &request);
	assert_int_equal(bypass_loop_poll(f.slice, 1), 1);
	assert_int_equal(completion(&f)->status, 0);
	assert_int_equal(ram[RAM - PAGE], 42);
	request.place.response++;
	expect_status(&f, &request, EFAULT);
	request.place.response--;

	assert_int_equal(f.slice->ops->set_memory(f.slice, NULL), 0);
	assert_int_equal(f.slice->ops->dma_bytes(f.slice), 0);
	expect_status(&f, &request, EFAULT);
	bypass_slice_close(f.slice);
	bypass_memory_free(mem);
}

/* What a write of the command register that clears the bit must do, however wide the write is */
static void lose_bus_mastering(uint32_t size)
{
	struct bypass_loop_entry request = {.flags = BYPASS_LOOP_IN_MEMORY | BYPASS_LOOP_INTERRUPT,
					    .length = PAGE};
	struct bypass_memory *mem = bypass_memory_new();
	int fd = eventfd(0, EFD_NONBLOCK);
	struct fixture f;
	uint8_t *ram;

	open_polled(&f);
	assert_int_equal(bypass_memory_alloc(mem, RAM, false), 0);
	ram = bypass_memory_hva(mem, 0, RAM);
	assert_int_equal(f.slice->ops->set_memory(f.slice, mem), 0);
	f.slice->ops->vectors(f.slice, BYPASS_IRQ_MSIX, 0, 1, &fd);
	request.place = (struct bypass_loop_place){.response = PAGE, .room = PAGE};
	post(&f, &request);
	command_register(&f, PCI_COMMAND_MEMORY, size);
	/* Neither now nor later: the memory may be another kernel's. */
	assert_int_equal(bypass_loop_poll(f.slice, 8), 0);
	command_register(&f, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, size);
	assert_int_equal(bypass_loop_poll(f.slice, 8), 0);
	command_register(&f, PCI_COMMAND_MEMORY, size);
	f.next = f.header->start;
	expect_status(&f, &request, EFAULT);
	assert_int_equal(ram[PAGE], 0);
	assert_int_equal(taken(fd), 0);
	assert_int_equal(f.slice->ops->interrupts(f.slice), 0);
	command_register(&f, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, size);
	post(&f, &request);
	assert_int_equal(bypass_loop_poll(f.slice, 8), 1);
	assert_int_equal(completion(&f)->status, 0);
	assert_int_equal(ram[PAGE], 1);
	assert_int_equal(taken(fd), 1);
	assert_int_equal(f.slice->ops->reset(f.slice), 0);
	f.next = f.header->start;
	expect_status(&f, &request, EFAULT);
	bypass_slice_close(f.slice);
	bypass_memory_free(mem);
	close(fd);
}

static void test_bus_master(void **state)
{
	(void)state;
	lose_bus_mastering(1);
	lose_bus_mastering(2);
}

/* In a child without privileges, for limits cannot be lowered and raised again at will. */
static void pin_too_much(void)
{
	const struct rlimit limit = {PAGE, PAGE};
	struct bypass_memory *mem = bypass_memory_new();
	struct fixture f;

	open_slice(&f, false, true);
	if (bypass_memory_alloc(mem, RAM, false) || setrlimit(RLIMIT_MEMLOCK, &limit) ||
	    setuid(65534))
		_exit(77);
	if (!mlock(bypass_memory_hva(mem, 0, RAM), RAM)) /* a sanitizer's, which does nothing */
		_exit(77);
	if (f.slice->ops->set_memory(f.slice, mem) != -ENOMEM || !strstr(bypass_error(), "memlock"))
		_exit(1);
	_exit(f.slice->ops->dma_bytes(f.slice) ? 2 : 0);
}

static void test_memlock(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		pin_too_much();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A process of its own serves, and raises the vector that was connected before. */
static void test_served_by_a_process(void **state)
{
	int fd = eventfd(0, 0);
	struct fixture f;
	pid_t pid;

	(void)state;
	open_polled(&f);
	f.slice->ops->vectors(f.slice, BYPASS_IRQ_MSIX, 0, 1, &fd);
	pid = fork();
	if (!pid) {
		uint64_t kicks;

		/* Not to stay behind when the test fails. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (read(bypass_loop_kick_fd(f.slice), &kicks, sizeof(kicks)) > 0)
			bypass_loop_poll(f.slice, 8);
		_exit(1);
	}
	for (unsigned int i = 0; i < 100; i++) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		uint64_t one = 1;

		post(&f, &(struct bypass_loop_entry){.flags = BYPASS_LOOP_INTERRUPT, .length = 8});
		assert_int_equal(write(bypass_loop_kick_fd(f.slice), &one, sizeof(one)), 8);
		assert_int_equal(poll(&pollfd, 1, 10000), 1);
		assert_int_equal(taken(fd), 1);
		assert_int_equal(completion(&f)->status, 0);
	}
	assert_int_equal(f.slice->ops->interrupts(f.slice), 100);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	bypass_slice_close(f.slice);
	close(fd);
}

static uint32_t config_word(struct fixture *f, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	assert_int_equal(f->slice->ops->config_read(f->slice, offset, &value, size), 0);
	return value;
}

static void test_config_space(void **state)
{
	const uint32_t ones = UINT32_MAX;
	struct fixture f;
	uint32_t cap;

	(void)state;
	open_polled(&f);
	assert_int_equal(config_word(&f, PCI_VENDOR_ID, 2), BYPASS_LOOP_VENDOR);
	assert_int_equal(config_word(&f, PCI_DEVICE_ID, 2), BYPASS_LOOP_DEVICE);
	cap = config_word(&f, PCI_CAPABILITY_LIST, 1);
	assert_int_equal(config_word(&f, cap, 1), PCI_CAP_ID_MSIX);
	assert_int_equal(config_word(&f, cap + PCI_MSIX_TABLE, 4) & PCI_MSIX_TABLE_BIR,
			 BYPASS_LOOP_DOORBELL_BAR);
	for (uint32_t offset = 0; offset < f.slice->config_size; offset += 4)
		assert_int_equal(f.slice->ops->config_write(f.slice, offset, &ones, 4), 0);
	assert_int_equal(config_word(&f, PCI_VENDOR_ID, 2), BYPASS_LOOP_VENDOR);
	assert_int_equal(config_word(&f, PCI_COMMAND, 2), 0xffff);
	assert_int_equal(config_word(&f, cap, 1), PCI_CAP_ID_MSIX);
	assert_int_equal(f.slice->ops->reset(f.slice), 0);
	assert_int_equal(config_word(&f, PCI_COMMAND, 2), 0);
	bypass_slice_close(f.slice);
}

static void test_bad_config(void **state)
{
	struct bypass_loop_config config = {.name = "test", .serve = serve};
	static const uint32_t bad[] = {0, 3, 17, 1u << 15, UINT32_MAX};
	struct bypass_slice *slice;

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		config.entries = bad[i];
		assert_int_equal(bypass_loop_open(&config, &slice), -EINVAL);
	}
	config.entries = 1;
	config.data_size = UINT64_MAX;
	assert_int_equal(bypass_loop_open(&config, &slice), -EINVAL);
	config.data_size = 0;
	assert_int_equal(bypass_loop_open(&config, &slice), 0);
	bypass_slice_close(slice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inline),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_in_data),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_header_is_not_believed),
		cmocka_unit_test(test_serve_fails),
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_dead),
		cmocka_unit_test(test_window_file),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_bus_master),
		cmocka_unit_test(test_trap),
		cmocka_unit_test(test_guest_memory),
		cmocka_unit_test(test_memlock),
		cmocka_unit_test(test_served_by_a_process),
		cmocka_unit_test(test_config_space),
		cmocka_unit_test(test_bad_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
