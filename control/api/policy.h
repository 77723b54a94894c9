#pragma once

#include "io/base/limits.h"
#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

// The policy image: one contract with its derived views, compiled by control into flat, immutable,
// position-independent memory that a dataplane maps and checks once. Offsets are bytes from the start of
// the image; tables are 8-byte aligned; there are no pointers. Everything that is decided per event is
// decided from this image alone.

enum {
	POLICY_MAGIC = 0x504c5353, // "SSLP" in memory
	POLICY_VERSION = 1,
	POLICY_NONE = 0xffff,                // no field
	POLICY_IMAGE_MAX = 16 << 20,         // bytes
	POLICY_PATH_MAX = PATH_SIZE_MAX - 5, // bytes of a path: `~json` fits behind it
	POLICY_MATCH_MAX = 4096,             // bytes of a regular expression
	POLICY_VALUE_MAX = 4096,             // bytes of an unreadable value
	POLICY_ONE_OF_MAX = 1000,            // values of one field
	POLICY_DECIMAL_MAX = 64,             // bytes of a decimal number
	POLICY_TIME_ITEMS_MAX = 100,         // items of a time pattern
	POLICY_ZONE_STEPS_MAX = 4096,
	POLICY_ZONE_OFFSET_MAX = 26 * 3600, // seconds
	POLICY_CONSENT_RULES_MAX = 4096,
	POLICY_NAME_MAX = 1000 // bytes of a view's or zone's name
};

/** Bytes in the image. */
struct policy_span {
	uint32_t offset;
	uint32_t size; // bytes; 0 = absent
};

/** A table in the image. */
struct policy_table {
	uint32_t offset; // of the first row
	uint32_t count;  // rows
};

enum policy_format {
	POLICY_JSON,
	POLICY_CSV
};

enum policy_undeclared {
	POLICY_UNDECLARED_PASS,
	POLICY_UNDECLARED_DROP,
	POLICY_UNDECLARED_SEAL // each undeclared member sealed whole, under policy.undeclared_purpose
};

/** What a repeated name inside one object does, for names that the contract declares. */
enum policy_duplicates {
	POLICY_DUPLICATES_REFUSE, // default
	POLICY_DUPLICATES_SEAL // every occurrence is sealed; still refused for key, subject, time and consent fields
};

enum policy_type {
	POLICY_ANY,
	POLICY_STRING,
	POLICY_INTEGER, // no fraction, no exponent
	POLICY_NUMBER,
	POLICY_BOOLEAN,
	POLICY_ARRAY,
	POLICY_OBJECT
};

enum policy_iv {
	POLICY_IV_DETERMINISTIC,
	POLICY_IV_RANDOM
};

/** What a personal value becomes for a reader who can not open it. */
enum policy_unreadable {
	POLICY_UNREADABLE_SEALED, // default: the sealed text stays
	POLICY_UNREADABLE_NULL,
	POLICY_UNREADABLE_VALUE, // policy_field.unreadable_value: JSON text, or a CSV cell's text
	POLICY_UNREADABLE_FAIL // open stops with an error; a derived view leaves the row out and counts it
};

enum policy_field_flag {
	POLICY_FIELD_REQUIRED = 1 << 0,
	POLICY_FIELD_NULLABLE = 1 << 1, // null is a legal value; a null is never sealed
	POLICY_FIELD_PERSONAL = 1 << 2,
	POLICY_FIELD_REPEATED = 1 << 3,  // the path has a `*` step
	POLICY_FIELD_HAS_MIN = 1 << 4,   // range_min
	POLICY_FIELD_HAS_MAX = 1 << 5,   // range_max
	POLICY_FIELD_HAS_LENGTH = 1 << 6 // length_min, length_max
};

