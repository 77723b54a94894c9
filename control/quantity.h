#pragma once

#include "control/yaml.h"

#include <stdbool.h>
#include <stdint.h>

// Amounts as people write them, with their unit: `256 MiB`, `24h`.

/** A number and its range, for the problem that a value out of it is. */
struct quantity_range {
	const char *name; // of the thing: "roll size"
	uint64_t least;
	uint64_t most;
};

/** Bytes: 4096, 10 kB, 256 MiB, 1 GiB. @return false when a problem was added */
bool quantity_read_bytes(
	const struct yaml_node *node,
	struct quantity_range range,
	struct problems *problems,
	uint64_t *ret_bytes
);

/** A time: 500ms, 30s, 10m, 24h, 7d; 0 alone needs no unit. @param range in milliseconds */
bool quantity_read_ms(
	const struct yaml_node *node,
	struct quantity_range range,
	struct problems *problems,
	uint64_t *ret_ms
);

/** A bare number. */
bool quantity_read_number(
	const struct yaml_node *node,
	struct quantity_range range,
	struct problems *problems,
	uint64_t *ret_number
);

/** An address or network, `10.0.0.0/8`, `fd00::/8`, `10.1.2.3`; IPv4 becomes ::ffff:a.b.c.d. false: it is none. */
bool quantity_network(struct view text, uint8_t ret_address[static 16], uint32_t *ret_prefix);
