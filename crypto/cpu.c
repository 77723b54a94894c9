#include "crypto/cpu.h"

#include <cpuid.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
	MISSING_TEXT_MAX = 256, // bytes, final NUL included
	XCR0_YMM = 0x06,        // XMM and upper halves of YMM are saved by the OS
	XCR0_ZMM = 0xe6         // and mask registers, upper halves of ZMM, ZMM16-31
};

enum word {
	LEAF1_ECX,
	LEAF7_EBX,
	LEAF7_ECX,
	WORD_COUNT
};

static const struct feature {
	const char *name;
	enum cpu_level level; // first level that needs it
	enum word word;
	unsigned bit;
} features[] = {
	{"PCLMULQDQ", CPU_SSE, LEAF1_ECX, 1},
	{"SSSE3", CPU_SSE, LEAF1_ECX, 9},
	{"SSE4.1", CPU_SSE, LEAF1_ECX, 19},
	{"SSE4.2", CPU_SSE, LEAF1_ECX, 20},
	{"AES-NI", CPU_SSE, LEAF1_ECX, 25},
	{"AVX", CPU_AVX2, LEAF1_ECX, 28},
	{"AVX2", CPU_AVX2, LEAF7_EBX, 5},
	{"BMI2", CPU_AVX2, LEAF7_EBX, 8},
	{"AVX512F", CPU_AVX512, LEAF7_EBX, 16},
	{"AVX512DQ", CPU_AVX512, LEAF7_EBX, 17},
	{"AVX512CD", CPU_AVX512, LEAF7_EBX, 28},
	{"AVX512BW", CPU_AVX512, LEAF7_EBX, 30},
	{"AVX512VL", CPU_AVX512, LEAF7_EBX, 31},
	{"VAES", CPU_AVX512, LEAF7_ECX, 9},
	{"VPCLMULQDQ", CPU_AVX512, LEAF7_ECX, 10},
};

static char missing[CPU_LEVEL_COUNT][MISSING_TEXT_MAX];
static bool has_vbmi;
static bool has_wide_aes;
static pthread_once_t probed = PTHREAD_ONCE_INIT;

static void note_missing(enum cpu_level level, const char *name)
{
	for (unsigned i = level; i < CPU_LEVEL_COUNT; i++) {
		size_t size = strlen(missing[i]);

		snprintf(
			missing[i] + size,
			MISSING_TEXT_MAX - size,
			"%s%s",
			size == 0 ? "" : ", ",
			name
		);
	}
}

static uint32_t read_xcr0(void)
{
	uint32_t low;
	uint32_t high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

struct cpu_words cpu_read_words(void)
{
	struct cpu_words words = {0};
	uint32_t a;
	uint32_t b;
	uint32_t c;
	uint32_t d;

	if (__get_cpuid(1, &a, &b, &c, &d))
		words.leaf1_ecx = c;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		words.leaf7_ebx = b;
		words.leaf7_ecx = c;
	}
	if (words.leaf1_ecx & bit_OSXSAVE)
		words.xcr0 = read_xcr0();
	return words;
}

static void judge(const struct cpu_words *words)
{
	const uint32_t word[WORD_COUNT] = {
		[LEAF1_ECX] = words->leaf1_ecx,
		[LEAF7_EBX] = words->leaf7_ebx,
		[LEAF7_ECX] = words->leaf7_ecx,
	};

	memset(missing, 0, sizeof(missing));
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if ((word[features[i].word] >> features[i].bit & 1) == 0)
			note_missing(features[i].level, features[i].name);
	if ((words->xcr0 & XCR0_YMM) != XCR0_YMM)
		note_missing(CPU_AVX2, "YMM registers switched on by the system");
	if ((words->xcr0 & XCR0_ZMM) != XCR0_ZMM)
		note_missing(CPU_AVX512, "ZMM registers switched on by the system");
	has_vbmi = missing[CPU_AVX512][0] == '\0' && (words->leaf7_ecx >> 1 & 1) != 0;
	has_wide_aes = missing[CPU_AVX2][0] == '\0'
		&& (words->leaf7_ecx >> 9 & 3) == 3; // VAES, VPCLMULQDQ
}

static void probe(void)
{
	struct cpu_words words = cpu_read_words();

	judge(&words);
}

void cpu_pretend_for_test(const struct cpu_words *words)
{
	pthread_once(&probed, probe);
	judge(words);
}

bool cpu_has(enum cpu_level level)
{
	return level != CPU_AUTO && (unsigned)level < CPU_LEVEL_COUNT
		&& cpu_missing(level)[0] == '\0';
}

enum cpu_level cpu_best(void)
{
	if (cpu_has(CPU_AVX512))
		return CPU_AVX512;
	if (cpu_has(CPU_AVX2))
		return CPU_AVX2;
	return cpu_has(CPU_SSE) ? CPU_SSE : CPU_AUTO;
}

const char *cpu_missing(enum cpu_level level)
{
	pthread_once(&probed, probe);
	return missing[level];
}

bool cpu_has_vbmi(void)
{
	pthread_once(&probed, probe);
	return has_vbmi;
}

bool cpu_has_wide_aes(void)
{
	pthread_once(&probed, probe);
	return has_wide_aes;
}

static const char *const level_names[CPU_LEVEL_COUNT] = {
	[CPU_AUTO] = "auto",
	[CPU_SSE] = "sse",
	[CPU_AVX2] = "avx2",
	[CPU_AVX512] = "avx512",
};

const char *cpu_level_name(enum cpu_level level)
{
	return level_names[level];
}

bool cpu_level_of_name(const char *name, enum cpu_level *ret_level)
{
	for (unsigned i = 0; i < CPU_LEVEL_COUNT; i++) {
		if (strcmp(name, level_names[i]) != 0)
			continue;
		*ret_level = (enum cpu_level)i;
		return true;
	}
	return false;
}
