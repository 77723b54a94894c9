#include "tests/support/policy_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/** One step of a path, before the tree has its final order. */
struct step {
	char name[PATH_SIZE_MAX + 1];
	size_t name_size;
	uint16_t parent; // row of steps
	uint16_t field;
	uint8_t kind;
	uint16_t row; // of the image's nodes
};

struct builder {
	const struct build *build;
	uint8_t *bytes; // [size], grows
	size_t size;
	struct step steps[CONTRACT_NODES_MAX];
	uint16_t step_count;
	uint8_t purposes[CONTRACT_PURPOSES_MAX];
	uint32_t purpose_count;
};

static _Noreturn void give_up(const char *why, const char *what)
{
	fprintf(stderr, "policy_build: %s: %s\n", why, what);
	abort();
}

/** Append bytes at the next multiple of 8; the offset is their address in the image. */
static uint32_t put(struct builder *b, const void *bytes, size_t size)
{
	size_t at = (b->size + 7) & ~(size_t)7;

	b->bytes = realloc(b->bytes, at + size + 8);
	if (b->bytes == NULL)
		give_up("out of memory", "image");
	memset(b->bytes + b->size, 0, at - b->size);
	if (size != 0)
		memcpy(b->bytes + at, bytes, size);
	b->size = at + size;
	return (uint32_t)at;
}

static struct policy_span put_span(struct builder *b, const void *bytes, size_t size)
{
	return (struct policy_span){.offset = put(b, bytes, size), .size = (uint32_t)size};
}

static struct policy_span put_text(struct builder *b, const char *text)
{
	return text == NULL ? (struct policy_span){0} : put_span(b, text, strlen(text));
}

static uint16_t field_row(const struct build *build, const char *path)
{
	for (uint16_t row = 0; path != NULL && build->fields[row].path != NULL; row++)
		if (strcmp(build->fields[row].path, path) == 0)
			return row;
	if (path != NULL)
		give_up("no field with the path", path);
	return POLICY_NONE;
}

static uint16_t step_under(struct builder *b, uint16_t parent, const char *text, size_t size)
{
	struct step step = {.parent = parent, .field = POLICY_NONE};

	if (size == 1 && text[0] == '*')
		step.kind = POLICY_NODE_EACH;
	for (size_t i = 0; step.kind == POLICY_NODE_MEMBER && i < size; i++) {
		char c = text[i];

		if (c == '~')
			c = text[++i] == '1' ? '/' : '~';
		step.name[step.name_size++] = c;
	}
	for (uint16_t i = 1; i < b->step_count; i++)
		if (b->steps[i].parent == parent && b->steps[i].kind == step.kind
		    && b->steps[i].name_size == step.name_size
		    && memcmp(b->steps[i].name, step.name, step.name_size) == 0)
			return i;
	if (b->step_count == CONTRACT_NODES_MAX)
		give_up("too many steps", text);
	b->steps[b->step_count] = step;
	return b->step_count++;
}

static void add_path(struct builder *b, uint16_t row)
{
	const char *text = b->build->fields[row].path;
	uint16_t step = 0;

	for (;;) {
		size_t size = strcspn(text, "/");

		step = step_under(b, step, text, size);
		if (text[size] == '\0')
			break;
		text += size + 1;
	}
	b->steps[step].field = row;
}

static uint8_t purpose_index(struct builder *b, uint8_t purpose)
{
	for (uint32_t i = 0; i < b->purpose_count; i++)
		if (b->purposes[i] == purpose)
			return (uint8_t)i;
	give_up("unknown purpose", "");
}

static void add_purpose(struct builder *b, uint8_t purpose)
{
	uint32_t at = 0;

	while (at < b->purpose_count && b->purposes[at] < purpose)
		at++;
	if (at < b->purpose_count && b->purposes[at] == purpose)
		return;
	if (b->purpose_count == CONTRACT_PURPOSES_MAX)
		give_up("too many purposes", "");
	memmove(b->purposes + at + 1, b->purposes + at, b->purpose_count - at);
	b->purposes[at] = purpose;
	b->purpose_count++;
}

