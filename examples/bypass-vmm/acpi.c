// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ACPI for a machine with no firmware: tables (ACPI 6.5, hardware-reduced), the namespace
 * that describes PCI and the console, and the registers behind power-off and reset.
 */
#include <string.h>

#include "internal.h"

#define SLEEP_ENABLE   0x20
#define SLEEP_TYPE(v)  (((v) >> 2) & 7)
#define SLEEP_TYPE_OFF 5 /* what \_S5 names */
#define RESET_VALUE    1

/* Tables are written one after the other; the cursor is an address in guest memory's view. */
struct writer {
	uint8_t *base; /* of ACPI_BASE */
	uint32_t at;
};

static void put(struct writer *w, uint64_t value, unsigned int size)
{
	memcpy(w->base + w->at, &value, size); /* little-endian, as the host */
	w->at += size;
}

static void put_text(struct writer *w, const char *text, unsigned int size)
{
	memcpy(w->base + w->at, text, strnlen(text, size)); /* the rest is zeroed already */
	w->at += size;
}

static uint8_t checksum(const uint8_t *data, uint32_t size)
{
	uint8_t sum = 0;

	while (size--)
		sum += *data++;
	return -sum;
}

/* The header that all tables but the RSDP begin with. Returns the table's place. */
static uint32_t table_begin(struct writer *w, const char *signature, uint8_t revision)
{
	uint32_t start;

	w->at = (w->at + 15) & ~15u;
	start = w->at;
	put_text(w, signature, 4);
	put(w, 0, 4); /* length and checksum: table_end() */
	put(w, revision, 1);
	put(w, 0, 1);
	put_text(w, "BYPASS", 6);
	put_text(w, "BYPASVMM", 8);
	put(w, 1, 4);
	put_text(w, "BYPS", 4);
	put(w, 1, 4);
	return start;
}

static uint64_t table_end(struct writer *w, uint32_t start)
{
	uint32_t size = w->at - start;

	memcpy(w->base + start + 4, &size, 4);
	w->base[start + 9] = checksum(w->base + start, size);
	return ACPI_BASE + start;
}

/* AML: the length of a package includes the three bytes that it takes here itself. */
static uint32_t package_begin(struct writer *w)
{
	w->at += 3;
	return w->at - 3;
}

static void package_end(struct writer *w, uint32_t start)
{
	uint32_t size = w->at - start;

	w->base[start] = 0x80 | (size & 0xf);
	w->base[start + 1] = size >> 4;
	w->base[start + 2] = size >> 12;
}

static void aml_name(struct writer *w, const char *name)
{
	put(w, 0x08, 1);
	put_text(w, name, 4);
}

static uint32_t aml_device(struct writer *w, const char *name, const char *id, unsigned int number)
{
	uint32_t start, eisa;

	put(w, 0x825b, 2);
	start = package_begin(w);
	put_text(w, name, 4);
	aml_name(w, "_HID");
	put(w, 0x0c, 1);
	eisa = (id[0] - '@') << 26 | (id[1] - '@') << 21 | (id[2] - '@') << 16 | number;
	put(w, __builtin_bswap32(eisa), 4);
	return start;
}

/* _CRS: a buffer of resource descriptors (ACPI 6.4), as long as what stands between the two. */
static uint32_t crs_begin(struct writer *w)
{
	uint32_t start;

	aml_name(w, "_CRS");
	put(w, 0x11, 1);
	start = package_begin(w);
	put(w, 0x0b, 1);
	put(w, 0, 2);
	return start;
}

static void crs_end(struct writer *w, uint32_t start)
{
	uint16_t size;

	put(w, 0x0079, 2);
	size = w->at - start - 6;
	memcpy(w->base + start + 4, &size, 2);
	package_end(w, start);
}

