// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Events for the VMM: those of its slices, and the remarks of this folder. One epoll
 * descriptor covers all of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

static int watch(struct bypass_vm *vm, int fd)
{
	struct epoll_event readable = {.events = EPOLLIN};

	return epoll_ctl(vm->events.poll_fd, EPOLL_CTL_ADD, fd, &readable);
}

int vm_events_open(struct bypass_vm *vm)
{
	struct events *e = &vm->events;
	int err;

	e->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	e->remark_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->poll_fd >= 0 && e->remark_fd >= 0 && !watch(vm, e->remark_fd))
		return 0;
	err = bypass_fail(errno, "no descriptor for the VM's events: %s", strerror(errno));
	vm_events_close(vm);
	return err;
}

void vm_events_close(struct bypass_vm *vm)
{
	struct events *e = &vm->events;

	if (e->poll_fd >= 0)
		close(e->poll_fd);
	if (e->remark_fd >= 0)
		close(e->remark_fd);
}

/* From now on the slice's events are the VM's. */
int vm_events_add(struct function *fn)
{
	int fd = fn->slice->event_fd;

	if (fd >= 0 && watch(fn->vm, fd))
		return bypass_fail(errno, "the events of %s cannot be waited for: %s",
				   fn->slice->name, strerror(errno));
	return 0;
}

static void drop(struct events *e, unsigned int i)
{
	eventfd_t value;

	memmove(&e->remarks[i], &e->remarks[i + 1], (--e->n - i) * sizeof(e->remarks[0]));
	if (!e->n)
		eventfd_read(e->remark_fd, &value);
}

void vm_events_remove(struct function *fn)
{
	struct events *e = &fn->vm->events;

	if (fn->slice->event_fd >= 0)
		epoll_ctl(e->poll_fd, EPOLL_CTL_DEL, fn->slice->event_fd, NULL);
	for (unsigned int i = e->n; i--;)
		if (e->remarks[i].slice == fn->slice)
			drop(e, i);
}

/* When the queue is full, the remark goes to the log alone. */
void vm_events_remark(struct function *fn, const char *text)
{
	struct events *e = &fn->vm->events;
	struct bypass_vm_event *event = &e->remarks[e->n];

	if (e->n == EVENTS_MAX)
		return;
	event->slice = fn->slice;
	event->what.kind = BYPASS_EVENT_REMARK;
	snprintf(event->what.text, sizeof(event->what.text), "%s", text);
	if (!e->n++)
		eventfd_write(e->remark_fd, 1);
}

/* Events of slices come first: they ask the VMM to act. */
static bool take(struct bypass_vm *vm, struct bypass_vm_event *event)
{
	struct events *e = &vm->events;

	for (unsigned int i = 0; i < vm->n_functions; i++) {
		struct bypass_slice *slice = vm->functions[i]->slice;

		if (slice->event_fd < 0 || slice->ops->event(slice, &event->what) != 1)
			continue;
		event->slice = slice;
		return true;
	}
	if (!e->n)
		return false;
	*event = e->remarks[0];
	drop(e, 0);
	return true;
}

int bypass_vm_event_fd(const struct bypass_vm *vm)
{
	return vm->events.poll_fd;
}

bool bypass_vm_event(struct bypass_vm *vm, struct bypass_vm_event *event)
{
	bool taken;

	pthread_mutex_lock(&vm->lock);
	taken = take(vm, event);
	pthread_mutex_unlock(&vm->lock);
	return taken;
}
