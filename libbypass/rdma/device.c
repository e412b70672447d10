// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The slice as a virtio device: what its transport calls, and the control thread, which
 * waits for the driver's kicks and for the HCA's events.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/memory.h>

#include "internal.h"

/* What the control thread waits for: queues by their index, and … */
enum source {
	SOURCE_CHANNEL = 0x1000, /* + vector */
	SOURCE_ASYNC = 0x2000,
	SOURCE_REMOVAL,
	SOURCE_CM,
	SOURCE_WAKE,
};

/* The transport goes first: a busy guest must not keep the control thread on the lock. */
static void enter(struct rdma_slice *s)
{
	atomic_fetch_add(&s->callers, 1);
	pthread_mutex_lock(&s->lock);
	atomic_fetch_sub(&s->callers, 1);
}

static void leave(struct rdma_slice *s)
{
	pthread_mutex_unlock(&s->lock);
}

/*
 * Edges for what is not read empty here: a kick is as good as its wake-up, and an event
 * for which the guest has no buffer must not wake us again.
 */
static int watch(struct rdma_slice *s, int fd, uint32_t events, uint32_t source)
{
	struct epoll_event event = {.events = events, .data.u32 = source};

	if (fd < 0 || !epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return 0;
	return bypass_fail(errno, "%s: cannot wait for descriptor %d: %m", s->dev.name, fd);
}

static void drain_control(struct rdma_slice *s)
{
	int n;

	do {
		n = rdma_control_serve(s);
		if (!atomic_load(&s->callers))
			continue;
		leave(s);
		while (atomic_load(&s->callers))
			sched_yield();
		pthread_mutex_lock(&s->lock);
	} while (n == 1 && !atomic_load(&s->control_stops));
	/* A command may have read events, and nothing else tells of those any more. */
	if (s->events_waiting || s->hca_state == RDMA_HCA_LOST)
		rdma_events_deliver(s);
	if (n >= 0)
		return;
	rdma_remark(s, "%s; the guest has to reset the device", bypass_error());
	if (s->carrier && s->carrier->needs_reset)
		s->carrier->needs_reset(s->transport);
}

static void handle_kick(struct rdma_slice *s, unsigned int index)
{
	/* It may have been stopped since the kick. */
	if (!bypass_virtqueue_started(&s->queues[index]))
		return;
	if (index == BYPASS_RDMA_QUEUE_CONTROL)
		drain_control(s);
	else if (index == BYPASS_RDMA_QUEUE_EVENT)
		rdma_events_deliver(s);
	else
		rdma_completions_deliver(s, index - BYPASS_RDMA_QUEUE_VECTOR);
}

/* Something vanished from the directory of device nodes: is it ours? */
static void check_removal(struct rdma_slice *s)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n = read(s->removal_fd, buffer, sizeof(buffer));

	for (ssize_t at = 0; at < n; at += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)(buffer + at);
		if (event->len && !strcmp(event->name, s->hca.node) &&
		    s->hca_state == RDMA_HCA_WORKS)
			rdma_lost(s);
	}
}

/* While the control thread runs, that thread sees to the HCA's removal; else nobody but us. */
static int rdma_event(struct bypass_virtio_device *dev, struct bypass_event *event)
{
	struct rdma_slice *s = rdma_slice(dev);
	eventfd_t value;
	bool lost;

	enter(s);
	if (!s->control_runs)
		check_removal(s);
	eventfd_read(s->lost_fd, &value);
	lost = s->lost_event;
	s->lost_event = false;
	leave(s);
	if (!lost)
		return 0;
	event->kind = BYPASS_EVENT_DEAD;
	snprintf(event->text, sizeof(event->text),
		 "%s was removed from the host: unplug the slice, and open another when the HCA "
		 "is back",
		 dev->name);
	return 1;
}

/* A driver that does not know of connections is not told of their events. */
static void cm_event(struct rdma_slice *s)
{
	if (!(s->features & 1ull << BYPASS_RDMA_F_CM))
		return;
	rdma_pending_event(s, BYPASS_RDMA_EVENT_CM, 0);
	rdma_events_deliver(s);
}

/* The thread shall stop, or the memory map has changed. */
static void look_around(struct rdma_slice *s)
{
	eventfd_t value;

	eventfd_read(s->control_wake_fd, &value);
	rdma_owner_renew(s);
}

