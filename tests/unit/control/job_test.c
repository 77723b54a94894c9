#include "control/job.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <stdlib.h>
#include <string.h>

#define JOB                                                                                        \
	"job: edits\n"                                                                             \
	"input: {file: in.ndjson, contract: a/b/1.0.0}\n"                                          \
	"sealed: {file: sealed.ndjson}\n"

static enum sl_status load(const char *text, struct job *ret_job, struct problems *problems)
{
	struct purposes *purposes = NULL;
	enum sl_status status;

	scratch_write(scratch_path("job.yaml"), text, strlen(text));
	*ret_job = (struct job){0};
	status = job_load(scratch_path("job.yaml"), &purposes, ret_job, problems);
	purposes_free(purposes);
	return status;
}

static const struct fault {
	const char *what;
	const char *text;
	uint32_t line;
	const char *part; // of what the problem says
} faults[] = {
	{"no map", "- job\n", 1, "a job must be a map"},
	{"no name", "input: {file: a, contract: b}\nsealed: {file: c}\n", 1, "no name"},
	{"no input", "job: x\nsealed: {file: c}\n", 1, "no input"},
	{"no sealed", "job: x\ninput: {file: a, contract: b}\n", 1, "no sealed"},
	{"no contract", "job: x\ninput: {file: a}\nsealed: {file: c}\n", 2, "no contract"},
	{"unknown key", JOB "seeled: {file: x}\n", 4, "seeled"},
	{"target without file", JOB "keys: {}\n", 4, "names no file"},
	{"target as text", JOB "keys: keys.csv\n", 4, "must be a map"},
	{"view without purposes", JOB "derived:\n  - {file: d}\n", 5, "no purpose"},
	{"view of unknown purpose",
	 JOB "derived:\n  - {file: d, purposes: [spying]}\n",
	 5,
	 "spying"},
	{"view of high purpose", JOB "derived:\n  - {file: d, purposes: [64]}\n", 5, "64"},
	{"consent word",
	 JOB "derived:\n  - {file: d, purposes: [1], consent: some}\n",
	 5,
	 "granular"},
	{"mask word",
	 JOB "derived:\n  - {file: d, purposes: [1], mask: {user: md5}}\n",
	 5,
	 "hmac or murmur3"},
	{"max_bad word", JOB "max_bad: few\n", 4, "max_bad"},
	{"max_bad beyond all", JOB "max_bad: 101%\n", 4, "max_bad"},
	{"retention of nothing", JOB "policy: {retention_days: 0}\n", 4, "retention_days"},
	{"policy id", JOB "policy: {id: gdpr}\n", 4, "UUID"},
	{"reference: database",
	 "{\"source_data\": {\"file_name\": \"a\", \"data_type\": {\"database\": {}}}}",
	 1,
	 "database"},
	{"reference: charset",
	 "{\"source_data\": {\"file_name\": \"a\", \"data_type\": {\"csv\": {\"charset\": "
	 "\"latin1\"}}}}",
	 1,
	 "UTF-8"},
	{"reference: no time", "{\"source_data\": {\"file_name\": \"a\"}}", 1, "timestamp_config"},
};

static void every_fault_is_named_with_its_line(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct problems problems = {0};
		struct job job;
		bool is_found = false;

		CHECK(load(faults[i].text, &job, &problems) != SL_OK);
		for (uint32_t n = 0; n < problems.count; n++)
			is_found = is_found
				|| (problems.items[n].line == faults[i].line
				    && strstr(problems.items[n].what, faults[i].part) != NULL);
		if (!is_found) {
			fprintf(stderr, "not found: %s\n", faults[i].what);
			problems_print(stderr, &problems);
		}
		CHECK(is_found);
		problems_done(&problems);
	}
}

static void defaults_are_those_of_the_header(void)
{
	struct problems problems = {0};
	struct job job;

	CHECK_FATAL(load(JOB, &job, &problems) == SL_OK);
	CHECK(strcmp(job.name, "edits") == 0);
	CHECK(strcmp(job.group, "edits") == 0);
	CHECK(strcmp(job.input, "in.ndjson") == 0);
	CHECK(strcmp(job.directory, scratch_directory()) == 0);
	CHECK(job.keys == NULL && job.dead_letters == NULL && job.vault == NULL);
	CHECK_EQUAL(job.view_count, 0);
	CHECK_EQUAL(job.retention_days, JOB_RETENTION_DAYS);
	CHECK_EQUAL(job.max_bad.rows, 0);
	CHECK(!job.max_bad.is_share);
	CHECK(!job.has_consent && job.time_field == NULL);
	job_done(&job);
	problems_done(&problems);
}

