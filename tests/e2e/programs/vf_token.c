// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * vf_token PF [VF]: a PF that is driven from user space, where a token is set. A VF of the PF is refused
 * without the token, and opens with the token. Without a VF, the token stands until the program is ended.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bypass/iommu.h>
#include <bypass/vfio.h>

#include "../../../libbypass/vfio/internal.h"
#include "expect.h"

static void set_token(struct bypass_vfio *pf)
{
	static const uint8_t uuid[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
					 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	_Alignas(struct vfio_device_feature) char bytes[sizeof(struct vfio_device_feature) + 16];
	struct vfio_device_feature *feature = (void *)bytes;

	feature->argsz = sizeof(bytes);
	feature->flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
	memcpy(feature->data, uuid, sizeof(uuid));
	expect(!ioctl(pf->iommu_device.fd, VFIO_DEVICE_FEATURE, feature));
}

static void try_tokens(const char *address)
{
	struct bypass_iommu *iommu;
	struct bypass_vfio *vf;

	expect(!bypass_iommu_new(&iommu));
	expect_error(bypass_vfio_open(iommu, address, NULL, &vf), EACCES, "needs a VF token");
	expect_error(bypass_vfio_open(iommu, address, "01234567-89ab-cdef-0123-456789abcdef", &vf),
		     EACCES, "it is not the one");
	expect_error(bypass_vfio_open(iommu, address, "nonsense", &vf), EINVAL, "no UUID");
	expect(!bypass_vfio_open(iommu, address, "00112233-4455-6677-8899-aabbccddeeff", &vf));
	bypass_vfio_close(vf);
	bypass_iommu_free(iommu);
}

int main(int argc, char **argv)
{
	struct bypass_iommu *iommu;
	struct bypass_vfio *pf;

	expect(argc == 2 || argc == 3);
	expect(!bypass_iommu_new(&iommu));
	expect(!bypass_vfio_open(iommu, argv[1], NULL, &pf));
	set_token(pf);
	if (argc == 3) {
		try_tokens(argv[2]);
	} else {
		puts("the token is set");
		fflush(stdout);
		pause();
	}
	bypass_vfio_close(pf);
	bypass_iommu_free(iommu);
	return 0;
}
