// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the host says unasked: asynchronous events, and completions of armed queues. One lock
 * covers the lookup of an object by its handle and the call of its handler. An object that is
 * no longer in its table therefore gets no events.
 */
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "internal.h"

static int post(struct virtqueue *vq, void *buffer, size_t size)
{
	struct scatterlist sg;

	sg_init_one(&sg, buffer, size);
	return virtqueue_add_inbuf(vq, &sg, 1, buffer, GFP_ATOMIC);
}

static void complete_cq(struct bypass_dev *dev, u32 handle)
{
	struct bypass_object *object;
	unsigned long flags;

	xa_lock_irqsave(&dev->cqs.objects, flags);
	object = xa_load(&dev->cqs.objects, handle);
	if (object) {
		struct ib_cq *ibcq = &container_of(object, struct bypass_cq, object)->ibcq;

		if (ibcq->comp_handler)
			ibcq->comp_handler(ibcq, ibcq->cq_context);
	}
	xa_unlock_irqrestore(&dev->cqs.objects, flags);
}

void bypass_completion_arrived(struct virtqueue *vq)
{
	struct bypass_dev *dev = vq->vdev->priv;
	struct bypass_rdma_completion *message;
	u32 used;

	do {
		virtqueue_disable_cb(vq);
		while ((message = virtqueue_get_buf(vq, &used))) {
			if (used >= sizeof(*message))
				complete_cq(dev, le32_to_cpu(READ_ONCE(message->cq)));
			post(vq, message, sizeof(*message));
		}
		virtqueue_kick(vq);
	} while (!virtqueue_enable_cb(vq));
}

