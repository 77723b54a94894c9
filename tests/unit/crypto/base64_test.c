#include "crypto/base64.h"
#include "crypto/base64_code.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <string.h>

/** RFC 4648 §10. */
static const struct vector {
	const char *raw;
	const char *text;
} vectors[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

static const char *const invalid[] = {
	"Z",
	"Zg",
	"Zg=",
	"Zm8",
	"Zm9vY",
	"=",
	"==",
	"===",
	"====",
	"Z===",
	"=Zg=",
	"Z=g=",
	"Zg=a",
	"Zh==",
	"Zi==",
	"Zo==",
	"Zm9=",
	"Zm+=",
	"Zm 8",
	"Zm8\n",
	"Zm8=\n",
	" Zm8=",
	"Zm8==",
	"Zg==Zg==",
	"Zm8=Zm9v",
	"Zm9v====",
	"Zm9-",
	"Zm9_",
	"Zm9.",
	"Zm9\x7f",
	"Zm9\x80",
	"Zm9\xff",
	"Zm9@",
	"Zm9[",
	"Zm9`",
	"Zm9{",
	"Zm9:",
	"Zm9,",
	"Zm9*",
	"\xc3\xa4Zm",
	"Zm9vZm9vZm9vZm9vZm9vZm9vZm9vZm9v====",
};

struct path {
	const char *name;
	void (*encode)(struct view raw, uint8_t *ret_text);
	size_t (*decode)(struct view text, uint8_t *ret_raw);
};

/** Every code path that runs here, the chosen one first. */
static size_t list_paths(struct path paths[static BASE64_PATH_COUNT + 1])
{
	size_t count = 1;

	paths[0] = (struct path){"chosen", base64_encode, base64_decode};
	for (unsigned i = 0; i < BASE64_PATH_COUNT; i++)
		if (base64_paths[i].is_there())
			paths[count++] = (struct path
			){base64_paths[i].name, base64_paths[i].encode, base64_paths[i].decode};
	return count;
}

static void each_path(void (*run)(const struct path *path))
{
	struct path paths[BASE64_PATH_COUNT + 1];
	size_t count = list_paths(paths);

	CHECK(count >= 2);
	for (size_t i = 0; i < count; i++)
		run(&paths[i]);
}

static void check_vectors(const struct path *path)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint8_t text[16];
		uint8_t raw[16];
		struct view want = view_of_text(vectors[i].text);
		size_t raw_size = strlen(vectors[i].raw);

		path->encode(view_of_text(vectors[i].raw), text);
		CHECK_EQUAL(base64_size(raw_size), want.size);
		CHECK(view_equal(view_of(text, want.size), want));
		CHECK_EQUAL(path->decode(want, raw), raw_size);
		CHECK(memcmp(raw, vectors[i].raw, raw_size) == 0);
	}
}

static void check_invalid(const struct path *path)
{
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		uint8_t raw[64];

		CHECK_EQUAL(path->decode(view_of_text(invalid[i]), raw), SIZE_MAX);
	}
}

static void fill(uint8_t *bytes, size_t size, unsigned *seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)((*seed = *seed * 1664525 + 1013904223) >> 24);
}

/** Both buffers end at unmapped pages: a byte read or written beyond them is a crash. */
static void check_round_trips(const struct path *path)
{
	unsigned seed = 7;

	for (size_t size = 0; size <= 400; size++) {
		struct guarded raw = guarded_new(size);
		struct guarded text = guarded_new(base64_size(size));
		struct guarded back = guarded_new(text.size / 4 * 3);
		uint8_t reference[600];

		fill(raw.bytes, size, &seed);
		path->encode(view_of(raw.bytes, size), text.bytes);
		base64_encode_scalar(view_of(raw.bytes, size), reference);
		CHECK(memcmp(text.bytes, reference, text.size) == 0);
		CHECK_EQUAL(path->decode(view_of(text.bytes, text.size), back.bytes), size);
		CHECK(size == 0 || memcmp(back.bytes, raw.bytes, size) == 0);
		guarded_free(&raw);
		guarded_free(&text);
		guarded_free(&back);
	}
}

/** Each of 256 byte values at each place of a text: accepted as the scalar code does. */
static void check_every_byte(const struct path *path)
{
	static const size_t sizes[] = {30, 71, 150};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint8_t raw[160] = {1, 2, 3};
		uint8_t text[256];
		uint8_t a[200];
		uint8_t b[200];
		size_t size = base64_size(sizes[s]);

		base64_encode_scalar(view_of(raw, sizes[s]), text);
		for (size_t at = 0; at < size; at++) {
			uint8_t kept = text[at];

			for (unsigned byte = 0; byte < 256; byte++) {
				size_t want;

				text[at] = (uint8_t)byte;
				want = base64_decode_scalar(view_of(text, size), a);
				CHECK_EQUAL(path->decode(view_of(text, size), b), want);
				CHECK(want == SIZE_MAX || memcmp(a, b, want) == 0);
			}
			text[at] = kept;
		}
	}
}

static void vectors_of_the_rfc(void)
{
	each_path(check_vectors);
}

static void what_is_not_canonical_is_refused(void)
{
	each_path(check_invalid);
}

static void round_trips(void)
{
	each_path(check_round_trips);
}

static void every_byte_at_every_place(void)
{
	each_path(check_every_byte);
}

static const struct check_test tests[] = {
	{"vectors of the RFC", vectors_of_the_rfc},
	{"what is not canonical is refused", what_is_not_canonical_is_refused},
	{"round trips", round_trips},
	{"every byte at every place", every_byte_at_every_place},
};

CHECK_MAIN("crypto/base64")
