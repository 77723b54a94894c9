#include "control/policy_compile.h"
#include "crypto/mask.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char orders[] =
	"contract: acme/orders/1.2.3\n"
	"key: customer/id\n"
	"subject: customer/id\n"
	"time: {field: at, form: \"yyyy-MM-dd'T'HH:mm:ss\", zone: Europe/Amsterdam}\n"
	"consent: {field: consents, map: {all: [1, 2], none: []}, otherwise: [0]}\n"
	"undeclared: seal\n"
	"undeclared_purpose: 5\n"
	"fields:\n"
	"  customer/id: {type: string, personal: 0, required: true}\n"
	"  customer/birthday_of_the_customer: {type: string, personal: 2, unreadable: \"?\"}\n"
	"  at: string\n"
	"  consents: string\n"
	"  a~1b~0c: {type: string, personal: 1}\n"
	"  tags/*/label: {type: string, personal: 2, iv: random}\n"
	"  tags/*/more/x: {type: string, length: [1, 3], match: \"^a\"}\n"
	"  size: {type: integer, range: [1, 2], one_of: [1, 2]}\n"
	"  lists/*: integer\n";

static struct contract *contract_of(const char *text)
{
	struct problems problems = {0};
	struct contract *contract = NULL;

	if (contract_load_text(view_of_text(text), "c", NULL, &problems, &contract) != SL_OK)
		problems_print(stdout, &problems);
	CHECK_FATAL(contract != NULL);
	problems_done(&problems);
	return contract;
}

static const uint8_t mask_key[MASK_KEY_SIZE] = {1, 2, 3};

/** Orders with two views, in memory of its own. */
static struct policy_image *orders_image(void)
{
	const struct mask_spec masks[] = {
		{.path = view_of_text("a~1b~0c"),
		 .kind = POLICY_MASK_HMAC,
		 .seed = view_of(mask_key, sizeof(mask_key))},
		{.path = view_of_text("customer/id"),
		 .kind = POLICY_MASK_MURMUR3,
		 .seed = view_of_text("hi-there")},
	};
	const struct view_spec views[] = {
		{.name = view_of_text("granular"), .purposes = 6, .kind = POLICY_GRANULAR},
		{.name = view_of_text("cumulative"),
		 .purposes = 6,
		 .kind = POLICY_CUMULATIVE,
		 .masks = masks,
		 .mask_count = 2},
	};
	struct contract *contract = contract_of(orders);
	struct problems problems = {0};
	struct policy_image *image = NULL;
	enum sl_status status = policy_compile(contract, views, 2, NULL, &problems, &image);

	problems_print(stdout, &problems);
	CHECK_FATAL(status == SL_OK && image != NULL);
	contract_free(contract);
	return image;
}

static bool is_text(const struct policy_image *p, struct policy_span span, const char *text)
{
	return view_equal(policy_view_of(p, span), view_of_text(text));
}

/** Walk down by names, as a parser does. */
static uint16_t walk(const struct policy_image *p, const char *const names[])
{
	const struct policy_node *nodes = policy_nodes(p);
	uint32_t row = 0;

	for (; *names != NULL; names++) {
		uint32_t next = 0;

		for (uint32_t i = 0; i < nodes[row].child_count; i++) {
			const struct policy_node *child = &nodes[nodes[row].first_child + i];

			if (child->kind == POLICY_NODE_EACH ? strcmp(*names, "*") == 0
							    : is_text(p, child->name, *names))
				next = nodes[row].first_child + i;
		}
		if (next == 0)
			return POLICY_NONE;
		row = next;
	}
	return nodes[row].field;
}

