// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass-vmm: the command line, and the life of a guest from first boot to power-off.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

#define STATUS_FAILURE 1
#define STATUS_USAGE   2
#define MIB	       (1ull << 20)
#define GIB	       (1ull << 30)
#define MEM_MIN	       (64 * MIB)
#define MEM_STEP       (2 * MIB)

static const char help[] =
	"usage: bypass-vmm --kernel FILE [OPTION]...\n"
	"\n"
	"Boots a Linux guest that reaches its devices with no exit to this program.\n"
	"\n"
	"  --kernel FILE      a bzImage, such as /boot/vmlinuz\n"
	"  --initrd FILE      its initial file system\n"
	"  --append TEXT      more kernel arguments, after console=ttyS0 reboot=acpi\n"
	"  --cpus N           virtual CPUs, 1 to 255 (1)\n"
	"  --mem SIZE         memory, such as 512M or 4G, in steps of 2M (512M)\n"
	"  --hugepages        take it from the kernel's pool of 2 MiB pages\n"
	"  --slice ADDRESS[,token=UUID][,rom=FILE|on]\n"
	"  --slice vfio-user:PATH\n"
	"                     give the guest this PCI function, bound to vfio-pci, with the VF\n"
	"                     token that its PF's owner has set, and an expansion ROM: a file, or\n"
	"                     the function's own; may be repeated, up to 31 times\n"
	"  --rdma HCA[,WORD]  give the guest a context of its own on this HCA (rxe0); words are\n"
	"                     trust-guest and quotas such as qps=64,mrs=1000,pinned=1G; may\n"
	"                     be repeated likewise\n"
	"  --mmio64 SIZE      address space for 64-bit BARs (what the slices need, at least 64G)\n"
	"  --no-reboot        end when the guest reboots\n"
	"  --stats            at the end, print what slices and vCPUs have cost (stderr)\n"
	"  --stats-json FILE  write the same to FILE as JSON\n"
	"  --verbose          also say which commands of the guest are refused, and why\n"
	"  --help             this text\n"
	"  --version          the version\n"
	"\n"
	"The guest's serial console is standard input and output. On a terminal, Ctrl-A x\n"
	"leaves. SIGINT and SIGTERM end the guest at once and give everything back.\n"
	"\n"
	"Status: 0 when the guest powered off, 1 after a failure, 2 for wrong usage, and\n"
	"128 + N when signal N ended it.\n"
	"\n"
	"Example: a guest with an igb VF and an NVMe VF\n"
	"  bypass-vmm --kernel /boot/vmlinuz --initrd guest.img --cpus 2 --mem 1G \\\n"
	"             --slice 0000:01:10.0 --slice 0000:02:00.1 --stats\n";

static void usage(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bypass-vmm: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" (--help shows the options)\n", stderr);
	exit(STATUS_USAGE);
}

static uint64_t parse_size(const char *option, const char *text)
{
	static const char units[] = "KMGT";
	unsigned int shift;
	const char *unit;
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (errno || text[0] == '-' || !unit || end[1])
		usage("%s wants a size such as 512M or 4G, not '%s'", option, text);
	shift = 10 * (unit - units + 1);
	if (n > (1ull << 52) >> shift)
		usage("%s %s is more than a CPU can address", option, text);
	return n << shift;
}

static uint64_t parse_mem(const char *text)
{
	uint64_t n = parse_size("--mem", text);

	if (n < MEM_MIN || n % MEM_STEP)
		usage("--mem %s is not a multiple of 2M, or less than %lluM", text, MEM_MIN / MIB);
	return n;
}

static uint64_t parse_mmio64(const char *text)
{
	uint64_t n = parse_size("--mmio64", text);

	if (!n || n % GIB)
		usage("--mmio64 %s is not a multiple of 1G", text);
	return n;
}

