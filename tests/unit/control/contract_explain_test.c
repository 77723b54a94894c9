#include "control/contract_explain.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *explain(const char *contract_text, const char *purposes_text)
{
	static const struct mask_spec mask = {
		.path = {(const uint8_t *)"user", 4},
		.kind = POLICY_MASK_MURMUR3,
	};
	static const struct view_spec views[] = {
		{.name = {(const uint8_t *)"one", 3}, .purposes = 2, .kind = POLICY_GRANULAR},
		{.name = {(const uint8_t *)"two", 3},
		 .purposes = 4,
		 .kind = POLICY_CUMULATIVE,
		 .masks = &mask,
		 .mask_count = 1},
	};
	struct problems problems = {0};
	struct purposes *purposes = NULL;
	struct contract *contract = NULL;
	char *text = NULL;
	size_t size;
	FILE *out;

	CHECK_FATAL(
		purposes_load_text(view_of_text(purposes_text), "", &problems, &purposes) == SL_OK
	);
	CHECK_FATAL(
		contract_load_text(view_of_text(contract_text), "", purposes, &problems, &contract)
		== SL_OK
	);
	out = open_memstream(&text, &size);
	CHECK_FATAL(out != NULL);
	contract_explain(out, contract, purposes, views, 2);
	fclose(out);
	problems_done(&problems);
	contract_free(contract);
	purposes_free(purposes);
	return text;
}

/** Runs of white space become one space, so that line ends do not matter. */
static void squeeze(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++)
		if (*from != ' ' && *from != '\n')
			*to++ = *from;
		else if (to != text && to[-1] != ' ')
			*to++ = ' ';
	*to = '\0';
}

static void each_rule_is_said(void)
{
	static const char *const parts[] = {
		"acme/test/1.0.0 (draft): What it is",
		"accepts no events",
		"user: events with one value",
		"no person can be forgotten",
		"written as yyyy-MM-dd, local time of UTC",
		"\"all\" is consent to analytics (1), research (2);",
		"consent to nothing",
		"left out of every output (the contract does not say; this is safe)",
		"names a declared field twice is refused",
		"SEALED for analytics (1), equal values",
		"SEALED for research (2), each time differently; who can not open it does not get",
		"sees \"gone\"",
		"one of: 1, 2",
		"-0.5 to 3",
		"at least 2 characters",
		"must match ^a",
		"each of type string",
		"analytics (1) email",
		"one has the events whose person consents to analytics (1); "
		"opens email",
		"replaces by a mask: user (murmur3)",
		"research (2) or a higher level",
	};
	char *text = explain(
		"contract: acme/test/1.0.0\nabout: What it is\nstate: draft\nkey: user\n"
		"time: {field: at, form: yyyy-MM-dd, zone: UTC}\n"
		"consent: {field: c, map: {all: [1, 2]}}\nfields:\n  user: string\n  at: string\n"
		"  c: string\n  email: {type: string, personal: 1}\n"
		"  a: {personal: 2, iv: random, unreadable: fail}\n"
		"  b: {type: string, personal: 2, unreadable: gone}\n"
		"  n: {type: integer, one_of: [1, 2]}\n  x: {type: number, range: [-0.5, 3]}\n"
		"  s: {type: string, length: [2, null], match: ^a}\n  tags/*: string\n",
		"purposes: {1: analytics, 2: research}"
	);

	squeeze(text);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		CHECK(strstr(text, parts[i]) != NULL);
		if (strstr(text, parts[i]) == NULL)
			printf("not said: %s\n", parts[i]);
	}
	free(text);
}

static void lines_are_short_and_clean(void)
{
	char contract[4096];
	char path[POLICY_PATH_MAX + 1];
	size_t length = 0;
	char *text;

	memset(path, 'p', POLICY_PATH_MAX);
	path[POLICY_PATH_MAX] = '\0';
	snprintf(
		contract,
		sizeof(contract),
		"contract: acme/test/1.0.0\nabout: \"%s \\e[31m\\x9b \\n red\"\nkey: "
		"user\nfields:\n"
		"  user: string\n  %s: {about: \"\xc3\xa9\xc3\xa9 %s%s%s\"}\n",
		path,
		path,
		path,
		path,
		path
	);
	text = explain(contract, "purposes: {1: analytics, 2: research}");
	for (const char *c = text; *c != '\0'; c++) {
		length = *c == '\n' ? 0 : length + (((unsigned char)*c & 0xc0) != 0x80);
		CHECK(length <= 100);
		CHECK(*c == '\n' || ((unsigned char)*c >= 0x20 && (unsigned char)*c != 0x7f));
	}
	CHECK(strstr(text, "\xc2\x9b") == NULL);
	CHECK(strstr(text, "?[31m?") != NULL);
	free(text);
}

static const struct check_test tests[] = {
	{"each rule is said", each_rule_is_said},
	{"lines are short and clean", lines_are_short_and_clean},
};

CHECK_MAIN("control/contract_explain")
