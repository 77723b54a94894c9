#include "control/job_reference.h"
#include "control/quantity.h"
#include "control/stream.h"

#include <stdlib.h>
#include <string.h>

enum {
	KEYS_MAX = 16
};

static const uint64_t ROLL_BYTES_DEFAULT = UINT64_C(256) << 20;
static const uint64_t ROLL_BYTES_MIN = 1 << 10;
static const uint64_t ROLL_BYTES_MOST = UINT64_C(1) << 40;
static const uint64_t ROLL_MS_DEFAULT = 3600000;
static const uint64_t ROLL_MS_MIN = 1000;
static const uint64_t ROLL_MS_MOST = UINT64_C(30) * 86400000;
static const uint64_t SPOOL_DEFAULT = UINT64_C(1) << 30;
static const uint64_t SPOOL_MIN = 1 << 20;
static const uint64_t SPOOL_MOST = UINT64_C(1) << 44;

bool stream_is_name(struct view text)
{
	if (text.size == 0 || text.size > PLANE_NAME_MAX || text.bytes[0] == '.')
		return false;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.bytes[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
		      || c == '-' || c == '_' || c == '.'))
			return false;
	}
	return true;
}

static char *read_directory(
	const struct yaml_node *node,
	const char *name,
	const char *data_directory,
	struct problems *problems
)
{
	char *text = node != NULL && yaml_is_scalar(node) ? job_text(node) : NULL;
	char *path = text != NULL && text[0] != '\0' ? job_resolve(data_directory, text) : NULL;

	free(text);
	if (path != NULL && strlen(path) <= PLANE_PATH_MAX && strcmp(path, "-") != 0)
		return path;
	free(path);
	problem_remedy(
		yaml_problem(
			problems,
			node,
			SL_E_INVALID,
			"%s is a directory's name of at most %d bytes",
			name,
			PLANE_PATH_MAX
		),
		"write it absolute, or relative to the appliance's data_directory"
	);
	return NULL;
}

static void read_roll(
	const struct yaml_node *node,
	struct problems *problems,
	struct stream_sink *sink
)
{
	static const char *const keys[] = {"size", "every", NULL};
	const struct yaml_node *size = yaml_map_get(node, "size");
	const struct yaml_node *every = yaml_map_get(node, "every");

	if (!yaml_expect(node, YAML_MAP, "roll", "write roll: {size: 256 MiB, every: 1h}", problems)
	    || !yaml_check_keys(node, keys, problems))
		return;
	if (size != NULL)
		(void)quantity_read_bytes(
			size,
			(struct quantity_range){"roll size", ROLL_BYTES_MIN, ROLL_BYTES_MOST},
			problems,
			&sink->roll_bytes
		);
	if (every != NULL)
		(void)quantity_read_ms(
			every,
			(struct quantity_range){"roll every", ROLL_MS_MIN, ROLL_MS_MOST},
			problems,
			&sink->roll_ms
		);
}

static void read_spool(
	const struct yaml_node *node,
	const char *data_directory,
	struct problems *problems,
	struct stream_sink *sink
)
{
	static const char *const keys[] = {"directory", "size", NULL};
	const struct yaml_node *directory = yaml_map_get(node, "directory");
	const struct yaml_node *size = yaml_map_get(node, "size");

	if (!yaml_expect(
		    node, YAML_MAP, "spool", "write spool: {directory: NAME, size: 1 GiB}", problems
	    )
	    || !yaml_check_keys(node, keys, problems))
		return;
	sink->spool_bytes_max = SPOOL_DEFAULT;
	sink->spool = read_directory(
		directory != NULL ? directory : node,
		"a spool's directory",
		data_directory,
		problems
	);
	if (size != NULL)
		(void)quantity_read_bytes(
			size,
			(struct quantity_range){"a spool's size", SPOOL_MIN, SPOOL_MOST},
			problems,
			&sink->spool_bytes_max
		);
}

/** One of two words; the first is what holds when nothing is said. */
static bool read_choice(
	const struct yaml_node *map,
	const char *key,
	const char *first,
	const char *second,
	struct problems *problems
)
{
	const struct yaml_node *node = yaml_map_get(map, key);

	if (node == NULL || yaml_is_text(node, first))
		return false;
	if (!yaml_is_text(node, second))
		problem_remedy(
			yaml_problem(
				problems, node, SL_E_INVALID, "%s is %s or %s", key, first, second
			),
			"leave it out for %s",
			first
		);
	return true;
}

static void read_files(
	const struct yaml_node *node,
	const char *otherwise,
	const char *data_directory,
	struct problems *problems,
	struct stream_sink *sink
)
{
	const struct yaml_node *prefix = yaml_map_get(node, "prefix");
	const struct yaml_node *roll = yaml_map_get(node, "roll");
	const struct yaml_node *spool = yaml_map_get(node, "spool");

	sink->kind = PLANE_SINK_FILES;
	sink->directory =
		read_directory(yaml_map_get(node, "files"), "files", data_directory, problems);
	if (prefix != NULL && (!yaml_is_scalar(prefix) || !stream_is_name(prefix->text)))
		problem_remedy(
			yaml_problem(
				problems, prefix, SL_E_INVALID, "prefix can not begin a file's name"
			),
			"use letters, digits, dots, - and _, at most %d",
			PLANE_NAME_MAX
		);
	else
		sink->prefix = prefix != NULL ? job_text(prefix) : strdup(otherwise);
	if (roll != NULL)
		read_roll(roll, problems, sink);
	if (spool != NULL)
		read_spool(spool, data_directory, problems, sink);
	sink->is_zstd = read_choice(node, "compress", "none", "zstd", problems);
	sink->is_unsynced = read_choice(node, "sync", "always", "never", problems);
}

bool stream_read_sink(
	const struct yaml_node *node,
	const char *otherwise,
	const char *const extra[],
	const char *data_directory,
	struct problems *problems,
	struct stream_sink *ret_sink
)
{
	static const char *const own[] = {
		"files", "null", "prefix", "roll", "compress", "sync", "spool", NULL};
	const char *keys[KEYS_MAX] = {NULL};
	const struct yaml_node *null = yaml_map_get(node, "null");
	const uint32_t errors = problems->error_count;
	size_t count = 0;

	*ret_sink = (struct stream_sink
	){.node = node, .roll_bytes = ROLL_BYTES_DEFAULT, .roll_ms = ROLL_MS_DEFAULT};
	for (size_t i = 0; extra[i] != NULL; i++)
		keys[count++] = extra[i];
	for (size_t i = 0; own[i] != NULL; i++)
		keys[count++] = own[i];
	if (!yaml_expect(node, YAML_MAP, "a sink", "write it as {files: DIRECTORY}", problems)
	    || !yaml_check_keys(node, keys, problems))
		return false;
	if ((null != NULL) == (yaml_map_get(node, "files") != NULL)
	    || (null != NULL && (null->kind != YAML_BOOLEAN || !yaml_bool(null)))) {
		problem_remedy(
			yaml_problem(problems, node, SL_E_INVALID, "a sink is files or null"),
			"write {files: DIRECTORY}, or {null: true} to count events and forget them"
		);
		return false;
	}
	if (null == NULL)
		read_files(node, otherwise, data_directory, problems, ret_sink);
	return problems->error_count == errors;
}

void stream_sink_done(struct stream_sink *sink)
{
	free(sink->directory);
	free(sink->prefix);
	free(sink->spool);
	*sink = (struct stream_sink){0};
}