static void an_image_tells_its_contract(void)
{
	struct policy_image *p = orders_image();
	const struct policy_field *f = policy_fields(p);
	const struct policy_view *views = policy_rows(p, p->views);
	const struct policy_mask *masks = policy_rows(p, views[1].masks);
	const struct policy_consent_rule *rules = policy_rows(p, p->consent_rules);
	const struct policy_time_item *items = policy_rows(p, p->time_items);
	const uint8_t *purposes = policy_rows(p, p->purposes);

	CHECK(is_text(p, p->ref, "acme/orders/1.2.3"));
	CHECK_EQUAL(p->fields.count, 9);
	CHECK_EQUAL(p->purposes.count, 4);
	CHECK(purposes[0] == 0 && purposes[1] == 1 && purposes[2] == 2 && purposes[3] == 5);
	CHECK_EQUAL(p->undeclared_purpose, 5);
	CHECK_EQUAL(p->undeclared_purpose_index, 3);
	CHECK_EQUAL(p->key_field, 0);
	CHECK_EQUAL(p->subject_field, 0);
	CHECK_EQUAL(p->time_field, 2);
	CHECK_EQUAL(p->consent_field, 3);
	CHECK_EQUAL(p->consent_otherwise, 1);
	CHECK_EQUAL(p->consent_rules.count, 2);
	CHECK(is_text(p, rules[0].text, "all") && rules[0].purposes == 6);
	CHECK_EQUAL(p->time_items.count, 11);
	CHECK_EQUAL(items[5].kind, POLICY_TIME_LITERAL);
	CHECK(is_text(p, items[5].text, "T"));
	CHECK(p->zone.count > 100);
	CHECK(is_text(p, p->zone_name, "Europe/Amsterdam"));
	CHECK_EQUAL(f[1].unreadable, POLICY_UNREADABLE_VALUE);
	CHECK(is_text(p, f[1].unreadable_value, "\"?\""));
	CHECK_EQUAL(f[1].purpose_index, 2);
	CHECK_EQUAL(f[5].flags, POLICY_FIELD_PERSONAL | POLICY_FIELD_REPEATED);
	CHECK_EQUAL(f[5].iv, POLICY_IV_RANDOM);
	CHECK_EQUAL(views[0].required, 6);
	CHECK_EQUAL(views[0].opened, 6);
	CHECK_EQUAL(views[1].level, 2);
	CHECK_EQUAL(views[1].opened, 7);
	CHECK_EQUAL(views[1].masks.count, 2);
	CHECK(masks[0].field == 0 && masks[0].kind == POLICY_MASK_MURMUR3);
	CHECK(masks[1].field == 4 && masks[1].seed.size == MASK_KEY_SIZE);
	policy_image_free(p);
}

static void every_path_is_found_by_its_names(void)
{
	struct policy_image *p = orders_image();

	CHECK_EQUAL(walk(p, (const char *[]){"customer", "id", NULL}), 0);
	CHECK_EQUAL(walk(p, (const char *[]){"customer", "birthday_of_the_customer", NULL}), 1);
	CHECK_EQUAL(walk(p, (const char *[]){"a/b~c", NULL}), 4);
	CHECK_EQUAL(walk(p, (const char *[]){"tags", "*", "label", NULL}), 5);
	CHECK_EQUAL(walk(p, (const char *[]){"tags", "*", "more", "x", NULL}), 6);
	CHECK_EQUAL(walk(p, (const char *[]){"lists", "*", NULL}), 8);
	CHECK_EQUAL(walk(p, (const char *[]){"lists", NULL}), POLICY_NONE);
	CHECK_EQUAL(walk(p, (const char *[]){"label", NULL}), POLICY_NONE);
	policy_image_free(p);
}

/** policy_image_check of a copy that ends at an unmapped page. */
static enum sl_status check_copy(const void *bytes, size_t size, struct problem *ret_problem)
{
	struct guarded g = guarded_new((size + 7) & ~(size_t)7);
	uint8_t *copy = g.bytes + ((8 - size % 8) & 7);
	enum sl_status status;

	if (size % 8 != 0)
		copy = g.bytes; // aligned; a few bytes of slack behind it
	memcpy(copy, bytes, size);
	status = policy_image_check(copy, size, ret_problem);
	guarded_free(&g);
	return status;
}

static void every_changed_byte_is_refused(void)
{
	struct policy_image *p = orders_image();
	uint8_t *bytes = (uint8_t *)p;
	const uint32_t whole = p->size;
	struct problem fault;

	CHECK_EQUAL(check_copy(p, whole, &fault), SL_OK);
	for (size_t i = 0; i < whole; i += i < sizeof(*p) ? 1 : 5) {
		bytes[i] ^= 0x10;
		CHECK_EQUAL(policy_image_check(p, whole, &fault), SL_E_CORRUPT);
		bytes[i] ^= 0x10;
	}
	for (size_t size = 0; size < whole; size += 8)
		CHECK_EQUAL(check_copy(p, size, &fault), SL_E_CORRUPT);
	policy_image_free(p);
}

