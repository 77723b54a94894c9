#include "io/base/clock.h"
#include "io/directory.h"
#include "io/file_problem.h"
#include "io/sink_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static const uint64_t bytes_max_default = 1 << 30;
static const uint64_t segment_bytes_default = 64 << 20;
static const uint64_t retry_ms_default = 1000;
static const uint64_t patience_ms_default = 100;

static void take_options(struct sink_spool *s, const struct sink_spool_options *o)
{
	struct spool_log *log = &s->log;

	snprintf(log->directory, sizeof(log->directory), "%s", o->directory);
	log->bytes_max = o->bytes_max == 0 ? bytes_max_default : o->bytes_max;
	log->segment_bytes = o->segment_bytes == 0 ? segment_bytes_default : o->segment_bytes;
	log->sync_rule = o->sync_rule;
	s->retry_ms = o->retry_ms == 0 ? retry_ms_default : o->retry_ms;
	s->patience_ms = o->patience_ms == 0 ? patience_ms_default : o->patience_ms;
	s->clock = o->clock;
	if (s->clock.monotonic_ns == NULL)
		s->clock.monotonic_ns = clock_monotonic_ns;
}

static enum sl_status open_directory(struct sink_spool *s, struct problem *ret_problem)
{
	struct spool_log *log = &s->log;
	int error = directory_make(log->directory, 0750);

	if (error == 0) {
		log->directory_fd = open(log->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		error = log->directory_fd < 0 ? errno : 0;
	}
	if (error == 0 && flock(log->directory_fd, LOCK_EX | LOCK_NB) != 0)
		error = errno;
	if (error == EWOULDBLOCK)
		return file_problem_of(
			ret_problem,
			SL_E_BUSY,
			log->directory,
			"the spool is in use by another process",
			"Stop the other process, or give one of the two another directory"
		);
	return error == 0 ? SL_OK : file_problem(ret_problem, error, log->directory, "be opened");
}

enum sl_status sink_spool_new(
	const struct sink_spool_options *options,
	sink_report_fn *report,
	void *self,
	struct sink_spool **ret_spool,
	struct problem *ret_problem
)
{
	struct sink_spool *s = calloc(1, sizeof(*s));
	enum sl_status status;

	if (s == NULL)
		return file_problem(ret_problem, ENOMEM, options->directory, "be opened");
	s->log.fd = -1;
	s->log.directory_fd = -1;
	s->read_fd = -1;
	s->report = report;
	s->self = self;
	take_options(s, options);
	s->entries = calloc(SPOOL_ENTRIES_MAX, sizeof(s->entries[0]));
	s->slots = calloc(SPOOL_SLOTS, sizeof(s->slots[0]));
	if (s->entries == NULL || s->slots == NULL)
		status = file_problem(ret_problem, ENOMEM, options->directory, "be opened");
	else
		status = open_directory(s, ret_problem);
	if (status == SL_OK)
		status = spool_restore(s, options->mark, ret_problem);
	if (status != SL_OK) {
		sink_spool_free(s);
		return status;
	}
	*ret_spool = s;
	return SL_OK;
}

sink_report_fn *sink_spool_report(struct sink_spool *s, void **ret_self)
{
	*ret_self = s;
	return spool_report_inner;
}

struct view sink_spool_inner_mark(const struct sink_spool *s)
{
	return view_of(s->inner_mark, s->inner_mark_size);
}

struct sink sink_spool_before(struct sink_spool *s, struct sink inner)
{
	s->inner = inner;
	s->inner_mark_size = sink_mark(&s->inner, s->inner_mark);
	spool_mark_write(s, &s->at_sync);
	return (struct sink){.ops = &spool_ops, .self = s};
}

void sink_spool_free(struct sink_spool *s)
{
	if (s == NULL)
		return;
	spool_replay_close(s);
	for (uint32_t i = 0; i < SPOOL_SLOTS && s->slots != NULL; i++)
		free(s->slots[i].bytes.bytes);
	free(s->slots);
	if (s->log.fd >= 0)
		close(s->log.fd);
	if (s->log.directory_fd >= 0)
		close(s->log.directory_fd);
	free(s->entries);
	free(s);
}
