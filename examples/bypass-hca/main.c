// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass-hca: serves functions over vfio-user, one a socket, all on one subnet, in one thread. The thread sleeps
 * until a VMM has something to say, a socket has a new client, or a timer of a QP ends; and, while a guest
 * has queues whose doorbells ring in shared memory, only for short times.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/socket.h>
#include <bypass/vfio-user.h>

#include "copiers.h"
#include "hca.h"

#define SOCKETS_WAIT 10000 /* ns */

struct port {
	const char *path;
	int listener;
	struct bypass_slice *slice;
	struct bypass_vfio_user_server *server; /* NULL: no VMM is connected */
};

static struct port ports[HCA_FUNCTIONS];
static unsigned int n_ports;
static const char *group, *control_path;
static struct control control;
static unsigned int threads = 1;

static void usage(FILE *to)
{
	fputs("usage: bypass-hca --socket PATH [--socket PATH]... [OPTION]...\n"
	      "\n"
	      "A ConnectX in software: one function a socket, all on one InfiniBand subnet, for "
	      "VMMs\n"
	      "that speak vfio-user. The guest's own mlx5_core and mlx5_ib drive the function.\n"
	      "\n"
	      "  --socket PATH  serve a function at PATH\n"
	      "  --group NAME   the group that may connect, besides the owner\n"
	      "  --control PATH  a socket that takes lines such as 'port 0 down'\n"
	      "  --limit NAME=N  at most N objects a function: qp, cq, srq, mr, pd;\n"
	      "                  or N MiB for tables of memory regions: tables\n"
	      "  --threads N    copy long messages in N threads (1)\n"
	      "  --trap         each doorbell traps; else doorbells ring in shared memory\n"
	      "  --version      print the version\n"
	      "  --help         print this\n",
	      to);
}

static void print_remark(void *opaque, enum bypass_log_level level, const char *text)
{
	(void)opaque;
	if (level == BYPASS_LOG_WARN)
		fprintf(stderr, "bypass-hca: %s\n", text);
}

static int fail(void)
{
	fprintf(stderr, "bypass-hca: %s\n", bypass_error());
	return 1;
}

/* 0: @text is wrong */
static unsigned int parse_threads(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text >= '0' && *text <= '9' && !*end && n && n <= COPIERS_MAX + 1)
		return n;
	fprintf(stderr, "bypass-hca: --threads wants a number from 1 to %u, not '%s'\n",
		COPIERS_MAX + 1, text);
	return 0;
}

/* -1: go on; else the status to exit with */
static int parse(int argc, char **argv, struct subnet *subnet)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"group", required_argument, NULL, 'g'},
		{"control", required_argument, NULL, 'c'},
		{"limit", required_argument, NULL, 'l'},
		{"trap", no_argument, NULL, 't'},
		{"threads", required_argument, NULL, 'n'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			if (n_ports == HCA_FUNCTIONS) {
				fprintf(stderr, "bypass-hca: a subnet has room for %u functions\n",
					HCA_FUNCTIONS);
				return 2;
			}
			ports[n_ports++] = (struct port){.path = optarg, .listener = -1};
			break;
		case 'g':
			group = optarg;
			break;
		case 'c':
			control_path = optarg;
			break;
		case 'l':
			if (limits_set(&subnet->limits, optarg)) {
				fail();
				return 2;
			}
			break;
		case 'n':
			threads = parse_threads(optarg);
			if (!threads)
				return 2;
			break;
		case 't':
			subnet->traps = true;
			break;
		case 'v':
			puts("bypass-hca " BYPASS_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc || !n_ports) {
		usage(stderr);
		return 2;
	}
	return -1;
}

static void accept_client(struct port *port)
{
	int connection = accept4(port->listener, NULL, NULL, SOCK_CLOEXEC);

	if (connection < 0)
		return;
	if (bypass_vfio_user_server_new(port->slice, connection, &port->server) < 0) {
		fail();
		close(connection);
		return;
	}
	bypass_vfio_user_server_need_seals(port->server);
}

