// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table of routes: what each GSI is, a pin of an interrupt controller or a message. KVM
 * takes the table as a whole. So the VMM's own entries are in the table too, always in front.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/error.h>

#include "machine.h"

#define IOAPIC_PINS 24
#define PIC_PINS    8

#ifdef __x86_64__
/* As KVM_CREATE_IRQCHIP sets up: a GSI is a pin of the IOAPIC; GSIs 0 to 15 also of a PIC. */
static uint32_t default_routes(struct kvm_irq_routing_entry *e)
{
	uint32_t n = 0;

	for (uint32_t gsi = 0; gsi < IOAPIC_PINS; gsi++) {
		e[n++] = (struct kvm_irq_routing_entry){
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = {.irqchip = KVM_IRQCHIP_IOAPIC, .pin = gsi},
		};
		if (gsi >= 2 * PIC_PINS)
			continue;
		e[n++] = (struct kvm_irq_routing_entry){
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = {.irqchip = gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER
								: KVM_IRQCHIP_PIC_SLAVE,
				      .pin = gsi % PIC_PINS},
		};
	}
	return n;
}
#else
/* bypass_vm_attach() has refused the host before. */
static uint32_t default_routes(struct kvm_irq_routing_entry *e)
{
	(void)e;
	return 0;
}
#endif

static int routes_room(struct glue_machine *m, uint32_t n)
{
	struct kvm_irq_routing *table;
	uint32_t room;

	if (m->routes && n <= m->routes_room)
		return 0;
	room = n + 64;
	table = realloc(m->routes, sizeof(*table) + room * sizeof(table->entries[0]));
	if (!table)
		return bypass_fail(ENOMEM, "no memory for %u interrupt routes", room);
	if (!m->routes)
		memset(table, 0, sizeof(*table));
	m->routes = table;
	m->routes_room = room;
	return 0;
}

int glue_routes_open(struct glue_machine *m, const struct bypass_vm_config *config)
{
	struct kvm_irq_routing_entry defaults[IOAPIC_PINS + 2 * PIC_PINS] = {0};

	if (config->routes)
		return glue_routes_fix(m, config->routes, config->n_routes);
	return glue_routes_fix(m, defaults, config->split_irqchip ? 0 : default_routes(defaults));
}

void glue_routes_close(struct glue_machine *m)
{
	free(m->routes);
	m->routes = NULL;
}

/* Replace the VMM's own entries, which stand in front. */
int glue_routes_fix(struct glue_machine *m, const struct kvm_irq_routing_entry *routes, uint32_t n)
{
	uint32_t messages = m->routes ? m->routes->nr - m->fixed : 0;
	int err;

	for (uint32_t i = 0; i < n; i++)
		if (routes[i].gsi >= m->gsis.first)
			return bypass_fail(EINVAL,
					   "route %u is for GSI %u, but vmm-glue was given "
					   "those from %u up",
					   i, routes[i].gsi, m->gsis.first);
	err = routes_room(m, n + messages);
	if (err)
		return err;
	memmove(m->routes->entries + n, m->routes->entries + m->fixed, messages * sizeof(*routes));
	if (n)
		memcpy(m->routes->entries, routes, n * sizeof(*routes));
	m->routes->nr = n + messages;
	m->fixed = n;
	m->routes_changed = true;
	return 0;
}

static struct kvm_irq_routing_entry *route_find(struct glue_machine *m, uint32_t gsi)
{
	for (uint32_t i = m->fixed; i < m->routes->nr; i++)
		if (m->routes->entries[i].gsi == gsi)
			return &m->routes->entries[i];
	return NULL;
}

/* Let @gsi send this message. The caller has checked that the address is a local APIC's. */
int glue_route_set(struct glue_machine *m, uint32_t gsi, uint64_t address, uint32_t data)
{
	struct kvm_irq_routing_entry *e = route_find(m, gsi);
	int err;

	if (e && e->u.msi.address_lo == (uint32_t)address && e->u.msi.address_hi == address >> 32 &&
	    e->u.msi.data == data)
		return 0;
	if (!e) {
		/* With one entry too many KVM would refuse the table, for all vectors. */
		if (m->routes->nr >= m->routes_max)
			return bypass_fail(ENOSPC,
					   "KVM takes %u interrupt routes, and %u of them are the "
					   "VMM's own",
					   m->routes_max, m->fixed);
		err = routes_room(m, m->routes->nr + 1);
		if (err)
			return err;
		e = &m->routes->entries[m->routes->nr++];
	}
	*e = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {.address_lo = address, .address_hi = address >> 32, .data = data},
	};
	m->routes_changed = true;
	return 0;
}

/* Does one of the VMM's routes lead @gsi to a pin of an interrupt controller? */
bool glue_gsi_is_pin(const struct glue_machine *m, uint32_t gsi)
{
	for (uint32_t i = 0; i < m->fixed; i++)
		if (m->routes->entries[i].gsi == gsi &&
		    m->routes->entries[i].type == KVM_IRQ_ROUTING_IRQCHIP)
			return true;
	return false;
}

void glue_route_drop(struct glue_machine *m, uint32_t gsi)
{
	struct kvm_irq_routing_entry *e = route_find(m, gsi);

	if (!e)
		return;
	*e = m->routes->entries[--m->routes->nr];
	m->routes_changed = true;
}

int glue_routes_commit(struct glue_machine *m)
{
	if (!m->routes_changed)
		return 0;
	if (ioctl(m->fd, KVM_SET_GSI_ROUTING, m->routes) < 0)
		return bypass_fail(errno, "KVM refuses a table of %u interrupt routes: %s",
				   m->routes->nr, strerror(errno));
	m->routes_changed = false;
	return 0;
}

/* glue_routes_fix() and commit. On failure the former entries are in force. */
int glue_routes_change(struct glue_machine *m, const struct kvm_irq_routing_entry *routes,
		       uint32_t n)
{
	uint32_t former_n = m->fixed;
	struct kvm_irq_routing_entry *former = malloc((former_n + 1) * sizeof(*former));
	int err;

	if (!former)
		return bypass_fail(ENOMEM, "no memory for %u interrupt routes", former_n);
	memcpy(former, m->routes->entries, former_n * sizeof(*former));
	err = glue_routes_fix(m, routes, n);
	if (!err) {
		err = glue_routes_commit(m);
		/* The table had room for them before, so this call cannot fail. */
		if (err)
			glue_routes_fix(m, former, former_n);
	}
	free(former);
	return err;
}
