/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Differences between the kernels that the module builds on: 6.1 and newer. Kbuild looks
 * into the headers and defines HAVE_…, which this file alone uses.
 */
#ifndef BYPASS_COMPAT_H
#define BYPASS_COMPAT_H

#include <linux/mm.h>
#include <linux/virtio_config.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>
#include <rdma/uverbs_ioctl.h>

#ifndef HAVE_VIRTQUEUE_INFO
/* Until 6.11 names and callbacks went in arrays of their own. */
struct virtqueue_info {
	const char *name;
	vq_callback_t *callback;
};

static inline int bypass_find_vqs(struct virtio_device *vdev, unsigned int count,
				  struct virtqueue *vqs[], struct virtqueue_info info[])
{
	vq_callback_t **callbacks = kcalloc(count, sizeof(*callbacks), GFP_KERNEL);
	const char **names = kcalloc(count, sizeof(*names), GFP_KERNEL);
	int err = -ENOMEM;

	if (callbacks && names) {
		for (unsigned int i = 0; i < count; i++) {
			callbacks[i] = info[i].callback;
			names[i] = info[i].name;
		}
		err = virtio_find_vqs(vdev, count, vqs, callbacks, names, NULL);
	}
	kfree(names);
	kfree(callbacks);
	return err;
}
#else
static inline int bypass_find_vqs(struct virtio_device *vdev, unsigned int count,
				  struct virtqueue *vqs[], struct virtqueue_info info[])
{
	return virtio_find_vqs(vdev, count, vqs, info, NULL);
}
#endif

/* Newer kernels call the virtio driver at shutdown, older ones the device driver in it. */
#ifdef HAVE_VIRTIO_DRIVER_SHUTDOWN
#define BYPASS_SHUTDOWN		       shutdown
#define BYPASS_SHUTDOWN_DEVICE	       struct virtio_device
#define bypass_shutdown_virtio(device) (device)
#else
#define BYPASS_SHUTDOWN		       driver.shutdown
#define BYPASS_SHUTDOWN_DEVICE	       struct device
#define bypass_shutdown_virtio(device) dev_to_virtio(device)
#endif

#ifndef HAVE_VM_FLAGS_CLEAR
static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#ifndef HAVE_IB_UMEM_GET_VA
#define ib_umem_get_va ib_umem_get
#endif

/* Newer kernels give reg_user_mr a TPH handle, which no slice supports. */
#ifdef HAVE_REG_USER_MR_DMAH
#define BYPASS_DMAH_PARAMETER struct ib_dmah *dmah,
#define BYPASS_DMAH_GIVEN     (dmah)
#else
#define BYPASS_DMAH_PARAMETER
#define BYPASS_DMAH_GIVEN false
#endif

#ifdef HAVE_CREATE_CQ_ATTRS
#define BYPASS_CQ_ATTRS	       struct uverbs_attr_bundle
#define bypass_cq_udata(attrs) (&(attrs)->driver_udata)
#else
#define BYPASS_CQ_ATTRS	       struct ib_udata
#define bypass_cq_udata(attrs) (attrs)
#endif

#ifndef HAVE_CREATE_USER_CQ
#define create_user_cq create_cq
#endif

#ifdef HAVE_RESIZE_USER_CQ
#define BYPASS_CQE unsigned int
#else
#define BYPASS_CQE     int
#define resize_user_cq resize_cq
#endif

#endif
