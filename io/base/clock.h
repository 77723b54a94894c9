#pragma once

#include <stdint.h>

/** Nanoseconds since an unspecified start; never goes back. */
uint64_t clock_monotonic_ns(void);

/** Milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_wall_ms(void);
