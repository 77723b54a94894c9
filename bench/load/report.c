#include "bench/load/report.h"

#include "dataplane/pipeline/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	double share;
} shares[] = {
	{"p50", 0.5},
	{"p90", 0.9},
	{"p99", 0.99},
	{"p99.9", 0.999},
	{"p99.99", 0.9999},
};

void report_init(
	struct report *report,
	const struct load_options *options,
	const struct stock *stock
)
{
	const double mean = (double)stock->size / stock->count;

	*report = (struct report){.is_json = options->is_json};
	if (!report->is_json) {
		printf("%u events of %.0f bytes on average, %.1f %% with escapes, of %u subjects; "
		       "%s intervals\n",
		       stock->count,
		       mean,
		       100.0 * stock->escape_count / stock->count,
		       options->subjects,
		       options->is_poisson ? "Poisson" : "constant");
		fflush(stdout);
		return;
	}
	report->trials = json_array();
	report->root = json_pack(
		"{s:s,s:i,s:s,s:{s:i,s:f,s:i,s:i},s:s,s:O}",
		"program",
		"sealane-load",
		"version",
		REPORT_VERSION,
		"transport",
		options->kind->name,
		"events",
		"distinct",
		(int)stock->count,
		"bytes_mean",
		mean,
		"with_escapes",
		(int)stock->escape_count,
		"subjects",
		(int)options->subjects,
		"intervals",
		options->is_poisson ? "poisson" : "constant",
		"trials",
		report->trials
	);
}

static json_t *histogram_json(const struct histogram *h)
{
	json_t *object = json_pack(
		"{s:I,s:f,s:I,s:I}",
		"count",
		(json_int_t)h->count,
		"mean_ns",
		histogram_mean(h),
		"min_ns",
		(json_int_t)(h->count != 0 ? h->min_ns : 0),
		"max_ns",
		(json_int_t)h->max_ns
	);

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		char key[24];

		snprintf(key, sizeof(key), "%s_ns", shares[i].name);
		json_object_set_new(
			object, key, json_integer((json_int_t)histogram_at(h, shares[i].share))
		);
	}
	return object;
}

static json_t *drops_json(const struct trial *t)
{
	json_t *object = json_object();

	for (int r = 1; r < FRAME_DROP_COUNT; r++)
		if (t->drop[r] != 0)
			json_object_set_new(
				object,
				frame_reason_counter((enum frame_reason)r),
				json_integer((json_int_t)t->drop[r])
			);
	return object;
}

static json_t *trial_json(const char *purpose, const struct trial *t, bool is_good)
{
	json_t *object = json_pack(
		"{s:s,s:f,s:f,s:I,s:I,s:f,s:I,s:f,s:o}",
		"purpose",
		purpose,
		"rate",
		t->rate,
		"seconds",
		t->seconds,
		"due",
		(json_int_t)t->due,
		"offered",
		(json_int_t)t->offered,
		"offered_per_second",
		(double)t->offered / t->seconds,
		"bytes",
		(json_int_t)t->bytes,
		"no_room_seconds",
		(double)t->no_room_ns / 1e9,
		"send_late",
		histogram_json(&t->late)
	);

	if (!t->is_counted)
		return object;
	json_object_set_new(object, "is_good", json_boolean(is_good));
	json_object_set_new(object, "taken", json_integer((json_int_t)t->taken));
	json_object_set_new(object, "delivered", json_integer((json_int_t)t->delivered));
	json_object_set_new(object, "lost", json_integer((json_int_t)trial_lost(t)));
	json_object_set_new(object, "dropped", drops_json(t));
	if (t->latency.count != 0)
		json_object_set_new(object, "latency", histogram_json(&t->latency));
	if (t->inside.count != 0)
		json_object_set_new(object, "latency_inside", histogram_json(&t->inside));
	return object;
}

/** A duration in the unit that suits it. */
static const char *duration_text(uint64_t ns, char text[static 24])
{
	if (ns < 10000)
		snprintf(text, 24, "%" PRIu64 " ns", ns);
	else if (ns < 10000000)
		snprintf(text, 24, "%.0f us", (double)ns / 1e3);
	else if (ns < 10000000000)
		snprintf(text, 24, "%.0f ms", (double)ns / 1e6);
	else
		snprintf(text, 24, "%.1f s", (double)ns / 1e9);
	return text;
}

static void print_histogram(const char *what, const struct histogram *h)
{
	char text[24];

	printf("          %s:", what);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		printf(" %s %s,",
		       shares[i].name,
		       duration_text(histogram_at(h, shares[i].share), text));
	printf(" max %s\n", duration_text(h->max_ns, text));
}

static void print_trial(const char *purpose, const struct trial *t, bool is_good)
{
	printf("%-9s %.0f/s for %.1f s: offered %" PRIu64 " (%.0f/s, %.0f MB/s)",
	       purpose,
	       t->rate,
	       t->seconds,
	       t->offered,
	       (double)t->offered / t->seconds,
	       (double)t->bytes / t->seconds / 1e6);
	if (t->offered < t->due)
		printf(", %" PRIu64 " could not be sent in time: the other side had no room for "
		       "%.0f %% of the time",
		       t->due - t->offered,
		       (double)t->no_room_ns / t->seconds / 1e7);
	if (t->is_counted)
		printf(", came through %" PRIu64 ", lost %" PRIu64 " of %" PRIu64 "%s",
		       t->taken,
		       trial_lost(t),
		       t->due,
		       is_good ? "" : ": too many");
	else
		printf("; nobody tells what came through");
	putchar('\n');
	for (int r = 1; r < FRAME_DROP_COUNT; r++)
		if (t->drop[r] != 0)
			printf("          dropped: %" PRIu64 " %s (%s)\n",
			       t->drop[r],
			       frame_reason_counter((enum frame_reason)r),
			       frame_reason_help((enum frame_reason)r));
	if (t->latency.count != 0)
		print_histogram("latency", &t->latency);
	if (t->inside.count != 0)
		print_histogram("of it inside", &t->inside);
	if (t->late.count != 0)
		print_histogram("sent late by", &t->late);
	fflush(stdout);
}

void report_trial(
	struct report *report,
	const char *purpose,
	const struct trial *trial,
	bool is_good
)
{
	if (report->is_json)
		json_array_append_new(report->trials, trial_json(purpose, trial, is_good));
	else
		print_trial(purpose, trial, is_good);
}

void report_found(struct report *report, double rate, const struct load_options *options)
{
	if (report->is_json) {
		json_object_set_new(
			report->root,
			"loss_free",
			json_pack(
				"{s:f,s:f,s:f,s:f}",
				"rate",
				rate,
				"tolerance",
				options->tolerance,
				"resolution",
				options->resolution,
				"trial_seconds",
				(double)options->duration_ns / 1e9
			)
		);
		return;
	}
	if (rate == 0)
		printf("no rate down to %.0f/s is without loss\n", options->rate_min);
	else
		printf("%.0f events/s without loss (tolerance %g %%, resolution %g %%, trials of "
		       "%g s)\n",
		       rate,
		       options->tolerance * 100,
		       options->resolution * 100,
		       (double)options->duration_ns / 1e9);
	fflush(stdout);
}

void report_done(struct report *report)
{
	if (!report->is_json)
		return;
	json_dumpf(
		report->root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)
	);
	putchar('\n');
	json_decref(report->root);
	json_decref(report->trials);
	*report = (struct report){0};
}
