// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The back end of one vhost-user connection. The back end takes the front end's requests one by one
 * and is the device's transport.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/vhost-user.h>

#include "internal.h"

/*
 * STATUS is not offered: QEMU's generic vhost-user device reports only a part of the device status.
 * The driver is gone when the last ring stops.
 */
#define PROTOCOL_FEATURES                                                                          \
	(VU_P_MQ | VU_P_REPLY_ACK | VU_P_BACKEND_REQ | VU_P_CONFIG | VU_P_BACKEND_SEND_FD |        \
	 VU_P_RESET_DEVICE | VU_P_CONFIGURE_MEM_SLOTS | VU_P_SHMEM)

/* Do what the driver's reset does: the rings stop, the device destroys the guest's objects. */
static void reset(struct vu *vu)
{
	vu_vrings_stop(vu);
	vu_backend_cancel(vu, true);
	vu->dev->ops->reset(vu->dev);
	vu_backend_cancel(vu, false);
	vu->backend.shows = 0; /* the front end unmaps the shared pages itself */
	vu->accepted = false;
}

static int need_u64(const struct vu_message *msg)
{
	if (msg->header.size == sizeof(msg->u64))
		return 0;
	return bypass_fail(EPROTO, "the VMM's message %u has %u bytes, not 8", msg->header.request,
			   msg->header.size);
}

static int set_features(struct vu *vu, const struct vu_message *msg)
{
	uint64_t features = msg->u64 & ~VU_F_PROTOCOL_FEATURES;
	int ret = need_u64(msg);

	if (ret < 0)
		return ret;
	if (features & ~vu->dev->features)
		return bypass_fail(EPROTO, "the VMM accepts features 0x%llx that were not offered",
				   (unsigned long long)(features & ~vu->dev->features));
	/* QEMU also sends vhost-user's own feature bits alone, before the driver accepts features. */
	if (features && !(vu->accepted && vu->features == msg->u64)) {
		ret = vu->dev->ops->accept(vu->dev, features);
		if (ret < 0)
			return ret;
		vu->accepted = true;
	}
	vu->features = msg->u64;
	return 0;
}

static int set_protocol_features(struct vu *vu, const struct vu_message *msg)
{
	uint64_t needed = vu->dev->shm.size ? VU_P_SHMEM | VU_P_BACKEND_REQ | VU_P_REPLY_ACK : 0;
	int ret = need_u64(msg);

	if (ret < 0)
		return ret;
	if (msg->u64 & ~PROTOCOL_FEATURES)
		return bypass_fail(EPROTO, "the VMM accepts protocol features that were not "
					   "offered");
	if (~msg->u64 & needed)
		return bypass_fail(EOPNOTSUPP,
				   "the VMM does not map shared memory for its devices (vhost-user "
				   "protocol feature SHMEM), without which %s cannot work: use "
				   "QEMU "
				   "11.1 or newer, or a VMM built with vmm-glue",
				   vu->dev->name);
	vu->protocol_features = msg->u64;
	return 0;
}

static int set_backend_channel(struct vu *vu, struct vu_message *msg)
{
	int ret;

	if (msg->n_fds != 1)
		return bypass_fail(EPROTO, "the VMM's channel for requests is malformed");
	if (vu->backend.fd >= 0)
		return bypass_fail(EPROTO, "the VMM gives a second channel for requests");
	ret = vu_backend_open(vu, msg->fds[0]);
	if (!ret)
		msg->fds[0] = -1;
	return ret;
}

static int config(struct vu *vu, struct vu_message *msg)
{
	struct vu_config *c = &msg->config;
	uint64_t end = (uint64_t)c->offset + c->size;
	bool get = msg->header.request == VU_GET_CONFIG;

	if (c->size > sizeof(c->data) ||
	    msg->header.size != offsetof(struct vu_config, data) + c->size)
		return bypass_fail(EPROTO, "the VMM's access to device configuration is malformed");
	if (end > vu->dev->config_size && !get)
		return bypass_fail(EPROTO,
				   "the VMM writes %u bytes of configuration at %u; %s has "
				   "%u",
				   c->size, c->offset, vu->dev->name, vu->dev->config_size);
	if (!get) {
		vu->dev->ops->config_write(vu->dev, c->offset, c->data, c->size);
		return 0;
	}
	/* QEMU reads as much as its user's config_size says. Bytes past the device's own end are 0. */
	memset(c->data, 0, sizeof(c->data));
	if (end > vu->dev->config_size)
		end = vu->dev->config_size;
	if (end > c->offset)
		vu->dev->ops->config_read(vu->dev, c->offset, c->data, end - c->offset);
	return vu_reply(vu, msg, c, msg->header.size);
}

static int shmem_config(struct vu *vu, struct vu_message *msg)
{
	memset(&msg->shmem, 0, sizeof(msg->shmem));
	if (vu->dev->shm.size) {
		msg->shmem.count = 1;
		msg->shmem.size[0] = vu->dev->shm.size;
	}
	return vu_reply(vu, msg, &msg->shmem, sizeof(msg->shmem));
}

/*
 * Stop a ring. After the last ring the driver is gone, and the device destroys the driver's objects
 * before the answer is sent. On the answer the VMM tells the guest that the device is reset, and the
 * guest uses its registered memory for something else.
 */
