// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What all kinds of slice share: the end of a slice.
 */
#include <bypass/slice.h>

void bypass_slice_close(struct bypass_slice *slice)
{
	if (slice)
		slice->ops->close(slice);
}
