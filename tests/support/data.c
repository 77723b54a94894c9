#include "tests/support/data.h"

#include "dataplane/pipeline/batch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static _Noreturn void give_up(const char *name)
{
	fprintf(stderr, "tests/data: can not read %s\n", name);
	abort();
}

const char *data_path(const char *name)
{
	static char path[PATH_MAX];
	const char *folder = getenv("SEALANE_TEST_DATA");

	if (folder == NULL)
		folder = SEALANE_TEST_DATA;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

uint8_t *data_read(const char *name, size_t *ret_size)
{
	gzFile file = gzopen(data_path(name), "rb"); // reads plain files too
	uint8_t *bytes = NULL;
	size_t size = 0;
	int got;

	if (file == NULL)
		give_up(name);
	do {
		bytes = realloc(bytes, size + (1 << 20) + BATCH_FRAME_PADDING);
		if (bytes == NULL)
			give_up(name);
		got = gzread(file, bytes + size, 1 << 20);
		if (got < 0)
			give_up(name);
		size += (size_t)got;
	} while (got != 0);
	gzclose(file);
	memset(bytes + size, 0xa5, BATCH_FRAME_PADDING);
	*ret_size = size;
	return bytes;
}

struct data_lines data_read_lines(const char *name)
{
	struct data_lines lines = {0};
	size_t size;
	size_t room = 0;

	lines.bytes = data_read(name, &size);
	for (size_t at = 0; at < size;) {
		const uint8_t *start = lines.bytes + at;
		const uint8_t *end = memchr(start, '\n', size - at);
		size_t length = end == NULL ? size - at : (size_t)(end - start);

		if (lines.count == room) {
			room = room == 0 ? 1024 : room * 2;
			lines.line = realloc(lines.line, room * sizeof(*lines.line));
			if (lines.line == NULL)
				give_up(name);
		}
		lines.line[lines.count++] = view_of(start, length);
		at += length + 1;
	}
	return lines;
}

void data_lines_done(struct data_lines *lines)
{
	free(lines->bytes);
	free(lines->line);
	*lines = (struct data_lines){0};
}