/* An address space that the root bridge passes on: type 0 memory, 1 ports, 2 bus numbers. */
static void crs_window(struct writer *w, uint8_t type, uint8_t flags, unsigned int width,
		       uint64_t base, uint64_t size)
{
	static const uint8_t tag[] = {[2] = 0x88, [4] = 0x87, [8] = 0x8a};

	if (!size)
		return;
	put(w, tag[width], 1);
	put(w, 3 + 5 * width, 2);
	put(w, type, 1);
	put(w, 0x0c, 1); /* both ends fixed */
	put(w, flags, 1);
	put(w, 0, width);
	put(w, base, width);
	put(w, base + size - 1, width);
	put(w, 0, width);
	put(w, size, width);
}

static void crs_ports(struct writer *w, uint16_t base, uint8_t size)
{
	put(w, 0x0147, 2);
	put(w, base, 2);
	put(w, base, 2);
	put(w, 1, 1);
	put(w, size, 1);
}

/* Which GSI is INTA# of which device: { device << 16 | any function, pin, no link, GSI }. */
static void build_prt(struct writer *w)
{
	uint32_t outer, inner;

	aml_name(w, "_PRT");
	put(w, 0x12, 1);
	outer = package_begin(w);
	put(w, MAX_SLICES, 1);
	for (unsigned int device = 1; device <= MAX_SLICES; device++) {
		put(w, 0x12, 1);
		inner = package_begin(w);
		put(w, 4, 1);
		put(w, 0x0c, 1);
		put(w, device << 16 | 0xffff, 4);
		put(w, 0x00, 1);
		put(w, 0x00, 1);
		put(w, 0x0a | PCI_GSI(device) << 8, 2);
		package_end(w, inner);
	}
	package_end(w, outer);
}

static void build_devices(struct vmm *vmm, struct writer *w)
{
	uint32_t device, crs;

	device = aml_device(w, "PCI0", "PNP", 0x0a08);
	aml_name(w, "_CID");
	put(w, 0x0c, 1);
	put(w, 0x030ad041, 4); /* PNP0A03 */
	crs = crs_begin(w);
	crs_window(w, 2, 0, 2, 0, 1);
	crs_ports(w, PORT_PCI_ADDR, 8);
	crs_window(w, 1, 3, 2, PIO_BASE, PIO_SIZE);
	crs_window(w, 0, 1, 4, MMIO32_BASE, MMIO32_SIZE);
	crs_window(w, 0, 1, 8, vmm->mmio64.base, vmm->mmio64.size);
	crs_end(w, crs);
	build_prt(w);
	package_end(w, device);

	device = aml_device(w, "ECAM", "PNP", 0x0c02);
	crs = crs_begin(w);
	put(w, 0x86, 1);
	put(w, 9, 2);
	put(w, 1, 1);
	put(w, ECAM_BASE, 4);
	put(w, ECAM_SIZE, 4);
	crs_end(w, crs);
	package_end(w, device);

	device = aml_device(w, "COM1", "PNP", 0x0501);
	aml_name(w, "_UID");
	put(w, 0x00, 1);
	crs = crs_begin(w);
	crs_ports(w, SERIAL_PORT, 8);
	put(w, 0x89, 1);
	put(w, 6, 2);
	put(w, 0x03, 1); /* consumer, edge, active high */
	put(w, 1, 1);
	put(w, SERIAL_GSI, 4);
	crs_end(w, crs);
	package_end(w, device);
}

static uint64_t build_dsdt(struct vmm *vmm, struct writer *w)
{
	uint32_t table = table_begin(w, "DSDT", 2), scope, package;

	aml_name(w, "_S5_");
	put(w, 0x12, 1);
	package = package_begin(w);
	put(w, 1, 1);
	put(w, 0x0a | SLEEP_TYPE_OFF << 8, 2);
	package_end(w, package);

	put(w, 0x10, 1);
	scope = package_begin(w);
	put_text(w, "_SB_", 4);
	build_devices(vmm, w);
	package_end(w, scope);
	return table_end(w, table);
}

/* A generic address structure for a byte-wide port. */
static void put_port(struct writer *w, uint16_t port)
{
	put(w, 0x01000801, 4);
	put(w, port, 8);
}

