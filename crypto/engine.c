#include "crypto/engine.h"

#include "crypto/cpu.h"
#include "crypto/ipsec_mb.h"
#include "crypto/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct engine {
	struct imb_engine *imb;
	struct lanes *lanes;            // NULL: ipsec-mb does it all
	uint16_t rest[FIELD_BURST_MAX]; // rows that lanes have left alone
	struct seal_burst seal_rest;
	struct open_burst open_rest;
	char text[400];
};

/** The level asked for: the caller's, or the environment's when the caller leaves it open. */
static enum sl_status pick_cpu(
	const struct engine_options *options,
	enum cpu_level *ret_cpu,
	struct problem *ret_problem
)
{
	const char *name = getenv("SEALANE_CPU");

	*ret_cpu = options->cpu;
	if (options->cpu != CPU_AUTO || name == NULL || name[0] == '\0')
		return SL_OK;
	if (cpu_level_of_name(name, ret_cpu))
		return SL_OK;
	(void)!problem_set(ret_problem, SL_E_UNSUPPORTED, "SEALANE_CPU names no level: %s", name);
	problem_remedy(ret_problem, "set SEALANE_CPU to sse, avx2 or avx512, or unset it");
	return SL_E_UNSUPPORTED;
}

static bool wants_lanes(const struct engine_options *options)
{
	const char *choice = getenv("SEALANE_LANES");

	return options->lanes == LANES_AUTO && (choice == NULL || strcmp(choice, "off") != 0);
}

static void fill_random(void *context, void *bytes, size_t size)
{
	random_fill(context, bytes, size);
}

/** Add lanes where wanted and possible, and say what became of it. */
static enum sl_status add_lanes(
	struct engine *engine,
	const struct engine_options *options,
	enum cpu_level cpu,
	struct problem *ret_problem
)
{
	enum cpu_level level = lanes_best(cpu);
	const char *imb_text = imb_engine_text(engine->imb);
	int size = snprintf(engine->text, sizeof(engine->text), "%s; lanes: ", imb_text);
	char *text = engine->text + size;
	size_t room = sizeof(engine->text) - (size_t)size;

	if (!wants_lanes(options) || level == CPU_AUTO) {
		snprintf(
			text,
			room,
			"off (%s)",
			level == CPU_AUTO ? "the CPU has no level for them" : "as asked for"
		);
		return SL_OK;
	}
	engine->lanes = lanes_new(level, fill_random, imb_engine_random(engine->imb));
	if (engine->lanes == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the cipher");
	snprintf(
		text,
		room,
		"%s for texts up to %zu bytes (%s)",
		cpu_level_name(level),
		lanes_text_max(engine->lanes),
		cpu == CPU_AUTO ? "the best of this CPU" : "the best at the level asked for"
	);
	return SL_OK;
}

enum sl_status engine_new(
	const struct engine_options *options,
	struct engine **ret_engine,
	struct problem *ret_problem
)
{
	struct engine *engine;
	struct imb_engine *imb;
	enum sl_status status;
	enum cpu_level cpu;

	SL_TRY(pick_cpu(options, &cpu, ret_problem));
	SL_TRY(imb_engine_new(cpu, &imb, ret_problem));
	engine = calloc(1, sizeof(*engine));
	if (engine == NULL) {
		imb_engine_free(imb);
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the cipher");
	}
	engine->imb = imb;
	status = add_lanes(engine, options, cpu, ret_problem);
	if (status != SL_OK) {
		engine_free(engine);
		return status;
	}
	*ret_engine = engine;
	return SL_OK;
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	lanes_free(engine->lanes);
	imb_engine_free(engine->imb);
	free(engine);
}

const char *engine_text(const struct engine *engine)
{
	return engine->text;
}

void engine_seal_fields(struct engine *engine, struct seal_burst *burst)
{
	struct seal_burst *rest = &engine->seal_rest;

	if (engine->lanes == NULL) {
		imb_seal_fields(engine->imb, burst);
		return;
	}
	rest->count = (uint32_t)lanes_seal_fields(engine->lanes, burst, engine->rest);
	for (uint32_t i = 0; i < rest->count; i++) {
		uint32_t row = engine->rest[i];

		rest->field_key[i] = burst->field_key[row];
		rest->iv_key[i] = burst->iv_key[row];
		rest->path[i] = burst->path[row];
		rest->key_id[i] = burst->key_id[row];
		rest->text[i] = burst->text[row];
		rest->sealed[i] = burst->sealed[row];
	}
	if (rest->count != 0)
		imb_seal_fields(engine->imb, rest);
}

static void open_rest(struct engine *engine, struct open_burst *burst, uint32_t count)
{
	struct open_burst *rest = &engine->open_rest;

	rest->count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = engine->rest[i];

		rest->field_key[i] = burst->field_key[row];
		rest->path[i] = burst->path[row];
		rest->key_id[i] = burst->key_id[row];
		rest->sealed[i] = burst->sealed[row];
		rest->text[i] = burst->text[row];
	}
	(void)imb_open_fields(engine->imb, rest);
	for (uint32_t i = 0; i < count; i++) {
		burst->text_size[engine->rest[i]] = rest->text_size[i];
		burst->is_opened[engine->rest[i]] = rest->is_opened[i];
	}
}

