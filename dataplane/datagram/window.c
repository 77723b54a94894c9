#include "dataplane/datagram/window.h"

static size_t word_of(uint64_t sequence)
{
	return sequence % WIRE_WINDOW / 64;
}

static uint64_t bit_of(uint64_t sequence)
{
	return UINT64_C(1) << (sequence % 64);
}

static bool is_inside(const struct window *w, uint64_t sequence)
{
	return sequence - w->next < WIRE_WINDOW;
}

enum window_outcome window_take(struct window *w, uint64_t sequence)
{
	uint64_t *word = &w->received[word_of(sequence)];

	if (sequence < w->next)
		return WINDOW_COMMITTED;
	if (!is_inside(w, sequence))
		return WINDOW_BEYOND;
	if ((*word & bit_of(sequence)) != 0)
		return (w->committed[word_of(sequence)] & bit_of(sequence)) != 0 ? WINDOW_COMMITTED
										 : WINDOW_UNDER_WAY;
	*word |= bit_of(sequence);
	return WINDOW_NEW;
}

void window_give_back(struct window *w, uint64_t sequence)
{
	if (is_inside(w, sequence) && (w->stored[word_of(sequence)] & bit_of(sequence)) == 0)
		w->received[word_of(sequence)] &= ~bit_of(sequence);
}

bool window_store(struct window *w, uint64_t sequence)
{
	const size_t word = word_of(sequence);

	if (!is_inside(w, sequence)
	    || (w->received[word] & ~w->stored[word] & bit_of(sequence)) == 0)
		return false;
	w->stored[word] |= bit_of(sequence);
	return true;
}

/** Ones of a map from a sequence on, up to a word's end. */
static unsigned ones_at(const uint64_t *map, uint64_t sequence)
{
	// What is shifted in ends the ones, so that none is counted behind the word.
	const uint64_t zeros = ~(map[word_of(sequence)] >> (sequence % 64));

	return zeros == 0 ? 64 : (unsigned)__builtin_ctzll(zeros);
}

uint64_t window_stored_next(const struct window *w)
{
	const uint64_t end = w->next + WIRE_WINDOW;
	uint64_t next = w->next;
	unsigned ones;

	while (next < end && (ones = ones_at(w->stored, next)) != 0)
		next += ones;
	// A full window: its last word begins again with its first sequences.
	return next < end ? next : end;
}

void window_commit(struct window *w)
{
	const uint64_t next = window_stored_next(w);

	memcpy(w->committed, w->stored, sizeof(w->committed));
	// The places of what is behind us are those of what comes in a window's time.
	while (w->next < next) {
		const unsigned shift = w->next % 64;
		const uint64_t left = next - w->next;
		const unsigned count = left < 64 - shift ? (unsigned)left : 64 - shift;
		const uint64_t mask = (count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1)
			<< shift;
		const size_t word = word_of(w->next);

		w->received[word] &= ~mask;
		w->stored[word] &= ~mask;
		w->committed[word] &= ~mask;
		w->next += count;
	}
}

uint64_t window_bits(
	const struct window *w,
	const uint64_t map[static WINDOW_WORDS],
	uint64_t first
)
{
	const uint64_t end = w->next + WIRE_WINDOW;
	const unsigned shift = first % 64;
	uint64_t bits = map[word_of(first)] >> shift;

	if (first < w->next || first >= end)
		return 0;
	if (shift != 0)
		bits |= map[(word_of(first) + 1) % WINDOW_WORDS] << (64 - shift);
	return end - first >= 64 ? bits : bits & ((UINT64_C(1) << (end - first)) - 1);
}

uint64_t window_end(const struct window *w, const uint64_t map[static WINDOW_WORDS], uint64_t first)
{
	uint64_t end = first;

	for (uint64_t at = first; at < w->next + WIRE_WINDOW; at += 64) {
		const uint64_t bits = window_bits(w, map, at);

		if (bits != 0)
			end = at + 64 - (unsigned)__builtin_clzll(bits);
	}
	return end;
}
