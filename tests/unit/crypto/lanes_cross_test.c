#include "crypto/ipsec_mb.h"
#include "crypto/lanes.h"
#include "crypto/lanes_kernel.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

// Lanes against ipsec-mb on random messages, at every level that this CPU has. The run is short; for a long one
//
//	LANES_CASES=5000000 LANES_SEED=7 crypto_lanes_cross_test
//
// sets the messages of each test and level, and where the random numbers begin.

enum {
	CASES = 60000,
	TEXT_MAX = 4096, // bytes of a field: beyond what lanes take
	AAD_MAX = 256,
	KEYS = 512, // bytes that keys are cut from, at any alignment
	SEALED_MAX = 5600
};

static uint64_t random_state;
static struct imb_engine *judge;
static struct lanes_batch batch;
static uint8_t pool[LANES_WIDTH_MAX][64 + LANES_TEXT_MAX];
static uint8_t aad_pool[LANES_WIDTH_MAX][64 + AAD_MAX];
static uint8_t key_pool[KEYS];
static uint8_t text_pool[64 + TEXT_MAX];

static uint64_t next_random(void)
{
	// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (SplitMix64).
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t random_below(size_t limit)
{
	return next_random() % limit;
}

/** Short sizes are as likely as long ones. */
static size_t random_size(size_t limit)
{
	size_t bound = (size_t)1 << random_below(13);

	return random_below((bound < limit ? bound : limit) + 1);
}

static void fill_random(void *context, void *bytes, size_t size)
{
	uint8_t *at = bytes;

	(void)context;
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)next_random();
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static void set_up(void)
{
	struct problem problem;

	random_state = number_of("LANES_SEED", 1);
	fill_random(NULL, pool, sizeof(pool));
	fill_random(NULL, aad_pool, sizeof(aad_pool));
	fill_random(NULL, key_pool, sizeof(key_pool));
	fill_random(NULL, text_pool, sizeof(text_pool));
	if (judge == NULL)
		CHECK_FATAL(imb_engine_new(CPU_AUTO, &judge, &problem) == SL_OK);
}

typedef uint64_t (*run_fn)(enum cpu_level level, uint64_t cases);

/** Run at each level and print what has been compared. */
static void run_levels(run_fn run)
{
	uint64_t cases = number_of("LANES_CASES", CASES);

	set_up();
	for (enum cpu_level level = CPU_SSE; level < CPU_LEVEL_COUNT; level++)
		if (lanes_best(level) == level) {
			uint64_t compared = run(level, cases);

			CHECK(compared >= cases);
			printf("\n    %s: %llu compared",
			       lanes_level_of(level)->name,
			       (unsigned long long)compared);
		}
}

/** 1..width messages of random sizes at random addresses. */
static uint32_t make_messages(uint32_t width, struct lanes_message m[], bool is_mac)
{
	uint32_t count = 1 + (uint32_t)random_below(width);
	size_t i = random_below(sizeof(pool));

	// A few new bytes a batch are enough to keep everything changing.
	for (size_t n = 0; n < 64; n++)
		((uint8_t *)pool)[(i + n * 97) % sizeof(pool)] = (uint8_t)next_random();
	aad_pool[random_below(LANES_WIDTH_MAX)][random_below(64)] ^= (uint8_t)next_random();
	key_pool[random_below(KEYS)] = (uint8_t)next_random();
	for (uint32_t lane = 0; lane < count; lane++) {
		size_t head = is_mac ? random_size(AAD_MAX / 16) * 16 : 0;

		m[lane] = (struct lanes_message){
			.key = key_pool + random_below(KEYS - 31),
			.mac_key = is_mac ? key_pool + random_below(KEYS - 31) : NULL,
			.head = view_of(aad_pool[lane] + random_below(64), head),
			.aad = view_of(aad_pool[lane] + random_below(64), random_size(AAD_MAX)),
			.text = view_of(pool[lane] + random_below(64), random_size(LANES_TEXT_MAX)),
		};
		fill_random(NULL, batch.iv.lane[lane], FIELD_IV_SIZE);
	}
	return count;
}

static bool is_gcm_right(
	const struct lanes_level *level,
	uint32_t lane,
	const struct lanes_message *m
)
{
	uint8_t right[LANES_TEXT_MAX + 16];
	uint8_t text[LANES_TEXT_MAX];

	imb_gcm_seal(
		judge, m->key, view_of(batch.iv.lane[lane], FIELD_IV_SIZE), m->aad, m->text, right
	);
	level->text(&batch, lane, m->text.size, text);
	return memcmp(text, right, m->text.size) == 0
		&& memcmp(batch.tag.lane[lane], right + m->text.size, 16) == 0;
}

static uint64_t run_gcm(enum cpu_level which, uint64_t cases)
{
	const struct lanes_level *level = lanes_level_of(which);
	struct lanes_message m[LANES_WIDTH_MAX];
	static uint8_t sealed[LANES_WIDTH_MAX][LANES_TEXT_MAX];
	uint8_t tag[LANES_WIDTH_MAX][16];
	uint8_t text[LANES_TEXT_MAX];
	uint64_t done = 0;
	uint64_t wrong = 0;

	while (done < cases) {
		uint32_t count = make_messages(level->width, m, false);
		struct lanes_message back[LANES_WIDTH_MAX];

		level->fill(&batch, m, count);
		level->seal(&batch);
		for (uint32_t lane = 0; lane < count; lane++) {
			wrong += !is_gcm_right(level, lane, &m[lane]);
			level->text(&batch, lane, m[lane].text.size, sealed[lane]);
			memcpy(tag[lane], batch.tag.lane[lane], 16);
			back[lane] = m[lane];
			back[lane].text.bytes = sealed[lane];
		}
		level->fill(&batch, back, count);
		level->open(&batch);
		for (uint32_t lane = 0; lane < count; lane++) {
			level->text(&batch, lane, m[lane].text.size, text);
			wrong += memcmp(text, m[lane].text.bytes, m[lane].text.size) != 0;
			wrong += memcmp(batch.tag.lane[lane], tag[lane], 16) != 0;
		}
		done += count;
	}
	CHECK_EQUAL(wrong, 0);
	return done;
}

static uint64_t run_mac(enum cpu_level which, uint64_t cases)
{
	const struct lanes_level *level = lanes_level_of(which);
	struct lanes_message m[LANES_WIDTH_MAX];
	uint8_t whole[AAD_MAX + LANES_TEXT_MAX];
	uint8_t right[16];
	uint64_t done = 0;
	uint64_t wrong = 0;

	while (done < cases) {
		uint32_t count = make_messages(level->width, m, true);

		level->fill(&batch, m, count);
		level->mac(&batch);
		for (uint32_t lane = 0; lane < count; lane++) {
			size_t head = m[lane].head.size;

			memcpy(whole, m[lane].head.bytes, head);
			memcpy(whole + head, m[lane].text.bytes, m[lane].text.size);
			imb_cmac(
				judge,
				m[lane].mac_key,
				view_of(whole, head + m[lane].text.size),
				right
			);
			wrong += memcmp(batch.mac.lane[lane], right, 16) != 0;
			wrong += memcmp(batch.iv.lane[lane], right, FIELD_IV_SIZE) != 0;
		}
		done += count;
	}
	CHECK_EQUAL(wrong, 0);
	return done;
}

static struct seal_burst sealing;
static struct open_burst opening;
static struct field_path paths[FIELD_PATH_MAX];
static uint8_t sealed_pool[FIELD_BURST_MAX][SEALED_MAX];
static uint8_t judged_pool[FIELD_BURST_MAX][SEALED_MAX];
static uint8_t opened_pool[FIELD_BURST_MAX][SEALED_MAX];

static void make_paths(void)
{
	uint8_t path[FIELD_PATH_MAX];

	for (size_t size = 1; size <= FIELD_PATH_MAX; size++) {
		fill_random(NULL, path, size);
		CHECK_FATAL(field_path_init(view_of(path, size), &paths[size - 1]));
	}
}

static void make_fields(void)
{
	sealing.count = (uint32_t)random_below(FIELD_BURST_MAX + 1);
	for (size_t n = 0; n < 64; n++)
		text_pool[random_below(sizeof(text_pool))] = (uint8_t)next_random();
	key_pool[random_below(KEYS)] = (uint8_t)next_random();
	for (uint32_t i = 0; i < sealing.count; i++) {
		sealing.field_key[i] = key_pool + random_below(KEYS - 31);
		sealing.iv_key[i] =
			random_below(4) == 0 ? NULL : key_pool + random_below(KEYS - 31);
		sealing.path[i] = &paths[random_size(FIELD_PATH_MAX - 1)];
		sealing.key_id[i] = (uint32_t)next_random();
		sealing.text[i] = view_of(text_pool + random_below(64), random_size(TEXT_MAX));
		sealing.sealed[i] = sealed_pool[i];
	}
}

/** Whether ipsec-mb seals to the same (synthetic IV), or opens what lanes have sealed (random IV). */
static uint64_t count_wrong(void)
{
	static struct seal_burst judged;
	uint64_t wrong = 0;

	judged = sealing;
	for (uint32_t i = 0; i < sealing.count; i++) {
		judged.sealed[i] = judged_pool[i];
		opening.field_key[i] = sealing.field_key[i];
		opening.path[i] = sealing.path[i];
		opening.key_id[i] = sealing.key_id[i];
		opening.sealed[i] =
			view_of(sealed_pool[i], field_sealed_size(sealing.text[i].size));
		opening.text[i] = opened_pool[i];
	}
	opening.count = sealing.count;
	imb_seal_fields(judge, &judged);
	wrong += imb_open_fields(judge, &opening) != sealing.count;
	for (uint32_t i = 0; i < sealing.count; i++) {
		size_t size = sealing.text[i].size;

		wrong += memcmp(opened_pool[i], sealing.text[i].bytes, size) != 0;
		if (sealing.iv_key[i] != NULL)
			wrong += memcmp(sealed_pool[i], judged_pool[i], field_sealed_size(size))
				!= 0;
		// The other way round: the lanes open what ipsec-mb has sealed.
		opening.sealed[i].bytes = judged_pool[i];
		memset(opened_pool[i], 0x55, size);
	}
	return wrong;
}

static uint64_t run_fields(enum cpu_level level, uint64_t cases)
{
	struct engine_options options = {.cpu = level};
	struct engine *engine;
	struct problem problem;
	uint64_t done = 0;
	uint64_t wrong = 0;

	make_paths();
	CHECK_FATAL(engine_new(&options, &engine, &problem) == SL_OK);
	while (done < cases) {
		uint32_t flipped;

		make_fields();
		engine_seal_fields(engine, &sealing);
		wrong += count_wrong();
		if (sealing.count == 0)
			continue;
		flipped = (uint32_t)random_below(sealing.count);
		judged_pool[flipped][random_below(opening.sealed[flipped].size)] ^=
			(uint8_t)(1 << random_below(8));
		wrong += engine_open_fields(engine, &opening) != sealing.count - 1;
		for (uint32_t i = 0; i < sealing.count; i++) {
			struct view text = sealing.text[i];

			wrong += opening.is_opened[i] != (i != flipped);
			wrong += opening.text_size[i] != (i != flipped ? text.size : 0);
			wrong += i != flipped && memcmp(opened_pool[i], text.bytes, text.size) != 0;
		}
		done += sealing.count;
	}
	engine_free(engine);
	CHECK_EQUAL(wrong, 0);
	return done;
}

static uint64_t run_derive(enum cpu_level level, uint64_t cases)
{
	enum {
		DEKS = 20,
		PURPOSES = 70
	};

	static uint8_t keys[2][DEKS * (1 + PURPOSES) * 32];
	struct lanes *lanes = lanes_new(level, fill_random, NULL);
	uint8_t purposes[PURPOSES];
	uint64_t done = 0;
	uint64_t wrong = 0;

	CHECK_FATAL(lanes != NULL);
	fill_random(NULL, purposes, sizeof(purposes));
	while (done < cases) {
		const uint8_t *dek = text_pool + random_below(64);
		size_t count = random_below(DEKS + 1);
		size_t purpose_count = random_size(PURPOSES);
		size_t size = count * (1 + purpose_count) * 32;

		text_pool[random_below(1024)] = (uint8_t)next_random();
		lanes_derive(lanes, dek, count, purposes, purpose_count, keys[0]);
		imb_derive(judge, dek, count, purposes, purpose_count, keys[1]);
		wrong += memcmp(keys[0], keys[1], size) != 0;
		done += count * (1 + purpose_count);
	}
	lanes_free(lanes);
	CHECK_EQUAL(wrong, 0);
	return done;
}

static void test_gcm(void)
{
	run_levels(run_gcm);
}

static void test_mac(void)
{
	run_levels(run_mac);
}

static void test_fields(void)
{
	run_levels(run_fields);
}

static void test_derive(void)
{
	run_levels(run_derive);
}

static const struct check_test tests[] = {
	{"GCM, both ways", test_gcm},
	{"CMAC", test_mac},
	{"fields through the engine, both ways", test_fields},
	{"derived keys", test_derive},
};

CHECK_MAIN("lanes against ipsec-mb")
