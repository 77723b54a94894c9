#include "control/api/image_checksum.h"
#include "control/api/policy.h"
#include "control/api/policy_check.h"
#include "crypto/mask.h"

#include <stdarg.h>
#include <string.h>

bool policy_fault(struct policy_check *c, const char *format, ...)
{
	char what[PROBLEM_TEXT_MAX / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	(void)!problem_set(c->problem, SL_E_CORRUPT, "policy image: %s", what);
	return false;
}

uint64_t policy_image_checksum(const void *bytes, size_t size)
{
	return size < sizeof(struct policy_image)
		? 0
		: image_checksum(bytes, size, offsetof(struct policy_image, checksum));
}

/** Length of the UTF-8 sequence at the start (RFC 3629); 0 = none. */
static size_t sequence_size(const uint8_t *b, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = b[0] < 0x80 ? 1 : b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
	uint32_t c = size == 1 ? b[0] : b[0] & (0xffu >> (size + 1));

	if ((b[0] >= 0x80 && b[0] < 0xc2) || b[0] > 0xf4 || size > left)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (b[i] & 0x3f);
	}
	if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return size;
}

static bool is_utf8(struct view text)
{
	size_t size;

	for (size_t i = 0; i < text.size; i += size) {
		size = sequence_size(text.bytes + i, text.size - i);
		if (size == 0)
			return false;
	}
	return true;
}

static bool check_span(struct policy_check *c, struct policy_span s, size_t max, const char *name)
{
	if (s.size > max || (uint64_t)s.offset + s.size > c->image->size
	    || (s.size != 0 && s.offset < sizeof(struct policy_image)))
		return policy_fault(c, "%s lies out of its place", name);
	return true;
}

bool policy_check_text(
	struct policy_check *c,
	struct policy_span span,
	size_t size_max,
	const char *name
)
{
	if (!check_span(c, span, size_max, name))
		return false;
	if (!is_utf8(policy_view_of(c->image, span)))
		return policy_fault(c, "%s is not valid UTF-8", name);
	return true;
}

static bool check_table(
	struct policy_check *c,
	struct policy_table t,
	size_t row_size,
	uint32_t count_max,
	const char *name
)
{
	if (t.count > count_max)
		return policy_fault(c, "%s are too many", name);
	if (t.offset % 8 != 0 || t.offset + (uint64_t)t.count * row_size > c->image->size
	    || (t.count != 0 && t.offset < sizeof(struct policy_image)))
		return policy_fault(c, "%s lie out of their place", name);
	return true;
}

static bool check_places(struct policy_check *c)
{
	const struct policy_image *p = c->image;

	return check_table(c, p->fields, sizeof(struct policy_field), CONTRACT_FIELDS_MAX, "fields")
		&& check_table(c, p->nodes, sizeof(struct policy_node), CONTRACT_NODES_MAX, "nodes")
		&& check_table(c, p->purposes, 1, CONTRACT_PURPOSES_MAX, "purposes")
		&& check_table(
			c,
			p->time_items,
			sizeof(struct policy_time_item),
			POLICY_TIME_ITEMS_MAX,
			"time items"
		)
		&& check_table(
			c,
			p->zone,
			sizeof(struct policy_zone_step),
			POLICY_ZONE_STEPS_MAX,
			"zone steps"
		)
		&& check_table(
			c,
			p->consent_rules,
			sizeof(struct policy_consent_rule),
			POLICY_CONSENT_RULES_MAX,
			"consent rules"
		)
		&& check_table(c, p->views, sizeof(struct policy_view), VIEWS_MAX, "views");
}

/** A field whose value is looked at for itself: declared, and one only. */
static bool check_named_field(struct policy_check *c, uint16_t row, bool may_miss, const char *name)
{
	if (row == POLICY_NONE && may_miss)
		return true;
	if (row >= c->image->fields.count
	    || (policy_fields(c->image)[row].flags & POLICY_FIELD_REPEATED) != 0)
		return policy_fault(c, "the %s field is not there or can be many", name);
	return true;
}

