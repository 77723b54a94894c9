#include "dataplane/batch/tally.h"

#include "io/base/clock.h"

#include <stdlib.h>

enum {
	TALLY_SHARE_ROWS = 1000,  // rows before a share of bad ones is judged on the way
	TALLY_TICK_MS = 200,      // between ticks of a progress bar
	TALLY_RUNNING_MS = 10000, // between RUNNING states
	NS_PER_MS = 1000000
};

struct tally {
	const struct batch_setup *setup;
	struct batch_progress progress;
	uint64_t started_ns;
	uint64_t ticked_ns;
	uint64_t told_ns;
};

enum sl_status tally_new(const struct batch_setup *setup, struct tally **ret_tally)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return SL_E_NOMEM;
	t->setup = setup;
	t->started_ns = clock_monotonic_ns();
	t->ticked_ns = t->started_ns;
	t->told_ns = 0;
	*ret_tally = t;
	return SL_OK;
}

void tally_free(struct tally *t)
{
	free(t);
}

void tally_add(struct tally *t, const struct result *result)
{
	struct batch_progress *p = &t->progress;
	const struct turn_counts *counts = &result->counts;

	p->rows += counts->rows_in;
	p->fields_sealed += counts->fields_sealed;
	p->rows_blank += result->blank_rows;
	p->bytes_in += result->bytes_in;
	for (int reason = 0; reason < DROP_COUNT; reason++) {
		p->rows_dropped[reason] += counts->rows_dropped[reason];
		p->rows_bad += counts->rows_dropped[reason];
	}
	for (uint32_t v = 0; v < VIEWS_MAX; v++) {
		p->view_rows[v] += counts->view_rows[v];
		p->view_withheld[v] += counts->view_withheld[v];
	}
	if (p->first_bad.reason == DROP_NONE)
		p->first_bad = result->first_drop;
}

static bool is_too_bad(const struct tally *t, bool is_end)
{
	const struct job_max_bad *max = &t->setup->max_bad;
	const struct batch_progress *p = &t->progress;

	if (p->rows_bad == 0)
		return false;
	if (!max->is_share)
		return p->rows_bad > max->rows;
	if (!is_end && p->rows < TALLY_SHARE_ROWS)
		return false;
	return (unsigned __int128)p->rows_bad * JOB_MAX_BAD_SCALE
		> (unsigned __int128)p->rows * max->ppm;
}

/** The first bad row, in words; never a value of it. */
static void describe_first(const struct tally *t, struct problem *p)
{
	const struct turn_drop *first = &t->progress.first_bad;
	const struct policy_image *image = t->setup->image;
	uint64_t bad = t->progress.rows_bad;

	if (first->field != POLICY_NONE && first->field < image->fields.count) {
		struct view path = policy_view_of(image, policy_fields(image)[first->field].path);

		(void)!problem_set(
			p,
			SL_E_BAD_ROWS,
			"%s: %s (field %.*s)",
			drop_counter(first->reason),
			drop_help(first->reason),
			(int)path.size,
			(const char *)path.bytes
		);
	} else {
		(void)!problem_set(
			p,
			SL_E_BAD_ROWS,
			"%s: %s",
			drop_counter(first->reason),
			drop_help(first->reason)
		);
	}
	problem_at_file(p, t->setup->input);
	p->row = first->number;
	problem_remedy(
		p,
		"%llu bad row%s so far, more than the job allows: mend the input, or raise max_bad "
		"(--max-bad N|P%%); then bad rows "
		"go to the dead-letter file, sealed",
		(unsigned long long)bad,
		bad == 1 ? "" : "s"
	);
}

enum sl_status tally_check(const struct tally *t, bool is_end, struct problem *ret_problem)
{
	if (!is_too_bad(t, is_end))
		return SL_OK;
	describe_first(t, ret_problem);
	return SL_E_BAD_ROWS;
}

void tally_progress(
	const struct tally *t,
	struct input_progress input,
	uint64_t bytes_sealed,
	struct batch_progress *ret_progress
)
{
	*ret_progress = t->progress;
	ret_progress->input_read = input.read;
	ret_progress->input_total = input.total;
	ret_progress->bytes_sealed = bytes_sealed;
	ret_progress->elapsed_ns = clock_monotonic_ns() - t->started_ns;
}

void tally_tell_ending(const struct tally *t, struct input_progress input, uint64_t bytes_sealed)
{
	struct batch_progress progress;

	if (t->setup->tell == NULL)
		return;
	tally_progress(t, input, bytes_sealed, &progress);
	progress.is_ending = true;
	t->setup->tell(t->setup->self, &progress, /* is_tick= */ true);
}

void tally_tell(struct tally *t, struct input_progress input, uint64_t bytes_sealed)
{
	uint64_t now = clock_monotonic_ns();
	bool is_due = t->told_ns == 0 || now - t->told_ns >= (uint64_t)TALLY_RUNNING_MS * NS_PER_MS;
	struct batch_progress progress;

	if (t->setup->tell == NULL
	    || (!is_due && now - t->ticked_ns < (uint64_t)TALLY_TICK_MS * NS_PER_MS))
		return;
	tally_progress(t, input, bytes_sealed, &progress);
	t->setup->tell(t->setup->self, &progress, /* is_tick= */ !is_due);
	t->ticked_ns = now;
	if (is_due)
		t->told_ns = now;
}
