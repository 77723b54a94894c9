#include "crypto/cpu.h"
#include "crypto/engine.h"
#include "tests/support/check.h"
#include "tests/support/hex.h"
#include "tests/unit/crypto/bursts.h"
#include "tests/unit/crypto/engines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ALL_FIELDS = FIELD_BURST_MAX
};

static const struct field_vector {
	const char *field_key;
	const char *iv_key;
	uint32_t key_id;
	const char *path;
	size_t size;
	const char *head;
	const char *tail;
} field_vectors[] = {

#define VECTOR(field_key, iv_key, key_id, path, size, head, tail)                                  \
	{field_key, iv_key, key_id, path, size, head, tail},
#include "tests/vectors/field.def"
#undef VECTOR
};

enum {
	FIELD_VECTORS = sizeof(field_vectors) / sizeof(field_vectors[0])
};

/** All vectors as one burst: neighbours of every size and path. */
static void check_field_vectors(struct engine *engine)
{
	static uint8_t keys[FIELD_VECTORS][2][FIELD_KEY_SIZE];
	static struct field_path paths[FIELD_VECTORS];
	static struct seal_burst burst;
	static uint8_t text[70000];

	_Static_assert((int)FIELD_VECTORS <= (int)FIELD_BURST_MAX, "one burst");
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i % 251);
	burst.count = FIELD_VECTORS;
	for (uint32_t i = 0; i < FIELD_VECTORS; i++) {
		const struct field_vector *v = &field_vectors[i];

		hex_read(v->field_key, keys[i][0], FIELD_KEY_SIZE);
		hex_read(v->iv_key, keys[i][1], FIELD_KEY_SIZE);
		CHECK_FATAL(field_path_init(view_of_text(v->path), &paths[i]));
		burst.field_key[i] = keys[i][0];
		burst.iv_key[i] = keys[i][1];
		burst.path[i] = &paths[i];
		burst.key_id[i] = v->key_id;
		burst.text[i] = view_of(text, v->size);
		burst.sealed[i] = malloc(field_sealed_size(v->size));
	}
	engine_seal_fields(engine, &burst);
	for (uint32_t i = 0; i < FIELD_VECTORS; i++) {
		const struct field_vector *v = &field_vectors[i];
		size_t size = field_sealed_size(v->size);
		size_t tail = strlen(v->tail);

		CHECK(memcmp(burst.sealed[i], v->head, strlen(v->head)) == 0);
		CHECK(memcmp(burst.sealed[i] + size - tail, v->tail, tail) == 0);
		free(burst.sealed[i]);
	}
}

static void fields_of_an_independent_program(void)
{
	engines_each(check_field_vectors);
}

static void check_all_back(struct engine *engine, struct fixture *f)
{
	CHECK_EQUAL(engine_open_fields(engine, &f->open), f->open.count);
	for (uint32_t i = 0; i < f->open.count; i++)
		CHECK(fixture_is_back(f, i));
}

/** Bursts of every kind of length, over texts of every kind of size. */
static void check_round_trips(struct engine *engine)
{
	static const uint32_t counts[] = {0, 1, 2, 3, 7, 8, 9, 16, 17, 64, 65, 256};
	static const size_t sizes[] = {8, 70, 5000};
	unsigned seed = 1;

	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct fixture *f = fixture_new(seed++, counts[c], sizes[s], 30);

			engine_seal_fields(engine, &f->seal);
			check_all_back(engine, f);
			fixture_free(f);
		}
}

static void round_trips(void)
{
	engines_each(check_round_trips);
}

static void check_every_size(struct engine *engine)
{
	static uint8_t text[400];
	static uint8_t sealed[600];
	static uint8_t opened[600];
	static struct seal_burst s = {.count = 1};
	static struct open_burst o = {.count = 1};
	uint8_t keys[2][FIELD_KEY_SIZE];
	struct field_path path;

	engine_random(engine, keys, sizeof(keys));
	engine_random(engine, text, sizeof(text));
	CHECK_FATAL(field_path_init(view_of_text("customer/email"), &path));
	s.field_key[0] = o.field_key[0] = keys[0];
	s.path[0] = o.path[0] = &path;
	s.key_id[0] = o.key_id[0] = 0x40000001;
	s.sealed[0] = sealed;
	o.text[0] = opened;
	for (size_t size = 0; size <= 300; size++)
		for (unsigned is_random = 0; is_random < 2; is_random++) {
			s.iv_key[0] = is_random ? NULL : keys[1];
			s.text[0] = view_of(text, size);
			o.sealed[0] = view_of(sealed, field_sealed_size(size));
			engine_seal_fields(engine, &s);
			CHECK_EQUAL(engine_open_fields(engine, &o), 1);
			CHECK_EQUAL(o.text_size[0], size);
			CHECK(memcmp(opened, text, size) == 0);
		}
}

