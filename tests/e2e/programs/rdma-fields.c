// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table of docs/threat-model.md, field by field, on a real HCA. This process plays the guest.
 *
 *	rdma-fields OPTIONS	of a slice
 */
#include "../../rdma_fields.h"

#include <bypass/error.h>

int main(int argc, char **argv)
{
	struct bypass_rdma_options options;
	struct bypass_virtio_device *dev;
	struct rdma_guest g = {0};
	struct fields f = {.g = &g, .real = true};

	if (argc != 2) {
		fputs("usage: rdma-fields OPTIONS\n", stderr);
		return 2;
	}
	guest_init(&g.guest, 64 << 20);
	if (bypass_rdma_parse(argv[1], &options) || bypass_rdma_open(&options, &dev)) {
		fprintf(stderr, "%s\n", bypass_error());
		return 2;
	}
	rdma_guest_start(&g, dev);
	fields_run(&f);
	rdma_guest_stop(&g);
	printf("%u values tried, %u refused, %u got another status than the table says\n", f.tried,
	       f.refused, f.wrong);
	return f.wrong != 0;
}
