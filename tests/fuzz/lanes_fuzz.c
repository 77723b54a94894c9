#include "crypto/ipsec_mb.h"
// Targets: lanes_seal_fields, lanes_open_fields, lanes_derive (against ipsec-mb, at every level of the CPU)

#include "crypto/lanes.h"

#include <stdlib.h>
#include <string.h>

// Input: a data key (32), then three bytes a field as long as they last: path size and kind of IV, text size in two
// bytes. Texts are cut from the input itself, so that they and the keys are whatever the fuzzer likes.

enum {
	KEY_SIZE = 32,
	FIELD_ROW = 3,
	FIELDS_MAX = 40,
	TEXT_MAX = 1200, // beyond what any level takes
	SEALED_MAX = 2048,
	PURPOSES = 2
};

static struct lanes *lanes[CPU_LEVEL_COUNT];
static struct imb_engine *judge;
static struct field_path paths[FIELD_PATH_MAX];
static struct seal_burst sealing;
static struct open_burst opening[2];
static uint8_t keys[2][3 * KEY_SIZE];
static uint8_t text[TEXT_MAX];
static uint8_t sealed[2][FIELDS_MAX][SEALED_MAX];
static uint8_t opened[2][FIELDS_MAX][SEALED_MAX];
static uint16_t rest[FIELD_BURST_MAX];

static void expect(bool is_right)
{
	if (!is_right)
		abort();
}

static void fill_sevens(void *context, void *bytes, size_t size)
{
	(void)context;
	memset(bytes, 7, size);
}

static void set_up(void)
{
	static const uint8_t path[FIELD_PATH_MAX] = "user";
	struct problem problem;

	if (judge != NULL)
		return;
	expect(imb_engine_new(CPU_AUTO, &judge, &problem) == SL_OK);
	for (enum cpu_level level = CPU_SSE; level < CPU_LEVEL_COUNT; level++)
		if (lanes_best(level) == level) {
			lanes[level] = lanes_new(level, fill_sevens, NULL);
			expect(lanes[level] != NULL);
		}
	for (size_t size = 1; size <= FIELD_PATH_MAX; size++)
		expect(field_path_init(view_of(path, size), &paths[size - 1]));
}

static void read_fields(const uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at < TEXT_MAX && size != 0; at += size)
		memcpy(text + at, bytes, at + size <= TEXT_MAX ? size : TEXT_MAX - at);
	sealing.count = 0;
	for (; size >= FIELD_ROW && sealing.count < FIELDS_MAX; size -= FIELD_ROW) {
		uint32_t i = sealing.count++;

		sealing.field_key[i] = keys[0] + KEY_SIZE;
		sealing.iv_key[i] = bytes[0] & 1 ? NULL : keys[0];
		sealing.path[i] = &paths[(bytes[0] >> 1) % FIELD_PATH_MAX];
		sealing.key_id[i] = bytes[0];
		sealing.text[i] = view_of(text, (size_t)(bytes[1] | bytes[2] << 8) % TEXT_MAX);
		bytes += FIELD_ROW;
	}
}

static void point_at(uint32_t which, const uint8_t (*from)[SEALED_MAX])
{
	struct open_burst *o = &opening[which];

	o->count = sealing.count;
	for (uint32_t i = 0; i < sealing.count; i++) {
		o->field_key[i] = sealing.field_key[i];
		o->path[i] = sealing.path[i];
		o->key_id[i] = sealing.key_id[i];
		o->sealed[i] = view_of(from[i], field_sealed_size(sealing.text[i].size));
		o->text[i] = opened[which][i];
	}
}

/** Lanes and ipsec-mb say the same of every field. */
static void compare_open(enum cpu_level level)
{
	point_at(0, sealed[0]);
	point_at(1, sealed[0]);
	imb_open_fields(judge, &opening[1]);
	for (size_t i = lanes_open_fields(lanes[level], &opening[0], rest); i-- > 0;) {
		opening[0].is_opened[rest[i]] = opening[1].is_opened[rest[i]];
		opening[0].text_size[rest[i]] = opening[1].text_size[rest[i]];
		memcpy(opened[0][rest[i]], opened[1][rest[i]], SEALED_MAX);
	}
	for (uint32_t i = 0; i < sealing.count; i++) {
		expect(opening[0].is_opened[i] == opening[1].is_opened[i]);
		expect(opening[0].text_size[i] == opening[1].text_size[i]);
		expect(memcmp(opened[0][i], opened[1][i], opening[0].text_size[i]) == 0);
	}
}

static void compare(enum cpu_level level, const uint8_t *purposes, uint8_t flip)
{
	struct seal_burst judged;
	size_t left;

	lanes_derive(lanes[level], text, 1, purposes, PURPOSES, keys[0]);
	imb_derive(judge, text, 1, purposes, PURPOSES, keys[1]);
	expect(memcmp(keys[0], keys[1], sizeof(keys[0])) == 0);
	for (uint32_t i = 0; i < sealing.count; i++)
		sealing.sealed[i] = sealed[0][i];
	judged = sealing;
	for (uint32_t i = 0; i < sealing.count; i++)
		judged.sealed[i] = sealed[1][i];
	imb_seal_fields(judge, &judged);
	left = lanes_seal_fields(lanes[level], &sealing, rest);
	for (size_t i = 0; i < left; i++)
		memcpy(sealed[0][rest[i]], sealed[1][rest[i]], SEALED_MAX);
	for (uint32_t i = 0; i < sealing.count; i++)
		if (sealing.iv_key[i] != NULL)
			expect(memcmp(sealed[0][i],
				      sealed[1][i],
				      field_sealed_size(sealing.text[i].size))
			       == 0);
	compare_open(level);
	for (uint32_t i = 0; i < sealing.count; i++)
		expect(opening[0].is_opened[i]);
	for (uint32_t i = 0; i < sealing.count; i++)
		sealed[0][i][flip % field_sealed_size(sealing.text[i].size)] ^= flip;
	compare_open(level);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size < KEY_SIZE)
		return 0;
	set_up();
	read_fields(bytes + KEY_SIZE, size - KEY_SIZE);
	memcpy(text, bytes, KEY_SIZE);
	for (enum cpu_level level = CPU_SSE; level < CPU_LEVEL_COUNT; level++)
		if (lanes[level] != NULL)
			compare(level, bytes, bytes[KEY_SIZE - 1]);
	return 0;
}
