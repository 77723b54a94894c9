#pragma once

#include "bench/simdjson_parse.h"
#include "io/base/view.h"
#include "tests/support/data.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The 39,244 real edits of tests/data as events of a bench: either as they are, or several times over with users
// drawn at random from many and all on one day, so that nearly every event needs a key of its own from far memory.

struct edits {
	struct data_lines rows;
	struct bench_text *text; // [rows.count] owned: the rows again, for C++
	char **user;             // [user_count] owned: names as decoded text, each once at least
	size_t user_count;
	bool is_varied;
	size_t bytes;         // of all rows
	size_t escaped_count; // rows whose comment has an escape
};

/** The edits as they are: 10,563 users and days, a key each. */
struct edits edits_real(size_t row_count_max);

/** The edits copy_count times, each with one of user_count users drawn at random (the same every time). */
struct edits edits_varied(size_t row_count_max, size_t user_count, size_t copy_count);

void edits_done(struct edits *edits);

enum {
	EDITS_USER_SIZE = 16 // bytes of a made-up user's name, its NUL included
};

/** The name of user n, n below ten million. */
void edits_user_name(size_t n, char ret_name[static EDITS_USER_SIZE]);

/**
 * Copy a row with another user, and the day that all such rows share.
 *
 * @param ret_row [row.size + EDITS_USER_SIZE] out
 * @return bytes of the copy
 */
size_t edits_vary(struct view row, const char *user, uint8_t *ret_row);
