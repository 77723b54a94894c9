#pragma once

#include "io/base/problem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/** The first failure of several threads; later ones are its consequences and are not kept. */
struct failure {
	pthread_mutex_t lock; // guards problem
	struct problem problem;
	atomic_bool is_set; // released by failure_set, acquired by failure_is_set
};

void failure_init(struct failure *failure);
void failure_done(struct failure *failure);

/** Returns true for the first one. */
bool failure_set(struct failure *failure, const struct problem *problem);

bool failure_is_set(const struct failure *failure);

/** The problem that was set first; SL_OK with *ret_problem untouched when none was. */
enum sl_status failure_status(struct failure *failure, struct problem *ret_problem);
