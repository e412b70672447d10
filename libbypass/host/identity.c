// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Addresses that a VF keeps from carving to carving. An address is derived from the host's machine
 * ID, the PF, and the VF's index: two hosts, two PFs or two VFs hardly ever have the same.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define LOCALLY_ADMINISTERED 0x02
#define MULTICAST	     0x01

/* FNV-1a; then each bit of the result is made to depend on each bit of the text. */
static uint64_t hash(const char *text)
{
	uint64_t value = 0xcbf29ce484222325;

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * 0x100000001b3;
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

/* The host's ID, or nothing: a host without one would have the addresses of every other. */
static bool vf_hash(const char *pf, unsigned int vf, const char *what, uint64_t *value)
{
	char machine[64], text[160];

	if (host_file(host_paths.machine_id, machine, sizeof(machine)) < 32)
		return false;
	machine[strcspn(machine, "\n")] = '\0';
	snprintf(text, sizeof(text), "bypass %s %s %u %s", machine, pf, vf, what);
	*value = hash(text);
	return true;
}

bool identity_mac(const char *pf, unsigned int vf, uint8_t mac[6])
{
	uint64_t value;

	if (!vf_hash(pf, vf, "mac", &value))
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = value >> 8 * i;
	mac[0] = (mac[0] | LOCALLY_ADMINISTERED) & ~MULTICAST;
	return true;
}

bool identity_guid(const char *pf, unsigned int vf, uint64_t *guid)
{
	if (!vf_hash(pf, vf, "guid", guid))
		return false;
	*guid |= (uint64_t)LOCALLY_ADMINISTERED << 56;
	*guid &= ~((uint64_t)MULTICAST << 56);
	return true;
}
