#pragma once

#include "bench/simdjson_parse.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Keys that the fields of one event were sealed under, 32 bytes each. */
struct verify_keys {
	const unsigned char *user;
	const unsigned char *rest; // of comment and cityName
};

/**
 * Is that line the event with `user`, `comment` and `cityName` sealed? They are opened by OpenSSL, read by simdjson's
 * DOM and compared; nulls stay null, all other members must be there unchanged, and strmMeta must be all that is new.
 */
bool verify_sealed(struct bench_text event, struct bench_text line, struct verify_keys keys);

#ifdef __cplusplus
}
#endif
