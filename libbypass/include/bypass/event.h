/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a slice, or the device inside it, tells its VMM of its own accord.
 */
#ifndef BYPASS_EVENT_H
#define BYPASS_EVENT_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum bypass_event_kind - what has happened
 * @BYPASS_EVENT_UNPLUG: the host wants the slice back: unplug and close it soon. The
 *	slice works until then
 * @BYPASS_EVENT_DEAD: the slice serves its guest no more, and will not recover: its
 *	device failed or was removed. Unplug and close it
 * @BYPASS_EVENT_REMARK: the guest asked for something that cannot be done, such as a BAR
 *	at an impossible address. Nothing has to be done
 */
enum bypass_event_kind {
	BYPASS_EVENT_UNPLUG,
	BYPASS_EVENT_DEAD,
	BYPASS_EVENT_REMARK,
};

/**
 * struct bypass_event - one event
 * @kind: what has happened
 * @text: the same for people: why, and what to do
 */
struct bypass_event {
	enum bypass_event_kind kind;
	char text[512];
};

#ifdef __cplusplus
}
#endif
#endif
