#include "control/cli/command.h"
#include "control/cli/definition.h"
#include "control/policy_compile.h"
#include "dataplane/batch/sample.h"
#include "dataplane/pipeline/policy.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** What `sealane validate contract` was told. */
struct arguments {
	const char *file;
	const char *purposes_file;
	const char *sample;
	uint64_t sample_rows;
	bool is_strict;
};

static bool read_rows(const char *text, uint64_t *ret_rows)
{
	char *end;
	unsigned long long rows = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || rows == 0) {
		usage_error(
			"validate",
			"contract",
			"--sample-rows takes a number from 1, not \"%s\"",
			text
		);
		return false;
	}
	*ret_rows = rows;
	return true;
}

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{"purposes-file", required_argument, NULL, 'p'},
		{"sample", required_argument, NULL, 's'},
		{"sample-rows", required_argument, NULL, 'n'},
		{"strict", no_argument, NULL, 't'},
		{0},
	};
	int option;

	*a = (struct arguments){.sample_rows = SAMPLE_ROWS_DEFAULT};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p')
			a->purposes_file = optarg;
		else if (option == 's')
			a->sample = optarg;
		else if (option == 't')
			a->is_strict = true;
		else if (option != 'n') {
			usage_error("validate", "contract", "see `sealane help validate`");
			return false;
		} else if (!read_rows(optarg, &a->sample_rows)) {
			return false;
		}
	}
	if (optind + 1 != argc) {
		usage_error(
			"validate",
			"contract",
			optind == argc ? "which contract?" : "one contract at a time"
		);
		return false;
	}
	a->file = argv[optind];
	return true;
}

/** The rest of the checks: paths against each other, regular expressions. */
static enum sl_status check_compiled(
	const char *file,
	const struct contract *contract,
	struct problems *problems
)
{
	struct policy_image *image;
	struct policy *policy;
	struct problem problem;
	enum sl_status status;

	SL_TRY(policy_compile(contract, NULL, 0, NULL, problems, &image));
	status = policy_bind(image, &policy, &problem);
	if (status == SL_OK) {
		policy_unbind(policy);
	} else {
		problem_at_file(&problem, file);
		problems_add(problems, &problem);
	}
	policy_image_free(image);
	return status;
}

static void warn_unseen(
	const char *file,
	const struct contract *contract,
	const struct sample *sample,
	struct problems *problems
)
{
	for (uint32_t f = 0; f < contract->field_count; f++) {
		const struct contract_field *field = &contract->fields[f];
		const char *near = NULL;
		struct problem problem;

		if (sample->is_seen[f])
			continue;
		(void)!problem_set(
			&problem,
			SL_E_NOT_FOUND,
			"no event of the sample has %s%.*s",
			field->is_personal ? "the personal field " : "",
			YAML_ARG(field->path)
		);
		problem_at_file(&problem, file);
		problem.is_warning = true;
		problem.line = field->node->key->line;
		problem.column = field->node->key->column;
		near = sample_suggest(sample, field->path);
		if (near != NULL)
			problem_remedy(&problem, "did you mean %s? The events have it", near);
		else
			problem_remedy(
				&problem,
				"check the path: a typo here would leave the value under its real "
				"name"
			);
		problems_add(problems, &problem);
	}
}

static void warn_bad(
	const struct arguments *a,
	const struct contract *contract,
	const struct sample *sample,
	struct problems *problems
)
{
	for (int reason = 1; reason < DROP_COUNT; reason++) {
		const struct sample_bad *bad = &sample->bad[reason];
		struct view path = {0};
		struct problem problem;

		if (bad->count == 0)
			continue;
		if (bad->first_field < contract->field_count)
			path = contract->fields[bad->first_field].path;
		(void)!problem_set(
			&problem,
			SL_E_BAD_ROWS,
			"%" PRIu64 " of %" PRIu64
			" events would go to the dead letters: %s (%s%s%.*s)",
			bad->count,
			sample->rows,
			drop_help((enum drop_reason)reason),
			drop_counter((enum drop_reason)reason),
			path.size != 0 ? ", first: " : "",
			YAML_ARG(path)
		);
		problem_at_file(&problem, a->sample);
		problem.row = bad->first_row;
		problem.is_warning = true;
		problem_remedy(
			&problem, "look at this row, and correct the contract or the source"
		);
		problems_add(problems, &problem);
	}
}

static void print_names(const struct contract *contract, const struct sample *sample)
{
	static const char *const what[] = {
		[POLICY_UNDECLARED_PASS] = "passed on as they are, in clear",
		[POLICY_UNDECLARED_DROP] = "left out of every output",
		[POLICY_UNDECLARED_SEAL] = "sealed",
	};

	if (sample->name_count == 0)
		return;
	printf("undeclared names, %s:", what[contract->undeclared]);
	for (uint32_t i = 0; i < sample->name_count; i++)
		printf("%s %s", i == 0 ? "" : ",", sample->names[i]);
	puts(sample->is_cut ? ", and more" : "");
}

static void print_ok(
	const struct arguments *a,
	const struct contract *contract,
	const struct sample *sample
)
{
	uint32_t personal = 0;
	uint64_t purposes = 0;

	for (uint32_t f = 0; f < contract->field_count; f++) {
		personal += contract->fields[f].is_personal;
		if (contract->fields[f].is_personal)
			purposes |= UINT64_C(1) << contract->fields[f].purpose;
	}
	printf("%s: ok: %.*s, %u fields, %u of them personal, %d purposes\n",
	       a->file,
	       YAML_ARG(contract->ref),
	       contract->field_count,
	       personal,
	       __builtin_popcountll(purposes));
	if (a->sample == NULL)
		return;
	printf("%s: %" PRIu64 " events tried, %" PRIu64 " good\n",
	       a->sample,
	       sample->rows,
	       sample->rows - sample->rows_bad);
	print_names(contract, sample);
}

/** @return SL_OK, or why the sample could not be read */
static enum sl_status try_sample(
	const struct arguments *a,
	const struct contract *contract,
	struct problems *problems,
	struct sample *ret_sample
)
{
	SL_TRY(sample_take(contract, a->sample, a->sample_rows, problems, ret_sample));
	// Nothing seen is no sign of a typo when nothing was there to see.
	if (ret_sample->rows != 0)
		warn_unseen(a->file, contract, ret_sample, problems);
	warn_bad(a, contract, ret_sample, problems);
	return SL_OK;
}

enum exit_code command_validate_contract(int argc, char **argv)
{
	struct arguments a;
	struct problems problems = {0};
	struct purposes *purposes = NULL;
	struct contract *contract = NULL;
	struct sample sample = {0};
	enum exit_code code = EXIT_DEFINITION;
	enum sl_status status;

	if (!read_arguments(argc, argv, &a))
		return EXIT_USAGE;
	status = definition_load(a.file, a.purposes_file, &problems, &purposes, &contract);
	if (status == SL_OK)
		status = check_compiled(a.file, contract, &problems);
	if (status == SL_OK) {
		code = EXIT_DONE;
		if (a.sample != NULL)
			code = exit_of_status(try_sample(&a, contract, &problems, &sample));
	}
	problems_print(stderr, &problems);
	if (code == EXIT_DONE)
		print_ok(&a, contract, &sample);
	if (code == EXIT_DONE && a.is_strict && problems.warning_count != 0)
		code = EXIT_DEFINITION;
	sample_done(&sample);
	contract_free(contract);
	purposes_free(purposes);
	problems_done(&problems);
	return code;
}
