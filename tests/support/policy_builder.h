#pragma once

#include "control/api/policy.h"
#include "dataplane/pipeline/policy.h"

// A policy image from a table in a test, without contract files and their compiler. What a test
// leaves out is zero: JSON, undeclared members pass, duplicates are refused, no time, no views.

/** A field; tables of fields end at .path == NULL. */
struct build_field {
	const char *path; // steps joined by `/`, `*` = each, `~0` and `~1` in names
	uint16_t flags;   // enum policy_field_flag; REPEATED is added by the path
	uint8_t type;     // enum policy_type
	uint8_t item_type;
	uint8_t purpose; // of PERSONAL fields
	uint8_t iv;
	uint8_t unreadable;
	const char *match; // NULL = none; likewise below
	const char *range_min;
	const char *range_max;
	const char *const *one_of; // ends at NULL
	const char *unreadable_value;
	uint32_t length_min; // with flag HAS_LENGTH
	uint32_t length_max;
};

/** What consent text stands for; tables end at .text == NULL. */
struct build_consent {
	const char *text;
	uint64_t purposes;
};

/** A mask; tables end at .path == NULL. */
struct build_mask {
	const char *path;
	uint8_t kind; // enum policy_mask_kind
	const void *seed;
	uint32_t seed_size;
};

/** A derived view; tables end at .name == NULL. */
struct build_view {
	const char *name;
	uint8_t kind;
	uint8_t level;
	uint64_t required;
	uint64_t opened;
	const struct build_mask *masks; // NULL = none
};

/** One item of a time pattern; tables end at .digits_max == 0. */
struct build_time_item {
	const char *literal; // LITERAL only
	uint8_t kind;
	uint8_t digits_min;
	uint8_t digits_max;
};

struct build {
	const char *ref; // NULL = "test/event/1.0.0"
	const struct build_field *fields;
	const char *key; // paths of fields; NULL = none (key: the first field)
	const char *subject;
	const char *time;
	const char *consent;
	uint8_t format; // enum policy_format
	uint8_t undeclared;
	uint8_t undeclared_purpose;
	uint8_t duplicates;
	uint8_t time_form;
	uint8_t csv_separator; // 0 = comma
	const struct build_time_item *time_items;
	const struct policy_zone_step *zone; // [zone_count]
	uint32_t zone_count;
	const char *zone_name;
	const struct build_consent *consent_rules;
	uint64_t consent_otherwise;
	const struct build_view *views;
};

/** Build an image, checksum and all; aborts on a table that makes no sense. Free with free(). */
struct policy_image *policy_build(const struct build *build);

/** A policy over the image without what policy_bind compiles (regular expressions, paths, masks). */
struct policy policy_build_bare(const struct policy_image *image);

/** Row of the field with that path; aborts when there is none. */
uint16_t policy_build_field_row(const struct policy_image *image, const char *path);
