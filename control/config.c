#include "control/config.h"

#include "control/columns.h"
#include "control/quantity.h"
#include "control/yaml.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum form {
	PATH,
	TEXT,
	NUMBER,
	WORD,
	ADDRESSES,
	CORES,
	CORE
};

enum {
	CORE_LIST_MAX = 1023 // highest number of a core
};

static const struct row {
	const char *key;
	enum form form;
	size_t place; // in struct config
	uint64_t least;
	uint64_t most;
	const char *
		otherwise; // the default; WORD: all words, divided by |, and least is the number of the default
	const char *unit;
	const char *help;
} rows[] = {

#define CONFIG(key, form, member, least, most, otherwise, unit, help)                              \
	{#key, form, offsetof(struct config, member), least, most, otherwise, unit, help},
#include "control/config.def"
#undef CONFIG
};

enum {
	ROW_COUNT = sizeof(rows) / sizeof(rows[0])
};

/** What is being read. */
struct reader {
	struct config *config;
	struct problems *problems;
	const char *directory; // of the file
};

static void *place_of(struct config *config, const struct row *row)
{
	return (char *)config + row->place;
}

static bool refuse_text(struct reader *r, const struct yaml_node *node, const struct row *row)
{
	problem_remedy(
		yaml_problem(
			r->problems,
			node,
			SL_E_INVALID,
			"%s is a text of %" PRIu64 " to %" PRIu64
			" bytes without control characters",
			row->key,
			row->least,
			row->most
		),
		"%s",
		row->help
	);
	return false;
}

static bool read_text(struct reader *r, const struct yaml_node *node, const struct row *row)
{
	const bool is_here = row->form == PATH && yaml_is_text(node, ".");
	const bool is_relative =
		row->form == PATH && node->text.size != 0 && node->text.bytes[0] != '/';
	char text[SETTINGS_PATH_MAX * 2];
	size_t size;

	if (!yaml_is_scalar(node) || node->text.size >= SETTINGS_PATH_MAX)
		return refuse_text(r, node, row);
	for (size_t i = 0; i < node->text.size; i++)
		if (node->text.bytes[i] < 0x20 || node->text.bytes[i] == 0x7f)
			return refuse_text(r, node, row);
	size = (size_t)snprintf(
		text,
		sizeof(text),
		"%s%s%.*s",
		is_relative ? r->directory : "",
		is_relative && !is_here ? "/" : "",
		is_here ? 0 : (int)node->text.size,
		node->kind == YAML_NULL ? "" : (const char *)node->text.bytes
	);
	if (size < row->least || size > row->most)
		return refuse_text(r, node, row);
	memcpy(place_of(r->config, row), text, size + 1);
	return true;
}

static bool read_number(struct reader *r, const struct yaml_node *node, const struct row *row)
{
	const struct quantity_range range = {row->key, row->least, row->most};
	uint64_t value;

	if (!quantity_read_number(node, range, r->problems, &value))
		return false;
	*(uint32_t *)place_of(r->config, row) = (uint32_t)value;
	return true;
}

/** The number of a word in `a|b|c`. */
static bool find_word(const char *words, struct view word, uint32_t *ret_number)
{
	for (uint32_t n = 0;; n++) {
		size_t size = strcspn(words, "|");

		if (word.size != 0 && view_equal(word, view_of(words, size))) {
			*ret_number = n;
			return true;
		}
		if (words[size] == '\0')
			return false;
		words += size + 1;
	}
}

static struct view word_at(const char *words, uint32_t number)
{
	size_t size;

	for (; number != 0; number--)
		words += strcspn(words, "|") + 1;
	size = strcspn(words, "|");
	return view_of(words, size);
}

static bool read_word(struct reader *r, const struct yaml_node *node, const struct row *row)
{
	if (yaml_is_scalar(node) && find_word(row->otherwise, node->text, place_of(r->config, row)))
		return true;
	problem_remedy(
		yaml_problem(
			r->problems, node, SL_E_INVALID, "%s is not one of its words", row->key
		),
		"write one of %s",
		row->otherwise
	);
	return false;
}

static bool read_core(
	struct reader *r,
	const struct yaml_node *node,
	const struct row *row,
	uint32_t *ret_core
)
{
	int64_t core;

	if (yaml_is_text(node, "any")) {
		*ret_core = UINT32_MAX;
		return true;
	}
	if (yaml_int64(node, &core) && core >= 0 && core <= CORE_LIST_MAX) {
		*ret_core = (uint32_t)core;
		return true;
	}
	problem_remedy(
		yaml_problem(
			r->problems,
			node,
			SL_E_INVALID,
			"%s names a core from 0 to %d, or any",
			row->key,
			CORE_LIST_MAX
		),
		"write any for a thread that is not pinned"
	);
	return false;
}

static bool read_address(
	struct reader *r,
	const struct yaml_node *node,
	uint8_t ret_address[static 16]
)
{
	uint32_t prefix;

	if (yaml_is_scalar(node) && quantity_network(node->text, ret_address, &prefix)
	    && prefix == 128)
		return true;
	problem_remedy(
		yaml_problem(r->problems, node, SL_E_INVALID, "this is no IPv4 or IPv6 address"),
		"write it alone, without network or port: 192.0.2.7, or \"2001:db8::7\""
	);
	return false;
}

/** A list of cores or addresses; one alone may stand without the list. */
static bool read_list(struct reader *r, const struct yaml_node *node, const struct row *row)
{
	struct settings *s = &r->config->settings;
	const bool is_list = node->kind == YAML_LIST;
	const uint32_t count = is_list ? node->count : 1;
	const struct yaml_node *item = is_list ? node->first : node;

	if (count < row->least || count > row->most || node->kind == YAML_MAP) {
		problem_remedy(
			yaml_problem(
				r->problems,
				node,
				SL_E_INVALID,
				"%s is a list of %" PRIu64 " to %" PRIu64 " %s",
				row->key,
				row->least,
				row->most,
				row->unit
			),
			"write %s: [FIRST, SECOND]",
			row->key
		);
		return false;
	}
	for (uint32_t i = 0; i < count; i++, item = item->next)
		if (row->form == CORES ? !read_core(r, item, row, &s->worker_core[i])
				       : !read_address(r, item, s->address[i]))
			return false;
	if (row->form == CORES)
		s->worker_count = count;
	else
		s->address_count = count;
	return true;
}

static bool read_value(struct reader *r, const struct yaml_node *node, const struct row *row)
{
	switch (row->form) {
	case PATH:
	case TEXT:
		return read_text(r, node, row);
	case NUMBER:
		return read_number(r, node, row);
	case WORD:
		return read_word(r, node, row);
	case ADDRESSES:
	case CORES:
		return read_list(r, node, row);
	case CORE:
		return read_core(r, node, row, place_of(r->config, row));
	}
	return false;
}

/** The default, straight from the table. */
static void fill_default(struct config *config, const struct row *row)
{
	switch (row->form) {
	case PATH:
	case TEXT:
		memcpy(place_of(config, row), row->otherwise, strlen(row->otherwise) + 1);
		break;
	case NUMBER:
		*(uint32_t *)place_of(config, row) = (uint32_t)strtoul(row->otherwise, NULL, 10);
		break;
	case CORES:
		config->settings.worker_count = 1;
		config->settings.worker_core[0] = UINT32_MAX;
		break;
	case CORE:
		*(uint32_t *)place_of(config, row) = UINT32_MAX;
		break;
	case WORD:
		*(uint32_t *)place_of(config, row) = (uint32_t)row->least;
		break;
	case ADDRESSES:
		break; // none
	}
}

/** What no key alone shows. */
static void check_together(struct reader *r, const struct yaml_node *root)
{
	const struct settings *s = &r->config->settings;
	const struct yaml_node *cores = yaml_map_get(root, "worker_cores");
	const struct yaml_node *prefix = yaml_map_get(root, "eal_prefix");

	if (s->port_device[0] == '\0' && s->port_kind != SETTINGS_PORT_RING)
		problem_remedy(
			yaml_problem(r->problems, root, SL_E_INVALID, "the port has no device"),
			"add device: NAME, such as an interface for port: af_packet"
		);
	for (uint32_t i = 0; i < s->worker_count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (s->worker_core[i] != UINT32_MAX
			    && s->worker_core[i] == s->worker_core[k])
				problem_remedy(
					yaml_problem(
						r->problems,
						cores,
						SL_E_INVALID,
						"core %u stands twice among worker_cores",
						s->worker_core[i]
					),
					"give each worker a core of its own"
				);
	if (strchr(s->eal_prefix, '/') != NULL)
		problem_remedy(
			yaml_problem(
				r->problems,
				prefix,
				SL_E_INVALID,
				"eal_prefix is a part of a file's name"
			),
			"leave the / out"
		);
}

static void read_all(struct reader *r, const struct yaml_node *root)
{
	const char *keys[ROW_COUNT + 1] = {NULL};
	const uint32_t errors = r->problems->error_count;

	for (size_t i = 0; i < ROW_COUNT; i++)
		keys[i] = rows[i].key;
	// An empty file is a map without entries.
	if (root->kind != YAML_NULL) {
		if (!yaml_expect(
			    root,
			    YAML_MAP,
			    "the configuration",
			    "write `key: value` lines",
			    r->problems
		    ))
			return;
		(void)yaml_check_keys(root, keys, r->problems);
	}
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct yaml_node *node = yaml_map_get(root, rows[i].key);

		if (node != NULL)
			(void)read_value(r, node, &rows[i]);
	}
	if (r->problems->error_count == errors)
		check_together(r, root);
}

/** The absolute directory of a file's name. Freed by the caller. */
static char *directory_of(const char *file)
{
	char *path = realpath(file, NULL);
	char *slash = path != NULL ? strrchr(path, '/') : NULL;

	if (slash != NULL)
		slash[slash == path] = '\0';
	return path;
}

enum sl_status config_load(const char *file, struct config *ret_config, struct problems *problems)
{
	const uint32_t errors = problems->error_count;
	struct config config = {.settings.size = sizeof(config.settings)};
	struct reader r = {.config = &config, .problems = problems};
	struct yaml *yaml;
	char *directory;

	for (size_t i = 0; i < ROW_COUNT; i++)
		fill_default(&config, &rows[i]);
	SL_TRY(yaml_load_file(file, problems, &yaml));
	directory = directory_of(file);
	r.directory = directory != NULL ? directory : ".";
	read_all(&r, yaml_root(yaml));
	yaml_unload(yaml);
	free(directory);
	if (problems->error_count != errors)
		return SL_E_INVALID;
	*ret_config = config;
	return SL_OK;
}

struct view config_word(const char *key, uint32_t number)
{
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (rows[i].form == WORD && strcmp(rows[i].key, key) == 0 && number <= rows[i].most)
			return word_at(rows[i].otherwise, number);
	return view_of("", 0);
}

/** `a text of 1 to 255 bytes`, `a number from 1 to 10000 us`, … */
static void write_form(const struct row *row, char *ret_text, size_t size)
{
	switch (row->form) {
	case PATH:
		snprintf(ret_text, size, "a path");
		break;
	case TEXT:
		snprintf(ret_text, size, "a text of at most %" PRIu64 " bytes", row->most);
		break;
	case NUMBER:
		snprintf(
			ret_text,
			size,
			"%" PRIu64 " to %" PRIu64 " %s",
			row->least,
			row->most,
			row->unit
		);
		break;
	case WORD:
		snprintf(ret_text, size, "%s", row->otherwise);
		break;
	case ADDRESSES:
	case CORES:
		snprintf(ret_text, size, "a list of at most %" PRIu64 " %s", row->most, row->unit);
		break;
	case CORE:
		snprintf(ret_text, size, "a core, or any");
		break;
	}
}

void config_explain(FILE *out)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		struct view otherwise = view_of(rows[i].otherwise, strlen(rows[i].otherwise));
		char form[100];

		if (rows[i].form == WORD)
			otherwise = word_at(rows[i].otherwise, (uint32_t)rows[i].least);
		write_form(&rows[i], form, sizeof(form));
		columns_print(
			out,
			18,
			rows[i].key,
			"%s (%s%s%.*s)",
			rows[i].help,
			form,
			otherwise.size != 0 ? "; default " : "",
			(int)otherwise.size,
			(const char *)otherwise.bytes
		);
	}
}
