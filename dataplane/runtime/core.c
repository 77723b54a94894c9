#include "dataplane/runtime/core.h"

#include "dataplane/runtime/notice.h"

#include <pthread.h>
#include <sched.h>

void core_pin(uint32_t core)
{
	cpu_set_t cores;

	if (core == CORE_ANY)
		return;
	CPU_ZERO(&cores);
	if (core < CPU_SETSIZE)
		CPU_SET(core, &cores);
	if (pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores) != 0)
		notice("core %u is not there for us: a thread runs where it may", core);
}

void core_name_thread(const char *name)
{
	(void)pthread_setname_np(pthread_self(), name);
}
