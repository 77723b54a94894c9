#include "control/yaml.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

static struct yaml *load(const char *text, struct problems *problems)
{
	struct yaml *yaml = NULL;
	enum sl_status status = yaml_load_text(view_of_text(text), "t.yaml", problems, &yaml);

	CHECK_EQUAL(status == SL_OK, yaml != NULL);
	CHECK_EQUAL(status == SL_OK, problems->error_count == 0);
	return yaml;
}

static const struct kind_case {
	const char *text;
	enum yaml_kind kind;
} kind_cases[] = {
	{"12", YAML_INTEGER},        {"-3", YAML_INTEGER},       {"+3", YAML_INTEGER},
	{"0x1F", YAML_INTEGER},      {"0o17", YAML_INTEGER},     {"007", YAML_INTEGER},
	{"0o8", YAML_STRING},        {"-0x1", YAML_STRING},      {"0x", YAML_STRING},
	{"1_000", YAML_STRING},      {"1.5", YAML_NUMBER},       {".5", YAML_NUMBER},
	{"1.", YAML_NUMBER},         {"-1e3", YAML_NUMBER},      {"1E-9", YAML_NUMBER},
	{".", YAML_STRING},          {"1e", YAML_STRING},        {"-", YAML_STRING},
	{".inf", YAML_NUMBER},       {"-.INF", YAML_NUMBER},     {".nan", YAML_NUMBER},
	{"-.nan", YAML_STRING},      {"true", YAML_BOOLEAN},     {"False", YAML_BOOLEAN},
	{"tRue", YAML_STRING},       {"yes", YAML_STRING},       {"no", YAML_STRING},
	{"on", YAML_STRING},         {"off", YAML_STRING},       {"n", YAML_STRING},
	{"null", YAML_NULL},         {"~", YAML_NULL},           {"nULL", YAML_STRING},
	{"'12'", YAML_STRING},       {"\"true\"", YAML_STRING},  {"''", YAML_STRING},
	{"2015-09-11", YAML_STRING}, {"1.0.0", YAML_STRING},     {"[a]", YAML_LIST},
	{"{a: b}", YAML_MAP},        {"|\n  12\n", YAML_STRING},
};

static void kinds_follow_the_core_schema(void)
{
	for (size_t i = 0; i < sizeof(kind_cases) / sizeof(kind_cases[0]); i++) {
		struct problems problems = {0};
		char text[64];
		struct yaml *yaml;

		// A lone "-" would begin a list.
		snprintf(text, sizeof(text), "k: %s", kind_cases[i].text);
		if (strcmp(kind_cases[i].text, "-") == 0)
			snprintf(text, sizeof(text), "k: --");
		yaml = load(text, &problems);
		CHECK_FATAL(yaml != NULL);
		if (yaml_map_get(yaml_root(yaml), "k")->kind != kind_cases[i].kind) {
			CHECK(false);
			printf("kind of %s\n", kind_cases[i].text);
		}
		yaml_unload(yaml);
	}
}

static void places_are_lines_and_bytes(void)
{
	struct problems problems = {0};
	struct yaml *yaml = load(
		"\xef\xbb\xbf# comment\r\nname: caf\xc3\xa9\r\n\"\xc3\xa9\": {deep: [1, two]}\n"
		"sep: \"a\xe2\x80\xa8 b\"\nlast: 4\n",
		&problems
	);
	const struct yaml_node *root;
	const struct yaml_node *node;

	CHECK_FATAL(yaml != NULL);
	root = yaml_root(yaml);
	CHECK_EQUAL(root->kind, YAML_MAP);
	CHECK_EQUAL(root->count, 4);
	node = yaml_map_get(root, "name");
	CHECK_FATAL(node != NULL);
	CHECK_EQUAL(node->line, 2);
	CHECK_EQUAL(node->column, 7);
	CHECK(yaml_is_text(node, "caf\xc3\xa9"));
	CHECK_EQUAL(node->text.bytes[node->text.size], 0);
	node = yaml_map_get(yaml_map_get(root, "\xc3\xa9"), "deep");
	CHECK_FATAL(node != NULL);
	CHECK_EQUAL(node->line, 3);
	CHECK_EQUAL(node->column, 14);
	CHECK_EQUAL(node->key->column, 8);
	CHECK_EQUAL(node->count, 2);
	CHECK_EQUAL(node->first->next->column, 18);
	CHECK(node->first->next->next == NULL);
	// LINE SEPARATOR is a line end for libyaml, not for the person's editor.
	node = yaml_map_get(root, "last");
	CHECK_FATAL(node != NULL);
	CHECK_EQUAL(node->line, 5);
	CHECK_EQUAL(node->column, 7);
	yaml_unload(yaml);
}