#define BYPASS_EVENT(type)                                                                         \
	static void type##_event(struct bypass_dev *dev, struct ib_event *event, u32 handle)       \
	{                                                                                          \
		struct bypass_object *object;                                                      \
		unsigned long flags;                                                               \
		xa_lock_irqsave(&dev->type##s.objects, flags);                                     \
		object = xa_load(&dev->type##s.objects, handle);                                   \
		if (object) {                                                                      \
			struct ib_##type *ib =                                                     \
				&container_of(object, struct bypass_##type, object)->ib##type;     \
			event->element.type = ib;                                                  \
			if (ib->event_handler)                                                     \
				ib->event_handler(event, ib->type##_context);                      \
		}                                                                                  \
		xa_unlock_irqrestore(&dev->type##s.objects, flags);                                \
	}
BYPASS_EVENT(cq)
BYPASS_EVENT(qp)
BYPASS_EVENT(srq)
#undef BYPASS_EVENT

/*
 * Upon this event the core fetches its table of GIDs, and tells nobody: an HCA of RoCE, it expects,
 * has told each change by itself. To the core, this device is none of RoCE. So programs hear of the
 * change from here, when the table is new.
 */
static void tell_gid_change(struct ib_event *event)
{
	struct ib_device *ibdev = event->device;
	struct ib_event_handler *handler;

	flush_workqueue(ib_wq);
	down_read(&ibdev->event_handler_rwsem);
	list_for_each_entry(handler, &ibdev->event_handler_list, list)
		handler->handler(handler, event);
	up_read(&ibdev->event_handler_rwsem);
}

/*
 * The core fetches the tables again on such an event: the module must have them by then. It does so for a
 * device that is registered no more as well, and never empties these tables. The unloading of another
 * module unregisters this device: see bypass_rdma(4). The reference keeps the device registered meanwhile.
 */
static void port_event(struct bypass_dev *dev, struct ib_event *event, u32 port)
{
	if (!rdma_is_port_valid(&dev->ibdev, port) || !ib_device_try_get(&dev->ibdev))
		return;
	if (event->event == IB_EVENT_GID_CHANGE)
		bypass_refresh_gids(dev, port);
	if (event->event == IB_EVENT_PKEY_CHANGE)
		bypass_refresh_pkeys(dev, port);
	event->element.port_num = port;
	ib_dispatch_event(event);
	if (event->event == IB_EVENT_GID_CHANGE)
		tell_gid_change(event);
	ib_device_put(&dev->ibdev);
}

static void dispatch(struct bypass_dev *dev, u32 type, u32 handle)
{
	struct ib_event event = {.device = &dev->ibdev, .event = type};

	switch (type) {
	case BYPASS_RDMA_EVENT_CQ_ERR:
		cq_event(dev, &event, handle);
		break;
	case BYPASS_RDMA_EVENT_QP_FATAL ... BYPASS_RDMA_EVENT_PATH_MIG_ERR:
	case BYPASS_RDMA_EVENT_QP_LAST_WQE_REACHED:
		qp_event(dev, &event, handle);
		break;
	case BYPASS_RDMA_EVENT_SRQ_ERR:
	case BYPASS_RDMA_EVENT_SRQ_LIMIT_REACHED:
		srq_event(dev, &event, handle);
		break;
	case BYPASS_RDMA_EVENT_DEVICE_FATAL:
		bypass_lost(dev, "the host's HCA was removed");
		break;
	case BYPASS_RDMA_EVENT_PORT_ACTIVE ... BYPASS_RDMA_EVENT_SM_CHANGE:
	case BYPASS_RDMA_EVENT_CLIENT_REREGISTER:
	case BYPASS_RDMA_EVENT_GID_CHANGE:
		port_event(dev, &event, handle);
		break;
	case BYPASS_RDMA_EVENT_CM:
		bypass_cm_event(dev);
		break;
	default:
		ibdev_dbg(&dev->ibdev, "event %u is not known\n", type);
	}
}

/* The core has no tables of a device before it is registered: until then events wait. */
void bypass_read_events(struct work_struct *work)
{
	struct bypass_dev *dev = container_of(work, struct bypass_dev, event_work);
	struct bypass_rdma_event *message;
	u32 used;

	/* Pairs with bypass_device_setup(): the tables are filled. */
	if (!smp_load_acquire(&dev->registered))
		return;
	do {
		virtqueue_disable_cb(dev->events);
		while ((message = virtqueue_get_buf(dev->events, &used))) {
			if (used >= sizeof(*message))
				dispatch(dev, le32_to_cpu(READ_ONCE(message->type)),
					 le32_to_cpu(READ_ONCE(message->handle)));
			post(dev->events, message, sizeof(*message));
		}
		virtqueue_kick(dev->events);
	} while (!READ_ONCE(dev->gone) && !virtqueue_enable_cb(dev->events));
}

void bypass_event_arrived(struct virtqueue *vq)
{
	struct bypass_dev *dev = vq->vdev->priv;

	virtqueue_disable_cb(vq);
	if (!READ_ONCE(dev->gone))
		schedule_work(&dev->event_work);
}

/* Fills the queues with buffers before the device is ready: nobody else uses the queues yet. */
int bypass_events_setup(struct bypass_dev *dev)
{
	unsigned int i;

	dev->event_buffers = kcalloc(virtqueue_get_vring_size(dev->events),
				     sizeof(*dev->event_buffers), GFP_KERNEL);
	if (!dev->event_buffers)
		return -ENOMEM;
	for (i = 0; i < virtqueue_get_vring_size(dev->events); i++)
		post(dev->events, &dev->event_buffers[i], sizeof(*dev->event_buffers));
	for (u32 v = 0; v < le32_to_cpu(dev->config.vectors); v++) {
		struct bypass_vector *vector = &dev->vectors[v];

		vector->buffers = kcalloc(virtqueue_get_vring_size(vector->vq),
					  sizeof(*vector->buffers), GFP_KERNEL);
		if (!vector->buffers)
			return -ENOMEM;
		for (i = 0; i < virtqueue_get_vring_size(vector->vq); i++)
			post(vector->vq, &vector->buffers[i], sizeof(*vector->buffers));
	}
	return 0;
}

/* The device is ready: tells the host that there are buffers. */
void bypass_events_start(struct bypass_dev *dev)
{
	virtqueue_notify(dev->events);
	for (u32 v = 0; v < le32_to_cpu(dev->config.vectors); v++)
		virtqueue_notify(dev->vectors[v].vq);
}

/* Only once the queues are gone. */
void bypass_events_free(struct bypass_dev *dev)
{
	for (u32 v = 0; dev->vectors && v < le32_to_cpu(dev->config.vectors); v++)
		kfree(dev->vectors[v].buffers);
	kfree(dev->event_buffers);
}
