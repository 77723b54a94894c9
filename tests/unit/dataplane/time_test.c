#include "dataplane/pipeline/time_parse.h"
#include "dataplane/pipeline/time_pattern.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/policy_builder.h"

#include <stdio.h>
#include <string.h>

enum zone {
	UTC,
	AMSTERDAM,
	NEW_YORK,
	LORD_HOWE,
	KATHMANDU,
	APIA,
	ZONE_COUNT
};

static const char *const zone_names[ZONE_COUNT] = {
	"UTC",
	"Europe/Amsterdam",
	"America/New_York",
	"Australia/Lord_Howe",
	"Asia/Kathmandu",
	"Pacific/Apia",
};

enum pattern {
	SPACE,      // yyyy-MM-dd HH:mm:ss
	SLASHES,    // M/d/yyyy H:m
	NANO,       // yyyy-MM-dd HH.mm.ss.nnnnnn:Z
	COMPACT,    // yyyyMMddHHmmssSSS
	AMPM,       // MMM d, uuuu h:mm:ss a
	LONG,       // EEEE, d MMMM uuuu HH:mm VV
	SHORT_YEAR, // dd/MM/yy HH:mm
	ORDINAL,    // uuuu-DDD'T'HH:mm:ssX
	DATE,       // uuuu-MM-dd
	NO_HALF,    // uuuu-MM-dd h
	NO_DAY,     // uuuu-MM
	PATTERN_COUNT
};

#define NUMBER(kind_, min, max)                                                                    \
	{                                                                                          \
		.kind = POLICY_TIME_##kind_, .digits_min = (min), .digits_max = (max)              \
	}
#define NAME(kind_) NUMBER(kind_, 1, 1)
#define TEXT(text)                                                                                 \
	{                                                                                          \
		.kind = POLICY_TIME_LITERAL, .digits_min = 1, .digits_max = 1, .literal = (text)   \
	}

static const struct build_time_item patterns[PATTERN_COUNT][16] = {
	[SPACE] =
		{NUMBER(YEAR, 4, 19),
		 TEXT("-"),
		 NUMBER(MONTH, 2, 2),
		 TEXT("-"),
		 NUMBER(DAY, 2, 2),
		 TEXT(" "),
		 NUMBER(HOUR, 2, 2),
		 TEXT(":"),
		 NUMBER(MINUTE, 2, 2),
		 TEXT(":"),
		 NUMBER(SECOND, 2, 2)},
	[SLASHES] =
		{NUMBER(MONTH, 1, 19),
		 TEXT("/"),
		 NUMBER(DAY, 1, 19),
		 TEXT("/"),
		 NUMBER(YEAR, 4, 19),
		 TEXT(" "),
		 NUMBER(HOUR, 1, 19),
		 TEXT(":"),
		 NUMBER(MINUTE, 1, 19)},
	[NANO] =
		{NUMBER(YEAR, 4, 19),
		 TEXT("-"),
		 NUMBER(MONTH, 2, 2),
		 TEXT("-"),
		 NUMBER(DAY, 2, 2),
		 TEXT(" "),
		 NUMBER(HOUR, 2, 2),
		 TEXT("."),
		 NUMBER(MINUTE, 2, 2),
		 TEXT("."),
		 NUMBER(SECOND, 2, 2),
		 TEXT("."),
		 NUMBER(NANO, 6, 19),
		 TEXT(":"),
		 NAME(OFFSET)},
	[COMPACT] =
		{NUMBER(YEAR, 4, 19),
		 NUMBER(MONTH, 2, 2),
		 NUMBER(DAY, 2, 2),
		 NUMBER(HOUR, 2, 2),
		 NUMBER(MINUTE, 2, 2),
		 NUMBER(SECOND, 2, 2),
		 NUMBER(FRACTION, 3, 3)},
	[AMPM] =
		{NAME(MONTH_SHORT),
		 TEXT(" "),
		 NUMBER(DAY, 1, 19),
		 TEXT(", "),
		 NUMBER(YEAR, 4, 19),
		 TEXT(" "),
		 NUMBER(HOUR_AMPM, 1, 19),
		 TEXT(":"),
		 NUMBER(MINUTE, 2, 2),
		 TEXT(":"),
		 NUMBER(SECOND, 2, 2),
		 TEXT(" "),
		 NAME(AMPM)},
	[LONG] =
		{NAME(WEEKDAY),
		 TEXT(", "),
		 NUMBER(DAY, 1, 19),
		 TEXT(" "),
		 NAME(MONTH_LONG),
		 TEXT(" "),
		 NUMBER(YEAR, 4, 19),
		 TEXT(" "),
		 NUMBER(HOUR, 2, 2),
		 TEXT(":"),
		 NUMBER(MINUTE, 2, 2),
		 TEXT(" "),
		 NAME(ZONE)},
	[SHORT_YEAR] =
		{NUMBER(DAY, 2, 2),
		 TEXT("/"),
		 NUMBER(MONTH, 2, 2),
		 TEXT("/"),
		 NUMBER(YEAR, 2, 2),
		 TEXT(" "),
		 NUMBER(HOUR, 2, 2),
		 TEXT(":"),
		 NUMBER(MINUTE, 2, 2)},
	[ORDINAL] =
		{NUMBER(YEAR, 4, 19),
		 TEXT("-"),
		 NUMBER(DAY_OF_YEAR, 3, 3),
		 TEXT("T"),
		 NUMBER(HOUR, 2, 2),
		 TEXT(":"),
		 NUMBER(MINUTE, 2, 2),
		 TEXT(":"),
		 NUMBER(SECOND, 2, 2),
		 NAME(OFFSET)},
	[DATE] = {NUMBER(YEAR, 4, 4), TEXT("-"), NUMBER(MONTH, 2, 2), TEXT("-"), NUMBER(DAY, 2, 2)},
	[NO_HALF] =
		{NUMBER(YEAR, 4, 4),
		 TEXT("-"),
		 NUMBER(MONTH, 2, 2),
		 TEXT("-"),
		 NUMBER(DAY, 2, 2),
		 TEXT(" "),
		 NUMBER(HOUR_AMPM, 1, 2)},
	[NO_DAY] = {NUMBER(YEAR, 4, 4), TEXT("-"), NUMBER(MONTH, 2, 2)},
};

