#include "control/contract.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

static const char purposes_text[] = "purposes: {0: billing, 1: analytics, 2: research}\n";

static struct purposes *known_purposes(void)
{
	struct problems problems = {0};
	struct purposes *purposes = NULL;

	CHECK_FATAL(
		purposes_load_text(view_of_text(purposes_text), "p.yaml", &problems, &purposes)
		== SL_OK
	);
	return purposes;
}

// Line 1 is the name, 2 the key, 3 `fields:`, 4 user, 5 email; what a case adds begins on line 6.
#define HEAD                                                                                       \
	"contract: acme/test/1.0.0\nkey: user\nfields:\n  user: string\n"                          \
	"  email: {type: string, personal: analytics}\n"

#define CSV_HEAD "contract: acme/test/1.0.0\nformat: csv\nkey: user\nfields:\n  user: string\n"

static const struct fault {
	const char *what;
	const char *text;
	uint32_t line;
	uint32_t column;
	const char *part;   // of what the problem says
	const char *remedy; // part of the remedy
} faults[] = {

#define FAULT(what, text, line, column, part, remedy) {what, text, line, column, part, remedy},
#include "tests/unit/control/contract_faults.def"
#undef FAULT
};

static enum sl_status load(
	const char *text,
	struct problems *problems,
	struct contract **ret_contract
)
{
	struct purposes *purposes = known_purposes();
	enum sl_status status =
		contract_load_text(view_of_text(text), "c.yaml", purposes, problems, ret_contract);

	CHECK_EQUAL(status == SL_OK, problems->error_count == 0);
	CHECK_EQUAL(status == SL_OK, *ret_contract != NULL);
	purposes_free(purposes);
	return status;
}

static bool is_found(const struct problems *problems, const struct fault *c)
{
	for (uint32_t i = 0; i < problems->count; i++) {
		const struct problem *p = &problems->items[i];

		if (p->line == c->line && p->column == c->column && strstr(p->what, c->part) != NULL
		    && p->remedy[0] != '\0' && strcmp(p->file, "c.yaml") == 0)
			return strstr(p->remedy, c->remedy) != NULL;
	}
	return false;
}

static void every_fault_is_found_at_its_place(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct problems problems = {0};
		struct contract *contract = NULL;
		bool is_good = load(faults[i].text, &problems, &contract) != SL_OK
			&& is_found(&problems, &faults[i]) && problems.error_count == 1;

		CHECK(is_good);
		if (!is_good) {
			printf("--- %s\n", faults[i].what);
			problems_print(stdout, &problems);
		}
		problems_done(&problems);
		contract_free(contract);
	}
}

static const char whole[] =
	"contract: acme/orders/1.2.3\n"
	"about: An order\n"
	"state: approved\n"
	"format: json\n"
	"key: customer/id\n"
	"subject: customer/id\n"
	"time: {field: at, form: \"yyyy-MM-dd HH:mm:ss\", zone: Europe/Amsterdam}\n"
	"consent:\n"
	"  field: consents\n"
	"  map: {all: [analytics, 2], none: [], one: 1}\n"
	"  otherwise: [billing]\n"
	"undeclared: seal\n"
	"undeclared_purpose: research\n"
	"duplicates: seal\n"
	"fields:\n"
	"  customer/id: {type: string, required: true, personal: billing, unreadable: fail}\n"
	"  at: string\n"
	"  consents: string\n"
	"  a~1b~0c: {type: string, personal: analytics, unreadable: {value: sealed}}\n"
	"  tags/*/label: {type: string, personal: research, iv: random, unreadable: null}\n"
	"  place: {type: array, of: number, personal: 2, unreadable: [0, -0.50, 0x10]}\n"
	"  size: {type: integer, range: [null, 0x10], one_of: [1, +2, 007]}\n"
	"  price: {type: number, range: {min: -00.50}, nullable: true}\n"
	"  color: {type: string, length: [1, 20], one_of: [red, \"no\"], match: \"^[a-z]+$\"}\n"
	"  anything: {about: What it is}\n";