// A liar's image: the checksum is right, one member is not.
static struct policy_node *node(struct policy_image *p, uint32_t row)
{
	return (struct policy_node *)((uint8_t *)p + p->nodes.offset) + row;
}

static struct policy_field *field(struct policy_image *p, uint32_t row)
{
	return (struct policy_field *)((uint8_t *)p + p->fields.offset) + row;
}

static struct policy_view *view_row(struct policy_image *p, uint32_t row)
{
	return (struct policy_view *)((uint8_t *)p + p->views.offset) + row;
}

static struct policy_mask *mask(struct policy_image *p, uint32_t row)
{
	return (struct policy_mask *)((uint8_t *)p + view_row(p, 1)->masks.offset) + row;
}

#define LIE(name, ...)                                                                             \
	static void lie_##name(struct policy_image *p)                                             \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}
#include "tests/unit/control/policy_lies.def"
#undef LIE

static const struct lie {
	const char *what;
	void (*tell)(struct policy_image *p);
} lies[] = {

#define LIE(name, ...) {#name, lie_##name},
#include "tests/unit/control/policy_lies.def"
#undef LIE
};

static void every_lie_is_found(void)
{
	struct policy_image *good = orders_image();
	uint32_t size = good->size;
	struct policy_image *p = malloc(size);

	CHECK_FATAL(p != NULL);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct problem fault = {0};
		enum sl_status status;

		memcpy(p, good, size);
		lies[i].tell(p);
		p->checksum = policy_image_checksum(p, size);
		status = check_copy(p, size, &fault);
		CHECK(status == SL_E_CORRUPT && fault.what[0] != '\0');
		if (status != SL_E_CORRUPT)
			printf("believed: %s\n", lies[i].what);
	}
	free(p);
	policy_image_free(good);
}

static void a_place_off_its_alignment_is_refused(void)
{
	struct policy_image *p = orders_image();
	uint8_t *moved = malloc(p->size + 8);
	struct problem fault;

	CHECK_FATAL(moved != NULL);
	memcpy(moved + 4, p, p->size);
	CHECK_EQUAL(policy_image_check(moved + 4, p->size, &fault), SL_E_CORRUPT);
	free(moved);
	policy_image_free(p);
}

// What a job says wrongly.
static const uint8_t short_key[3];
static const struct mask_spec bad_masks[] = {
	{.path = {(const uint8_t *)"usr", 3}, .kind = POLICY_MASK_MURMUR3},
	{.path = {(const uint8_t *)"size", 4}, .kind = POLICY_MASK_MURMUR3},
	{.path = {(const uint8_t *)"user", 4},
	 .kind = POLICY_MASK_HMAC,
	 .seed = {short_key, sizeof(short_key)}},
};
static const struct mask_spec twice_masked[] = {
	{.path = {(const uint8_t *)"user", 4}, .kind = POLICY_MASK_MURMUR3},
	{.path = {(const uint8_t *)"user", 4}, .kind = POLICY_MASK_MURMUR3},
};

static const struct {
	const char *part;
	const char *remedy;
	struct view_spec view;
} bad_views[] = {
	{"no field 'usr'", "'user'", {.masks = &bad_masks[0], .mask_count = 1}},
	{"of type integer", "string", {.masks = &bad_masks[1], .mask_count = 1}},
	{"wrong size", "32 bytes", {.masks = &bad_masks[2], .mask_count = 1}},
	{"masked twice", "remove", {.masks = twice_masked, .mask_count = 2}},
	{"no purpose", "highest", {.kind = POLICY_CUMULATIVE}},
};

#define SMALL(more)                                                                                \
	"contract: ab/cd/1.0.0\nkey: user\n" more "fields:\n  user: string\n  size: integer\n"

