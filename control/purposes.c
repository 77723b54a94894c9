#include "control/purposes.h"

#include "control/suggest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char name_remedy[] = "name it by 2 to 100 characters, such as analytics";

/** Characters of valid UTF-8. */
static size_t length_of(struct view text)
{
	size_t length = 0;

	for (size_t i = 0; i < text.size; i++)
		length += (text.bytes[i] & 0xc0) != 0x80;
	return length;
}

/** A name of digits only could be taken for a level. */
static bool is_all_digits(struct view text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.bytes[i] < '0' || text.bytes[i] > '9')
			return false;
	return true;
}

static bool read_level(const struct yaml_node *node, struct problems *problems, uint8_t *ret_level)
{
	struct problem *p;
	int64_t level;

	if (yaml_int64(node, &level) && level >= 0 && level <= PURPOSE_MAX) {
		*ret_level = (uint8_t)level;
		return true;
	}
	p = yaml_problem(
		problems,
		node,
		SL_E_INVALID,
		"'%.*s' is no purpose level: an integer from 0 to %d",
		YAML_ARG(node->text),
		PURPOSE_MAX
	);
	problem_remedy(p, "write `purposes: {1: analytics, 2: research}`");
	return false;
}

static bool check_name(
	const struct purposes *purposes,
	const struct yaml_node *node,
	struct problems *problems
)
{
	size_t length = length_of(node->text);
	struct problem *p;
	int taken;

	if (!yaml_expect(node, YAML_STRING, "a purpose's name", name_remedy, problems))
		return false;
	if (length < PURPOSE_NAME_MIN || length > PURPOSE_NAME_MAX || is_all_digits(node->text)) {
		p = yaml_problem(
			problems,
			node,
			SL_E_INVALID,
			"'%.*s' is no purpose's name",
			YAML_ARG(node->text)
		);
		problem_remedy(p, "%s", name_remedy);
		return false;
	}
	taken = purposes_find(purposes, node->text);
	if (taken < 0)
		return true;
	p = yaml_problem(
		problems,
		node,
		SL_E_EXISTS,
		"two purposes are named '%.*s': %d is too",
		YAML_ARG(node->text),
		taken
	);
	problem_remedy(p, "give each purpose a name of its own");
	return false;
}

static void add_purpose(
	struct purposes *purposes,
	const struct yaml_node *level_node,
	const struct yaml_node *name_node,
	const struct yaml_node *about_node,
	struct problems *problems
)
{
	struct problem *p;
	uint8_t level;

	if (!read_level(level_node, problems, &level) || !check_name(purposes, name_node, problems))
		return;
	if (about_node != NULL
	    && !yaml_expect(about_node, YAML_STRING, "about", "write a sentence", problems))
		return;
	if (purposes->level[level].name.size != 0) {
		p = yaml_problem(
			problems,
			level_node,
			SL_E_EXISTS,
			"purpose %d stands twice: it is '%.*s' already",
			level,
			YAML_ARG(purposes->level[level].name)
		);
		problem_remedy(p, "give each purpose a level of its own");
		return;
	}
	purposes->level[level].name = name_node->text;
	if (about_node != NULL)
		purposes->level[level].about = about_node->text;
	purposes->count++;
}

static void read_item(
	struct purposes *purposes,
	const struct yaml_node *item,
	struct problems *problems
)
{
	static const char *const keys[] = {"level", "name", "about", NULL};
	const struct yaml_node *level;
	const struct yaml_node *name;
	struct problem *p;

	if (!yaml_expect(
		    item, YAML_MAP, "a purpose", "write `- {level: 1, name: analytics}`", problems
	    )
	    || !yaml_check_keys(item, keys, problems))
		return;
	level = yaml_map_get(item, "level");
	name = yaml_map_get(item, "name");
	if (level == NULL || name == NULL) {
		p = yaml_problem(
			problems,
			item,
			SL_E_SYNTAX,
			"a purpose has no %s",
			level == NULL ? "level" : "name"
		);
		problem_remedy(p, "write `- {level: 1, name: analytics}`");
		return;
	}
	add_purpose(purposes, level, name, yaml_map_get(item, "about"), problems);
}

static void read_root(
	struct purposes *purposes,
	const struct yaml_node *root,
	struct problems *problems
)
{
	static const char *const keys[] = {"purposes", NULL};
	static const char remedy[] = "write `purposes: {1: analytics, 2: research}`";
	const struct yaml_node *list;

	if (!yaml_expect(root, YAML_MAP, "a purposes file", remedy, problems)
	    || !yaml_check_keys(root, keys, problems))
		return;
	list = yaml_map_get(root, "purposes");
	if (list == NULL || (list->kind != YAML_LIST && list->kind != YAML_MAP)
	    || list->count == 0) {
		problem_remedy(
			yaml_problem(
				problems,
				list == NULL ? root : list,
				SL_E_SYNTAX,
				"no purposes are given"
			),
			"%s",
			remedy
		);
		return;
	}
	for (const struct yaml_node *item = list->first; item != NULL; item = item->next)
		if (list->kind == YAML_LIST)
			read_item(purposes, item, problems);
		else
			add_purpose(purposes, item->key, item, NULL, problems);
}

