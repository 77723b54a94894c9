#include "dataplane/pipeline/frame.h"

static const struct {
	const char *counter;
	const char *help;
} reasons[FRAME_DROP_COUNT] = {
	[FRAME_DROP_NONE] = {"none", "not dropped"},

#define FRAME_DROP(name, counter, help) [FRAME_DROP_##name] = {counter, help},
#include "dataplane/frame_drops.def"
#undef FRAME_DROP
};

const char *frame_reason_counter(enum frame_reason reason)
{
	return reasons[reason].counter;
}

const char *frame_reason_help(enum frame_reason reason)
{
	return reasons[reason].help;
}
