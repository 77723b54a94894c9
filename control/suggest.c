#include "control/suggest.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	WORD_MAX = 64 // bytes; longer words get no suggestion
};

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/** Optimal string alignment distance, three rows at a time. */
static uint32_t distance(struct view a, struct view b)
{
	uint32_t rows[3][WORD_MAX + 1];

	for (uint32_t j = 0; j <= b.size; j++)
		rows[0][j] = j;
	for (uint32_t i = 1; i <= a.size; i++) {
		uint32_t *row = rows[i % 3];
		const uint32_t *above = rows[(i + 2) % 3];
		const uint32_t *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (uint32_t j = 1; j <= b.size; j++) {
			uint8_t x = lower(a.bytes[i - 1]);
			uint8_t y = lower(b.bytes[j - 1]);
			uint32_t best = above[j - 1] + (x != y);

			best = least(best, least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && x == lower(b.bytes[j - 2])
			    && y == lower(a.bytes[i - 2]))
				best = least(best, above2[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[a.size % 3][b.size];
}

/** `int` stands for `integer`. */
static bool is_beginning(struct view written, struct view word)
{
	if (written.size < 2 || written.size >= word.size)
		return false;
	for (size_t i = 0; i < written.size; i++)
		if (lower(written.bytes[i]) != lower(word.bytes[i]))
			return false;
	return true;
}

const char *suggest_word(struct view written, const char *const words[])
{
	const char *nearest = NULL;
	uint32_t nearest_distance = UINT32_MAX;

	if (written.size == 0 || written.size > WORD_MAX)
		return NULL;
	for (; *words != NULL; words++) {
		struct view word = view_of_text(*words);
		size_t longer = word.size > written.size ? word.size : written.size;
		uint32_t d;

		if (word.size > WORD_MAX)
			continue;
		d = is_beginning(written, word) ? 1 : distance(written, word);
		if (d < nearest_distance && d <= (longer + 2) / 3 && d < longer) {
			nearest = *words;
			nearest_distance = d;
		}
	}
	return nearest;
}
