#include "io/transfer_threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	THREADS = 2 // one copies while the other waits for the disk
};

struct queue {
	struct uring_op *first;
	struct uring_op **last; // where the next one is hung
};

struct transfer_threads {
	pthread_mutex_t lock; // guards all below but ids
	pthread_cond_t has_work;
	pthread_cond_t has_done;
	struct queue work;
	struct queue done;
	bool is_closing;
	uint32_t count;
	pthread_t ids[THREADS];
};

static void queue_put(struct queue *q, struct uring_op *op)
{
	op->next = NULL;
	*q->last = op;
	q->last = &op->next;
}

static struct uring_op *queue_take(struct queue *q)
{
	struct uring_op *op = q->first;

	q->first = op->next;
	if (q->first == NULL)
		q->last = &q->first;
	return op;
}

void transfer_run(struct uring_op *op)
{
	if (op->is_sync && fdatasync(op->fd) != 0)
		op->error = errno;
	while (op->done < op->size) {
		uint8_t *at = op->bytes + op->done;
		size_t left = op->size - op->done;
		off_t offset = (off_t)(op->offset + op->done);
		ssize_t n = op->is_write ? pwrite(op->fd, at, left, offset)
					 : pread(op->fd, at, left, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			op->error = errno;
		else if (n == 0 && op->is_write)
			op->error = EIO;
		if (n <= 0)
			return;
		op->done += (uint32_t)n;
	}
}

static void *serve(void *argument)
{
	struct transfer_threads *t = argument;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		struct uring_op *op;

		while (t->work.first == NULL && !t->is_closing)
			pthread_cond_wait(&t->has_work, &t->lock);
		if (t->work.first == NULL)
			break;
		op = queue_take(&t->work);
		pthread_mutex_unlock(&t->lock);
		transfer_run(op);
		pthread_mutex_lock(&t->lock);
		queue_put(&t->done, op);
		pthread_cond_signal(&t->has_done);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

enum sl_status transfer_threads_new(struct transfer_threads **ret_threads)
{
	struct transfer_threads *t = calloc(1, sizeof(*t));
	sigset_t all;
	sigset_t before;

	if (t == NULL)
		return SL_E_NOMEM;
	t->work.last = &t->work.first;
	t->done.last = &t->done.first;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->has_work, NULL);
	pthread_cond_init(&t->has_done, NULL);

	// Signals are for the threads that know what to do with them.
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (; t->count < THREADS; t->count++)
		if (pthread_create(&t->ids[t->count], NULL, serve, t) != 0)
			break;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (t->count == 0) {
		transfer_threads_free(t);
		return SL_E_NOMEM;
	}
	*ret_threads = t;
	return SL_OK;
}

void transfer_threads_submit(struct transfer_threads *t, struct uring_op *op)
{
	pthread_mutex_lock(&t->lock);
	queue_put(&t->work, op);
	pthread_cond_signal(&t->has_work);
	pthread_mutex_unlock(&t->lock);
}

struct uring_op *transfer_threads_wait(struct transfer_threads *t)
{
	struct uring_op *op;

	pthread_mutex_lock(&t->lock);
	while (t->done.first == NULL)
		pthread_cond_wait(&t->has_done, &t->lock);
	op = queue_take(&t->done);
	pthread_mutex_unlock(&t->lock);
	return op;
}

bool transfer_threads_have_done(struct transfer_threads *t)
{
	bool have_done;

	pthread_mutex_lock(&t->lock);
	have_done = t->done.first != NULL;
	pthread_mutex_unlock(&t->lock);
	return have_done;
}

void transfer_threads_free(struct transfer_threads *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->is_closing = true;
	pthread_cond_broadcast(&t->has_work);
	pthread_mutex_unlock(&t->lock);
	for (uint32_t i = 0; i < t->count; i++)
		pthread_join(t->ids[i], NULL);
	pthread_cond_destroy(&t->has_done);
	pthread_cond_destroy(&t->has_work);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
