// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the kernel tells of a device by eventfd: that the host wants the device back, and
 * that it failed (VFIO_PCI_REQ_IRQ_INDEX and VFIO_PCI_ERR_IRQ_INDEX of linux/vfio.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/event.h>
#include <bypass/log.h>

#include "internal.h"

static int fail_events(const struct bypass_vfio *device)
{
	return bypass_fail(errno, "no descriptor for the events of %s: %s", device->address,
			   strerror(errno));
}

/* An eventfd in the set. Stays -1 for what this device does not tell. */
static int event_open(struct bypass_vfio *device, unsigned int index, int *fd)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};
	struct epoll_event wait = {.events = EPOLLIN};

	/* A device of plain PCI has no errors to report, and an old kernel no requests. */
	if (ioctl(device->iommu_device.fd, VFIO_DEVICE_GET_IRQ_INFO, &info) || !info.count)
		return 0;
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0 || epoll_ctl(device->events.set, EPOLL_CTL_ADD, *fd, &wait))
		return fail_events(device);
	if (irqs_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 1, fd) < 0)
		return bypass_fail(errno, "cannot connect the events of %s: %s", device->address,
				   strerror(errno));
	return 0;
}

int vfio_events_open(struct bypass_vfio *device)
{
	int err;

	device->events.set = epoll_create1(EPOLL_CLOEXEC);
	if (device->events.set < 0)
		return fail_events(device);
	err = event_open(device, VFIO_PCI_REQ_IRQ_INDEX, &device->events.request);
	return err ? err : event_open(device, VFIO_PCI_ERR_IRQ_INDEX, &device->events.error);
}

void vfio_events_close(struct bypass_vfio *device)
{
	const int fds[] = {device->events.request, device->events.error, device->events.set};

	for (unsigned int i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int bypass_vfio_event_fd(const struct bypass_vfio *device)
{
	return device->events.set;
}

static bool signalled(int fd)
{
	uint64_t count;

	return fd >= 0 && read(fd, &count, sizeof(count)) == sizeof(count);
}

int bypass_vfio_event(struct bypass_vfio *device, struct bypass_event *event)
{
	if (signalled(device->events.error)) {
		event->kind = BYPASS_EVENT_DEAD;
		snprintf(event->text, sizeof(event->text),
			 "%s has failed: the PCI bus reported an error that it does not recover "
			 "from. 'dmesg' on the host has the details",
			 device->address);
		return 1;
	}
	if (signalled(device->events.request)) {
		event->kind = BYPASS_EVENT_UNPLUG;
		snprintf(event->text, sizeof(event->text),
			 "the host wants %s back: the function, or the driver of its PF, is being "
			 "removed. That waits until this process (%d) closes it",
			 device->address, (int)getpid());
		return 1;
	}
	return 0;
}