static void dispatch(struct port *port)
{
	int ret = bypass_vfio_user_server_dispatch(port->server);

	if (!ret)
		return;
	if (ret != -ENOTCONN)
		fprintf(stderr, "bypass-hca: %s: %s\n", port->path, bypass_error());
	bypass_vfio_user_server_free(port->server);
	port->server = NULL;
}

/* @ns: until the next timer of a QP; -1: there is none */
static int64_t sleep_ns(const struct subnet *subnet, struct idle *idle, int64_t ns)
{
	uint64_t now = now_ns();
	int64_t sleep;

	if (!ns || !subnet->listens)
		return ns;
	if (idle_is_over(idle, subnet->worked, now))
		return 0;
	sleep = idle_sleep(idle, now, cpu_ns());
	return ns < 0 || sleep < ns ? sleep : ns;
}

/* Works for as long as the sockets can wait. Returns how long nothing is to be done; -1: until a doorbell. */
static int64_t work(struct subnet *subnet, struct idle *idle)
{
	uint64_t end = now_ns() + SOCKETS_WAIT;
	int64_t ns;

	do
		ns = sleep_ns(subnet, idle, subnet_run(subnet));
	while (!ns && now_ns() < end);
	return ns;
}

/* A port with a client listens no more: the next client waits until this one is gone. */
static int serve(struct subnet *subnet, int stop_fd)
{
	struct pollfd fds[HCA_FUNCTIONS + 2];
	struct idle idle = {0};

	for (;;) {
		int64_t ns = work(subnet, &idle);
		const struct timespec wait = {.tv_sec = ns / 1000000000,
					      .tv_nsec = ns % 1000000000};

		fds[n_ports] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
		fds[n_ports + 1] = (struct pollfd){.fd = control_fd(&control), .events = POLLIN};
		for (unsigned int i = 0; i < n_ports; i++)
			fds[i] = (struct pollfd){
				.fd = ports[i].server ? bypass_vfio_user_server_fd(ports[i].server)
						      : ports[i].listener,
				.events = POLLIN,
			};
		if (ppoll(fds, n_ports + 2, ns < 0 ? NULL : &wait, NULL) < 0 && errno != EINTR)
			return bypass_fail(errno, "cannot wait for VMMs: %s", strerror(errno));
		if (fds[n_ports].revents)
			return 0;
		if (fds[n_ports + 1].revents)
			control_dispatch(&control, subnet);
		for (unsigned int i = 0; i < n_ports; i++) {
			if (fds[i].revents && ports[i].server)
				dispatch(&ports[i]);
			else if (fds[i].revents)
				accept_client(&ports[i]);
		}
	}
}

static int open_ports(struct subnet *subnet)
{
	for (unsigned int i = 0; i < n_ports; i++) {
		int ret = bypass_socket_listen(ports[i].path, group, &ports[i].listener);

		if (!ret)
			ret = hca_open(subnet, &ports[i].slice);
		if (ret)
			return ret;
	}
	return 0;
}

static void close_ports(void)
{
	for (unsigned int i = 0; i < n_ports; i++) {
		bypass_vfio_user_server_free(ports[i].server);
		bypass_slice_close(ports[i].slice);
		if (ports[i].listener >= 0) {
			close(ports[i].listener);
			unlink(ports[i].path);
		}
	}
}

int main(int argc, char **argv)
{
	struct subnet subnet = {.limits = limits_default};
	int status = parse(argc, argv, &subnet), stop_fd;
	sigset_t signals;

	if (status >= 0)
		return status;
	bypass_log_set(print_remark, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	stop_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	status = stop_fd < 0 || (threads > 1 && copiers_open(threads - 1, &subnet.copiers)) ||
				 control_open(&control, control_path, group) ||
				 open_ports(&subnet) || serve(&subnet, stop_fd)
			 ? fail()
			 : 0;
	close_ports();
	control_close(&control);
	copiers_close(subnet.copiers);
	return status;
}