static void handle_source(struct rdma_slice *s, uint32_t source)
{
	if (source < RDMA_QUEUES_MAX)
		handle_kick(s, source);
	else if (source == SOURCE_ASYNC)
		rdma_events_deliver(s);
	else if (source == SOURCE_REMOVAL)
		check_removal(s);
	else if (source == SOURCE_CM)
		cm_event(s);
	else if (source == SOURCE_WAKE)
		look_around(s);
	else
		rdma_completions_deliver(s, source - SOURCE_CHANNEL);
}

static void *control_thread(void *opaque)
{
	struct rdma_slice *s = opaque;
	struct epoll_event events[16];
	int n;

	pthread_setname_np(pthread_self(), "bypass-control");
	if (rdma_owner_begin(&s->owner))
		bypass_log(BYPASS_LOG_WARN,
			   "%s: %s: the guest learns late that its service has ended", s->dev.name,
			   bypass_error());
	while (!atomic_load(&s->control_stops)) {
		n = epoll_wait(s->epoll_fd, events, sizeof(events) / sizeof(events[0]), -1);
		pthread_mutex_lock(&s->lock);
		for (int i = 0; i < n; i++)
			handle_source(s, events[i].data.u32);
		leave(s);
	}
	rdma_owner_leave(s);
	return NULL;
}

static void unwatch(struct rdma_slice *s, int fd)
{
	if (fd >= 0)
		epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void unwatch_sources(struct rdma_slice *s)
{
	unwatch(s, s->control_wake_fd);
	unwatch(s, s->hca.async_fd);
	unwatch(s, s->removal_fd);
	unwatch(s, s->hca.cm_fd);
	for (unsigned int v = 0; v < s->options.vectors; v++)
		unwatch(s, s->channels[v]);
}

static int start_control(struct rdma_slice *s)
{
	sigset_t all, old;
	int err = 0;

	err = watch(s, s->control_wake_fd, EPOLLIN, SOURCE_WAKE);
	if (!err)
		err = watch(s, s->hca.async_fd, EPOLLIN | EPOLLET, SOURCE_ASYNC);
	if (!err)
		err = watch(s, s->removal_fd, EPOLLIN, SOURCE_REMOVAL);
	if (!err)
		err = watch(s, s->hca.cm_fd, EPOLLIN | EPOLLET, SOURCE_CM);
	for (unsigned int v = 0; v < s->options.vectors && !err; v++)
		err = watch(s, s->channels[v], EPOLLIN | EPOLLET, SOURCE_CHANNEL + v);
	if (err)
		goto fail;
	atomic_store(&s->control_stops, false);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&s->control_thread, NULL, control_thread, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err) {
		s->control_runs = true;
		return 0;
	}
	err = bypass_fail(err, "cannot start the control thread of %s: %s", s->dev.name,
			  strerror(err));
fail:
	unwatch_sources(s);
	return err;
}

static void stop_control(struct rdma_slice *s)
{
	if (s->control_runs) {
		atomic_store(&s->control_stops, true);
		eventfd_write(s->control_wake_fd, 1);
		pthread_join(s->control_thread, NULL);
		s->control_runs = false;
	}
	unwatch_sources(s);
}

static int rdma_attach(struct bypass_virtio_device *dev,
		       const struct bypass_virtio_carrier *carrier, void *transport)
{
	struct rdma_slice *s = rdma_slice(dev);

	if (s->pages.n && carrier && carrier->shm_map)
		return bypass_fail(EINVAL, "%s was opened for a carrier that maps windows once",
				   dev->name);
	enter(s);
	s->carrier = carrier;
	s->transport = transport;
	leave(s);
	return 0;
}

/* The caller's map may change under it: the slice has a copy of its own. */
static struct bypass_memory *copy_map(const struct bypass_memory *mem)
{
	struct bypass_memory *copy = bypass_memory_new();
	const struct bypass_memory_range *ranges;
	unsigned int n = 0;

	if (!copy || !mem)
		return copy;
	ranges = bypass_memory_ranges(mem, &n);
	for (unsigned int i = 0; i < n; i++) {
		if (bypass_memory_add(copy, &ranges[i])) {
			bypass_memory_free(copy);
			return NULL;
		}
	}
	return copy;
}

/* The first range of guest RAM without a file, or NULL. */
static const struct bypass_memory_range *without_file(const struct bypass_memory *mem)
{
	const struct bypass_memory_range *ranges;
	unsigned int n = 0;

	ranges = mem ? bypass_memory_ranges(mem, &n) : NULL;
	for (unsigned int i = 0; i < n; i++)
		if (ranges[i].fd < 0)
			return &ranges[i];
	return NULL;
}

/*
 * A buffer of several pieces is registered by mapping the pieces of the guest's file side by
 * side. The VMM hears now that this cannot be done, not the guest at each registration. A guest
 * that uses the one region of all RAM may do without registrations.
 */
