/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every precondition of the data path, looked at on the live host: what holds, what costs,
 * what is missing, and the command or setting that fixes it.
 */
#ifndef BYPASS_DOCTOR_H
#define BYPASS_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum bypass_verdict - how bad a finding is
 * @BYPASS_OK: as it should be
 * @BYPASS_WARN: works, but costs performance, isolation or convenience
 * @BYPASS_FAIL: what was asked for cannot work
 */
enum bypass_verdict {
	BYPASS_OK,
	BYPASS_WARN,
	BYPASS_FAIL,
};

/**
 * struct bypass_finding - one thing that was looked at
 * @verdict: how bad it is
 * @about: what was looked at, a word that stays the same: "iommu", "memlock", …
 * @text: what was found and why it matters
 * @fix: empty when there is nothing to do; a command to be run by root as it stands when
 *        @is_command, else what to set and where
 * @is_command: see @fix
 */
struct bypass_finding {
	enum bypass_verdict verdict;
	char about[24];
	char text[512];
	char fix[256];
	bool is_command;
};

/**
 * bypass_finding_fn - takes one finding
 * @opaque: as given in struct bypass_doctor
 * @finding: valid during the call
 */
typedef void bypass_finding_fn(void *opaque, const struct bypass_finding *finding);

/**
 * struct bypass_doctor - what is asked
 * @function: PCI function that a guest is to have, or a PF of whose VFs it is to have one; as
 *            bypass_address() takes it. NULL asks about the host alone
 * @guest_memory: RAM of that guest in bytes; 0 when it does not matter
 * @found: called for each finding, in an order that stays the same
 * @opaque: handed to @found
 */
struct bypass_doctor {
	const char *function;
	uint64_t guest_memory;
	bypass_finding_fn *found;
	void *opaque;
};

/**
 * bypass_doctor() - look at the host and, if asked, one function
 * @ask: what is asked
 *
 * Changes nothing. Needs no privilege, but sees less without: what it could not see it says.
 *
 * Return: how many findings are BYPASS_FAIL, or a negative errno when @ask makes no sense.
 */
int bypass_doctor(const struct bypass_doctor *ask);

/**
 * bypass_doctor_rdma() - look at HCAs, of which guests may have context slices
 * @name: an HCA, or a network device of one; NULL for all of them, whose findings are then
 *        BYPASS_WARN at the worst, since none was asked for
 * @found: called for each finding
 * @opaque: handed to @found
 *
 * Return: how many findings are BYPASS_FAIL; -ENODEV when there is no HCA of this name; what
 * bypass_rdma_hcas() says.
 */
int bypass_doctor_rdma(const char *name, bypass_finding_fn *found, void *opaque);

#ifdef __cplusplus
}
#endif
#endif