static void every_size(void)
{
	engines_each(check_every_size);
}

static void check_large(struct engine *engine)
{
	static const size_t sizes[] = {65535, 65536, 131072, 1000003, FIELD_TEXT_MAX};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct fixture *f = fixture_new((unsigned)s + 1, 3, 0, 30);

		guarded_free(&f->text[1]);
		guarded_free(&f->sealed[1]);
		guarded_free(&f->opened[1]);
		f->text[1] = guarded_new(sizes[s]);
		f->sealed[1] = guarded_new(field_sealed_size(sizes[s]));
		f->opened[1] = guarded_new(field_text_size_max(f->sealed[1].size));
		engine_random(engine, f->text[1].bytes, sizes[s]);
		f->seal.text[1] = view_of(f->text[1].bytes, sizes[s]);
		f->seal.sealed[1] = f->sealed[1].bytes;
		f->open.sealed[1] = view_of(f->sealed[1].bytes, f->sealed[1].size);
		f->open.text[1] = f->opened[1].bytes;
		engine_seal_fields(engine, &f->seal);
		check_all_back(engine, f);
		fixture_free(f);
	}
}

static void large_texts(void)
{
	engines_each(check_large);
}

/** The same burst sealed by the given engine and by ipsec-mb's lowest level: byte for byte equal. */
static void check_against_sse(struct engine *engine)
{
	struct engine *sse = engine_make(CPU_SSE, LANES_OFF);

	for (unsigned seed = 1; seed <= 6; seed++) {
		struct fixture *ours = fixture_new(seed, ALL_FIELDS, seed % 3 ? 80 : 2500, 0);
		struct fixture *theirs = fixture_new(seed, ALL_FIELDS, seed % 3 ? 80 : 2500, 0);

		engine_seal_fields(engine, &ours->seal);
		engine_seal_fields(sse, &theirs->seal);
		for (uint32_t i = 0; i < ALL_FIELDS; i++)
			CHECK(memcmp(ours->sealed[i].bytes,
				     theirs->sealed[i].bytes,
				     ours->sealed[i].size)
			      == 0);
		check_all_back(sse, ours);
		check_all_back(engine, theirs);
		fixture_free(ours);
		fixture_free(theirs);
	}
	for (unsigned seed = 1; seed <= 3; seed++) {
		struct fixture *f = fixture_new(seed, ALL_FIELDS, 200, 100);

		engine_seal_fields(engine, &f->seal);
		check_all_back(sse, f);
		engine_seal_fields(sse, &f->seal);
		check_all_back(engine, f);
		fixture_free(f);
	}
	engine_free(sse);
}

static void all_levels_agree(void)
{
	engines_each(check_against_sse);
}

/** Two fields that are alike in everything differ only when their IVs are random. */
static void check_equality(struct engine *engine)
{
	for (unsigned random_share = 0; random_share <= 100; random_share += 100) {
		struct fixture *f = fixture_new(5, 2, 0, random_share);
		uint8_t sealed[2][64];

		for (uint32_t i = 0; i < 2; i++) {
			f->seal.field_key[i] = f->keys[0];
			f->seal.iv_key[i] = random_share != 0 ? NULL : f->keys[1];
			f->seal.path[i] = &f->paths[1];
			f->seal.key_id[i] = 9;
			f->seal.text[i] = view_of("equal", 5);
			f->seal.sealed[i] = sealed[i];
		}
		engine_seal_fields(engine, &f->seal);
		CHECK_EQUAL(
			memcmp(sealed[0], sealed[1], field_sealed_size(5)) == 0, random_share == 0
		);
		fixture_free(f);
	}
}

static void equal_values_stay_equal_unless_random(void)
{
	engines_each(check_equality);
}

