/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The function slice: a whole PCI function behind the IOMMU, most often a VF.
 */
#ifndef BYPASS_FUNCTION_H
#define BYPASS_FUNCTION_H

#ifdef __cplusplus
extern "C" {
#endif

struct bypass_iommu;
struct bypass_slice;

/**
 * bypass_function_open() - a function slice: a PCI function bound to vfio-pci
 * @iommu: the guest's DMA address space; must outlive the slice. All function
 *	slices of one guest share it
 * @address: "0000:01:10.0", or short "01:10.0"
 * @token: the VF token that the PF's owner has set, as a UUID string, or NULL
 * @slice: set to the slice; to be given to bypass_slice_close()
 *
 * The function is reset (FLR where it has one) before it is handed out.
 *
 * Return: as bypass_vfio_open(); -EPERM for a virtio function that does not offer
 * VIRTIO_F_ACCESS_PLATFORM: its DMA may pass the IOMMU by.
 */
int bypass_function_open(struct bypass_iommu *iommu, const char *address, const char *token,
			 struct bypass_slice **slice);

/**
 * bypass_function_rom() - show the guest an expansion ROM
 * @slice: of bypass_function_open(), not plugged
 * @file: a file with the ROM's bytes, at most 16 MiB; or NULL for the function's own ROM
 *
 * A guest sees no ROM without this call: firmware would run what lies in the ROM. A VF has none of
 * its own. The bytes are copied; what lies behind them up to a power of two reads as ones.
 *
 * Return: 0; -ENXIO: the function has no ROM, or its ROM does not begin with 0x55 0xaa; -EFBIG;
 * -EINVAL: the file is empty; -ENOMEM; or what opening and reading @file said.
 */
int bypass_function_rom(struct bypass_slice *slice, const char *file);

#ifdef __cplusplus
}
#endif
#endif
