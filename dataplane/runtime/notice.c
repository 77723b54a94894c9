#include "dataplane/runtime/notice.h"

#include <stdarg.h>
#include <stdio.h>

void notice(const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "sealane-dataplane: %s\n", line);
}

void notice_problem(const char *about, const struct problem *problem)
{
	notice("%s: %s%s%s%s%s",
	       about,
	       problem->file,
	       problem->file[0] != '\0' ? ": " : "",
	       problem->what,
	       problem->remedy[0] != '\0' ? ": " : "",
	       problem->remedy);
}
