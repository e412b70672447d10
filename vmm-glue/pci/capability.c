// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which capabilities of the slice a guest sees. The rules below name what is shown. Any other
 * capability is left out of the chain, and its bytes read as zero.
 */
#include <string.h>

#include "internal.h"

#define CAPABILITIES_MAX 48 /* dwords from 0x40 to 0xff */

/* Of an endpoint with a link, version 2 and up: through Link Status 2. Headers disagree. */
#define EXP_LENGTH_V2 0x34

static uint32_t get(const uint8_t *host, uint32_t at, uint32_t size)
{
	uint32_t value = 0;

	memcpy(&value, host + at, size);
	return value;
}

/*
 * Power states are emulated. In D3hot the guest's BARs are out of reach, and the device stays
 * in D0: in D3hot the kernel would revoke the mappings of the windows. The capability
 * promises no reset on the way back to D0 (FLR does that), and no wake-up by PME#.
 */
static void show_pm(struct function *fn, const uint8_t *host, uint32_t at, uint32_t length)
{
	(void)length;
	register_set(fn, at + PCI_PM_PMC, 2, get(host, at + PCI_PM_PMC, 2) & PCI_PM_CAP_VER_MASK,
		     0);
	register_set(fn, at + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK);
	fn->pm = at;
}

static uint32_t msi_length(uint16_t flags)
{
	return (flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32) + 2 +
	       (flags & PCI_MSI_FLAGS_MASKBIT ? 10 : 0);
}

