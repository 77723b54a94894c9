#include "control/contract_reader.h"
#include "control/path.h"
#include "control/suggest.h"

#include <stdio.h>

bool contract_read_word(
	const struct yaml_node *node,
	const char *const words[],
	const char *name,
	struct problems *problems,
	uint32_t *ret_index
)
{
	char known[PROBLEM_TEXT_MAX / 2];
	const char *near = NULL;
	struct problem *p;
	size_t size = 0;

	for (uint32_t i = 0; words[i] != NULL; i++) {
		if (yaml_is_text(node, words[i])) {
			*ret_index = i;
			return true;
		}
		size += (size_t
		)snprintf(known + size, sizeof(known) - size, "%s%s", i == 0 ? "" : ", ", words[i]);
	}
	if (yaml_is_scalar(node))
		near = suggest_word(node->text, words);
	p = yaml_problem(
		problems,
		node,
		SL_E_INVALID,
		"%s can not be %s%.*s%s",
		name,
		yaml_is_scalar(node) ? "'" : yaml_kind_name(node->kind),
		YAML_ARG(node->text),
		yaml_is_scalar(node) ? "'" : ""
	);
	if (near != NULL)
		problem_remedy(p, "did you mean '%s'?", near);
	else
		problem_remedy(p, "use one of: %s", known);
	return false;
}

void contract_read_bool(
	const struct yaml_node *node,
	const char *name,
	struct problems *problems,
	bool *ret_value
)
{
	if (yaml_expect(node, YAML_BOOLEAN, name, "write true or false", problems))
		*ret_value = yaml_bool(node);
}

void contract_read_about(
	const struct yaml_node *node,
	struct problems *problems,
	struct view *ret_about
)
{
	if (!yaml_expect(node, YAML_STRING, "about", "write a sentence", problems))
		return;
	if (node->text.size > CONTRACT_ABOUT_MAX)
		problem_remedy(
			yaml_problem(problems, node, SL_E_TOO_BIG, "about is too long"),
			"write at most %d bytes",
			CONTRACT_ABOUT_MAX
		);
	else
		*ret_about = node->text;
}

/** Letters and digits, with `_ - .` between them, 2 to CONTRACT_NAME_MAX. */
static bool is_name(struct view name)
{
	if (name.size < 2 || name.size > CONTRACT_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.bytes[i];
		bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		bool is_inner = i != 0 && i != name.size - 1;

		if (!is_letter && !(c >= '0' && c <= '9')
		    && !(is_inner && (c == '_' || c == '-' || c == '.')))
			return false;
	}
	return true;
}

/** digits.digits.digits */
static bool is_version(struct view version)
{
	uint32_t dots = 0;
	uint32_t digits = 0;

	for (size_t i = 0; i < version.size; i++) {
		uint8_t c = version.bytes[i];

		if (c == '.' && digits != 0) {
			dots++;
			digits = 0;
		} else if (c >= '0' && c <= '9' && digits < 9) {
			digits++;
		} else {
			return false;
		}
	}
	return dots == 2 && digits != 0;
}

bool contract_check_ref(struct view ref, const char **ret_fault)
{
	struct path_steps steps = path_steps_of(ref);
	struct view parts[3];

	*ret_fault = "must be handle/name/version";
	for (int i = 0; i < 3; i++)
		if (!path_next(&steps, &parts[i]))
			return false;
	if (!steps.is_done || ref.size > CONTRACT_REF_MAX)
		return false;
	*ret_fault = "must have a handle and a name of 2 to 100 letters, digits, _ - or .";
	if (!is_name(parts[0]) || !is_name(parts[1]))
		return false;
	*ret_fault = "must have a version of three numbers, such as 1.0.0";
	return is_version(parts[2]);
}
