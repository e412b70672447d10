// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a carving gives one VF: its addresses and link on a network adapter, its resources on an NVMe
 * controller, and a VFIO driver.
 */
#include <stdio.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

static void format_mac(const uint8_t mac[6], char *text, size_t size)
{
	snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
}

/* What nobody has asked for may fail: the VF works without. */
static void set_unasked(struct ledger *ledger, const char *vf, unsigned int index,
			const char *setting, const char *value)
{
	if (carve_vf_setting(ledger, STEP_LINK, vf, index, setting, value))
		bypass_log(BYPASS_LOG_WARN, "%s goes without a %s of its own: %s", vf, setting,
			   bypass_error());
}

/* Once: it is the same for all VFs. */
static void remark_no_identity(const char *vf, unsigned int index)
{
	if (index)
		return;
	bypass_log(BYPASS_LOG_WARN,
		   "%s gets no stable address: %s holds no ID of this host from which one could be "
		   "derived ('systemd-machine-id-setup' makes one)",
		   vf, host_paths.machine_id);
}

static int set_mac(struct ledger *ledger, const char *vf, unsigned int index,
		   const struct bypass_vf_settings *settings, bool ethernet)
{
	static const uint8_t none[6];
	uint8_t derived[6];
	char text[24];

	if (memcmp(settings->mac, none, sizeof(none))) {
		format_mac(settings->mac, text, sizeof(text));
		return carve_vf_setting(ledger, STEP_LINK, vf, index, "mac", text);
	}
	if (ethernet && !identity_mac(ledger->function, index, derived)) {
		remark_no_identity(vf, index);
	} else if (ethernet) {
		format_mac(derived, text, sizeof(text));
		set_unasked(ledger, vf, index, "mac", text);
	}
	return 0;
}

/* Without GUIDs the subnet manager does not know the VF, and without the policy its link is down. */
static int set_guids(struct ledger *ledger, const char *vf, unsigned int index,
		     const struct bypass_vf_settings *settings, bool infiniband)
{
	uint64_t guid = settings->guid;
	char text[24];
	int err;

	if (!guid && !infiniband)
		return 0;
	if (!guid && !identity_guid(ledger->function, index, &guid)) {
		remark_no_identity(vf, index);
		return 0;
	}
	vf_guid_format(guid, text, sizeof(text));
	err = carve_vf_setting(ledger, STEP_LINK, vf, index, "node", text);
	if (!err)
		err = carve_vf_setting(ledger, STEP_LINK, vf, index, "port", text);
	if (!err)
		err = carve_vf_setting(ledger, STEP_LINK, vf, index, "policy", "Follow");
	return err;
}

static int set_link(struct ledger *ledger, const char *vf, unsigned int index,
		    const struct bypass_vf_settings *settings)
{
	enum vf_link_kind kind = vf_link_kind(ledger->function);
	char text[24];
	int err;

	err = set_mac(ledger, vf, index, settings, kind == VF_LINK_ETHERNET);
	if (!err)
		err = set_guids(ledger, vf, index, settings, kind == VF_LINK_INFINIBAND);
	if (!err && settings->vlan) {
		snprintf(text, sizeof(text), "%u", settings->vlan);
		err = carve_vf_setting(ledger, STEP_LINK, vf, index, "vlan", text);
	}
	if (!err && settings->trust >= 0)
		err = carve_vf_setting(ledger, STEP_LINK, vf, index, "trust",
				       settings->trust ? "1" : "0");
	return err;
}

static int set_nvme(struct ledger *ledger, const char *vf, unsigned int index,
		    const struct nvme_share *share)
{
	unsigned int controller;
	char text[16];
	int err;

	err = nvme_vf_controller(ledger->function, index, &controller);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%u", share->queues);
	err = carve_vf_setting(ledger, STEP_NVME, vf, controller, "queues", text);
	snprintf(text, sizeof(text), "%u", share->vectors);
	if (!err)
		err = carve_vf_setting(ledger, STEP_NVME, vf, controller, "vectors", text);
	if (!err)
		err = carve_vf_setting(ledger, STEP_NVME, vf, controller, "state", "online");
	return err;
}

int carve_vf(struct ledger *ledger, const struct bypass_carve *what, unsigned int index,
	     const struct nvme_share *share)
{
	static const struct bypass_vf_settings none = {.trust = -1};
	char link[24], vf[BYPASS_ADDRESS_SIZE], name[BYPASS_SLICE_NAME_SIZE];
	int err;

	snprintf(link, sizeof(link), "virtfn%u", index);
	err = host_link(ledger->function, link, vf, sizeof(vf));
	if (err)
		return err;
	snprintf(name, sizeof(name), "%s", vf);
	if (what->name)
		snprintf(name, sizeof(name), "%s-%u", what->name, index);
	err = ledger_add_slice(ledger, vf, name);
	if (!err)
		err = set_link(ledger, vf, index, what->settings ? &what->settings[index] : &none);
	if (!err && share->queues)
		err = set_nvme(ledger, vf, index, share);
	if (!err)
		err = carve_bind(ledger, vf);
	return err;
}
