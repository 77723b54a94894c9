#include "crypto/base64.h"
#include "crypto/lanes.h"
#include "crypto/lanes_kernel.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Fields at the edges: of their buffers (unmapped pages on both sides), of the sizes that lanes take, and of
// what counts as a sealed field.

enum {
	SIZES = 200 // texts of 0..SIZES - 1 bytes are tried at the edges of pages
};

static const uint8_t keys[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
static struct seal_burst sealing;
static struct open_burst opening;
static uint16_t rest[FIELD_BURST_MAX];

static void fill_sevens(void *context, void *bytes, size_t size)
{
	(void)context;
	memset(bytes, 7, size);
}

static struct lanes *lanes_at(enum cpu_level level)
{
	struct lanes *lanes = lanes_new(level, fill_sevens, NULL);

	CHECK_FATAL(lanes != NULL);
	return lanes;
}

static void run_levels(void (*run)(struct lanes *lanes))
{
	for (enum cpu_level level = CPU_SSE; level < CPU_LEVEL_COUNT; level++)
		if (lanes_best(level) == level) {
			struct lanes *lanes = lanes_at(level);

			run(lanes);
			lanes_free(lanes);
		}
}

/** Bytes that end at an unmapped page, or begin after one. */
static uint8_t *edge_of(const struct guarded *g, bool is_front)
{
	return is_front ? (uint8_t *)g->map + sysconf(_SC_PAGESIZE) : g->bytes;
}

static void set_field(
	uint32_t i,
	const struct field_path *path,
	bool is_random,
	struct view text,
	uint8_t *sealed
)
{
	sealing.field_key[i] = keys;
	sealing.iv_key[i] = is_random ? NULL : keys + 32;
	sealing.path[i] = path;
	sealing.key_id[i] = 0x40000001 + i;
	sealing.text[i] = text;
	sealing.sealed[i] = sealed;
}

/** Make opening that of all fields in sealing. */
static void turn_round(uint8_t *text[])
{
	opening.count = sealing.count;
	for (uint32_t i = 0; i < sealing.count; i++) {
		opening.field_key[i] = sealing.field_key[i];
		opening.path[i] = sealing.path[i];
		opening.key_id[i] = sealing.key_id[i];
		opening.sealed[i] =
			view_of(sealing.sealed[i], field_sealed_size(sealing.text[i].size));
		opening.text[i] = text[i];
	}
}

/** One field of each size whose every buffer touches an unmapped page. */
static void run_edge(struct lanes *lanes, size_t size, bool is_front, bool is_random)
{
	struct guarded text = guarded_new(size);
	struct guarded back = guarded_new(field_text_size_max(field_sealed_size(size)));
	struct guarded sealed = guarded_new(field_sealed_size(size));
	struct guarded key = guarded_new(32);
	struct guarded path = guarded_new(sizeof(struct field_path));
	struct field_path *path_at = (struct field_path *)(void *)edge_of(&path, is_front);
	uint8_t *text_at[1] = {edge_of(&back, is_front)};

	CHECK_FATAL(field_path_init(view_of(keys, 1 + size % 64), path_at));
	memcpy(edge_of(&key, is_front), keys, 32);
	memset(edge_of(&text, is_front), 0x33, size);
	sealing.count = 1;
	set_field(
		0,
		path_at,
		is_random,
		view_of(edge_of(&text, is_front), size),
		edge_of(&sealed, is_front)
	);
	sealing.field_key[0] = edge_of(&key, is_front);
	CHECK_EQUAL(lanes_seal_fields(lanes, &sealing, rest), 0);
	turn_round(text_at);
	CHECK_EQUAL(lanes_open_fields(lanes, &opening, rest), 0);
	CHECK(opening.is_opened[0]);
	CHECK_EQUAL(opening.text_size[0], size);
	CHECK(memcmp(text_at[0], edge_of(&text, is_front), size) == 0);
	guarded_free(&text);
	guarded_free(&back);
	guarded_free(&sealed);
	guarded_free(&key);
	guarded_free(&path);
}

static void run_edges(struct lanes *lanes)
{
	for (size_t size = 0; size < SIZES; size++)
		for (unsigned way = 0; way < 4; way++)
			run_edge(lanes, size, (way & 1) != 0, (way & 2) != 0);
	run_edge(lanes, lanes_text_max(lanes), true, false);
	run_edge(lanes, lanes_text_max(lanes), false, false);
}

static void run_limits(struct lanes *lanes)
{
	size_t max = lanes_text_max(lanes);
	static uint8_t text[LANES_TEXT_MAX + 1 + FIELD_OVERHEAD];
	static uint8_t sealed[3][2 * LANES_TEXT_MAX];
	static uint8_t text_of_digits[2 * LANES_TEXT_MAX];
	static uint8_t back[3][2 * LANES_TEXT_MAX];
	uint8_t *backs[3] = {back[0], back[1], back[2]};
	struct field_path path;

	CHECK_FATAL(field_path_init(view_of("p", 1), &path));
	base64_encode(view_of(text, max + 1 + FIELD_OVERHEAD), text_of_digits);
	memset(sealed, 0, sizeof(sealed));
	sealing.count = 3;
	set_field(0, &path, false, view_of(text, max + 1), sealed[0]);
	set_field(1, &path, false, view_of(text, max), sealed[1]);
	set_field(2, &path, true, view_of(NULL, 0), sealed[2]);
	CHECK_EQUAL(lanes_seal_fields(lanes, &sealing, rest), 1);
	CHECK_EQUAL(rest[0], 0);
	CHECK_EQUAL(sealed[0][0], 0);
	CHECK(sealed[1][0] != 0 && sealed[2][0] != 0);
	turn_round(backs);
	opening.sealed[0] = view_of(text_of_digits, field_sealed_size(max + 1));
	CHECK_EQUAL(lanes_open_fields(lanes, &opening, rest), 1);
	CHECK_EQUAL(rest[0], 0);
	CHECK(opening.is_opened[1] && opening.text_size[1] == max);
	CHECK(opening.is_opened[2] && opening.text_size[2] == 0);
	sealing.count = 0;
	opening.count = 0;
	CHECK_EQUAL(lanes_seal_fields(lanes, &sealing, rest), 0);
	CHECK_EQUAL(lanes_open_fields(lanes, &opening, rest), 0);
	lanes_derive(lanes, NULL, 0, NULL, 0, NULL);
}

/** A bit of the field in the middle of a burst is changed: it alone is refused, and its text zeroed. */
static void run_forgeries(struct lanes *lanes)
{
	enum {
		FIELDS = 5,
		SIZE = 21
	};

	uint8_t sealed[FIELDS][96];
	uint8_t back[FIELDS][64];
	uint8_t *backs[FIELDS];
	struct field_path path;

	CHECK_FATAL(field_path_init(view_of("user", 4), &path));
	sealing.count = FIELDS;
	for (uint32_t i = 0; i < FIELDS; i++) {
		set_field(i, &path, i % 2 == 0, view_of(keys, SIZE), sealed[i]);
		backs[i] = back[i];
	}
	CHECK_EQUAL(lanes_seal_fields(lanes, &sealing, rest), 0);
	turn_round(backs);
	for (uint32_t bit = 0; bit < 8 * field_sealed_size(SIZE); bit++) {
		memset(back, 0x55, sizeof(back));
		sealed[2][bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQUAL(lanes_open_fields(lanes, &opening, rest), 0);
		for (uint32_t i = 0; i < FIELDS; i++)
			CHECK_EQUAL(opening.is_opened[i], i != 2);
		CHECK_EQUAL(opening.text_size[2], 0);
		for (size_t n = 0; n < field_text_size_max(opening.sealed[2].size); n++)
			CHECK_EQUAL(back[2][n], 0);
		CHECK_EQUAL(back[2][field_text_size_max(opening.sealed[2].size)], 0x55);
		sealed[2][bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK_EQUAL(lanes_open_fields(lanes, &opening, rest), 0);
	CHECK(opening.is_opened[2]);
}

static const struct rubbish_case {
	const char *what;
	const char *sealed;
} rubbish_cases[] = {
	{"nothing", ""},
	{"no multiple of four",
	 "AUAAAAEHBwcHBwcHBwcHBwcA"
	 "AAAAAAAAAAAAAAAAAAAAAAA"},
	{"one byte short of an empty field", "AUAAAAEHBwcHBwcHBwcHBwcAAAAAAAAAAAAAAAAAAAA="},
	{"an empty field with a wrong tag", "AUAAAAEHBwcHBwcHBwcHBwcAAAAAAAAAAAAAAAAAAAAA"},
	{"another version", "AkAAAAEHBwcHBwcHBwcHBwcAAAAAAAAAAAAAAAAAAAAA"},
	{"no base64", "AUAAAAEHBwcHBwcHBwcHBwc*AAAAAAAAAAAAAAAAAAAA"},
	{"white space", "AUAAAAEHBwcHBwcHBwcHBwc AAAAAAAAAAAAAAAAAAAA"},
	{"padding within", "AUAAAAEHBwcHBwcHBwcHBwc=AAAAAAAAAAAAAAAAAAAAAAAA"},
	{"three pads", "AUAAAAEHBwcHBwcHBwcHBwcHAAAAAAAAAAAAAAAAAAAAA==="},
	{"four pads", "===="},
	{"bits in the padding", "AUAAAAEHBwcHBwcHBwcHBwcHAAAAAAAAAAAAAAAAAAAAAAB="},
};

static void run_rubbish(struct lanes *lanes)
{
	struct field_path path;

	CHECK_FATAL(field_path_init(view_of("user", 4), &path));
	for (size_t i = 0; i < sizeof(rubbish_cases) / sizeof(rubbish_cases[0]); i++) {
		struct view sealed = view_of_text(rubbish_cases[i].sealed);
		struct guarded text = guarded_new(field_text_size_max(sealed.size));

		memset(text.bytes, 0x55, text.size);
		opening.count = 1;
		opening.field_key[0] = keys;
		opening.path[0] = &path;
		opening.key_id[0] = 0x40000001;
		opening.sealed[0] = sealed;
		opening.text[0] = text.bytes;
		opening.is_opened[0] = true;
		CHECK_EQUAL(lanes_open_fields(lanes, &opening, rest), 0);
		CHECK(!opening.is_opened[0]);
		CHECK_EQUAL(opening.text_size[0], 0);
		for (size_t n = 0; n < text.size; n++)
			CHECK_EQUAL(text.bytes[n], 0);
		guarded_free(&text);
	}
}

/** Paths of every size, side by side with texts of other sizes: all as ipsec-mb has them. */
static void run_paths(struct lanes *lanes)
{
	static const struct engine_options off = {.lanes = LANES_OFF};
	static struct field_path paths[FIELD_PATH_MAX];
	static uint8_t sealed[FIELD_PATH_MAX][256];
	static uint8_t right[FIELD_PATH_MAX][256];
	static uint8_t name[FIELD_PATH_MAX];
	struct problem problem;
	struct engine *judge;

	CHECK_FATAL(engine_new(&off, &judge, &problem) == SL_OK);
	memset(name, 'n', sizeof(name));
	for (size_t text_size = 0; text_size < 64; text_size++) {
		sealing.count = FIELD_PATH_MAX;
		for (uint32_t i = 0; i < FIELD_PATH_MAX; i++) {
			struct view text = view_of(keys, (text_size + i / 16) % sizeof(keys));

			CHECK_FATAL(field_path_init(view_of(name, i + 1), &paths[i]));
			set_field(i, &paths[i], false, text, sealed[i]);
		}
		CHECK_EQUAL(lanes_seal_fields(lanes, &sealing, rest), 0);
		for (uint32_t i = 0; i < FIELD_PATH_MAX; i++)
			sealing.sealed[i] = right[i];
		engine_seal_fields(judge, &sealing);
		CHECK(memcmp(sealed, right, sizeof(sealed)) == 0);
	}
	engine_free(judge);
}

/** What must not open: another key, path or key id. */
static void run_wrong_place(struct lanes *lanes)
{
	uint8_t sealed[3][96];
	uint8_t back[3][64];
	uint8_t *backs[3] = {back[0], back[1], back[2]};
	struct field_path path;
	struct field_path other;

	CHECK_FATAL(field_path_init(view_of("user", 4), &path));
	CHECK_FATAL(field_path_init(view_of("uses", 4), &other));
	sealing.count = 3;
	for (uint32_t i = 0; i < 3; i++)
		set_field(i, &path, false, view_of(keys, 20), sealed[i]);
	CHECK_EQUAL(lanes_seal_fields(lanes, &sealing, rest), 0);
	turn_round(backs);
	opening.field_key[0] = keys + 1;
	opening.path[1] = &other;
	opening.key_id[2]++;
	CHECK_EQUAL(lanes_open_fields(lanes, &opening, rest), 0);
	CHECK(!opening.is_opened[0] && !opening.is_opened[1] && !opening.is_opened[2]);
	turn_round(backs);
	CHECK_EQUAL(lanes_open_fields(lanes, &opening, rest), 0);
	CHECK(opening.is_opened[0] && opening.is_opened[1] && opening.is_opened[2]);
}

static void test_edges(void)
{
	run_levels(run_edges);
}

static void test_limits(void)
{
	run_levels(run_limits);
}

static void test_forgeries(void)
{
	run_levels(run_forgeries);
}

static void test_rubbish(void)
{
	run_levels(run_rubbish);
}

static void test_paths(void)
{
	run_levels(run_paths);
}

static void test_wrong_place(void)
{
	run_levels(run_wrong_place);
}

static void test_choice(void)
{
	static const struct engine_options off = {.lanes = LANES_OFF};
	static const struct engine_options automatic = {.lanes = LANES_AUTO};
	struct problem problem;
	struct engine *engine;

	CHECK_FATAL(engine_new(&off, &engine, &problem) == SL_OK);
	CHECK(strstr(engine_text(engine), "lanes: off (as asked for)") != NULL);
	engine_free(engine);
	unsetenv("SEALANE_LANES");
	CHECK_FATAL(engine_new(&automatic, &engine, &problem) == SL_OK);
	CHECK(strstr(engine_text(engine), "lanes: off") == NULL);
	engine_free(engine);
	setenv("SEALANE_LANES", "off", 1);
	CHECK_FATAL(engine_new(&automatic, &engine, &problem) == SL_OK);
	CHECK(strstr(engine_text(engine), "lanes: off (as asked for)") != NULL);
	engine_free(engine);
	unsetenv("SEALANE_LANES");
}

static const struct check_test tests[] = {
	{"buffers at the edge of a page", test_edges},
	{"sizes at the limit, empty bursts", test_limits},
	{"every single bit changed", test_forgeries},
	{"rubbish", test_rubbish},
	{"paths of every size", test_paths},
	{"another key, path or key id", test_wrong_place},
	{"the choice and its reason", test_choice},
};

CHECK_MAIN("lanes, field by field")
