// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass_rdma: a context slice of the host's RDMA adapter, as a verbs device of the
 * guest. This file finds the virtio device, sets its queues up, and takes them down.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "internal.h"

static unsigned int virtio_id;
module_param(virtio_id, uint, 0444);
MODULE_PARM_DESC(virtio_id,
		 "Virtio device ID to bind to beside 42 and 21, where a VMM has chosen another");

static void config_changed(struct virtio_device *vdev)
{
	struct bypass_dev *dev = vdev->priv;

	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		bypass_lost(dev, "the device asks for a reset");
}

/* Copies the configuration, and refuses numbers that are out of bounds. */
static int read_config(struct virtio_device *vdev, struct bypass_rdma_config *config)
{
	__le32 magic;

	virtio_cread_bytes(vdev, offsetof(struct bypass_rdma_config, magic), &magic, sizeof(magic));
	if (le32_to_cpu(magic) != BYPASS_RDMA_MAGIC)
		return -ENODEV; /* another device with the same ID */
	virtio_cread_bytes(vdev, 0, config, sizeof(*config));
	if (le16_to_cpu(config->major) != BYPASS_RDMA_MAJOR) {
		dev_err(&vdev->dev,
			"version %u of the slice ABI, not %u: load the module that came with the host's bypass\n",
			le16_to_cpu(config->major), BYPASS_RDMA_MAJOR);
		return -EPROTONOSUPPORT;
	}
	if (le32_to_cpu(config->ports) - 1 >= BYPASS_MAX_PORTS ||
	    le32_to_cpu(config->vectors) - 1 >= BYPASS_MAX_VECTORS ||
	    le32_to_cpu(config->max_qp) > BYPASS_MAX_OBJECTS ||
	    le32_to_cpu(config->max_cq) > BYPASS_MAX_OBJECTS) {
		dev_err(&vdev->dev,
			"%u ports, %u vectors, %u QPs or %u CQs are none or too many: the host is at fault\n",
			le32_to_cpu(config->ports), le32_to_cpu(config->vectors),
			le32_to_cpu(config->max_qp), le32_to_cpu(config->max_cq));
		return -EPROTO;
	}
	return 0;
}

static int find_shm(struct bypass_dev *dev)
{
	u64 size = le64_to_cpu(dev->config.shm_size);

	if (!size)
		return 0;
	if (!virtio_get_shm_region(dev->vdev, &dev->shm, 0)) {
		dev_err(&dev->vdev->dev,
			"no shared memory region 0: the VMM does not support such regions\n");
		return -ENXIO;
	}
	if (dev->shm.len < size || !PAGE_ALIGNED(dev->shm.addr)) {
		dev_err(&dev->vdev->dev,
			"%llu bytes of shared memory do not fit a region of %llu at 0x%llx\n", size,
			dev->shm.len, dev->shm.addr);
		return -ENXIO;
	}
	dev->shm.len = size;
	return 0;
}

static int find_queues(struct bypass_dev *dev)
{
	u32 vectors = le32_to_cpu(dev->config.vectors), count = BYPASS_RDMA_QUEUE_VECTOR + vectors;
	struct virtqueue_info *info = kcalloc(count, sizeof(*info), GFP_KERNEL);
	struct virtqueue **vqs = kcalloc(count, sizeof(*vqs), GFP_KERNEL);
	int err = -ENOMEM;

	if (!info || !vqs)
		goto free;
	for (u32 i = BYPASS_RDMA_QUEUE_VECTOR; i < count; i++) {
		info[i].name = "completions";
		info[i].callback = bypass_completion_arrived;
	}
	info[BYPASS_RDMA_QUEUE_CONTROL].name = "control";
	info[BYPASS_RDMA_QUEUE_CONTROL].callback = bypass_control_done;
	info[BYPASS_RDMA_QUEUE_EVENT].name = "events";
	info[BYPASS_RDMA_QUEUE_EVENT].callback = bypass_event_arrived;
	info[BYPASS_RDMA_QUEUE_DOORBELL].name = "doorbell";
	err = bypass_find_vqs(dev->vdev, count, vqs, info);
	if (err)
		goto free;
	dev->control = vqs[BYPASS_RDMA_QUEUE_CONTROL];
	dev->events = vqs[BYPASS_RDMA_QUEUE_EVENT];
	dev->doorbell_vq = vqs[BYPASS_RDMA_QUEUE_DOORBELL];
	for (u32 v = 0; v < vectors; v++)
		dev->vectors[v].vq = vqs[BYPASS_RDMA_QUEUE_VECTOR + v];
free:
	kfree(vqs);
	kfree(info);
	return err;
}

