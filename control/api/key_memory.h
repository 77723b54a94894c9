#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <stddef.h>

// Memory for keys at work: locked as it is touched (best effort), not in core files, not in forked children. Private, or a
// memfd that another process maps. For the key table and the key ring; nobody else includes this.

enum {
	KEY_MEMORY_UNIT = 2 << 20 // bytes: sizes are multiples, so that huge pages fit
};

struct key_memory {
	void *bytes; // zeroed when new
	size_t size;
	int fd;         // -1: private
	bool is_locked; // all of it
};

/** Private memory. Outcomes  SL_OK; SL_E_NOMEM */
enum sl_status key_memory_private(size_t size, struct key_memory *ret_memory);

/** A memfd that can neither grow nor shrink any more. Outcomes  SL_OK; SL_E_NOMEM */
enum sl_status key_memory_shared(const char *name, size_t size, struct key_memory *ret_memory);

/**
 * Map another process's memfd, which must not be able to shrink under us; fd is duplicated.
 *
 * Outcomes  SL_OK; SL_E_CORRUPT (what there is of it is no such memory, or smaller than size_min); SL_E_NOMEM
 */
enum sl_status key_memory_attach(int fd, size_t size_min, struct key_memory *ret_memory);

/** Unmap and close. The contents are the caller's to wipe. */
void key_memory_done(struct key_memory *memory);

static inline size_t key_memory_round(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}
