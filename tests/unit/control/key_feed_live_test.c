#include "tests/unit/control/feed_scene.h"

#include <pthread.h>
#include <stdatomic.h>

// The feed beside a dataplane that lives: it never stops making keys.

enum {
	NEVER_STOPS_MS = 4000 // how long "never" is
};

/** With a journal of the size that control makes: never full in these tests. */
static struct scene scene_of_appliance(void)
{
	struct scene s = scene_new();

	key_ring_free(s.ring);
	s.ring = ring_of(KEY_RING_DEFAULT);
	return s;
}

/** A thread that puts keys as long as it is let. */
struct dataplane {
	struct scene *scene;
	pthread_t thread;
	atomic_bool is_over;
	atomic_uint_fast64_t position;
};

static void *make_keys(void *arg)
{
	struct dataplane *d = arg;
	const uint64_t until = clock_monotonic_ns() + (uint64_t)NEVER_STOPS_MS * 1000000;

	for (uint64_t i = 0; !atomic_load(&d->is_over) && clock_monotonic_ns() < until;)
		if (key_ring_room(d->scene->ring) != 0)
			atomic_store(&d->position, put(d->scene, i++));
	atomic_store(&d->is_over, true);
	return NULL;
}

static void dataplane_begin(struct dataplane *d, struct scene *s)
{
	*d = (struct dataplane){.scene = s};
	if (pthread_create(&d->thread, NULL, make_keys, d) != 0)
		abort();
	while (atomic_load(&d->position) < 100)
		sleep_ms(1);
}

static void dataplane_end(struct dataplane *d)
{
	atomic_store(&d->is_over, true);
	pthread_join(d->thread, NULL);
}

static void a_control_that_comes_back_attaches_while_keys_come(void)
{
	struct scene s = scene_of_appliance();
	struct dataplane d;
	uint64_t before;
	struct problem p;

	attach(&s);
	CHECK_EQUAL(key_feed_attach(s.feed, NULL, &p), SL_OK);
	dataplane_begin(&d, &s);
	before = key_ring_position(s.ring);
	CHECK_EQUAL(key_feed_attach(s.feed, s.ring, &p), SL_OK);
	CHECK(!atomic_load(&d.is_over));
	CHECK(key_ring_durable(s.ring) >= before); // what was waiting is in the vault
	dataplane_end(&d);
	CHECK(wait_durable(&s, key_ring_position(s.ring)));
	scene_free(&s);
}

static void a_feed_ends_while_keys_come(void)
{
	struct scene s = scene_of_appliance();
	struct dataplane d;
	uint64_t before;

	attach(&s);
	dataplane_begin(&d, &s);
	before = key_ring_position(s.ring);
	key_feed_free(s.feed);
	s.feed = NULL;
	CHECK(!atomic_load(&d.is_over));
	CHECK(key_ring_durable(s.ring) >= before);
	dataplane_end(&d);
	scene_free(&s);
}

static const struct check_test tests[] = {
	{"a control that comes back attaches while keys come",
	 a_control_that_comes_back_attaches_while_keys_come},
	{"a feed ends while keys come", a_feed_ends_while_keys_come},
};

CHECK_MAIN("control/key_feed_live")
