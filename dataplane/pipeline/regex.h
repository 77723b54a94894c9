#pragma once

#include "io/base/status.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stddef.h>

// The regular expressions of contracts: PCRE2 with its JIT where the host allows executable memory, its
// interpreter where not. The pattern is the operator's, the text a stranger's: what one search may cost is
// bounded three ways, and a search that meets a bound has not matched.

enum {
	REGEX_TEXT_MAX = 8 << 10, // bytes; a longer text counts as beyond the limit
	REGEX_STEPS_MAX = 10000, // backtracking steps from one position, and one more for each byte
	REGEX_DEPTH_MAX = 10000, // nested backtracking points, interpreter only
	REGEX_HEAP_KIB_MAX = 4096,       // KiB of backtracking frames, interpreter only
	REGEX_JIT_STACK_SIZE = 256 << 10 // bytes of a compiled pattern's own stack
};

enum regex_outcome {
	REGEX_MATCH,
	REGEX_NO_MATCH,
	REGEX_LIMIT // gave up: text or work above its limit
};

/** Where a pattern is wrong. */
struct regex_fault {
	size_t offset; // byte of the pattern
	char text[128];
};

/** Working memory of the searches of one thread. */
struct regex_memory;

/** Outcomes  SL_OK; SL_E_NOMEM */
enum sl_status regex_memory_new(struct regex_memory **ret_memory);
void regex_memory_free(struct regex_memory *memory);

/**
 * Compile a pattern: UTF-8, no option set, `\C` (half a character) forbidden.
 *
 * @param ret_code  pcre2_code *, freed by regex_free
 * @param ret_fault set when SL_E_SYNTAX
 * Outcomes  SL_OK; SL_E_SYNTAX; SL_E_NOMEM
 */
enum sl_status regex_compile(struct view pattern, void **ret_code, struct regex_fault *ret_fault);
void regex_free(void *code);

/**
 * Does the pattern match anywhere in the text? Text that is not UTF-8 does not match.
 *
 * Context   worker; with the JIT no allocation; the interpreter may enlarge memory, up to REGEX_HEAP_KIB_MAX
 */
enum regex_outcome regex_search(const void *code, struct regex_memory *memory, struct view text);
