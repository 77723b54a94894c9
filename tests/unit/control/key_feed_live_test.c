#include "tests/unit/control/feed_scene.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

// The feed beside a dataplane that lives: it never stops making keys, and the wall clock that both go by may be set.

enum {
	NEVER_STOPS_MS = 4000, // how long "never" is
	MS_PER_S = 1000
};

static const int64_t MS_PER_DAY = 86400000;

static _Atomic int64_t clock_shift_ms;

/** In place of libc's: the wall clock can be set. */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	const int code = (int)syscall(SYS_clock_gettime, clock, ret_time);

	if (code == 0 && clock == CLOCK_REALTIME)
		ret_time->tv_sec += atomic_load(&clock_shift_ms) / MS_PER_S;
	return code;
}

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

static void keys_of_before_the_clock_was_set_back_are_taken(void)
{
	struct scene s = scene_new();
	struct problem p;

	// A machine that began with a wrong date, and learns the right one between two records and their commit.
	attach(&s);
	atomic_store(&clock_shift_ms, 400 * MS_PER_DAY);
	CHECK_EQUAL(put(&s, 1), 1);
	CHECK(wait_durable(&s, 1));
	CHECK_EQUAL(key_feed_attach(s.feed, NULL, &p), SL_OK);
	CHECK_EQUAL(put(&s, 2), 2);
	atomic_store(&clock_shift_ms, 0);
	CHECK_EQUAL(put(&s, 3), 3);
	CHECK_EQUAL(key_feed_attach(s.feed, s.ring, &p), SL_OK);
	CHECK(wait_durable(&s, 3));
	CHECK(has_key(&s, &s.last));
	CHECK_EQUAL(key_feed_status(s.feed, &p), SL_OK);
	// A control that was started anew knows that date by the vault alone.
	atomic_store(&clock_shift_ms, 400 * MS_PER_DAY);
	CHECK_EQUAL(put(&s, 4), 4);
	CHECK(wait_durable(&s, 4));
	CHECK_EQUAL(key_feed_attach(s.feed, NULL, &p), SL_OK);
	CHECK_EQUAL(put(&s, 5), 5);
	atomic_store(&clock_shift_ms, 0);
	key_feed_free(s.feed);
	feed_begin(&s);
	CHECK_EQUAL(key_feed_attach(s.feed, s.ring, &p), SL_OK);
	CHECK(wait_durable(&s, 5));
	CHECK(has_key(&s, &s.last));
	scene_free(&s);
}

static const struct check_test tests[] = {
	{"a control that comes back attaches while keys come",
	 a_control_that_comes_back_attaches_while_keys_come},
	{"a feed ends while keys come", a_feed_ends_while_keys_come},
	{"keys of before the clock was set back are taken",
	 keys_of_before_the_clock_was_set_back_are_taken},
};

CHECK_MAIN("control/key_feed_live")