static void a_whole_contract_is_read(void)
{
	struct problems problems = {0};
	struct contract *c = NULL;
	const struct contract_field *f;

	CHECK_EQUAL(load(whole, &problems, &c), SL_OK);
	problems_print(stdout, &problems);
	CHECK_EQUAL(problems.warning_count, 0);
	CHECK_FATAL(c != NULL);
	CHECK_EQUAL(c->state, CONTRACT_APPROVED);
	CHECK_EQUAL(c->key_field, 0);
	CHECK_EQUAL(c->subject_field, 0);
	CHECK_EQUAL(c->time.form, POLICY_TIME_PATTERN);
	CHECK_EQUAL(c->consent.rule_count, 3);
	CHECK_EQUAL(c->consent.rules[0].purposes, 6);
	CHECK_EQUAL(c->consent.rules[1].purposes, 0);
	CHECK_EQUAL(c->consent.rules[2].purposes, 2);
	CHECK_EQUAL(c->consent.otherwise, 1);
	CHECK_EQUAL(c->undeclared, POLICY_UNDECLARED_SEAL);
	CHECK_EQUAL(c->undeclared_purpose, 2);
	CHECK_EQUAL(c->duplicates, POLICY_DUPLICATES_SEAL);
	CHECK_EQUAL(c->field_count, 10);
	f = &c->fields[0];
	CHECK(f->is_personal && f->is_required && f->purpose == 0);
	CHECK_EQUAL(f->unreadable, POLICY_UNREADABLE_FAIL);
	f = &c->fields[3];
	CHECK_EQUAL(f->unreadable, POLICY_UNREADABLE_VALUE);
	CHECK(view_equal(f->unreadable_value, view_of_text("\"sealed\"")));
	f = &c->fields[4];
	CHECK(f->is_repeated && f->iv == POLICY_IV_RANDOM);
	CHECK_EQUAL(f->unreadable, POLICY_UNREADABLE_NULL);
	CHECK(view_equal(c->fields[5].unreadable_value, view_of_text("[0,-0.5,16]")));
	f = &c->fields[6];
	CHECK(f->range_min.size == 0 && view_equal(f->range_max, view_of_text("16")));
	CHECK_EQUAL(f->one_of_count, 3);
	CHECK(view_equal(f->one_of[1], view_of_text("2")));
	CHECK(view_equal(f->one_of[2], view_of_text("7")));
	CHECK(view_equal(c->fields[7].range_min, view_of_text("-0.5")));
	f = &c->fields[8];
	CHECK(f->has_length && f->length_min == 1 && f->length_max == 20);
	CHECK(view_equal(f->one_of[1], view_of_text("no")));
	CHECK_EQUAL(c->fields[9].type, POLICY_ANY);
	contract_free(c);
}

static void nothing_said_shows_the_least(void)
{
	struct problems problems = {0};
	struct contract *c = NULL;

	CHECK_EQUAL(load(HEAD, &problems, &c), SL_OK);
	CHECK_FATAL(c != NULL);
	CHECK_EQUAL(c->undeclared, POLICY_UNDECLARED_DROP);
	CHECK_EQUAL(c->duplicates, POLICY_DUPLICATES_REFUSE);
	CHECK_EQUAL(c->consent.otherwise, 0);
	CHECK_EQUAL(c->state, CONTRACT_ACTIVE);
	CHECK_EQUAL(c->subject_field, POLICY_NONE);
	CHECK_EQUAL(c->time.form, POLICY_TIME_NONE);
	CHECK_EQUAL(c->fields[1].unreadable, POLICY_UNREADABLE_SEALED);
	CHECK_EQUAL(c->fields[1].iv, POLICY_IV_DETERMINISTIC);
	CHECK_EQUAL(problems.warning_count, 1);
	CHECK(strstr(problems.items[0].what, "undeclared is not said") != NULL);
	problems_done(&problems);
	contract_free(c);
}

static void a_contract_that_seals_nothing_is_warned_of(void)
{
	struct problems problems = {0};
	struct contract *c = NULL;

	CHECK_EQUAL(
		load("contract: ab/cd/1.0.0\nkey: u\nundeclared: pass\nfields: {u: string}\n",
		     &problems,
		     &c),
		SL_OK
	);
	CHECK_EQUAL(problems.warning_count, 1);
	CHECK(strstr(problems.items[0].what, "seals nothing") != NULL);
	problems_done(&problems);
	contract_free(c);
}

