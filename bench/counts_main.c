#include "bench/edits.h"
#include "bench/give_up.h"
#include "bench/sealing.h"

#include <stdio.h>
#include <stdlib.h>

// A fixed amount of work for bench/counts, which counts its instructions under callgrind: the first real edits through
// the whole turn, their keys live already. Prints how many events were counted.
//
//	counts [ROWS]

void counted_turn(struct turn *t);

enum {
	ROWS_DEFAULT = 4096 // whole turns
};

/** A turn under a name of its own: callgrind counts in here and leaves the making of keys out. */
__attribute__((noinline)) void counted_turn(struct turn *t)
{
	turn_run(t);
	__asm__ volatile("" ::
				 : "memory"
	); // or the call would be a jump, and the counting never stop
}

int main(int argc, char **argv)
{
	size_t rows = argc > 1 ? strtoul(argv[1], NULL, 10) : ROWS_DEFAULT;
	struct edits edits = edits_real(rows);
	struct sealing *sealing = sealing_new(rows);

	sealing_fill_keys(sealing, &edits);
	for (size_t at = 0; at < edits.rows.count; at += BATCH_MAX) {
		size_t left = edits.rows.count - at;

		sealing_fill(sealing, &edits, at, left < BATCH_MAX ? (uint32_t)left : BATCH_MAX);
		counted_turn(&sealing->turn);
	}
	if (sealing->turn.counts.rows_sealed != edits.rows.count)
		give_up("an event was dropped");
	printf("%zu\n", edits.rows.count);
	sealing_free(sealing);
	edits_done(&edits);
	return EXIT_SUCCESS;
}
