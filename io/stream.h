#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * Write all of bytes to standard output, a pipe or a device, waiting where it must. A reader that
 * has gone is an error (EPIPE), not a signal. Returns errno, or 0.
 */
int stream_write(int fd, const uint8_t *bytes, size_t size);