static const struct refusal {
	const char *what;
	const char *text;
	enum sl_status status;
	uint32_t line;
	uint32_t column;
	const char *part; // of the problem's text
} refusals[] = {
	{"duplicate key", "a: 1\nb:\n  c: 1\n  \"c\": 2\n", SL_E_EXISTS, 4, 3, "first on line 3"},
	{"anchor", "a: &x 1\n", SL_E_SYNTAX, 1, 4, "anchors"},
	{"alias", "a: 1\nb: *x\n", SL_E_SYNTAX, 2, 4, "anchors"},
	{"tag", "a: !!str 1\n", SL_E_SYNTAX, 1, 4, "tags"},
	{"local tag on a list", "a: !x [1]\n", SL_E_SYNTAX, 1, 4, "tags"},
	{"tag on a map", "!x\na: 1\n", SL_E_SYNTAX, 1, 1, "tags"},
	{"two documents", "a: 1\n---\nb: 2\n", SL_E_SYNTAX, 2, 1, "second"},
	{"list as key", "? [a]\n: 1\n", SL_E_SYNTAX, 1, 3, "key"},
	{"NUL", "a: \"x\\0y\"\n", SL_E_SYNTAX, 1, 4, "NUL"},
	{"unclosed list", "a: [1, 2\n", SL_E_SYNTAX, 2, 1, "not valid YAML"},
	{"tab indent", "a:\n\tb: 1\n", SL_E_SYNTAX, 2, 1, "not valid YAML"},
	{"bad UTF-8", "a: 1\nb: x\xff\n", SL_E_SYNTAX, 2, 5, "not valid YAML"},
	{"control character", "a: 1\nb: \x01\n", SL_E_SYNTAX, 2, 4, "not valid YAML"},
	{"garbage after JSON", "{\"a\": 1} x\n", SL_E_SYNTAX, 1, 10, "not valid YAML"},
	{"UTF-16",
	 "\xff\xfe"
	 "a",
	 SL_E_SYNTAX,
	 1,
	 1,
	 "not valid YAML"},
};

static void what_misleads_is_refused(void)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *c = &refusals[i];
		struct problems problems = {0};
		struct yaml *yaml = NULL;
		enum sl_status status =
			yaml_load_text(view_of_text(c->text), "t.yaml", &problems, &yaml);
		const struct problem *p = problems.items;
		bool is_good = status == c->status && problems.error_count == 1 && p != NULL
			&& p->line == c->line && p->column == c->column && p->status == c->status
			&& strstr(p->what, c->part) != NULL && strcmp(p->file, "t.yaml") == 0;

		CHECK(is_good);
		if (!is_good) {
			printf("%s: status %d\n", c->what, (int)status);
			problems_print(stdout, &problems);
		}
		problems_done(&problems);
		yaml_unload(yaml);
	}
}

static enum sl_status load_repeated(const char *before, const char *unit, size_t count)
{
	size_t size = strlen(before) + count * strlen(unit);
	char *text = malloc(size + 1);
	struct problems problems = {0};
	struct yaml *yaml = NULL;
	enum sl_status status;

	CHECK_FATAL(text != NULL);
	memcpy(text, before, strlen(before));
	for (size_t i = 0; i < count; i++)
		memcpy(text + strlen(before) + i * strlen(unit), unit, strlen(unit));
	status = yaml_load_text(view_of(text, size), "", &problems, &yaml);
	CHECK_EQUAL(status == SL_OK, problems.error_count == 0);
	problems_done(&problems);
	yaml_unload(yaml);
	free(text);
	return status;
}

static void limits_hold(void)
{
	char keys[YAML_ENTRIES_MAX * 8 + 64] = "";
	struct problems problems = {0};
	struct yaml *yaml = NULL;
	size_t size = 0;

	CHECK_EQUAL(load_repeated("", "[", 10000), SL_E_SYNTAX);
	CHECK_EQUAL(load_repeated("", "- ", 10000), SL_E_SYNTAX);
	CHECK_EQUAL(load_repeated("", "- 1\n", YAML_NODES_MAX - 1), SL_OK);
	CHECK_EQUAL(load_repeated("", "- 1\n", YAML_NODES_MAX), SL_E_TOO_BIG);
	CHECK_EQUAL(load_repeated("k: ", "x", YAML_SIZE_MAX - 3), SL_OK);
	CHECK_EQUAL(load_repeated("k: ", "x", YAML_SIZE_MAX - 2), SL_E_TOO_BIG);
	for (unsigned i = 0; i <= YAML_ENTRIES_MAX; i++)
		size += (size_t)snprintf(keys + size, sizeof(keys) - size, "%04u: 1\n", i);
	CHECK_EQUAL(yaml_load_text(view_of(keys, size), "", &problems, &yaml), SL_E_TOO_BIG);
	CHECK_EQUAL(problems.items[0].line, YAML_ENTRIES_MAX + 1);
	problems_done(&problems);
}

