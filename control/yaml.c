#include "control/yaml.h"

#include "control/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

// libyaml gives events; this makes a tree of them. libyaml counts columns in characters and takes NEL, LS
// and PS for line ends, editors do not: `place` walks the text itself, character by character, from the last
// mark to the next (marks ascend, but for a few of libyaml's own errors).

struct place {
	size_t index;  // characters before it
	size_t offset; // bytes before it
	uint32_t line;
	uint32_t column;
};

struct yaml {
	struct arena arena; // nodes and texts
	struct yaml_node *root;
	uint32_t node_count;
	struct view text; // of the arena
	char file[PROBLEM_FILE_MAX];
};

/** A document being read. */
struct reader {
	yaml_parser_t parser;
	struct yaml *yaml;
	struct problems *problems;
	struct view text;
	struct place place;
};

/** Where a mark of libyaml is, in lines and bytes. */
static struct place place_of(struct reader *r, size_t index)
{
	struct place *p = &r->place;

	if (index < p->index)
		*p = (struct place){.line = 1, .column = 1};
	while (p->index < index && p->offset < r->text.size) {
		uint8_t c = r->text.bytes[p->offset++];

		p->index++;
		p->column++;
		while (p->offset < r->text.size && (r->text.bytes[p->offset] & 0xc0) == 0x80) {
			p->offset++;
			p->column++;
		}
		if (c == '\n'
		    || (c == '\r' && !(p->offset < r->text.size && r->text.bytes[p->offset] == '\n')
		    )) {
			p->line++;
			p->column = 1;
		}
	}
	return *p;
}

static struct problem *refuse(
	struct reader *r,
	size_t index,
	enum sl_status status,
	const char *what
)
{
	struct place at = place_of(r, index);
	struct problem p;

	(void)!problem_set(&p, status, "%s", what);
	problem_at_file(&p, r->yaml->file);
	p.line = at.line;
	p.column = at.column;
	return problems_add(r->problems, &p);
}

static enum sl_status refuse_event(struct reader *r, const yaml_event_t *e, const char *remedy)
{
	struct problem *p =
		refuse(r,
		       e->start_mark.index,
		       SL_E_SYNTAX,
		       remedy == NULL ? "lists and maps are nested too deep"
				      : "anchors, aliases and tags of YAML are not allowed here");

	if (remedy != NULL)
		problem_remedy(p, "%s", remedy);
	return SL_E_SYNTAX;
}

static enum sl_status refuse_size(struct reader *r, size_t index, const char *what, uint32_t max)
{
	char text[80];

	snprintf(text, sizeof(text), "%s than %u", what, max);
	(void)refuse(r, index, SL_E_TOO_BIG, text);
	return SL_E_TOO_BIG;
}

static enum sl_status next_event(struct reader *r, yaml_event_t *ret_event)
{
	char what[PROBLEM_TEXT_MAX];
	const yaml_parser_t *y = &r->parser;
	size_t index;

	if (yaml_parser_parse(&r->parser, ret_event))
		return SL_OK;
	if (y->error == YAML_MEMORY_ERROR) {
		(void)refuse(r, 0, SL_E_NOMEM, "out of memory while reading the file");
		return SL_E_NOMEM;
	}
	index = y->problem_mark.index;
	if (y->error == YAML_READER_ERROR) {
		// The only one told by byte offset, and without a mark.
		r->place = (struct place){.line = 1, .column = 1};
		for (index = 0;
		     r->place.offset < y->problem_offset && r->place.offset < r->text.size;)
			(void)place_of(r, ++index);
	}
	snprintf(
		what,
		sizeof(what),
		"not valid YAML: %s%s%s",
		y->problem != NULL ? y->problem : "?",
		y->context != NULL ? ", " : "",
		y->context != NULL ? y->context : ""
	);
	(void)refuse(r, index, SL_E_SYNTAX, what);
	return SL_E_SYNTAX;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *s)
{
	while (is_digit(*s))
		s++;
	return s;
}

