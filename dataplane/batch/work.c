#include "dataplane/batch/work.h"

#include <pthread.h>
#include <stdlib.h>

struct work_queue {
	pthread_mutex_t lock; // guards everything below
	pthread_cond_t changed;
	struct work *items; // [capacity], a ring
	uint32_t capacity;
	uint32_t first;
	uint32_t count;
	bool is_ended;
};

enum sl_status work_queue_new(uint32_t capacity, struct work_queue **ret_queue)
{
	struct work_queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return SL_E_NOMEM;
	q->items = calloc(capacity, sizeof(*q->items));
	if (q->items == NULL) {
		free(q);
		return SL_E_NOMEM;
	}
	q->capacity = capacity;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	*ret_queue = q;
	return SL_OK;
}

void work_queue_free(struct work_queue *q)
{
	if (q == NULL)
		return;
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q->items);
	free(q);
}

void work_push(struct work_queue *q, const struct work *work)
{
	pthread_mutex_lock(&q->lock);
	if (q->count == q->capacity)
		SL_BUG("more work than results");
	q->items[(q->first + q->count++) % q->capacity] = *work;
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

bool work_pop(struct work_queue *q, struct work *ret_work)
{
	bool is_there;

	pthread_mutex_lock(&q->lock);
	while (q->count == 0 && !q->is_ended)
		pthread_cond_wait(&q->changed, &q->lock);
	is_there = q->count != 0;
	if (is_there) {
		*ret_work = q->items[q->first];
		q->first = (q->first + 1) % q->capacity;
		q->count--;
	}
	pthread_mutex_unlock(&q->lock);
	return is_there;
}

void work_end(struct work_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->is_ended = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

void work_stop(struct work_queue *q)
{
	pthread_mutex_lock(&q->lock);
	for (; q->count != 0; q->count--) {
		chunk_release(&q->items[q->first].chunk);
		q->first = (q->first + 1) % q->capacity;
	}
	q->is_ended = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}
