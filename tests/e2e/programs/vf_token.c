// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * vf_token PF VF: a VF whose PF is driven from user space too, which has set a
 * token: without it the VF is refused, with it it opens.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

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

int main(int argc, char **argv)
{
	struct bypass_iommu *pf_iommu, *iommu;
	struct bypass_vfio *pf, *vf;

	expect(argc == 3);
	expect(!bypass_iommu_new(&pf_iommu) && !bypass_iommu_new(&iommu));
	expect(!bypass_vfio_open(pf_iommu, argv[1], NULL, &pf));
	set_token(pf);
	expect_error(bypass_vfio_open(iommu, argv[2], NULL, &vf), EACCES, "needs a VF token");
	expect_error(bypass_vfio_open(iommu, argv[2], "01234567-89ab-cdef-0123-456789abcdef", &vf),
		     EACCES, "it is not the one");
	expect_error(bypass_vfio_open(iommu, argv[2], "nonsense", &vf), EINVAL, "no UUID");
	expect(!bypass_vfio_open(iommu, argv[2], "00112233-4455-6677-8899-aabbccddeeff", &vf));
	bypass_vfio_close(vf);
	bypass_vfio_close(pf);
	bypass_iommu_free(iommu);
	bypass_iommu_free(pf_iommu);
	return 0;
}