static void only_active_contracts_accept_events(void)
{
	for (unsigned i = 0; i < CONTRACT_STATE_COUNT; i++) {
		struct problems problems = {0};
		struct contract *c = NULL;
		struct problem fault;
		char text[512];

		snprintf(
			text,
			sizeof(text),
			HEAD "state: %s\n",
			contract_state_name((enum contract_state)i)
		);
		CHECK_EQUAL(load(text, &problems, &c), SL_OK);
		CHECK_FATAL(c != NULL);
		CHECK_EQUAL(c->state, i);
		CHECK_EQUAL(
			contract_check_active(c, &fault), i == CONTRACT_ACTIVE ? SL_OK : SL_E_DENIED
		);
		problems_done(&problems);
		contract_free(c);
	}
}

static void limits_hold(void)
{
	char text[64 << 10];
	struct problems problems = {0};
	struct contract *c = NULL;
	size_t size = (size_t)snprintf(text, sizeof(text), "%s", HEAD);

	for (unsigned i = 2; i < CONTRACT_FIELDS_MAX; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "  f%u: string\n", i);
	CHECK_EQUAL(load(text, &problems, &c), SL_OK);
	problems_done(&problems);
	contract_free(c);
	c = NULL;
	snprintf(text + size, sizeof(text) - size, "  one_more: string\n");
	CHECK_EQUAL(load(text, &problems, &c), SL_E_SYNTAX);
	CHECK(strstr(problems.items[0].what, "257 fields") != NULL);
	CHECK_EQUAL(problems.items[0].line, 3);
	problems_done(&problems);

	size = (size_t)snprintf(text, sizeof(text), "%s  ", HEAD);
	memset(text + size, 'p', POLICY_PATH_MAX);
	snprintf(text + size + POLICY_PATH_MAX, 16, ": string\n");
	CHECK_EQUAL(load(text, &problems, &c), SL_OK);
	problems_done(&problems);
	contract_free(c);
	c = NULL;
	memset(text + size, 'p', POLICY_PATH_MAX + 1);
	snprintf(text + size + POLICY_PATH_MAX + 1, 16, ": string\n");
	CHECK_EQUAL(load(text, &problems, &c), SL_E_SYNTAX);
	CHECK(strstr(problems.items[0].what, "too long a path") != NULL);
	problems_done(&problems);
}

static void purposes_go_by_number_without_a_file(void)
{
	static const char by_number[] = "contract: ab/cd/1.0.0\nkey: u\nfields:\n"
					"  u: {type: string, personal: 40}\n";
	static const char by_name[] = "contract: ab/cd/1.0.0\nkey: u\nfields:\n"
				      "  u: {type: string, personal: analytics}\n";
	struct problems problems = {0};
	struct contract *c = NULL;

	CHECK_EQUAL(contract_load_text(view_of_text(by_number), "c", NULL, &problems, &c), SL_OK);
	problems_done(&problems);
	contract_free(c);
	c = NULL;
	CHECK(contract_load_text(view_of_text(by_name), "c", NULL, &problems, &c) != SL_OK);
	CHECK(c == NULL);
	CHECK(strstr(problems.items[0].remedy, "purposes.yaml") != NULL);
	problems_done(&problems);
}

static void too_many_purposes_are_refused(void)
{
	char text[4096];
	struct problems problems = {0};
	struct contract *c = NULL;
	size_t size = (size_t
	)snprintf(text, sizeof(text), "contract: ab/cd/1.0.0\nkey: u\nfields:\n  u: string\n");

	for (int i = 0; i <= CONTRACT_PURPOSES_MAX; i++)
		size += (size_t
		)snprintf(text + size, sizeof(text) - size, "  f%d: {personal: %d}\n", i, i);
	CHECK(contract_load_text(view_of_text(text), "c", NULL, &problems, &c) != SL_OK);
	CHECK(strstr(problems.items[0].what, "too many purposes") != NULL);
	CHECK_EQUAL(problems.items[0].line, 3);
	problems_done(&problems);
}

static const struct check_test tests[] = {
	{"every fault is found at its place", every_fault_is_found_at_its_place},
	{"a whole contract is read", a_whole_contract_is_read},
	{"nothing said shows the least", nothing_said_shows_the_least},
	{"a contract that seals nothing is warned of", a_contract_that_seals_nothing_is_warned_of},
	{"only active contracts accept events", only_active_contracts_accept_events},
	{"limits hold", limits_hold},
	{"purposes go by number without a file", purposes_go_by_number_without_a_file},
	{"too many purposes are refused", too_many_purposes_are_refused},
};

CHECK_MAIN("control/contract")
