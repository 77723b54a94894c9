#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stdint.h>

// The events that are sent: made ahead from real ones, each with a place for its subject and, when asked for, its number,
// so that sending writes a few digits and nothing else.

enum {
	STOCK_SUBJECT_SIZE = 13, // bytes: user-01234567
	STOCK_DIGITS = 8,        // of a subject, at its end
	STOCK_NUMBER_SIZE = 16,  // bytes: decimal digits
	STOCK_EVENT_MAX = 60000, // bytes
	STOCK_EVENTS_MAX = 1 << 20,
	STOCK_NAME_MAX = 60, // bytes of a member's name
	STOCK_TEXT_MAX = 250 // bytes that the text member is made longer to at most
};

struct stock_options {
	const char *path; // NDJSON, .gz and .zst unpacked; objects with both members at the top
	uint32_t count;   // events, 1..STOCK_EVENTS_MAX: lines are taken over and over
	uint32_t
		size; // bytes that events have on average, an eighth more or less each; 0 = as they come
	double escape_share; // 0..1: of events that get an escape into their text, besides those that have one
	const char *subject; // name of the member, a string, that takes the subject
	const char *text;    // name of the member, a string, that is made longer or shorter
	const char *number;  // name of a member to put in front for the number; NULL = none
	uint64_t seed;
};

/** One event; in the stock's memory until somebody points it elsewhere. */
struct stock_event {
	uint8_t *bytes;      // [size]
	uint32_t size;       // bytes, without a line end
	uint32_t subject_at; // where STOCK_SUBJECT_SIZE bytes of subject are
	uint32_t number_at;  // where STOCK_NUMBER_SIZE digits are; 0 = nowhere
};

struct stock {
	struct stock_event *events; // [count] owned
	uint32_t count;
	uint8_t *bytes;        // owned
	uint64_t size;         // bytes of all events
	uint32_t escape_count; // events with an escape in their text
};

/** Outcomes  SL_OK; as input_open; SL_E_SYNTAX (a line without the members), SL_E_INVALID, SL_E_NOMEM */
enum sl_status stock_make(
	const struct stock_options *options,
	struct stock *ret_stock,
	struct problem *ret_problem
);
void stock_done(struct stock *stock);

/** Write subject and number into an event. */
void stock_stamp(const struct stock_event *event, uint32_t subject, uint64_t number);
