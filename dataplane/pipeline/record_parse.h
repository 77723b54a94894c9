#pragma once

#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/policy.h"

struct json_parser;
struct csv_header;

/**
 * Parse every live row in the policy's format and find the contract's fields in it.
 *
 * Reads   frame
 * Writes  record, cell, cell_count, reason, reason_field, live
 *
 * @param json for JSON policies; NULL otherwise
 * @param csv  for CSV policies; NULL otherwise
 */
void record_parse(
	struct batch *b,
	const struct policy *policy,
	struct json_parser *json,
	const struct csv_header *csv
);
