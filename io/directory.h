#pragma once

// Directories: all return errno, or 0.

/** Make it, and those above it, where they are not there. */
int directory_make(const char *path);

/** Make the names in it durable. */
int directory_sync(int fd);
