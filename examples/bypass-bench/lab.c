// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sets up both sides on the same devices, and does jobs.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bypass/error.h>

#include "lab.h"
#include "machine.h"

#define TIMEOUT_S    5
#define HALT_POLL_NS 200000 /* as Linux's haltpoll governor has it */
#define DATA_SIZE    (31u << 20)

const char *const bench_path_names[BENCH_PATHS] = {
	[BENCH_LINES] = "lines",       [BENCH_BYPASS] = "bypass", [BENCH_HALT] = "halt",
	[BENCH_HALTPOLL] = "haltpoll", [BENCH_KICK] = "kick",	  [BENCH_EXIT] = "exit",
	[BENCH_VIRTQ] = "virtq",       [BENCH_WRITE] = "write",
};

/* Indices of bench_lab.slices. */
enum { RING, TRAP, NATIVE_RING, NATIVE_TRAP, SLICES };

bool bench_lab_can(const struct bench_lab *lab, enum bench_path path)
{
	return lab->requester_cpu != lab->device_cpu || path == BENCH_KICK || path == BENCH_EXIT;
}

static int open_slices(struct bench_lab *lab)
{
	static const char *const names[SLICES] = {"ring", "trap", "native ring", "native trap"};

	for (unsigned int i = 0; i < SLICES; i++) {
		struct bypass_loop_config config = {
			.name = names[i],
			.entries = BENCH_ENTRIES,
			.data_size = DATA_SIZE,
			.trap = i == TRAP || i == NATIVE_TRAP,
			.serve = bench_echo,
			.opaque = &lab->echo,
		};
		int ret = bypass_loop_open(&config, &lab->slices[i]);

		if (ret)
			return ret;
	}
	return 0;
}

/* A path that both sides poll has one device for both: the same memory, the same lines. */
static int open_native(struct bench_lab *lab)
{
	struct bench_native *native = &lab->native;
	const uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	struct bench_side *side = &native->side;
	static const uint8_t of_path[BENCH_PATHS] = {
		[BENCH_BYPASS] = RING,		[BENCH_HALT] = NATIVE_RING,
		[BENCH_HALTPOLL] = NATIVE_RING, [BENCH_KICK] = NATIVE_RING,
		[BENCH_EXIT] = NATIVE_TRAP,
	};

	native->ring = lab->slices[NATIVE_RING];
	native->trap = lab->slices[NATIVE_TRAP];
	native->vector = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	side->source = mmap(NULL, 2 * BENCH_MAX_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (native->vector < 0 || side->source == MAP_FAILED)
		return bypass_fail(errno, "the native side cannot be set up: %s", strerror(errno));
	side->sink = side->source + BENCH_MAX_SIZE;
	side->ram = lab->ram.hva;
	side->own = native;
	for (unsigned int path = 0; path < BENCH_PATHS; path++)
		if (path != BENCH_LINES && path != BENCH_VIRTQ && path != BENCH_WRITE)
			bench_ring_init(&side->ring[path],
					lab->slices[of_path[path]]->bars[0].windows[0].hva);
	bench_lines_init(side, &side->ring[BENCH_BYPASS]);
	bench_virtqueue_init(side, lab->ram.hva);
	if (native->ring->ops->config_write(native->ring, PCI_COMMAND, &command, sizeof(command)))
		return -EIO;
	return native->ring->ops->vectors(native->ring, BYPASS_IRQ_MSIX, 0, 1, &native->vector);
}

static int connect_link(struct bench_lab *lab)
{
	int ret = bench_link_connect(&lab->link, &lab->ram);

	lab->native.side.doorbell = lab->link.doorbell;
	return ret;
}

int bench_lab_open(struct bench_lab *lab)
{
	int ret;

	memset(lab, 0, sizeof(*lab));
	lab->native.vector = -1;
	lab->timeout_s = TIMEOUT_S;
	sched_getaffinity(0, sizeof(lab->allowed), &lab->allowed);
	bench_machine_cpus(&lab->requester_cpu, &lab->device_cpu);
	bench_machine_pin(lab->requester_cpu);
	bench_machine_clock(&lab->cycle_ns, &lab->tick);
	ret = bench_ram_alloc(&lab->ram);
	if (ret)
		return ret;
	ret = open_slices(lab);
	if (!ret)
		ret = open_native(lab);
	if (!ret)
		ret = bench_link_open(&lab->link, &lab->ram);
	if (!ret)
		ret = connect_link(lab);
	if (!ret) {
		lab->virtq = (struct bench_virtq_device){
			.virtq = lab->native.side.queue.virtq,
			.ram = lab->ram.hva,
			.ram_size = BENCH_RAM,
			.echo = &lab->echo,
		};
		lab->virtq.virtq->used.flags = VIRTQ_USED_F_NO_NOTIFY;
		ret = bench_server_start(&lab->server, lab->device_cpu);
	}
	return ret;
}

int bench_lab_start_guest(struct bench_lab *lab)
{
	int ret = bench_vm_open(&lab->vm, &lab->ram, lab->slices[RING], lab->slices[TRAP],
				lab->link.slices[0]);

	if (ret)
		return ret;
	ret = connect_link(lab);
	if (!ret)
		ret = bench_vm_run(&lab->vm, lab->timeout_s);
	if (!ret && bench_ram_job(&lab->ram)->error)
		ret = bypass_fail(ENODEV, "the measuring guest does not find its devices");
	if (!ret)
		ret = bench_stats_open(&lab->stats, lab->vm.vcpu);
	lab->has_guest = !ret;
	if (!ret)
		return 0;
	bench_vm_close(&lab->vm);
	connect_link(lab);
	return ret;
}

void bench_lab_close(struct bench_lab *lab)
{
	if (lab->server.thread)
		bench_server_stop(&lab->server);
	if (lab->has_guest) {
		bench_stats_close(&lab->stats);
		bench_vm_close(&lab->vm);
	}
	for (unsigned int i = 0; i < SLICES; i++)
		bypass_slice_close(lab->slices[i]);
	bench_link_close(&lab->link);
	if (lab->native.vector >= 0)
		close(lab->native.vector);
	if (lab->native.side.source)
		munmap(lab->native.side.source, 2 * BENCH_MAX_SIZE);
	bench_ram_free(&lab->ram);
	sched_setaffinity(0, sizeof(lab->allowed), &lab->allowed);
}

static uint64_t resident(void *start, uint64_t size)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), bytes = 0;
	unsigned char *vector = calloc(1, size / page + 1);

	if (vector && !mincore(start, size, vector))
		for (uint64_t i = 0; i < size / page; i++)
			bytes += vector[i] & 1 ? page : 0;
	free(vector);
	return bytes;
}