static bool is_one_of(const char *s, const char *const words[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

/** [0x | 0o] digits, signed only in decimal. */
static bool is_integer(const char *s)
{
	if (s[0] == '0' && s[1] == 'x')
		return s[2] != '\0' && s[2 + strspn(s + 2, "0123456789abcdefABCDEF")] == '\0';
	if (s[0] == '0' && s[1] == 'o')
		return s[2] != '\0' && s[2 + strspn(s + 2, "01234567")] == '\0';
	s += *s == '-' || *s == '+';
	return is_digit(*s) && *skip_digits(s) == '\0';
}

static bool is_number(const char *s)
{
	static const char *const infinities[] = {".inf", ".Inf", ".INF"};
	static const char *const nans[] = {".nan", ".NaN", ".NAN"};
	const char *digits;
	bool has_digits;

	if (is_one_of(s, nans, 3))
		return true;
	s += *s == '-' || *s == '+';
	if (is_one_of(s, infinities, 3))
		return true;
	digits = s;
	s = skip_digits(s);
	has_digits = s > digits;
	if (*s == '.') {
		digits = ++s;
		s = skip_digits(s);
		has_digits = has_digits || s > digits;
	}
	if (!has_digits)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (!is_digit(*s))
			return false;
		s = skip_digits(s);
	}
	return *s == '\0';
}

/** YAML 1.2.2, 10.3.2: the core schema. */
static enum yaml_kind kind_of_plain(const char *s)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
	static const char *const booleans[] = {"true", "True", "TRUE", "false", "False", "FALSE"};

	if (is_one_of(s, nulls, 5))
		return YAML_NULL;
	if (is_one_of(s, booleans, 6))
		return YAML_BOOLEAN;
	if (is_integer(s))
		return YAML_INTEGER;
	return is_number(s) ? YAML_NUMBER : YAML_STRING;
}

static enum sl_status fill_scalar(struct reader *r, const yaml_event_t *e, struct yaml_node *node)
{
	size_t size = e->data.scalar.length;
	const char *text = (const char *)e->data.scalar.value;

	if (memchr(text, 0, size) != NULL) {
		(void)refuse(r, e->start_mark.index, SL_E_SYNTAX, "a text has a NUL character");
		return SL_E_SYNTAX;
	}
	node->text = arena_copy(&r->yaml->arena, view_of(text, size));
	if (node->text.bytes == NULL)
		return SL_E_NOMEM;
	node->is_quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->kind = node->is_quoted ? YAML_STRING : kind_of_plain(text);
	return SL_OK;
}

/** A node of the event, without what is inside it. */
static enum sl_status start_node(struct reader *r, const yaml_event_t *e, struct yaml_node **ret)
{
	struct place at = place_of(r, e->start_mark.index);
	struct yaml_node *node;

	if (r->yaml->node_count >= YAML_NODES_MAX)
		return refuse_size(
			r, e->start_mark.index, "the file has more values", YAML_NODES_MAX
		);
	r->yaml->node_count++;
	node = arena_take(&r->yaml->arena, sizeof(*node));
	if (node == NULL)
		return SL_E_NOMEM;
	*node = (struct yaml_node){
		.document = r->yaml,
		.line = at.line,
		.column = at.column,
		.kind = e->type == YAML_MAPPING_START_EVENT ? YAML_MAP : YAML_LIST,
	};
	if (e->type == YAML_SCALAR_EVENT)
		SL_TRY(fill_scalar(r, e, node));
	*ret = node;
	return SL_OK;
}

static enum sl_status check_plainness(struct reader *r, const yaml_event_t *e)
{
	const yaml_char_t *anchor = NULL;
	const yaml_char_t *tag = NULL;

	if (e->type == YAML_ALIAS_EVENT)
		return refuse_event(
			r, e, "write the value out, or put quotes around a text that begins with *"
		);
	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
	} else {
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
	}
	if (anchor != NULL)
		return refuse_event(
			r, e, "remove it, or put quotes around a text that begins with &"
		);
	if (tag != NULL)
		return refuse_event(
			r, e, "remove it, or put quotes around a text that begins with !"
		);
	return SL_OK;
}

