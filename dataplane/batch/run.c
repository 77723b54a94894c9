#include "dataplane/batch/run.h"

#include "crypto/secret.h"
#include "dataplane/batch/failure.h"
#include "dataplane/batch/keys_export.h"
#include "dataplane/batch/tally.h"
#include "dataplane/batch/work.h"
#include "dataplane/batch/worker.h"
#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/rewrite.h"
#include "io/base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RUN_RESULTS_PER_WORKER = 2,      // one filled, one that waits
	RUN_RESULTS_SPARE = RESULTS_MIN, // being written, or free for the reader
	RUN_TEXT_MAX = 512,
	RUN_BLOCKS_SPARE = 8, // of the input, read ahead
	MS_PER_DAY = 86400000
};

struct batch_run {
	struct batch_setup setup;
	struct input *input;
	struct chunks *chunks;
	struct targets *targets;
	struct keys_export *keys; // NULL: no keys file is asked for
	struct work_queue *work;
	struct results *results;
	struct worker **workers; // [setup.worker_count]
	pthread_t *threads;      // [setup.worker_count]
	pthread_t writer;
	uint32_t thread_count; // workers under way
	bool has_writer;
	struct csv_header *csv; // NULL for JSON
	struct chunk first;     // the chunk whose first row was the CSV header
	struct chunk_cursor first_cursor;
	bool has_first;
	size_t csv_header_size; // bytes of the input's header row
	struct dead_letter_key dead_key;
	struct failure failure;
	struct tally *tally; // the writer's, until it has ended
	char text[RUN_TEXT_MAX];
};

static void stop_threads(struct batch_run *run)
{
	input_stop(run->input);
	work_stop(run->work);
	results_stop(run->results);
}

/** Remember the first failure and let everybody end. */
static void fail(struct batch_run *run, const struct problem *problem)
{
	if (failure_set(&run->failure, problem))
		stop_threads(run);
}

static void fail_keys(void *self, const struct problem *problem)
{
	fail(self, problem);
}

static void *run_worker(void *argument)
{
	struct worker *worker = ((void **)argument)[0];
	struct batch_run *run = ((void **)argument)[1];
	struct work work;

	free(argument);
	while (work_pop(run->work, &work)) {
		enum sl_status status = worker_run(worker, &work.chunk, work.cursor, work.result);
		struct problem problem;

		chunk_release(&work.chunk);
		if (status != SL_OK) {
			(void)!problem_set(
				&problem, status, "a worker stopped: %s", status_text(status)
			);
			fail(run, &problem);
		}
		results_done(run->results, work.result);
	}
	return NULL;
}

static enum sl_status wait_durable(
	struct batch_run *run,
	uint64_t position,
	struct problem *ret_problem
)
{
	if (keyring_wait_durable(run->setup.keyring, position) == SL_OK)
		return SL_OK;
	return keyring_status(run->setup.keyring, ret_problem);
}

/** Put one result where it belongs; failures of the key ring count as the writer's. */
static enum sl_status write_result(
	struct batch_run *run,
	const struct result *result,
	struct problem *ret_problem
)
{
	SL_TRY(keyring_status(run->setup.keyring, ret_problem));
	// What a file holds is not seen before all keys are durable and the file is published. A stream is
	// seen at once, so its keys come first.
	if (targets_has_stream(run->targets))
		SL_TRY(wait_durable(run, result->position_max, ret_problem));
	SL_TRY(targets_put(run->targets, result, ret_problem));
	tally_add(run->tally, result);
	return tally_check(run->tally, /* is_end= */ false, ret_problem);
}

static void *run_writer(void *argument)
{
	struct batch_run *run = argument;
	struct result *result;
	struct problem problem;

	while ((result = results_take(run->results)) != NULL) {
		enum sl_status status = write_result(run, result, &problem);

		results_recycle(run->results, result);
		if (status != SL_OK) {
			fail(run, &problem);
			return NULL;
		}
		tally_tell(
			run->tally, input_progress(run->input), targets_sealed_size(run->targets)
		);
	}
	return NULL;
}

/** Read the CSV header, which the workers need. */
static enum sl_status read_csv_header(struct batch_run *run, struct problem *ret_problem)
{
	struct view row = {0};
	enum sl_status status;

	SL_TRY(chunks_next(run->chunks, &run->first, ret_problem));
	run->has_first = !run->first.is_end;
	if (run->first.is_oversize || !run->has_first
	    || !chunk_next_row(&run->first, &run->first_cursor, &row)) {
		(void)!problem_set(ret_problem, SL_E_SYNTAX, "there is no header row");
		problem_at_file(ret_problem, run->setup.input);
		problem_remedy(ret_problem, "begin the file with the names of its columns");
		return SL_E_SYNTAX;
	}
	run->csv_header_size = row.size;
	status = csv_header_read(row, run->setup.image, &run->csv, ret_problem);
	if (status == SL_OK)
		return SL_OK;
	problem_at_file(ret_problem, run->setup.input);
	// Whatever the header lacks or has too much, it is the input that is bad.
	if (status != SL_E_NOMEM)
		status = SL_E_SYNTAX;
	ret_problem->status = status;
	return status;
}