static uint64_t stack_resident(pthread_t thread)
{
	pthread_attr_t attr;
	uint64_t bytes = 0;
	size_t size;
	void *start;

	if (pthread_getattr_np(thread, &attr))
		return 0;
	if (!pthread_attr_getstack(&attr, &start, &size))
		bytes = resident(start, size);
	pthread_attr_destroy(&attr);
	return bytes;
}

static struct bypass_slice *slice_for(const struct bench_lab *lab, enum bench_which which,
				      enum bench_path path)
{
	bool guest = which == BENCH_GUEST;

	if (path == BENCH_EXIT)
		return lab->slices[guest ? TRAP : NATIVE_TRAP];
	return lab->slices[guest || path == BENCH_BYPASS ? RING : NATIVE_RING];
}

uint64_t bench_lab_resident(const struct bench_lab *lab, enum bench_which which,
			    enum bench_path path)
{
	const struct bypass_window *window = slice_for(lab, which, path)->bars[0].windows;
	uint64_t stack = path == BENCH_EXIT ? 0 : stack_resident(lab->server.thread);

	if (path == BENCH_VIRTQ)
		return stack + resident(lab->ram.hva + BENCH_QUEUE, BENCH_RDMA - BENCH_QUEUE);
	if (path == BENCH_WRITE)
		return stack + resident(lab->ram.hva + BENCH_RDMA, BENCH_RAM - BENCH_RDMA);
	return stack + resident(window->hva, window->size);
}

static struct bench_target target_for(struct bench_lab *lab, enum bench_which which,
				      enum bench_path path)
{
	struct bench_target target = {
		.slice = slice_for(lab, which, path),
		.lines = {lab->native.side.lines[0], lab->native.side.lines[1]},
		.virtq = &lab->virtq,
		.link = &lab->link,
	};

	switch (path) {
	case BENCH_LINES:
		target.serving = BENCH_POLL_LINES;
		break;
	case BENCH_BYPASS:
	case BENCH_HALT:
	case BENCH_HALTPOLL:
		target.serving = BENCH_POLL_RING;
		break;
	case BENCH_KICK:
		target.serving = BENCH_SLEEP_RING;
		break;
	case BENCH_VIRTQ:
		target.serving = BENCH_POLL_VIRTQ;
		break;
	case BENCH_WRITE:
		target.serving = BENCH_POLL_LINK;
		break;
	default:
		target.serving = BENCH_IDLE;
	}
	return target;
}