static enum sl_status check_key(
	struct reader *r,
	const struct yaml_node *map,
	struct yaml_node *key
)
{
	struct problem *p;

	if (!yaml_is_scalar(key)) {
		(void)yaml_problem(r->problems, key, SL_E_SYNTAX, "a key must be a text");
		return SL_E_SYNTAX;
	}
	if (map->count >= YAML_ENTRIES_MAX) {
		p = yaml_problem(
			r->problems,
			key,
			SL_E_TOO_BIG,
			"a map has more than %d keys",
			YAML_ENTRIES_MAX
		);
		return p->status;
	}
	for (const struct yaml_node *other = map->first; other != NULL; other = other->next) {
		if (!view_equal(other->key->text, key->text))
			continue;
		p = yaml_problem(
			r->problems,
			key,
			SL_E_EXISTS,
			"the key '%.*s' stands twice: first on line %u",
			YAML_ARG(key->text),
			other->key->line
		);
		problem_remedy(p, "remove one of the two");
		return SL_E_EXISTS;
	}
	return SL_OK;
}

/** Read what the event begins. Recursion is bounded by YAML_DEPTH_MAX. */
static enum sl_status read_node(
	struct reader *r,
	const yaml_event_t *first,
	uint32_t depth,
	struct yaml_node **ret
)
{
	struct yaml_node *node = NULL;
	struct yaml_node *key = NULL;
	const struct yaml_node **tail;

	SL_TRY(check_plainness(r, first));
	if (depth > YAML_DEPTH_MAX)
		return refuse_event(r, first, NULL);
	SL_TRY(start_node(r, first, &node));
	*ret = node;
	if (yaml_is_scalar(node))
		return SL_OK;
	tail = &node->first;
	for (;;) {
		struct yaml_node *child = NULL;
		enum sl_status status;
		yaml_event_t e;

		SL_TRY(next_event(r, &e));
		if (e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&e);
			return SL_OK;
		}
		status = read_node(r, &e, depth + 1, &child);
		yaml_event_delete(&e);
		SL_TRY(status);
		if (node->kind == YAML_MAP && key == NULL) {
			SL_TRY(check_key(r, node, child));
			key = child;
			continue;
		}
		child->key = key;
		key = NULL;
		*tail = child;
		tail = &child->next;
		node->count++;
	}
}

/** STREAM-START [DOCUMENT-START node DOCUMENT-END] STREAM-END, and no second document. */
static enum sl_status read_stream(struct reader *r)
{
	bool has_document = false;

	for (;;) {
		enum sl_status status = SL_OK;
		yaml_event_type_t type;
		yaml_event_t e;

		SL_TRY(next_event(r, &e));
		type = e.type;
		if (type == YAML_DOCUMENT_START_EVENT && has_document) {
			(void
			)refuse(r,
				e.start_mark.index,
				SL_E_SYNTAX,
				"the file has a second YAML document");
			status = SL_E_SYNTAX;
		} else if (type == YAML_DOCUMENT_START_EVENT) {
			has_document = true;
		} else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT && type != YAML_DOCUMENT_END_EVENT) {
			status = read_node(r, &e, 0, &r->yaml->root);
		}
		yaml_event_delete(&e);
		SL_TRY(status);
		if (type == YAML_STREAM_END_EVENT)
			return SL_OK;
	}
}

static enum sl_status read_document(struct reader *r)
{
	enum sl_status status;

