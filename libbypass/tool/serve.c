// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass serve: an RDMA context slice for a VMM that speaks vhost-user, such as an unmodified QEMU.
 * A process serves one guest at a time. After a VMM has gone the next VMM may connect.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <poll.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/rdma.h>
#include <bypass/socket.h>
#include <bypass/vhost-user.h>
#include <bypass/virtio.h>

#include "internal.h"
#include "sandbox.h"

/* The first descriptor of a service with a systemd socket unit: sd_listen_fds(3). */
#define FIRST_ACTIVATED_FD 3

struct service {
	const char *rdma;
	const char *path;
	const char *group;
	const char *user;
	struct bypass_virtio_device *dev;
	int listener;
	bool bound; /* this process made the socket at @path */
	int stop_fd;
};

/* The socket of the systemd socket unit, or -1. */
static int activated_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	if (!pid || !count || strtol(pid, NULL, 10) != getpid() || strtol(count, NULL, 10) != 1)
		return -1;
	return FIRST_ACTIVATED_FD;
}

static int open_socket(struct service *service)
{
	int ret;

	service->listener = activated_socket();
	if (service->listener >= 0)
		return 0;
	ret = bypass_socket_listen(service->path, service->group, &service->listener);
	service->bound = !ret;
	return ret;
}

static int watch_signals(struct service *service)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	service->stop_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (service->stop_fd < 0)
		return bypass_fail(errno, "cannot watch for signals: %s", strerror(errno));
	return 0;
}

/* Returns 1 when a VMM has connected, 0 on a signal to stop. */
static int accept_vmm(struct service *service, int *connection)
{
	struct pollfd fds[] = {
		{.fd = service->listener, .events = POLLIN},
		{.fd = service->stop_fd, .events = POLLIN},
		{.fd = service->dev->event_fd, .events = POLLIN},
	};
	struct bypass_event event;

	do {
		if (service->dev->ops->event(service->dev, &event) &&
		    event.kind == BYPASS_EVENT_DEAD)
			return bypass_fail(ENODEV,
					   "%s was removed: start the service again when "
					   "it is back",
					   service->dev->name);
		if (poll(fds, 3, -1) < 0)
			return bypass_fail(errno, "cannot wait for a VMM: %s", strerror(errno));
		if (fds[1].revents)
			return 0;
	} while (!fds[0].revents);
	*connection = accept4(service->listener, NULL, NULL, SOCK_CLOEXEC);
	if (*connection < 0)
		return bypass_fail(errno, "cannot accept a VMM: %s", strerror(errno));
	return 1;
}

static void print_state(const struct service *service, const char *what)
{
	printf("%s: %s\n", service->dev->name, what);
	fflush(stdout);
}

/* Print the counts of one VMM: the slice's counts since @before. */
static void print_counts(const struct service *service, const struct bypass_rdma_stats *before)
{
	struct bypass_rdma_stats now;

	bypass_rdma_stats(service->dev, &now);
	printf("%s: VMM gone after %llu commands (%llu refused), %llu kicks, %llu doorbells, "
	       "%llu completions\n",
	       service->dev->name, (unsigned long long)(now.commands - before->commands),
	       (unsigned long long)(now.refused - before->refused),
	       (unsigned long long)(now.kicks - before->kicks),
	       (unsigned long long)(now.post_sends - before->post_sends),
	       (unsigned long long)(now.completions - before->completions));
}

/* A VMM that misbehaves or lacks a feature ends its own connection, never the service. */
static enum exit_code serve_vmms(struct service *service)
{
	struct bypass_rdma_stats before;
	struct ucred peer = {};
	socklen_t size = sizeof(peer);
	int connection = -1, ret;
	char text[64];

	print_state(service, "waiting for a VMM");
	while ((ret = accept_vmm(service, &connection)) > 0) {
		getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size);
		snprintf(text, sizeof(text), "VMM connected, PID %d", peer.pid);
		print_state(service, text);
		bypass_rdma_stats(service->dev, &before);
		ret = bypass_vhost_user_serve(service->dev, connection, service->stop_fd);
		close(connection);
		if (ret == -EINTR)
			return EXIT_DONE;
		if (ret < 0)
			failed();
		print_counts(service, &before);
		print_state(service, "waiting for the next VMM");
	}
	return ret < 0 ? failed() : EXIT_DONE;
}

