#pragma once

#include "crypto/engine.h"
#include "crypto/random.h"

// The engine's work done by ipsec-mb: every length, every CPU. One per thread, like the engine.

struct imb_engine;

/**
 * @param cpu CPU_AUTO, or the level to force
 *
 * Outcomes  as engine_new
 */
enum sl_status imb_engine_new(
	enum cpu_level cpu,
	struct imb_engine **ret_engine,
	struct problem *ret_problem
);
void imb_engine_free(struct imb_engine *e);

/** One line: which levels serve what, and why. */
const char *imb_engine_text(const struct imb_engine *e);

/** The thread's random source, for whoever else makes IVs. */
struct random *imb_engine_random(struct imb_engine *e);

// As the functions of engine.h that are named alike.

void imb_seal_fields(struct imb_engine *e, struct seal_burst *burst);
size_t imb_open_fields(struct imb_engine *e, struct open_burst *burst);
void imb_derive(
	struct imb_engine *e,
	const uint8_t *dek,
	size_t count,
	const uint8_t *purposes,
	size_t purpose_count,
	uint8_t *ret_keys
);
void imb_gcm_seal(
	struct imb_engine *e,
	const uint8_t key[static 32],
	struct view iv,
	struct view aad,
	struct view text,
	uint8_t *sealed
);
enum sl_status imb_gcm_open(
	struct imb_engine *e,
	const uint8_t key[static 32],
	struct view iv,
	struct view aad,
	struct view sealed,
	uint8_t *text
);
void imb_cmac(
	struct imb_engine *e,
	const uint8_t key[static 32],
	struct view text,
	uint8_t ret_mac[static 16]
);
void imb_run_begin(struct imb_engine *e, const uint8_t key[static 32]);
void imb_run_seal(
	struct imb_engine *e,
	const uint8_t iv[static FIELD_IV_SIZE],
	struct view aad,
	struct view text,
	uint8_t *sealed
);
enum sl_status imb_run_open(
	struct imb_engine *e,
	const uint8_t iv[static FIELD_IV_SIZE],
	struct view aad,
	struct view sealed,
	uint8_t *text
);
void imb_run_end(struct imb_engine *e);
