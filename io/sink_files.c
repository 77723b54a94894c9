#include "io/sink_files.h"

#include "io/base/clock.h"
#include "io/file_problem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint64_t roll_bytes_default = 256 << 20;
static const uint64_t roll_ms_default = 60 * 60 * 1000;
static const uint64_t retry_ms_default = 1000;

static enum sl_status offer(void *self, const struct sink_parcel *parcel)
{
	struct files *f = self;

	if (parcel->bytes.size > FILES_PARCEL_MAX)
		return SL_E_TOO_BIG;
	if (f->stats.is_down || f->is_syncing || f->end - f->first == FILES_WAITING_MAX)
		return SL_E_FULL;
	f->waiting[f->end % FILES_WAITING_MAX].parcel = *parcel;
	f->end++;
	f->stats.rows_waiting += parcel->rows;
	files_pump(f, false);
	return SL_OK;
}

static bool may_retry(const struct files *f)
{
	return f->stats.is_down && files_now_ms(f) >= f->retry_at_ms;
}

static void poll_work(void *self)
{
	struct files *f = self;

	files_pump(f, false);
	if (may_retry(f) && uring_in_flight(f->ring) == 0) {
		if (f->has_failed)
			files_rewind(f);
		// Nothing to try it with: the next offer will show.
		if (!f->has_failed && f->first == f->end)
			f->stats.is_down = false;
		files_pump(f, false);
	}
	if (f->is_syncing && !f->has_failed)
		files_advance_sync(f, false);
}

static void begin_sync(void *self)
{
	struct files *f = self;

	if (f->has_failed && may_retry(f))
		files_rewind(f);
	if (f->has_failed || f->is_syncing)
		return;
	f->is_syncing = true;
	// Copies into the page cache are waited for, so that the disk can begin; the disk is not.
	while (!f->has_failed && !files_is_written(f)) {
		files_pump(f, true);
		files_flush(f);
	}
	if (!f->has_failed)
		files_advance_sync(f, false);
}

static enum sl_status sync_all(void *self, struct problem *ret_problem)
{
	struct files *f = self;

	begin_sync(f);
	while (f->is_syncing && !f->has_failed)
		files_advance_sync(f, true);
	if (!f->has_failed)
		return SL_OK;
	f->is_syncing = false;
	*ret_problem = f->failure;
	return f->failure.status;
}

static size_t mark(void *self, uint8_t *ret_bytes, size_t capacity)
{
	struct files *f = self;

	f->marked = f->at.ended_count;
	return files_mark_write(&f->at, ret_bytes, capacity);
}

static void stats(void *self, struct sink_stats *ret_stats)
{
	const struct files *f = self;

	*ret_stats = f->stats;
	ret_stats->is_due = files_is_due(f);
}

static void confirm(void *self)
{
	files_confirm(self);
}

static void roll(void *self)
{
	struct files *f = self;

	f->is_roll_wanted = true;
}

static void report_failed(struct files *f)
{
	for (; f->first != f->end; f->first++) {
		const struct sink_parcel *p = &f->waiting[f->first % FILES_WAITING_MAX].parcel;

		f->stats.rows_failed += p->rows;
		f->stats.rows_waiting -= p->rows;
		f->report(f->self, p->tag, f->failure.status);
	}
	f->begun = f->end;
}

static void recall(void *self)
{
	struct files *f = self;

	if (!f->stats.is_down || f->first == f->end)
		return;
	files_rewind(f);
	report_failed(f);
}

static void release(struct files *f)
{
	if (f->ring != NULL)
		uring_free(f->ring);
	if (f->block != NULL)
		block_release(f->block);
	if (f->is_zstd)
		blocks_done(&f->blocks);
	encoder_free(f->encoder);
	if (f->fd >= 0)
		close(f->fd);
	if (f->lock_fd >= 0)
		close(f->lock_fd);
	if (f->directory_fd >= 0)
		close(f->directory_fd);
	free(f->waiting);
	free(f);
}

static void close_sink(void *self)
{
	struct files *f = self;
	struct problem p;

	f->retry_at_ms = 0;
	if (sync_all(f, &p) != SL_OK) {
		files_rewind(f);
		report_failed(f);
	}
	if (f->at.has_current && f->at.current.size == 0)
		(void)files_remove(f, &f->at.current.name);
	release(f);
}

