#pragma once

#include <stdint.h>

// A power cut, played on a directory: what was not synced is gone, or there in part. Link with --wrap=fdatasync and
// --wrap=fsync; all writes must be made by the time they are told of (SEALANE_IO=plain).
//
// After a cut a file holds what it held at its last sync, mixed block by block with what was written since; a directory
// has the names of its last sync, or those it has now.

/** What lies below a directory is durable as it is. From here on syncs are followed. */
void power_on(const char *directory);

/** Make the directory what a power cut could leave. The process is to die then. */
void power_cut(uint64_t seed);

/**
 * From here on one sync in so many fails as disks do: with EIO, and the pages that were to be written are read again from
 * the disk. 0 = none.
 */
void power_fail(uint64_t rate, uint64_t seed);
