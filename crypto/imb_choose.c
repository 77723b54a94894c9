#include "crypto/cpu.h"
#include "crypto/imb_engine.h"
#include "crypto/secret.h"
#include "io/base/clock.h"

#include <stdio.h>

// ipsec-mb 1.3's AVX-512 level prepares 48 powers of the hash key for every GCM key, its AVX2 level 8.
// A field with a key of its own pays for them once per field, so AVX2 wins for short texts and AVX-512
// for long ones; where they meet depends on the CPU, and so does the best level for short CMACs. A few
// microseconds at the start measure it. Only speed depends on the outcome, never a byte of output.

enum {
	TRIES = 5,       // the fastest counts: the others were disturbed
	CALLS = 8,       // of one try
	CMAC_TEXT = 48,  // bytes of a path block and a short text
	SHORT_TEXT = 32, // bytes
	LONG_TEXT = 4096 // bytes
};

static const size_t borders[] = {128, 256, 384, 512, 768, 1024, 2048, LONG_TEXT};

/** Nanoseconds that CALLS fresh keys with one text each take. */
static uint64_t time_gcm(struct imb_engine *e, IMB_MGR *imb, size_t text_size)
{
	struct gcm_key_data *key = &e->secrets->message_gcm.data;
	uint8_t *text = e->secrets->message;
	uint64_t best = UINT64_MAX;

	for (unsigned t = 0; t < TRIES; t++) {
		uint64_t start = clock_monotonic_ns();
		uint64_t took;

		for (unsigned c = 0; c < CALLS; c++) {
			IMB_AES256_GCM_PRE(imb, text, key);
			IMB_AES256_GCM_ENC(
				imb,
				key,
				&e->context,
				text,
				text,
				text_size,
				text,
				text,
				16,
				e->raw,
				16
			);
		}
		took = clock_monotonic_ns() - start;
		best = took < best ? took : best;
	}
	return best;
}

static uint64_t time_cmac(struct imb_engine *e, IMB_MGR *imb)
{
	struct imb_secrets *s = e->secrets;
	uint64_t best = UINT64_MAX;

	imb_cmac_expand(imb, s->message, &s->cmac[0], s->unused);
	for (unsigned t = 0; t < TRIES; t++) {
		uint64_t start = clock_monotonic_ns();
		uint64_t took;

		for (size_t c = 0; c < CMAC_CHUNK; c++)
			imb_cmac_submit(imb, &s->cmac[0], s->message, CMAC_TEXT, e->raw + c * 16);
		imb_flush(imb);
		took = clock_monotonic_ns() - start;
		best = took < best ? took : best;
	}
	return best;
}

/** The faster of two levels; the first when they are even. */
static enum cpu_level pick_gcm(struct imb_engine *e, size_t text_size)
{
	return time_gcm(e, e->level[CPU_AVX512], text_size)
			< time_gcm(e, e->level[CPU_AVX2], text_size)
		? CPU_AVX512
		: CPU_AVX2;
}

static void choose_of_two(struct imb_engine *e)
{
	enum cpu_level gcm_short = pick_gcm(e, SHORT_TEXT);
	enum cpu_level gcm_long = pick_gcm(e, LONG_TEXT);
	enum cpu_level cmac = time_cmac(e, e->level[CPU_AVX512]) < time_cmac(e, e->level[CPU_AVX2])
		? CPU_AVX512
		: CPU_AVX2;
	size_t b = 0;

	while (gcm_short != gcm_long && borders[b] < LONG_TEXT
	       && pick_gcm(e, borders[b]) != gcm_long)
		b++;
	e->gcm_short = e->level[gcm_short];
	e->gcm_long = e->level[gcm_long];
	e->cmac = e->level[cmac];
	e->long_size = borders[b];
	snprintf(
		e->text,
		sizeof(e->text),
		"ipsec-mb: %s GCM below %zu bytes, %s from there, %s CMAC (fastest with a key per "
		"field, "
		"measured at the start)",
		cpu_level_name(gcm_short),
		e->long_size,
		cpu_level_name(gcm_long),
		cpu_level_name(cmac)
	);
}

void imb_choose(struct imb_engine *e, bool is_forced)
{
	enum cpu_level only = CPU_SSE;

	if (e->level[CPU_AVX512] != NULL && e->level[CPU_AVX2] != NULL) {
		choose_of_two(e);
		bytes_wipe(e->secrets, sizeof(*e->secrets));
		return;
	}
	while (e->level[only] == NULL)
		only++;
	e->gcm_short = e->gcm_long = e->cmac = e->level[only];
	e->long_size = SIZE_MAX;
	snprintf(
		e->text,
		sizeof(e->text),
		"ipsec-mb: %s for all (%s)",
		cpu_level_name(only),
		is_forced ? "forced" : "the best this CPU has"
	);
}
