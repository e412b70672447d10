// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Opens a function slice and prints what a VMM gets to see of it: config space,
 * BARs with their windows, interrupt vectors, and the IOVAs that its DMA can use.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <bypass/error.h>
#include <bypass/function.h>
#include <bypass/iommu.h>
#include <bypass/slice.h>

static void print_bar(const struct bypass_slice *slice, unsigned int i)
{
	const struct bypass_bar *bar = &slice->bars[i];

	printf("BAR %u: %" PRIu64 " bytes, %s%s\n", i, bar->size,
	       bar->io ? "I/O ports" : (bar->is_64 ? "64-bit" : "32-bit"),
	       bar->prefetchable ? ", prefetchable" : "");
	for (unsigned int w = 0; w < bar->n_windows; w++)
		printf("  window: 0x%" PRIx64 ", %" PRIu64 " bytes\n", bar->windows[w].offset,
		       bar->windows[w].size);
}

static void print_slice(const struct bypass_slice *slice)
{
	uint8_t id[4] = {0};

	slice->ops->config_read((struct bypass_slice *)slice, 0, id, sizeof(id));
	printf("%s: %02x%02x:%02x%02x, %u bytes of config space\n", slice->name, id[1], id[0],
	       id[3], id[2], slice->config_size);
	for (unsigned int i = 0; i < BYPASS_BARS; i++)
		if (slice->bars[i].size)
			print_bar(slice, i);
	printf("vectors: INTx %u, MSI %u, MSI-X %u\n", slice->vectors[BYPASS_IRQ_INTX],
	       slice->vectors[BYPASS_IRQ_MSI], slice->vectors[BYPASS_IRQ_MSIX]);
}

int main(int argc, char **argv)
{
	const struct bypass_iova_range *ranges;
	struct bypass_slice *slice = NULL;
	struct bypass_iommu *iommu = NULL;
	unsigned int n;
	int err;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: slice ADDRESS [VF-TOKEN]\n");
		return 2;
	}
	err = bypass_iommu_new(&iommu);
	if (!err)
		err = bypass_function_open(iommu, argv[1], argc > 2 ? argv[2] : NULL, &slice);
	if (err) {
		fprintf(stderr, "slice: %s\n", bypass_error());
	} else {
		print_slice(slice);
		ranges = bypass_iommu_ranges(iommu, &n);
		for (unsigned int i = 0; i < n; i++)
			printf("IOVA: 0x%" PRIx64 " to 0x%" PRIx64 "\n", ranges[i].start,
			       ranges[i].last);
	}
	bypass_slice_close(slice);
	bypass_iommu_free(iommu);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
