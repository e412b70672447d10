// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A virtio function says itself which features it offers (virtio 1.2, 4.1.4.3): one that may pass
 * the IOMMU by is no slice.
 */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stddef.h>

#include <bypass/error.h>

#include "../host/virtio.h"
#include "internal.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

/* Where the device has its common configuration. */
struct place {
	unsigned int bar;
	uint64_t offset;
};

/* Returns 1 and sets @place when there is one, 0, or a negative errno. */
static int find_common(struct bypass_vfio *device, struct place *place)
{
	struct virtio_pci_cap cap;
	uint8_t at;
	int err;

	err = bypass_vfio_read(device, CONFIG, PCI_CAPABILITY_LIST, &at, 1);
	/* The list may be circular: visit no more capabilities than config space can hold. */
	for (int i = 0; !err && i < 48 && (at &= ~3) >= PCI_STD_HEADER_SIZEOF; i++) {
		if (at > PCI_CFG_SPACE_SIZE - sizeof(cap))
			return 0;
		err = bypass_vfio_read(device, CONFIG, at, &cap, sizeof(cap));
		if (!err && cap.cap_vndr == PCI_CAP_ID_VNDR &&
		    cap.cfg_type == VIRTIO_PCI_CAP_COMMON_CFG && cap.bar < PCI_STD_NUM_BARS) {
			place->bar = cap.bar;
			place->offset = le32toh(cap.offset);
			return 1;
		}
		at = cap.cap_next;
	}
	return err;
}

/*
 * Reads the word of features that has VIRTIO_F_ACCESS_PLATFORM. What is selected is no state of the
 * device but of its registers, and is put back all the same.
 */
static int read_features(struct bypass_vfio *device, const struct place *place, uint32_t *features)
{
	const uint64_t select =
		place->offset + offsetof(struct virtio_pci_common_cfg, device_feature_select);
	const uint64_t word =
		place->offset + offsetof(struct virtio_pci_common_cfg, device_feature);
	uint32_t before = 0, which = htole32(VIRTIO_F_ACCESS_PLATFORM / 32);
	int err;

	err = vfio_command(device, 0, PCI_COMMAND_MEMORY);
	if (!err)
		err = bypass_vfio_read(device, place->bar, select, &before, sizeof(before));
	if (!err)
		err = bypass_vfio_write(device, place->bar, select, &which, sizeof(which));
	if (!err)
		err = bypass_vfio_read(device, place->bar, word, features, sizeof(*features));
	if (!err)
		err = bypass_vfio_write(device, place->bar, select, &before, sizeof(before));
	*features = le32toh(*features);
	return err;
}

int vfio_virtio_check(struct bypass_vfio *device)
{
	uint32_t features = 0; /* of a legacy device: it has no more than 32 bits */
	struct place place = {0};
	uint16_t id[2];
	int err;

	err = bypass_vfio_read(device, CONFIG, PCI_VENDOR_ID, id, sizeof(id));
	if (err || !virtio_function(le16toh(id[0]), le16toh(id[1])))
		return err;
	err = find_common(device, &place);
	if (err > 0)
		err = read_features(device, &place, &features);
	if (err)
		return err;
	/* All ones is what is read where nobody answers. */
	if (features != UINT32_MAX && features & 1u << VIRTIO_F_ACCESS_PLATFORM % 32)
		return 0;
	return bypass_fail(EPERM, "%s is no device for a guest: %s. The fix: %s", device->address,
			   VIRTIO_DMA_PROBLEM, VIRTIO_DMA_FIX);
}
