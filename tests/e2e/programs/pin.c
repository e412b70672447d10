// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * pin ADDRESS MIB [hugepages]: opens a function and lets it reach so much RAM, as a
 * VMM would; prints how many bytes it reaches.
 */
#include <stdio.h>
#include <stdlib.h>

#include <bypass/error.h>
#include <bypass/function.h>
#include <bypass/iommu.h>
#include <bypass/memory.h>
#include <bypass/slice.h>

int main(int argc, char **argv)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_slice *slice = NULL;
	struct bypass_iommu *iommu = NULL;
	int err;

	if (argc < 3 || !mem)
		return 2;
	err = bypass_memory_alloc(mem, strtoull(argv[2], NULL, 10) << 20, argc > 3);
	if (!err)
		err = bypass_iommu_new(&iommu);
	if (!err)
		err = bypass_function_open(iommu, argv[1], NULL, &slice);
	if (!err)
		err = slice->ops->set_memory(slice, mem);
	if (err)
		fprintf(stderr, "pin: %s\n", bypass_error());
	else
		printf("%llu\n", (unsigned long long)slice->ops->dma_bytes(slice));
	bypass_slice_close(slice);
	bypass_iommu_free(iommu);
	bypass_memory_free(mem);
	return err ? 1 : 0;
}