static void init_table(struct bypass_table *table, u32 limit)
{
	xa_init_flags(&table->objects, XA_FLAGS_LOCK_IRQ);
	table->limit = limit;
}

static struct bypass_dev *make_dev(struct virtio_device *vdev,
				   const struct bypass_rdma_config *config)
{
	struct bypass_dev *dev = ib_alloc_device(bypass_dev, ibdev);

	if (!dev)
		return NULL;
	dev->vdev = vdev;
	dev->config = *config;
	spin_lock_init(&dev->control_lock);
	init_waitqueue_head(&dev->control_room);
	spin_lock_init(&dev->parked_lock);
	INIT_LIST_HEAD(&dev->parked);
	spin_lock_init(&dev->port_lock);
	mutex_init(&dev->cm_lock);
	INIT_DELAYED_WORK(&dev->watch, bypass_watch);
	INIT_WORK(&dev->event_work, bypass_read_events);
	init_table(&dev->cqs, le32_to_cpu(config->max_cq));
	init_table(&dev->qps, le32_to_cpu(config->max_qp));
	init_table(&dev->srqs, BYPASS_MAX_OBJECTS);
	dev->releases = alloc_ordered_workqueue("bypass_rdma-%s", 0, dev_name(&vdev->dev));
	dev->ports = kcalloc(le32_to_cpu(config->ports), sizeof(*dev->ports), GFP_KERNEL);
	dev->vectors = kcalloc(le32_to_cpu(config->vectors), sizeof(*dev->vectors), GFP_KERNEL);
	vdev->priv = dev;
	return dev;
}

/* Undoes make_dev() and start_device(), as far as they came. The device has been reset. */
static void free_dev(struct bypass_dev *dev)
{
	bypass_naming_stop(dev);
	/* Not earlier: a process that was opening the device may have started the watch again. */
	cancel_delayed_work_sync(&dev->watch);
	if (dev->releases)
		destroy_workqueue(dev->releases);
	if (dev->control) {
		bypass_control_drain(dev);
		dev->vdev->config->del_vqs(dev->vdev);
		/* The reset of some transports does not wait for the handler of an interrupt. */
		cancel_work_sync(&dev->event_work);
	}
	bypass_events_free(dev);
	bypass_doorbell_free(dev);
	bypass_owner_free(dev);
	xa_destroy(&dev->srqs.objects);
	xa_destroy(&dev->qps.objects);
	xa_destroy(&dev->cqs.objects);
	kfree(dev->vectors);
	kfree(dev->ports);
	ib_dealloc_device(&dev->ibdev);
}

static void stop(struct bypass_dev *dev)
{
	WRITE_ONCE(dev->gone, true);
	wake_up_all(&dev->control_room);
	bypass_give_up_absent(dev);
	virtio_reset_device(dev->vdev);
	bypass_unpin_parked(dev);
	cancel_work_sync(&dev->event_work);
}

static int start_device(struct bypass_dev *dev)
{
	int err = find_shm(dev);

	if (!bypass_queue_known(dev)) {
		dev_err(&dev->vdev->dev,
			"the module does not know the queues of driver %u: load the module that came with the host's bypass\n",
			le32_to_cpu(dev->config.driver_id));
		return -EPROTONOSUPPORT;
	}
	if (!err)
		err = find_queues(dev);
	if (!err)
		err = bypass_events_setup(dev);
	if (err)
		return err;
	virtio_device_ready(dev->vdev);
	bypass_events_start(dev);
	err = bypass_owner_setup(dev);
	if (err)
		return err;
	if (virtio_has_feature(dev->vdev, BYPASS_RDMA_F_DOORBELL)) {
		err = bypass_doorbell_setup(dev);
		if (err)
			return err;
	}
	return bypass_device_setup(dev);
}

