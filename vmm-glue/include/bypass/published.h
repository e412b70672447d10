/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Statistics that a running VMM publishes: one page of plain counters in a file,
 * which anyone may map or read, at no cost to the VMM.
 */
#ifndef BYPASS_PUBLISHED_H
#define BYPASS_PUBLISHED_H

#include <stdbool.h>
#include <stdint.h>

#include <bypass/kvm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BYPASS_PUBLISHED_DIRECTORY "/run/bypass/vmm"
#define BYPASS_PUBLISHED_MAGIC	   0x0074617473707962ull /* "bypstat", little-endian */
#define BYPASS_PUBLISHED_VERSION   1
#define BYPASS_PUBLISHED_SLICES	   28

/**
 * struct bypass_published_slice - one slice; its place is constant while it is plugged
 * @name: of the slice, with a zero at its end; empty: nothing is plugged here
 * @devfn: where the guest sees it
 * @stats: counters, each written whole. interrupts is as of the last bypass_vm_stats()
 */
struct bypass_published_slice {
	char name[64];
	uint64_t devfn;
	struct bypass_slice_stats stats;
};

/**
 * struct bypass_published - the file
 * @magic: BYPASS_PUBLISHED_MAGIC
 * @version: BYPASS_PUBLISHED_VERSION
 * @pid: of the VMM
 * @started: when it attached its VM, seconds since 1970
 * @generation: odd while slices come or go; what was read while it changed is void
 * @reserved: 0
 * @slices: the VM's slices; one beyond these is not published
 *
 * The file is named "PID.N", with N counting the VMs of a process. The VMM holds a
 * flock(2) on it as long as it lives: a file that can be locked is a dead VMM's.
 */
struct bypass_published {
	uint64_t magic;
	uint32_t version;
	uint32_t pid;
	uint64_t started;
	uint64_t generation;
	uint64_t reserved[4];
	struct bypass_published_slice slices[BYPASS_PUBLISHED_SLICES];
};

/**
 * bypass_vm_publish() - let others read the statistics of a VM
 * @vm: the VM
 * @directory: where to put the file; NULL for BYPASS_PUBLISHED_DIRECTORY. It is made
 *	when it is missing, its parents are not, except /run/bypass
 *
 * bypass_vm_detach() removes the file. What VMMs that died have left there is removed now.
 *
 * Return: 0; -EALREADY; or why the file cannot be made.
 */
int bypass_vm_publish(struct bypass_vm *vm, const char *directory);

/**
 * bypass_published_read() - what a VMM has published
 * @path: the file
 * @copy: filled, consistent in itself
 * @alive: set to whether the VMM still runs
 *
 * Return: 0; -ENOENT (it is gone); -EINVAL (not such a file, or another version's);
 * -EAGAIN (slices came and went all the time).
 */
int bypass_published_read(const char *path, struct bypass_published *copy, bool *alive);

#ifdef __cplusplus
}
#endif
#endif