/** The same address with other contents in the next burst is another key. */
static void check_reused_addresses(struct engine *engine)
{
	struct fixture *f = fixture_new(11, 16, 60, 50);

	for (unsigned round = 0; round < 4; round++) {
		engine_random(engine, f->keys, sizeof(f->keys));
		engine_seal_fields(engine, &f->seal);
		check_all_back(engine, f);
	}
	fixture_free(f);
}

static void keys_are_not_kept_by_address(void)
{
	engines_each(check_reused_addresses);
}

static void paths_have_limits(void)
{
	static const uint8_t longest[FIELD_PATH_MAX + 1] = {'x'};
	struct field_path path = {.size = 77};

	CHECK(!field_path_init(view_of(NULL, 0), &path));
	CHECK(!field_path_init(view_of(longest, FIELD_PATH_MAX + 1), &path));
	CHECK_EQUAL(path.size, 77);
	CHECK(field_path_init(view_of(longest, FIELD_PATH_MAX), &path));
	CHECK_EQUAL(path.block_count, FIELD_PATH_BLOCKS_MAX);
	CHECK(field_path_init(view_of("14 bytes here.", 14), &path));
	CHECK_EQUAL(path.block_count, 1);
	CHECK_EQUAL(path.block[0], 0);
	CHECK_EQUAL(path.block[1], 14);
	CHECK(memcmp(field_path_bytes(&path), "14 bytes here.", 14) == 0);
	CHECK(field_path_init(view_of("15 bytes here..", 15), &path));
	CHECK_EQUAL(path.block_count, 2);
}

static void sizes_are_exact(void)
{
	CHECK_EQUAL(field_sealed_size(0), 44);
	CHECK_EQUAL(field_sealed_size(1), 48);
	CHECK_EQUAL(field_text_size_max(43), 0);
	CHECK_EQUAL(field_text_size_max(44), 0);
	for (size_t size = 0; size < 1000; size++) {
		size_t room = field_text_size_max(field_sealed_size(size));

		CHECK(room >= size && room <= size + 2);
	}
}

static void a_forced_level_is_used_or_refused(void)
{
	for (unsigned i = CPU_SSE; i < CPU_LEVEL_COUNT; i++) {
		struct engine_options options = {.cpu = (enum cpu_level)i, .lanes = LANES_OFF};
		struct engine *engine = NULL;
		struct problem problem = {0};
		enum sl_status status = engine_new(&options, &engine, &problem);

		CHECK(status == (cpu_has(options.cpu) ? SL_OK : SL_E_UNSUPPORTED));
		if (status == SL_OK) {
			CHECK(strstr(engine_text(engine), cpu_level_name(options.cpu)) != NULL);
			engine_free(engine);
			continue;
		}
		CHECK(strstr(problem.what, cpu_missing(options.cpu)) != NULL);
		CHECK(problem.remedy[0] != '\0');
	}
}

static void the_environment_forces_a_level(void)
{
	struct engine_options options = {.cpu = CPU_AUTO, .lanes = LANES_OFF};
	struct engine *engine = NULL;
	struct problem problem;

	setenv("SEALANE_CPU", "sse", 1);
	CHECK_FATAL(engine_new(&options, &engine, &problem) == SL_OK);
	CHECK(strstr(engine_text(engine), "sse") != NULL);
	engine_free(engine);
	setenv("SEALANE_CPU", "mmx", 1);
	CHECK(engine_new(&options, &engine, &problem) == SL_E_UNSUPPORTED);
	CHECK(strstr(problem.what, "mmx") != NULL);
	CHECK(problem.remedy[0] != '\0');
	unsetenv("SEALANE_CPU");
	engine_free(NULL);
}

static const struct check_test tests[] = {
	{"fields of an independent program", fields_of_an_independent_program},
	{"round trips", round_trips},
	{"every size", every_size},
	{"large texts", large_texts},
	{"all levels agree", all_levels_agree},
	{"equal values stay equal unless random", equal_values_stay_equal_unless_random},
	{"keys are not kept by address", keys_are_not_kept_by_address},
	{"paths have limits", paths_have_limits},
	{"sizes are exact", sizes_are_exact},
	{"a forced level is used or refused", a_forced_level_is_used_or_refused},
	{"the environment forces a level", the_environment_forces_a_level},
};

CHECK_MAIN("crypto/engine")