static const struct {
	enum zone zone;
	struct policy_zone_step step;
} zone_steps[] = {

#define RFC3339(text, ms)
#define LOCAL(zone, pattern, text, ms)
#define OFFSET(pattern, text, ms)
#define ZONE_STEP(zone, at, offset) {(zone), {.at_s = (at), .offset_s = (offset)}},
#include "tests/vectors/times.def"
#undef RFC3339
#undef LOCAL
#undef OFFSET
#undef ZONE_STEP
};

static const struct {
	const char *text;
	int64_t ms;
} rfc3339_times[] = {

#define RFC3339(text, ms) {(text), (ms)},
#define LOCAL(zone, pattern, text, ms)
#define OFFSET(pattern, text, ms)
#define ZONE_STEP(zone, at, offset)
#include "tests/vectors/times.def"
#undef RFC3339
#undef LOCAL
#undef OFFSET
	{"1970-01-01T00:00:00Z", 0},
	{"1969-12-31T23:59:59.9999Z", -1},
	{"0000-01-01T00:00:00Z", EPOCH_MS_MIN},
	{"9999-12-31T23:59:59.999999Z", EPOCH_MS_MAX},
	{"2000-02-29T00:00:00-00:00", 951782400000},
	// Leap seconds: the last instant of their day that can be named.
	{"2016-12-31T23:59:60Z", 1483228799999},
	{"2016-12-31T23:59:60.25Z", 1483228799999},
	{"2017-01-01T05:29:60+05:30", 1483228799999},
	{"1969-12-31T18:59:60-05:00", -1},
};

static const struct {
	enum zone zone;
	enum pattern pattern;
	const char *text;
	int64_t ms;
} pattern_times[] = {

#define RFC3339(text, ms)
#define LOCAL(zone, pattern, text, ms) {(zone), (pattern), (text), (ms)},
#define OFFSET(pattern, text, ms)      {AMSTERDAM, (pattern), (text), (ms)},
#include "tests/vectors/times.def"
#undef RFC3339
#undef LOCAL
#undef OFFSET
#undef ZONE_STEP
	{UTC, SPACE, "1970-01-01 00:00:01", 1000},
	{UTC, DATE, "1970-01-02", 86400000},
	{UTC, SHORT_YEAR, "01/01/00 00:00", 946684800000},
	{UTC, AMPM, "Jan 1, 1970 12:00:00 AM", 0},
	{UTC, AMPM, "Jan 1, 1970 12:00:00 PM", 43200000},
	{AMSTERDAM, LONG, "Thu, 1 January 1970 00:00 UTC", 0},
	{AMSTERDAM, LONG, "Thursday, 1 January 1970 00:00 Z", 0},
	{AMSTERDAM, LONG, "Thursday, 1 January 1970 00:00 +01:00", -3600000},
	{AMSTERDAM, LONG, "Friday, 1 January 1970 00:00 Europe/Amsterdam", -3600000},
	{UTC, ORDINAL, "2020-366T00:00:00Z", 1609372800000},
	{UTC, ORDINAL, "1970-001T00:00:00-18", 64800000},
	{UTC, NANO, "1970-01-01 00.00.00.1999999:+0000", 1},
	{UTC, NANO, "1970-01-01 00.00.00.000999999999:Z", 999},
	{UTC, COMPACT, "19700101000000007", 7},
	// An hour that there is twice is the earlier one; one that there is not moves forward.
	{AMSTERDAM, SPACE, "2021-10-31 02:30:00", 1635640200000},
	{AMSTERDAM, SPACE, "2021-03-28 02:30:00", 1616895000000},
	{APIA, SPACE, "2011-12-30 12:00:00", 1325282400000},
};