/** Pass the CSV header on to the targets, with the columns of strmMeta. */
static enum sl_status put_csv_header(struct batch_run *run, struct problem *ret_problem)
{
	struct room line = {.capacity = run->csv_header_size * 6 + TURN_META_MAX};
	enum sl_status status;

	line.bytes = malloc(line.capacity);
	if (line.bytes == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the header row");
	csv_write_header(worker_policy(run->workers[0]), run->csv, &line);
	status = targets_put_header(run->targets, view_of(line.bytes, line.size), ret_problem);
	free(line.bytes);
	return status;
}

static enum sl_status open_files(struct batch_run *run, struct problem *ret_problem)
{
	const struct batch_setup *setup = &run->setup;
	const uint32_t result_count =
		setup->worker_count * RUN_RESULTS_PER_WORKER + RUN_RESULTS_SPARE;
	const struct input_options input_options = {.block_count = result_count + RUN_BLOCKS_SPARE};
	const struct chunks_options chunks_options = {
		.format = setup->image->format == POLICY_CSV ? CHUNK_CSV : CHUNK_NDJSON,
		.delimiter = setup->image->csv_separator,
	};
	enum sl_status status;

	SL_TRY(input_open(setup->input, &input_options, &run->input, ret_problem));
	status = chunks_open(run->input, &chunks_options, &run->chunks);
	if (status == SL_OK)
		status = work_queue_new(result_count, &run->work);
	if (status == SL_OK)
		status = results_new(result_count, setup->image->views.count, &run->results);
	if (status == SL_OK)
		status = tally_new(setup, &run->tally);
	if (status != SL_OK)
		return problem_set(
			ret_problem, status, "the job can not start: %s", status_text(status)
		);
	return targets_open(&setup->names, setup->input, &run->targets, ret_problem);
}

/** The key of today for bad rows: of the day of processing, since a bad row may have no time. */
static enum sl_status make_dead_key(struct batch_run *run, struct problem *ret_problem)
{
	const int64_t today = clock_wall_ms() / MS_PER_DAY;
	struct keyring_dead_letter key;

	SL_TRY(keyring_dead_letter_key(run->setup.keyring, today, &key, ret_problem));
	memcpy(run->dead_key.link, key.link, sizeof(run->dead_key.link));
	memcpy(run->dead_key.field_key, key.key, sizeof(run->dead_key.field_key));
	bytes_wipe(&key, sizeof(key));
	return SL_OK;
}

static enum sl_status make_workers(struct batch_run *run, struct problem *ret_problem)
{
	const struct worker_setup setup = {
		.image = run->setup.image,
		.csv = run->csv,
		.keys = keyring_source(run->setup.keyring),
		.dead_key = &run->dead_key,
		.engine = run->setup.engine,
	};

