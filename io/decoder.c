#include "io/decoder.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	GZIP_ONLY = 15 + 16 // windowBits: any window, gzip's header and check
};

struct decoder {
	ZSTD_DStream *zstd; // NULL = gzip
	z_stream gzip;
	bool is_open;   // in the middle of a member or frame
	bool is_padded; // gzip: the last member is followed by zeroes, to the end
	bool has_more;  // out was full: bytes, or damage, may wait inside
};

enum sl_status decoder_new(bool is_zstd, struct decoder **ret_decoder)
{
	struct decoder *d = calloc(1, sizeof(*d));
	bool is_made;

	if (d == NULL)
		return SL_E_NOMEM;
	d->is_open = true;
	if (is_zstd)
		is_made = (d->zstd = ZSTD_createDStream()) != NULL;
	else
		is_made = inflateInit2(&d->gzip, GZIP_ONLY) == Z_OK;
	if (!is_made) {
		free(d);
		return SL_E_NOMEM;
	}
	*ret_decoder = d;
	return SL_OK;
}

static enum sl_status run_zstd(struct decoder *d, struct view *in, struct room *out)
{
	while (in->size != 0 || d->has_more) {
		ZSTD_inBuffer from = {.src = in->bytes, .size = in->size};
		ZSTD_outBuffer to = {.dst = out->bytes, .size = out->capacity, .pos = out->size};
		size_t left = ZSTD_decompressStream(d->zstd, &to, &from);

		if (ZSTD_isError(left))
			switch ((int)ZSTD_getErrorCode(left)) {
			case ZSTD_error_memory_allocation:
				return SL_E_NOMEM;
			case ZSTD_error_frameParameter_windowTooLarge:
				return SL_E_TOO_BIG;
			default:
				return SL_E_CORRUPT;
			}
		*in = view_of(in->bytes + from.pos, in->size - from.pos);
		out->size = to.pos;
		d->is_open = left != 0;
		d->has_more = d->is_open && room_left(out) == 0;
		if (room_left(out) == 0)
			break;
	}
	return SL_OK;
}

/**
 * Between two gzip members: zeroes (as tapes leave them) may follow up to the end, nothing else.
 */
static enum sl_status begin_member(struct decoder *d, struct view *in)
{
	if (d->is_padded || in->bytes[0] == 0) {
		d->is_padded = true;
		for (; in->size != 0; in->bytes++, in->size--)
			if (in->bytes[0] != 0)
				return SL_E_CORRUPT;
		return SL_OK;
	}
	d->is_open = true;
	return inflateReset(&d->gzip) == Z_OK ? SL_OK : SL_E_CORRUPT;
}

static enum sl_status run_gzip(struct decoder *d, struct view *in, struct room *out)
{
	z_stream *z = &d->gzip;

	while (in->size != 0 || d->has_more) {
		int result;

		if (!d->is_open)
			SL_TRY(begin_member(d, in));
		if (!d->is_open)
			continue;
		z->next_in = (Bytef *)in->bytes;
		z->avail_in = (uInt)in->size;
		z->next_out = out->bytes + out->size;
		z->avail_out = (uInt)room_left(out);
		result = inflate(z, Z_NO_FLUSH);
		*in = view_of(z->next_in, z->avail_in);
		out->size = out->capacity - z->avail_out;
		if (result == Z_MEM_ERROR)
			return SL_E_NOMEM;
		if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
			return SL_E_CORRUPT;
		d->is_open = result != Z_STREAM_END;
		d->has_more = d->is_open && room_left(out) == 0;
		if (room_left(out) == 0)
			break;
	}
	return SL_OK;
}

enum sl_status decoder_run(struct decoder *d, struct view *in, struct room *out)
{
	return d->zstd != NULL ? run_zstd(d, in, out) : run_gzip(d, in, out);
}

bool decoder_may_end(const struct decoder *d)
{
	return !d->is_open;
}

void decoder_free(struct decoder *d)
{
	if (d == NULL)
		return;
	if (d->zstd != NULL)
		ZSTD_freeDStream(d->zstd);
	else
		inflateEnd(&d->gzip);
	free(d);
}