	if (r->text.size > YAML_SIZE_MAX)
		return refuse_size(r, 0, "the file has more bytes", YAML_SIZE_MAX);
	if (r->text.size >= 3 && memcmp(r->text.bytes, "\xef\xbb\xbf", 3) == 0)
		r->text = view_of(r->text.bytes + 3, r->text.size - 3);
	if (!yaml_parser_initialize(&r->parser))
		return SL_E_NOMEM;
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&r->parser, r->text.size == 0 ? (const uint8_t *)"" : r->text.bytes, r->text.size
	);
	status = read_stream(r);
	yaml_parser_delete(&r->parser);
	if (status == SL_OK && r->yaml->root == NULL) {
		r->yaml->root = arena_take(&r->yaml->arena, sizeof(*r->yaml->root));
		if (r->yaml->root == NULL)
			return SL_E_NOMEM;
		*r->yaml->root = (struct yaml_node
		){.document = r->yaml, .line = 1, .column = 1, .kind = YAML_NULL};
	}
	return status;
}

enum sl_status yaml_load_text(
	struct view text,
	const char *file,
	struct problems *problems,
	struct yaml **ret_yaml
)
{
	struct reader r = {.problems = problems, .text = text, .place = {.line = 1, .column = 1}};
	uint32_t errors = problems->error_count;
	enum sl_status status;
	struct problem p;

	r.yaml = calloc(1, sizeof(*r.yaml));
	if (r.yaml == NULL)
		return SL_E_NOMEM;
	(void)!problem_set(&p, SL_OK, "name");
	problem_at_file(&p, file);
	memcpy(r.yaml->file, p.file, sizeof(r.yaml->file));
	r.yaml->text = arena_copy(&r.yaml->arena, text);
	status = r.yaml->text.bytes != NULL ? read_document(&r) : SL_E_NOMEM;
	if (status == SL_OK) {
		*ret_yaml = r.yaml;
		return SL_OK;
	}
	if (problems->error_count == errors)
		(void)refuse(&r, 0, status, status_text(status));
	yaml_unload(r.yaml);
	return status;
}

/** All of a descriptor, and one byte more than allowed at the most. */
static enum sl_status read_all(int fd, uint8_t *bytes, size_t capacity, size_t *ret_size)
{
	size_t size = 0;

	while (size < capacity) {
		ssize_t n = read(fd, bytes + size, capacity - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return status_of_errno(errno);
		if (n == 0)
			break;
		size += (size_t)n;
	}
	*ret_size = size;
	return SL_OK;
}

static void refuse_file(
	const char *name,
	enum sl_status status,
	int error,
	struct problems *problems
)
{
	const char *remedy = "check the name and the rights of the file";
	struct problem p;

	if (error == ENOENT)
		remedy = "check the name: it starts from the folder you are in, or from /";
	else if (error == EACCES || error == EPERM)
		remedy = "give this user the right to read it, or run as another user";
	else if (error == EISDIR)
		remedy = "name a file in that folder, not the folder itself";
	(void)!problem_set(&p, status, "can not be read: %s", strerror(error));
	problem_at_file(&p, name);
	problem_remedy(&p, "%s", remedy);
	problems_add(problems, &p);
}

enum sl_status yaml_load_file(const char *path, struct problems *problems, struct yaml **ret_yaml)
{
	const bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	uint8_t *bytes = malloc(YAML_SIZE_MAX + 1);
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	enum sl_status status = SL_E_NOMEM;
	size_t size = 0;
	int error;

	if (fd < 0)
		status = status_of_errno(errno);
	else if (bytes != NULL)
		status = read_all(fd, bytes, YAML_SIZE_MAX + 1, &size);
	error = errno;
	if (status == SL_OK) {
		status = yaml_load_text(view_of(bytes, size), name, problems, ret_yaml);
	} else {
		refuse_file(name, status, status == SL_E_NOMEM ? ENOMEM : error, problems);
	}
	free(bytes);
	if (fd >= 0 && !is_stdin)
		close(fd);
	return status;
}

void yaml_unload(struct yaml *yaml)
{
	if (yaml == NULL)
		return;
	arena_done(&yaml->arena);
	free(yaml);
}

const struct yaml_node *yaml_root(const struct yaml *yaml)
{
	return yaml->root;
}

struct view yaml_text(const struct yaml *yaml)
{
	return yaml->text;
}

const char *yaml_file(const struct yaml *yaml)
{
	return yaml->file;
}
