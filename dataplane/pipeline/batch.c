#include "dataplane/pipeline/batch.h"

#include <assert.h>

static const struct {
	const char *counter;
	const char *help;
} drops[DROP_COUNT] = {
	[DROP_NONE] = {"none", "the row goes on"},

#define DROP(name, counter_, help_) [DROP_##name] = {(counter_), (help_)},
#include "dataplane/drops.def"
#undef DROP
};

const char *drop_counter(enum drop_reason reason)
{
	assert(reason < DROP_COUNT);
	return drops[reason].counter;
}

const char *drop_help(enum drop_reason reason)
{
	assert(reason < DROP_COUNT);
	return drops[reason].help;
}

void batch_settle_drops(struct batch *b)
{
	uint32_t kept = 0;

	batch_foreach_live (b, n, i) {
		b->live[kept] = (uint8_t)i;
		kept += b->reason[i] == DROP_NONE;
	}
	b->live_count = kept;
}
