#include "dataplane/batch/failure.h"
#include "dataplane/batch/result.h"
#include "dataplane/batch/work.h"
#include "tests/support/check.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum {
	CHUNKS = 2000,
	WORKERS = 3,
	RESULTS = 5
};

/** A job without files: chunks are numbers, and results come back with them. */
struct job {
	struct results *results;
	struct work_queue *work;
	uint64_t taken;   // by the writer, in order
	bool is_in_order; // all so far
};

static void *run_worker(void *argument)
{
	struct job *job = argument;
	struct work work;

	while (work_pop(job->work, &work)) {
		work.result->counts.rows_in = work.chunk.index;
		if (work.chunk.index % 7 == 0)
			sched_yield();
		results_done(job->results, work.result);
	}
	return NULL;
}

static void *run_writer(void *argument)
{
	struct job *job = argument;
	struct result *result;

	while ((result = results_take(job->results)) != NULL) {
		job->is_in_order = job->is_in_order && result->index == job->taken
			&& result->counts.rows_in == job->taken;
		job->taken++;
		results_recycle(job->results, result);
	}
	return NULL;
}

static void run(struct job *job, uint64_t stop_at)
{
	pthread_t workers[WORKERS];
	pthread_t writer;

	CHECK_FATAL(results_new(RESULTS, 0, &job->results) == SL_OK);
	CHECK_FATAL(work_queue_new(RESULTS, &job->work) == SL_OK);
	job->is_in_order = true;
	for (int i = 0; i < WORKERS; i++)
		CHECK_FATAL(pthread_create(&workers[i], NULL, run_worker, job) == 0);
	CHECK_FATAL(pthread_create(&writer, NULL, run_writer, job) == 0);
	for (uint64_t i = 0; i < CHUNKS; i++) {
		struct work work = {.chunk.index = i};

		if (i == stop_at) {
			work_stop(job->work);
			results_stop(job->results);
		}
		work.result = results_begin(job->results);
		CHECK_EQUAL(work.result == NULL, i >= stop_at);
		if (work.result == NULL)
			break;
		work_push(job->work, &work);
	}
	work_end(job->work);
	results_end(job->results);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	pthread_join(writer, NULL);
	results_free(job->results);
	work_queue_free(job->work);
}

static void results_come_in_the_order_of_the_input(void)
{
	struct job job = {0};

	run(&job, CHUNKS);
	CHECK_EQUAL(job.taken, CHUNKS);
	CHECK(job.is_in_order);
}

static void a_stop_wakes_everybody(void)
{
	struct job job = {0};

	run(&job, CHUNKS / 2);
	CHECK(job.taken <= CHUNKS / 2);
	CHECK(job.is_in_order);
}

static void a_room_keeps_its_contents_when_it_grows(void)
{
	struct room room = {0};

	CHECK_FATAL(result_reserve(&room, 10) == SL_OK);
	room_put(&room, "0123456789", 10);
	CHECK_FATAL(result_reserve(&room, 1 << 20) == SL_OK);
	CHECK(room_left(&room) >= 1 << 20);
	CHECK(view_equal(view_of(room.bytes, room.size), view_of_text("0123456789")));
	free(room.bytes);
}

static void the_first_failure_is_kept(void)
{
	struct failure failure;
	struct problem problem;

	failure_init(&failure);
	CHECK(!failure_is_set(&failure));
	CHECK_EQUAL(failure_status(&failure, &problem), SL_OK);
	(void)!problem_set(&problem, SL_E_IO, "first");
	CHECK(failure_set(&failure, &problem));
	(void)!problem_set(&problem, SL_E_NOMEM, "second");
	CHECK(!failure_set(&failure, &problem));
	CHECK_EQUAL(failure_status(&failure, &problem), SL_E_IO);
	CHECK(strcmp(problem.what, "first") == 0);
	failure_done(&failure);
}

static const struct check_test tests[] = {
	{"results come in the order of the input", results_come_in_the_order_of_the_input},
	{"a stop wakes everybody", a_stop_wakes_everybody},
	{"a room keeps its contents when it grows", a_room_keeps_its_contents_when_it_grows},
	{"the first failure is kept", the_first_failure_is_kept},
};

CHECK_MAIN("batch/result")
