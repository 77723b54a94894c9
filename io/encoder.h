#pragma once

#include "io/base/status.h"
#include "io/base/view.h"

#include <stdbool.h>

// One gzip member or zstd frame, compressed piece by piece.

struct encoder;

/** @param level 0 = gzip 6, zstd 3.  Outcomes  SL_OK; SL_E_NOMEM, SL_E_INVALID (level) */
enum sl_status encoder_new(bool is_zstd, int level, struct encoder **ret_encoder);

/** Compress until in is used up or out is full. Outcomes  SL_OK; SL_E_NOMEM */
enum sl_status encoder_run(struct encoder *encoder, struct view *in, struct room *out);

/** Write the end; again with more room until it says is_done. Outcomes as encoder_run. */
enum sl_status encoder_finish(struct encoder *encoder, struct room *out, bool *ret_is_done);

void encoder_free(struct encoder *encoder);
