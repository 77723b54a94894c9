#include "crypto/lanes.h"
#include "crypto/lanes_kernel.h"
#include "tests/support/check.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

// Known answers from outside: every case of Wycheproof with a 256-bit key, a 96-bit IV and a 128-bit
// tag, at every level that this CPU has, in every lane of a batch.

enum {
	BYTES_MAX = 1024
};

struct bytes {
	uint8_t at[BYTES_MAX];
	size_t size;
};

struct vector {
	struct bytes key, iv, aad, text, sealed, tag;
	bool is_valid;
};

typedef void (*vector_fn)(const struct lanes_level *level, const struct vector *v);

static struct lanes_batch batch;

static struct view view_of_bytes(const struct bytes *b)
{
	return view_of(b->at, b->size);
}

static bool read_hex(const json_t *test, const char *name, struct bytes *ret_bytes)
{
	const char *hex = json_string_value(json_object_get(test, name));
	size_t length = hex == NULL ? 0 : strlen(hex);

	ret_bytes->size = length / 2;
	if (length > 2 * BYTES_MAX)
		return false;
	for (size_t i = 0; i < ret_bytes->size; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &ret_bytes->at[i]) != 1)
			return false;
	return true;
}

/** Run every fitting case of a file. Returns cases. */
static unsigned run_file(
	const char *name,
	long iv_bits,
	vector_fn run,
	const struct lanes_level *level
)
{
	char path[512];
	json_t *file;
	json_t *group;
	json_t *test;
	size_t g;
	size_t t;
	unsigned count = 0;

	snprintf(path, sizeof(path), "%s/wycheproof/%s", SEALANE_TEST_DATA_DIR, name);
	file = json_load_file(path, 0, NULL);
	CHECK_FATAL(file != NULL);
	json_array_foreach(json_object_get(file, "testGroups"), g, group)
	{
		if (json_integer_value(json_object_get(group, "keySize")) != 256
		    || json_integer_value(json_object_get(group, "ivSize")) != iv_bits
		    || json_integer_value(json_object_get(group, "tagSize")) != 128)
			continue;
		json_array_foreach(json_object_get(group, "tests"), t, test)
		{
			struct vector v;

			CHECK_FATAL(
				read_hex(test, "key", &v.key) && read_hex(test, "iv", &v.iv)
				&& read_hex(test, "aad", &v.aad) && read_hex(test, "msg", &v.text)
				&& read_hex(test, "ct", &v.sealed) && read_hex(test, "tag", &v.tag)
			);
			v.is_valid = strcmp(json_string_value(json_object_get(test, "result")),
					    "invalid")
				!= 0;
			run(level, &v);
			count++;
		}
	}
	json_decref(file);
	return count;
}

static bool lane_text_is(
	const struct lanes_level *level,
	uint32_t lane,
	const struct bytes *expected
)
{
	uint8_t text[BYTES_MAX];

	level->text(&batch, lane, expected->size, text);
	return memcmp(text, expected->at, expected->size) == 0;
}

/** The case in one lane; a case of another size, under another key, in those beside it. */
static void fill_around(
	const struct lanes_level *level,
	uint32_t lane,
	const struct lanes_message *message,
	const uint8_t *iv
)
{
	static const uint8_t other[2][64] = {{1, 2, 3}, {4, 5, 6}};
	struct lanes_message messages[LANES_WIDTH_MAX];

	for (uint32_t i = 0; i < level->width; i++) {
		messages[i] = (struct lanes_message){
			.key = other[0],
			.mac_key = message->mac_key == NULL ? NULL : other[1],
			.head = view_of(other[0], message->mac_key == NULL ? 0 : 16 * (i % 3)),
			.aad = view_of(other[1], i),
			.text = view_of(other[0], 5 * i + 1),
		};
		memcpy(batch.iv.lane[i], other[1] + i, FIELD_IV_SIZE);
	}
	messages[lane] = *message;
	if (iv != NULL)
		memcpy(batch.iv.lane[lane], iv, FIELD_IV_SIZE);
	level->fill(&batch, messages, level->width);
}

static void run_gcm(const struct lanes_level *level, const struct vector *v)
{
	struct lanes_message m = {.key = v->key.at, .aad = view_of_bytes(&v->aad)};

	for (uint32_t lane = 0; lane < level->width; lane++) {
		bool is_tag_right;

		m.text = view_of_bytes(&v->text);
		fill_around(level, lane, &m, v->iv.at);
		level->seal(&batch);
		is_tag_right = memcmp(batch.tag.lane[lane], v->tag.at, 16) == 0;
		CHECK_EQUAL(is_tag_right, v->is_valid);
		if (v->is_valid)
			CHECK(lane_text_is(level, lane, &v->sealed));
		m.text = view_of_bytes(&v->sealed);
		fill_around(level, lane, &m, v->iv.at);
		level->open(&batch);
		is_tag_right = memcmp(batch.tag.lane[lane], v->tag.at, 16) == 0;
		CHECK_EQUAL(is_tag_right, v->is_valid);
		if (v->is_valid)
			CHECK(lane_text_is(level, lane, &v->text));
	}
}

static void run_cmac(const struct lanes_level *level, const struct vector *v)
{
	struct lanes_message m = {.key = v->key.at, .mac_key = v->key.at};

	for (uint32_t lane = 0; lane < level->width; lane++)
		for (size_t head = 0; head <= v->text.size; head += 16) {
			m.head = view_of(v->text.at, head);
			m.text = view_of(v->text.at + head, v->text.size - head);
			fill_around(level, lane, &m, NULL);
			level->mac(&batch);
			CHECK_EQUAL(memcmp(batch.mac.lane[lane], v->tag.at, 16) == 0, v->is_valid);
		}
}

static unsigned run_levels(const char *name, long iv_bits, vector_fn run)
{
	unsigned count = 0;

	for (enum cpu_level level = CPU_SSE; level < CPU_LEVEL_COUNT; level++)
		if (lanes_best(level) == level)
			count += run_file(name, iv_bits, run, lanes_level_of(level));
	return count;
}

static unsigned count_levels(void)
{
	unsigned count = 0;

	for (enum cpu_level level = CPU_SSE; level < CPU_LEVEL_COUNT; level++)
		count += lanes_best(level) == level;
	return count;
}

static void test_gcm(void)
{
	CHECK_EQUAL(run_levels("aes_gcm_test.json", 96, run_gcm), 66 * count_levels());
}

static void test_cmac(void)
{
	CHECK_EQUAL(run_levels("aes_cmac_test.json", 0, run_cmac), 102 * count_levels());
}

static void test_there_is_a_level(void)
{
	CHECK(count_levels() != 0);
	CHECK(lanes_best(CPU_AUTO) != CPU_AUTO);
	CHECK_EQUAL(lanes_best(CPU_SSE), CPU_SSE);
}

static const struct check_test tests[] = {
	{"there is a level", test_there_is_a_level},
	{"Wycheproof AES-256-GCM, in every lane", test_gcm},
	{"Wycheproof AES-256-CMAC, in every lane", test_cmac},
};

CHECK_MAIN("lanes against known answers")
