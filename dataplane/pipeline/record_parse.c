#include "dataplane/pipeline/record_parse.h"

#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/json.h"

void record_parse(
	struct batch *b,
	const struct policy *policy,
	struct json_parser *json,
	const struct csv_header *csv
)
{
	if (policy->image->format == POLICY_CSV)
		csv_parse_batch(b, policy, csv);
	else
		json_parse_batch(json, b, policy);
	b->ahead_count = 0;
}
