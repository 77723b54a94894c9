#include "crypto/lanes.h"

#include "crypto/cpu.h"
#include "crypto/lanes_scratch.h"
#include "crypto/secret.h"
#include "io/base/attr.h"

#include <stdlib.h>
#include <string.h>

enum {
	STACK_USED_MAX = 6144 // bytes of stack that may hold secrets after a burst: lanes_wipe_test
};

const struct lanes_level *lanes_level_of(enum cpu_level level)
{
	static const struct lanes_level *const levels[CPU_LEVEL_COUNT] = {
		[CPU_SSE] = &lanes_sse,
		[CPU_AVX2] = &lanes_avx2,
		[CPU_AVX512] = &lanes_avx512,
	};

	return levels[level];
}

enum cpu_level lanes_best(enum cpu_level at_most)
{
	if (at_most == CPU_AUTO)
		at_most = CPU_AVX512;
	if (at_most >= CPU_AVX512 && cpu_has_vbmi())
		return CPU_AVX512;
	if (at_most >= CPU_AVX2 && cpu_has_wide_aes())
		return CPU_AVX2;
	return cpu_has(CPU_SSE) ? CPU_SSE : CPU_AUTO;
}

struct lanes *lanes_new(enum cpu_level level, lanes_random_fn random, void *random_context)
{
	struct lanes *l = malloc(sizeof(*l));

	if (l == NULL)
		return NULL;
	*l = (struct lanes){
		.level = lanes_level_of(level),
		.random = random,
		.random_context = random_context,
		.scratch = secret_new(sizeof(*l->scratch)),
	};
	if (l->scratch == NULL) {
		free(l);
		return NULL;
	}
	return l;
}

void lanes_free(struct lanes *l)
{
	if (l == NULL)
		return;
	secret_free(l->scratch, sizeof(*l->scratch));
	free(l);
}

size_t lanes_text_max(const struct lanes *l)
{
	return l->level->text_max;
}

static void wipe_batch(struct lanes_batch *b)
{
	bytes_wipe(&b->mac, sizeof(b->mac));
	bytes_wipe(&b->tag, sizeof(b->tag)); // of a forged field it is the one that would pass
	bytes_wipe(b->round_key, sizeof(b->round_key));
	bytes_wipe(b->text, b->rows_used * sizeof(b->text[0]));
	b->rows_used = 0;
}

/** Zero the stack that the functions called before have used. */
static __attribute__((noinline)) void wipe_stack(void)
{
	UNINITIALIZED uint8_t used[STACK_USED_MAX];

	bytes_wipe(used, sizeof(used));
}

void lanes_wipe(struct lanes *l)
{
	wipe_batch(&l->scratch->batch);
	l->level->wipe_registers();
	wipe_stack();
}

uint32_t lanes_rows_take(
	struct lanes_rows *rows,
	uint16_t ret_rows[static FIELD_BURST_MAX + ROWS_OF_SHAPE]
)
{
	uint32_t taken = 0;

	for (uint32_t first = 0; first < LANES_SHAPES; first += 8) {
		uint64_t counts;

		memcpy(&counts, rows->count + first, sizeof(counts));
		while (counts != 0) {
			uint32_t at = (uint32_t)__builtin_ctzll(counts) / 8;
			uint32_t shape = first + at;

			memcpy(ret_rows + taken, rows->row[shape], sizeof(rows->row[shape]));
			taken += rows->count[shape];
			rows->count[shape] = 0;
			counts &= ~((uint64_t)0xff << at * 8);
		}
	}
	return taken;
}
