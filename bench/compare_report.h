#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What bench/compare measured, and how it is told.

enum {
	ROUNDS_MAX = 99,
	PARTS_MAX = 8
};

enum contestant {
	TURN,        // deterministic IVs
	TURN_RANDOM, // random IVs, as the straightforward way's are not derived from the text either
	PARTS,       // the best known parts
	STRAIGHTFORWARD, // simdjson, a hash map, OpenSSL, strings
	CONTESTANT_COUNT
};

/** Times of one contestant. */
struct score {
	uint32_t round_count;
	uint64_t cpu_ns[ROUNDS_MAX];  // the thread's own time in each round
	uint64_t wall_ns[ROUNDS_MAX]; // and what passed meanwhile
	uint32_t part_count;
	const char *const *part_names; // [part_count]
	size_t batch_count;
	uint64_t (*least
	)[PARTS_MAX]; // [batch_count] owned: least ticks of each part over the rounds
};

struct report {
	struct score score[CONTESTANT_COUNT];
	uint32_t rounds;
	uint64_t events; // of a round
	uint64_t bytes;
	uint64_t escaped;   // events whose comment has an escape
	uint64_t fields;    // sealed in a round
	uint64_t live_keys; // in the table
	uint64_t verified;  // events opened
	bool is_varied;
	const char *engine_text;
	int json_level; // enum json_level
};

void report_print(const struct report *report, bool is_json);
