#include "dataplane/batch/tally.h"
#include "tests/support/check.h"

#include <string.h>

static const struct policy_image no_fields;

static const struct tally_case {
	const char *what;
	struct job_max_bad max_bad;
	uint64_t rows;
	uint64_t bad;
	bool is_fine_on_the_way;
	bool is_fine_at_the_end;
} cases[] = {
	{"none bad, none allowed", {0}, 10, 0, true, true},
	{"one bad, none allowed", {0}, 10, 1, false, false},
	{"as many as allowed", {.rows = 5}, 10, 5, true, true},
	{"one more", {.rows = 5}, 10, 6, false, false},
	{"a share of few rows is judged at the end",
	 {.ppm = 10000, .is_share = true},
	 10,
	 1,
	 true,
	 false},
	{"a share of many rows on the way",
	 {.ppm = 10000, .is_share = true},
	 1000,
	 11,
	 false,
	 false},
	{"exactly the share", {.ppm = 10000, .is_share = true}, 1000, 10, true, true},
	{"all may be bad", {.ppm = 1000000, .is_share = true}, 1000, 1000, true, true},
	{"no row, no share", {.ppm = 0, .is_share = true}, 0, 0, true, true},
};

static void bad_rows_end_a_job_as_it_says(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct batch_setup setup = {
			.input = "in.ndjson", .image = &no_fields, .max_bad = cases[i].max_bad};
		struct result result = {
			.counts.rows_in = cases[i].rows,
			.counts.rows_dropped[DROP_SYNTAX] = cases[i].bad,
			.first_drop =
				{.number = 7,
				 .reason = cases[i].bad != 0 ? DROP_SYNTAX : DROP_NONE,
				 .field = POLICY_NONE},
		};
		struct problem problem = {0};
		struct tally *tally;

		CHECK_FATAL(tally_new(&setup, &tally) == SL_OK);
		tally_add(tally, &result);
		CHECK_EQUAL(
			tally_check(tally, false, &problem) == SL_OK, cases[i].is_fine_on_the_way
		);
		CHECK_EQUAL(
			tally_check(tally, true, &problem) == SL_OK, cases[i].is_fine_at_the_end
		);
		if (!cases[i].is_fine_at_the_end) {
			CHECK_EQUAL(problem.status, SL_E_BAD_ROWS);
			CHECK_EQUAL(problem.row, 7);
			CHECK(strcmp(problem.file, "in.ndjson") == 0);
			CHECK(strstr(problem.what, "syntax") != NULL);
			CHECK(strstr(problem.remedy, "max-bad") != NULL);
		}
		tally_free(tally);
	}
}

static void counts_of_results_add_up(void)
{
	const struct batch_setup setup = {
		.input = "-", .image = &no_fields, .max_bad = {.rows = 100}};
	struct result result = {
		.counts =
			{.rows_in = 10,
			 .fields_sealed = 20,
			 .rows_dropped[DROP_UTF8] = 2,
			 .view_rows[1] = 3,
			 .view_withheld[1] = 1},
		.bytes_in = 1000,
		.blank_rows = 1,
	};
	struct batch_progress progress;
	struct tally *tally;

	CHECK_FATAL(tally_new(&setup, &tally) == SL_OK);
	tally_add(tally, &result);
	tally_add(tally, &result);
	tally_progress(tally, (struct input_progress){.read = 5, .total = 9}, 77, &progress);
	CHECK_EQUAL(progress.rows, 20);
	CHECK_EQUAL(progress.rows_bad, 4);
	CHECK_EQUAL(progress.rows_dropped[DROP_UTF8], 4);
	CHECK_EQUAL(progress.fields_sealed, 40);
	CHECK_EQUAL(progress.rows_blank, 2);
	CHECK_EQUAL(progress.bytes_in, 2000);
	CHECK_EQUAL(progress.view_rows[1], 6);
	CHECK_EQUAL(progress.view_withheld[1], 2);
	CHECK_EQUAL(progress.input_read, 5);
	CHECK_EQUAL(progress.input_total, 9);
	CHECK_EQUAL(progress.bytes_sealed, 77);
	CHECK(progress.elapsed_ns != 0);
	tally_free(tally);
}

static const struct check_test tests[] = {
	{"bad rows end a job as it says", bad_rows_end_a_job_as_it_says},
	{"counts of results add up", counts_of_results_add_up},
};

CHECK_MAIN("batch/tally")
