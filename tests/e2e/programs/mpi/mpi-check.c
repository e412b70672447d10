// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * mpi-check: each rank says where it runs. Then an all-to-all and an allreduce of several sizes:
 * each number is compared with the one that must come. mpi-check N: after that N messages of 64
 * bytes from the first rank to the last, and as many back, between two lines that begin with "mark:
 * ". At each of these the first rank waits for a line on its standard input, so that somebody else
 * can count meanwhile.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 16384 /* numbers for each rank: 64 KiB */

static int rank, ranks;

static void wrong(const char *what, long at, uint32_t got, uint32_t expected)
{
	fprintf(stderr, "rank %d: %s: number %ld is %u, not %u\n", rank, what, at, got, expected);
	MPI_Abort(MPI_COMM_WORLD, 1);
}

/* What a rank sends to another as its number `at`. */
static uint32_t sent(int from, int to, long at)
{
	return (from + 1) * 2654435761u ^ (to + 1) * 40503u ^ (uint32_t)at * 69069u;
}

static void all_to_all(int length)
{
	uint32_t *out = malloc((size_t)ranks * length * sizeof(*out));
	uint32_t *in = calloc((size_t)ranks * length, sizeof(*in));

	for (int to = 0; to < ranks; to++)
		for (int i = 0; i < length; i++)
			out[to * length + i] = sent(rank, to, i);
	MPI_Alltoall(out, length, MPI_UINT32_T, in, length, MPI_UINT32_T, MPI_COMM_WORLD);
	for (int from = 0; from < ranks; from++)
		for (int i = 0; i < length; i++)
			if (in[from * length + i] != sent(from, rank, i))
				wrong("all-to-all", from * length + i, in[from * length + i],
				      sent(from, rank, i));
	free(out);
	free(in);
}

/* Rank r adds (r + 1) * (i + 1), so that all together are the sum of the ranks times that. */
static void allreduce(int length)
{
	uint32_t *out = malloc(length * sizeof(*out)), *in = calloc(length, sizeof(*in));
	uint32_t sum = ranks * (ranks + 1) / 2;

	for (int i = 0; i < length; i++)
		out[i] = (rank + 1) * (i + 1u);
	MPI_Allreduce(out, in, length, MPI_UINT32_T, MPI_SUM, MPI_COMM_WORLD);
	for (int i = 0; i < length; i++)
		if (in[i] != sum * (i + 1u))
			wrong("allreduce", i, in[i], sum * (i + 1u));
	free(out);
	free(in);
}

static void tell_and_wait(const char *word)
{
	char line[16];

	if (rank)
		return;
	printf("mark: %s\n", word);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		MPI_Abort(MPI_COMM_WORLD, 1);
}

static void message(int from, int to, long at)
{
	uint32_t data[16];

	for (int i = 0; i < 16; i++)
		data[i] = rank == from ? sent(from, to, at + i) : 0;
	if (rank == from)
		MPI_Send(data, 16, MPI_UINT32_T, to, 0, MPI_COMM_WORLD);
	else
		MPI_Recv(data, 16, MPI_UINT32_T, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	for (int i = 0; rank == to && i < 16; i++)
		if (data[i] != sent(from, to, at + i))
			wrong("message", at, data[i], sent(from, to, at + i));
}

static void exchange(long first, long count)
{
	int last = ranks - 1;

	for (long at = first; (rank == 0 || rank == last) && at < first + count; at++) {
		message(0, last, at);
		message(last, 0, at);
	}
}

int main(int argc, char *argv[])
{
	long count = argc > 1 ? atol(argv[1]) : 0;
	char name[MPI_MAX_PROCESSOR_NAME], version[MPI_MAX_LIBRARY_VERSION_STRING];
	int length;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	MPI_Get_processor_name(name, &length);
	MPI_Get_library_version(version, &length);
	printf("rank %d of %d on %s: %.*s\n", rank, ranks, name, (int)strcspn(version, ",\n"),
	       version);
	fflush(stdout);
	for (length = 1; length <= LONGEST; length *= 16) {
		all_to_all(length);
		allreduce(length);
	}
	if (count) {
		exchange(0, 16); /* as many connections as there will be */
		tell_and_wait("connected");
		exchange(16, count);
		tell_and_wait("exchanged");
	}
	MPI_Barrier(MPI_COMM_WORLD);
	if (!rank)
		printf("mpi-check: %d ranks: all numbers are right\n", ranks);
	MPI_Finalize();
	return 0;
}
