/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Descriptors with a message to a peer, and from one (unix(7), SCM_RIGHTS).
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

/*
 * Makes @hdr, for sendmsg(), carry the @n descriptors, at least one. hdr->msg_control must have
 * CMSG_SPACE() for them, aligned for a struct cmsghdr. The descriptors stay the caller's.
 */
void descriptors_attach(struct msghdr *hdr, const int *fds, unsigned int n);

#endif
