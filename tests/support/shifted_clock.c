#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// Preloaded into a program: its wall clock goes ahead of the machine's by as many seconds as the file SHIFT_FILE says, so that
// a test can let midnight come. Other clocks stay as they are, but the monotonic one when SHIFT_ALL is set.

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	static int (*real)(clockid_t, struct timespec *);
	const char *name = getenv("SHIFT_FILE");
	long shift = 0;
	FILE *file;
	int code;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	code = real(clock, ret_time);
	if (clock == CLOCK_MONOTONIC && getenv("SHIFT_ALL") == NULL)
		return code;
	if (code != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) || name == NULL)
		return code;
	file = fopen(name, "re");
	if (file == NULL)
		return code;
	if (fscanf(file, "%ld", &shift) == 1)
		ret_time->tv_sec += shift;
	fclose(file);
	return code;
}
