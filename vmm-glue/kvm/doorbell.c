// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Doorbells: KVM serves a store of the guest by signalling an eventfd, inside the kernel.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/error.h>

#include "machine.h"

static int ioeventfd(struct glue_machine *m, uint64_t address, uint32_t width, bool pio, int fd,
		     bool assign)
{
	struct kvm_ioeventfd kick = {
		.addr = address,
		.len = width,
		.fd = fd,
		.flags = (pio ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			 (assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return ioctl(m->fd, KVM_IOEVENTFD, &kick) < 0 ? -errno : 0;
}

/*
 * @width: in bytes; 0 for any. A KVM that cannot match any width gets an ioeventfd for each
 * width.
 */
int glue_doorbell(struct glue_machine *m, uint64_t address, uint32_t width, bool pio, int fd,
		  bool assign)
{
	bool each = !width && !m->any_width;
	uint32_t w = each ? 1 : width;
	int err = 0;

	do {
		int ret = ioeventfd(m, address, w, pio, fd, assign);

		err = ret ? ret : err;
		w *= 2;
	} while (each && w <= (pio ? 4 : 8) && (!err || !assign));

	if (err && assign) {
		for (w /= 2; each && w > 1; w /= 2)
			ioeventfd(m, address, w / 2, pio, fd, false);
		return bypass_fail(-err, "KVM refuses a doorbell at %#llx: %s",
				   (unsigned long long)address, strerror(-err));
	}
	return err;
}
