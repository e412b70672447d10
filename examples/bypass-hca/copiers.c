// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Threads that share the copying of one long message with the thread of the subnet. Nothing else of the model
 * runs beside that thread, which waits until all is copied.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "copiers.h"

#define SHARE (64u << 10) /* bytes that a thread takes at a time */

struct copiers {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	const struct piece *pieces; /* those that nobody has taken yet */
	unsigned int n_pieces;
	unsigned int active; /* threads that copy what they have taken */
	bool stop;
	unsigned int n_threads;
	pthread_t threads[COPIERS_MAX];
};

/* Under the lock, which is not held while bytes move */
static void copy_shares(struct copiers *copiers)
{
	while (copiers->n_pieces) {
		const struct piece *piece = copiers->pieces;
		uint64_t bytes = 0;

		while (copiers->n_pieces && bytes < SHARE) {
			bytes += copiers->pieces->size;
			copiers->pieces++;
			copiers->n_pieces--;
		}
		const struct piece *end = copiers->pieces;

		copiers->active++;
		pthread_mutex_unlock(&copiers->lock);
		for (; piece < end; piece++)
			piece_copy(piece);
		pthread_mutex_lock(&copiers->lock);
		if (!--copiers->active && !copiers->n_pieces)
			pthread_cond_signal(&copiers->done);
	}
}

static void *run(void *opaque)
{
	struct copiers *copiers = opaque;

	pthread_mutex_lock(&copiers->lock);
	while (!copiers->stop) {
		copy_shares(copiers);
		pthread_cond_wait(&copiers->work, &copiers->lock);
	}
	pthread_mutex_unlock(&copiers->lock);
	return NULL;
}

void copiers_copy(struct copiers *copiers, const struct piece *pieces, unsigned int n)
{
	pthread_mutex_lock(&copiers->lock);
	copiers->pieces = pieces;
	copiers->n_pieces = n;
	pthread_cond_broadcast(&copiers->work);
	copy_shares(copiers);
	while (copiers->active)
		pthread_cond_wait(&copiers->done, &copiers->lock);
	pthread_mutex_unlock(&copiers->lock);
}

int copiers_open(unsigned int threads, struct copiers **result)
{
	struct copiers *copiers = calloc(1, sizeof(*copiers));
	int err = ENOMEM;

	if (!copiers)
		goto fail;
	pthread_mutex_init(&copiers->lock, NULL);
	pthread_cond_init(&copiers->work, NULL);
	pthread_cond_init(&copiers->done, NULL);
	for (err = 0; !err && copiers->n_threads < threads; copiers->n_threads += !err)
		err = pthread_create(&copiers->threads[copiers->n_threads], NULL, run, copiers);
	if (!err) {
		*result = copiers;
		return 0;
	}
	copiers_close(copiers);
fail:
	return bypass_fail(err, "cannot start %u threads that copy: %s", threads, strerror(err));
}

void copiers_close(struct copiers *copiers)
{
	if (!copiers)
		return;
	pthread_mutex_lock(&copiers->lock);
	copiers->stop = true;
	pthread_cond_broadcast(&copiers->work);
	pthread_mutex_unlock(&copiers->lock);
	while (copiers->n_threads)
		pthread_join(copiers->threads[--copiers->n_threads], NULL);
	pthread_cond_destroy(&copiers->done);
	pthread_cond_destroy(&copiers->work);
	pthread_mutex_destroy(&copiers->lock);
	free(copiers);
}
