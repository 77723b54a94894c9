#include "crypto/base64.h"

#include "crypto/base64_code.h"
#include "crypto/cpu.h"

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum {
	NOT_A_DIGIT = 0xff
};

// clang-format keeps the rows: 16 characters each, from 0x00.
#define X NOT_A_DIGIT
static const uint8_t digit_of[256] = {
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  62,
	X,  X,  X,  63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X,  X,  X,  X,  X,  X,  X,  0,
	1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
	23, 24, 25, X,  X,  X,  X,  X,  X,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
	39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
};
#undef X

static void encode_quantum(uint32_t bits, uint8_t *text)
{
	text[0] = (uint8_t)alphabet[bits >> 18 & 63];
	text[1] = (uint8_t)alphabet[bits >> 12 & 63];
	text[2] = (uint8_t)alphabet[bits >> 6 & 63];
	text[3] = (uint8_t)alphabet[bits & 63];
}

void base64_encode_scalar(struct view raw, uint8_t *ret_text)
{
	size_t i = 0;

	for (; i + 3 <= raw.size; i += 3, ret_text += 4)
		encode_quantum(
			(uint32_t)raw.bytes[i] << 16 | (uint32_t)raw.bytes[i + 1] << 8
				| raw.bytes[i + 2],
			ret_text
		);
	if (i == raw.size)
		return;
	encode_quantum(
		(uint32_t)raw.bytes[i] << 16
			| (i + 1 < raw.size ? (uint32_t)raw.bytes[i + 1] << 8 : 0),
		ret_text
	);
	ret_text[3] = '=';
	if (i + 1 == raw.size)
		ret_text[2] = '=';
}

/** The last quantum, which alone may be padded. Returns bytes, or SIZE_MAX. */
static size_t decode_last(const uint8_t text[static 4], uint8_t *raw)
{
	unsigned pad = text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
	uint8_t d0 = digit_of[text[0]];
	uint8_t d1 = digit_of[text[1]];
	uint8_t d2 = pad == 2 ? 0 : digit_of[text[2]];
	uint8_t d3 = pad != 0 ? 0 : digit_of[text[3]];
	uint32_t bits = (uint32_t)d0 << 18 | (uint32_t)d1 << 12 | (uint32_t)d2 << 6 | d3;

	if (((d0 | d1 | d2 | d3) & 0xc0) != 0)
		return SIZE_MAX;
	// Bits that the padding leaves over must be zero: one text has one spelling.
	if ((pad == 2 && (d1 & 15) != 0) || (pad == 1 && (d2 & 3) != 0))
		return SIZE_MAX;
	raw[0] = (uint8_t)(bits >> 16);
	if (pad < 2)
		raw[1] = (uint8_t)(bits >> 8);
	if (pad < 1)
		raw[2] = (uint8_t)bits;
	return 3 - pad;
}

size_t base64_decode_scalar(struct view text, uint8_t *ret_raw)
{
	uint8_t *raw = ret_raw;
	uint8_t wrong = 0;
	size_t last;

	if (text.size == 0)
		return 0;
	if (text.size % 4 != 0)
		return SIZE_MAX;
	for (size_t i = 0; i + 4 < text.size; i += 4, raw += 3) {
		uint8_t d0 = digit_of[text.bytes[i]];
		uint8_t d1 = digit_of[text.bytes[i + 1]];
		uint8_t d2 = digit_of[text.bytes[i + 2]];
		uint8_t d3 = digit_of[text.bytes[i + 3]];

		wrong |= d0 | d1 | d2 | d3;
		raw[0] = (uint8_t)(d0 << 2 | d1 >> 4);
		raw[1] = (uint8_t)(d1 << 4 | d2 >> 2);
		raw[2] = (uint8_t)(d2 << 6 | d3);
	}
	last = decode_last(text.bytes + text.size - 4, raw);
	if ((wrong & 0xc0) != 0 || last == SIZE_MAX)
		return SIZE_MAX;
	return (size_t)(raw - ret_raw) + last;
}

static bool always(void)
{
	return true;
}

static bool has_avx2(void)
{
	return cpu_has(CPU_AVX2);
}

const struct base64_path base64_paths[BASE64_PATH_COUNT] = {
	{"avx512", cpu_has_vbmi, base64_encode_avx512, base64_decode_avx512},
	{"avx2", has_avx2, base64_encode_avx2, base64_decode_avx2},
	{"scalar", always, base64_encode_scalar, base64_decode_scalar},
};

static const struct base64_path *chosen = &base64_paths[BASE64_PATH_COUNT - 1];

/** Before main and before any thread: from then on the choice is only read. */
__attribute__((constructor)) static void choose(void)
{
	chosen = base64_paths;
	while (!chosen->is_there())
		chosen++;
}

void base64_encode(struct view raw, uint8_t *ret_text)
{
	chosen->encode(raw, ret_text);
}

size_t base64_decode(struct view text, uint8_t *ret_raw)
{
	return chosen->decode(text, ret_raw);
}