static int get_base(struct vu *vu, struct vu_message *msg)
{
	int ret = vu_vring_message(vu, msg);

	if (ret < 0)
		return ret;
	if (!vu_vrings_in_use(vu))
		reset(vu);
	return vu_reply(vu, msg, &msg->state, sizeof(msg->state));
}

static int reply_u64(struct vu *vu, const struct vu_message *msg, uint64_t value)
{
	return vu_reply(vu, msg, &value, sizeof(value));
}

/* Handle a request whose answer is data. Returns 1 for any other request. */
static int handle_query(struct vu *vu, struct vu_message *msg)
{
	switch (msg->header.request) {
	case VU_GET_FEATURES:
		return reply_u64(vu, msg, vu->dev->features | VU_F_PROTOCOL_FEATURES);
	case VU_GET_PROTOCOL_FEATURES:
		return reply_u64(vu, msg, PROTOCOL_FEATURES);
	case VU_GET_QUEUE_NUM:
		return reply_u64(vu, msg, vu->dev->n_queues);
	case VU_GET_MAX_MEM_SLOTS:
		return reply_u64(vu, msg, VU_SLOTS_MAX);
	case VU_GET_VRING_BASE:
		return get_base(vu, msg);
	case VU_GET_CONFIG:
		return config(vu, msg);
	case VU_GET_SHMEM_CONFIG:
		return shmem_config(vu, msg);
	default:
		return 1;
	}
}

/* Handle a request that only changes something. */
static int handle_change(struct vu *vu, struct vu_message *msg)
{
	switch (msg->header.request) {
	case VU_SET_OWNER:
	case VU_RESET_OWNER: /* the specification says: deprecated, to be ignored */
		return 0;
	case VU_SET_FEATURES:
		return set_features(vu, msg);
	case VU_SET_PROTOCOL_FEATURES:
		return set_protocol_features(vu, msg);
	case VU_SET_BACKEND_REQ_FD:
		return set_backend_channel(vu, msg);
	case VU_SET_MEM_TABLE:
		return vu_memory_table(vu, msg);
	case VU_ADD_MEM_REG:
		return vu_memory_add(vu, msg);
	case VU_REM_MEM_REG:
		return vu_memory_remove(vu, msg);
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_ADDR:
	case VU_SET_VRING_BASE:
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
	case VU_SET_VRING_ENABLE:
		return vu_vring_message(vu, msg);
	case VU_SET_CONFIG:
		return config(vu, msg);
	case VU_RESET_DEVICE:
		reset(vu);
		return 0;
	default:
		return bypass_fail(EOPNOTSUPP,
				   "the VMM sent vhost-user request %u, which was not "
				   "offered",
				   msg->header.request);
	}
}

static int handle_message(struct vu *vu, struct vu_message *msg)
{
	int ret, sent;

	bypass_log(BYPASS_LOG_DEBUG,
		   "vhost-user request %u, %u bytes, first 0x%llx, %u descriptors",
		   msg->header.request, msg->header.size, (unsigned long long)msg->u64, msg->n_fds);
	ret = handle_query(vu, msg);
	if (ret <= 0)
		return ret;
	ret = handle_change(vu, msg);
	if (!(vu->protocol_features & VU_P_REPLY_ACK) || !(msg->header.flags & VU_NEED_REPLY))
		return ret;
	/* The front end may go on after a refusal. The log says what it did wrong. */
	if (ret < 0)
		bypass_log(BYPASS_LOG_WARN, "%s", bypass_error());
	sent = reply_u64(vu, msg, ret < 0);
	return ret == -EOPNOTSUPP || ret == -EPROTO ? ret : sent;
}

int bypass_vhost_user_serve(struct bypass_virtio_device *dev, int connection, int stop_fd)
{
	struct vu *vu = calloc(1, sizeof(*vu));
	struct vu_message msg;
	char why[512] = "";
	int ret = -ENOMEM;

	if (!vu)
		goto out_oom;
	vu->vrings = calloc(dev->n_queues, sizeof(*vu->vrings));
	if (!vu->vrings)
		goto out_oom;
	vu->dev = dev;
	vu->fd = connection;
	vu->stop_fd = stop_fd;
	vu->thread = pthread_self();
	vu->backend.fd = -1;
	vu->backend.cancel_fd = -1;
	pthread_mutex_init(&vu->backend.lock, NULL);
	for (unsigned int i = 0; i < dev->n_queues; i++)
		vu->vrings[i].queue.kick_fd = vu->vrings[i].queue.call_fd = -1;

	ret = dev->ops->attach(dev, &vu_carrier, vu);
	if (ret < 0)
		goto out;
	while ((ret = vu_receive(vu, &msg)) > 0) {
		ret = handle_message(vu, &msg);
		vu_close_fds(&msg);
		if (ret < 0)
			break;
	}
	/* Keep the reason: destroying the guest's objects may overwrite the text. */
	if (ret < 0)
		snprintf(why, sizeof(why), "%s", bypass_error());
	reset(vu);
	dev->ops->set_memory(dev, NULL);
	dev->ops->attach(dev, NULL, NULL);
	if (ret < 0)
		bypass_fail(-ret, "%s", why);
out:
	vu_vrings_forget(vu);
	vu_backend_close(vu);
	vu_memory_clear(vu);
	pthread_mutex_destroy(&vu->backend.lock);
	free(vu->vrings);
	free(vu);
	return ret;
out_oom:
	free(vu);
	return bypass_fail(ENOMEM, "no memory to serve %s", dev->name);
}
