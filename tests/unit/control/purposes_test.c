#include "control/purposes.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

static const struct fault {
	const char *text;
	uint32_t line;
	uint32_t column;
	const char *part;
} faults[] = {
	{"", 1, 1, "must be a map"},
	{"purposes: {}\n", 1, 11, "no purposes"},
	{"purposes: []\n", 1, 11, "no purposes"},
	{"purposes: x\n", 1, 11, "no purposes"},
	{"other: 1\n", 1, 1, "unknown key"},
	{"{}\n", 1, 1, "no purposes"},
	{"purposes: {64: analytics}\n", 1, 12, "no purpose level"},
	{"purposes: {-1: analytics}\n", 1, 12, "no purpose level"},
	{"purposes: {one: analytics}\n", 1, 12, "no purpose level"},
	{"purposes: {1: 5}\n", 1, 15, "must be a string"},
	{"purposes: {1: '12'}\n", 1, 15, "no purpose's name"},
	{"purposes: {1: x}\n", 1, 15, "no purpose's name"},
	{"purposes: {1: ab, 2: ab}\n", 1, 22, "two purposes are named 'ab'"},
	{"purposes: {1: ab, 0x1: cd}\n", 1, 19, "purpose 1 stands twice"},
	{"purposes: {1: ab, 1: cd}\n", 1, 19, "stands twice"},
	{"purposes:\n  - {level: 1}\n", 2, 5, "has no name"},
	{"purposes:\n  - {name: ab}\n", 2, 5, "has no level"},
	{"purposes:\n  - ab\n", 2, 5, "a purpose must be a map"},
	{"purposes:\n  - {level: 1, name: ab, abut: x}\n", 2, 26, "unknown key 'abut'"},
	{"purposes:\n  - {level: 1, name: ab, about: 3}\n", 2, 33, "about must be"},
};

static void every_fault_is_found_at_its_place(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct problems problems = {0};
		struct purposes *purposes = NULL;
		enum sl_status status = purposes_load_text(
			view_of_text(faults[i].text), "p.yaml", &problems, &purposes
		);
		const struct problem *p = problems.items;
		bool is_good = status != SL_OK && problems.error_count == 1
			&& p->line == faults[i].line && p->column == faults[i].column
			&& strstr(p->what, faults[i].part) != NULL && p->remedy[0] != '\0';

		CHECK(is_good);
		if (!is_good) {
			printf("--- %s\n", faults[i].text);
			problems_print(stdout, &problems);
		}
		problems_done(&problems);
		purposes_free(purposes);
	}
}

static void both_forms_are_read(void)
{
	static const char *const texts[] = {
		"purposes: {0: billing, 63: \"caf\xc3\xa9\"}\n",
		"purposes:\n  - {level: 0, name: billing, about: To send a bill}\n"
		"  - level: 63\n    name: caf\xc3\xa9\n",
	};
	char label[64];

	for (int i = 0; i < 2; i++) {
		struct problems problems = {0};
		struct purposes *p = NULL;

		CHECK_EQUAL(purposes_load_text(view_of_text(texts[i]), "", &problems, &p), SL_OK);
		CHECK_FATAL(p != NULL);
		CHECK_EQUAL(p->count, 2);
		CHECK_EQUAL(purposes_find(p, view_of_text("billing")), 0);
		CHECK_EQUAL(purposes_find(p, view_of_text("caf\xc3\xa9")), 63);
		CHECK_EQUAL(purposes_find(p, view_of_text("Billing")), -1);
		CHECK_EQUAL(purposes_find(p, view_of_text("")), -1);
		CHECK_EQUAL(purposes_find(NULL, view_of_text("billing")), -1);
		CHECK(strcmp(purposes_label(p, 0, label, sizeof(label)), "billing (0)") == 0);
		CHECK(strcmp(purposes_label(p, 5, label, sizeof(label)), "purpose 5") == 0);
		CHECK_EQUAL(p->level[0].about.size != 0, i == 1);
		purposes_free(p);
	}
}

static void a_missing_file_beside_is_no_fault(void)
{
	struct problems problems = {0};
	struct purposes *p = NULL;

	CHECK_EQUAL(purposes_load_beside("/nonexistent/contract.yaml", &problems, &p), SL_OK);
	CHECK(p == NULL);
	CHECK_EQUAL(problems.error_count, 0);
}

static const struct check_test tests[] = {
	{"every fault is found at its place", every_fault_is_found_at_its_place},
	{"both forms are read", both_forms_are_read},
	{"a missing file beside is no fault", a_missing_file_beside_is_no_fault},
};

CHECK_MAIN("control/purposes")
