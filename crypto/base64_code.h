#pragma once

#include "crypto/base64.h"

#include <stdbool.h>

// The code paths behind base64.h, named so that tests and benches reach each.

void base64_encode_scalar(struct view raw, uint8_t *ret_text);
size_t base64_decode_scalar(struct view text, uint8_t *ret_raw);
void base64_encode_avx2(struct view raw, uint8_t *ret_text);
size_t base64_decode_avx2(struct view text, uint8_t *ret_raw);
void base64_encode_avx512(struct view raw, uint8_t *ret_text); // with VBMI
size_t base64_decode_avx512(struct view text, uint8_t *ret_raw);

enum {
	BASE64_PATH_COUNT = 3
};

struct base64_path {
	const char *name;
	bool (*is_there)(void);
	void (*encode)(struct view raw, uint8_t *ret_text);
	size_t (*decode)(struct view text, uint8_t *ret_raw);
};

/** The fastest first; the last is there on every machine. */
extern const struct base64_path base64_paths[BASE64_PATH_COUNT];
