#include "dataplane/pipeline/regex.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <string.h>
#include <time.h>

static enum regex_outcome search(const char *pattern, struct view text)
{
	struct regex_memory *memory = NULL;
	struct regex_fault fault;
	enum regex_outcome outcome;
	void *code = NULL;

	CHECK_FATAL(regex_memory_new(&memory) == SL_OK);
	CHECK_FATAL(regex_compile(view_of_text(pattern), &code, &fault) == SL_OK);
	outcome = regex_search(code, memory, text);
	regex_free(code);
	regex_memory_free(memory);
	return outcome;
}

static const struct {
	const char *pattern;
	const char *text;
	enum regex_outcome outcome;
} searched[] = {
	{"b", "abc", REGEX_MATCH}, // anywhere
	{"^b", "abc", REGEX_NO_MATCH},
	{"^abc$", "abc", REGEX_MATCH},
	{"^.$", "\xc3\xa9", REGEX_MATCH}, // a character, not a byte
	{"^..$", "\xf0\x9f\x98\x80", REGEX_NO_MATCH},
	{"^$", "", REGEX_MATCH},
	{".", "", REGEX_NO_MATCH},
	{"^https?://\\S+$", "https://example.org/x", REGEX_MATCH},
	{"^https?://\\S+$", "url", REGEX_NO_MATCH},
	{"(*NO_JIT)^[a-z]+$", "abc", REGEX_MATCH}, // the interpreter
	{"(*NO_JIT)^[a-z]+$", "a1c", REGEX_NO_MATCH},
	{"a",
	 "\xff"
	 "a",
	 REGEX_NO_MATCH}, // not UTF-8
	{"a", "a\xed\xa0\x80", REGEX_NO_MATCH},
	{"a", "a\xe2\x82", REGEX_NO_MATCH},
};

static void searches_end_as_they_should(void)
{
	for (size_t i = 0; i < sizeof(searched) / sizeof(searched[0]); i++) {
		size_t size = strlen(searched[i].text);
		struct guarded g = guarded_new(size + 1);

		memcpy(g.bytes + 1, searched[i].text, size);
		CHECK_EQUAL(
			search(searched[i].pattern, view_of(g.bytes + 1, size)), searched[i].outcome
		);
		guarded_free(&g);
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// Each of these would run for years without limits.
static const char *const catastrophes[] = {
	"(a+)+$",
	"^(a+)+$",
	"^(a|aa)+$",
	"(?:a|aa)+$",
	"^(a*)*[cd]",
	"(.*)*(.*)*(.*)*[xy]$",
	"(*NO_JIT)^(a|aa)+$",
	"(*NO_JIT)(a+)+$",
	"(a|b|ab)*(a|aa)*[cd]$",
};

static void catastrophic_patterns_meet_the_limit(void)
{
	static uint8_t text[REGEX_TEXT_MAX];

	memset(text, 'a', sizeof(text));
	for (size_t size = 64; size <= sizeof(text); size *= 8)
		for (size_t i = 0; i < sizeof(catastrophes) / sizeof(catastrophes[0]); i++) {
			double start = seconds();

			text[size - 1] = 'b';
			CHECK_EQUAL(search(catastrophes[i], view_of(text, size)), REGEX_LIMIT);
			CHECK(seconds() - start < 2);
			text[size - 1] = 'a';
		}
}

/** Work that no limit counts grows with the square of the text. */
static void uncounted_scans_are_bounded_by_the_text(void)
{
	static uint8_t text[REGEX_TEXT_MAX + 1];
	double start = seconds();

	memset(text, 'x', sizeof(text));
	CHECK_EQUAL(search("x*[yz]", view_of(text, REGEX_TEXT_MAX)), REGEX_NO_MATCH);
	CHECK_EQUAL(search("x.*[yz]", view_of(text, REGEX_TEXT_MAX)), REGEX_NO_MATCH);
	CHECK_EQUAL(search("(*NO_JIT)x.*[yz]", view_of(text, REGEX_TEXT_MAX)), REGEX_NO_MATCH);
	CHECK(seconds() - start < 5);
	CHECK_EQUAL(search("x", view_of(text, REGEX_TEXT_MAX)), REGEX_MATCH);
	CHECK_EQUAL(search("x", view_of(text, REGEX_TEXT_MAX + 1)), REGEX_LIMIT);
}

static const char *const faults[] =
	{"(", "[a", "a{2,1}", "*a", "\\C", "\xff", "(?<n>a)(?<n>b)", "\\"};

static void wrong_patterns_are_refused(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct regex_fault fault = {0};
		void *code = NULL;

		CHECK_EQUAL(regex_compile(view_of_text(faults[i]), &code, &fault), SL_E_SYNTAX);
		CHECK(code == NULL);
		CHECK(fault.text[0] != '\0');
		CHECK(fault.offset <= strlen(faults[i]));
	}
}

static const struct check_test tests[] = {
	{"searches end as they should", searches_end_as_they_should},
	{"catastrophic patterns meet the limit", catastrophic_patterns_meet_the_limit},
	{"uncounted scans are bounded by the text", uncounted_scans_are_bounded_by_the_text},
	{"wrong patterns are refused", wrong_patterns_are_refused},
};

CHECK_MAIN("dataplane/regex")
