// What contract_match reads from a stranger's text: timestamps, numbers, consents, items of arrays.
// Targets: time_parse_*, decimal_*, consent_parse, check_items, time_zone_to_utc
#include "dataplane/pipeline/check_items.h"
#include "dataplane/pipeline/consent_parse.h"
#include "dataplane/pipeline/decimal.h"
#include "dataplane/pipeline/time_parse.h"
#include "dataplane/pipeline/time_pattern.h"
#include "tests/support/policy_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// Input: a byte that chooses the subject, for patterns a count and that many items of three bytes each
// (kind, digits_min, digits_max), then the text.

enum {
	ITEMS_MAX = 12,
	DAY_MS_MAX = 86400000
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct policy_image *image;

static void build_image(void)
{
	static const struct build_field fields[] = {{.path = "user"}, {.path = "at"}, {0}};
	static const struct build_consent rules[] = {{.text = "all", .purposes = 7}, {0}};
	// Amsterdam's steps of 2021, and what was before.
	static const struct policy_zone_step zone[] = {
		{.at_s = INT64_MIN, .offset_s = 1172},
		{.at_s = INT64_C(1616893200), .offset_s = 7200},
		{.at_s = INT64_C(1635642000), .offset_s = 3600},
	};
	struct build_time_item items[ITEMS_MAX + 1] = {{0}};

	for (unsigned i = 0; i < ITEMS_MAX; i++)
		items[i] = (struct build_time_item
		){.literal = "-", .kind = POLICY_TIME_LITERAL, .digits_min = 1, .digits_max = 1};
	image = policy_build(&(struct build){
		.fields = fields,
		.time = "at",
		.time_form = POLICY_TIME_PATTERN,
		.time_items = items,
		.zone = zone,
		.zone_count = 3,
		.zone_name = "Europe/Amsterdam",
		.consent_rules = rules,
		.consent_otherwise = UINT64_C(1) << 40,
	});
}

/** What is accepted, written in the one usual way, is the same time. */
static void fuzz_rfc3339(struct view text)
{
	int64_t ms;
	int64_t again;
	char usual[64];
	struct tm parts;
	time_t seconds;

	if (!time_parse_rfc3339(text, &ms))
		return;
	if (ms < EPOCH_MS_MIN - DAY_MS_MAX || ms > EPOCH_MS_MAX + DAY_MS_MAX)
		abort();
	if (ms < EPOCH_MS_MIN || ms > EPOCH_MS_MAX)
		return;
	seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
	if (gmtime_r(&seconds, &parts) == NULL)
		abort();
	(void)snprintf(
		usual,
		sizeof(usual),
		"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		parts.tm_year + 1900,
		parts.tm_mon + 1,
		parts.tm_mday,
		parts.tm_hour,
		parts.tm_min,
		parts.tm_sec,
		(int)(ms - (int64_t)seconds * 1000)
	);
	if (!time_parse_rfc3339(view_of_text(usual), &again) || again != ms)
		abort();
}

static void fuzz_pattern(struct view input)
{
	struct policy_time_item *items = (void *)((uint8_t *)image + image->time_items.offset);
	int64_t ms;
	uint32_t count;

	if (input.size == 0)
		return;
	count = input.bytes[0] % (ITEMS_MAX + 1);
	if (input.size < 1 + 3 * (size_t)count)
		return;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *item = input.bytes + 1 + 3 * (size_t)i;

		items[i].kind = item[0] % (POLICY_TIME_ZONE + 1);
		items[i].digits_min = (uint8_t)(item[1] % 20 + 1);
		items[i].digits_max = (uint8_t)(items[i].digits_min + item[2] % 20);
	}
	image->time_items.count = count;
	input = view_of(input.bytes + 1 + 3 * (size_t)count, input.size - 1 - 3 * (size_t)count);
	if (time_parse_pattern(image, input, &ms)
	    && (ms < EPOCH_MS_MIN - DAY_MS_MAX || ms > EPOCH_MS_MAX + DAY_MS_MAX))
		abort();
}

static void fuzz_epoch(struct view text)
{
	int64_t ms;

	if (time_parse_epoch(text, 1, &ms) && (ms < EPOCH_MS_MIN || ms > EPOCH_MS_MAX))
		abort();
	if (time_parse_epoch(text, 1000, &ms)
	    && (ms < EPOCH_MS_MIN || ms > EPOCH_MS_MAX || ms % 1000 != 0))
		abort();
}

/** Two numbers with a space between. */
static void fuzz_decimal(struct view text)
{
	const uint8_t *space = memchr(text.bytes, ' ', text.size);
	struct view a = text;
	struct view b;

	if (space == NULL) {
		(void)decimal_form_of(text);
		return;
	}
	a.size = (size_t)(space - text.bytes);
	b = view_of(space + 1, text.size - a.size - 1);
	if (decimal_form_of(a) == DECIMAL_NONE || decimal_form_of(b) == DECIMAL_NONE)
		return;
	if (decimal_compare(a, a) != 0)
		abort();
	if ((decimal_compare(a, b) > 0) != (decimal_compare(b, a) < 0))
		abort();
}

/** Spaces around a list or level change nothing. */
static void fuzz_consent(struct view text)
{
	uint64_t purposes = consent_parse(image, text);
	uint8_t *wide = malloc(text.size + 2);

	if (wide == NULL)
		abort();
	wide[0] = wide[text.size + 1] = ' ';
	memcpy(wide + 1, text.bytes, text.size);
	if (!view_equal(text, view_of_text("all"))
	    && consent_parse(image, view_of(wide, text.size + 2)) != purposes)
		abort();
	free(wide);
}

static void fuzz_items(struct view text)
{
	if (text.size < 2 || text.bytes[0] != '[')
		return;
	for (unsigned type = POLICY_ANY; type <= POLICY_OBJECT; type++)
		(void)check_items(text, type);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct view text;

	if (image == NULL)
		build_image();
	if (size == 0)
		return 0;
	text = view_of(bytes + 1, size - 1);
	switch (bytes[0]) {
	case 'r':
		fuzz_rfc3339(text);
		break;
	case 'p':
		fuzz_pattern(text);
		break;
	case 'e':
		fuzz_epoch(text);
		break;
	case 'd':
		fuzz_decimal(text);
		break;
	case 'c':
		fuzz_consent(text);
		break;
	case 'i':
		fuzz_items(text);
		break;
	default:
		break;
	}
	return 0;
}
