// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass_rdma_cm: connections of a guest. It takes the place of the kernel's rdma_ucm: the device
 * /dev/infiniband/rdma_cm with the same commands, which the host of a slice carries out. This file
 * makes the device, and finds the slices.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <rdma/ib.h>

#include "ucma.h"

static int open_file(struct inode *inode, struct file *filp)
{
	struct ucma_file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);

	if (!file)
		return -ENOMEM;
	INIT_LIST_HEAD(&file->ids);
	INIT_LIST_HEAD(&file->events);
	init_waitqueue_head(&file->wait);
	filp->private_data = file;
	return stream_open(inode, filp);
}

static struct ucma_id *first_id(struct ucma_file *file)
{
	struct ucma_id *id;
	u32 number = 0;

	mutex_lock(&ucma_lock);
	id = list_first_entry_or_null(&file->ids, struct ucma_id, list);
	if (id)
		number = id->number;
	mutex_unlock(&ucma_lock);
	return id ? ucma_id_take(file, number) : NULL;
}

/* Nobody uses the file any more: its ids go, and with them their events. */
static int release_file(struct inode *inode, struct file *filp)
{
	struct ucma_file *file = filp->private_data;
	struct ucma_id *id;

	while ((id = first_id(file))) {
		if (!IS_ERR(id))
			ucma_id_destroy(id);
	}
	kfree(file);
	return 0;
}

/* The write is a command with a pointer in it: not from whoever has been handed the descriptor. */
static ssize_t write_file(struct file *filp, const char __user *buffer, size_t size, loff_t *at)
{
	struct rdma_ucm_cmd_hdr header;
	int err;

	if (!ib_safe_file_access(filp))
		return -EACCES;
	if (size < sizeof(header))
		return -EINVAL;
	if (copy_from_user(&header, buffer, sizeof(header)))
		return -EFAULT;
	if (header.in > size - sizeof(header))
		return -EINVAL;
	err = ucma_command(filp, &header, buffer + sizeof(header));
	return err ? err : size;
}

static __poll_t poll_file(struct file *filp, struct poll_table_struct *wait)
{
	struct ucma_file *file = filp->private_data;

	poll_wait(filp, &file->wait, wait);
	return list_empty(&file->events) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = open_file,
	.release = release_file,
	.write = write_file,
	.poll = poll_file,
};

static ssize_t abi_version_show(struct device *device, struct device_attribute *attr, char *text)
{
	return sysfs_emit(text, "%d\n", RDMA_USER_CM_ABI_VERSION);
}
static DEVICE_ATTR_RO(abi_version);

static struct attribute *ucma_attrs[] = {&dev_attr_abi_version.attr, NULL};
ATTRIBUTE_GROUPS(ucma);

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "rdma_cm",
	.nodename = "infiniband/rdma_cm",
	.mode = 0666,
	.fops = &operations,
	.groups = ucma_groups,
};

static void notify(void *context)
{
	struct ucma_slice *slice = context;

	schedule_work(&slice->fetch);
}

static struct ib_client client;

static int add_slice(struct ib_device *ibdev)
{
	struct ucma_slice *slice;

	if (!bypass_cm_offered(ibdev))
		return -EOPNOTSUPP;
	slice = kzalloc(sizeof(*slice), GFP_KERNEL);
	if (!slice)
		return -ENOMEM;
	slice->ibdev = ibdev;
	INIT_WORK(&slice->fetch, ucma_fetch);
	mutex_init(&slice->fetching);
	xa_init(&slice->ids);
	xa_init(&slice->groups);
	ib_set_client_data(ibdev, &client, slice);
	bypass_cm_watch(ibdev, notify, slice);
	down_write(&ucma_slices_lock);
	list_add_tail(&slice->list, &ucma_slices);
	up_write(&ucma_slices_lock);
	return 0;
}

static void remove_slice(struct ib_device *ibdev, void *data)
{
	struct ucma_slice *slice = data;

	down_write(&ucma_slices_lock);
	list_del(&slice->list);
	up_write(&ucma_slices_lock);
	bypass_cm_watch(ibdev, NULL, NULL);
	cancel_work_sync(&slice->fetch);
	ucma_slice_lost(slice);
	xa_destroy(&slice->groups);
	xa_destroy(&slice->ids);
	kfree(slice);
}

/*
 * librdmacm asks the RDMA core for the client of this name, and finds the device by sysfs when the client
 * says nothing. Without the name the core would load rdma_ucm.
 */
static struct ib_client client = {
	.name = "rdma_cm",
	.add = add_slice,
	.remove = remove_slice,
	.no_kverbs_req = true, /* a slice has no verbs for the kernel */
};

/* The second registration of a name leaves a trace of calls in the log: look first. */
static bool is_taken(void)
{
	struct path path;

	if (kern_path("/sys/class/misc/rdma_cm", LOOKUP_FOLLOW, &path))
		return false;
	path_put(&path);
	return true;
}

static int __init ucma_init(void)
{
	int err = is_taken() ? -EEXIST : misc_register(&misc);

	if (err == -EEXIST)
		pr_err("bypass_rdma_cm: rdma_ucm is loaded and has the one device rdma_cm, which serves the guest's own adapters: unload rdma_ucm first\n");
	if (err)
		return err;
	err = ib_register_client(&client);
	if (err)
		misc_deregister(&misc);
	return err;
}
module_init(ucma_init);

static void __exit ucma_exit(void)
{
	ib_unregister_client(&client);
	misc_deregister(&misc);
}
module_exit(ucma_exit);

MODULE_DESCRIPTION("Connections by rdma_cm over RDMA context slices of the host");
MODULE_AUTHOR("The bypass authors");
MODULE_LICENSE("Dual BSD/GPL");
