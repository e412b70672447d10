/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RDMA context slices: a guest's own verbs context on an HCA that several guests share.
 * A slice is a virtio device (bypass/virtio.h). A program that carries a slice into a VM
 * needs two things from this header: to find an HCA, and to open a slice on that HCA.
 */
#ifndef BYPASS_RDMA_H
#define BYPASS_RDMA_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bypass_slice;
struct bypass_virtio_device;

/**
 * struct bypass_rdma_hca - an HCA of this host
 * @name: "rxe0", "mlx5_0", …
 * @netdev: network device of its first port ("eth0"), or empty
 * @driver: name of the dialect that speaks its provider's language; empty: there is
 *	none, and no slice can be had
 * @guarded: the provider's queues are safe to show to an untrusted guest only by the
 *	guarded way (see struct bypass_rdma_options)
 * @ports: number of ports
 * @active: port 1 is active
 */
struct bypass_rdma_hca {
	char name[64];
	char netdev[16];
	char driver[16];
	bool guarded;
	unsigned int ports;
	bool active;
};

/**
 * bypass_rdma_hcas() - the HCAs of this host
 * @hcas: set to an array for free(3)
 * @count: set to its length
 *
 * Return: 0 (also when there are none), -EACCES or what libibverbs said.
 */
int bypass_rdma_hcas(struct bypass_rdma_hca **hcas, unsigned int *count);

/**
 * struct bypass_rdma_link - one port of an HCA, as the kernel shows it
 * @state: "ACTIVE", "DOWN", …
 * @function: address of the PCI function behind it, "0000:01:00.0"; of a software HCA the
 *	function of its network device; empty when there is none
 * @gids: GIDs in use
 * @gid: the first of them, as text, in the order of the table
 */
struct bypass_rdma_link {
	char state[16];
	char function[20];
	unsigned int gids;
	char gid[8][40];
};

/**
 * bypass_rdma_link() - look at one port of an HCA
 * @hca: its name
 * @port: from 1
 * @link: filled
 *
 * Needs no privilege and does not open the HCA.
 *
 * Return: 0, or -ENODEV when there is no such port.
 */
int bypass_rdma_link(const char *hca, unsigned int port, struct bypass_rdma_link *link);

/**
 * struct bypass_rdma_quota - the most that one slice may hold; 0 means the default
 * @ucontexts: processes of the guest with an open device
 * @pds: protection domains
 * @mrs: memory regions
 * @mws: memory windows
 * @cqs: completion queues
 * @srqs: shared receive queues
 * @qps: queue pairs
 * @ahs: address handles
 * @xrcds: XRC domains
 * @mcasts: attachments to multicast groups, over all QPs
 * @ids: ids of rdma_cm: connections, listeners, and requests for connections
 * @backlog: requests that wait at one listener
 * @depth: entries of one queue (work requests, completions)
 * @pinned_bytes: guest memory under registrations; what is registered twice counts twice
 * @shm_bytes: size of the shared memory region, a power of two: all that the guest may have mapped
 *
 * Where the HCA itself has less, its limit counts.
 */
struct bypass_rdma_quota {
	uint32_t ucontexts;
	uint32_t pds;
	uint32_t mrs;
	uint32_t mws;
	uint32_t cqs;
	uint32_t srqs;
	uint32_t qps;
	uint32_t ahs;
	uint32_t xrcds;
	uint32_t mcasts;
	uint32_t ids;
	uint32_t backlog;
	uint32_t depth;
	uint64_t pinned_bytes;
	uint64_t shm_bytes;
};

/** BYPASS_RDMA_GIDS - the most GIDs, and the most P_Keys, that one slice may have */
#define BYPASS_RDMA_GIDS 16

/**
 * struct bypass_rdma_options - what slice is wanted
 * @hca: name of the HCA, or of a network device of it
 * @trust_guest: the guest may be given the driver's own queues although the driver
 *	believes what it reads there (rxe). Without it such an HCA is served the guarded
 *	way where its dialect has one, and is refused where not
 * @all_ram: the guest may register all its RAM in one region, iova = guest-physical
 *	address. For guests whose kernel is the only user
 * @fixed_windows: what the guest is to see of the HCA is laid out when the slice is opened, and
 *	stays: for a carrier that maps windows once, as vfio-user does. A ConnectX then has doorbell
 *	pages for 64 processes of the guest, or as many as the quota says, at most 256. The client may
 *	keep their descriptor: it is one of the HCA, on which verbs can be called, and with which nothing
 *	of the slice but those pages can be reached
 * @hca_counters: the guest may read the HCA's port counters, which count what all users of the HCA
 *	do. For an HCA that is the guest's alone
 * @virtio_id: device ID; 0 for the default (42)
 * @vectors: completion vectors, 1 to 64; 0 for the default
 * @n_gids: entries of @gids; 0: the link-local GID of each port, and its first other address
 * @gids: the GIDs that the guest has, by their indices in the port's table, in the guest's order
 * @n_addrs: entries of @addrs; not together with @gids
 * @addrs: the addresses that the guest has, as IPv6 has them (::ffff:a.b.c.d): its table has the GIDs of
 *	these, with both RoCE versions, and a guest binds these by rdma_cm
 * @n_pkeys: entries of @pkeys; 0: the first one
 * @pkeys: the P_Keys that the guest has, likewise
 * @port_first: the lowest port that the guest may bind an id of rdma_cm to; 0: 1024 to 65535
 * @port_last: the highest one
 * @quota: limits
 */
