#include "dataplane/pipeline/check_value.h"

#include "dataplane/pipeline/check_items.h"
#include "dataplane/pipeline/decimal.h"
#include "dataplane/pipeline/match_state.h"
#include "dataplane/pipeline/regex.h"

static bool is_masked(const struct policy_image *image, uint32_t f)
{
	const struct policy_view *views = policy_rows(image, image->views);

	for (uint32_t v = 0; v < image->views.count; v++) {
		const struct policy_mask *masks = policy_rows(image, views[v].masks);

		for (uint32_t m = 0; m < views[v].masks.count; m++)
			if (masks[m].field == f)
				return true;
	}
	return false;
}

/** Steps that a field's type asks for. */
static unsigned type_steps(const struct policy_image *image, const struct policy_field *field)
{
	if (field->type == POLICY_ANY || field->type == POLICY_STRING)
		return CHECK_NOTHING;
	if (image->format == POLICY_CSV)
		return CHECK_TEXT | CHECK_FORM;
	if (field->type == POLICY_INTEGER)
		return CHECK_WHOLE;
	if (field->type == POLICY_ARRAY && field->item_type != POLICY_ANY)
		return CHECK_ITEMS;
	return CHECK_NOTHING;
}

static unsigned constraint_steps(const struct policy_field *field)
{
	unsigned steps = CHECK_NOTHING;

	if (field->one_of.count != 0)
		steps |= CHECK_TEXT | CHECK_ONE_OF;
	if ((field->flags & POLICY_FIELD_HAS_LENGTH) != 0)
		steps |= CHECK_TEXT | CHECK_LENGTH;
	if ((field->flags & (POLICY_FIELD_HAS_MIN | POLICY_FIELD_HAS_MAX)) != 0)
		steps |= CHECK_TEXT | CHECK_RANGE;
	if (field->match.size != 0)
		steps |= CHECK_TEXT | CHECK_MATCH;
	return steps;
}

static bool may_be_null(const struct policy_image *image, uint32_t f)
{
	unsigned flags = policy_fields(image)[f].flags;

	if ((flags & POLICY_FIELD_NULLABLE) != 0 || f == image->key_field || f == image->time_field)
		return true;
	return (f == image->subject_field || f == image->consent_field)
		&& (flags & POLICY_FIELD_REQUIRED) == 0;
}

struct field_check field_check_of(const struct policy_image *image, uint32_t f)
{
	const struct policy_field *field = &policy_fields(image)[f];
	bool is_required = (field->flags & POLICY_FIELD_REQUIRED) != 0;
	bool is_read = (field->flags & POLICY_FIELD_PERSONAL) != 0 || f == image->key_field
		|| f == image->subject_field || f == image->time_field || f == image->consent_field
		|| is_masked(image, f);
	unsigned kinds =
		image->format == POLICY_CSV ? 1U << CELL_STRING : check_kinds_of(field->type);
	unsigned steps = type_steps(image, field) | constraint_steps(field);

	if (may_be_null(image, f))
		kinds |= 1U << CELL_NULL;
	if (is_read)
		steps |= CHECK_TEXT;
	return (struct field_check){
		.steps = (uint16_t)steps,
		.kinds = (uint8_t)kinds,
		.null_reason = is_required ? DROP_REQUIRED : DROP_TYPE,
	};
}

void match_state_init(struct match_state *state, const struct policy_image *image)
{
	for (uint32_t f = 0; f < image->fields.count; f++) {
		// That these two are there is seen by those who read them, with reasons of their own.
		bool is_own = f == image->key_field || f == image->time_field;

		state->check[f] = field_check_of(image, f);
		if ((policy_fields(image)[f].flags & POLICY_FIELD_REQUIRED) == 0 || is_own)
			continue;
		state->check[f].steps |= CHECK_REQUIRED;
		state->required[f / 64] |= UINT64_C(1) << f % 64;
	}
}

bool check_form(enum policy_type type, struct view text)
{
	switch (type) {
	case POLICY_INTEGER:
		return decimal_form_of(text) == DECIMAL_INTEGER;
	case POLICY_NUMBER:
		return decimal_form_of(text) != DECIMAL_NONE;
	case POLICY_BOOLEAN:
		return view_equal(text, view_of_text("true"))
			|| view_equal(text, view_of_text("false"));
	case POLICY_ANY:
	case POLICY_STRING:
		return true;
	case POLICY_ARRAY:
	case POLICY_OBJECT:
		break;
	}
	return false;
}

static bool is_one_of(
	const struct policy_image *image,
	struct policy_table one_of,
	struct view text
)
{
	const struct policy_span *rows = policy_rows(image, one_of);

	for (uint32_t r = 0; r < one_of.count; r++)
		if (view_equal(policy_view_of(image, rows[r]), text))
			return true;
	return false;
}

static size_t code_points(struct view text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.size; i++)
		count += (text.bytes[i] & 0xc0) != 0x80;
	return count;
}

static bool has_length(const struct policy_field *field, struct view text)
{
	size_t length;

	// A code point has one to four bytes: most texts need no counting.
	if (text.size < field->length_min)
		return false;
	if (text.size <= field->length_max && text.size / 4 >= field->length_min)
		return true;
	length = code_points(text);
	return length >= field->length_min && length <= field->length_max;
}

static bool is_in_range(
	const struct policy_image *image,
	const struct policy_field *field,
	struct view text
)
{
	if ((field->flags & POLICY_FIELD_HAS_MIN) != 0
	    && decimal_compare(text, policy_view_of(image, field->range_min)) < 0)
		return false;
	return (field->flags & POLICY_FIELD_HAS_MAX) == 0
		|| decimal_compare(text, policy_view_of(image, field->range_max)) <= 0;
}

enum drop_reason check_value(
	const struct policy *policy,
	const struct cell *cell,
	struct view token,
	struct view text
)
{
	const struct policy_image *image = policy->image;
	const struct policy_field *field = &policy->fields[cell->field];
	unsigned steps = policy->match->check[cell->field].steps;

	if ((steps & CHECK_FORM) != 0 && !check_form(field->type, text))
		return DROP_TYPE;
	if ((steps & CHECK_ITEMS) != 0 && !check_items(token, field->item_type))
		return DROP_TYPE;
	if ((steps & CHECK_ONE_OF) != 0 && !is_one_of(image, field->one_of, text))
		return DROP_ONE_OF;
	if ((steps & CHECK_LENGTH) != 0 && !has_length(field, text))
		return DROP_LENGTH;
	if ((steps & CHECK_RANGE) != 0) {
		// A field of any type may hold what has no place on the number line.
		bool is_number = image->format == POLICY_CSV || cell->kind == CELL_NUMBER;

		if (!is_number || decimal_form_of(text) == DECIMAL_NONE)
			return DROP_TYPE;
		if (!is_in_range(image, field, text))
			return DROP_RANGE;
	}
	if ((steps & CHECK_MATCH) == 0)
		return DROP_NONE;
	switch (regex_search(policy->bound[cell->field].match, policy->match->regex, text)) {
	case REGEX_MATCH:
		return DROP_NONE;
	case REGEX_NO_MATCH:
		return DROP_MATCH;
	case REGEX_LIMIT:
		break;
	}
	return DROP_MATCH_LIMIT;
}