static int check_files(struct rdma_slice *s, const struct bypass_memory *mem)
{
	const struct bypass_memory_range *range = without_file(mem);

	if (!range)
		return 0;
	if (!s->options.all_ram)
		return bypass_fail(EINVAL,
				   "%s needs guest RAM with a file behind it, and the RAM at %#llx "
				   "has none (fd is -1): map it from a memfd",
				   s->dev.name, (unsigned long long)range->gpa);
	bypass_log(BYPASS_LOG_WARN,
		   "%s: the guest RAM at %#llx has no file behind it (fd is -1): the guest can use "
		   "all-ram, and cannot register scattered buffers; map the RAM from a memfd",
		   s->dev.name, (unsigned long long)range->gpa);
	return 0;
}

static void warn_of_huge_pages(const struct rdma_slice *s, uint64_t page)
{
	const char *what = s->udmabuf.fd < 0 ? "register buffers" : "have queues";

	bypass_log(BYPASS_LOG_WARN,
		   "%s: guest RAM is made of huge pages of %llu KiB (hugetlb): the guest cannot %s "
		   "that "
		   "are scattered over parts of them (EINVAL); let programs in the guest use huge "
		   "pages, "
		   "or back RAM by ordinary memory",
		   s->dev.name, (unsigned long long)page >> 10, what);
}

static int rdma_set_memory(struct bypass_virtio_device *dev, const struct bypass_memory *mem)
{
	struct rdma_slice *s = rdma_slice(dev);
	struct bypass_memory *new, *old;
	uint64_t page, old_page;
	int err = check_files(s, mem);

	if (err)
		return err;
	new = copy_map(mem);
	if (!new)
		return bypass_fail(ENOMEM, "no memory for a memory map");
	page = rdma_ram_page(new);
	/* Not with lock: a command may hold it while it waits for the VMM that calls us. */
	pthread_mutex_lock(&s->pin_lock);
	pthread_rwlock_wrlock(&s->memory_lock);
	old = s->memory;
	s->memory = new;
	old_page = s->ram_page;
	s->ram_page = page;
	pthread_rwlock_unlock(&s->memory_lock);
	pthread_mutex_unlock(&s->pin_lock);
	/* The doorbell area and the owner's word may lie elsewhere. */
	eventfd_write(s->doorbell_wake_fd, 1);
	eventfd_write(s->control_wake_fd, 1);
	bypass_memory_free(old);
	if (page > RDMA_PAGE && page != old_page)
		warn_of_huge_pages(s, page);
	return 0;
}

static int rdma_accept(struct bypass_virtio_device *dev, uint64_t features)
{
	struct rdma_slice *s = rdma_slice(dev);
	uint64_t needed = 1ull << 32; /* VIRTIO_F_VERSION_1 */

	if (s->dialect->doorbell)
		needed |= 1ull << BYPASS_RDMA_F_DOORBELL;
	if (s->dialect->user_queues)
		needed |= 1ull << BYPASS_RDMA_F_QUEUE_MEMORY;
	if ((features & ~dev->features) || (features & needed) != needed)
		return bypass_fail(EINVAL,
				   "the driver of %s accepts features %#llx of %#llx; it must "
				   "take %#llx",
				   dev->name, (unsigned long long)features,
				   (unsigned long long)dev->features, (unsigned long long)needed);
	enter(s);
	s->features = features;
	leave(s);
	return 0;
}

static void rdma_config_read(struct bypass_virtio_device *dev, uint32_t offset, void *data,
			     uint32_t size)
{
	memcpy(data, (const char *)&rdma_slice(dev)->config + offset, size);
}

static void rdma_config_write(struct bypass_virtio_device *dev, uint32_t offset, const void *data,
			      uint32_t size)
{
	/* Read-only. */
	(void)dev, (void)offset, (void)data, (void)size;
}

static void rdma_shm_read(struct bypass_virtio_device *dev, uint64_t offset, void *data,
			  uint32_t size)
{
	rdma_clock_read(rdma_slice(dev), offset, data, size);
}

static int start_doorbell(struct rdma_slice *s, int kick_fd)
{
	if (!s->dialect->doorbell || s->hca_state != RDMA_HCA_WORKS)
		return 0;
	s->doorbell_kick_fd = kick_fd;
	return rdma_doorbell_start(s);
}

static int stop_queue(struct rdma_slice *s, unsigned int index)
{
	if (index == BYPASS_RDMA_QUEUE_DOORBELL)
		rdma_doorbell_stop(s);
	else
		unwatch(s, s->queues[index].queue.kick_fd);
	return bypass_virtqueue_stop(&s->queues[index]);
}

