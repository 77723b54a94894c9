#include "io/encoder.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum {
	GZIP_ONLY = 15 + 16, // windowBits: largest window, gzip's header and check
	GZIP_LEVEL = 6,
	GZIP_MEMORY = 8, // zlib's own default
	ZSTD_LEVEL = 3
};

struct encoder {
	ZSTD_CStream *zstd; // NULL = gzip
	z_stream gzip;
};

static enum sl_status begin_zstd(struct encoder *e, int level)
{
	if (level > ZSTD_maxCLevel())
		return SL_E_INVALID;
	e->zstd = ZSTD_createCStream();
	if (e->zstd == NULL)
		return SL_E_NOMEM;
	if (ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, level))
	    || ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_checksumFlag, 1)))
		return SL_E_INVALID;
	return SL_OK;
}

static enum sl_status begin_gzip(struct encoder *e, int level)
{
	if (level > Z_BEST_COMPRESSION)
		return SL_E_INVALID;
	return deflateInit2(&e->gzip, level, Z_DEFLATED, GZIP_ONLY, GZIP_MEMORY, Z_DEFAULT_STRATEGY)
			== Z_OK
		? SL_OK
		: SL_E_NOMEM;
}

enum sl_status encoder_new(bool is_zstd, int level, struct encoder **ret_encoder)
{
	struct encoder *e;
	enum sl_status status;

	if (level < 0)
		return SL_E_INVALID;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return SL_E_NOMEM;
	if (is_zstd)
		status = begin_zstd(e, level == 0 ? ZSTD_LEVEL : level);
	else
		status = begin_gzip(e, level == 0 ? GZIP_LEVEL : level);
	if (status != SL_OK) {
		encoder_free(e);
		return status;
	}
	*ret_encoder = e;
	return SL_OK;
}

static enum sl_status run_zstd(
	struct encoder *e,
	struct view *in,
	struct room *out,
	ZSTD_EndDirective how,
	size_t *ret_left
)
{
	ZSTD_inBuffer from = {.src = in->bytes, .size = in->size};
	ZSTD_outBuffer to = {.dst = out->bytes, .size = out->capacity, .pos = out->size};
	size_t left = ZSTD_compressStream2(e->zstd, &to, &from, how);

	if (ZSTD_isError(left))
		return SL_E_NOMEM;
	*in = view_of(in->bytes + from.pos, in->size - from.pos);
	out->size = to.pos;
	*ret_left = left;
	return SL_OK;
}

static enum sl_status run_gzip(
	struct encoder *e,
	struct view *in,
	struct room *out,
	int how,
	int *ret_result
)
{
	z_stream *z = &e->gzip;

	z->next_in = (Bytef *)in->bytes;
	z->avail_in = (uInt)in->size;
	z->next_out = out->bytes + out->size;
	z->avail_out = (uInt)room_left(out);
	*ret_result = deflate(z, how);
	if (*ret_result == Z_STREAM_ERROR)
		return SL_E_NOMEM;
	*in = view_of(z->next_in, z->avail_in);
	out->size = out->capacity - z->avail_out;
	return SL_OK;
}

enum sl_status encoder_run(struct encoder *e, struct view *in, struct room *out)
{
	size_t left;
	int result;

	while (in->size != 0 && room_left(out) != 0)
		if (e->zstd != NULL)
			SL_TRY(run_zstd(e, in, out, ZSTD_e_continue, &left));
		else
			SL_TRY(run_gzip(e, in, out, Z_NO_FLUSH, &result));
	return SL_OK;
}

enum sl_status encoder_finish(struct encoder *e, struct room *out, bool *ret_is_done)
{
	struct view nothing = {0};
	size_t left = 0;
	int result = Z_STREAM_END;

	if (e->zstd != NULL)
		SL_TRY(run_zstd(e, &nothing, out, ZSTD_e_end, &left));
	else
		SL_TRY(run_gzip(e, &nothing, out, Z_FINISH, &result));
	*ret_is_done = left == 0 && result == Z_STREAM_END;
	return SL_OK;
}

void encoder_free(struct encoder *e)
{
	if (e == NULL)
		return;
	if (e->zstd != NULL)
		ZSTD_freeCStream(e->zstd);
	else
		deflateEnd(&e->gzip);
	free(e);
}
