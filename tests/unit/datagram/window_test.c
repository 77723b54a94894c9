#include "dataplane/datagram/window.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <string.h>

enum {
	SEQUENCES = 40000
};

/** What a window must say, sequence by sequence. */
struct model {
	bool received[SEQUENCES + WIRE_WINDOW];
	bool stored[SEQUENCES + WIRE_WINDOW];
	bool committed[SEQUENCES + WIRE_WINDOW];
	uint64_t next;
};

static struct model model;

static void check_against_model(const struct window *w)
{
	uint64_t stored_next = model.next;
	uint64_t end = model.next + 1;

	CHECK_FATAL(w->next == model.next);
	while (stored_next < model.next + WIRE_WINDOW && model.stored[stored_next])
		stored_next++;
	CHECK_FATAL(window_stored_next(w) == stored_next);
	for (uint64_t s = model.next; s < model.next + WIRE_WINDOW; s += 61) {
		uint64_t bits = 0;

		for (uint64_t i = 0; i < 64 && s + i < model.next + WIRE_WINDOW; i++)
			bits |= (uint64_t)model.committed[s + i] << i;
		CHECK_FATAL(window_bits(w, w->committed, s) == bits);
	}
	for (uint64_t s = model.next + 1; s < model.next + WIRE_WINDOW; s++)
		if (model.committed[s])
			end = s + 1;
	CHECK_FATAL(window_end(w, w->committed, model.next + 1) == end);
}

static enum window_outcome take_in_model(uint64_t s)
{
	if (s < model.next || (s < model.next + WIRE_WINDOW && model.committed[s]))
		return WINDOW_COMMITTED;
	if (s >= model.next + WIRE_WINDOW)
		return WINDOW_BEYOND;
	if (model.received[s])
		return WINDOW_UNDER_WAY;
	model.received[s] = true;
	return WINDOW_NEW;
}

/** A random step; sequences are near the window's beginning mostly, or anywhere in it and somewhat beyond. */
static void step(struct window *w, uint64_t *random)
{
	const uint64_t r = scratch_random(random);
	const uint64_t span = r % 5 == 0 ? WIRE_WINDOW + 100 : 80;
	const uint64_t s = model.next + (r >> 8) % span - (r % 7 == 0 && model.next > 50 ? 50 : 0);
	const bool is_inside = s >= model.next && s < model.next + WIRE_WINDOW;

	switch (r >> 60 & 7) {
	case 0:
		window_give_back(w, s);
		if (is_inside && !model.stored[s])
			model.received[s] = false;
		break;
	case 1:
	case 2:
	case 3:
		CHECK_FATAL(
			window_store(w, s) == (is_inside && model.received[s] && !model.stored[s])
		);
		if (is_inside && model.received[s])
			model.stored[s] = true;
		break;
	default:
		CHECK_FATAL(window_take(w, s) == take_in_model(s));
		break;
	}
}

static void it_does_as_a_plain_table_does(void)
{
	struct window w = {0};
	uint64_t random = 11;

	for (unsigned i = 0; i < 400000 && model.next < SEQUENCES; i++) {
		step(&w, &random);
		if (i % 200 != 0)
			continue;
		window_commit(&w);
		memcpy(model.committed, model.stored, sizeof(model.committed));
		while (model.next < SEQUENCES && model.stored[model.next])
			model.next++;
		check_against_model(&w);
	}
	CHECK(model.next > WIRE_WINDOW);
}

static void a_full_window_goes_on(void)
{
	for (uint64_t start = 0; start < 70; start += 23) {
		struct window w = {.next = start};

		for (uint64_t s = start; s < start + WIRE_WINDOW; s++) {
			CHECK_FATAL(window_take(&w, s) == WINDOW_NEW);
			CHECK_FATAL(window_store(&w, s));
		}
		CHECK(window_take(&w, start + WIRE_WINDOW) == WINDOW_BEYOND);
		CHECK(window_stored_next(&w) == start + WIRE_WINDOW);
		window_commit(&w);
		CHECK(w.next == start + WIRE_WINDOW);
		for (size_t i = 0; i < WINDOW_WORDS; i++)
			CHECK((w.received[i] | w.stored[i] | w.committed[i]) == 0);
		CHECK(window_take(&w, start + WIRE_WINDOW) == WINDOW_NEW);
		CHECK(window_take(&w, start + WIRE_WINDOW - 1) == WINDOW_COMMITTED);
		CHECK(window_take(&w, UINT64_MAX) == WINDOW_BEYOND);
	}
}

static const struct check_test tests[] = {
	{"it does as a plain table does", it_does_as_a_plain_table_does},
	{"a full window goes on", a_full_window_goes_on},
};

CHECK_MAIN("datagram window")
