#include "dataplane/pipeline/decimal.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <string.h>

static int sign_of(int order)
{
	return (order > 0) - (order < 0);
}

static const struct {
	const char *a;
	const char *b;
	int order;
} compared[] = {

#define COMPARE(a, b, order) {(a), (b), (order)},
#include "tests/vectors/decimals.def"
#undef COMPARE
	{"1e3", "1000", 0},
	{"-0", "0", 0},
	{"-0.0e5", "0", 0},
	{"0e999999999999999999999", "0.0", 0},
	{"1e999999999999999999999", "9e99999", 1},
	{"1e-999999999999999999999", "0", 1},
	{"-1e-999999999999999999999", "0", -1},
	{"-1e9", "-1e8", -1},
	{"9007199254740993", "9007199254740992", 1},
	{"0.1", "0.10000000000000000555", -1},
	{"100", "1E+2", 0},
	{"0.001", "1e-3", 0},
	{"12.5", "125e-1", 0},
};

static void order_is_exact(void)
{
	for (size_t i = 0; i < sizeof(compared) / sizeof(compared[0]); i++) {
		struct view a = view_of_text(compared[i].a);
		struct view b = view_of_text(compared[i].b);

		CHECK_EQUAL(sign_of(decimal_compare(a, b)), compared[i].order);
		CHECK_EQUAL(sign_of(decimal_compare(b, a)), -compared[i].order);
		CHECK(decimal_form_of(a) != DECIMAL_NONE);
	}
}

static const struct {
	const char *text;
	enum decimal_form form;
} forms[] = {
	{"0", DECIMAL_INTEGER},  {"-0", DECIMAL_INTEGER},    {"10", DECIMAL_INTEGER},
	{"-7", DECIMAL_INTEGER}, {"0.0", DECIMAL_REAL},      {"1e3", DECIMAL_REAL},
	{"1E+3", DECIMAL_REAL},  {"-1.5e-30", DECIMAL_REAL}, {"", DECIMAL_NONE},
	{"-", DECIMAL_NONE},     {"+1", DECIMAL_NONE},       {"01", DECIMAL_NONE},
	{"-01", DECIMAL_NONE},   {".5", DECIMAL_NONE},       {"5.", DECIMAL_NONE},
	{"5.e1", DECIMAL_NONE},  {"1e", DECIMAL_NONE},       {"1e+", DECIMAL_NONE},
	{"1 ", DECIMAL_NONE},    {" 1", DECIMAL_NONE},       {"0x1", DECIMAL_NONE},
	{"1,5", DECIMAL_NONE},   {"NaN", DECIMAL_NONE},      {"Infinity", DECIMAL_NONE},
	{"1_000", DECIMAL_NONE}, {"--1", DECIMAL_NONE},      {"1e1.5", DECIMAL_NONE},
};

static void forms_follow_the_json_grammar(void)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		CHECK_EQUAL(decimal_form_of(view_of_text(forms[i].text)), forms[i].form);
}

static void nothing_is_read_beyond_the_text(void)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t size = strlen(forms[i].text);
		struct guarded g = guarded_new(size + 1);
		struct view text = view_of(g.bytes + 1, size);

		memcpy(g.bytes + 1, forms[i].text, size);
		CHECK_EQUAL(decimal_form_of(text), forms[i].form);
		if (forms[i].form != DECIMAL_NONE)
			CHECK_EQUAL(decimal_compare(text, text), 0);
		guarded_free(&g);
	}
}

static const struct check_test tests[] = {
	{"order is exact", order_is_exact},
	{"forms follow the JSON grammar", forms_follow_the_json_grammar},
	{"nothing is read beyond the text", nothing_is_read_beyond_the_text},
};

CHECK_MAIN("dataplane/decimal")
