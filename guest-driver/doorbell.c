// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The doorbell of an HCA that has no doorbell page: bits in memory that the host sees, and
 * a queue that is only kicked. A send needs no command and no wait. Arming a completion
 * queue waits, because the process may look at the queue only once it is armed.
 */
#include <linux/bitops.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/ktime.h>

#include "internal.h"

/* How long to spin for the host before sleeping. */
#define BYPASS_ARM_SPIN_US 50

static size_t area_size(const struct bypass_dev *dev)
{
	return BYPASS_RDMA_DOORBELL_BYTES(le32_to_cpu(dev->config.max_qp),
					  le32_to_cpu(dev->config.max_cq));
}

static void *bitmap(struct bypass_dev *dev, size_t offset)
{
	return (u8 *)dev->doorbell + offset;
}

static void ring(struct bypass_dev *dev, void *bits, u32 handle)
{
	set_bit_le(handle, bits);
	virt_mb(); /* the host clears @awake first, and reads the bits then */
	if (READ_ONCE(dev->doorbell->awake) != cpu_to_le32(1))
		virtqueue_notify(dev->doorbell_vq);
}

/*
 * The process writes its work requests to the queue itself; this call says that there are
 * some. The host could not refuse a kick: what a driver would refuse is refused here.
 */
int bypass_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		     const struct ib_send_wr **bad_wr)
{
	struct bypass_dev *dev = to_dev(ibqp->device);
	struct bypass_qp *qp = to_qp(ibqp);

	if (wr) {
		*bad_wr = wr;
		return -EOPNOTSUPP;
	}
	if (READ_ONCE(dev->gone))
		return -EIO;
	if (READ_ONCE(qp->state) < IB_QPS_RTS)
		return -EINVAL;
	ring(dev, bitmap(dev, BYPASS_RDMA_SEND_OFFSET), qp->object.handle);
	return 0;
}

static int wait_cleared(struct bypass_dev *dev, const void *bits, u32 handle)
{
	ktime_t start = ktime_get();
	ktime_t deadline = ktime_add_ms(start, bypass_timeout_ms());
	ktime_t sleep = ktime_add_us(start, BYPASS_ARM_SPIN_US);

	while (test_bit_le(handle, bits)) {
		ktime_t now = ktime_get();

		if (READ_ONCE(dev->gone))
			return -EIO;
		if (ktime_after(now, deadline)) {
			bypass_silent(dev, "the host does not read the doorbell");
			return -EIO;
		}
		if (ktime_after(now, sleep))
			usleep_range(20, 100);
		else
			cpu_relax();
	}
	virt_rmb(); /* the process reads its queue only after this */
	return 0;
}

int bypass_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags flags)
{
	struct bypass_dev *dev = to_dev(ibcq->device);
	u32 max_qp = le32_to_cpu(dev->config.max_qp);
	u32 max_cq = le32_to_cpu(dev->config.max_cq);
	struct bypass_cq *cq = to_cq(ibcq);
	void *bits;
	int err;

	if ((flags & IB_CQ_SOLICITED_MASK) == IB_CQ_SOLICITED)
		bits = bitmap(dev, BYPASS_RDMA_ARM_SOLICITED_OFFSET(max_qp, max_cq));
	else
		bits = bitmap(dev, BYPASS_RDMA_ARM_OFFSET(max_qp));
	if (READ_ONCE(dev->gone))
		return -EIO;
	mutex_lock(&cq->arming);
	ring(dev, bits, cq->object.handle);
	err = wait_cleared(dev, bits, cq->object.handle);
	mutex_unlock(&cq->arming);
	return err;
}

/* Tells the host where the bits are, before the first queue pair exists. */
int bypass_doorbell_setup(struct bypass_dev *dev)
{
	struct bypass_rdma_set_doorbell request = {.size = cpu_to_le64(area_size(dev))};
	struct bypass_command command = {
		.number = BYPASS_RDMA_SET_DOORBELL,
		.request = &request,
		.request_size = sizeof(request),
	};

	dev->doorbell = alloc_pages_exact(area_size(dev), GFP_KERNEL | __GFP_ZERO);
	if (!dev->doorbell)
		return -ENOMEM;
	request.gpa = cpu_to_le64(virt_to_phys(dev->doorbell));
	return bypass_execute(dev, &command);
}

/* Only once the device has been reset. */
void bypass_doorbell_free(struct bypass_dev *dev)
{
	if (dev->doorbell)
		free_pages_exact(dev->doorbell, area_size(dev));
}