static bool is_uuid(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

/* "vfio-user:PATH", or "ADDRESS[,WORD]...": splits @text, which belongs to the command line. */
static struct slice_option parse_slice(char *text)
{
	static const char prefix[] = "vfio-user:";
	struct slice_option slice = {};
	const char *word;

	if (!strncmp(text, prefix, strlen(prefix)))
		return (struct slice_option){.socket = true, .text = text + strlen(prefix)};
	slice.text = strsep(&text, ",");
	while ((word = strsep(&text, ","))) {
		if (!strncmp(word, "rom=", 4) && word[4]) {
			slice.rom = word + 4;
			continue;
		}
		if (strncmp(word, "token=", 6))
			usage("--slice takes token=UUID and rom=FILE|on after the address, not "
			      "'%s'",
			      word);
		if (!is_uuid(word + 6))
			usage("--slice: a VF token is a UUID, not '%s'", word + 6);
		slice.token = word + 6;
	}
	return slice;
}

static unsigned int parse_cpus(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < 1 || n > MAX_CPUS)
		usage("--cpus wants a number from 1 to %d, not '%s'", MAX_CPUS, text);
	return n;
}

static void parse(int argc, char **argv, struct options *opt)
{
	enum {
		KERNEL,
		INITRD,
		APPEND,
		CPUS,
		MEM,
		HUGEPAGES,
		SLICE,
		RDMA,
		MMIO64,
		NO_REBOOT,
		STATS,
		STATS_JSON,
		VERBOSE,
		HELP,
		VERSION
	};
	static const struct option names[] = {
		{"kernel", required_argument, NULL, KERNEL},
		{"initrd", required_argument, NULL, INITRD},
		{"append", required_argument, NULL, APPEND},
		{"cpus", required_argument, NULL, CPUS},
		{"mem", required_argument, NULL, MEM},
		{"hugepages", no_argument, NULL, HUGEPAGES},
		{"slice", required_argument, NULL, SLICE},
		{"rdma", required_argument, NULL, RDMA},
		{"mmio64", required_argument, NULL, MMIO64},
		{"no-reboot", no_argument, NULL, NO_REBOOT},
		{"stats", no_argument, NULL, STATS},
		{"stats-json", required_argument, NULL, STATS_JSON},
		{"verbose", no_argument, NULL, VERBOSE},
		{"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},
		{0},
	};
	int c;

	*opt = (struct options){.cpus = 1, .mem = 512 * MIB};
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case KERNEL:
			opt->kernel = optarg;
			break;
		case INITRD:
			opt->initrd = optarg;
			break;
		case APPEND:
			opt->append = optarg;
			break;
		case CPUS:
			opt->cpus = parse_cpus(optarg);
			break;
		case MEM:
			opt->mem = parse_mem(optarg);
			break;
		case HUGEPAGES:
			opt->hugepages = true;
			break;
		case SLICE:
		case RDMA:
			if (opt->n_slices == MAX_SLICES)
				usage("a guest takes %d slices at the most", MAX_SLICES);
			opt->slices[opt->n_slices++] =
				c == SLICE ? parse_slice(optarg)
					   : (struct slice_option){.rdma = true, .text = optarg};
			break;
		case MMIO64:
			opt->mmio64 = parse_mmio64(optarg);
			break;
		case NO_REBOOT:
			opt->no_reboot = true;
			break;
		case STATS:
			opt->stats = true;
			break;
		case STATS_JSON:
			opt->stats_json = optarg;
			break;
		case VERBOSE:
			opt->verbose = true;
			break;
		case HELP:
			fputs(help, stdout);
			exit(0);
		case VERSION:
			puts("bypass-vmm " BYPASS_VERSION);
			exit(0);
		default: /* getopt has said what is wrong */
			exit(STATUS_USAGE);
		}
	}
	if (optind < argc)
		usage("'%s' is not an option", argv[optind]);
	if (!opt->kernel)
		usage("--kernel is missing");
}

static void print_remark(void *opaque, enum bypass_log_level level, const char *text)
{
	const struct options *opt = opaque;

	if (level == BYPASS_LOG_WARN || opt->verbose)
		fprintf(stderr, "bypass-vmm: %s\n", text);
}

/* A signal that nohup or a shell had ignored stays ignored. */
static void add_unless_ignored(sigset_t *set, int signal)
{
	struct sigaction now;

	if (!sigaction(signal, NULL, &now) && now.sa_handler != SIG_IGN)
		sigaddset(set, signal);
}

/*
 * Signals are read from a descriptor, and none has a handler. A blocked signal reaches the
 * descriptor even when the signal is ignored, so ignored signals are left out. Blocked too
 * are the kick of the vCPUs (see cpu.c); SIGPIPE, as the reader of the console may go away;
 * and SIGTTIN and SIGTTOU, which stop a job in the background that uses the terminal: stopped
 * vCPUs would hang the guest.
 */
