#include "dataplane/batch/run.h"

static const char *const names[] = {
	[BATCH_PENDING] = "PENDING",
	[BATCH_STARTED] = "STARTED",
	[BATCH_RUNNING] = "RUNNING",
	[BATCH_FINISHED] = "FINISHED",
	[BATCH_ERROR_STARTING] = "ERROR_STARTING",
	[BATCH_ERROR] = "ERROR",
};

const char *batch_state_name(enum batch_state state)
{
	return names[state];
}
