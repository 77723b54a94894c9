#include "control/suggest.h"
#include "control/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *yaml_kind_name(enum yaml_kind kind)
{
	static const char *const names[] = {
		[YAML_STRING] = "a string",
		[YAML_INTEGER] = "an integer",
		[YAML_NUMBER] = "a number",
		[YAML_BOOLEAN] = "true or false",
		[YAML_NULL] = "null",
		[YAML_LIST] = "a list",
		[YAML_MAP] = "a map",
	};

	return names[kind];
}

const struct yaml_node *yaml_map_get(const struct yaml_node *map, const char *key)
{
	struct view wanted = view_of_text(key);

	if (map == NULL || map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_node *value = map->first; value != NULL; value = value->next)
		if (view_equal(value->key->text, wanted))
			return value;
	return NULL;
}

bool yaml_int64(const struct yaml_node *node, int64_t *ret_value)
{
	const char *text = (const char *)node->text.bytes;
	long long value;
	int base = 10;

	if (node->kind != YAML_INTEGER)
		return false;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'o')) {
		base = text[1] == 'x' ? 16 : 8;
		text += 2;
	}
	errno = 0;
	value = strtoll(text, NULL, base);
	if (errno != 0)
		return false;
	*ret_value = value;
	return true;
}

bool yaml_bool(const struct yaml_node *node)
{
	return node->kind == YAML_BOOLEAN && (node->text.bytes[0] | 0x20) == 't';
}

/** Add a problem with its place. */
static struct problem *add_problem(
	struct problems *problems,
	const struct yaml_node *node,
	enum sl_status status,
	bool is_warning,
	const char *what
)
{
	struct problem p;

	(void)!problem_set(&p, status, "%s", what);
	problem_at_file(&p, yaml_file(node->document));
	p.line = node->line;
	p.column = node->column;
	p.is_warning = is_warning;
	return problems_add(problems, &p);
}

struct problem *yaml_problem(
	struct problems *problems,
	const struct yaml_node *node,
	enum sl_status status,
	const char *format,
	...
)
{
	char what[PROBLEM_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return add_problem(problems, node, status, false, what);
}

struct problem *yaml_warning(
	struct problems *problems,
	const struct yaml_node *node,
	const char *format,
	...
)
{
	char what[PROBLEM_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return add_problem(problems, node, SL_E_INVALID, true, what);
}

/** `a, b, c`; whole words, and `…` for those that there is no room for. */
static void list_words(const char *const words[], char *ret_text, size_t size)
{
	static const char more[] = ", …";
	size_t used = 0;

	ret_text[0] = '\0';
	for (; *words != NULL; words++) {
		if (used + strlen(*words) + 2 * sizeof(more) > size) {
			memcpy(ret_text + used, more, sizeof(more));
			return;
		}
		used += (size_t
		)snprintf(ret_text + used, size - used, "%s%s", used == 0 ? "" : ", ", *words);
	}
}

bool yaml_check_keys(
	const struct yaml_node *node,
	const char *const allowed[],
	struct problems *problems
)
{
	uint32_t unknown_count = 0;
	char known[PROBLEM_TEXT_MAX - 20];

	for (const struct yaml_node *value = node->first; value != NULL; value = value->next) {
		bool is_known = false;
		struct problem *p;
		const char *near;

		for (const char *const *word = allowed; *word != NULL && !is_known; word++)
			is_known = view_equal(value->key->text, view_of_text(*word));
		if (is_known)
			continue;
		unknown_count++;
		near = suggest_word(value->key->text, allowed);
		p = yaml_problem(
			problems,
			value->key,
			SL_E_SYNTAX,
			"unknown key '%.*s'",
			YAML_ARG(value->key->text)
		);
		if (near != NULL) {
			problem_remedy(p, "did you mean '%s'?", near);
		} else {
			list_words(allowed, known, sizeof(known));
			problem_remedy(p, "use one of: %s", known);
		}
	}
	return unknown_count == 0;
}

bool yaml_expect(
	const struct yaml_node *node,
	enum yaml_kind kind,
	const char *name,
	const char *remedy,
	struct problems *problems
)
{
	struct problem *p;

	if (node->kind == kind || (kind == YAML_NUMBER && node->kind == YAML_INTEGER))
		return true;
	p = yaml_problem(
		problems,
		node,
		SL_E_SYNTAX,
		"%s must be %s, not %s",
		name,
		yaml_kind_name(kind),
		yaml_kind_name(node->kind)
	);
	problem_remedy(p, "%s", remedy);
	return false;
}
