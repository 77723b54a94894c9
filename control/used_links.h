#pragma once

#include "control/api/key_table.h"
#include "io/base/status.h"

#include <stddef.h>
#include <stdint.h>

/** The key links that a job used: bounded memory, the rest in sorted runs in a file without a name. */
struct used_links {
	uint8_t (*links)[KEY_LINK_SIZE]; // [capacity], owned
	size_t count;
	size_t capacity;
	const char *dir;   // where the file goes
	int fd;            // -1: none yet
	size_t *run_count; // [runs] links of each run, owned
	size_t runs;
};

/** dir is borrowed until used_links_done. Outcomes  SL_OK; SL_E_NOMEM */
enum sl_status used_links_init(struct used_links *used, const char *dir, size_t capacity);
void used_links_done(struct used_links *used);

/** Outcomes  SL_OK; SL_E_NO_SPACE; SL_E_IO; SL_E_NOMEM */
enum sl_status used_links_add(struct used_links *used, const uint8_t link[static KEY_LINK_SIZE]);

/** Every link once, ascending. put returning other than SL_OK ends it. */
enum sl_status used_links_each(
	struct used_links *used,
	enum sl_status (*put)(void *self, const uint8_t link[static KEY_LINK_SIZE]),
	void *self
);