static int open_signals(void)
{
	sigset_t told, all;
	int fd;

	sigemptyset(&told);
	sigaddset(&told, SIGCONT);
	add_unless_ignored(&told, SIGINT);
	add_unless_ignored(&told, SIGTERM);
	add_unless_ignored(&told, SIGHUP);
	all = told;
	sigaddset(&all, SIGUSR1);
	sigaddset(&all, SIGPIPE);
	sigaddset(&all, SIGTTIN);
	sigaddset(&all, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	fd = signalfd(-1, &told, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return bypass_fail(errno, "no signalfd: %s", strerror(errno));
	return fd;
}

/*
 * The main thread while the guest runs: console input, signals, events from vCPUs and slices.
 * Sets @status when the guest is to end.
 */
static enum event wait_event(struct vmm *vmm, int signal_fd, int *status)
{
	static bool input_ended;
	struct pollfd fds[] = {
		{.fd = signal_fd, .events = POLLIN},
		{.fd = vmm->wake_fd, .events = POLLIN},
		{.events = POLLIN},
		{.fd = bypass_vm_event_fd(vmm->slices.vm), .events = POLLIN},
	};
	int again_ms = -1, seek_ms;
	struct signalfd_siginfo info;
	uint64_t count;
	int got;

	while (vmm->event == EVENT_NONE) {
		fds[2].fd = input_ended || !terminal_ready(&vmm->serial, &again_ms) ? -1
										    : STDIN_FILENO;
		seek_ms = slices_seek(&vmm->slices) ? SEEK_MS : -1;
		if (poll(fds, 4, seek_ms < 0 ? again_ms : seek_ms) < 0)
			continue;
		slices_listen(&vmm->slices);
		if (read(vmm->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			abort();
		if (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo != SIGCONT) {
				*status = 128 + info.ssi_signo;
				return EVENT_POWEROFF;
			}
			terminal_raw();
		}
		if (fds[2].fd < 0 || !fds[2].revents)
			continue;
		got = terminal_read(&vmm->serial);
		if (got < 0)
			return EVENT_POWEROFF;
		input_ended = !got;
	}
	return vmm->event;
}

/* From one boot to the next, or to the end. */
static enum event run_once(struct vmm *vmm, const struct options *opt, int signal_fd, int *status)
{
	enum event event = EVENT_FAILURE;
	int ret;

	ret = boot(vmm, opt);
	if (!ret) {
		ret = cpu_start_all(vmm);
		if (!ret)
			event = wait_event(vmm, signal_fd, status);
		cpu_stop_all(vmm);
	}
	if (ret)
		snprintf(vmm->failure, sizeof(vmm->failure), "%s", bypass_error());
	return event;
}

static int run(struct vmm *vmm, const struct options *opt, int signal_fd)
{
	enum event event;
	int status = 0;

	terminal_raw();
	while ((event = run_once(vmm, opt, signal_fd, &status)) == EVENT_RESET && !opt->no_reboot) {
		if (machine_reset(vmm)) {
			snprintf(vmm->failure, sizeof(vmm->failure), "%s", bypass_error());
			event = EVENT_FAILURE;
			break;
		}
	}
	terminal_restore();
	if (event == EVENT_FAILURE) {
		fprintf(stderr, "bypass-vmm: %s\n", vmm->failure);
		status = STATUS_FAILURE;
	}
	if (opt->stats)
		stats_print(vmm);
	if (opt->stats_json && stats_write_json(vmm, opt->stats_json)) {
		fprintf(stderr, "bypass-vmm: %s\n", bypass_error());
		status = STATUS_FAILURE;
	}
	return status;
}

int main(int argc, char **argv)
{
	static struct vmm vmm;
	struct options opt;
	int status, signal_fd;

	parse(argc, argv, &opt);
	bypass_log_set(print_remark, &opt);
	signal_fd = open_signals();
	if (signal_fd < 0 || machine_create(&vmm, &opt)) {
		fprintf(stderr, "bypass-vmm: %s\n", bypass_error());
		status = STATUS_FAILURE;
	} else {
		status = run(&vmm, &opt, signal_fd);
	}
	machine_destroy(&vmm);
	return status;
}
