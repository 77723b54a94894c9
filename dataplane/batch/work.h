#pragma once

#include "dataplane/batch/result.h"
#include "io/chunks.h"

#include <stdbool.h>

/** A chunk on its way to a worker, with the result that it will fill. */
struct work {
	struct chunk chunk;
	struct chunk_cursor cursor; // where the worker begins in it
	struct result *result;
};

struct work_queue;

/** @param capacity items; as many as there are results, so that a push never waits */
enum sl_status work_queue_new(uint32_t capacity, struct work_queue **ret_queue);
void work_queue_free(struct work_queue *queue);

/** Add an item; there is always room (see capacity). */
void work_push(struct work_queue *queue, const struct work *work);

/** The oldest item; waits for one. false after work_end when nothing is left, or after work_stop. */
bool work_pop(struct work_queue *queue, struct work *ret_work);

/** No more items will come. */
void work_end(struct work_queue *queue);

/** Wake everybody; items that were not taken are released. */
void work_stop(struct work_queue *queue);
