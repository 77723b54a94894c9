#pragma once

#include "bench/load/draw.h"
#include "bench/load/stock.h"
#include "bench/load/transport.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	LATENCIES_MAX = 8,
	RATE_MAX = 50000000 // events/s
};

/** What sealane-load was told. */
struct load_options {
	const struct transport_kind *kind;
	struct transport_options transport;
	struct stock_options stock;
	enum draw_kind draw;
	double zipf;
	uint32_t subjects;
	uint64_t seed;
	int core; // -1 = any
	double rate;
	double rate_min;
	uint64_t duration_ns;
	uint64_t warm_up_ns;
	bool is_poisson;
	bool is_search;
	bool is_self_test;
	double tolerance;  // 0..1
	double resolution; // 0..1
	double latency_at[LATENCIES_MAX];
	uint32_t latency_count;
	const char *counters;
	bool is_json;
};

enum options_outcome {
	OPTIONS_READ,
	OPTIONS_HELP, // was asked for and is printed
	OPTIONS_WRONG // is told on standard error
};

enum options_outcome options_read(int argc, char **argv, struct load_options *ret_options);
