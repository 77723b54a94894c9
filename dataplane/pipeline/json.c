#include "dataplane/pipeline/json.h"

#include "dataplane/pipeline/json_index.h"
#include "dataplane/pipeline/json_parse.h"
#include "dataplane/pipeline/json_shape.h"
#include "dataplane/pipeline/json_token.h"

#include <stdlib.h>

// How an event is parsed: stage 1 (json_index.h) turns the text into the offsets of its structural
// characters and checks it byte by byte; stage 2 (json_parse.h) walks from offset to offset along the
// policy's tree (json_tree.h). Stage 1 exists once per vector level, stage 2 once. Events that look like
// the one before need neither: json_shape.h.
//
// When several things are wrong with a text, the reason is the first of: SIZE, UTF8, SYNTAX found by
// stage 1, the first wrong escape (SYNTAX, SURROGATE), the first fault of the grammar (SYNTAX, DEPTH),
// and only in a valid text what the contract has against it. Levels and callers agree on it.

struct json_parser {
	json_index_fn index_text;
	json_shape_fn fit_shape; // NULL: the level has none
	enum json_level level;
	struct json_index index;
	struct json_parse parse;
	struct json_tree tree;
};

static bool has_level(enum json_level level)
{
	// The run-time library asks xgetbv too whether the system saves the registers.
	switch (level) {
	case JSON_AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
			&& __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
			&& __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("pclmul")
			&& __builtin_cpu_supports("bmi2");
	case JSON_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul")
			&& __builtin_cpu_supports("bmi");
	case JSON_SCALAR:
		return true;
	case JSON_AUTO:
	case JSON_LEVEL_COUNT:
	default:
		return false;
	}
}

/** What AUTO stands for: the environment's wish, or the best that there is. */
static enum json_level choose_level(void)
{
	const char *wish = getenv("SEALANE_JSON");

	if (wish != NULL && strcmp(wish, "scalar") == 0)
		return JSON_SCALAR;
	if (wish != NULL && strcmp(wish, "avx2") == 0)
		return JSON_AVX2;
	if (wish != NULL && strcmp(wish, "avx512") == 0)
		return JSON_AVX512;
	return has_level(JSON_AVX512)  ? JSON_AVX512
		: has_level(JSON_AVX2) ? JSON_AVX2
				       : JSON_SCALAR;
}

enum sl_status json_parser_new(enum json_level level, struct json_parser **ret_parser)
{
	static const json_index_fn index_of_level[JSON_LEVEL_COUNT] = {
		[JSON_SCALAR] = json_index_scalar,
		[JSON_AVX2] = json_index_avx2,
		[JSON_AVX512] = json_index_avx512,
	};
	static const json_shape_fn shape_of_level[JSON_LEVEL_COUNT] = {
		[JSON_AVX2] = json_shape_avx2,
		[JSON_AVX512] = json_shape_avx512,
	};
	struct json_parser *parser;

	if (level == JSON_AUTO)
		level = choose_level();
	if (!has_level(level))
		return SL_E_UNSUPPORTED;
	parser = calloc(1, sizeof(*parser));
	if (parser == NULL)
		return SL_E_NOMEM;
	parser->level = level;
	parser->index_text = index_of_level[level];
	parser->fit_shape = shape_of_level[level];
	// As large as the largest event needs; the system only gives pages that are written to.
	parser->index.at = malloc(JSON_INDEX_CAPACITY * sizeof(*parser->index.at));
	if (parser->index.at == NULL) {
		free(parser);
		return SL_E_NOMEM;
	}
	*ret_parser = parser;
	return SL_OK;
}

void json_parser_free(struct json_parser *parser)
{
	if (parser == NULL)
		return;
	free(parser->index.at);
	free(parser);
}

enum json_level json_parser_level(const struct json_parser *parser)
{
	return parser->level;
}

/** Stage 1 and the escapes. */
static enum drop_reason index_text(struct json_parser *parser, struct view text)
{
	if (unlikely(text.size > EVENT_SIZE_MAX))
		return DROP_SIZE;
	parser->index_text(text.bytes, (uint32_t)text.size, &parser->index);
	if (unlikely(!parser->index.is_utf8))
		return DROP_UTF8;
	if (unlikely(!parser->index.is_regular))
		return DROP_SYNTAX;
	return unlikely(parser->index.has_backslash) ? json_check_escapes(text) : DROP_NONE;
}

enum drop_reason json_validate(struct json_parser *parser, struct view text)
{
	enum drop_reason reason = index_text(parser, text);