/** Takes the document over. */
static enum sl_status read_document(
	struct yaml *document,
	struct problems *problems,
	struct purposes **ret_purposes
)
{
	struct purposes *purposes = calloc(1, sizeof(*purposes));
	uint32_t errors = problems->error_count;

	if (purposes == NULL) {
		yaml_unload(document);
		return SL_E_NOMEM;
	}
	purposes->document = document;
	read_root(purposes, yaml_root(document), problems);
	if (problems->error_count != errors) {
		purposes_free(purposes);
		return SL_E_SYNTAX;
	}
	*ret_purposes = purposes;
	return SL_OK;
}

enum sl_status purposes_load_file(
	const char *path,
	struct problems *problems,
	struct purposes **ret_purposes
)
{
	struct yaml *document;

	SL_TRY(yaml_load_file(path, problems, &document));
	return read_document(document, problems, ret_purposes);
}

enum sl_status purposes_load_text(
	struct view text,
	const char *file,
	struct problems *problems,
	struct purposes **ret_purposes
)
{
	struct yaml *document;

	SL_TRY(yaml_load_text(text, file, problems, &document));
	return read_document(document, problems, ret_purposes);
}

enum sl_status purposes_load_beside(
	const char *path,
	struct problems *problems,
	struct purposes **ret_purposes
)
{
	static const char name[] = "purposes.yaml";
	const char *slash = strrchr(path, '/');
	size_t folder_size = slash == NULL ? 0 : (size_t)(slash - path) + 1;
	char *beside = malloc(folder_size + sizeof(name));
	enum sl_status status = SL_OK;

	if (beside == NULL)
		return SL_E_NOMEM;
	memcpy(beside, path, folder_size);
	memcpy(beside + folder_size, name, sizeof(name));
	*ret_purposes = NULL;
	if (access(beside, F_OK) == 0)
		status = purposes_load_file(beside, problems, ret_purposes);
	free(beside);
	return status;
}

void purposes_free(struct purposes *purposes)
{
	if (purposes == NULL)
		return;
	yaml_unload(purposes->document);
	free(purposes);
}

int purposes_find(const struct purposes *purposes, struct view name)
{
	if (purposes == NULL || name.size == 0)
		return -1;
	for (int level = 0; level <= PURPOSE_MAX; level++)
		if (view_equal(purposes->level[level].name, name))
			return level;
	return -1;
}

const char *purposes_label(
	const struct purposes *purposes,
	uint8_t level,
	char *ret_text,
	size_t size
)
{
	if (purposes != NULL && level <= PURPOSE_MAX && purposes->level[level].name.size != 0)
		snprintf(ret_text, size, "%.*s (%u)", YAML_ARG(purposes->level[level].name), level);
	else
		snprintf(ret_text, size, "purpose %u", level);
	return ret_text;
}

/** "did you mean", or the names that there are. */
static void advise_name(const struct purposes *purposes, struct view name, struct problem *p)
{
	const char *words[PURPOSE_MAX + 2];
	size_t count = 0;
	const char *near;
	size_t used;

	if (purposes == NULL) {
		problem_remedy(
			p, "put a purposes.yaml beside the file, or name the purpose by its number"
		);
		return;
	}
	for (int level = 0; level <= PURPOSE_MAX; level++)
		if (purposes->level[level].name.size != 0)
			words[count++] = (const char *)purposes->level[level].name.bytes;
	words[count] = NULL;
	near = suggest_word(name, words);
	if (near != NULL) {
		problem_remedy(p, "did you mean '%s'?", near);
		return;
	}
	problem_remedy(p, "use one of: %s", count == 0 ? "" : words[0]);
	used = strlen(p->remedy);
	for (size_t i = 1; i < count && used < sizeof(p->remedy) - 1; i++)
		used += (size_t
		)snprintf(p->remedy + used, sizeof(p->remedy) - used, ", %s", words[i]);
}

bool purposes_read(
	const struct purposes *purposes,
	const struct yaml_node *node,
	struct problems *problems,
	uint8_t *ret_level
)
{
	uint8_t level = 0;
	int found;

	if (node->kind == YAML_INTEGER) {
		if (!read_level(node, problems, &level))
			return false;
		if (purposes == NULL || purposes->level[level].name.size != 0) {
			*ret_level = level;
			return true;
		}
	} else if (!yaml_expect(
			   node,
			   YAML_STRING,
			   "a purpose",
			   "name a purpose of the purposes file, or its level",
			   problems
		   )) {
		return false;
	}
	found = purposes_find(purposes, node->text);
	if (found < 0) {
		advise_name(
			purposes,
			node->text,
			yaml_problem(
				problems,
				node,
				SL_E_NOT_FOUND,
				"there is no purpose '%.*s'",
				YAML_ARG(node->text)
			)
		);
		return false;
	}
	*ret_level = (uint8_t)found;
	return true;
}

bool purposes_read_set(
	const struct purposes *purposes,
	const struct yaml_node *node,
	struct problems *problems,
	uint64_t *ret_set
)
{
	bool is_good = true;
	uint64_t set = 0;
	uint8_t level;

	if (node->kind != YAML_LIST) {
		is_good = purposes_read(purposes, node, problems, &level);
		if (is_good)
			*ret_set = (uint64_t)1 << level;
		return is_good;
	}
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next) {
		if (purposes_read(purposes, item, problems, &level))
			set |= (uint64_t)1 << level;
		else
			is_good = false;
	}
	if (is_good)
		*ret_set = set;
	return is_good;
}
