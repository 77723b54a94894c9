#pragma once

#include "crypto/field.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stddef.h>
#include <stdint.h>

// One engine per worker thread: it owns the cipher's scratch memory and the random source for IVs,
// and nothing in it is shared. Two things stand behind this header: ipsec-mb, which serves
// everything, and the lanes (lanes.h), which serve short fields faster where the CPU allows.

/** Code path of ipsec-mb and of our own vector code. */
enum cpu_level {
	CPU_AUTO,   // the best by measured cost that CPU and OS support
	CPU_SSE,    // AES-NI, SSE4.1, PCLMULQDQ
	CPU_AVX2,   // and AVX2 (VAES used where it is there)
	CPU_AVX512, // and AVX-512 F/BW/VL/DQ, VAES, VPCLMULQDQ
	CPU_LEVEL_COUNT
};

enum lanes_choice {
	LANES_AUTO, // lanes for the sizes where they are faster, when the CPU has a level for them
	LANES_OFF   // ipsec-mb for everything
};

struct engine_options {
	enum cpu_level cpu; // CPU_AUTO, or a level to force (refused when CPU or OS lack it)
	enum lanes_choice lanes;
};

struct engine;

/**
 * Make an engine for the calling thread.
 *
 * SEALANE_CPU=sse|avx2|avx512 in the environment stands in for options.cpu == CPU_AUTO, for tests and for
 * machines where the choice is wrong; SEALANE_LANES=off for options.lanes == LANES_OFF.
 *
 * Outcomes  SL_OK; SL_E_UNSUPPORTED without AES-NI (or what the forced level needs), with *ret_problem
 *           saying what is missing; SL_E_NOMEM
 */
enum sl_status engine_new(
	const struct engine_options *options,
	struct engine **ret_engine,
	struct problem *ret_problem
);
void engine_free(struct engine *engine);

/** One line for people: which manager and lanes were chosen, and why. Lives as long as the engine. */
const char *engine_text(const struct engine *engine);

/**
 * Seal a burst of fields, each under its own keys, into base64 of Tink's form (field.h).
 *
 * Can not fail: sizes are the caller's promise (asserted in debug builds).
 *
 * Context   the engine's thread; no allocation, lock, log or system call
 * Source    NIST SP 800-38D (GCM), SP 800-38B (CMAC); Tink wire format
 */
void engine_seal_fields(struct engine *engine, struct seal_burst *burst);

/**
 * Open a burst of fields. What does not authenticate (or is no base64, or names another key id) gives
 * is_opened false and zeroed text.
 *
 * @return fields opened, 0..count
 */
size_t engine_open_fields(struct engine *engine, struct open_burst *burst);

/**
 * Derive the IV key and per-purpose field keys of data keys: SP 800-108 counter mode with AES-256-CMAC.
 * Each 32-byte key is two blocks, CMAC(DEK, i | label (8) | 0x00 | purpose (4, BE) | 0x0100 (2, bits)), i = 1, 2;
 * label "sl-field" with the purpose, or "sl-ivkey" with purpose 0.
 *
 * @param dek            [count][32]
 * @param count          data keys
 * @param purposes       [purpose_count] levels, the same for every data key
 * @param ret_keys       [count][1 + purpose_count][32]: IV key first, then field keys in order of purposes
 */
void engine_derive(
	struct engine *engine,
	const uint8_t *dek,
	size_t count,
	const uint8_t *purposes,
	size_t purpose_count,
	uint8_t *ret_keys
);

/**
 * AES-256-GCM of one message under a raw key: for wrapping keys, dead letters and known-answer tests.
 *
 * @param iv        [iv_size], 12 bytes but for tests
 * @param sealed    [text_size + 16] out: ciphertext, tag
 */
void engine_gcm_seal(
	struct engine *engine,
	const uint8_t key[static 32],
	struct view iv,
	struct view aad,
	struct view text,
	uint8_t *sealed
);

/** Open what engine_gcm_seal made. SL_E_FORGED: text is zeroed. SL_E_TRUNCATED: shorter than a tag. */
enum sl_status engine_gcm_open(
	struct engine *engine,
	const uint8_t key[static 32],
	struct view iv,
	struct view aad,
	struct view sealed,
	uint8_t *text
);

/**
 * A run of messages under one key, which is expanded once: for datagrams of one session. All else of the engine may be
 * used within a run. A second begin ends the first run; engine_run_end wipes the key.
 */
void engine_run_begin(struct engine *engine, const uint8_t key[static 32]);

/** engine_gcm_seal under the run's key. */
void engine_run_seal(
	struct engine *engine,
	const uint8_t iv[static FIELD_IV_SIZE],
	struct view aad,
	struct view text,
	uint8_t *sealed
);

/** engine_gcm_open under the run's key. */
enum sl_status engine_run_open(
	struct engine *engine,
	const uint8_t iv[static FIELD_IV_SIZE],
	struct view aad,
	struct view sealed,
	uint8_t *text
);

void engine_run_end(struct engine *engine);

/** AES-CMAC with a 256-bit key of one message. */
void engine_cmac(
	struct engine *engine,
	const uint8_t key[static 32],
	struct view text,
	uint8_t ret_mac[static 16]
);

/** Random bytes fit for keys and IVs: AES-256-CTR DRBG of the engine, seeded by the kernel and reseeded after fork. */
void engine_random(struct engine *engine, void *bytes, size_t size);
