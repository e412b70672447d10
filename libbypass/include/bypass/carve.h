/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Carving: functions of the host made ready for guests, and the host put back as it was.
 *
 * Whatever these calls change is first written, with its undo, into a ledger under
 * /run/bypass/: one file for each function that was carved. It outlives the process, so that a
 * later bypass_release() can put everything back whatever happened in between.
 *
 * All of them need root. None of them may run in two threads at once; against other processes
 * the ledger is locked.
 */
#ifndef BYPASS_CARVE_H
#define BYPASS_CARVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <bypass/pci.h>

#ifdef __cplusplus
extern "C" {
#endif

/** BYPASS_SLICE_NAME_SIZE - room for the name of a slice and a NUL, in bytes */
#define BYPASS_SLICE_NAME_SIZE 40

/** BYPASS_CARVING_ID_SIZE - room for the ID of a carving and a NUL, in bytes */
#define BYPASS_CARVING_ID_SIZE 17

/**
 * struct bypass_vf_settings - what the PF enforces on one VF of a network adapter
 * @mac: MAC address; all zero on Ethernet: one that is derived from the host and the VF, and so the
 *       same at each carving
 * @guid: node and port GUID on InfiniBand; 0: one that is derived likewise
 * @vlan: VLAN that the adapter puts the VF's traffic in, 1 to 4094; 0 leaves it as it is
 * @trust: 1 lets the VF change its filters and MAC address, 0 does not; -1 leaves it as it is
 *
 * Source: IFLA_VF_MAC, IFLA_VF_VLAN, IFLA_VF_TRUST, IFLA_VF_IB_NODE_GUID, IFLA_VF_IB_PORT_GUID of <linux/if_link.h>.
 */
struct bypass_vf_settings {
	uint8_t mac[6];
	uint64_t guid;
	uint16_t vlan;
	int trust;
};

/**
 * struct bypass_carve - what to carve
 * @function: address of a PF, or of a function that is to be given whole
 * @vfs: VFs to create on the PF; 0 gives @function itself
 * @settings: NULL, or @vfs of them
 * @name: slices are called NAME-0, NAME-1, … or, for a whole function, NAME; letters, digits,
 *        '-', '_' and '.', the first a letter. NULL: a slice is called by its address
 * @force: take a function although the host depends on it, see bypass_function_burden()
 */
struct bypass_carve {
	const char *function;
	unsigned int vfs;
	const struct bypass_vf_settings *settings;
	const char *name;
	bool force;
};

/** BYPASS_CARVE_ADDRESSES - the most addresses of one RDMA slice */
#define BYPASS_CARVE_ADDRESSES 8

/**
 * struct bypass_carve_rdma - an HCA in software with addresses of its own
 * @netdev: network device, in whose network the addresses are
 * @address_count: entries of @addresses, from 1 to BYPASS_CARVE_ADDRESSES
 * @addresses: "10.7.0.5/24", "fd00::5/64"; without a length the network is one that @netdev has an address in
 * @name: of the HCA, and of the network device below it, as network devices may be called; NULL: the first of
 *        bypass0, bypass1, … that is free
 */
struct bypass_carve_rdma {
	const char *netdev;
	size_t address_count;
	const char *const *addresses;
	const char *name;
};

/**
 * struct bypass_carved - one function that a guest can have, or an HCA
 * @address: its PCI address; of an HCA its name
 * @name: its name, unique on this host
 */
struct bypass_carved {
	char address[BYPASS_ADDRESS_SIZE];
	char name[BYPASS_SLICE_NAME_SIZE];
};

/**
 * enum bypass_carving_state - how far a carving is
 * @BYPASS_CARVED: done; its slices can be used
 * @BYPASS_CARVE_BUSY: another process is carving or releasing it right now
 * @BYPASS_CARVE_HALF: the process that carved it ended in the middle
 * @BYPASS_RELEASE_HALF: part of it is released: a release failed or ended in the middle
 * @BYPASS_LEDGER_BAD: its ledger cannot be read, or its function is gone
 */
enum bypass_carving_state {
	BYPASS_CARVED,
	BYPASS_CARVE_BUSY,
	BYPASS_CARVE_HALF,
	BYPASS_RELEASE_HALF,
	BYPASS_LEDGER_BAD,
};

/**
 * struct bypass_carving - one carved function, as its ledger says
 * @function: address of the PF, or of the function that was carved whole; of an RDMA slice its name
 * @netdev: network device that an RDMA slice is on; empty for functions
 * @addresses: of an RDMA slice, joined by +, as addr= of bypass_rdma_parse() takes them
 * @name: name that the carving was given; empty when it was given none
 * @id: tells this carving from every other of the same function, see bypass_release_carving()
 * @state: how far it is
 * @since: when it was carved, seconds since the epoch
 * @pid: process that works on it (BYPASS_CARVE_BUSY) or that carved it
 * @steps: changes to the host that releasing it undoes
 * @problem: with BYPASS_LEDGER_BAD, what is wrong and what to do; else empty
 * @count: number of slices
 * @slice: the slices
 */
struct bypass_carving {
	char function[BYPASS_ADDRESS_SIZE];
	char netdev[16];
	char addresses[BYPASS_CARVE_ADDRESSES * 40];
	char name[BYPASS_SLICE_NAME_SIZE];
	char id[BYPASS_CARVING_ID_SIZE];
	enum bypass_carving_state state;
	time_t since;
	pid_t pid;
	unsigned int steps;
	char problem[512];
	size_t count;
	struct bypass_carved slice[];
};

/**
 * bypass_carve() - make slices of a function
 * @what: which function, and how
 * @carving: receives what was made, to be given back with free(); may be NULL
 *
 * Creates the VFs with the host's own probing off, gives each VF its settings, and binds each to
 * vfio-pci. A VF of an NVMe controller also gets its queue and interrupt resources (NVM Express
 * Base Specification 2.0, 5.28 and 8.26). Does all of it or nothing: when a step fails, those before are undone.
 * Each step is a remark of level BYPASS_LOG_INFO.
 *
 * Loads no module: without vfio-pci it fails and says which to load.
 *
 * Return: 0, or a negative errno: -EBUSY when the function is carved already, another process
 * works on it, or the host depends on it; -EALREADY when somebody else has bound it to vfio-pci;
 * -ENODEV when there is no such function; -ENOTSUP when the host has no IOMMU in use, no vfio-pci
 * loaded, or the function no SR-IOV; -ERANGE when it cannot have so many VFs, -ENOSPC when its
 * NVMe controller has too little for them; -EEXIST when the name is taken; -EACCES without root;
 * else what the step that failed says.
 */
int bypass_carve(const struct bypass_carve *what, struct bypass_carving **carving);

/**
 * bypass_carve_rdma() - make an HCA in software that has addresses of its own
 * @what: which addresses, and where
 * @carving: receives what was made, to be given back with free(); may be NULL
 *
 * Makes a macvlan in bridge mode on the network device, gives it the addresses, and makes an rxe on it. The device of
 * the host answers ARP, and asks, for its own addresses alone from then on (arp_ignore, arp_announce), until the last
 * such slice is released.
 * All of it or nothing, as bypass_carve(). Loads no module.
 *
 * A macvlan does not reach the device that it is on: on the host, whoever wants to reach the slice needs such an HCA as
 * well. Between slices of one host, IPv4 addresses reach each other, and link-local ones.
 *
 * Return: 0, or a negative errno: -ENODEV when there is no such network device; -ENOTSUP when it is no Ethernet or
 * rdma_rxe is not loaded, -EOPNOTSUPP when an adapter with RDMA of its own is behind it; -EINVAL when an address or the
 * name is none; -EADDRINUSE when this host has the address; -EEXIST when the name is taken; -EACCES without root; else
 * what the step that failed says.
 */
int bypass_carve_rdma(const struct bypass_carve_rdma *what, struct bypass_carving **carving);

/**
 * bypass_carved_holder() - who has this slice open?
 * @slice: of a carving
 * @holder: filled in when somebody has
 *
 * Return: as bypass_function_holder(), of functions and HCAs.
 */
int bypass_carved_holder(const struct bypass_carved *slice, struct bypass_holder *holder);

/**
 * bypass_release() - put a function back as it was before it was carved
 * @name: a carved function's address, or the address or name of one slice, or the name that the
 *        carving was given
 *
 * Undoes the changes in the ledger, last first. Releasing one slice of several gives back that
 * one; with the last of them, the rest is put back too. Also finishes what a killed process left
 * half done. Stops at a step that cannot be undone, and keeps the ledger of what is left.
 *
 * Sets back only what it finds as bypass_carve() has left it. What somebody else has changed since,
 * or what lives in a device that was removed and came back, stays as it is; a remark of level
 * BYPASS_LOG_WARN says so.
 *
 * Return: 0, or a negative errno: -EINVAL when @name is empty; -ENOENT when nothing of this name is
 * carved; -EBUSY when a process or the host uses a slice, or a VF that would be destroyed, or another
 * process works on it; -EBADMSG when the ledger is damaged.
 */
int bypass_release(const char *name);

/**
 * bypass_release_carving() - put back what one call of bypass_carve() has changed
 * @carving: what that call returned
 *
 * As bypass_release() of its function, for whoever carved it: when somebody else has released the
 * carving since, there is nothing to do, and a later carving of the same function stays.
 *
 * Return: 0, or a negative errno as bypass_release().
 */
int bypass_release_carving(const struct bypass_carving *carving);

/**
 * bypass_carvings() - what is carved
 * @list: receives an array that ends in NULL, ordered by address; give it back with
 *        bypass_carvings_free()
 *
 * Return: how many there are, or a negative errno: -EACCES without root; -ELOOP or -EPERM when
 * the ledger's directory is not what it should be.
 */
int bypass_carvings(struct bypass_carving ***list);

/**
 * bypass_carvings_free() - give a list back
 * @list: from bypass_carvings(); NULL is fine
 */
void bypass_carvings_free(struct bypass_carving **list);

#ifdef __cplusplus
}
#endif
#endif
