#include "control/path.h"

bool path_next(struct path_steps *steps, struct view *ret_step)
{
	const uint8_t *slash;
	size_t size = steps->left.size;

	if (steps->is_done)
		return false;
	slash = size == 0 ? NULL : memchr(steps->left.bytes, '/', size);
	if (slash == NULL) {
		steps->is_done = true;
		*ret_step = steps->left;
		return true;
	}
	size = (size_t)(slash - steps->left.bytes);
	*ret_step = view_of(steps->left.bytes, size);
	steps->left = view_of(slash + 1, steps->left.size - size - 1);
	return true;
}

size_t path_unescape(struct view step, uint8_t *ret_name)
{
	size_t size = 0;

	for (size_t i = 0; i < step.size; i++) {
		uint8_t c = step.bytes[i];

		if (c == '~' && i + 1 < step.size)
			c = step.bytes[++i] == '0' ? '~' : '/';
		ret_name[size++] = c;
	}
	return size;
}

size_t path_escape(struct view name, uint8_t *ret_step)
{
	size_t size = 0;

	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.bytes[i];

		if (c == '~' || c == '/') {
			ret_step[size++] = '~';
			c = c == '~' ? '0' : '1';
		}
		ret_step[size++] = c;
	}
	return size;
}

const char *path_fault(struct view path)
{
	struct path_steps steps = path_steps_of(path);
	struct view step;

	while (path_next(&steps, &step)) {
		if (step.size == 0)
			return "has an empty step";
		for (size_t i = 0; i < step.size; i++)
			if (step.bytes[i] == '~'
			    && (i + 1 == step.size
				|| (step.bytes[i + 1] != '0' && step.bytes[i + 1] != '1')))
				return "has a ~ that is neither ~0 (for ~) nor ~1 (for /)";
	}
	return NULL;
}

enum path_relation path_relation(struct view a, struct view b)
{
	struct path_steps a_steps = path_steps_of(a);
	struct path_steps b_steps = path_steps_of(b);
	struct view a_step;
	struct view b_step;

	for (;;) {
		bool has_a = path_next(&a_steps, &a_step);
		bool has_b = path_next(&b_steps, &b_step);

		if (!has_a && !has_b)
			return PATH_EQUAL;
		if (!has_a)
			return PATH_ABOVE;
		if (!has_b)
			return PATH_BELOW;
		if (view_equal(a_step, b_step))
			continue;
		if (path_is_each(a_step) || path_is_each(b_step))
			return PATH_BESIDE_EACH;
		return PATH_APART;
	}
}
