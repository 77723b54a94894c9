#include "dataplane/batch/result.h"

#include <stdlib.h>

struct results {
	pthread_mutex_t lock; // guards everything below
	pthread_cond_t changed;
	struct result *all;   // [count]
	struct result *free;  // list
	struct result *first; // begun or done, in order of the chunks
	struct result *last;
	uint64_t begun;
	uint32_t count;
	uint32_t view_count;
	bool is_ended;
	bool is_stopped;
};

enum sl_status results_new(uint32_t result_count, uint32_t view_count, struct results **ret_results)
{
	struct results *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return SL_E_NOMEM;
	r->all = calloc(result_count, sizeof(*r->all));
	if (r->all == NULL) {
		free(r);
		return SL_E_NOMEM;
	}
	r->count = result_count;
	r->view_count = view_count;
	for (uint32_t i = 0; i < result_count; i++) {
		r->all[i].next = r->free;
		r->free = &r->all[i];
	}
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	*ret_results = r;
	return SL_OK;
}

void results_free(struct results *r)
{
	if (r == NULL)
		return;
	for (uint32_t i = 0; i < r->count; i++) {
		free(r->all[i].out.sealed.bytes);
		free(r->all[i].out.dead.bytes);
		for (uint32_t v = 0; v < r->view_count; v++)
			free(r->all[i].out.view[v].bytes);
	}
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->all);
	free(r);
}

static void reset_result(struct result *result, uint64_t index, uint32_t view_count)
{
	result->index = index;
	result->out.sealed.size = 0;
	result->out.dead.size = 0;
	for (uint32_t v = 0; v < view_count; v++)
		result->out.view[v].size = 0;
	result->counts = (struct turn_counts){0};
	result->first_drop = (struct turn_drop){0};
	result->blank_rows = 0;
	result->bytes_in = 0;
	result->position_max = 0;
	result->is_done = false;
	result->next = NULL;
}

struct result *results_begin(struct results *r)
{
	struct result *result = NULL;

	pthread_mutex_lock(&r->lock);
	while (r->free == NULL && !r->is_stopped)
		pthread_cond_wait(&r->changed, &r->lock);
	if (!r->is_stopped) {
		result = r->free;
		r->free = result->next;
		reset_result(result, r->begun++, r->view_count);
		if (r->first == NULL)
			r->first = result;
		else
			r->last->next = result;
		r->last = result;
	}
	pthread_mutex_unlock(&r->lock);
	return result;
}

void results_done(struct results *r, struct result *result)
{
	pthread_mutex_lock(&r->lock);
	result->is_done = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

struct result *results_take(struct results *r)
{
	struct result *result = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->is_stopped && !(r->first == NULL && r->is_ended)
	       && !(r->first != NULL && r->first->is_done))
		pthread_cond_wait(&r->changed, &r->lock);
	if (!r->is_stopped && r->first != NULL) {
		result = r->first;
		r->first = result->next;
	}
	pthread_mutex_unlock(&r->lock);
	return result;
}

void results_recycle(struct results *r, struct result *result)
{
	pthread_mutex_lock(&r->lock);
	result->next = r->free;
	r->free = result;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void results_end(struct results *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_ended = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void results_stop(struct results *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_stopped = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

enum sl_status result_reserve(struct room *room, size_t size)
{
	size_t wanted = room->size + size;
	uint8_t *bytes;

	if (wanted <= room->capacity)
		return SL_OK;
	// Half as much again: a chunk's rooms find their size after a few turns.
	wanted += wanted / 2;
	bytes = realloc(room->bytes, wanted);
	if (bytes == NULL)
		return SL_E_NOMEM;
	room->bytes = bytes;
	room->capacity = wanted;
	return SL_OK;
}
