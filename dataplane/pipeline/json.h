#pragma once

#include "dataplane/pipeline/batch.h"
#include "io/base/view.h"

#include <stdint.h>

// The JSON parser of events: validates the whole text (RFC 8259, UTF-8, surrogates, depth) and finds the
// values that a contract has something to say about, in one go. See json.c for how.

/** Vector code of the parser; all levels give the same answer for every input. */
enum json_level {
	JSON_AUTO,
	JSON_SCALAR,
	JSON_AVX2,
	JSON_AVX512,
	JSON_LEVEL_COUNT
};

struct json_parser;

/**
 * Make a parser for one thread.
 *
 * Outcomes  SL_OK; SL_E_UNSUPPORTED when CPU or OS lack a forced level; SL_E_NOMEM
 */
enum sl_status json_parser_new(enum json_level level, struct json_parser **ret_parser);
void json_parser_free(struct json_parser *parser);
enum json_level json_parser_level(const struct json_parser *parser);

/**
 * Is this one valid JSON text (any value, white space around it)? Same rules as for events, but for NOT_OBJECT.
 *
 * @param text up to EVENT_SIZE_MAX bytes, BATCH_FRAME_PADDING readable bytes after it
 * @return DROP_NONE, or SIZE, SYNTAX, UTF8, SURROGATE, DEPTH
 */
enum drop_reason json_validate(struct json_parser *parser, struct view text);

struct policy; // policy.h

/**
 * record_parse for JSON: parse every live row, find the policy's fields, fill record[] and cell[].
 *
 * Reads   frame
 * Writes  record, cell, cell_count, reason, reason_field, live
 */
void json_parse_batch(struct json_parser *parser, struct batch *b, const struct policy *policy);

/**
 * Decode the contents of a valid JSON string (between the quotes).
 *
 * @param ret_text [inside.size] out; the decoded text is never longer
 * @return bytes of UTF-8
 */
size_t json_unescape(struct view inside, uint8_t *ret_text);

/**
 * Encode text as the inside of a JSON string in the shortest RFC 8259 spelling: the two-character escapes,
 * \u00xx for other control characters, everything else as it is.
 *
 * @param ret_inside [text.size * 6] out
 * @return bytes written
 */
size_t json_escape(struct view text, uint8_t *ret_inside);