static struct policy_table put_one_of(struct builder *b, const char *const *texts)
{
	struct policy_span spans[256];
	struct policy_table table = {0};

	while (texts != NULL && texts[table.count] != NULL) {
		spans[table.count] = put_text(b, texts[table.count]);
		table.count++;
	}
	table.offset = put(b, spans, table.count * sizeof(spans[0]));
	return table;
}

static struct policy_table put_fields(struct builder *b)
{
	static struct policy_field rows[CONTRACT_FIELDS_MAX];
	struct policy_table table = {0};

	for (const struct build_field *f = b->build->fields; f->path != NULL; f++) {
		struct policy_field *row = &rows[table.count++];
		bool is_personal = (f->flags & POLICY_FIELD_PERSONAL) != 0;

		*row = (struct policy_field){
			.path = put_text(b, f->path),
			.match = put_text(b, f->match),
			.range_min = put_text(b, f->range_min),
			.range_max = put_text(b, f->range_max),
			.one_of = put_one_of(b, f->one_of),
			.unreadable_value = put_text(b, f->unreadable_value),
			.length_min = f->length_min,
			.length_max = f->length_max,
			.flags = f->flags,
			.type = f->type,
			.item_type = f->item_type,
			.purpose = f->purpose,
			.purpose_index = is_personal ? purpose_index(b, f->purpose) : 0,
			.iv = f->iv,
			.unreadable = f->unreadable,
		};
		if (strcmp(f->path, "*") == 0 || strncmp(f->path, "*/", 2) == 0
		    || strstr(f->path, "/*/") != NULL
		    || (strlen(f->path) > 1 && strcmp(f->path + strlen(f->path) - 2, "/*") == 0))
			row->flags |= POLICY_FIELD_REPEATED;
	}
	table.offset = put(b, rows, table.count * sizeof(rows[0]));
	return table;
}

/** Rows in breadth-first order, so that children are adjacent. */
static struct policy_table put_nodes(struct builder *b)
{
	static struct policy_node rows[CONTRACT_NODES_MAX];
	uint16_t order[CONTRACT_NODES_MAX] = {0};
	uint16_t count = 1;

	for (uint16_t row = 0; row < count; row++) {
		const struct step *step = &b->steps[order[row]];
		struct policy_node *node = &rows[row];

		*node = (struct policy_node){
			.name = put_span(b, step->name, step->name_size),
			.field = step->field,
			.kind = step->kind,
		};
		memcpy(&node->head, step->name, step->name_size < 8 ? step->name_size : 8);
		for (uint16_t i = 1; i < b->step_count; i++) {
			if (b->steps[i].parent != order[row])
				continue;
			if (node->child_count++ == 0)
				node->first_child = count;
			order[count++] = i;
		}
	}
	return (struct policy_table
	){.offset = put(b, rows, count * sizeof(rows[0])), .count = count};
}

static struct policy_table put_time_items(struct builder *b)
{
	struct policy_time_item rows[64] = {0};
	struct policy_table table = {0};

	for (const struct build_time_item *i = b->build->time_items;
	     i != NULL && i->digits_max != 0;
	     i++)
		rows[table.count++] = (struct policy_time_item){
			.text = put_text(b, i->literal),
			.kind = i->kind,
			.digits_min = i->digits_min,
			.digits_max = i->digits_max,
		};
	table.offset = put(b, rows, table.count * sizeof(rows[0]));
	return table;
}

static struct policy_table put_consent_rules(struct builder *b)
{
	struct policy_consent_rule rows[64] = {0};
	struct policy_table table = {0};

	for (const struct build_consent *c = b->build->consent_rules; c != NULL && c->text != NULL;
	     c++)
		rows[table.count++] = (struct policy_consent_rule){
			.purposes = c->purposes,
			.text = put_text(b, c->text),
		};
	table.offset = put(b, rows, table.count * sizeof(rows[0]));
	return table;
}

static struct policy_table put_masks(struct builder *b, const struct build_mask *m)
{
	struct policy_mask rows[64] = {0};
	struct policy_table table = {0};

