#pragma once

#include "bench/load/options.h"
#include "bench/load/trial.h"

#include <jansson.h>

enum {
	REPORT_VERSION = 1 // of the JSON form: a member that changes its meaning makes a new one
};

/** How trials are told: a line each as they end, or one JSON object at the end. */
struct report {
	bool is_json;
	json_t *root;   // owned
	json_t *trials; // in root
};

void report_init(
	struct report *report,
	const struct load_options *options,
	const struct stock *stock
);

/** @param purpose "trial", "search", "latency" or "self-test" */
void report_trial(
	struct report *report,
	const char *purpose,
	const struct trial *trial,
	bool is_good
);

/** @param rate 0 = none was loss-free */
void report_found(struct report *report, double rate, const struct load_options *options);

/** Print what is left to print. */
void report_done(struct report *report);
