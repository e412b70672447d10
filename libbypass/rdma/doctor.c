// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a context slice needs of an HCA: a provider for which there is a dialect, and a port that is
 * up.
 */
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/doctor.h>
#include <bypass/error.h>
#include <bypass/rdma.h>

#include "dialect/dialect.h"

static void __attribute__((format(printf, 2, 3)))
set_text(struct bypass_finding *finding, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(finding->text, sizeof(finding->text), fmt, ap);
	va_end(ap);
}

static struct bypass_finding examine_provider(const struct bypass_rdma_hca *hca)
{
	struct bypass_finding finding = {.about = "rdma-provider"};

	finding.verdict = hca->driver[0] ? BYPASS_OK : BYPASS_FAIL;
	if (!hca->driver[0])
		set_text(&finding,
			 "%s has a provider that bypass has no dialect for: guests cannot share "
			 "it, but "
			 "can have a function of it",
			 hca->name);
	else
		set_text(&finding, "guests can share %s, which speaks %s%s", hca->name, hca->driver,
			 hca->guarded ? "; those that are not trusted by the guarded way only"
				      : "");
	return finding;
}

static struct bypass_finding examine_link(const struct bypass_rdma_hca *hca)
{
	struct bypass_finding finding = {.about = "rdma-link"};
	struct bypass_rdma_link link;

	if (bypass_rdma_link(hca->name, 1, &link))
		strcpy(link.state, "not there");
	finding.verdict = hca->active ? BYPASS_OK : BYPASS_FAIL;
	set_text(&finding, "port 1 of %s is %s%s%s", hca->name, link.state,
		 hca->netdev[0] ? ", with the network device " : "", hca->netdev);
	if (hca->active || !hca->netdev[0])
		return finding;
	snprintf(finding.fix, sizeof(finding.fix), "ip link set %s up", hca->netdev);
	finding.is_command = true;
	return finding;
}

/* Huge pages that the host has set aside, of all sizes. */
static unsigned long long count_huge_pages(void)
{
	unsigned long long sum = 0, pages;
	glob_t paths;

	if (glob("/sys/kernel/mm/hugepages/*/nr_hugepages", 0, NULL, &paths))
		return 0;
	for (size_t i = 0; i < paths.gl_pathc; i++) {
		FILE *f = fopen(paths.gl_pathv[i], "re");

		if (f && fscanf(f, "%llu", &pages) == 1)
			sum += pages;
		if (f)
			fclose(f);
	}
	globfree(&paths);
	return sum;
}

/* The driver registers dma-bufs, and the host makes them of guest memory. */
static bool gathers(const struct bypass_rdma_hca *hca)
{
	const struct rdma_dialect *dialect = rdma_dialect_named(hca->driver);

	return dialect && dialect->dmabuf && !access("/dev/udmabuf", R_OK | W_OK);
}

/* Where the host has huge pages set aside, guests are likely to have their RAM there. */
static struct bypass_finding examine_memory(const struct bypass_rdma_hca *hca)
{
	struct bypass_finding finding = {.about = "rdma-memory", .verdict = BYPASS_WARN};
	unsigned long long pages = count_huge_pages();

	if (!pages) {
		finding.verdict = BYPASS_OK;
		set_text(&finding, "guests can register any of their memory with %s", hca->name);
		return finding;
	}
	set_text(&finding,
		 "the host has %llu huge pages set aside: a guest whose RAM is made of them "
		 "(hugetlb) "
		 "can %s with %s only where these are not scattered over parts of huge pages, "
		 "others "
		 "fail with EINVAL",
		 pages, gathers(hca) ? "create queues" : "register buffers", hca->name);
	strcpy(finding.fix, "back the guests' RAM by ordinary memory (memfd, with "
			    "transparent huge pages)");
	return finding;
}

/* The user named no HCA: a missing HCA is then no failure. */
static int report(const char *name, struct bypass_finding finding, bypass_finding_fn *found,
		  void *opaque)
{
	bool fails = finding.verdict == BYPASS_FAIL;

	if (fails && !name)
		finding.verdict = BYPASS_WARN;
	found(opaque, &finding);
	return fails && name;
}

int bypass_doctor_rdma(const char *name, bypass_finding_fn *found, void *opaque)
{
	struct bypass_rdma_hca *hcas;
	unsigned int count;
	bool known = false;
	int fails = 0, err;

	err = bypass_rdma_hcas(&hcas, &count);
	if (err)
		return err;
	for (unsigned int i = 0; i < count; i++) {
		if (name && strcmp(hcas[i].name, name) && strcmp(hcas[i].netdev, name))
			continue;
		known = true;
		fails += report(name, examine_provider(&hcas[i]), found, opaque);
		fails += report(name, examine_link(&hcas[i]), found, opaque);
		if (hcas[i].driver[0])
			report(name, examine_memory(&hcas[i]), found, opaque);
	}
	free(hcas);
	if (name && !known)
		return bypass_fail(ENODEV,
				   "'%s' is neither the address of a PCI function nor an RDMA "
				   "device: 'bypass list --rdma --all' shows both",
				   name);
	return fails;
}
