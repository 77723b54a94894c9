#pragma once

#include <sys/types.h>

// Directories: all return errno, or 0.

/** Make it, and those above it, where they are not there; their names are durable then. */
int directory_make(const char *path, mode_t mode);

/** Make the names in it durable. */
int directory_sync(int fd);
