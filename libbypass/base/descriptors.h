/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Descriptors that a peer sent with a message (unix(7), SCM_RIGHTS).
 */
#ifndef BYPASS_BASE_DESCRIPTORS_H
#define BYPASS_BASE_DESCRIPTORS_H

struct msghdr;

/*
 * Copies the descriptors of @hdr, as recvmsg() filled it, to @fds, which must have room for as many
 * as the control buffer. Returns their number. The caller closes them. Whether the peer sent more
 * than the control buffer holds is in hdr->msg_flags (MSG_CTRUNC).
 */
unsigned int descriptors_take(struct msghdr *hdr, int *fds);

#endif
