#include "crypto/lanes.h"
#include "crypto/lanes_kernel.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

// Run under valgrind's memcheck, with keys and texts marked as undefined: every branch and every address that
// depends on them is reported, and none may be. Valgrind 3.19 knows AES-NI and PCLMULQDQ but neither VAES nor AVX-512,
// so that it is the AES-NI level that is looked at; the others are the same source over wider registers.
//
// Ciphertext, tags and IVs are made from secrets but are none: base64 may look at them (lanes_secrets.supp).

enum {
	NOT_UNDER_VALGRIND = 77, // meson: skipped
	TEXT_MAX = 100,
	FIELDS = 40
};

static uint8_t keys[FIELDS][64];
static uint8_t texts[FIELDS][TEXT_MAX];
static uint8_t sealed[FIELDS][256];
static struct seal_burst sealing;
static struct lanes_batch batch;
static uint16_t rest[FIELD_BURST_MAX];
static struct lanes *lanes;
static const struct lanes_level *level;

static void fill_sevens(void *context, void *bytes, size_t size)
{
	(void)context;
	memset(bytes, 7, size);
}

static unsigned errors_of(void (*run)(void))
{
	unsigned before = VALGRIND_COUNT_ERRORS;

	(void)VALGRIND_MAKE_MEM_UNDEFINED(keys, sizeof(keys));
	(void)VALGRIND_MAKE_MEM_UNDEFINED(texts, sizeof(texts));
	run();
	(void)VALGRIND_MAKE_MEM_DEFINED(keys, sizeof(keys));
	(void)VALGRIND_MAKE_MEM_DEFINED(texts, sizeof(texts));
	return VALGRIND_COUNT_ERRORS - before;
}

static void run_seal(void)
{
	static struct field_path paths[2];

	CHECK_FATAL(field_path_init(view_of("user", 4), &paths[0]));
	CHECK_FATAL(field_path_init(view_of("a/longer/path/of/a/field", 24), &paths[1]));
	sealing.count = FIELDS;
	for (uint32_t i = 0; i < FIELDS; i++) {
		sealing.field_key[i] = keys[i];
		sealing.iv_key[i] = i % 3 == 0 ? NULL : keys[i] + 32;
		sealing.path[i] = &paths[i % 2];
		sealing.text[i] = view_of(texts[i], i * 7 % TEXT_MAX);
		sealing.sealed[i] = sealed[i];
	}
	CHECK_EQUAL(lanes_seal_fields(lanes, &sealing, rest), 0);
}

/** Opening but for the verdict, which is public. */
static void run_open(void)
{
	struct lanes_message m[LANES_WIDTH_MAX];

	for (uint32_t i = 0; i < level->width; i++)
		m[i] = (struct lanes_message){
			.key = keys[i],
			.aad = view_of("path", 4),
			.text = view_of(texts[i], 19 * i),
		};
	level->fill(&batch, m, level->width);
	level->open(&batch);
	for (uint32_t i = 0; i < level->width; i++)
		level->text(&batch, i, 19 * i, sealed[i]);
}

static void run_derive(void)
{
	static const uint8_t purposes[2] = {3, 4};
	static uint8_t derived[FIELDS / 2 * 3 * 32];

	lanes_derive(lanes, keys[0], FIELDS / 2, purposes, 2, derived);
}

/** What must be found: a branch on a bit of a key. */
static void run_leak(void)
{
	if (*(volatile uint8_t *)keys[1] & 1)
		sealed[0][0] ^= 1;
}

static const struct secrets_case {
	const char *what;
	void (*run)(void);
	bool is_leak;
} secrets_cases[] = {
	{"a branch on a key", run_leak, true},
	{"sealing", run_seal, false},
	{"opening", run_open, false},
	{"deriving keys", run_derive, false},
};

static void test_secrets(void)
{
	unsigned levels = 0;

	for (enum cpu_level which = CPU_SSE; which < CPU_LEVEL_COUNT; which++) {
		if (lanes_best(which) != which)
			continue;
		lanes = lanes_new(which, fill_sevens, NULL);
		CHECK_FATAL(lanes != NULL);
		level = lanes_level_of(which);
		for (size_t i = 0; i < sizeof(secrets_cases) / sizeof(secrets_cases[0]); i++)
			CHECK_EQUAL(errors_of(secrets_cases[i].run) != 0, secrets_cases[i].is_leak);
		printf(" %s", level->name);
		levels++;
		lanes_free(lanes);
	}
	CHECK(levels != 0);
}

static const struct check_test tests[] = {
	{"secrets decide no branch and no address", test_secrets},
};

int main(void)
{
	if (!RUNNING_ON_VALGRIND)
		return NOT_UNDER_VALGRIND;
	return check_run("lanes and secrets", tests, 1);
}