static struct policy_image *image_of(enum zone zone, enum pattern pattern)
{
	static const struct build_field fields[] = {{.path = "user"}, {.path = "at"}, {0}};
	struct policy_zone_step steps[sizeof(zone_steps) / sizeof(zone_steps[0])];
	uint32_t count = 0;

	for (size_t i = 0; i < sizeof(zone_steps) / sizeof(zone_steps[0]); i++)
		if (zone_steps[i].zone == zone)
			steps[count++] = zone_steps[i].step;
	return policy_build(&(struct build){
		.fields = fields,
		.time = "at",
		.time_form = POLICY_TIME_PATTERN,
		.time_items = patterns[pattern],
		.zone = steps,
		.zone_count = count,
		.zone_name = zone_names[zone],
	});
}

/** Parse a text that ends where memory ends. */
static bool parse_guarded(const struct policy_image *image, const char *text, int64_t *ret_ms)
{
	size_t size = strlen(text);
	struct guarded g = guarded_new(size + 1);
	struct view view = view_of(g.bytes + 1, size);
	bool is_read;

	memcpy(g.bytes + 1, text, size);
	is_read =
		image == NULL ? time_parse_rfc3339(view, ret_ms) : time_parse(image, view, ret_ms);
	guarded_free(&g);
	return is_read;
}

static void check_time(const struct policy_image *image, const char *text, int64_t expected)
{
	int64_t ms = INT64_MIN;
	bool is_right = parse_guarded(image, text, &ms) && ms == expected;

	if (!is_right)
		fprintf(stderr,
			"%s is not %lld but %lld\n",
			text,
			(long long)expected,
			(long long)ms);
	CHECK(is_right);
}

static void check_refused(const struct policy_image *image, const char *text)
{
	int64_t ms = 4711;
	bool is_read = parse_guarded(image, text, &ms);

	if (is_read)
		fprintf(stderr, "%s should be refused\n", text);
	CHECK(!is_read);
	CHECK_EQUAL(ms, 4711);
}

static void rfc3339_gives_milliseconds(void)
{
	for (size_t i = 0; i < sizeof(rfc3339_times) / sizeof(rfc3339_times[0]); i++)
		check_time(NULL, rfc3339_times[i].text, rfc3339_times[i].ms);
}

static const char *const bad_rfc3339[] = {
	"",
	"Z",
	"2021-01-01",
	"2021-01-01T00:00:00",
	"2021-01-01T00:00Z",
	"2021-01-01T00:00:00.Z",
	"2021-01-01T00:00:00.5",
	"2021-01-01T00:00:00,5Z",
	"2021-00-01T00:00:00Z",
	"2021-13-01T00:00:00Z",
	"2021-01-00T00:00:00Z",
	"2021-01-32T00:00:00Z",
	"2021-02-29T00:00:00Z",
	"1900-02-29T00:00:00Z",
	"2021-04-31T00:00:00Z",
	"2021-06-31T00:00:00Z",
	"2021-09-31T00:00:00Z",
	"2021-11-31T00:00:00Z",
	"2021-01-01T24:00:00Z",
	"2021-01-01T00:60:00Z",
	"2021-01-01T00:00:61Z",
	"2021-01-01T00:00:60Z",
	"2016-12-31T23:59:60+01:00",
	"2021-01-01T00:00:00+24:00",
	"2021-01-01T00:00:00+00:60",
	"2021-01-01T00:00:00+0000",
	"2021-01-01T00:00:00+00",
	"2021-01-01T00:00:00+00:00Z",
	"2021-01-01T00:00:00ZZ",
	"2021-01-01T00:00:00Z ",
	" 2021-01-01T00:00:00Z",
	"2021-01-01_00:00:00Z",
	"2021/01/01T00:00:00Z",
	"2021-01-01T00-00-00Z",
	"21-01-01T00:00:00.000Z",
	"+2021-01-01T00:00:00Z",
	"2021-1-1T00:00:00.0000Z",
	"2021-01-01T0a:00:00Z",
	"202\xff-01-01T00:00:00Z",
	"2021-01-01T00:00:00.12x4Z",
	"2021-01-01T00:00:00 +01:00",
	"2021-01-01T00:00:00.1+01:0x",
};