size_t engine_open_fields(struct engine *engine, struct open_burst *burst)
{
	size_t opened = 0;
	size_t rest;

	if (engine->lanes == NULL)
		return imb_open_fields(engine->imb, burst);
	rest = lanes_open_fields(engine->lanes, burst, engine->rest);
	if (rest != 0)
		open_rest(engine, burst, (uint32_t)rest);
	for (uint32_t i = 0; i < burst->count; i++)
		opened += burst->is_opened[i];
	return opened;
}

void engine_derive(
	struct engine *engine,
	const uint8_t *dek,
	size_t count,
	const uint8_t *purposes,
	size_t purpose_count,
	uint8_t *ret_keys
)
{
	if (engine->lanes != NULL)
		lanes_derive(engine->lanes, dek, count, purposes, purpose_count, ret_keys);
	else
		imb_derive(engine->imb, dek, count, purposes, purpose_count, ret_keys);
}

void engine_gcm_seal(
	struct engine *engine,
	const uint8_t key[static 32],
	struct view iv,
	struct view aad,
	struct view text,
	uint8_t *sealed
)
{
	imb_gcm_seal(engine->imb, key, iv, aad, text, sealed);
}

enum sl_status engine_gcm_open(
	struct engine *engine,
	const uint8_t key[static 32],
	struct view iv,
	struct view aad,
	struct view sealed,
	uint8_t *text
)
{
	return imb_gcm_open(engine->imb, key, iv, aad, sealed, text);
}

void engine_run_begin(struct engine *engine, const uint8_t key[static 32])
{
	imb_run_begin(engine->imb, key);
}

void engine_run_seal(
	struct engine *engine,
	const uint8_t iv[static FIELD_IV_SIZE],
	struct view aad,
	struct view text,
	uint8_t *sealed
)
{
	imb_run_seal(engine->imb, iv, aad, text, sealed);
}

enum sl_status engine_run_open(
	struct engine *engine,
	const uint8_t iv[static FIELD_IV_SIZE],
	struct view aad,
	struct view sealed,
	uint8_t *text
)
{
	return imb_run_open(engine->imb, iv, aad, sealed, text);
}

void engine_run_end(struct engine *engine)
{
	imb_run_end(engine->imb);
}

void engine_cmac(
	struct engine *engine,
	const uint8_t key[static 32],
	struct view text,
	uint8_t ret_mac[static 16]
)
{
	imb_cmac(engine->imb, key, text, ret_mac);
}

void engine_random(struct engine *engine, void *bytes, size_t size)
{
	random_fill(imb_engine_random(engine->imb), bytes, size);
}
