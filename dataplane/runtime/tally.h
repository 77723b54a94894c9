#pragma once

#include "control/api/counters.h"

/** Count in a row that only the calling thread writes: a load and a store are enough. */
static inline void tally(counter_word *word, uint64_t more)
{
	atomic_store_explicit(
		word, atomic_load_explicit(word, memory_order_relaxed) + more, memory_order_relaxed
	);
}
