#include "crypto/cpu.h"
#include "crypto/engine.h"
#include "tests/support/check.h"

#include <string.h>

// Machines other than this one, by what their CPUID and XCR0 say.

#define ALL 0xffffffffu

static const struct machine {
	const char *what;
	struct cpu_words words;
	enum cpu_level best;
	enum cpu_level refused; // a level that is missing; CPU_AUTO: none
	const char *missing;    // that its refusal names
} machines[] = {
	{"everything", {ALL, ALL, ALL, 0xe7}, CPU_AVX512, CPU_AUTO, ""},
	{"nothing", {0, 0, 0, 0}, CPU_AUTO, CPU_SSE, "AES-NI"},
	{"no AES", {ALL & ~(1u << 25), ALL, ALL, 0xe7}, CPU_AUTO, CPU_SSE, "AES-NI"},
	{"no carry-less product", {ALL & ~2u, ALL, ALL, 0xe7}, CPU_AUTO, CPU_SSE, "PCLMULQDQ"},
	{"no SSE4.1", {ALL & ~(1u << 19), ALL, ALL, 0xe7}, CPU_AUTO, CPU_SSE, "SSE4.1"},
	{"AES-NI alone", {ALL & ~(1u << 28), 0, 0, 0x07}, CPU_SSE, CPU_AVX2, "AVX"},
	{"no AVX2", {ALL, ALL & ~(1u << 5), ALL, 0xe7}, CPU_SSE, CPU_AVX2, "AVX2"},
	{"the system saves no YMM", {ALL, ALL, ALL, 0x03}, CPU_SSE, CPU_AVX2, "YMM"},
	{"the system saves no ZMM", {ALL, ALL, ALL, 0x07}, CPU_AVX2, CPU_AVX512, "ZMM"},
	{"half of ZMM is saved", {ALL, ALL, ALL, 0x67}, CPU_AVX2, CPU_AVX512, "ZMM"},
	{"no AVX512BW", {ALL, ALL & ~(1u << 30), ALL, 0xe7}, CPU_AVX2, CPU_AVX512, "AVX512BW"},
	{"no VAES", {ALL, ALL, ALL & ~(1u << 9), 0xe7}, CPU_AVX2, CPU_AVX512, "VAES"},
	{"no VPCLMULQDQ", {ALL, ALL, ALL & ~(1u << 10), 0xe7}, CPU_AVX2, CPU_AVX512, "VPCLMULQDQ"},
};

static void check_refusal(enum cpu_level level, const char *missing)
{
	struct engine_options options = {.cpu = level, .lanes = LANES_OFF};
	struct engine *engine = NULL;
	struct problem problem = {0};

	CHECK(!cpu_has(level));
	CHECK(engine_new(&options, &engine, &problem) == SL_E_UNSUPPORTED);
	CHECK(engine == NULL);
	CHECK(problem.status == SL_E_UNSUPPORTED);
	CHECK(strstr(problem.what, missing) != NULL);
	CHECK(problem.remedy[0] != '\0');
}

static void other_machines(void)
{
	struct cpu_words ours = cpu_read_words();

	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		const struct machine *m = &machines[i];

		cpu_pretend_for_test(&m->words);
		CHECK_EQUAL(cpu_best(), m->best);
		if (m->refused != CPU_AUTO)
			check_refusal(m->refused, m->missing);
		if (m->best == CPU_AUTO)
			check_refusal(CPU_AUTO, m->missing);
		for (unsigned level = CPU_SSE; level < CPU_LEVEL_COUNT; level++)
			CHECK_EQUAL(cpu_has((enum cpu_level)level), level <= m->best);
	}
	cpu_pretend_for_test(&ours);
}

/** VBMI is asked for on top of the whole AVX-512 level. */
static void byte_permutations(void)
{
	struct cpu_words ours = cpu_read_words();
	struct cpu_words words = {ALL, ALL, ALL, 0xe7};

	cpu_pretend_for_test(&words);
	CHECK(cpu_has_vbmi());
	words.leaf7_ecx = ALL & ~2u;
	cpu_pretend_for_test(&words);
	CHECK(!cpu_has_vbmi());
	words = (struct cpu_words){ALL, ALL, ALL, 0x07};
	cpu_pretend_for_test(&words);
	CHECK(!cpu_has_vbmi());
	cpu_pretend_for_test(&ours);
}

/** Without AVX-512 the choice is made among fewer levels, and the work is the same. */
static void a_lesser_machine_works(void)
{
	struct cpu_words ours = cpu_read_words();
	struct cpu_words lesser = ours;
	struct engine_options options = {.lanes = LANES_OFF};
	uint8_t mac[2][16];

	for (unsigned round = 0; round < 2; round++) {
		static const uint8_t key[32] = {1};
		struct engine *engine;
		struct problem problem;

		CHECK_FATAL(engine_new(&options, &engine, &problem) == SL_OK);
		CHECK(round == 0 || strstr(engine_text(engine), "avx512") == NULL);
		engine_cmac(engine, key, view_of_text("the same"), mac[round]);
		engine_free(engine);
		lesser.xcr0 &= 0x07;
		cpu_pretend_for_test(&lesser);
	}
	CHECK(memcmp(mac[0], mac[1], sizeof(mac[0])) == 0);
	cpu_pretend_for_test(&ours);
}

static void levels_have_names(void)
{
	enum cpu_level level = CPU_AUTO;

	CHECK(cpu_level_of_name("avx2", &level) && level == CPU_AVX2);
	CHECK(!cpu_level_of_name("AVX2", &level));
	CHECK(!cpu_level_of_name("", &level));
	CHECK_EQUAL(level, CPU_AVX2);
	CHECK(!cpu_has(CPU_AUTO));
	CHECK(!cpu_has(CPU_LEVEL_COUNT));
	for (unsigned i = CPU_AUTO; i < CPU_LEVEL_COUNT; i++)
		CHECK(cpu_level_of_name(cpu_level_name((enum cpu_level)i), &level) && level == i);
}

static const struct check_test tests[] = {
	{"other machines", other_machines},
	{"byte permutations", byte_permutations},
	{"a lesser machine works", a_lesser_machine_works},
	{"levels have names", levels_have_names},
};

CHECK_MAIN("crypto/cpu")