static uint32_t *number_for(struct bench_lab *lab, enum bench_which which, enum bench_path path)
{
	bool guest = which == BENCH_GUEST;

	switch (path) {
	case BENCH_LINES:
		return &lab->next[BENCH_OF_LINES];
	case BENCH_BYPASS:
		return &lab->next[BENCH_OF_RING];
	case BENCH_VIRTQ:
		return &lab->next[BENCH_OF_VIRTQ];
	case BENCH_WRITE:
		return &lab->next[BENCH_OF_WRITE];
	case BENCH_EXIT:
		return &lab->next[guest ? BENCH_OF_TRAP : BENCH_OF_NATIVE_TRAP];
	default:
		return &lab->next[guest ? BENCH_OF_RING : BENCH_OF_NATIVE_RING];
	}
}

static uint64_t kernel_time(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_stime.tv_sec * 1000000000u +
	       (uint64_t)usage.ru_stime.tv_usec * 1000u;
}

static void take_cost(const struct bench_lab *lab, enum bench_which which, struct bench_cost *cost)
{
	cost->server_ns = bench_server_cpu(&lab->server);
	cost->kernel_ns = kernel_time();
	cost->user_exits = lab->vm.exits;
	if (which == BENCH_GUEST)
		bench_stats_read(&lab->stats, &cost->counters);
}

static void cost_since(const struct bench_lab *lab, enum bench_which which,
		       const struct bench_cost *before, struct bench_cost *cost)
{
	take_cost(lab, which, cost);
	cost->server_ns -= before->server_ns;
	cost->kernel_ns -= before->kernel_ns;
	cost->user_exits -= before->user_exits;
	if (which != BENCH_GUEST)
		return;
	for (unsigned int i = 0; i < BENCH_COUNTERS; i++)
		cost->counters.value[i] -= before->counters.value[i];
	cost->user_exits--; /* the job's end */
	cost->counters.value[BENCH_EXITS]--;
	if (cost->counters.value[BENCH_IO_EXITS]) /* not every KVM counts it there */
		cost->counters.value[BENCH_IO_EXITS]--;
}

static int job_failed(const struct bench_lab *lab, enum bench_which which,
		      const struct bench_job *job)
{
	static const char *const reasons[] = {
		[BENCH_TIMEOUT] = "no completion came in time: its device does not answer",
		[BENCH_DEAD] = "its device has ended",
		[BENCH_REFUSED] = "the device refused a request",
		[BENCH_CORRUPT] = "a payload came back wrong",
		[BENCH_NO_DEVICE] = "no device",
	};

	if (!job->error && lab->echo.corrupt)
		return bypass_fail(EIO,
				   "path %s, %u bytes: the device got %llu payloads that were "
				   "wrong",
				   bench_path_names[job->path], job->size,
				   (unsigned long long)lab->echo.corrupt);
	if (!job->error)
		return 0;
	return bypass_fail(EIO, "path %s, %u bytes, %s: after %llu operations: %s",
			   bench_path_names[job->path], job->size,
			   which == BENCH_GUEST ? "guest" : "native", (unsigned long long)job->done,
			   job->error < sizeof(reasons) / sizeof(*reasons) ? reasons[job->error]
									   : "unknown error");
}

const struct bench_job *bench_lab_run(struct bench_lab *lab, enum bench_which which,
				      const struct bench_job *wanted, struct bench_cost *cost)
{
	struct bench_job *job = which == BENCH_GUEST ? bench_ram_job(&lab->ram) : &lab->native_job;
	uint32_t *next = number_for(lab, which, wanted->path);
	struct bench_target target = target_for(lab, which, wanted->path);
	struct bench_cost before;
	int ret = 0;

	job->path = wanted->path;
	job->size = wanted->size;
	job->depth = wanted->depth;
	job->check = wanted->check;
	job->warmup = wanted->warmup;
	job->operations = wanted->operations;
	job->timeout = (uint64_t)(lab->timeout_s * 1e9 / lab->cycle_ns);
	job->halt_poll = (uint64_t)(HALT_POLL_NS / lab->cycle_ns);
	job->next = *next;

	bench_server_serve(&lab->server, &(struct bench_target){.serving = BENCH_IDLE});
	lab->echo.check = wanted->check;
	bench_server_serve(&lab->server, &target);
	take_cost(lab, which, &before);
	if (which == BENCH_GUEST)
		ret = bench_vm_run(&lab->vm, lab->timeout_s + 1);
	else
		bench_measure(&lab->native.side, job);
	cost_since(lab, which, &before, cost);
	if (ret || job_failed(lab, which, job))
		return NULL;
	*next = job->next;
	return job;
}