	run->workers = calloc(run->setup.worker_count, sizeof(struct worker *));
	run->threads = calloc(run->setup.worker_count, sizeof(*run->threads));
	if (run->workers == NULL || run->threads == NULL)
		return problem_set(
			ret_problem, SL_E_NOMEM, "no memory for %u workers", run->setup.worker_count
		);
	for (uint32_t i = 0; i < run->setup.worker_count; i++)
		SL_TRY(worker_new(&setup, &run->workers[i], ret_problem));
	snprintf(
		run->text,
		sizeof(run->text),
		"cipher: %s; files: %s",
		worker_engine_text(run->workers[0]),
		input_backend(run->input)
	);
	return SL_OK;
}

static enum sl_status start_threads(struct batch_run *run, struct problem *ret_problem)
{
	for (; run->thread_count < run->setup.worker_count; run->thread_count++) {
		void **argument = calloc(2, sizeof(*argument));

		if (argument == NULL)
			return problem_set(ret_problem, SL_E_NOMEM, "no memory for a worker");
		argument[0] = run->workers[run->thread_count];
		argument[1] = run;
		if (pthread_create(&run->threads[run->thread_count], NULL, run_worker, argument)
		    != 0) {
			free(argument);
			return problem_set(
				ret_problem, SL_E_BUSY, "a worker thread can not be started"
			);
		}
	}
	if (pthread_create(&run->writer, NULL, run_writer, run) != 0)
		return problem_set(ret_problem, SL_E_BUSY, "the writer thread can not be started");
	run->has_writer = true;
	return SL_OK;
}

enum sl_status batch_run_start(
	const struct batch_setup *setup,
	struct batch_run **ret_run,
	struct problem *ret_problem
)
{
	struct batch_run *run = calloc(1, sizeof(*run));
	enum sl_status status;

	if (run == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the job");
	run->setup = *setup;
	failure_init(&run->failure);
	status = open_files(run, ret_problem);
	if (status == SL_OK && setup->image->format == POLICY_CSV)
		status = read_csv_header(run, ret_problem);
	if (status == SL_OK)
		status = make_dead_key(run, ret_problem);
	if (status == SL_OK)
		status = make_workers(run, ret_problem);
	if (status == SL_OK && setup->names.keys != NULL)
		status = keys_export_new(
			&run->setup, run->targets, fail_keys, run, &run->keys, ret_problem
		);
	if (status == SL_OK && run->csv != NULL)
		status = put_csv_header(run, ret_problem);
	if (status == SL_OK)
		status = start_threads(run, ret_problem);
	if (status != SL_OK) {
		batch_run_free(run);
		return status;
	}
	*ret_run = run;
	return SL_OK;
}

/** Hand a chunk to the workers. false: the job is being stopped, and the chunk is released. */
static bool dispatch(struct batch_run *run, struct chunk chunk, struct chunk_cursor cursor)
{
	struct work work = {
		.chunk = chunk, .cursor = cursor, .result = results_begin(run->results)};

	if (work.result == NULL) {
		chunk_release(&chunk);
		return false;
	}
	work_push(run->work, &work);
	return true;
}

static enum sl_status read_all(struct batch_run *run, struct problem *ret_problem)
{
	bool goes_on = true;

	if (run->has_first) {
		run->has_first = false;
		goes_on = dispatch(run, run->first, run->first_cursor);
	}
	while (goes_on) {
		struct chunk chunk;

		SL_TRY(chunks_next(run->chunks, &chunk, ret_problem));
		if (chunk.is_end)
			break;
		goes_on = dispatch(run, chunk, (struct chunk_cursor){0});
	}
	return SL_OK;
}

static void join_threads(struct batch_run *run)
{
	for (uint32_t i = 0; i < run->thread_count; i++)
		pthread_join(run->threads[i], NULL);
	run->thread_count = 0;
	if (run->has_writer)
		pthread_join(run->writer, NULL);
	run->has_writer = false;
}

enum sl_status batch_run_finish(
	struct batch_run *run,
	struct batch_progress *ret_progress,
	struct problem *ret_problem
)
{
	struct problem problem;
	uint64_t key_count = 0;

	if (read_all(run, &problem) != SL_OK)
		fail(run, &problem);
	work_end(run->work);
	results_end(run->results);
	join_threads(run);
	SL_TRY(failure_status(&run->failure, ret_problem));
	SL_TRY(tally_check(run->tally, /* is_end= */ true, ret_problem));
	tally_tell_ending(
		run->tally, input_progress(run->input), targets_sealed_size(run->targets)
	);
	SL_TRY(wait_durable(run, keyring_position(run->setup.keyring), ret_problem));
	if (run->keys != NULL)
		SL_TRY(keys_export_finish(run->keys, &key_count, ret_problem));
	SL_TRY(targets_publish(run->targets, ret_problem));
	tally_progress(
		run->tally,
		input_progress(run->input),
		targets_sealed_size(run->targets),
		ret_progress
	);
	ret_progress->keys_used = key_count;
	ret_progress->has_dead_letters = targets_has_dead(run->targets);
	return SL_OK;
}

void batch_run_stop(struct batch_run *run)
{
	struct problem problem;

	(void
	)!problem_set(&problem, SL_E_INTERRUPTED, "stopped by a signal; no target was written");
	fail(run, &problem);
}

const char *batch_run_text(const struct batch_run *run)
{
	return run->text;
}

void batch_run_free(struct batch_run *run)
{
	if (run == NULL)
		return;
	if (run->thread_count != 0 || run->has_writer) {
		stop_threads(run);
		join_threads(run);
	}
	if (run->has_first)
		chunk_release(&run->first);
	for (uint32_t i = 0; run->workers != NULL && i < run->setup.worker_count; i++)
		worker_free(run->workers[i]);
	free(run->workers);
	free(run->threads);
	keys_export_free(run->keys);
	targets_free(run->targets);
	tally_free(run->tally);
	results_free(run->results);
	work_queue_free(run->work);
	chunks_free(run->chunks);
	input_free(run->input);
	csv_header_free(run->csv);
	failure_done(&run->failure);
	bytes_wipe(&run->dead_key, sizeof(run->dead_key));
	free(run);
}
