#include "dataplane/batch/failure.h"

void failure_init(struct failure *failure)
{
	*failure = (struct failure){0};
	pthread_mutex_init(&failure->lock, NULL);
}

void failure_done(struct failure *failure)
{
	pthread_mutex_destroy(&failure->lock);
}

bool failure_set(struct failure *failure, const struct problem *problem)
{
	bool is_first;

	pthread_mutex_lock(&failure->lock);
	is_first = !atomic_load_explicit(&failure->is_set, memory_order_relaxed);
	if (is_first) {
		failure->problem = *problem;
		atomic_store_explicit(&failure->is_set, true, memory_order_release);
	}
	pthread_mutex_unlock(&failure->lock);
	return is_first;
}

bool failure_is_set(const struct failure *failure)
{
	return atomic_load_explicit(&failure->is_set, memory_order_acquire);
}

enum sl_status failure_status(struct failure *failure, struct problem *ret_problem)
{
	if (!failure_is_set(failure))
		return SL_OK;
	*ret_problem = failure->problem;
	return failure->problem.status;
}