static enum exit_code open_service(struct service *service)
{
	struct bypass_rdma_options slice;
	enum exit_code code = EXIT_FAILED;

	if (bypass_rdma_parse(service->rdma, &slice)) {
		fprintf(stderr, "bypass: %s\n", bypass_error());
		return EXIT_USAGE;
	}
	if (bypass_rdma_open(&slice, &service->dev))
		return failed();
	if (open_socket(service) || watch_signals(service) || sandbox_enter(service->user))
		failed();
	else
		code = serve_vmms(service);
	service->dev->ops->close(service->dev);
	/* The sandbox's user may lack the permission. The next start then removes the socket. */
	if (service->bound)
		unlink(service->path);
	return code;
}

static enum exit_code run_serve(int argc, char **argv)
{
	enum { OPTION_RDMA = OPTION_FIRST, OPTION_SOCKET, OPTION_GROUP, OPTION_USER };
	static const struct option options[] = {
		{"rdma", required_argument, NULL, OPTION_RDMA},
		{"socket", required_argument, NULL, OPTION_SOCKET},
		{"group", required_argument, NULL, OPTION_GROUP},
		{"user", required_argument, NULL, OPTION_USER},
		COMMON_OPTIONS,
	};
	struct service service = {.user = "nobody", .listener = -1, .stop_fd = -1};
	enum exit_code code;
	int option;

	while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
		if (option == OPTION_RDMA)
			service.rdma = optarg;
		else if (option == OPTION_SOCKET)
			service.path = optarg;
		else if (option == OPTION_GROUP)
			service.group = optarg;
		else if (option == OPTION_USER)
			service.user = optarg;
		else if (common_option(&command_serve, option, &code))
			return code;
	}
	if (optind < argc)
		return wrong_usage(&command_serve, "'%s' is one argument too many", argv[optind]);
	if (!service.rdma)
		return wrong_usage(&command_serve, "say which HCA: --rdma NAME");
	if (!service.path && activated_socket() < 0)
		return wrong_usage(&command_serve, "say where the VMM connects: --socket PATH");
	return open_service(&service);
}

const struct command command_serve = {
	.name = "serve",
	.summary = "an RDMA slice for a VMM that speaks vhost-user, such as QEMU",
	.usage = "bypass serve --rdma HCA[,OPTION…] --socket PATH\n"
		 "Gives one guest a slice of an HCA through an unmodified VMM: QEMU 11.1 or newer\n"
		 "attaches the socket as a vhost-user device. The command opens the HCA as root.\n"
		 "It then becomes another user, under a filter of system calls. SIGTERM ends "
		 "it.\n\n"
		 "  --rdma HCA[,OPTION…]  the HCA (or a network device of it) and the slice:\n"
		 "                        trust-guest, id=, vectors=, qps=, cqs=, mrs=, pinned=, "
		 "…\n"
		 "  --socket PATH         where the VMM connects; not with systemd's socket unit\n"
		 "  --group NAME          group that may connect, besides root\n"
		 "  --user NAME           the user to become (nobody)\n"
		 "  -v, --verbose         more remarks\n"
		 "  -h, --help            this text\n\n"
		 "Example, and the QEMU options that go with it:\n"
		 "  bypass serve --rdma rxe0,id=21,vectors=2 --socket /run/rdma0.sock\n"
		 "  qemu-system-x86_64 … \\\n"
		 "    -object memory-backend-memfd,id=m0,size=4G,share=on \\\n"
		 "    -machine memory-backend=m0 -chardev socket,id=c0,path=/run/rdma0.sock \\\n"
		 "    -device vhost-user-test-device-pci,chardev=c0,virtio-id=21,num_vqs=5,\\\n"
		 "config_size=96",
	.run = run_serve,
};