static uint64_t build_fadt(struct writer *w, uint64_t dsdt)
{
	uint32_t table = table_begin(w, "FACP", 6);

	w->at = table + 40;
	put(w, dsdt, 4);
	w->at = table + 109;
	put(w, 0x24, 2); /* no VGA, no CMOS clock; nor legacy devices, nor an 8042 */
	w->at = table + 112;
	put(w, 1 << 20 | 1 << 10 | 3 << 4 | 1, 4); /* hardware-reduced, reset, no buttons, WBINVD */
	put_port(w, PORT_RESET);
	put(w, RESET_VALUE, 1);
	w->at = table + 131;
	put(w, 5, 1);
	w->at = table + 140;
	put(w, dsdt, 8);
	w->at = table + 244;
	put_port(w, PORT_SLEEP);
	put_port(w, PORT_SLEEP + 1);
	put_text(w, "BYPASS", 8);
	return table_end(w, table);
}

static uint64_t build_madt(struct vmm *vmm, struct writer *w)
{
	uint32_t table = table_begin(w, "APIC", 5);

	put(w, LAPIC_BASE, 4);
	put(w, 0, 4); /* no 8259 */
	for (unsigned int i = 0; i < vmm->n_cpus; i++) {
		put(w, 0x0800, 2);
		put(w, i, 1);
		put(w, i, 1);
		put(w, 1, 4);
	}
	put(w, 0x0c01, 2);
	put(w, 0, 2);
	put(w, IOAPIC_BASE, 4);
	put(w, 0, 4);
	return table_end(w, table);
}

static uint64_t build_mcfg(struct writer *w)
{
	uint32_t table = table_begin(w, "MCFG", 1);

	put(w, 0, 8);
	put(w, ECAM_BASE, 8);
	put(w, 0, 8); /* segment 0, bus 0 to 0 */
	return table_end(w, table);
}

/**
 * acpi_build() - write the tables, anew at each boot
 * @vmm: the machine, with its memory and number of vCPUs
 */
void acpi_build(struct vmm *vmm)
{
	struct writer w = {.base = bypass_memory_hva(vmm->memory, ACPI_BASE, ACPI_SIZE)};
	uint64_t fadt, madt, mcfg, xsdt;
	uint32_t table;

	memset(w.base, 0, ACPI_SIZE);
	w.at = 64; /* the RSDP comes last, but stands first */
	fadt = build_fadt(&w, build_dsdt(vmm, &w));
	madt = build_madt(vmm, &w);
	mcfg = build_mcfg(&w);
	table = table_begin(&w, "XSDT", 1);
	put(&w, fadt, 8);
	put(&w, madt, 8);
	put(&w, mcfg, 8);
	xsdt = table_end(&w, table);

	w.at = 0;
	put_text(&w, "RSD PTR ", 8);
	put(&w, 0, 1);
	put_text(&w, "BYPASS", 6);
	put(&w, 2, 1);
	put(&w, 0, 4);
	put(&w, 36, 4);
	put(&w, xsdt, 8);
	w.base[8] = checksum(w.base, 20);
	w.base[32] = checksum(w.base, 36);
}

/**
 * acpi_pio() - the power registers
 * @vmm: the machine
 * @port: which
 * @data: read or written, one byte
 * @write: direction
 *
 * Return: false when @port is none of them.
 */
bool acpi_pio(struct vmm *vmm, uint16_t port, uint8_t *data, bool write)
{
	if (port < PORT_SLEEP || port > PORT_RESET)
		return false;
	if (!write)
		*data = 0;
	else if (port == PORT_RESET && *data == RESET_VALUE)
		event_raise(vmm, EVENT_RESET);
	else if (port == PORT_SLEEP && *data & SLEEP_ENABLE && SLEEP_TYPE(*data) == SLEEP_TYPE_OFF)
		event_raise(vmm, EVENT_POWEROFF);
	return true;
}