static void bad_views_are_told(void)
{
	struct contract *contract = contract_of(SMALL(""));

	for (size_t i = 0; i < sizeof(bad_views) / sizeof(bad_views[0]); i++) {
		struct problems problems = {0};
		struct policy_image *image = NULL;
		enum sl_status status =
			policy_compile(contract, &bad_views[i].view, 1, NULL, &problems, &image);

		CHECK(status != SL_OK && image == NULL && problems.error_count == 1);
		CHECK(strstr(problems.items[0].what, bad_views[i].part) != NULL);
		CHECK(strstr(problems.items[0].remedy, bad_views[i].remedy) != NULL);
		problems_done(&problems);
	}
	contract_free(contract);
}

static void a_jobs_own_fields_follow_the_undeclared_rule(void)
{
	static const struct {
		const char *contract;
		const char *field;
		bool is_good;
		bool is_personal;
	} cases[] = {
		{SMALL("undeclared: pass\n"), "when", true, false},
		{SMALL("undeclared: seal\nundeclared_purpose: 3\n"), "when", true, true},
		{SMALL("undeclared: drop\n"), "when", false, false},
		{SMALL("undeclared: drop\n"), "user", true, false},
		{SMALL("undeclared: pass\n"), "user/when", false, false},
		{SMALL("undeclared: pass\n"), "a//b", false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct contract *contract = contract_of(cases[i].contract);
		struct contract_consent_rule rule = {.text = view_of_text("yes"), .purposes = 8};
		struct contract_consent consent = {
			.field = view_of_text(cases[i].field),
			.rules = &rule,
			.rule_count = 1,
			.otherwise = 1,
		};
		struct policy_overrides overrides = {.consent = &consent};
		struct problems problems = {0};
		struct policy_image *p = NULL;
		enum sl_status status =
			policy_compile(contract, NULL, 0, &overrides, &problems, &p);

		CHECK_EQUAL(status == SL_OK, cases[i].is_good);
		CHECK_EQUAL(status == SL_OK, problems.error_count == 0);
		if (p != NULL) {
			const struct policy_field *f = &policy_fields(p)[p->consent_field];

			CHECK(is_text(p, f->path, cases[i].field));
			CHECK_EQUAL((f->flags & POLICY_FIELD_PERSONAL) != 0, cases[i].is_personal);
			CHECK_EQUAL(p->consent_otherwise, 1);
		}
		problems_done(&problems);
		policy_image_free(p);
		contract_free(contract);
	}
}

static void too_many_steps_are_refused(void)
{
	static char text[256 << 10];
	struct problems problems = {0};
	struct policy_image *p = NULL;
	struct contract *contract;
	size_t size = (size_t)snprintf(text, sizeof(text), "%s", SMALL(""));

	for (unsigned i = 0; i < 250; i++)
		size += (size_t
		)snprintf(text + size, sizeof(text) - size, "  f%u/a/b/c/d/e: string\n", i);
	contract = contract_of(text);
	CHECK_EQUAL(policy_compile(contract, NULL, 0, NULL, &problems, &p), SL_E_TOO_BIG);
	CHECK(p == NULL);
	problems_done(&problems);
	contract_free(contract);
}

static void the_job_must_not_show_a_personal_time(void)
{
	struct contract *contract = contract_of(
		"contract: ab/cd/1.0.0\nkey: user\nfields:\n  user: string\n  at: {personal: 1}\n"
	);
	struct contract_time time = {.field = view_of_text("at"), .form = POLICY_TIME_RFC3339};
	struct policy_overrides overrides = {.time = &time};
	struct problems problems = {0};
	struct policy_image *p = NULL;

	CHECK_EQUAL(policy_compile(contract, NULL, 0, &overrides, &problems, &p), SL_E_INVALID);
	CHECK(p == NULL);
	problems_done(&problems);
	contract_free(contract);
}

static const struct check_test tests[] = {
	{"an image tells its contract", an_image_tells_its_contract},
	{"every path is found by its names", every_path_is_found_by_its_names},
	{"every changed byte is refused", every_changed_byte_is_refused},
	{"every lie is found", every_lie_is_found},
	{"a place off its alignment is refused", a_place_off_its_alignment_is_refused},
	{"bad views are told", bad_views_are_told},
	{"a job's own fields follow the undeclared rule",
	 a_jobs_own_fields_follow_the_undeclared_rule},
	{"too many steps are refused", too_many_steps_are_refused},
	{"the job must not show a personal time", the_job_must_not_show_a_personal_time},
};

CHECK_MAIN("control/policy_compile")
