#pragma once

#include "io/base/view.h"

#include <stddef.h>

// The files of tests/data. Whatever is missing aborts the test: nothing passes for lack of data.

/** Lines of a file, without their ends; BATCH_FRAME_PADDING readable bytes follow the last one. */
struct data_lines {
	uint8_t *bytes;    // owned
	struct view *line; // [count] owned
	size_t count;
};

/** A whole file under tests/data, with BATCH_FRAME_PADDING readable bytes behind it; free with free(). */
uint8_t *data_read(const char *name, size_t *ret_size);

/** The lines of a file under tests/data; `.gz` is unpacked. */
struct data_lines data_read_lines(const char *name);
void data_lines_done(struct data_lines *lines);

/** Path of a file or folder under tests/data, in a static buffer. SEALANE_TEST_DATA stands in for the folder. */
const char *data_path(const char *name);
