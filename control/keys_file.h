#pragma once

#include "control/api/key_table.h"
#include "crypto/tink.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stddef.h>
#include <stdint.h>

// A keys file in memory: what `open` needs where there is no vault. The whole file is read into
// locked memory; look-ups are by key link. Columns are found by their names, so that the older form
// of two columns and files with columns added or moved are read as well.

enum {
	KEYS_ROW_MAX = 64 << 10 // bytes of one row
};

/** The keys of one link. Secret. */
struct keys_file_entry {
	uint8_t link[KEY_LINK_SIZE];
	int64_t expires_ms;     // since 1970; INT64_MAX = the file does not say
	uint32_t key_count;     // 1..TINK_KEYS_MAX
	struct tink_key keys[]; // [key_count], in the file's order; tink_key_id tells the purposes
};

struct keys_file;

/**
 * Read a keys file.
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND, SL_E_DENIED, SL_E_IO; SL_E_SYNTAX, SL_E_UNSUPPORTED, SL_E_TOO_BIG with file and
 *           line; SL_E_EXISTS: one link twice with different keys; SL_E_NOMEM
 */
enum sl_status keys_file_read(
	const char *file,
	struct keys_file **ret_keys,
	struct problem *ret_problem
);

/** Wipe and release; NULL is fine. */
void keys_file_free(struct keys_file *keys);

/** The keys of a link, or NULL; they live as long as the file. Any thread. */
const struct keys_file_entry *keys_file_find(
	const struct keys_file *keys,
	const uint8_t link[static KEY_LINK_SIZE]
);

size_t keys_file_count(const struct keys_file *keys);
