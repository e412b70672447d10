// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass serve: a slice for a VMM in another process, such as an unmodified QEMU, by vhost-user or by
 * vfio-user. A process serves one guest at a time. After a VMM has gone the next VMM may connect.
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
#include <bypass/virtio-pci.h>

#include "internal.h"
#include "sandbox.h"
#include "serve.h"

/* The first descriptor of a service with a systemd socket unit: sd_listen_fds(3). */
#define FIRST_ACTIVATED_FD 3

struct service {
	const char *rdma;
	bool loop;
	bool vfio_user;
	const char *path;
	const char *group;
	const char *user;
	struct bypass_virtio_device *dev; /* NULL: a loop slice */
	struct bypass_slice *slice;	  /* that carries the device; NULL: vhost-user */
	struct echo echo;		  /* what the loop slice does */
	const char *name;
	int event_fd;
	int listener;
	bool bound; /* this process made the socket at @path */
	bool dead;  /* the slice said so while a VMM had it */
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

static bool is_dead(const struct service *service)
{
	struct bypass_event event;
	int taken;

	if (service->slice)
		taken = service->slice->ops->event(service->slice, &event);
	else
		taken = service->dev->ops->event(service->dev, &event);
	return taken && event.kind == BYPASS_EVENT_DEAD;
}

/* Returns 1 when a VMM has connected, 0 on a signal to stop. */
static int accept_vmm(struct service *service, int *connection)
{
	struct pollfd fds[] = {
		{.fd = service->listener, .events = POLLIN},
		{.fd = service->stop_fd, .events = POLLIN},
		{.fd = service->event_fd, .events = POLLIN},
	};

	do {
		if (service->dead || is_dead(service))
			return bypass_fail(ENODEV,
					   "%s was removed: start the service again when "
					   "it is back",
					   service->name);
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
	printf("%s: %s\n", service->name, what);
	fflush(stdout);
}

/* What was done for one VMM: the difference to an earlier look. */
struct counts {
	struct bypass_rdma_stats rdma;
	uint64_t requests;
	uint64_t interrupts;
};

static void count(const struct service *service, struct counts *counts)
{
	if (service->dev) {
		bypass_rdma_stats(service->dev, &counts->rdma);
		return;
	}
	counts->requests = service->echo.requests;
	counts->interrupts = service->slice->ops->interrupts(service->slice);
}

static void print_counts(const struct service *service, const struct counts *before)
{
	const struct bypass_rdma_stats *old = &before->rdma;
	struct counts now;

	count(service, &now);
	if (service->dev)
		printf("%s: VMM gone after %llu commands (%llu refused), %llu kicks, "
		       "%llu doorbells, %llu completions\n",
		       service->name, (unsigned long long)(now.rdma.commands - old->commands),
		       (unsigned long long)(now.rdma.refused - old->refused),
		       (unsigned long long)(now.rdma.kicks - old->kicks),
		       (unsigned long long)(now.rdma.post_sends - old->post_sends),
		       (unsigned long long)(now.rdma.completions - old->completions));
	else
		printf("%s: VMM gone after %llu requests, %llu interrupts\n", service->name,
		       (unsigned long long)(now.requests - before->requests),
		       (unsigned long long)(now.interrupts - before->interrupts));
}

/* Serve one connection until the VMM goes. Returns -EINTR on a signal to stop. */
static int serve_vmm(struct service *service, int connection)
{
	int ret;

	if (service->vfio_user)
		return serve_vfio_user(service->slice, connection, service->stop_fd,
				       service->dev ? NULL : &service->echo, &service->dead);
	ret = bypass_vhost_user_serve(service->dev, connection, service->stop_fd);
	close(connection);
	return ret;
}

/* A VMM that misbehaves or lacks a feature ends its own connection, never the service. */
static enum exit_code serve_vmms(struct service *service)
{
	struct ucred peer = {};
	socklen_t size = sizeof(peer);
	int connection = -1, ret;
	struct counts before;
	char text[64];

	print_state(service, "waiting for a VMM");
	while ((ret = accept_vmm(service, &connection)) > 0) {
		getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size);
		snprintf(text, sizeof(text), "VMM connected, PID %d", peer.pid);
		print_state(service, text);
		count(service, &before);
		ret = serve_vmm(service, connection);
		if (ret == -EINTR)
			return EXIT_DONE;
		if (ret < 0)
			failed();
		print_counts(service, &before);
		print_state(service, "waiting for the next VMM");
	}
	return ret < 0 ? failed() : EXIT_DONE;
}

static int open_slice(struct service *service, struct bypass_rdma_options *options)
{
	int ret;

	if (service->loop) {
		ret = open_echo(&service->echo, &service->slice);
		if (ret < 0)
			return ret;
		service->name = service->slice->name;
		service->event_fd = service->slice->event_fd;
		return 0;
	}
	options->fixed_windows = service->vfio_user; /* its VMM maps windows once */
	ret = bypass_rdma_open(options, &service->dev);
	if (ret < 0)
		return ret;
	service->name = service->dev->name;
	service->event_fd = service->dev->event_fd;
	return service->vfio_user ? bypass_virtio_pci_new(service->dev, &service->slice) : 0;
}

static void close_slice(struct service *service)
{
	if (service->slice)
		bypass_slice_close(service->slice);
	else
		bypass_virtio_close(service->dev);
}

/* The new user opens what the kernel takes from nobody but the user who opened it. */
static int give_up_privileges(struct service *service)
{
	int ret = sandbox_become(service->user);

	if (ret < 0)
		return ret;
	if (service->dev)
		bypass_rdma_user_changed(service->dev);
	return sandbox_enter();
}

static enum exit_code serve(struct service *service)
{
	struct bypass_rdma_options options;
	enum exit_code code = EXIT_FAILED;

