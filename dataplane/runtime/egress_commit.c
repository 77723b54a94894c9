#include "dataplane/runtime/egress_inner.h"
#include "dataplane/runtime/notice.h"
#include "io/directory.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RECORD_MIN = 1 << 16 // bytes
};

static enum sl_status restore_record(struct egress *e, struct view record, struct problem *p)
{
	struct view snapshot;

	if (record.size == 0)
		return SL_OK;
	if (marks_read(record, &e->marks, &snapshot) != SL_OK
	    || datagram_restore(e->setup.server, snapshot) != SL_OK) {
		(void)!problem_set(p, SL_E_CORRUPT, "the checkpoint's record is not one of ours");
		problem_remedy(
			p, "restore the state directory, or remove its checkpoint to start anew"
		);
		return SL_E_CORRUPT;
	}
	return SL_OK;
}

enum sl_status egress_restore(struct egress *e, struct problem *ret_problem)
{
	const char *directory = e->setup.settings->state_directory;
	int error = directory_make(directory, 0700);
	char path[PATH_MAX];
	struct view record;

	if (error != 0)
		return problem_set(
			ret_problem,
			status_of_errno(error),
			"state directory %s: %s",
			directory,
			strerror(error)
		);
	snprintf(path, sizeof(path), "%s/checkpoint", directory);
	SL_TRY(checkpoint_open(path, &e->checkpoint, &record, ret_problem));
	return restore_record(e, record, ret_problem);
}

static bool make_room(struct egress *e, size_t size)
{
	uint8_t *record;

	if (size <= e->record_capacity)
		return true;
	size = size < RECORD_MIN ? RECORD_MIN : size;
	record = realloc(e->record, size);
	if (record == NULL)
		return false;
	e->record = record;
	e->record_capacity = size;
	return true;
}

/** One record of where everything stands. */
static enum sl_status write_record(struct egress *e, struct problem *ret_problem)
{
	size_t snapshot_max = datagram_snapshot_max(e->setup.server);
	size_t head = marks_record_size(&e->marks, 0);
	size_t snapshot;

	if (!make_room(e, head + snapshot_max))
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the checkpoint");
	snapshot = datagram_snapshot(e->setup.server, e->record + head);
	if (marks_write(&e->marks, snapshot, e->record) != head)
		SL_BUG("marks are not as long as they said");
	return checkpoint_put(
		e->checkpoint, view_of(e->record, head + snapshot), true, ret_problem
	);
}

/** @return false: there is no memory for them, and without a mark nothing may be acknowledged */
static bool keep_marks(struct egress *e, const struct outlet *o)
{
	bool is_kept = true;

	pthread_mutex_lock(&e->list_lock);
	for (uint32_t n = 0; n < o->sink_count; n++)
		is_kept &= marks_set(&e->marks, &o->mark[n]) == SL_OK;
	pthread_mutex_unlock(&e->list_lock);
	return is_kept;
}

/**
 * Sync those that are due.
 *
 * @param ret_is_new out: there is something new to be written down
 * @return false: not all of it can be written down
 */
static bool sync_outlets(struct egress *e, bool *ret_is_new)
{
	bool is_whole = true;

	*ret_is_new = false;
	for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
		o->is_due = outlet_is_due(o);
		if (o->is_due)
			outlet_sync_begin(o);
	}
	for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
		if (!o->is_due)
			continue;
		outlet_sync(o);
		if (!o->has_marks)
			continue;
		*ret_is_new = true;
		is_whole &= keep_marks(e, o);
	}
	return is_whole;
}

static void put_off(struct egress *e, const struct problem *problem)
{
	if (!e->is_unwritten)
		notice_problem("checkpoint", problem);
	e->is_unwritten = true;
}

void egress_commit(struct egress *e)
{
	struct problem problem;
	bool is_new;

	if (!sync_outlets(e, &is_new)) {
		(void)!problem_set(&problem, SL_E_NOMEM, "no memory for the marks of sinks");
		put_off(e, &problem);
		return;
	}
	if (!is_new && !e->is_unwritten)
		return;
	if (write_record(e, &problem) != SL_OK) {
		put_off(e, &problem);
		return;
	}
	e->is_unwritten = false;
	datagram_committed(e->setup.server);
	for (struct outlet *o = e->outlets; o != NULL; o = o->next)
		outlet_confirm(o);
}
