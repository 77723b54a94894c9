#include "crypto/base64.h"
#include "crypto/lanes.h"
#include "crypto/lanes_scratch.h"
#include "tests/support/check.h"

#include <intel-ipsec-mb.h>

#include <stdio.h>
#include <string.h>

// What a burst leaves behind: stack, vector registers and scratch memory are searched for keys, round keys,
// text and keystream. A run of the same code without the wipe at its end shows that the search finds them.

#if defined(__SANITIZE_ADDRESS__)
#define HAS_OWN_STACK false // locals live elsewhere, between red zones
#else
#define HAS_OWN_STACK true
#endif

enum {
	STACK_SIZE = 32768, // bytes below the caller that are looked at
	NEEDLE_SIZE = 8,    // bytes in a row that must not be found
	OWN_FRAME = 256,    // bytes of it that go_over_stack needs itself
	TEXT_SIZE = 48,
	SECRETS_MAX = 2 * 15 * 16 + 2 * TEXT_SIZE
};

static struct lanes *lanes;
static struct seal_burst sealing;
static struct open_burst opening;
static struct field_path path;
static uint8_t keys[2][32];
static uint8_t text[TEXT_SIZE];
static uint8_t sealed[FIELD_BURST_MAX][192];
static uint8_t opened[FIELD_BURST_MAX][192];
static uint8_t secrets[SECRETS_MAX];
static size_t secrets_size;
static uint16_t rest[FIELD_BURST_MAX];
static uint8_t stack[STACK_SIZE];
static _Alignas(64) uint8_t registers[16384];

static void fill_sevens(void *context, void *bytes, size_t size)
{
	(void)context;
	memset(bytes, 7, size);
}

static void add_secret(const uint8_t *bytes, size_t size)
{
	memcpy(secrets + secrets_size, bytes, size);
	secrets_size += size;
}

/** Round keys of both keys (the first two are the key itself), text, and text ^ ciphertext. */
static void collect_secrets(void)
{
	IMB_MGR *imb = alloc_mb_mgr(0);
	uint8_t round_keys[15 * 16] __attribute__((aligned(16)));
	uint8_t unused[15 * 16] __attribute__((aligned(16)));
	uint8_t raw[256];

	CHECK_FATAL(imb != NULL);
	init_mb_mgr_auto(imb, NULL);
	secrets_size = 0;
	for (unsigned i = 0; i < 2; i++) {
		IMB_AES_KEYEXP_256(imb, keys[i], round_keys, unused);
		add_secret(round_keys, sizeof(round_keys));
	}
	free_mb_mgr(imb);
	add_secret(text, TEXT_SIZE);
	CHECK_FATAL(
		base64_decode(view_of(sealed[0], field_sealed_size(TEXT_SIZE)), raw) != SIZE_MAX
	);
	for (size_t i = 0; i < TEXT_SIZE; i++)
		raw[i] = raw[FIELD_PREFIX_SIZE + FIELD_IV_SIZE + i] ^ text[i];
	add_secret(raw, TEXT_SIZE);
}

static size_t count_secrets(const uint8_t *bytes, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i + NEEDLE_SIZE <= secrets_size; i += NEEDLE_SIZE)
		count += memmem(bytes, size, secrets + i, NEEDLE_SIZE) != NULL;
	return count;
}

static void set_up(uint32_t count)
{
	CHECK_FATAL(field_path_init(view_of("comment", 7), &path));
	for (size_t i = 0; i < 64; i++)
		keys[i / 32][i % 32] = (uint8_t)(i * 37 + 11);
	for (size_t i = 0; i < TEXT_SIZE; i++)
		text[i] = (uint8_t)(i * 59 + 101);
	sealing.count = opening.count = count;
	for (uint32_t i = 0; i < count; i++) {
		sealing.field_key[i] = opening.field_key[i] = keys[0];
		sealing.iv_key[i] = keys[1];
		sealing.path[i] = opening.path[i] = &path;
		sealing.text[i] = view_of(text, TEXT_SIZE);
		sealing.sealed[i] = sealed[i];
		opening.sealed[i] = view_of(sealed[i], field_sealed_size(TEXT_SIZE));
		opening.text[i] = opened[i];
	}
}

static void run_seal(void)
{
	(void)lanes_seal_fields(lanes, &sealing, rest);
}

static void run_open(void)
{
	(void)lanes_open_fields(lanes, &opening, rest);
}

static void run_derive(void)
{
	static const uint8_t purposes[3] = {1, 2, 3};
	static uint8_t derived[2 * 4 * 32];

	lanes_derive(lanes, keys[0], 2, purposes, 3, derived);
}