static bool check_header(struct policy_check *c)
{
	const struct policy_image *p = c->image;
	bool is_seal = p->undeclared == POLICY_UNDECLARED_SEAL;

	if (!policy_check_text(c, p->ref, CONTRACT_REF_MAX, "the contract's name")
	    || !policy_check_text(c, p->zone_name, POLICY_NAME_MAX, "the zone's name"))
		return false;
	if (p->ref.size == 0 || p->format > POLICY_CSV || p->undeclared > POLICY_UNDECLARED_SEAL
	    || p->duplicates > POLICY_DUPLICATES_SEAL || p->time_form > POLICY_TIME_PATTERN
	    || p->reserved0 != 0 || p->reserved1 != 0)
		return policy_fault(c, "the header has a value that is not known");
	if (p->csv_separator == '"' || p->csv_separator == '\r' || p->csv_separator == '\n'
	    || p->csv_separator >= 0x7f || (p->csv_separator == 0 && p->format == POLICY_CSV))
		return policy_fault(c, "the CSV separator can not separate");
	if (is_seal ? p->undeclared_purpose_index >= p->purposes.count
			    || ((const uint8_t *)policy_rows(p, p->purposes)
			       )[p->undeclared_purpose_index]
				    != p->undeclared_purpose
		    : p->undeclared_purpose != 0 || p->undeclared_purpose_index != 0)
		return policy_fault(c, "the undeclared purpose is not one of the purposes");
	if ((p->time_form == POLICY_TIME_NONE) != (p->time_field == POLICY_NONE))
		return policy_fault(
			c, "time has a form without a field, or a field without a form"
		);
	return check_named_field(c, p->key_field, false, "key")
		&& check_named_field(c, p->subject_field, true, "subject")
		&& check_named_field(c, p->time_field, true, "time")
		&& check_named_field(c, p->consent_field, true, "consent");
}

static bool check_purposes(struct policy_check *c)
{
	const uint8_t *levels = policy_rows(c->image, c->image->purposes);

	for (uint32_t i = 0; i < c->image->purposes.count; i++)
		if (levels[i] > PURPOSE_MAX || (i != 0 && levels[i] <= levels[i - 1]))
			return policy_fault(c, "the purposes are not ascending levels");
	return true;
}

static size_t count_digits(struct view text, size_t from)
{
	size_t i = from;

	while (i < text.size && text.bytes[i] >= '0' && text.bytes[i] <= '9')
		i++;
	return i - from;
}

/** [-]digits[.digits], no zeros in front or behind, 0 without a sign. */
static bool is_canonical(struct view text)
{
	size_t at = text.size != 0 && text.bytes[0] == '-';
	size_t digits = count_digits(text, at);

	if (digits == 0 || (digits > 1 && text.bytes[at] == '0'))
		return false;
	if (at + digits == text.size)
		return at == 0 || text.bytes[at] != '0';
	at += digits;
	if (text.bytes[at] != '.')
		return false;
	digits = count_digits(text, at + 1);
	return digits != 0 && at + 1 + digits == text.size && text.bytes[text.size - 1] != '0';
}

static bool check_bound(
	struct policy_check *c,
	const struct policy_field *f,
	bool is_max,
	uint32_t row
)
{
	struct policy_span span = is_max ? f->range_max : f->range_min;
	uint32_t flag = is_max ? POLICY_FIELD_HAS_MAX : POLICY_FIELD_HAS_MIN;

	if (!policy_check_text(c, span, POLICY_DECIMAL_MAX, "a range's end"))
		return false;
	if ((f->flags & flag) == 0)
		return span.size == 0 || policy_fault(c, "field %u has a range unmarked", row);
	if (f->type != POLICY_INTEGER && f->type != POLICY_NUMBER)
		return policy_fault(c, "field %u has a range and is no number", row);
	if (!is_canonical(policy_view_of(c->image, span)))
		return policy_fault(c, "field %u has a range's end that is no decimal", row);
	return true;
}

