// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Descriptors: without enough of them a guest's driver would miss vectors, late and in
 * silence. So the limit is raised, or the VMM ends, before the guest starts.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>

#include <bypass/error.h>

#include "internal.h"

static uint64_t count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint64_t n = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* the directory's own */
}

/**
 * descriptors_provide() - make sure that this process can open more descriptors
 * @more: how many, beside those that are open now
 *
 * Raises the limit of this process where the limit is too low.
 *
 * Return: 0, or -EMFILE with bypass_error().
 */
int descriptors_provide(uint64_t more)
{
	uint64_t need = count_open() + more;
	struct rlimit limit, higher;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return bypass_fail(errno, "the limit on descriptors cannot be read");
	if (limit.rlim_cur >= need)
		return 0;
	higher.rlim_cur = need;
	higher.rlim_max = limit.rlim_max > need ? limit.rlim_max : need;
	if (!setrlimit(RLIMIT_NOFILE, &higher))
		return 0;
	return bypass_fail(EMFILE,
			   "the guest and its slices need %llu descriptors, and this process may "
			   "have %llu. Allow more with 'ulimit -n %llu' in the shell that starts "
			   "it, or with LimitNOFILE= of its systemd unit",
			   (unsigned long long)need, (unsigned long long)limit.rlim_max,
			   (unsigned long long)need);
}
