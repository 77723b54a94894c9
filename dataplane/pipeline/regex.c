#include "dataplane/pipeline/regex.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

// PCRE2 counts its match limit anew at every position of the text where a match may begin, and simple
// scans (`[^x]*y`) are not counted at all. So it is the text's size that bounds a whole search: positions
// times steps, 150 million for the worst of patterns over the longest of texts. The one
// step more for every byte lets a pattern with one star, which goes back over the text once, always end.

struct regex_memory {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack; // NULL: no JIT on this host
};

enum sl_status regex_memory_new(struct regex_memory **ret_memory)
{
	struct regex_memory *memory = calloc(1, sizeof(*memory));

	if (memory == NULL)
		return SL_E_NOMEM;
	// One pair: only whether it matches is of interest, not which groups.
	memory->data = pcre2_match_data_create(1, NULL);
	memory->context = pcre2_match_context_create(NULL);
	if (memory->data == NULL || memory->context == NULL) {
		regex_memory_free(memory);
		return SL_E_NOMEM;
	}
	// Its start is its end: it never grows during a turn.
	memory->stack = pcre2_jit_stack_create(REGEX_JIT_STACK_SIZE, REGEX_JIT_STACK_SIZE, NULL);
	if (memory->stack != NULL)
		pcre2_jit_stack_assign(memory->context, NULL, memory->stack);
	pcre2_set_depth_limit(memory->context, REGEX_DEPTH_MAX);
	pcre2_set_heap_limit(memory->context, REGEX_HEAP_KIB_MAX);
	*ret_memory = memory;
	return SL_OK;
}

void regex_memory_free(struct regex_memory *memory)
{
	if (memory == NULL)
		return;
	pcre2_jit_stack_free(memory->stack);
	pcre2_match_context_free(memory->context);
	pcre2_match_data_free(memory->data);
	free(memory);
}

enum sl_status regex_compile(struct view pattern, void **ret_code, struct regex_fault *ret_fault)
{
	int error = 0;
	pcre2_code *code = pcre2_compile(
		pattern.bytes,
		pattern.size,
		PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C,
		&error,
		&ret_fault->offset,
		NULL
	);

	if (code == NULL) {
		if (error == PCRE2_ERROR_HEAP_FAILED)
			return SL_E_NOMEM;
		(void)pcre2_get_error_message(
			error, (PCRE2_UCHAR *)ret_fault->text, sizeof(ret_fault->text)
		);
		return SL_E_SYNTAX;
	}
	// Without executable memory, or for a pattern that the JIT can not do, the interpreter stays.
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	*ret_code = code;
	return SL_OK;
}

void regex_free(void *code)
{
	pcre2_code_free(code);
}

static bool is_ascii(struct view text)
{
	uint64_t bits = 0;
	size_t i = 0;

	for (; i + 8 <= text.size; i += 8) {
		uint64_t word;

		memcpy(&word, text.bytes + i, 8);
		bits |= word;
	}
	for (; i < text.size; i++)
		bits |= (uint64_t)text.bytes[i];
	return (bits & UINT64_C(0x8080808080808080)) == 0;
}

/** Search with the code of the JIT right away when the text needs no check of its UTF-8. */
static int search(const void *code, struct regex_memory *memory, struct view text)
{
	if (is_ascii(text)) {
		int outcome = pcre2_jit_match(
			code,
			text.bytes,
			text.size,
			/* start= */ 0,
			/* options= */ 0,
			memory->data,
			memory->context
		);

		if (outcome != PCRE2_ERROR_JIT_BADOPTION)
			return outcome;
	}
	return pcre2_match(
		code,
		text.bytes,
		text.size,
		/* start= */ 0,
		/* options= */ 0,
		memory->data,
		memory->context
	);
}

enum regex_outcome regex_search(const void *code, struct regex_memory *memory, struct view text)
{
	int outcome;

	if (text.size > REGEX_TEXT_MAX)
		return REGEX_LIMIT;
	if (text.size == 0)
		text.bytes = (const uint8_t *)"";
	pcre2_set_match_limit(memory->context, REGEX_STEPS_MAX + (uint32_t)text.size);
	outcome = search(code, memory, text);
	if (outcome >= 0)
		return REGEX_MATCH;
	if (outcome == PCRE2_ERROR_NOMATCH)
		return REGEX_NO_MATCH;
	if (outcome <= PCRE2_ERROR_UTF8_ERR1 && outcome >= PCRE2_ERROR_UTF8_ERR21)
		return REGEX_NO_MATCH;
	return REGEX_LIMIT; // every other error means that the search was not finished
}
