// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Config space: what a guest sees of a slice, and what its writes can reach.
 */
#include "fake_vm.h"

static void test_header(void **state)
{
	struct fake_vm *t = *state;

	assert_int_equal(cfg_read(t, PCI_VENDOR_ID, 4), 0x56781234);
	assert_int_equal(cfg_read(t, PCI_CLASS_REVISION, 4), 0x02000003);
	assert_int_equal(cfg_read(t, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x9abcdef0);
	assert_int_equal(cfg_read(t, PCI_COMMAND, 2), 0);
	assert_int_equal(cfg_read(t, PCI_HEADER_TYPE, 1), 0); /* not multi-function */
	assert_int_equal(cfg_read(t, PCI_CARDBUS_CIS, 4), 0);
	assert_int_equal(cfg_read(t, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(cfg_read(t, PCI_INTERRUPT_LINE, 1), INTX_GSI);

	/* An expansion ROM cannot even be sized. */
	cfg_write(t, PCI_ROM_ADDRESS, 4, ~0u);
	assert_int_equal(cfg_read(t, PCI_ROM_ADDRESS, 4), 0);
	cfg_write(t, PCI_VENDOR_ID, 4, 0);
	assert_int_equal(cfg_read(t, PCI_VENDOR_ID, 4), 0x56781234);
	cfg_write(t, PCI_INTERRUPT_LINE, 2, 0x0405);
	assert_int_equal(cfg_read(t, PCI_INTERRUPT_LINE, 2), 0x0105);
	assert_false(bypass_vm_pci(t->vm, DEVFN + 1, 0, &(uint32_t){0}, 4, false));
}

static void test_command(void **state)
{
	struct fake_vm *t = *state;
	uint16_t host;

	/* The device decodes as long as it is plugged, and masters the bus when the guest says. */
	memcpy(&host, t->fake->config + PCI_COMMAND, 2);
	assert_int_equal(host, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	cfg_write(t, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(cfg_read(t, PCI_COMMAND, 2),
			 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
				 PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	memcpy(&host, t->fake->config + PCI_COMMAND, 2);
	assert_int_equal(host, PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
	cfg_write(t, PCI_COMMAND, 1, 0);
	memcpy(&host, t->fake->config + PCI_COMMAND, 2);
	assert_int_equal(host, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
}

static void test_status(void **state)
{
	struct fake_vm *t = *state;

	assert_int_equal(cfg_read(t, PCI_STATUS, 2),
			 PCI_STATUS_CAP_LIST | PCI_STATUS_DETECTED_PARITY);
	t->fake->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	assert_int_equal(cfg_read(t, PCI_STATUS, 1), PCI_STATUS_CAP_LIST | PCI_STATUS_INTERRUPT);
	/* A 1 that clears an error gets through; a command beside it does not touch the status. */
	cfg_write(t, PCI_COMMAND, 4, PCI_COMMAND_MASTER);
	assert_int_equal(t->fake->config[PCI_STATUS + 1], PCI_STATUS_DETECTED_PARITY >> 8);
	cfg_write(t, PCI_STATUS, 2, PCI_STATUS_SIG_SYSTEM_ERROR);
	assert_int_equal(t->fake->config[PCI_STATUS + 1], PCI_STATUS_DETECTED_PARITY >> 8);
	cfg_write(t, PCI_STATUS, 2, PCI_STATUS_DETECTED_PARITY);
	assert_int_equal(t->fake->config[PCI_STATUS + 1], 0);
}

static void test_capabilities(void **state)
{
	static const struct {
		uint8_t at, id;
	} chain[] = {
		{FAKE_PM, PCI_CAP_ID_PM},	{FAKE_MSI, PCI_CAP_ID_MSI},
		{FAKE_MSIX, PCI_CAP_ID_MSIX},	{FAKE_EXP, PCI_CAP_ID_EXP},
		{FAKE_VENDOR, PCI_CAP_ID_VNDR}, {FAKE_AF, PCI_CAP_ID_AF},
	};
	struct fake_vm *t = *state;
	uint8_t at = cfg_read(t, PCI_CAPABILITY_LIST, 1);

	for (unsigned int i = 0; i < sizeof(chain) / sizeof(chain[0]); i++) {
		assert_int_equal(at, chain[i].at);
		assert_int_equal(cfg_read(t, at, 1), chain[i].id);
		at = cfg_read(t, at + 1, 1);
	}
	assert_int_equal(at, 0);
	assert_int_equal(cfg_read(t, FAKE_UNKNOWN, 4), 0);
	assert_int_equal(cfg_read(t, FAKE_UNKNOWN + 4, 4), 0);
	cfg_write(t, FAKE_UNKNOWN + 4, 4, 0);
	assert_int_equal(t->fake->config[FAKE_UNKNOWN + 4], 0xe7);
}

static void test_vendor_capability(void **state)
{
	struct fake_vm *t = *state;

	assert_int_equal(cfg_read(t, FAKE_VENDOR, 4), 0xaa100000 | FAKE_AF << 8 | PCI_CAP_ID_VNDR);
	assert_int_equal(cfg_read(t, FAKE_VENDOR + 4, 4), 0x12345678);
	cfg_write(t, FAKE_VENDOR + 4, 4, 0xfeedf00d);
	cfg_write(t, FAKE_VENDOR, 4, 0xbb222222);
	assert_memory_equal(t->fake->config + FAKE_VENDOR + 4, "\x0d\xf0\xed\xfe", 4);
	assert_int_equal(t->fake->config[FAKE_VENDOR + 3], 0xbb);
	/* Its header is not the guest's. */
	assert_int_equal(t->fake->config[FAKE_VENDOR], PCI_CAP_ID_VNDR);
	assert_int_equal(t->fake->config[FAKE_VENDOR + 1], FAKE_AF);
	assert_int_equal(t->fake->config[FAKE_VENDOR + 2], 0x10);
}

static void test_extended(void **state)
{
	struct fake_vm *t = *state;

	/* SR-IOV is gone, but the chain begins there. */
	assert_int_equal(cfg_read(t, FAKE_SRIOV, 4), FAKE_SERIAL << 20);
	assert_int_equal(cfg_read(t, FAKE_SRIOV + 8, 4), 0);
	assert_int_equal(cfg_read(t, FAKE_SERIAL, 4),
			 FAKE_VSEC << 20 | 1 << 16 | PCI_EXT_CAP_ID_DSN);
	assert_int_equal(cfg_read(t, FAKE_SERIAL + 4, 4), 0x5e41a1);
	assert_int_equal(cfg_read(t, FAKE_ATS, 4), 0);
	assert_int_equal(cfg_read(t, FAKE_ATS + 4, 4), 0);
	assert_int_equal(cfg_read(t, FAKE_VSEC, 4), 1 << 16 | PCI_EXT_CAP_ID_VNDR);
	assert_int_equal(cfg_read(t, FAKE_VSEC + 8, 4), 0xc0ffee);
	cfg_write(t, FAKE_VSEC + 4, 4, 0);
	cfg_write(t, FAKE_VSEC + 8, 4, 0xdecaf);
	assert_int_equal(cfg_read(t, FAKE_VSEC + 4, 4), 0x020 << 20 | 0xbeef);
	assert_memory_equal(t->fake->config + FAKE_VSEC + 8, "\xaf\xec\x0d\0", 4);
	cfg_write(t, FAKE_SRIOV + 8, 4, ~0u);
	assert_memory_equal(t->fake->config + FAKE_SRIOV + 8, "\xad\x0b\0\0", 4);
}

static void test_express(void **state)
{
	struct fake_vm *t = *state;
	uint16_t host;

	assert_int_equal(cfg_read(t, FAKE_EXP + PCI_EXP_DEVCTL, 2), PCI_EXP_DEVCTL_CERE | 0x2020);
	/* Read request size and ordering reach the device; payload and reporting do not. */
	cfg_write(t, FAKE_EXP + PCI_EXP_DEVCTL, 2, 0x1010 | PCI_EXP_DEVCTL_PAYLOAD);
	memcpy(&host, t->fake->config + FAKE_EXP + PCI_EXP_DEVCTL, 2);
	assert_int_equal(host, 0x1010 | 0x20 | PCI_EXP_DEVCTL_CERE);
	assert_int_equal(cfg_read(t, FAKE_EXP + PCI_EXP_DEVCTL, 2),
			 0x1010 | PCI_EXP_DEVCTL_PAYLOAD);
	/* The host's error bits are not shown, and a dword that covers them does not clear them. */
	cfg_write(t, FAKE_EXP + PCI_EXP_DEVCTL, 4, 0xffff0000);
	assert_int_equal(t->fake->config[FAKE_EXP + PCI_EXP_DEVSTA], PCI_EXP_DEVSTA_CED);
	t->fake->config[FAKE_EXP + PCI_EXP_DEVSTA] |= PCI_EXP_DEVSTA_TRPND;
	assert_int_equal(cfg_read(t, FAKE_EXP + PCI_EXP_DEVSTA, 2), PCI_EXP_DEVSTA_TRPND);
	assert_int_equal(cfg_read(t, FAKE_EXP + PCI_EXP_LNKCAP, 4), 0x00000041);
	assert_int_equal(cfg_read(t, FAKE_EXP + PCI_EXP_DEVCAP2, 4), 0);
	/* AtomicOps are the host's to allow: what it has set stays */
	t->fake->config[FAKE_EXP + PCI_EXP_DEVCTL2] = PCI_EXP_DEVCTL2_ATOMIC_REQ;
	cfg_write(t, FAKE_EXP + PCI_EXP_DEVCTL2, 2, PCI_EXP_DEVCTL2_ARI);
	assert_int_equal(cfg_read(t, FAKE_EXP + PCI_EXP_DEVCTL2, 2), 0);
	assert_int_equal(t->fake->config[FAKE_EXP + PCI_EXP_DEVCTL2], PCI_EXP_DEVCTL2_ATOMIC_REQ);
	cfg_write(t, FAKE_EXP + PCI_EXP_LNKCTL, 2, 0xffff);
	assert_int_equal(cfg_read(t, FAKE_EXP + PCI_EXP_LNKCTL, 2), 0);
}

static void test_power(void **state)
{
	struct fake_vm *t = *state;
	uint64_t at = bar_address(t, 0);

	assert_int_equal(cfg_read(t, FAKE_PM + PCI_PM_PMC, 2), 3);
	assert_int_equal(cfg_read(t, FAKE_PM + PCI_PM_CTRL, 2), PCI_PM_CTRL_NO_SOFT_RESET);
	decode(t, true);
	assert_non_null(fake_memory(at));
	cfg_write(t, FAKE_PM + PCI_PM_CTRL, 2, 1);
	assert_int_equal(cfg_read(t, FAKE_PM + PCI_PM_CTRL, 2) & 3, 0);
	cfg_write(t, FAKE_PM + PCI_PM_CTRL, 2, 0x8103);
	assert_int_equal(cfg_read(t, FAKE_PM + PCI_PM_CTRL, 2), PCI_PM_CTRL_NO_SOFT_RESET | 3);
	assert_null(fake_memory(at));
	/* The device itself stays awake. */
	assert_int_equal(t->fake->config[FAKE_PM + PCI_PM_CTRL], 0);
	cfg_write(t, FAKE_PM + PCI_PM_CTRL, 2, 0);
	assert_non_null(fake_memory(at));
}

static void test_odd_accesses(void **state)
{
	struct fake_vm *t = *state;

	assert_int_equal(cfg_read(t, 1, 2), 0x7812);
	assert_int_equal(cfg_read(t, 3, 4), 0x10000056);
	assert_int_equal(cfg_read(t, 4094, 4), 0xffff0000);
	assert_int_equal(cfg_read(t, 5000, 4), 0xffffffff);
	cfg_write(t, 4094, 4, 0);
	cfg_write(t, 0xffffffff, 4, 0);
	assert_int_equal(cfg_read(t, FAKE_VENDOR + 5, 2), 0x3456);
}

static void test_function_level_reset(void **state)
{
	struct fake_vm *t = *state;
	uint64_t at = bar_address(t, 0);

	decode(t, true);
	cfg_write(t, FAKE_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_true(t->fake->on[BYPASS_IRQ_MSIX]);
	mmio_write(t, at + FAKE_TABLE + 12, 4, 0);
	cfg_write(t, PCI_BASE_ADDRESS_2, 4, 0x12345000);
	cfg_write(t, FAKE_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(t->fake->resets, 1);
	assert_int_equal(cfg_read(t, PCI_COMMAND, 2), 0);
	assert_null(fake_memory(at));
	assert_false(t->fake->on[BYPASS_IRQ_MSIX]);
	assert_true(t->fake->on[BYPASS_IRQ_INTX]);
	assert_int_equal(bar_address(t, 2) >> 20, MMIO32 >> 20);
	assert_int_equal(cfg_read(t, FAKE_EXP + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR, 0);
	decode(t, true);
	assert_int_equal(mmio_read(t, at + FAKE_TABLE + 12, 4), 1);

	cfg_write(t, FAKE_AF + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR);
	assert_int_equal(t->fake->resets, 2);
	assert_int_equal(cfg_read(t, PCI_COMMAND, 2), 0);
	decode(t, true);
	assert_int_equal(bypass_vm_reset(t->vm), 0);
	assert_int_equal(t->fake->resets, 3);
	assert_int_equal(cfg_read(t, PCI_COMMAND, 2), 0);
}

static void test_multi_function(void **state)
{
	struct fake_vm *t = *state;
	struct fake_slice *second = fake_slice_open();

	assert_int_equal(bypass_vm_plug(t->vm, &second->slice, DEVFN, -1), -EEXIST);
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN + 1, -1), -EEXIST);
	assert_int_equal(bypass_vm_plug(t->vm, &second->slice, DEVFN + 1, -1), 0);
	assert_int_equal(cfg_read(t, PCI_HEADER_TYPE, 1), 0x80);
	assert_int_equal(bypass_vm_reset(t->vm), 0);
	assert_int_equal(cfg_read(t, PCI_HEADER_TYPE, 1), 0x80);
	assert_int_equal(bypass_vm_unplug(t->vm, &second->slice), 0);
	assert_int_equal(bypass_vm_unplug(t->vm, &second->slice), -ENOENT);
	assert_int_equal(cfg_read(t, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(second->wrong, 0);
	bypass_slice_close(&second->slice);
}

/* Plug a slice whose config space was corrupted by @corrupt, and take it out again. */
static int plug_corrupted(struct fake_vm *t, void (*corrupt)(struct fake_slice *f),
			  void (*check)(struct fake_vm *t, struct fake_slice *f))
{
	struct fake_slice *f = fake_slice_open();
	int err;

	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	corrupt(f);
	err = bypass_vm_plug(t->vm, &f->slice, DEVFN, INTX_GSI);
	if (!err && check)
		check(t, f);
	if (!err)
		assert_int_equal(bypass_vm_unplug(t->vm, &f->slice), 0);
	assert_int_equal(f->wrong, 0);
	bypass_slice_close(&f->slice);
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, INTX_GSI), 0);
	return err;
}

static void corrupt_bridge(struct fake_slice *f)
{
	f->config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
}

static void corrupt_loop(struct fake_slice *f)
{
	f->config[FAKE_VENDOR + 1] = FAKE_PM;
	fake_put(f, FAKE_VSEC, 4, FAKE_SRIOV << 20 | PCI_EXT_CAP_ID_VNDR);
}

/* A vendor capability that claims the MSI capability behind it. */
static void corrupt_overlap(struct fake_slice *f)
{
	fake_put(f, FAKE_UNKNOWN, 4, 0xf0 << 16 | FAKE_PM << 8 | PCI_CAP_ID_VNDR);
	fake_put(f, 0x48, 4, 0xff << 16 | FAKE_MSI << 8 | PCI_CAP_ID_VNDR);
	f->config[FAKE_PM + 1] = 0x48;
}

static void check_overlap(struct fake_vm *t, struct fake_slice *f)
{
	cfg_write(t, FAKE_MSI + PCI_MSI_ADDRESS_LO, 4, APIC);
	assert_int_equal(cfg_read(t, FAKE_MSI, 1), PCI_CAP_ID_MSI);
	assert_int_equal(cfg_read(t, FAKE_AF, 1), PCI_CAP_ID_AF);
	assert_int_equal(cfg_read(t, FAKE_MSI + PCI_MSI_ADDRESS_LO, 4), APIC);
	assert_memory_equal(f->config + FAKE_MSI + PCI_MSI_ADDRESS_LO, "\0\0\0\0", 4);
}

static void corrupt_table(struct fake_slice *f)
{
	fake_put(f, FAKE_MSIX + PCI_MSIX_TABLE, 4, 0x7ff0);
}

static void check_table(struct fake_vm *t, struct fake_slice *f)
{
	(void)f;
	assert_int_equal(cfg_read(t, FAKE_MSIX, 4), 0);
	assert_int_equal(cfg_read(t, FAKE_MSI + 1, 1), FAKE_EXP);
}

static void corrupt_msi(struct fake_slice *f)
{
	f->slice.vectors[BYPASS_IRQ_MSI] = 3;
	f->slice.vectors[BYPASS_IRQ_INTX] = 0;
}

static void check_msi(struct fake_vm *t, struct fake_slice *f)
{
	(void)f;
	assert_int_equal(cfg_read(t, FAKE_MSI + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QMASK, 1 << 1);
	assert_int_equal(cfg_read(t, PCI_INTERRUPT_PIN, 1), 0);
}

static void corrupt_small(struct fake_slice *f)
{
	f->slice.config_size = 256;
}

static void check_small(struct fake_vm *t, struct fake_slice *f)
{
	(void)f;
	assert_int_equal(cfg_read(t, 0x100, 4), 0xffffffff);
	cfg_write(t, 0x100, 4, 0);
}

static void corrupt_window(struct fake_slice *f)
{
	f->window.size = 0x9000;
}

static void test_spoilt_slices(void **state)
{
	struct fake_vm *t = *state;

	assert_int_equal(plug_corrupted(t, corrupt_bridge, NULL), -EOPNOTSUPP);
	assert_int_equal(plug_corrupted(t, corrupt_loop, NULL), 0);
	assert_int_equal(plug_corrupted(t, corrupt_overlap, check_overlap), 0);
	assert_int_equal(plug_corrupted(t, corrupt_table, check_table), 0);
	assert_int_equal(plug_corrupted(t, corrupt_msi, check_msi), 0);
	assert_int_equal(plug_corrupted(t, corrupt_small, check_small), 0);
}

static void test_impossible_windows(void **state)
{
	struct fake_vm *t = *state;
	struct fake_slice *f = fake_slice_open();
	uint64_t size = f->window.size;

	corrupt_window(f);
	assert_int_equal(bypass_vm_plug(t->vm, &f->slice, DEVFN + 8, -1), -EINVAL);
	assert_non_null(strstr(bypass_error(), "BAR 0"));
	f->window.size = size;
	f->slice.bars[2].size = 0x1800;
	assert_int_equal(bypass_vm_plug(t->vm, &f->slice, DEVFN + 8, -1), -EINVAL);
	f->slice.bars[2].size = 0x200000;
	assert_int_equal(bypass_vm_plug(t->vm, &f->slice, DEVFN + 8, -1), -ENOSPC);
	assert_non_null(strstr(bypass_error(), "mmio32"));
	bypass_slice_close(&f->slice);
}

#define rule(test) cmocka_unit_test_setup_teardown(test, fake_vm_setup, fake_vm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(test_header),
		rule(test_command),
		rule(test_status),
		rule(test_capabilities),
		rule(test_vendor_capability),
		rule(test_extended),
		rule(test_express),
		rule(test_power),
		rule(test_odd_accesses),
		rule(test_function_level_reset),
		rule(test_multi_function),
		rule(test_spoilt_slices),
		rule(test_impossible_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
