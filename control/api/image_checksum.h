#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * XXH3-64 of an image whose eight bytes at offset at, where the checksum itself stands, count as zeros.
 *
 * @param size bytes, at + 8 or more
 */
uint64_t image_checksum(const void *bytes, size_t size, size_t at);