	if (reason != DROP_NONE)
		return reason;
	return json_parse_text(&parser->parse, text, &parser->index, NULL, NULL);
}

static uint32_t batch_row_of(const struct batch *b, uint32_t cell)
{
	return cell == JSON_NO_CELL ? UINT32_MAX : b->cell_count + cell;
}

/** A text that the contract refuses may be no JSON further on: that is the reason then. */
static void drop_row(
	struct json_parser *parser,
	struct batch *b,
	uint32_t i,
	enum drop_reason reason
)
{
	uint16_t field = parser->parse.reason_field;
	enum drop_reason first = DROP_NONE;

	if (reason != DROP_SYNTAX && reason != DROP_DEPTH)
		first = json_parse_text(&parser->parse, b->frame[i], &parser->index, NULL, NULL);
	b->reason[i] = first == DROP_NONE ? reason : first;
	b->reason_field[i] = first == DROP_NONE ? field : POLICY_NONE;
}

/** The short way; false when the row has to go the long one. */
static bool fit_row(struct json_parser *parser, struct view text, struct cell *cells)
{
	struct json_shape *shape = &parser->tree.shape;
	bool has_fitted;

	if (shape->count == 0)
		return false;
	parser->parse.tree = &parser->tree;
	parser->parse.cells = cells;
	has_fitted = parser->fit_shape(&parser->parse, text, parser->index.at);
	json_shape_note(shape, has_fitted);
	return has_fitted;
}

/** The long way: both stages. */
static enum drop_reason walk_row(struct json_parser *parser, struct batch *b, uint32_t i)
{
	enum drop_reason reason = index_text(parser, b->frame[i]);

	parser->parse.reason_field = POLICY_NONE;
	if (unlikely(reason != DROP_NONE)) {
		b->reason[i] = reason;
		b->reason_field[i] = POLICY_NONE;
		return reason;
	}
	reason = json_parse_text(
		&parser->parse, b->frame[i], &parser->index, &parser->tree, b->cell + b->cell_count
	);
	if (unlikely(reason != DROP_NONE))
		drop_row(parser, b, i, reason);
	return reason;
}

static void parse_row(struct json_parser *parser, struct batch *b, uint32_t i)
{
	const struct json_parse *parse = &parser->parse;
	struct view text = b->frame[i];
	struct record *record = &b->record[i];
	bool is_due =
		parser->fit_shape != NULL && json_shape_is_due(&parser->tree.shape, text.size);

	*record = (struct record){
		.first_cell = b->cell_count,
		.key_cell = UINT32_MAX,
		.subject_cell = UINT32_MAX,
		.time_cell = UINT32_MAX,
		.consent_cell = UINT32_MAX,
	};
	if (is_due && fit_row(parser, text, b->cell + b->cell_count)) {
		record->meta_at = (uint32_t)text.size - 1;
	} else {
		if (unlikely(walk_row(parser, b, i) != DROP_NONE))
			return;
		record->meta_at = *parse->last;
		record->is_empty = parser->index.count == 2;
		if (is_due)
			json_shape_learn(&parser->tree, text.bytes, &parser->index);
	}
	record->cell_count = parse->cell_count;
	record->key_cell = batch_row_of(b, parse->role_cell[JSON_ROLE_KEY]);
	record->subject_cell = batch_row_of(b, parse->role_cell[JSON_ROLE_SUBJECT]);
	record->time_cell = batch_row_of(b, parse->role_cell[JSON_ROLE_TIME]);
	record->consent_cell = batch_row_of(b, parse->role_cell[JSON_ROLE_CONSENT]);
	b->cell_count += parse->cell_count;
}

enum {
	FETCH_AHEAD = 3, // rows
	FETCH_SIZE = 512 // bytes of a row; the CPU goes on by itself
};

/** Fetch the text of a row that comes soon. */
static inline void fetch_row(const struct batch *b, uint32_t n)
{
	const uint8_t *text;

	if (n >= b->live_count)
		return;
	text = b->frame[b->live[n]].bytes;
	for (uint32_t at = 0; at < FETCH_SIZE; at += 64)
		__builtin_prefetch(text + at);
}

void json_parse_batch(struct json_parser *parser, struct batch *b, const struct policy *policy)
{
	json_tree_use(&parser->tree, policy);
	b->cell_count = 0;
	batch_foreach_live (b, n, i) {
		fetch_row(b, n + FETCH_AHEAD);
		batch_fetch_ahead(b, n);
		parse_row(parser, b, i);
	}
	batch_settle_drops(b);
}