static bool check_one_of(struct policy_check *c, const struct policy_field *f, uint32_t row)
{
	const struct policy_span *values;

	if (!check_table(c, f->one_of, sizeof(struct policy_span), POLICY_ONE_OF_MAX, "values"))
		return false;
	if (f->one_of.count != 0
	    && (f->type == POLICY_ANY || f->type == POLICY_ARRAY || f->type == POLICY_OBJECT))
		return policy_fault(c, "field %u has values that it can not have", row);
	values = policy_rows(c->image, f->one_of);
	for (uint32_t i = 0; i < f->one_of.count; i++)
		if (!policy_check_text(c, values[i], EVENT_SIZE_MAX, "a value"))
			return false;
	return true;
}

static bool check_personal(struct policy_check *c, const struct policy_field *f, uint32_t row)
{
	const uint8_t *purposes = policy_rows(c->image, c->image->purposes);
	bool has_value = f->unreadable == POLICY_UNREADABLE_VALUE;

	if (!policy_check_text(c, f->unreadable_value, POLICY_VALUE_MAX, "an unreadable value"))
		return false;
	if ((f->flags & POLICY_FIELD_PERSONAL) == 0)
		return (f->purpose == 0 && f->purpose_index == 0 && f->iv == 0 && f->unreadable == 0
			&& f->unreadable_value.size == 0)
			|| policy_fault(c, "field %u is not personal, but is to be sealed", row);
	if (f->purpose_index >= c->image->purposes.count
	    || purposes[f->purpose_index] != f->purpose)
		return policy_fault(c, "field %u has a purpose that is not there", row);
	if (f->iv > POLICY_IV_RANDOM || f->unreadable > POLICY_UNREADABLE_FAIL)
		return policy_fault(c, "field %u has a value that is not known", row);
	if (has_value ? c->image->format == POLICY_JSON && f->unreadable_value.size == 0
		      : f->unreadable_value.size != 0)
		return policy_fault(c, "field %u has an unreadable value out of turn", row);
	return true;
}

static bool check_field(struct policy_check *c, uint32_t row)
{
	const struct policy_field *f = &policy_fields(c->image)[row];
	bool has_length = (f->flags & POLICY_FIELD_HAS_LENGTH) != 0;

	if (f->flags >= POLICY_FIELD_HAS_LENGTH << 1 || f->type > POLICY_OBJECT
	    || f->item_type > POLICY_OBJECT)
		return policy_fault(c, "field %u has a value that is not known", row);
	if ((f->item_type != POLICY_ANY && f->type != POLICY_ARRAY)
	    || (c->image->format == POLICY_CSV
		&& (f->type == POLICY_ARRAY || f->type == POLICY_OBJECT)))
		return policy_fault(c, "field %u has a type that it can not have", row);
	if (!policy_check_text(c, f->path, POLICY_PATH_MAX, "a path")
	    || !policy_check_text(c, f->match, POLICY_MATCH_MAX, "a regular expression"))
		return false;
	if (f->path.size == 0 || (f->match.size != 0 && f->type != POLICY_STRING))
		return policy_fault(c, "field %u has no path, or matches no string", row);
	if (has_length ? f->type != POLICY_STRING || f->length_min > f->length_max
		       : f->length_min != 0 || f->length_max != 0)
		return policy_fault(c, "field %u has lengths that it can not have", row);
	return check_bound(c, f, false, row) && check_bound(c, f, true, row)
		&& check_one_of(c, f, row) && check_personal(c, f, row);
}

static bool check_time(struct policy_check *c)
{
	const struct policy_image *p = c->image;
	const struct policy_time_item *items = policy_rows(p, p->time_items);
	const struct policy_zone_step *steps = policy_rows(p, p->zone);

	if ((p->time_form == POLICY_TIME_PATTERN) != (p->time_items.count != 0))
		return policy_fault(c, "time items are there out of turn");
	for (uint32_t i = 0; i < p->time_items.count; i++) {
		const struct policy_time_item *item = &items[i];

		if (!policy_check_text(c, item->text, POLICY_TIME_ITEMS_MAX, "a literal"))
			return false;
		if (item->kind > POLICY_TIME_ZONE || item->digits_min == 0
		    || item->digits_max < item->digits_min || item->digits_max > 9
		    || (item->kind == POLICY_TIME_LITERAL) != (item->text.size != 0))
			return policy_fault(c, "time item %u has a value that is not known", i);
	}
	for (uint32_t i = 0; i < p->zone.count; i++)
		if ((i == 0 ? steps[i].at_s != INT64_MIN : steps[i].at_s <= steps[i - 1].at_s)
		    || steps[i].offset_s > POLICY_ZONE_OFFSET_MAX
		    || steps[i].offset_s < -POLICY_ZONE_OFFSET_MAX || steps[i].reserved != 0)
			return policy_fault(c, "zone step %u does not follow", i);
	return true;
}