static const struct sink_ops files_ops = {
	.offer = offer,
	.poll = poll_work,
	.sync = sync_all,
	.mark = mark,
	.stats = stats,
	.close = close_sink,
	.sync_begin = begin_sync,
	.confirm = confirm,
	.roll = roll,
	.recall = recall,
};

static bool is_prefix(const char *text)
{
	size_t size = strlen(text);

	for (size_t i = 0; i < size; i++)
		if (text[i] == '/' || (unsigned char)text[i] < ' ')
			return false;
	return size != 0 && size <= FILES_PREFIX_MAX && text[0] != '.';
}

static void take_options(struct files *f, const struct sink_files_options *o)
{
	snprintf(f->directory, sizeof(f->directory), "%s", o->directory);
	snprintf(f->prefix, sizeof(f->prefix), "%s", o->prefix);
	f->roll_bytes = o->roll_bytes == 0 ? roll_bytes_default : o->roll_bytes;
	f->roll_ms = o->roll_ms == 0 ? roll_ms_default : o->roll_ms;
	f->retry_ms = o->retry_ms == 0 ? retry_ms_default : o->retry_ms;
	f->is_zstd = o->is_zstd;
	f->sync_rule = o->sync_rule;
	f->clock = o->clock;
	if (f->clock.monotonic_ns == NULL)
		f->clock.monotonic_ns = clock_monotonic_ns;
	if (f->clock.wall_ms == NULL)
		f->clock.wall_ms = clock_wall_ms;
}

static enum sl_status open_directory(struct files *f, struct problem *ret_problem)
{
	int error = files_open_directory(f);

	if (error == EWOULDBLOCK)
		return file_problem_of(
			ret_problem,
			SL_E_BUSY,
			f->directory,
			"another process writes files of this prefix here",
			"Stop the other process, or give one of the two another prefix"
		);
	return error == 0 ? SL_OK : file_problem(ret_problem, error, f->directory, "be opened");
}

static enum sl_status begin_writing(struct files *f, struct problem *ret_problem)
{
	enum sl_status status = SL_OK;

	f->waiting = calloc(FILES_WAITING_MAX, sizeof(f->waiting[0]));
	if (f->waiting == NULL)
		status = SL_E_NOMEM;
	if (status == SL_OK && f->is_zstd)
		status = encoder_new(true, FILES_ZSTD_LEVEL, &f->encoder);
	if (status == SL_OK && f->is_zstd)
		status = blocks_init(&f->blocks, FILES_BLOCKS, 0, FILES_BLOCK_SIZE);
	if (status == SL_OK)
		status = uring_new(f->directory_fd, NULL, 0, FILES_DEPTH, &f->ring);
	if (status == SL_OK || status == SL_E_NOMEM)
		return status == SL_OK
			? SL_OK
			: file_problem(ret_problem, ENOMEM, f->directory, "be opened");
	return file_problem_of(
		ret_problem,
		status,
		f->directory,
		"can not be written as the environment's SEALANE_IO demands",
		"Unset SEALANE_IO, or allow io_uring (sysctl kernel.io_uring_disabled)"
	);
}

enum sl_status sink_files_open(
	const struct sink_files_options *options,
	sink_report_fn *report,
	void *self,
	struct sink *ret_sink,
	struct problem *ret_problem
)
{
	enum sl_status status = SL_OK;
	struct files *f;

	if (!is_prefix(options->prefix))
		return file_problem_of(
			ret_problem,
			SL_E_INVALID,
			options->directory,
			"the prefix of its files is not fit for a file name",
			"Choose a prefix of 1 to 100 letters without / that does not begin with a "
			"dot"
		);
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return file_problem(ret_problem, ENOMEM, options->directory, "be opened");
	f->fd = -1;
	f->directory_fd = -1;
	f->lock_fd = -1;
	f->report = report;
	f->self = self;
	take_options(f, options);
	status = open_directory(f, ret_problem);
	if (status == SL_OK)
		status = begin_writing(f, ret_problem);
	if (status == SL_OK)
		status = files_restore(f, options->mark, ret_problem);
	if (status != SL_OK) {
		release(f);
		return status;
	}
	*ret_sink = (struct sink){.ops = &files_ops, .self = f};
	return SL_OK;
}
