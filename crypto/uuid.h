#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	UUID_SIZE = 16,     // bytes
	UUID_TEXT_SIZE = 36 // characters, no NUL
};

/** Lower-case text of a UUID. */
void uuid_write(const uint8_t uuid[static UUID_SIZE], char ret_text[static UUID_TEXT_SIZE]);

/** Read the 36-character form, either case. false: not a UUID, ret_uuid untouched. */
bool uuid_read(const char text[static UUID_TEXT_SIZE], uint8_t ret_uuid[static UUID_SIZE]);
