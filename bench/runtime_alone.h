#pragma once

#include "bench/runtime_rounds.h"
#include "bench/runtime_wave.h"
#include "tests/support/plane_rig.h"

// The turn alone, over events in memory and the key tables of a rig: what the path around it is measured against.

struct alone;

/** Make ready for a stream of these, all first ones. Aborts on failure. */
struct alone *alone_new(struct plane_rig *rig, const struct rig_stream streams[]);

/** Run turns over events where they lie, as they come, into the same memory again and again, on this core. */
void alone_run(
	struct alone *alone,
	const struct wave_plan *plan,
	double seconds,
	uint32_t core,
	struct rounds *rounds
);