/** What run_seal does, without the wipe. */
static void run_bare(void)
{
	uint16_t rows[LANES_WIDTH_MAX] = {0};

	lanes->level->seal_fields(lanes->scratch, &sealing, rows, lanes->level->width, false);
}

/** All vector registers, as the CPU lays them out. */
static inline __attribute__((always_inline)) void save_registers(void)
{
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("xsave64 %0" : "=m"(registers) : "a"(-1), "d"(-1));
}

enum direction {
	FILL_STACK,
	COPY_STACK
};

/** The stack below this frame: filled with a pattern, or copied away without using it. */
static __attribute__((noinline)) void go_over_stack(enum direction direction)
{
	// A local array would be zeroed at its birth by the build's flags.
	volatile uint8_t *below = (uint8_t *)__builtin_frame_address(0) - STACK_SIZE;

	for (size_t i = 0; i < STACK_SIZE - OWN_FRAME; i++)
		if (direction == FILL_STACK)
			below[i] = 0xa5;
		else
			stack[i] = below[i];
}

/** Run below the bytes of stack that go_over_stack can not look at. */
static __attribute__((noinline)) void run_deeper(void (*run)(void))
{
	uint8_t gap[2 * OWN_FRAME];

	__asm__ volatile("" : : "r"(gap) : "memory");
	run();
	__asm__ volatile("" : : "r"(gap) : "memory");
}

static __attribute__((noinline)) void run_and_look(void (*run)(void))
{
	// What ipsec-mb has left in registers that the level at hand does not know is not its fault.
	if (lanes_best(CPU_AUTO) == CPU_AVX512)
		lanes_avx512.wipe_registers();
	go_over_stack(FILL_STACK);
	run_deeper(run);
	save_registers();
	go_over_stack(COPY_STACK);
}

static size_t count_left(void)
{
	size_t count = count_secrets(registers, sizeof(registers))
		+ count_secrets((const uint8_t *)lanes->scratch, sizeof(*lanes->scratch));

	return count + (HAS_OWN_STACK ? count_secrets(stack, sizeof(stack)) : 0);
}

static const struct wipe_case {
	const char *what;
	void (*run)(void);
	uint32_t count;
	bool is_wiped;
} wipe_cases[] = {
	{"a burst of one sealed", run_seal, 1, true},
	{"a burst of many sealed", run_seal, 100, true},
	{"a burst of one opened", run_open, 1, true},
	{"a burst of many opened", run_open, 100, true},
	{"keys derived", run_derive, 1, true},
	{"the same code without the wipe", run_bare, 1, false},
};

static void test_wipe(void)
{
	for (enum cpu_level level = CPU_SSE; level < CPU_LEVEL_COUNT; level++) {
		if (lanes_best(level) != level)
			continue;
		lanes = lanes_new(level, fill_sevens, NULL);
		CHECK_FATAL(lanes != NULL);
		set_up(1);
		run_seal();
		collect_secrets();
		for (size_t i = 0; i < sizeof(wipe_cases) / sizeof(wipe_cases[0]); i++) {
			const struct wipe_case *c = &wipe_cases[i];

			set_up(c->count);
			if (c->run == run_open) {
				run_seal();
				memset(opened, 0, sizeof(opened));
			}
			run_and_look(c->run);
			if ((count_left() == 0) != c->is_wiped)
				printf("\n    %s, %s: %zu registers, %zu stack, %zu in all",
				       lanes->level->name,
				       c->what,
				       count_secrets(registers, sizeof(registers)),
				       count_secrets(stack, sizeof(stack)),
				       count_left());
			CHECK_EQUAL(count_left() == 0, c->is_wiped);
		}
		lanes_free(lanes);
	}
}

/** The search itself: what is there is found, in the stack as in the registers. */
static __attribute__((noinline)) void leave_secrets(void)
{
	uint8_t copy[64];

	memcpy(copy, keys, sizeof(copy));
	__asm__ volatile("movdqu %0, %%xmm7" : : "m"(copy) : "xmm7");
	__asm__ volatile("" : : "r"(copy) : "memory");
}

static void test_search(void)
{
	set_up(0);
	secrets_size = 0;
	add_secret(keys[0], 64);
	run_and_look(leave_secrets);
	if (HAS_OWN_STACK)
		CHECK(count_secrets(stack, sizeof(stack)) != 0);
	CHECK(count_secrets(registers, sizeof(registers)) != 0);
}

static const struct check_test tests[] = {
	{"the search finds what is there", test_search},
	{"nothing is left after a burst", test_wipe},
};

CHECK_MAIN("what lanes leave behind")
