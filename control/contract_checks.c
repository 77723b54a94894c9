#define PCRE2_CODE_UNIT_WIDTH 8
#include "control/contract_reader.h"
#include "control/number.h"

#include <pcre2.h>
#include <string.h>

static void read_match(
	struct contract_reader *r,
	const struct yaml_node *node,
	struct contract_field *f
)
{
	uint8_t reason[120] = "";
	PCRE2_SIZE offset;
	pcre2_code *code;
	int error;

	if (!yaml_expect(
		    node,
		    YAML_STRING,
		    "match",
		    "write a regular expression in quotes, such as \"^[a-z]+$\"",
		    r->problems
	    ))
		return;
	if (node->text.size == 0 || node->text.size > POLICY_MATCH_MAX) {
		problem_remedy(
			contract_refuse_field(
				r, node, f, "has an empty or too long regular expression"
			),
			"write 1 to %d bytes, or remove match",
			POLICY_MATCH_MAX
		);
		return;
	}
	code = pcre2_compile(
		node->text.bytes,
		node->text.size,
		PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C,
		&error,
		&offset,
		NULL
	);
	if (code == NULL) {
		(void)pcre2_get_error_message(error, reason, sizeof(reason));
		problem_remedy(
			yaml_problem(
				r->problems,
				node,
				SL_E_SYNTAX,
				"field '%.*s' has a broken regular expression, byte %zu: %s",
				YAML_ARG(f->path),
				offset + 1,
				(const char *)reason
			),
			"write a regular expression of PCRE2 (as in Perl)"
		);
		return;
	}
	pcre2_code_free(code);
	f->match = node->text;
}

/** A number of the file as a canonical decimal. */
static bool read_decimal(
	struct contract_reader *r,
	const struct yaml_node *node,
	const struct contract_field *f,
	struct view *ret_text
)
{
	uint8_t canonical[NUMBER_SIZE_MAX];
	size_t size = 0;
	int64_t value;
	char text[24];

	if (node->kind == YAML_INTEGER || node->kind == YAML_NUMBER)
		size = number_canonical(node->text, canonical);
	if (size == 0 && yaml_int64(node, &value)) {
		snprintf(text, sizeof(text), "%lld", (long long)value);
		size = number_canonical(view_of_text(text), canonical);
	}
	if (size == 0 || (f->type == POLICY_INTEGER && memchr(canonical, '.', size) != NULL)) {
		problem_remedy(
			contract_refuse_field(
				r, node, f, "has a bound or value that is no such number"
			),
			"write %s in decimal, without exponent, at most %d digits",
			f->type == POLICY_INTEGER ? "an integer" : "a number",
			NUMBER_SIZE_MAX - 3
		);
		return false;
	}
	*ret_text = arena_copy(&r->contract->arena, view_of(canonical, size));
	return true;
}

/** Both ends of `[min, max]` or `{min: …, max: …}`; null and what is absent are open. */
static bool read_ends(
	struct contract_reader *r,
	const struct yaml_node *node,
	const struct contract_field *f,
	const struct yaml_node *ret_ends[static 2]
)
{
	static const char *const keys[] = {"min", "max", NULL};

	ret_ends[0] = ret_ends[1] = NULL;
	if (node->kind == YAML_LIST && node->count == 2) {
		ret_ends[0] = node->first;
		ret_ends[1] = node->first->next;
	} else if (node->kind == YAML_MAP) {
		if (!yaml_check_keys(node, keys, r->problems))
			return false;
		ret_ends[0] = yaml_map_get(node, "min");
		ret_ends[1] = yaml_map_get(node, "max");
	}
	for (int i = 0; i < 2; i++)
		if (ret_ends[i] != NULL && ret_ends[i]->kind == YAML_NULL)
			ret_ends[i] = NULL;
	if (ret_ends[0] != NULL || ret_ends[1] != NULL)
		return true;
	problem_remedy(
		contract_refuse_field(r, node, f, "has a range or length without ends"),
		"write [min, max], with null for an open end"
	);
	return false;
}