static void rfc3339_refuses_the_rest(void)
{
	for (size_t i = 0; i < sizeof(bad_rfc3339) / sizeof(bad_rfc3339[0]); i++)
		check_refused(NULL, bad_rfc3339[i]);
}

/** The form that is read at a glance means what it means spelt otherwise, and nothing else passes for it. */
static void rfc3339_milliseconds_are_no_special_case(void)
{
	static const char *const times[] = {
		"2015-09-11T00:46:58.771Z", "2016-12-31T23:59:60.000Z", "2020-02-29T23:59:59.999Z"};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		for (size_t at = 0; at < 23; at++)
			for (unsigned byte = 1; byte < 256; byte++) {
				char glance[32];
				char spelt[32];
				int64_t ms = -7;
				int64_t spelt_ms = -7;
				bool is_time;

				snprintf(glance, sizeof(glance), "%s", times[i]);
				glance[at] = (char)byte;
				snprintf(spelt, sizeof(spelt), "%.23s+00:00", glance);
				is_time = parse_guarded(NULL, glance, &ms);
				CHECK(is_time == parse_guarded(NULL, spelt, &spelt_ms));
				CHECK_EQUAL(ms, spelt_ms);
			}
}

/** A byte that does not belong there is refused, whatever it is. */
static void rfc3339_knows_every_byte(void)
{
	static const char good[] = "2021-11-11T11:11:11.1+11:11";
	static const char form[] = "0000-00-00T00:00:00.0+00:00";
	char text[sizeof(good)];

	for (size_t at = 0; at < sizeof(good) - 1; at++)
		for (unsigned byte = 1; byte < 256; byte++) {
			bool is_digit = byte >= '0' && byte <= '9';
			bool is_good = byte == (uint8_t)good[at]
				|| (form[at] == 'T' && (byte == 't' || byte == ' '))
				|| (form[at] == '+' && byte == '-');

			if (form[at] == '0' && is_digit)
				continue; // whether the date exists is for other tests
			memcpy(text, good, sizeof(good));
			text[at] = (char)byte;
			if (!is_good) {
				check_refused(NULL, text);
				continue;
			}
			CHECK(parse_guarded(NULL, text, &(int64_t){0}));
		}
}

static void patterns_give_milliseconds(void)
{
	for (unsigned zone = 0; zone < ZONE_COUNT; zone++)
		for (unsigned pattern = 0; pattern < PATTERN_COUNT; pattern++) {
			struct policy_image *image = image_of(zone, pattern);

			for (size_t i = 0; i < sizeof(pattern_times) / sizeof(pattern_times[0]);
			     i++)
				if (pattern_times[i].zone == zone
				    && pattern_times[i].pattern == pattern)
					check_time(
						image, pattern_times[i].text, pattern_times[i].ms
					);
			free(image);
		}
}