/** A decimal number as text of canonical form, for exact comparison: [-]digits[.digits], no leading or trailing zeros. */
struct policy_field {
	struct policy_span path;      // as the contract writes it: the associated data
	struct policy_span match;     // regular expression (PCRE2, UTF), searched
	struct policy_span range_min; // decimal text; flag HAS_MIN
	struct policy_span range_max; // decimal text; flag HAS_MAX
	struct policy_table
		one_of; // rows are policy_span: decoded strings, or token text of other types
	struct policy_span unreadable_value; // JSON token, or CSV cell text
	uint32_t length_min;                 // Unicode code points; flag HAS_LENGTH
	uint32_t length_max;                 // likewise; UINT32_MAX = open
	uint16_t flags;                      // enum policy_field_flag
	uint8_t type;                        // enum policy_type
	uint8_t item_type;                   // of an array's items; POLICY_ANY = unchecked
	uint8_t purpose;                     // level 0..PURPOSE_MAX; personal fields only
	uint8_t purpose_index;               // position of purpose in the image's purposes table
	uint8_t iv;                          // enum policy_iv
	uint8_t unreadable;                  // enum policy_unreadable
};

enum policy_node_kind {
	POLICY_NODE_MEMBER, // an object's member by name
	POLICY_NODE_EACH    // `*`: each element of an array, or each member of an object
};

/** One step of the paths, as a tree: row 0 is the event itself. A node's children are adjacent rows. */
struct policy_node {
	uint64_t head;           // first 8 bytes of name, little endian, zeros after its end
	struct policy_span name; // decoded name
	uint16_t field;          // row of the fields table, or POLICY_NONE
	uint16_t first_child;    // row of this table
	uint16_t child_count;    // an EACH child, if any, is the only child
	uint8_t kind;            // enum policy_node_kind
	uint8_t reserved;
};

enum policy_time_form {
	POLICY_TIME_NONE, // no time field: the time of processing
	POLICY_TIME_RFC3339,
	POLICY_TIME_EPOCH_S,
	POLICY_TIME_EPOCH_MS,
	POLICY_TIME_PATTERN // policy.time_items
};

/** One item of a compiled Java DateTimeFormatter pattern. */
enum policy_time_item_kind {
	POLICY_TIME_LITERAL,     // text
	POLICY_TIME_YEAR,        // u, y
	POLICY_TIME_MONTH,       // M digits
	POLICY_TIME_MONTH_SHORT, // MMM: Jan
	POLICY_TIME_MONTH_LONG,  // MMMM: January
	POLICY_TIME_DAY,         // d
	POLICY_TIME_DAY_OF_YEAR, // D
	POLICY_TIME_WEEKDAY,     // E, EEEE: read and not checked
	POLICY_TIME_HOUR,        // H 0-23
	POLICY_TIME_HOUR_AMPM,   // h 1-12
	POLICY_TIME_AMPM,        // a
	POLICY_TIME_MINUTE,      // m
	POLICY_TIME_SECOND,      // s
	POLICY_TIME_FRACTION,    // S: digits after the point
	POLICY_TIME_NANO,        // n: nanoseconds as a whole number
	POLICY_TIME_OFFSET,      // X x Z: Z, +HH, +HHMM, +HH:MM
	POLICY_TIME_ZONE // VV: an IANA name; only "UTC", "Z", offsets and the default zone's own name
};

struct policy_time_item {
	struct policy_span text; // LITERAL only
	uint8_t kind;            // enum policy_time_item_kind
	uint8_t digits_min;      // 1..
	uint8_t digits_max;      // 1..
	uint8_t reserved[5];
};

/** From at_s on, local time is UTC + offset_s. Rows ascend; row 0 has at_s INT64_MIN. */
struct policy_zone_step {
	int64_t at_s;     // UTC seconds since 1970
	int32_t offset_s; // seconds east of Greenwich
	uint32_t reserved;
};

/** A consent field's text that stands for purposes. */
struct policy_consent_rule {
	uint64_t purposes;       // bit p = purpose p
	struct policy_span text; // decoded string, or token text of another type
};

enum policy_view_kind {
	POLICY_GRANULAR,
	POLICY_CUMULATIVE
};

