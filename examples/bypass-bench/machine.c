// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Looks at the machine through /proc, /sys and the TSC.
 */
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"
#include "measure.h"

#define CALIBRATION_NS 50000000u
#define TICK_SAMPLES   2000u
#define MAX_TICK       100u
#define MIN_TICK       8u

/* First line of a file, or @otherwise. */
static void read_line(const char *path, char *text, size_t size, const char *otherwise)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(text, (int)size, file))
		snprintf(text, size, "%s", otherwise);
	text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
}

static void read_cpuinfo(struct bench_machine *machine)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[4096];

	snprintf(machine->cpu, sizeof(machine->cpu), "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		char *value = strstr(line, ": ");

		if (!value)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "model name", 10))
			snprintf(machine->cpu, sizeof(machine->cpu), "%.63s", value + 2);
		if (!strncmp(line, "flags", 5))
			machine->virtual = strstr(line, " hypervisor");
	}
	if (file)
		fclose(file);
}

/* kvm_intel, kvm_amd, or whatever else stands under kvm. */
static void read_kvm_module(struct bench_machine *machine)
{
	DIR *dir = opendir("/sys/module");
	struct dirent *entry;

	snprintf(machine->kvm, sizeof(machine->kvm), "none");
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "kvm_", 4))
			snprintf(machine->kvm, sizeof(machine->kvm), "%.63s", entry->d_name);
	if (dir)
		closedir(dir);
}

void bench_machine_describe(struct bench_machine *machine)
{
	struct utsname names;
	cpu_set_t cpus;

	memset(machine, 0, sizeof(*machine));
	read_cpuinfo(machine);
	read_kvm_module(machine);
	read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", machine->governor,
		  sizeof(machine->governor), "none");
	if (!uname(&names))
		snprintf(machine->kernel, sizeof(machine->kernel), "%.63s", names.release);
	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		machine->cores = (unsigned int)CPU_COUNT(&cpus);
}

/* Do both CPUs belong to one core? */
static bool are_siblings(int a, int b)
{
	char path[96], of_a[64], of_b[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		 a);
	read_line(path, of_a, sizeof(of_a), "a");
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		 b);
	read_line(path, of_b, sizeof(of_b), "b");
	return !strcmp(of_a, of_b);
}

void bench_machine_cpus(int *requester, int *device)
{
	cpu_set_t cpus;

	*requester = *device = -1;
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		CPU_ZERO(&cpus);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &cpus))
			continue;
		if (*requester < 0)
			*requester = *device = cpu;
		else if (*device == *requester && !are_siblings(*requester, cpu))
			*device = cpu;
	}
}

void bench_machine_pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	if (cpu < 0)
		return;
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double bench_now_ms(void)
{
	return (double)now_ns() * 1e-6;
}

/*
 * The largest step that nearly all differences are multiples of, or 1. The work
 * between two looks varies, so that its own length does not pass for a step. Two
 * looks within a step differ by 1: the TSC never stands still.
 */
static uint64_t find_tick(void)
{
	uint64_t samples[TICK_SAMPLES], last = bench_tsc();
	unsigned int fit = 0;
	uint64_t tick;

	for (unsigned int i = 0; i < TICK_SAMPLES; i++) {
		uint64_t now;

		for (volatile unsigned int work = i % 13; work; work--)
			;
		now = bench_tsc();
		samples[i] = now - last;
		last = now;
	}
	for (tick = MAX_TICK; tick >= MIN_TICK; tick--) {
		for (unsigned int i = fit = 0; i < TICK_SAMPLES; i++)
			fit += (samples[i] + 1) % tick <= 2;
		if (fit > TICK_SAMPLES * 95 / 100)
			return tick;
	}
	return 1;
}

void bench_machine_clock(double *cycle_ns, uint64_t *tick)
{
	uint64_t begin_ns = now_ns(), begin = bench_tsc(), last, ns;

	*tick = find_tick();
	do {
		ns = now_ns() - begin_ns;
		last = bench_tsc();
	} while (ns < CALIBRATION_NS);
	*cycle_ns = (double)ns / (double)(last - begin);
}

static void add_cpu(int cpu, struct bench_load *load)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
	FILE *file = fopen("/proc/stat", "re");
	char line[512], name[16];

	snprintf(name, sizeof(name), "cpu%d ", cpu);
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) ||
		    sscanf(line + strlen(name), "%llu %llu %llu %llu %llu %llu %llu %llu", &user,
			   &nice, &system, &idle, &iowait, &irq, &softirq, &steal) != 8)
			continue;
		load->busy += user + nice + system + irq + softirq;
		load->steal += steal;
		load->total += user + nice + system + idle + iowait + irq + softirq + steal;
	}
	if (file)
		fclose(file);
}

void bench_machine_load(int requester, int device, struct bench_load *load)
{
	struct timespec now;
	struct rusage usage;

	memset(load, 0, sizeof(*load));
	add_cpu(requester, load);
	if (device != requester)
		add_cpu(device, load);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	load->own_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	getrusage(RUSAGE_SELF, &usage);
	load->preempted = (uint64_t)usage.ru_nivcsw;
}

double bench_load_others(const struct bench_load *before, const struct bench_load *after)
{
	double total = (double)(after->total - before->total);
	double own = (double)(after->own_ns - before->own_ns) * 1e-9 * (double)sysconf(_SC_CLK_TCK);
	double others = (double)(after->busy - before->busy) - own;

	return total > 0 && others > 0 ? others / total : 0;
}

double bench_load_steal(const struct bench_load *before, const struct bench_load *after)
{
	double total = (double)(after->total - before->total);

	return total > 0 ? (double)(after->steal - before->steal) / total : 0;
}