static void json_is_read_too(void)
{
	struct problems problems = {0};
	struct yaml *yaml = load(
		"{\n\t\"ref\":{\"name\":\"a\\/b\\u00e9\\n\"},\"list\":[1,-2.5e3,true,null,\"1\"],\n"
		"\t\"empty\":{},\"none\":[]\n}\n",
		&problems
	);
	const struct yaml_node *list;

	CHECK_FATAL(yaml != NULL);
	CHECK(yaml_is_text(
		yaml_map_get(yaml_map_get(yaml_root(yaml), "ref"), "name"), "a/b\xc3\xa9\n"
	));
	list = yaml_map_get(yaml_root(yaml), "list");
	CHECK_FATAL(list != NULL && list->count == 5);
	CHECK_EQUAL(list->first->kind, YAML_INTEGER);
	CHECK_EQUAL(list->first->next->kind, YAML_NUMBER);
	CHECK_EQUAL(list->first->next->next->kind, YAML_BOOLEAN);
	CHECK(yaml_bool(list->first->next->next));
	CHECK_EQUAL(list->first->next->next->next->kind, YAML_NULL);
	CHECK_EQUAL(yaml_map_get(yaml_root(yaml), "empty")->kind, YAML_MAP);
	CHECK(yaml_map_get(yaml_root(yaml), "none")->first == NULL);
	CHECK(yaml_map_get(yaml_root(yaml), "absent") == NULL);
	CHECK(yaml_map_get(NULL, "absent") == NULL);
	yaml_unload(yaml);
}

static const struct {
	const char *text;
	bool is_good;
	int64_t value;
} integer_cases[] = {
	{"0", true, 0},
	{"-9223372036854775808", true, INT64_MIN},
	{"9223372036854775807", true, INT64_MAX},
	{"9223372036854775808", false, 0},
	{"0x10", true, 16},
	{"0o17", true, 15},
	{"017", true, 17},
	{"1.0", false, 0},
	{"'1'", false, 0},
};

static void integers_fit_64_bits(void)
{
	for (size_t i = 0; i < sizeof(integer_cases) / sizeof(integer_cases[0]); i++) {
		struct problems problems = {0};
		struct yaml *yaml = load(integer_cases[i].text, &problems);
		int64_t value = 0;

		CHECK_FATAL(yaml != NULL);
		CHECK_EQUAL(yaml_int64(yaml_root(yaml), &value), integer_cases[i].is_good);
		CHECK_EQUAL(value, integer_cases[i].value);
		yaml_unload(yaml);
	}
}

static void unknown_keys_get_a_suggestion(void)
{
	static const char *const allowed[] = {"contract", "personal", "required", NULL};
	struct problems problems = {0};
	struct yaml *yaml = load("{contract: 1, persnoal: 2, Requried: 3, zebra: 4}", &problems);

	CHECK_FATAL(yaml != NULL);
	CHECK(!yaml_check_keys(yaml_root(yaml), allowed, &problems));
	CHECK_EQUAL(problems.error_count, 3);
	CHECK_EQUAL(problems.items[0].column, 15);
	CHECK(strstr(problems.items[0].remedy, "'personal'") != NULL);
	CHECK(strstr(problems.items[1].remedy, "'required'") != NULL);
	CHECK(strcmp(problems.items[2].remedy, "use one of: contract, personal, required") == 0);
	CHECK(!yaml_expect(
		yaml_map_get(yaml_root(yaml), "zebra"), YAML_LIST, "zebra", "x", &problems
	));
	CHECK(strcmp(problems.items[3].what, "zebra must be a list, not an integer") == 0);
	problems_done(&problems);
	yaml_unload(yaml);
}

static void files_that_are_not_there_are_named(void)
{
	struct problems problems = {0};
	struct yaml *yaml = NULL;

	CHECK_EQUAL(yaml_load_file("/nonexistent/x.yaml", &problems, &yaml), SL_E_NOT_FOUND);
	CHECK_EQUAL(problems.error_count, 1);
	CHECK(strcmp(problems.items[0].file, "/nonexistent/x.yaml") == 0);
	CHECK(yaml_load_file("/", &problems, &yaml) != SL_OK);
	problems_done(&problems);
}

static void an_empty_file_is_null(void)
{
	struct problems problems = {0};
	struct yaml *yaml = load("# nothing\n", &problems);

	CHECK_FATAL(yaml != NULL);
	CHECK_EQUAL(yaml_root(yaml)->kind, YAML_NULL);
	CHECK(strcmp(yaml_file(yaml), "t.yaml") == 0);
	yaml_unload(yaml);
}

static const struct check_test tests[] = {
	{"kinds follow the core schema", kinds_follow_the_core_schema},
	{"places are lines and bytes", places_are_lines_and_bytes},
	{"what misleads is refused", what_misleads_is_refused},
	{"limits hold", limits_hold},
	{"JSON is read too", json_is_read_too},
	{"integers fit 64 bits", integers_fit_64_bits},
	{"unknown keys get a suggestion", unknown_keys_get_a_suggestion},
	{"files that are not there are named", files_that_are_not_there_are_named},
	{"an empty file is null", an_empty_file_is_null},
};

CHECK_MAIN("control/yaml")