enum policy_mask_kind {
	POLICY_MASK_HMAC,
	POLICY_MASK_MURMUR3
};

struct policy_mask {
	struct policy_span seed; // MURMUR3: seed text; HMAC: MASK_KEY_SIZE bytes of key
	uint16_t field;          // row of the fields table; a string field
	uint8_t kind;            // enum policy_mask_kind
	uint8_t reserved[5];
};

/** A derived view: which events pass, which fields are open. */
struct policy_view {
	uint64_t required;         // GRANULAR: passes iff required is a subset of the consents
	uint64_t opened;           // purposes whose fields are open in this view
	struct policy_table masks; // rows are policy_mask
	struct policy_span name;
	uint8_t kind;  // enum policy_view_kind
	uint8_t level; // CUMULATIVE: passes iff the highest consent is >= level
	uint8_t reserved[6];
};

struct policy_image {
	uint32_t magic;   // POLICY_MAGIC
	uint32_t version; // POLICY_VERSION
	uint32_t size;    // bytes of the whole image
	uint32_t reserved0;
	uint64_t checksum; // XXH3-64 of the image with this member 0

	struct policy_span ref; // handle/name/version
	uint8_t format;         // enum policy_format
	uint8_t undeclared;     // enum policy_undeclared
	uint8_t undeclared_purpose;
	uint8_t undeclared_purpose_index;
	uint8_t duplicates; // enum policy_duplicates
	uint8_t time_form;  // enum policy_time_form
	uint8_t csv_separator;
	uint8_t reserved1;

	uint16_t key_field;     // row of fields
	uint16_t subject_field; // row of fields, or POLICY_NONE
	uint16_t time_field;    // row of fields, or POLICY_NONE
	uint16_t consent_field; // row of fields, or POLICY_NONE

	struct policy_table fields;     // policy_field
	struct policy_table nodes;      // policy_node; row 0 is the root
	struct policy_table purposes;   // uint8_t levels, ascending: the order of derived keys
	struct policy_table time_items; // policy_time_item
	struct policy_table zone;       // policy_zone_step; empty = UTC
	struct policy_span zone_name;
	struct policy_table consent_rules; // policy_consent_rule
	uint64_t consent_otherwise;        // purposes when nothing says otherwise
	struct policy_table views;         // policy_view, 0..VIEWS_MAX
};

static_assert(sizeof(struct policy_span) == 8, "layout");
static_assert(sizeof(struct policy_field) == 64, "layout");
static_assert(sizeof(struct policy_node) == 24, "layout");
static_assert(sizeof(struct policy_time_item) == 16, "layout");
static_assert(sizeof(struct policy_zone_step) == 16, "layout");
static_assert(sizeof(struct policy_consent_rule) == 16, "layout");
static_assert(sizeof(struct policy_mask) == 16, "layout");
static_assert(sizeof(struct policy_view) == 40, "layout");
static_assert(sizeof(struct policy_image) == 120, "layout");

/**
 * Check an image as a stranger's: checksum, every offset, count, enum, tree shape and cross reference.
 * After SL_OK the accessors below and every user of the image can trust it.
 *
 * Outcomes  SL_OK; SL_E_CORRUPT with the first fault in *ret_problem
 */
enum sl_status policy_image_check(const void *bytes, size_t size, struct problem *ret_problem);

/** The checksum that the header should carry. */
uint64_t policy_image_checksum(const void *bytes, size_t size);

static inline const void *policy_rows(const struct policy_image *image, struct policy_table table)
{
	return (const uint8_t *)image + table.offset;
}

static inline struct view policy_view_of(const struct policy_image *image, struct policy_span span)
{
	return view_of((const uint8_t *)image + span.offset, span.size);
}

static inline const struct policy_field *policy_fields(const struct policy_image *image)
{
	return policy_rows(image, image->fields);
}

static inline const struct policy_node *policy_nodes(const struct policy_image *image)
{
	return policy_rows(image, image->nodes);
}
