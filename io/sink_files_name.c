#include "io/sink_files.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	STAMP_SIZE = 16, // 20261121T101500Z
	NUMBER_SIZE = 6, // digits at least
	NUMBER_SIZE_MAX = 19
};

void files_name_write(
	char ret_text[static FILES_NAME_MAX],
	const char *prefix,
	const struct files_name *name,
	bool is_partial
)
{
	char stamp[32];
	struct tm t;
	time_t s = (time_t)name->begun_s;

	gmtime_r(&s, &t);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &t);
	snprintf(
		ret_text,
		FILES_NAME_MAX,
		"%s%s-%s-%06llu.ndjson%s%s",
		is_partial ? "." : "",
		prefix,
		stamp,
		(unsigned long long)name->number,
		name->is_zstd ? ".zst" : "",
		is_partial ? ".partial" : ""
	);
}

/** Read count digits. */
static bool read_digits(const char **at, size_t count, int *ret_value)
{
	int value = 0;

	for (size_t i = 0; i < count; i++) {
		if ((*at)[i] < '0' || (*at)[i] > '9')
			return false;
		value = value * 10 + ((*at)[i] - '0');
	}
	*at += count;
	*ret_value = value;
	return true;
}

static bool read_stamp(const char **at, int64_t *ret_s)
{
	struct tm t = {0};

	if (strlen(*at) < STAMP_SIZE || (*at)[8] != 'T' || (*at)[15] != 'Z')
		return false;
	if (!read_digits(at, 4, &t.tm_year) || !read_digits(at, 2, &t.tm_mon)
	    || !read_digits(at, 2, &t.tm_mday))
		return false;
	++*at;
	if (!read_digits(at, 2, &t.tm_hour) || !read_digits(at, 2, &t.tm_min)
	    || !read_digits(at, 2, &t.tm_sec))
		return false;
	++*at;
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	*ret_s = timegm(&t);
	return true;
}

static bool read_number(const char **at, uint64_t *ret_number)
{
	size_t size = strspn(*at, "0123456789");
	uint64_t number = 0;

	if (size < NUMBER_SIZE || size > NUMBER_SIZE_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
		number = number * 10 + (uint64_t)((*at)[i] - '0');
	*at += size;
	*ret_number = number;
	return true;
}

static bool skip(const char **at, const char *text)
{
	size_t size = strlen(text);

	if (strncmp(*at, text, size) != 0)
		return false;
	*at += size;
	return true;
}

bool files_name_read(
	const char *text,
	const char *prefix,
	struct files_name *ret_name,
	bool *ret_is_partial
)
{
	struct files_name name = {0};
	const char *at = text;
	bool is_partial = skip(&at, ".");
	char again[FILES_NAME_MAX];

	if (!skip(&at, prefix) || !skip(&at, "-") || !read_stamp(&at, &name.begun_s)
	    || !skip(&at, "-") || !read_number(&at, &name.number) || !skip(&at, ".ndjson"))
		return false;
	name.is_zstd = skip(&at, ".zst");
	// Written again it must be the same: no month 13, no digits too many.
	files_name_write(again, prefix, &name, is_partial);
	if (strcmp(again, text) != 0)
		return false;
	*ret_name = name;
	*ret_is_partial = is_partial;
	return true;
}