static bool check_consent(struct policy_check *c)
{
	const struct policy_consent_rule *rules = policy_rows(c->image, c->image->consent_rules);

	if (c->image->consent_field == POLICY_NONE && c->image->consent_rules.count != 0)
		return policy_fault(c, "consent rules are there without a consent field");
	for (uint32_t i = 0; i < c->image->consent_rules.count; i++)
		if (!policy_check_text(c, rules[i].text, EVENT_SIZE_MAX, "a consent's text"))
			return false;
	return true;
}

static bool check_mask(struct policy_check *c, const struct policy_mask *mask)
{
	if (mask->kind > POLICY_MASK_MURMUR3 || mask->field >= c->image->fields.count
	    || policy_fields(c->image)[mask->field].type != POLICY_STRING)
		return policy_fault(c, "a mask is for no string field or of no known kind");
	if (mask->kind == POLICY_MASK_HMAC && mask->seed.size != MASK_KEY_SIZE)
		return policy_fault(c, "a mask's key has another size");
	return check_span(c, mask->seed, MASK_SEED_MAX, "a mask's seed");
}

static bool check_view(struct policy_check *c, const struct policy_view *view, uint32_t row)
{
	const struct policy_mask *masks;
	uint64_t up_to = view->level >= PURPOSE_MAX ? UINT64_MAX : ((uint64_t)2 << view->level) - 1;

	if (!policy_check_text(c, view->name, POLICY_NAME_MAX, "a view's name")
	    || !check_table(
		    c, view->masks, sizeof(struct policy_mask), CONTRACT_FIELDS_MAX, "masks"
	    ))
		return false;
	if (view->kind > POLICY_CUMULATIVE || view->level > PURPOSE_MAX
	    || (view->kind == POLICY_GRANULAR ? view->level != 0 || view->opened != view->required
					      : view->required != 0 || view->opened != up_to))
		return policy_fault(c, "view %u opens other fields than its consent allows", row);
	masks = policy_rows(c->image, view->masks);
	for (uint32_t i = 0; i < view->masks.count; i++) {
		if (!check_mask(c, &masks[i]))
			return false;
		if (i != 0 && masks[i].field <= masks[i - 1].field)
			return policy_fault(c, "view %u has masks that do not ascend", row);
	}
	return true;
}

static bool check_tables(struct policy_check *c)
{
	const struct policy_view *views = policy_rows(c->image, c->image->views);

	if (!check_places(c) || !check_purposes(c))
		return false;
	for (uint32_t row = 0; row < c->image->fields.count; row++)
		if (!check_field(c, row))
			return false;
	if (!check_header(c) || !policy_check_tree(c) || !check_time(c) || !check_consent(c))
		return false;
	for (uint32_t row = 0; row < c->image->views.count; row++)
		if (!check_view(c, &views[row], row))
			return false;
	return true;
}

enum sl_status policy_image_check(const void *bytes, size_t size, struct problem *ret_problem)
{
	const struct policy_image *image = bytes;
	struct policy_check c = {.image = image, .problem = ret_problem};
	const char *fault = NULL;

	if (size < sizeof(*image) || size > POLICY_IMAGE_MAX || (uintptr_t)bytes % 8 != 0)
		fault = "no image has this size or place";
	else if (image->magic != POLICY_MAGIC || image->version != POLICY_VERSION)
		fault = "it is none, or one of another version";
	else if (image->size != size)
		fault = "its size is not what it says";
	else if (image->checksum != policy_image_checksum(bytes, size))
		fault = "its checksum is wrong";
	if (fault != NULL) {
		(void)policy_fault(&c, "%s", fault);
		return SL_E_CORRUPT;
	}
	return check_tables(&c) ? SL_OK : SL_E_CORRUPT;
}