/* A device that shutdown() has stopped must not come back: a revival may still be due. */
static bool going_down(void)
{
	return system_state > SYSTEM_RUNNING;
}

static int probe(struct virtio_device *vdev)
{
	struct bypass_rdma_config config;
	struct bypass_revival *revival;
	struct bypass_dev *dev;
	int err;

	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1) || !vdev->config->get || going_down())
		return -ENODEV;
	err = read_config(vdev, &config);
	if (err)
		return err;
	dev = make_dev(vdev, &config);
	if (!dev)
		return -ENOMEM;
	revival = bypass_revival_make(vdev);
	err = -ENOMEM;
	if (!revival || !dev->releases || !dev->ports || !dev->vectors)
		goto stop;
	err = start_device(dev);
	if (err) {
		dev_err(&vdev->dev, "cannot be set up (error %d)\n", -err);
		goto stop;
	}
	bypass_revival_arm(dev, revival);
	return 0;
stop:
	bypass_revival_free(revival);
	stop(dev);
	free_dev(dev);
	return err;
}

static void remove(struct virtio_device *vdev)
{
	struct bypass_dev *dev = vdev->priv;

	if (!dev)
		return; /* shutdown() has been here */
	bypass_revival_disarm(dev);
	/*
	 * While the host still listens it destroys and unmaps one object after the other: QEMU 11
	 * crashes at the next start of a device that was reset while pages were mapped.
	 */
	WRITE_ONCE(dev->registered, false);
	cancel_work_sync(&dev->event_work);
	ib_unregister_device(&dev->ibdev);
	stop(dev);
	free_dev(dev);
	vdev->priv = NULL;
}

/*
 * The guest ends, or starts another kernel by kexec. The HCA then must not write any more to
 * what this kernel has registered: nothing but a reset stops a virtio device.
 */
static void shutdown(BYPASS_SHUTDOWN_DEVICE *device)
{
	remove(bypass_shutdown_virtio(device));
}

#ifdef CONFIG_PM_SLEEP
static int freeze(struct virtio_device *vdev)
{
	dev_err(&vdev->dev,
		"objects on the host do not survive suspend: unload the module first\n");
	return -EBUSY;
}
#endif

static const unsigned int features[] = {
	BYPASS_RDMA_F_DOORBELL, BYPASS_RDMA_F_QUEUE_MEMORY, BYPASS_RDMA_F_CM,	 BYPASS_RDMA_F_XRC,
	BYPASS_RDMA_F_COUNTERS, BYPASS_RDMA_F_CLOCK,	    BYPASS_RDMA_F_OWNER,
};

static const struct virtio_device_id aliases[] = {
	{BYPASS_RDMA_VIRTIO_ID, VIRTIO_DEV_ANY_ID},
	{BYPASS_RDMA_VIRTIO_ID_NAMED, VIRTIO_DEV_ANY_ID},
	{0},
};
MODULE_DEVICE_TABLE(virtio, aliases);

/* The aliases, the module's parameter if given, and an end. */
static struct virtio_device_id id_table[ARRAY_SIZE(aliases) + 1];

static struct virtio_driver driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = id_table,
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.probe = probe,
	.remove = remove,
	.BYPASS_SHUTDOWN = shutdown,
	.config_changed = config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = freeze,
#endif
};

static int __init bypass_rdma_init(void)
{
	int err;

	memcpy(id_table, aliases, sizeof(aliases));
	if (virtio_id)
		id_table[ARRAY_SIZE(aliases) - 1] =
			(struct virtio_device_id){virtio_id, VIRTIO_DEV_ANY_ID};
	err = bypass_revivals_start();
	if (err)
		return err;
	err = register_virtio_driver(&driver);
	if (err)
		bypass_revivals_stop();
	return err;
}
module_init(bypass_rdma_init);

static void __exit bypass_rdma_exit(void)
{
	unregister_virtio_driver(&driver);
	bypass_revivals_stop();
	rcu_barrier(); /* for put_netdev() of gid_netdev.c */
}
module_exit(bypass_rdma_exit);

MODULE_DESCRIPTION("RDMA context slice of the host, for unmodified verbs programs");
MODULE_AUTHOR("The bypass authors");
MODULE_LICENSE("Dual BSD/GPL");