	if (service->rdma && bypass_rdma_parse(service->rdma, &options)) {
		fprintf(stderr, "bypass: %s\n", bypass_error());
		return EXIT_USAGE;
	}
	if (open_slice(service, &options) || open_socket(service) || watch_signals(service) ||
	    give_up_privileges(service))
		failed();
	else
		code = serve_vmms(service);
	close_slice(service);
	/* The sandbox's user may lack the permission. The next start then removes the socket. */
	if (service->bound)
		unlink(service->path);
	return code;
}

static enum exit_code run_serve(int argc, char **argv)
{
	enum {
		OPTION_RDMA = OPTION_FIRST,
		OPTION_LOOP,
		OPTION_VFIO_USER,
		OPTION_SOCKET,
		OPTION_GROUP,
		OPTION_USER,
	};
	static const struct option options[] = {
		{"rdma", required_argument, NULL, OPTION_RDMA},
		{"loop", no_argument, NULL, OPTION_LOOP},
		{"vfio-user", no_argument, NULL, OPTION_VFIO_USER},
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
		else if (option == OPTION_LOOP)
			service.loop = true;
		else if (option == OPTION_VFIO_USER)
			service.vfio_user = true;
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
	if (!service.rdma == !service.loop)
		return wrong_usage(&command_serve, "say which slice: --rdma HCA, or --loop");
	if (service.loop && !service.vfio_user)
		return wrong_usage(&command_serve, "a loop slice is served by vfio-user alone: say "
						   "--vfio-user");
	if (!service.path && activated_socket() < 0)
		return wrong_usage(&command_serve, "say where the VMM connects: --socket PATH");
	return serve(&service);
}

const struct command command_serve = {
	.name = "serve",
	.summary = "a slice for a VMM in another process, such as QEMU",
	.usage = "bypass serve --vfio-user {--rdma HCA[,OPTION…] | --loop} --socket PATH\n"
		 "bypass serve --rdma HCA[,OPTION…] --socket PATH\n"
		 "Gives one guest a slice through an unmodified VMM: QEMU 11.1 or newer attaches\n"
		 "the socket. The command opens the HCA as root. It then becomes another user, "
		 "under\n"
		 "a filter of system calls. SIGTERM ends it.\n\n"
		 "  --vfio-user           serve a PCI function by vfio-user, the recommended way.\n"
		 "                        Without it: a virtio device by vhost-user, as an HCA "
		 "with\n"
		 "                        trust-guest needs it\n"
		 "  --rdma HCA[,OPTION…]  the HCA (or a network device of it) and the slice:\n"
		 "                        trust-guest, id=, vectors=, qps=, cqs=, mrs=, pinned=, "
		 "…\n"
		 "  --loop                a device in software that sends each request back, for "
		 "tests\n"
		 "  --socket PATH         where the VMM connects; not with systemd's socket unit\n"
		 "  --group NAME          group that may connect, besides root\n"
		 "  --user NAME           the user to become (nobody)\n"
		 "  -v, --verbose         more remarks\n"
		 "  -h, --help            this text\n\n"
		 "Examples, and the QEMU options that go with them:\n"
		 "  bypass serve --vfio-user --rdma rxe0,vectors=2 --socket /run/rdma0.sock\n"
		 "  qemu-system-x86_64 … \\\n"
		 "    -object memory-backend-memfd,id=m0,size=4G,share=on \\\n"
		 "    -machine memory-backend=m0 -device \\\n"
		 "    '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":"
		 "\"/run/rdma0.sock\"}}'\n"
		 "  bypass serve --rdma rxe0,trust-guest,id=21,vectors=2 --socket /run/rdma1.sock\n"
		 "  qemu-system-x86_64 … \\\n"
		 "    -object memory-backend-memfd,id=m0,size=4G,share=on \\\n"
		 "    -machine memory-backend=m0 -chardev socket,id=c0,path=/run/rdma1.sock \\\n"
		 "    -device vhost-user-test-device-pci,chardev=c0,virtio-id=21,num_vqs=5,\\\n"
		 "config_size=96",
	.run = run_serve,
};