static void everything_is_read(void)
{
	struct problems problems = {0};
	struct job job;

	CHECK_FATAL(
		load(JOB
		     "group: days\nkeys: {file: keys.csv, purposes: [2]}\ndead_letters: {file: "
		     "dead}\n"
		     "vault: v\nmax_bad: 0.25%\n"
		     "policy: {id: 01997d3e-0000-7000-8000-000000000001, retention_days: 30}\n"
		     "derived:\n"
		     "  - {file: a, purposes: [1, 2], consent: cumulative, mask: {user: hmac}}\n"
		     "  - {file: b, purposes: [0], mask: {page: {form: murmur3, seed: "
		     "hi-there}}}\n",
		     &job,
		     &problems)
		== SL_OK
	);
	CHECK(strcmp(job.group, "days") == 0);
	CHECK(strcmp(job.keys, "keys.csv") == 0);
	CHECK_EQUAL(job.keys_purposes, 1u << 2);
	CHECK(strcmp(job.dead_letters, "dead") == 0);
	CHECK(strcmp(job.vault, "v") == 0);
	CHECK(job.max_bad.is_share);
	CHECK_EQUAL(job.max_bad.ppm, 2500);
	CHECK_EQUAL(job.retention_days, 30);
	CHECK_EQUAL(job.policy_id[15], 1);
	CHECK_EQUAL(job.view_count, 2);
	CHECK(job.views[0].is_cumulative && !job.views[1].is_cumulative);
	CHECK_EQUAL(job.views[0].purposes, 1u << 1 | 1u << 2);
	CHECK_EQUAL(job.views[1].purposes, 1);
	CHECK(!job.views[0].masks[0].is_murmur3 && job.views[0].masks[0].seed == NULL);
	CHECK(job.views[1].masks[0].is_murmur3);
	CHECK(strcmp(job.views[1].masks[0].seed, "hi-there") == 0);
	job_done(&job);
	problems_done(&problems);
}

/** A job of either form with one derived target more than there may be. */
static void too_many_targets_are_refused(void)
{
	static const char *const heads[] = {
		JOB "derived:\n",
		"source_data: {file_name: a}\nderived_data:\n",
	};
	static const char *const rows[] = {
		"  - {file: d, purposes: [1]}\n",
		"  - {target: {file_name: d}, consent_levels: [1]}\n",
	};

	for (size_t form = 0; form < 2; form++) {
		struct problems problems = {0};
		struct job job;
		char text[4096];
		bool is_found = false;

		snprintf(text, sizeof(text), "%s", heads[form]);
		for (int n = 0; n <= VIEWS_MAX; n++)
			strncat(text, rows[form], sizeof(text) - strlen(text) - 1);
		CHECK(load(text, &job, &problems) != SL_OK);
		for (uint32_t n = 0; n < problems.count; n++)
			is_found = is_found
				|| strstr(problems.items[n].what, "at most 16 derived") != NULL;
		CHECK(is_found);
		problems_done(&problems);
	}
}

static const char reference[] =
	"{\"ref\": {\"id\": \"1f9a\", \"projectId\": \"p\"}, \"sourceData\": "
	"{\"dataConnectorRef\": {\"name\": \"s3\"},"
	" \"pathPrefix\": \"data\", \"fileName\": \"in.csv\", \"dataType\": {\"csv\": "
	"{\"charset\": \"UTF-8\"}}},"
	" \"consent\": {\"defaultConsentLevels\": [1], \"consentLevelExtractor\": {\"field\": "
	"\"agreed\","
	" \"fieldPatterns\": {\"yes\": {\"consentLevels\": [1, 2]}}}},"
	" \"encryption\": {\"batchJobGroupId\": \"g\", \"timestampConfig\": {\"field\": \"when\","
	" \"format\": \"yyyy-MM-dd HH:mm:ss\", \"defaultTimeZone\": {\"id\": "
	"\"Europe/Amsterdam\"}}},"
	" \"eventContractRef\": {\"handle\": \"a\", \"name\": \"b\", \"version\": \"1.0.0\"},"
	" \"encryptedData\": {\"target\": {\"fileName\": \"sealed.csv\"}},"
	" \"encryptionKeysData\": {\"target\": {\"fileName\": \"keys.csv\"}},"
	" \"derivedData\": [{\"target\": {\"fileName\": \"d.csv\"}, \"consentLevels\": [2],"
	" \"consentLevelType\": \"CUMULATIVE\", \"maskedFields\": {\"seed\": \"s\","
	" \"fieldPatterns\": {\"a/b/1.0.0\": {\"fieldPatterns\": [\"name\"]},"
	" \"x/y/1.0.0\": {\"fieldPatterns\": [\"other\"]}}}}]}";