static void read_range(
	struct contract_reader *r,
	const struct yaml_node *node,
	struct contract_field *f
)
{
	const struct yaml_node *ends[2];

	if (!read_ends(r, node, f, ends))
		return;
	if (ends[0] != NULL && !read_decimal(r, ends[0], f, &f->range_min))
		return;
	if (ends[1] != NULL && !read_decimal(r, ends[1], f, &f->range_max))
		return;
	if (f->range_min.size != 0 && f->range_max.size != 0
	    && number_compare(f->range_min, f->range_max) > 0)
		problem_remedy(
			contract_refuse_field(
				r, node, f, "has a range whose minimum is above its maximum"
			),
			"write [min, max]"
		);
}

static bool read_length_end(
	struct contract_reader *r,
	const struct yaml_node *node,
	const struct contract_field *f,
	uint32_t *ret_length
)
{
	int64_t value;

	if (node == NULL)
		return true;
	if (yaml_int64(node, &value) && value >= 0 && value <= EVENT_SIZE_MAX) {
		*ret_length = (uint32_t)value;
		return true;
	}
	problem_remedy(
		contract_refuse_field(r, node, f, "has a length that is no number of characters"),
		"write an integer from 0 to %d",
		EVENT_SIZE_MAX
	);
	return false;
}

static void read_length(
	struct contract_reader *r,
	const struct yaml_node *node,
	struct contract_field *f
)
{
	const struct yaml_node *ends[2];

	f->length_max = UINT32_MAX;
	if (!read_ends(r, node, f, ends) || !read_length_end(r, ends[0], f, &f->length_min)
	    || !read_length_end(r, ends[1], f, &f->length_max))
		return;
	f->has_length = true;
	if (f->length_min > f->length_max)
		problem_remedy(
			contract_refuse_field(
				r, node, f, "has a length whose minimum is above its maximum"
			),
			"write [min, max]"
		);
}

static void read_one_of(
	struct contract_reader *r,
	const struct yaml_node *node,
	struct contract_field *f
)
{
	uint32_t count = 0;

	if (node->kind != YAML_LIST || node->count == 0 || node->count > POLICY_ONE_OF_MAX) {
		problem_remedy(
			contract_refuse_field(r, node, f, "has a one_of that is no list of values"),
			"write 1 to %d values, such as [red, green]",
			POLICY_ONE_OF_MAX
		);
		return;
	}
	f->one_of = arena_take(&r->contract->arena, node->count * sizeof(*f->one_of));
	if (f->one_of == NULL) {
		(void)contract_refuse_field(r, node, f, "is too much for the memory");
		return;
	}
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next) {
		struct view *value = &f->one_of[count++];

		if (!contract_fits_type(item, f->type)) {
			problem_remedy(
				contract_refuse_field(
					r, item, f, "has a one_of value of another type"
				),
				"write a value of type %s (put quotes around a text)",
				contract_type_name(f->type)
			);
			return;
		}
		*value = item->text;
		if (f->type == POLICY_BOOLEAN)
			*value = view_of_text(yaml_bool(item) ? "true" : "false");
		else if (f->type != POLICY_STRING && !read_decimal(r, item, f, value))
			return;
	}
	f->one_of_count = count;
}

void contract_read_checks(
	struct contract_reader *r,
	const struct yaml_node *map,
	struct contract_field *f
)
{
	const struct yaml_node *node;

	if ((node = yaml_map_get(map, "match")) != NULL)
		read_match(r, node, f);
	if ((node = yaml_map_get(map, "range")) != NULL)
		read_range(r, node, f);
	if ((node = yaml_map_get(map, "length")) != NULL)
		read_length(r, node, f);
	if ((node = yaml_map_get(map, "one_of")) != NULL)
		read_one_of(r, node, f);
}
