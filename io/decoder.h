#pragma once

#include "io/base/status.h"
#include "io/base/view.h"

#include <stdbool.h>

// gzip and zstd streams, of any number of members and frames, decompressed piece by piece.

struct decoder;

/** Outcomes  SL_OK; SL_E_NOMEM */
enum sl_status decoder_new(bool is_zstd, struct decoder **ret_decoder);

/**
 * Decompress until in is used up or out is full. When out is full there may be more, even with in
 * empty.
 *
 * Outcomes  SL_OK; SL_E_CORRUPT, SL_E_TOO_BIG (zstd: needs more memory than is allowed), SL_E_NOMEM
 */
enum sl_status decoder_run(struct decoder *decoder, struct view *in, struct room *out);

/** The input may end here: the last member or frame is whole. */
bool decoder_may_end(const struct decoder *decoder);

void decoder_free(struct decoder *decoder);
