#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Zeroed memory for secrets: page-aligned, locked, not in core files, wiped in forked children, guard page after.
 * Locking is best effort (RLIMIT_MEMLOCK); secret_is_locked tells.
 *
 * @return NULL when there is no memory
 */
void *secret_new(size_t size);

/** Wipe and release; NULL is fine. size as given to secret_new. */
void secret_free(void *secret, size_t size);

/** Whether every secret_new so far could be locked in memory. */
bool secret_is_locked(void);

/** No core file of this process is written, whatever the shell allows: it would hold what is at work. */
void secret_forbid_core_files(void);

/** That, and no other process of the user reads this one's memory. */
void secret_forbid_reading(void);

/** Zero bytes in a way the compiler must keep. */
void bytes_wipe(void *bytes, size_t size);

/** Equality in a time that does not depend on the contents. */
bool bytes_equal_ct(const void *a, const void *b, size_t size);