struct bypass_rdma_options {
	char hca[64];
	bool trust_guest;
	bool all_ram;
	bool fixed_windows;
	bool hca_counters;
	uint16_t virtio_id;
	unsigned int vectors;
	unsigned int n_gids;
	uint8_t gids[BYPASS_RDMA_GIDS];
	unsigned int n_addrs;
	uint8_t addrs[BYPASS_RDMA_GIDS][16];
	unsigned int n_pkeys;
	uint8_t pkeys[BYPASS_RDMA_GIDS];
	uint16_t port_first;
	uint16_t port_last;
	struct bypass_rdma_quota quota;
};

/**
 * bypass_rdma_parse() - read options as users write them
 * @text: "rxe0,trust-guest,qps=64,pinned=1G": the HCA, then flags (trust-guest,
 *	all-ram, hca-counters) and numbers (id, vectors, and the quotas: ucontexts, pds, mrs, mws, cqs,
 *	srqs, qps, ahs, xrcds, mcasts, ids, backlog, depth, pinned, shm). Numbers may end in K, M, G or
 *	T. Lists (gids, pkeys) have indices below 128, joined by +: "gids=0+3"; addr has IPv4 and IPv6
 *	addresses, ports a range: "addr=10.7.0.5+fd00::5,ports=80-99"
 * @options: filled; what the text does not name is 0
 *
 * Return: 0, -EINVAL with a text that points at the word and lists the known ones, or
 * -ENOMEM.
 */
int bypass_rdma_parse(const char *text, struct bypass_rdma_options *options);

/**
 * bypass_rdma_open() - open a slice
 * @options: copied
 * @dev: set to the device, to be given to its ops->close
 *
 * The HCA is opened here and not later, so that a process may drop its privileges and
 * close itself in afterwards. The device runs threads of its own from its first
 * queue_start to its reset.
 *
 * When the HCA is removed, all that was open of it is closed, the guest hears of it, and
 * the device's event() says BYPASS_EVENT_DEAD. Some drivers (rxe) cannot take an HCA away that
 * is open here: whoever keeps a device with no guest watches its event_fd, so that event()
 * lets go of the HCA.
 *
 * Return: 0; -ENODEV (no such HCA: the text lists those there are), -EOPNOTSUPP (no
 * dialect, or no fixed windows), -EPERM (needs trust_guest: the text says why), -EINVAL, -EACCES, -ENOMEM,
 * or what the kernel said.
 */
int bypass_rdma_open(const struct bypass_rdma_options *options, struct bypass_virtio_device **dev);

/**
 * bypass_rdma_user_changed() - this process has changed its user since bypass_rdma_open()
 * @dev: a device that no VMM has yet
 *
 * The kernel takes commands of rdma_cm only from the credentials that opened its device, and so the slice
 * opens the device anew. Where the new user may not, guests make no connections by rdma_cm, which the log
 * says.
 */
void bypass_rdma_user_changed(struct bypass_virtio_device *dev);

/**
 * bypass_rdma_slice_open() - a slice for a VMM that has no virtio of its own
 * @text: as for bypass_rdma_parse()
 * @slice: set to the device under the virtio-pci transport; to be plugged like any slice, and
 *	given to bypass_slice_close()
 *
 * Return: 0, or as bypass_rdma_parse(), bypass_rdma_open() and bypass_virtio_pci_new().
 */
int bypass_rdma_slice_open(const char *text, struct bypass_slice **slice);

/**
 * struct bypass_rdma_stats - what a slice has done since it was opened, and holds now
 * @commands: control commands executed
 * @refused: of them, those that failed
 * @kicks: times the doorbell thread was woken
 * @post_sends: doorbells that it rang for the guest: one system call each
 * @arms: completion queues that it armed: one system call each
 * @completions: completion events delivered
 * @events: asynchronous events delivered
 * @copied: work requests copied the guarded way
 * @pinned_bytes: guest memory under registrations now
 * @shm_bytes: mapped into the guest now
 * @objects: of all kinds, now
 */
struct bypass_rdma_stats {
	uint64_t commands;
	uint64_t refused;
	uint64_t kicks;
	uint64_t post_sends;
	uint64_t arms;
	uint64_t completions;
	uint64_t events;
	uint64_t copied;
	uint64_t pinned_bytes;
	uint64_t shm_bytes;
	uint64_t objects;
};

/**
 * bypass_rdma_stats() - statistics of a slice
 * @dev: from bypass_rdma_open()
 * @stats: filled
 *
 * May be called at any time from any thread.
 */
void bypass_rdma_stats(struct bypass_virtio_device *dev, struct bypass_rdma_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
