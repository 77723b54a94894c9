#pragma once

#include "crypto/cpu.h"
#include "crypto/engine.h"
#include "tests/support/check.h"

/** An engine of a level that must be there. */
static inline struct engine *engine_make(enum cpu_level cpu, enum lanes_choice lanes)
{
	struct engine_options options = {.cpu = cpu, .lanes = lanes};
	struct engine *engine;
	struct problem problem;

	CHECK_FATAL(engine_new(&options, &engine, &problem) == SL_OK);
	return engine;
}

/** Run a test once for every way an engine can work on this machine. */
static inline void engines_each(void (*run)(struct engine *engine))
{
	for (unsigned level = CPU_AUTO; level < CPU_LEVEL_COUNT; level++)
		for (unsigned lanes = LANES_AUTO; lanes <= LANES_OFF; lanes++) {
			struct engine *engine;

			if (level != CPU_AUTO && !cpu_has((enum cpu_level)level))
				continue;
			engine = engine_make((enum cpu_level)level, (enum lanes_choice)lanes);
			run(engine);
			engine_free(engine);
		}
}
