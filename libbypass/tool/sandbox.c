// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sandbox of a process that serves an untrusted VMM: an unprivileged user, no way back to
 * privileges, and only the system calls that an RDMA slice needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/udmabuf.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include <bypass/error.h>

#include "sandbox.h"

static const int allowed[] = {
	/* the VMM's socket, queues, events */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(accept4),
	SCMP_SYS(getsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(close),
	SCMP_SYS(fcntl),
	SCMP_SYS(dup),
	SCMP_SYS(dup3),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(lseek),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(memfd_create),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	/* guest memory and our own */
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(mincore),
	/* threads and time */
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(tgkill),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(getrandom),
	SCMP_SYS(prctl),
	SCMP_SYS(getrusage),
	/* files that libibverbs looks up; openat is limited to reading below */
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(unlink),
};

static int become(const char *name)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return bypass_fail(ENOENT, "there is no user '%s': choose one by --user", name);
	if (setgroups(0, NULL) || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
		return bypass_fail(errno, "cannot become user %s: %s", name, strerror(errno));
	return 0;
}

/* System calls that are allowed with some arguments only. */
static int add_narrow_rules(scmp_filter_ctx filter)
{
	const uint32_t thread = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
	int ret;

	ret = seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	/* Verbs: the kernel checks each request against the descriptor that it comes on. */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, RDMA_VERBS_IOCTL));
	/* What no mapping can hold is gathered in a dma-buf: /dev/udmabuf is open before. */
	if (!ret)
		ret = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, UDMABUF_CREATE_LIST));
	/* Limits are read, for the text of an error, and never set. */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
				       SCMP_A2(SCMP_CMP_EQ, 0, 0));
	/* Threads are allowed, processes and namespaces are not. A filter cannot see clone3's flags. */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return ret;
}

static int add_rules(scmp_filter_ctx filter)
{
	/* libseccomp skips calls that an architecture lacks. */
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		int ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);

		if (ret < 0)
			return ret;
	}
	return add_narrow_rules(filter);
}

static int filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int ret = filter ? add_rules(filter) : -ENOMEM;

	if (!ret)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	if (ret < 0)
		return bypass_fail(-ret,
				   "cannot install the filter of system calls: %s; does the "
				   "kernel have CONFIG_SECCOMP_FILTER?",
				   strerror(-ret));
	return 0;
}

int sandbox_become(const char *user)
{
	/* The slice's quota limits what a guest may pin. RLIMIT_MEMLOCK would limit a user as well. */
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	if (geteuid())
		return 0;
	if (setrlimit(RLIMIT_MEMLOCK, &unlimited))
		return bypass_fail(errno, "cannot raise the memlock limit: %s", strerror(errno));
	return become(user);
}

int sandbox_enter(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return bypass_fail(errno, "cannot give up privileges: %s", strerror(errno));
	return filter_calls();
}
