#include "dataplane/pipeline/consent_parse.h"

#include <stdbool.h>

static void skip_spaces(struct view *text)
{
	while (text->size != 0
	       && (text->bytes[0] == ' ' || text->bytes[0] == '\t' || text->bytes[0] == '\n'
		   || text->bytes[0] == '\r')) {
		text->bytes++;
		text->size--;
	}
}

static bool take_byte(struct view *text, uint8_t byte)
{
	if (text->size == 0 || text->bytes[0] != byte)
		return false;
	text->bytes++;
	text->size--;
	return true;
}

/** Take one level and the spaces around it, and add it to the set. */
static bool take_level(struct view *text, uint64_t *purposes)
{
	uint32_t level = 0;
	size_t digits = 0;

	skip_spaces(text);
	while (text->size != 0 && (uint8_t)(text->bytes[0] - '0') <= 9) {
		level = level * 10 + (text->bytes[0] - '0');
		if (level > PURPOSE_MAX)
			return false;
		text->bytes++;
		text->size--;
		digits++;
	}
	skip_spaces(text);
	if (digits == 0)
		return false;
	*purposes |= UINT64_C(1) << level;
	return true;
}

/** What stands between `[` and the end of the text. */
static bool take_list(struct view *text, uint64_t *purposes)
{
	skip_spaces(text);
	if (!take_byte(text, ']')) {
		do {
			if (!take_level(text, purposes))
				return false;
		} while (take_byte(text, ','));
		if (!take_byte(text, ']'))
			return false;
	}
	skip_spaces(text);
	return true;
}

uint64_t consent_parse(const struct policy_image *image, struct view text)
{
	const struct policy_consent_rule *rules = policy_rows(image, image->consent_rules);
	uint64_t purposes = 0;
	bool is_read;

	for (uint32_t r = 0; r < image->consent_rules.count; r++)
		if (view_equal(policy_view_of(image, rules[r].text), text))
			return rules[r].purposes;
	skip_spaces(&text);
	is_read =
		take_byte(&text, '[') ? take_list(&text, &purposes) : take_level(&text, &purposes);
	return is_read && text.size == 0 ? purposes : image->consent_otherwise;
}