static void the_reference_form_is_read(void)
{
	struct problems problems = {0};
	struct job job;

	CHECK_FATAL(load(reference, &job, &problems) == SL_OK);
	CHECK(job.is_csv);
	CHECK(strcmp(job.input, "data/in.csv") == 0);
	CHECK(strcmp(job.contract, "a/b/1.0.0") == 0);
	CHECK(strcmp(job.group, "g") == 0);
	CHECK(strcmp(job.sealed, "sealed.csv") == 0);
	CHECK(strcmp(job.keys, "keys.csv") == 0);
	CHECK(strcmp(job.time_field, "when") == 0);
	CHECK(strcmp(job.time_form, "yyyy-MM-dd HH:mm:ss") == 0);
	CHECK(strcmp(job.time_zone, "Europe/Amsterdam") == 0);
	CHECK(job.has_consent);
	CHECK(strcmp(job.consent_field, "agreed") == 0);
	CHECK_EQUAL(job.consent_otherwise, 1u << 1);
	CHECK_EQUAL(job.consent_rule_count, 1);
	CHECK_EQUAL(job.consent_rules[0].purposes, 1u << 1 | 1u << 2);
	CHECK_EQUAL(job.view_count, 1);
	CHECK(job.views[0].is_cumulative);
	CHECK_EQUAL(job.views[0].mask_count, 1);
	CHECK(strcmp(job.views[0].masks[0].path, "name") == 0);
	CHECK(strcmp(job.views[0].masks[0].seed, "s") == 0);
	job_done(&job);
	problems_done(&problems);
}

static void purposes_beside_the_job_give_names(void)
{
	static const char purposes[] = "purposes: {3: billing}\n";
	struct problems problems = {0};
	struct job job;

	scratch_write(scratch_path("purposes.yaml"), purposes, strlen(purposes));
	CHECK_FATAL(
		load(JOB "derived:\n  - {file: d, purposes: [billing]}\n", &job, &problems) == SL_OK
	);
	CHECK_EQUAL(job.views[0].purposes, 1u << 3);
	job_done(&job);
	problems_done(&problems);
	scratch_empty(scratch_directory());
}

static const struct max_bad_case {
	const char *text;
	bool is_good;
	bool is_share;
	uint64_t value; // rows or millionths
} max_bad_cases[] = {
	{"0", true, false, 0},
	{"100", true, false, 100},
	{"0%", true, true, 0},
	{"0.1%", true, true, 1000},
	{"12.5%", true, true, 125000},
	{"100%", true, true, 1000000},
	{"0.0001%", true, true, 1},
	{"100.1%", false, false, 0},
	{"-1", false, false, 0},
	{"", false, false, 0},
	{"%", false, false, 0},
	{"1.5", false, false, 0},
	{"1 %", false, false, 0},
	{"0.00001%", false, false, 0},
	{"99999999999999999999", false, false, 0},
};

static void max_bad_is_rows_or_a_share(void)
{
	for (size_t i = 0; i < sizeof(max_bad_cases) / sizeof(max_bad_cases[0]); i++) {
		const struct max_bad_case *c = &max_bad_cases[i];
		struct job_max_bad max_bad = {0};

		CHECK_EQUAL(job_max_bad_read(c->text, &max_bad), c->is_good);
		CHECK_EQUAL(max_bad.is_share, c->is_share);
		CHECK_EQUAL(c->is_share ? max_bad.ppm : max_bad.rows, c->value);
	}
}

static void names_start_from_the_job(void)
{
	static const struct {
		const char *directory;
		const char *name;
		const char *path;
	} cases[] = {
		{"a/b", "c", "a/b/c"},
		{".", "c", "c"},
		{"a", "/c", "/c"},
		{"a", "-", "-"},
		{"/", "c", "//c"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = job_resolve(cases[i].directory, cases[i].name);

		CHECK_FATAL(path != NULL);
		CHECK(strcmp(path, cases[i].path) == 0);
		free(path);
	}
}

static const struct check_test tests[] = {
	{"every fault is named with its line", every_fault_is_named_with_its_line},
	{"defaults are those of the header", defaults_are_those_of_the_header},
	{"everything is read", everything_is_read},
	{"the reference form is read", the_reference_form_is_read},
	{"too many targets are refused", too_many_targets_are_refused},
	{"purposes beside the job give names", purposes_beside_the_job_give_names},
	{"max_bad is rows or a share", max_bad_is_rows_or_a_share},
	{"names start from the job", names_start_from_the_job},
};

CHECK_MAIN("control/job")