	for (; m != NULL && m->path != NULL; m++)
		rows[table.count++] = (struct policy_mask){
			.seed = put_span(b, m->seed, m->seed_size),
			.field = field_row(b->build, m->path),
			.kind = m->kind,
		};
	table.offset = put(b, rows, table.count * sizeof(rows[0]));
	return table;
}

static struct policy_table put_views(struct builder *b)
{
	struct policy_view rows[VIEWS_MAX] = {0};
	struct policy_table table = {0};

	for (const struct build_view *v = b->build->views; v != NULL && v->name != NULL; v++)
		rows[table.count++] = (struct policy_view){
			.required = v->required,
			.opened = v->opened,
			.masks = put_masks(b, v->masks),
			.name = put_text(b, v->name),
			.kind = v->kind,
			.level = v->level,
		};
	table.offset = put(b, rows, table.count * sizeof(rows[0]));
	return table;
}

static void collect(struct builder *b)
{
	const struct build *build = b->build;

	b->steps[0] = (struct step){.field = POLICY_NONE};
	b->step_count = 1;
	for (uint16_t row = 0; build->fields[row].path != NULL; row++) {
		add_path(b, row);
		if (build->fields[row].flags & POLICY_FIELD_PERSONAL)
			add_purpose(b, build->fields[row].purpose);
	}
	if (build->undeclared == POLICY_UNDECLARED_SEAL)
		add_purpose(b, build->undeclared_purpose);
}

static void put_all(struct builder *b, struct policy_image *head)
{
	head->ref = put_text(b, b->build->ref == NULL ? "test/event/1.0.0" : b->build->ref);
	head->fields = put_fields(b);
	head->nodes = put_nodes(b);
	head->purposes = (struct policy_table
	){.offset = put(b, b->purposes, b->purpose_count), .count = b->purpose_count};
	head->time_items = put_time_items(b);
	head->zone = (struct policy_table){
		.offset = put(b, b->build->zone, b->build->zone_count * sizeof(*b->build->zone)),
		.count = b->build->zone_count,
	};
	head->zone_name = put_text(b, b->build->zone_name);
	head->consent_rules = put_consent_rules(b);
	head->views = put_views(b);
}

struct policy_image *policy_build(const struct build *build)
{
	struct builder *b = calloc(1, sizeof(*b));
	struct policy_image head = {
		.magic = POLICY_MAGIC,
		.version = POLICY_VERSION,
		.format = build->format,
		.undeclared = build->undeclared,
		.undeclared_purpose = build->undeclared_purpose,
		.duplicates = build->duplicates,
		.time_form = build->time_form,
		.csv_separator = build->csv_separator == 0 ? ',' : build->csv_separator,
		.key_field = build->key == NULL ? 0 : field_row(build, build->key),
		.subject_field = field_row(build, build->subject),
		.time_field = field_row(build, build->time),
		.consent_field = field_row(build, build->consent),
		.consent_otherwise = build->consent_otherwise,
	};
	struct policy_image *image;

	if (b == NULL)
		give_up("out of memory", "builder");
	b->build = build;
	collect(b);
	put(b, &head, sizeof(head));
	put_all(b, &head);
	if (build->undeclared == POLICY_UNDECLARED_SEAL)
		head.undeclared_purpose_index = purpose_index(b, build->undeclared_purpose);
	put(b, "", 0); // the size is a multiple of 8
	head.size = (uint32_t)b->size;
	memcpy(b->bytes, &head, sizeof(head));
	image = (struct policy_image *)b->bytes;
	image->checksum = XXH3_64bits(image, image->size);
	free(b);
	return image;
}

struct policy policy_build_bare(const struct policy_image *image)
{
	return (struct policy){
		.image = image,
		.fields = policy_fields(image),
		.nodes = policy_nodes(image),
		.purposes = policy_rows(image, image->purposes),
		.views = policy_rows(image, image->views),
	};
}

uint16_t policy_build_field_row(const struct policy_image *image, const char *path)
{
	const struct policy_field *fields = policy_fields(image);

	for (uint16_t row = 0; row < image->fields.count; row++)
		if (view_equal(policy_view_of(image, fields[row].path), view_of_text(path)))
			return row;
	give_up("no field with the path", path);
}
