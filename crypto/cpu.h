#pragma once

#include "crypto/engine.h"

#include <stdbool.h>

// What CPU and operating system offer. CPUID alone is not enough: a virtual machine or kernel may
// keep the wide registers switched off, and then the first instruction that uses them kills the
// process. ipsec-mb 1.3 does not look (XGETBV), so we do.

/** Whether code of this level may run here. CPU_AUTO: never. */
bool cpu_has(enum cpu_level level);

/** The highest level that may run here; CPU_AUTO when there is none. */
enum cpu_level cpu_best(void);

/** Instruction sets of a level that CPU or OS lack, "AES-NI, PCLMULQDQ"; "" when it may run. Static text. */
const char *cpu_missing(enum cpu_level level);

/** "auto", "sse", "avx2" or "avx512". */
const char *cpu_level_name(enum cpu_level level);

/** The level of a name; false when there is none such, *ret_level untouched. */
bool cpu_level_of_name(const char *name, enum cpu_level *ret_level);

/** AVX2 with VAES and VPCLMULQDQ: two blocks an instruction. */
bool cpu_has_wide_aes(void);

/** AVX-512 with VBMI: byte permutations over whole registers. */
bool cpu_has_vbmi(void);

/** What the choices rest on: words of CPUID leaves 1 and 7, and XCR0. */
struct cpu_words {
	uint32_t leaf1_ecx;
	uint32_t leaf7_ebx;
	uint32_t leaf7_ecx;
	uint32_t xcr0;
};

/** The words of this machine. */
struct cpu_words cpu_read_words(void);

/** Take these words for the machine's, in tests: no other thread may use this file meanwhile. */
void cpu_pretend_for_test(const struct cpu_words *words);
