#pragma once

#include "io/base/view.h"

/**
 * The word that a person most likely meant: the nearest by insertions, deletions, replacements and
 * swaps of neighbours, letter case aside, when it is near enough to be worth saying.
 *
 * @param words NULL-terminated
 * @return one of words, or NULL
 */
const char *suggest_word(struct view written, const char *const words[]);
