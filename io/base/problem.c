#include "io/base/problem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum sl_status problem_set(struct problem *p, enum sl_status status, const char *format, ...)
{
	va_list args;

	*p = (struct problem){.status = status};
	va_start(args, format);
	vsnprintf(p->what, sizeof(p->what), format, args);
	va_end(args);
	return status;
}

void problem_at_file(struct problem *p, const char *file)
{
	size_t size = strlen(file);

	// The end of a long name tells more than its beginning.
	if (size >= sizeof(p->file))
		file += size - sizeof(p->file) + 1;
	snprintf(p->file, sizeof(p->file), "%s", file);
}

void problem_remedy(struct problem *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->remedy, sizeof(p->remedy), format, args);
	va_end(args);
}

struct problem *problems_add(struct problems *list, const struct problem *p)
{
	static struct problem spare; // what is beyond the list is counted, its text is not kept

	if (p->is_warning)
		list->warning_count++;
	else
		list->error_count++;
	if (list->items == NULL)
		list->items = calloc(PROBLEMS_MAX, sizeof(*list->items));
	if (list->items == NULL || list->count == PROBLEMS_MAX) {
		spare = *p;
		return &spare;
	}
	list->items[list->count] = *p;
	return &list->items[list->count++];
}

void problem_print(FILE *out, const struct problem *p)
{
	if (p->file[0] != '\0')
		fprintf(out, "%s:", p->file);
	if (p->line != 0)
		fprintf(out, "%u:", p->line);
	if (p->column != 0)
		fprintf(out, "%u:", p->column);
	if (p->file[0] != '\0')
		fputc(' ', out);
	if (p->row != 0)
		fprintf(out, "row %llu: ", (unsigned long long)p->row);
	fprintf(out, "%s%s\n", p->is_warning ? "warning: " : "", p->what);
	if (p->remedy[0] != '\0')
		fprintf(out, "    %s\n", p->remedy);
}

void problems_print(FILE *out, const struct problems *list)
{
	uint32_t found = list->error_count + list->warning_count;

	for (uint32_t i = 0; i < list->count; i++)
		problem_print(out, &list->items[i]);
	if (found > list->count)
		fprintf(out, "… and %u more\n", found - list->count);
}

void problems_done(struct problems *list)
{
	free(list->items);
	*list = (struct problems){0};
}
