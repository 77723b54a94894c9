#include "dataplane/batch/result.h"

#include <assert.h>
#include <stdlib.h>

// Implementation notes. To wake a thread costs about as much as to read or write a chunk's tenth, so
// nobody is woken who can not go on: the writer only for the result that it waits for, and the
// reader only when it can read several chunks in a row.

enum {
	READ_ROW = 3 // results that are free when the reader is woken
};

static_assert((int)RESULTS_MIN >= (int)READ_ROW, "a reader that waits is woken in the end");

struct results {
	pthread_mutex_t lock;    // guards everything below
	pthread_cond_t has_free; // the reader waits: READ_ROW are free
	pthread_cond_t has_next; // the writer waits: first is done
	struct result *all;      // [count]
	struct result *free;     // list
	struct result *first;    // begun or done, in order of the chunks
	struct result *last;
	uint64_t begun;
	uint32_t count;
	uint32_t free_count;
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
	r->free_count = result_count;
	r->view_count = view_count;
	for (uint32_t i = 0; i < result_count; i++) {
		r->all[i].next = r->free;
		r->free = &r->all[i];
	}
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->has_free, NULL);
	pthread_cond_init(&r->has_next, NULL);
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
	pthread_cond_destroy(&r->has_free);
	pthread_cond_destroy(&r->has_next);
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
		pthread_cond_wait(&r->has_free, &r->lock);
	if (!r->is_stopped) {
		result = r->free;
		r->free = result->next;
		r->free_count--;
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
	if (result == r->first)
		pthread_cond_signal(&r->has_next);
	pthread_mutex_unlock(&r->lock);
}

struct result *results_take(struct results *r)
{
	struct result *result = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->is_stopped && !(r->first == NULL && r->is_ended)
	       && !(r->first != NULL && r->first->is_done))
		pthread_cond_wait(&r->has_next, &r->lock);
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
	if (++r->free_count >= READ_ROW)
		pthread_cond_signal(&r->has_free);
	pthread_mutex_unlock(&r->lock);
}

void results_end(struct results *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_ended = true;
	pthread_cond_broadcast(&r->has_next);
	pthread_mutex_unlock(&r->lock);
}

void results_stop(struct results *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_stopped = true;
	pthread_cond_broadcast(&r->has_free);
	pthread_cond_broadcast(&r->has_next);
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
