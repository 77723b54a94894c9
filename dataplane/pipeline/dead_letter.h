#pragma once

#include "io/base/limits.h"

enum {
	// Bytes around the sealed text of one dead letter: its names, reason, numbers and key link, and the path and the
	// contract's reference, which JSON may make six times as long.
	DEAD_LETTER_HEAD_MAX = 512 + 6 * (PATH_SIZE_MAX + CONTRACT_REF_MAX)
};
