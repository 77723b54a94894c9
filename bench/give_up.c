#include "bench/give_up.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void give_up(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("\n", stderr);
	va_end(arguments);
	exit(EXIT_FAILURE);
}

void *must(void *memory)
{
	if (memory == NULL)
		give_up("out of memory");
	return memory;
}
