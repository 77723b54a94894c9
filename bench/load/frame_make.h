#pragma once

#include "bench/load/stock.h"
#include "bench/load/transport.h"
#include "dataplane/pipeline/frame.h"
#include "io/base/problem.h"

#include <stdint.h>

// Frames around the events of the stock: made ahead; a stamp changes digits and sets the checksum right.

enum {
	FRAME_SOURCE_PORT = 20000 // of the first flow
};

struct frame_maker {
	struct flow flow; // of an answer: goes to flow.source
	uint32_t flow_count;
};

/** Outcomes  SL_OK; SL_E_INVALID */
enum sl_status frame_maker_init(
	struct frame_maker *maker,
	const struct transport_options *options,
	struct problem *ret_problem
);

/** An event in its frame. */
struct framed {
	struct stock_event *event; // its bytes are the frame's payload
	uint8_t *checksum;         // [2] in the frame
	uint64_t sum; // of pseudo header, header and payload without checksum and digits
};

/** Bytes of the frame of an event. */
size_t framed_size(const struct frame_maker *maker, const struct stock_event *event);

/** Write the frame of event number n of the stock to frame and move the event there. */
void framed_make(
	const struct frame_maker *maker,
	uint32_t n,
	struct stock_event *event,
	uint8_t *frame,
	struct framed *ret_framed
);

/** stock_stamp, and the checksum for it. */
void framed_stamp(const struct framed *framed, uint32_t subject, uint64_t number);
