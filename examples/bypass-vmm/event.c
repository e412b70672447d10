// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What devices and vCPUs tell the main thread: power-off, reset, failure, or that input is there.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "internal.h"

/**
 * event_wake() - have the main thread look around
 * @vmm: the machine
 *
 * May be called from any thread.
 */
void event_wake(struct vmm *vmm)
{
	eventfd_write(vmm->wake_fd, 1);
}

/**
 * event_raise() - tell the main thread what has happened; the first to speak is heard
 * @vmm: the machine
 * @event: what
 *
 * May be called from any vCPU's thread.
 */
void event_raise(struct vmm *vmm, enum event event)
{
	enum event none = EVENT_NONE;

	atomic_compare_exchange_strong(&vmm->event, &none, event);
	event_wake(vmm);
}

/**
 * event_fail() - a vCPU cannot go on
 * @vmm: the machine
 * @fmt: why, for vmm.failure
 */
void event_fail(struct vmm *vmm, const char *fmt, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	va_list ap;

	pthread_mutex_lock(&lock);
	if (!vmm->failure[0]) {
		va_start(ap, fmt);
		vsnprintf(vmm->failure, sizeof(vmm->failure), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_unlock(&lock);
	event_raise(vmm, EVENT_FAILURE);
}