static const struct {
	enum pattern pattern;
	const char *text;
} bad_patterns[] = {
	{SPACE, ""},
	{SPACE, "2021-01-01"},
	{SPACE, "2021-01-01 00:00:00Z"},
	{SPACE, "2021-01-01T00:00:00"},
	{SPACE, "2021-1-01 00:00:00"},
	{SPACE, "2021-02-30 00:00:00"},
	{SPACE, "2021-02-29 00:00:00"},
	{SPACE, "2021-01-01 24:00:00"},
	{SPACE, "2021-01-01 23:59:60"},
	{SPACE, "21-01-01 00:00:00"},
	{SPACE, "12021-01-01 00:00:00"},
	{SPACE, "99999999999999999999999-01-01 00:00:00"},
	{SPACE, "-2021-01-01 00:00:00"},
	{SLASHES, "13/1/2021 0:0"},
	{SLASHES, "0/1/2021 0:0"},
	{SLASHES, "1/0/2021 0:0"},
	{SLASHES, "1/1/2021 0:"},
	{SLASHES, "1/1/2021 0:60"},
	{NANO, "2021-01-01 00.00.00.12345:+0000"},
	{NANO, "2021-01-01 00.00.00.1000000000:+0000"},
	{NANO, "2021-01-01 00.00.00.123456:"},
	{NANO, "2021-01-01 00.00.00.123456:+"},
	{NANO, "2021-01-01 00.00.00.123456:+1"},
	{NANO, "2021-01-01 00.00.00.123456:+01:"},
	{NANO, "2021-01-01 00.00.00.123456:+01:6"},
	{NANO, "2021-01-01 00.00.00.123456:+01:60"},
	{NANO, "2021-01-01 00.00.00.123456:+18:01"},
	{NANO, "2021-01-01 00.00.00.123456:*01:00"},
	{COMPACT, "2021010100000000"},
	{COMPACT, "120210101000000000"},
	{AMPM, "jan 1, 2021 1:00:00 AM"},
	{AMPM, "Jam 1, 2021 1:00:00 AM"},
	{AMPM, "Jan 1, 2021 0:00:00 AM"},
	{AMPM, "Jan 1, 2021 13:00:00 AM"},
	{AMPM, "Jan 1, 2021 1:00:00 XM"},
	{AMPM, "Jan 1, 2021 1:00:00 P"},
	{LONG, "Fooday, 1 January 2021 00:00 UTC"},
	{LONG, "Friday, 1 Jan 2021 00:00 UTC"},
	{LONG, "Friday, 1 January 2021 00:00 America/New_York"},
	{LONG, "Friday, 1 January 2021 00:00 Europe/Amsterdam2"},
	{ORDINAL, "2021-366T00:00:00Z"},
	{ORDINAL, "2020-000T00:00:00Z"},
	{ORDINAL, "2020-367T00:00:00Z"},
	{NO_HALF, "2021-01-01 1"},
	{NO_DAY, "2021-01"},
};

static void patterns_refuse_the_rest(void)
{
	for (size_t i = 0; i < sizeof(bad_patterns) / sizeof(bad_patterns[0]); i++) {
		struct policy_image *image = image_of(AMSTERDAM, bad_patterns[i].pattern);

		check_refused(image, bad_patterns[i].text);
		free(image);
	}
}

static const struct {
	const char *text;
	int64_t unit_ms;
	int64_t ms;
} epochs[] = {
	{"0", 1000, 0},
	{"-0", 1, 0},
	{"1700000000", 1000, 1700000000000},
	{"1700000000123", 1, 1700000000123},
	{"-1", 1000, -1000},
	{"0017", 1, 17},
	{"253402300799", 1000, 253402300799000},
	{"253402300799999", 1, EPOCH_MS_MAX},
	{"-62167219200", 1000, EPOCH_MS_MIN},
};

static const struct {
	const char *text;
	int64_t unit_ms;
} bad_epochs[] = {
	{"", 1},
	{"-", 1},
	{"+1", 1},
	{"1.0", 1},
	{"1e3", 1},
	{" 1", 1},
	{"1 ", 1},
	{"253402300800", 1000},
	{"253402300800000", 1},
	{"-62167219201", 1000},
	{"1700000000000", 1000}, // milliseconds where seconds are declared
	{"9223372036854775808", 1},
	{"99999999999999999999999999999999", 1},
};

static void epochs_are_whole_numbers(void)
{
	for (size_t i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
		int64_t ms = -7;

		CHECK(time_parse_epoch(view_of_text(epochs[i].text), epochs[i].unit_ms, &ms));
		CHECK_EQUAL(ms, epochs[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad_epochs) / sizeof(bad_epochs[0]); i++) {
		int64_t ms = -7;

		CHECK(!time_parse_epoch(
			view_of_text(bad_epochs[i].text), bad_epochs[i].unit_ms, &ms
		));
		CHECK_EQUAL(ms, -7);
	}
}

static const struct check_test tests[] = {
	{"RFC 3339 gives milliseconds", rfc3339_gives_milliseconds},
	{"RFC 3339 refuses the rest", rfc3339_refuses_the_rest},
	{"RFC 3339 knows every byte", rfc3339_knows_every_byte},
	{"RFC 3339: milliseconds are no special case", rfc3339_milliseconds_are_no_special_case},
	{"patterns give milliseconds", patterns_give_milliseconds},
	{"patterns refuse the rest", patterns_refuse_the_rest},
	{"epochs are whole numbers", epochs_are_whole_numbers},
};

CHECK_MAIN("dataplane/time")