static void show_msi(struct function *fn, const uint8_t *host, uint32_t at, uint32_t length)
{
	uint16_t flags = get(host, at + PCI_MSI_FLAGS, 2);
	unsigned int log = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
	bool high = flags & PCI_MSI_FLAGS_64BIT;
	uint32_t mask = high ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32;

	(void)length;
	while (log && 1u << log > fn->slice->vectors[BYPASS_IRQ_MSI])
		log--;
	flags &= PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT;
	register_set(fn, at + PCI_MSI_FLAGS, 2, flags | log << 1,
		     PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	register_set(fn, at + PCI_MSI_ADDRESS_LO, 4, 0, ~3u);
	if (high)
		register_set(fn, at + PCI_MSI_ADDRESS_HI, 4, 0, ~0u);
	register_set(fn, at + (high ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 2, 0, 0xffff);
	if (flags & PCI_MSI_FLAGS_MASKBIT)
		register_set(fn, at + mask, 4, 0, log == 5 ? ~0u : (1u << (1u << log)) - 1);
	fn->msi = at;
}

static bool msix_place(const struct function *fn, uint32_t reg, uint64_t bytes, unsigned int *bar,
		       uint64_t *offset)
{
	*bar = reg & PCI_MSIX_TABLE_BIR;
	*offset = reg & PCI_MSIX_TABLE_OFFSET;
	return *bar < BYPASS_BARS && !fn->slice->bars[*bar].io &&
	       *offset + bytes <= fn->slice->bars[*bar].size;
}

static void show_msix(struct function *fn, const uint8_t *host, uint32_t at, uint32_t length)
{
	uint16_t flags = get(host, at + PCI_MSIX_FLAGS, 2);
	uint32_t table = get(host, at + PCI_MSIX_TABLE, 4), pba = get(host, at + PCI_MSIX_PBA, 4);
	uint32_t count = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;

	(void)length;
	if (count > fn->slice->vectors[BYPASS_IRQ_MSIX])
		count = fn->slice->vectors[BYPASS_IRQ_MSIX];
	register_set(fn, at + PCI_MSIX_FLAGS, 2, count - 1,
		     PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	register_set(fn, at + PCI_MSIX_TABLE, 4, table, 0);
	register_set(fn, at + PCI_MSIX_PBA, 4, pba, 0);
	msix_place(fn, table, 0, &fn->msix.table_bar, &fn->msix.table);
	msix_place(fn, pba, 0, &fn->msix.pba_bar, &fn->msix.pba);
	fn->msix.count = count;
	fn->msix_cap = at;
}

/* Is there a table that we can serve in place of the device's? */
static bool msix_usable(const struct function *fn, const uint8_t *host, uint32_t at)
{
	uint64_t count = (get(host, at + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
	unsigned int bar;
	uint64_t offset;

	return fn->slice->vectors[BYPASS_IRQ_MSIX] &&
	       msix_place(fn, get(host, at + PCI_MSIX_TABLE, 4), count * PCI_MSIX_ENTRY_SIZE, &bar,
			  &offset) &&
	       msix_place(fn, get(host, at + PCI_MSIX_PBA, 4), (count + 63) / 64 * 8, &bar,
			  &offset);
}

/*
 * In the PCIe capability the guest decides on ordering, snooping and the read size, as far as
 * the kernel allows. The payload size and error reporting belong to the host's fabric: what
 * the guest writes there reads back, and has no effect. The rest describes the device and
 * its link.
 *
 * Device Capabilities 2 and Device Control 2 read as zero, and writes have no effect. vfio-pci
 * would pass all of Device Control 2 but ARI to the device. Only the host knows whether each port
 * up to the root routes AtomicOps, and a request that a port refuses is an error of the host's
 * fabric. A VF obeys the AtomicOp Requester Enable of its PF, and a whole function keeps what the
 * host has set: the kernel restores the register after a reset.
 */
static void show_exp(struct function *fn, const uint8_t *host, uint32_t at, uint32_t length)
{
	uint16_t ours = PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
			PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_EXT_TAG;
	uint16_t passed = PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
			  PCI_EXP_DEVCTL_READRQ;
	uint16_t flags = get(host, at + PCI_EXP_FLAGS, 2), transactions = PCI_EXP_DEVSTA_TRPND;
	uint16_t control = get(host, at + PCI_EXP_DEVCTL, 2) & (ours | passed);

	register_set(fn, at + PCI_EXP_FLAGS, 2, flags & (PCI_EXP_FLAGS_VERS | PCI_EXP_FLAGS_TYPE),
		     0);
	register_set(fn, at + PCI_EXP_DEVCAP, 4, get(host, at + PCI_EXP_DEVCAP, 4), 0);
	register_set(fn, at + PCI_EXP_DEVCTL, 2, control, ours | passed);
	memcpy(fn->pass + at + PCI_EXP_DEVCTL, &passed, 2);
	memcpy(fn->pass + at + PCI_EXP_DEVSTA, &transactions, 2);
	if (length >= PCI_CAP_EXP_ENDPOINT_SIZEOF_V1) {
		/* No ASPM and no clock power management: the link is the host's. */
		register_set(fn, at + PCI_EXP_LNKCAP, 4,
			     get(host, at + PCI_EXP_LNKCAP, 4) &
				     ~(PCI_EXP_LNKCAP_ASPMS | PCI_EXP_LNKCAP_CLKPM),
			     0);
		register_set(fn, at + PCI_EXP_LNKSTA, 2, get(host, at + PCI_EXP_LNKSTA, 2), 0);
	}
	if (length >= EXP_LENGTH_V2)
		register_set(fn, at + PCI_EXP_LNKCAP2, 4, get(host, at + PCI_EXP_LNKCAP2, 4), 0);
	fn->exp = at;
}

static uint32_t exp_length(uint16_t flags)
{
	bool integrated = (flags & PCI_EXP_FLAGS_TYPE) >> 4 == PCI_EXP_TYPE_RC_END;

	if ((flags & PCI_EXP_FLAGS_VERS) < 2)
		return integrated ? PCI_EXP_LNKCAP : PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;
	return integrated ? PCI_EXP_LNKCAP2 : EXP_LENGTH_V2;
}

/* A vendor's capability is passed through. The host's kernel filters the accesses. */
static void show_vendor(struct function *fn, const uint8_t *host, uint32_t at, uint32_t length)
{
	register_set(fn, at + PCI_CAP_FLAGS, 1, host[at + PCI_CAP_FLAGS], 0);
	memset(fn->pass + at + PCI_CAP_FLAGS + 1, 0xff, length - PCI_CAP_FLAGS - 1);
	memset(fn->writable + at + PCI_CAP_FLAGS + 1, 0xff, length - PCI_CAP_FLAGS - 1);
}

static void show_af(struct function *fn, const uint8_t *host, uint32_t at, uint32_t length)
{
	(void)length;
	register_set(fn, at + PCI_AF_LENGTH, 1, host[at + PCI_AF_LENGTH], 0);
	register_set(fn, at + PCI_AF_CAP, 1, host[at + PCI_AF_CAP], 0);
	fn->pass[at + PCI_AF_STATUS] = PCI_AF_STATUS_TP;
	fn->af = at;
}

typedef void show_fn(struct function *fn, const uint8_t *host, uint32_t at, uint32_t length);

/* How to show the capability at @at, and its length; NULL: not at all */
static show_fn *capability_rule(const struct function *fn, const uint8_t *host, uint32_t at,
				uint32_t *length)
{
	/* Reads at most 4 bytes on, which are there: @at is a multiple of 4 below 0x100. */
	uint16_t word = get(host, at + 2, 2);

	switch (host[at]) {
	case PCI_CAP_ID_PM:
		*length = PCI_PM_SIZEOF;
		return fn->pm ? NULL : show_pm;
	case PCI_CAP_ID_MSI:
		*length = msi_length(word);
		return !fn->msi && fn->slice->vectors[BYPASS_IRQ_MSI] ? show_msi : NULL;
	case PCI_CAP_ID_MSIX:
		*length = PCI_CAP_MSIX_SIZEOF;
		return !fn->msix_cap && msix_usable(fn, host, at) ? show_msix : NULL;
	case PCI_CAP_ID_EXP:
		*length = exp_length(word);
		return fn->exp ? NULL : show_exp;
	case PCI_CAP_ID_VNDR:
		*length = host[at + PCI_CAP_FLAGS];
		return *length > PCI_CAP_FLAGS ? show_vendor : NULL;
	case PCI_CAP_ID_AF:
		*length = PCI_CAP_AF_SIZEOF;
		return !fn->af && get(host, at + PCI_AF_CAP, 1) & PCI_AF_CAP_FLR ? show_af : NULL;
	}
	return NULL;
}

/* Where the next capability begins: the end of this one, whatever length it claims. */
static uint32_t capability_end(const uint8_t *list, unsigned int n, uint32_t at)
{
	uint32_t end = PCI_CFG_SPACE_SIZE;

	for (unsigned int i = 0; i < n; i++)
		if (list[i] > at && list[i] < end)
			end = list[i];
	return end;
}

static void standard_show(struct function *fn, const uint8_t *host)
{
	uint32_t link = PCI_CAPABILITY_LIST, at = host[PCI_CAPABILITY_LIST] & ~3u;
	uint8_t list[CAPABILITIES_MAX];
	unsigned int n = 0;

	if (!(host[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return;
	/* A chain that loops ends after as many capabilities as fit into the space. */
	while (at >= PCI_STD_HEADER_SIZEOF && n < CAPABILITIES_MAX) {
		list[n++] = at;
		at = host[at + PCI_CAP_LIST_NEXT] & ~3u;
	}
	for (unsigned int i = 0; i < n; i++) {
		uint32_t end = capability_end(list, n, list[i]), length = 0;
		show_fn *show;

		at = list[i];
		if (fn->config[at])
			continue;
		show = capability_rule(fn, host, at, &length);
		if (show == show_vendor && at + length > end)
			length = end - at;
		if (!show || at + length > end || length <= PCI_CAP_FLAGS)
			continue;
		show(fn, host, at, length);
		fn->config[at] = host[at];
		fn->config[link] = at;
		fn->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
		link = at + PCI_CAP_LIST_NEXT;
	}
}

/* The serial number is copied. Registers of vendors are passed through. */
static bool extended_show(struct function *fn, const uint8_t *host, uint32_t at, uint32_t end)
{
	uint32_t length, fixed;

	switch (PCI_EXT_CAP_ID(get(host, at, 4))) {
	case PCI_EXT_CAP_ID_DSN:
		if (at + PCI_EXT_CAP_DSN_SIZEOF > end)
			return false;
		memcpy(fn->config + at + 4, host + at + 4, PCI_EXT_CAP_DSN_SIZEOF - 4);
		return true;
	case PCI_EXT_CAP_ID_VNDR:
		fixed = 8;
		break;
	case PCI_EXT_CAP_ID_DVSEC:
		fixed = 10;
		break;
	default:
		return false;
	}
	if (at + 12 > CONFIG_SIZE)
		return false;
	/* Both have their length in the same place. The header before the registers differs in size. */
	length = PCI_VNDR_HEADER_LEN(get(host, at + 4, 4));
	if (length < fixed || at + length > end)
		return false;
	memcpy(fn->config + at + 4, host + at + 4, fixed - 4);
	memset(fn->pass + at + fixed, 0xff, length - fixed);
	memset(fn->writable + at + fixed, 0xff, length - fixed);
	return true;
}

static void extended_chain_show(struct function *fn, const uint8_t *host)
{
	uint32_t link = PCI_CFG_SPACE_SIZE, at = PCI_CFG_SPACE_SIZE, end, header;
	uint32_t list[(CONFIG_SIZE - PCI_CFG_SPACE_SIZE) / 4];
	unsigned int n = 0;

	while (at >= PCI_CFG_SPACE_SIZE && n < sizeof(list) / sizeof(list[0])) {
		header = get(host, at, 4);
		if (!header || header == ~0u)
			break;
		list[n++] = at;
		at = PCI_EXT_CAP_NEXT(header);
	}
	for (unsigned int i = 0; i < n; i++) {
		at = list[i];
		end = CONFIG_SIZE;
		for (unsigned int j = 0; j < n; j++)
			if (list[j] > at && list[j] < end)
				end = list[j];
		if (register_get(fn, at, 4) || !extended_show(fn, host, at, end))
			continue;
		register_set(fn, at, 4, get(host, at, 4) & 0xfffff, 0);
		if (at == PCI_CFG_SPACE_SIZE)
			continue;
		/* The chain begins at 0x100, with an empty capability if need be. */
		header = register_get(fn, link, 4) & 0xfffff;
		register_set(fn, link, 4, header | at << 20, 0);
		link = at;
	}
}

void capabilities_show(struct function *fn, const uint8_t *host)
{
	standard_show(fn, host);
	if (fn->slice->config_size > PCI_CFG_SPACE_SIZE)
		extended_chain_show(fn, host);
}