static int rdma_queue_start(struct bypass_virtio_device *dev, unsigned int index,
			    const struct bypass_virtio_queue *queue)
{
	struct rdma_slice *s = rdma_slice(dev);
	int err;

	if (index >= dev->n_queues)
		return bypass_fail(EINVAL, "%s has no queue %u", dev->name, index);
	enter(s);
	if (bypass_virtqueue_started(&s->queues[index])) {
		err = bypass_fail(EBUSY, "queue %u of %s is started already", index, dev->name);
		goto out;
	}
	pthread_rwlock_rdlock(&s->memory_lock);
	err = s->memory
		      ? bypass_virtqueue_start(&s->queues[index], s->memory, queue, RDMA_QUEUE_SIZE)
		      : bypass_fail(EFAULT, "%s has no guest memory", dev->name);
	pthread_rwlock_unlock(&s->memory_lock);
	if (err)
		goto out;
	if (index == BYPASS_RDMA_QUEUE_DOORBELL)
		err = start_doorbell(s, queue->kick_fd);
	else
		err = watch(s, queue->kick_fd, EPOLLIN | EPOLLET, index);
	if (!err && !s->control_runs)
		err = start_control(s);
	if (err)
		stop_queue(s, index);
	else
		eventfd_write(queue->kick_fd, 1); /* for what may be in it already */
out:
	leave(s);
	return err;
}

static int rdma_queue_call(struct bypass_virtio_device *dev, unsigned int index, int fd)
{
	struct rdma_slice *s = rdma_slice(dev);

	if (index >= dev->n_queues)
		return bypass_fail(EINVAL, "%s has no queue %u", dev->name, index);
	/* Not with lock, as for the memory map. Whoever signals has memory_lock. */
	pthread_rwlock_wrlock(&s->memory_lock);
	s->queues[index].queue.call_fd = fd;
	pthread_rwlock_unlock(&s->memory_lock);
	return 0;
}

static int rdma_queue_stop(struct bypass_virtio_device *dev, unsigned int index)
{
	struct rdma_slice *s = rdma_slice(dev);
	int next = 0;

	if (index >= dev->n_queues)
		return bypass_fail(EINVAL, "%s has no queue %u", dev->name, index);
	enter(s);
	if (bypass_virtqueue_started(&s->queues[index]))
		next = stop_queue(s, index);
	leave(s);
	return next;
}

static void rdma_reset(struct bypass_virtio_device *dev)
{
	struct rdma_slice *s = rdma_slice(dev);

	for (unsigned int i = 0; i < dev->n_queues; i++)
		rdma_queue_stop(dev, i);
	stop_control(s);
	enter(s);
	s->resets = true;
	rdma_objects_destroy(s, RDMA_ALL);
	s->resets = false;
	for (uint32_t i = 0; i < s->tables[RDMA_UCONTEXT].size; i++) {
		if (!s->tables[RDMA_UCONTEXT].objects[i].live)
			continue;
		rdma_ucontext_end(s, i);
	}
	s->features = 0;
	if (s->hca_state == RDMA_HCA_TOLD)
		s->hca_state = RDMA_HCA_CLOSED;
	leave(s);
	pthread_rwlock_wrlock(&s->memory_lock);
	s->doorbell_gpa = s->owner_gpa = 0;
	pthread_rwlock_unlock(&s->memory_lock);
}

static uint64_t rdma_interrupts(struct bypass_virtio_device *dev)
{
	struct rdma_slice *s = rdma_slice(dev);
	uint64_t sum = 0;

	for (unsigned int i = 0; i < dev->n_queues; i++)
		sum += __atomic_load_n(&s->queues[i].interrupts, __ATOMIC_RELAXED);
	return sum;
}

static void rdma_close(struct bypass_virtio_device *dev)
{
	rdma_reset(dev);
	rdma_resources_free(rdma_slice(dev));
}

const struct bypass_virtio_ops rdma_virtio_ops = {
	.attach = rdma_attach,
	.set_memory = rdma_set_memory,
	.accept = rdma_accept,
	.config_read = rdma_config_read,
	.config_write = rdma_config_write,
	.shm_read = rdma_shm_read,
	.queue_start = rdma_queue_start,
	.queue_call = rdma_queue_call,
	.queue_stop = rdma_queue_stop,
	.reset = rdma_reset,
	.interrupts = rdma_interrupts,
	.event = rdma_event,
	.close = rdma_close,
};
