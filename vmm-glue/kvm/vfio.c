// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The KVM-VFIO device tells KVM which VFIO groups or devices the VM has. KVM needs that to
 * handle their DMA without snooping.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/log.h>

#include "machine.h"

/*
 * KVM_DEV_VFIO_FILE and its FILE_ADD and FILE_DEL are newer names for these three
 * numbers: a kernel that knows them takes a device's cdev here too.
 */
static int vfio_attr(struct glue_machine *m, uint64_t attr, int file)
{
	struct kvm_device_attr a = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = attr,
		.addr = (uintptr_t)&file,
	};

	return ioctl(m->vfio, KVM_SET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

/* A failure is logged only: the VM merely loses the coherence of no-snoop DMA. */
void glue_vfio_add(struct glue_machine *m, int file)
{
	struct kvm_create_device create = {.type = KVM_DEV_TYPE_VFIO};
	int err;

	if (m->vfio < 0) {
		if (ioctl(m->fd, KVM_CREATE_DEVICE, &create) < 0) {
			bypass_log(BYPASS_LOG_WARN, "KVM cannot be told of VFIO descriptor %d: %s",
				   file,
				   errno == EBUSY || errno == EEXIST ? "the VMM has made the VM's "
								       "KVM-VFIO device: give its "
								       "descriptor to vmm-glue as "
								       "kvm_vfio_fd"
								     : strerror(errno));
			return;
		}
		m->vfio = create.fd;
	}
	err = vfio_attr(m, KVM_DEV_VFIO_GROUP_ADD, file);
	/* Two functions of one group share it. */
	if (err && err != -EEXIST)
		bypass_log(BYPASS_LOG_WARN, "KVM does not take VFIO descriptor %d: %s", file,
			   strerror(-err));
}

void glue_vfio_del(struct glue_machine *m, int file)
{
	if (m->vfio >= 0)
		vfio_attr(m, KVM_DEV_VFIO_GROUP_DEL, file);
}
