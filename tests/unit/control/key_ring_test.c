#include "control/api/key_ring.h"
#include "tests/support/check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	// Where the marks lie in the memory (key_ring.c).
	CONSTANT_SIZE = 40,
	RESERVED_AT = 64,
	TAKEN_AT = 128,
	DURABLE_AT = 136,
	SLOTS_AT = 4096,
	SLOT_SIZE = 128
};

/** Every word of a record tells its number. */
static struct key_record record_of(uint64_t number)
{
	struct key_record r;
	uint64_t words[sizeof(r) / 8];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = number * 1000003 + i;
	memcpy(&r, words, sizeof(r));
	r.flags = 0;
	return r;
}

static uint64_t number_of(const struct key_record *r)
{
	uint64_t first;

	memcpy(&first, r, sizeof(first));
	return first / 1000003;
}

static bool is_whole(const struct key_record *r)
{
	struct key_record want = record_of(number_of(r));

	return memcmp(&want, r, sizeof(want)) == 0;
}

static struct key_ring *ring_of(size_t capacity)
{
	struct key_ring *r = NULL;
	struct problem p;

	if (key_ring_create(capacity, &r, &p) != SL_OK)
		abort();
	return r;
}

static struct key_ring *attached(int fd)
{
	struct key_ring *r = NULL;
	struct problem p;

	return key_ring_attach(fd, &r, &p) == SL_OK ? r : NULL;
}

/** The memory as anybody sees it who has the descriptor. */
static uint8_t *raw_of(const struct key_ring *r)
{
	uint8_t *raw = mmap(
		NULL, SLOTS_AT + SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, key_ring_fd(r), 0
	);

	if (raw == MAP_FAILED)
		abort();
	return raw;
}

static void set_mark(uint8_t *raw, size_t at, uint64_t value)
{
	memcpy(raw + at, &value, sizeof(value));
}

static void records_come_in_order_and_go_when_durable(void)
{
	struct key_ring *producer = ring_of(5); // eight, a power of two
	struct key_ring *consumer = attached(key_ring_fd(producer));
	struct key_record got[16];
	uint64_t number = 0;
	uint64_t taken = 0;

	CHECK_FATAL(consumer != NULL);
	CHECK_EQUAL(key_ring_room(producer), 8);
	CHECK_EQUAL(key_ring_peek(consumer, got, 16), 0);
	for (size_t round = 0; round < 50; round++) {
		size_t count;

		while (key_ring_room(producer) != 0) {
			struct key_record r = record_of(++number);

			CHECK_EQUAL(key_ring_put(producer, &r), number);
		}
		CHECK_EQUAL(key_ring_put(producer, got), 0);
		CHECK_EQUAL(key_ring_position(consumer), number);
		CHECK_EQUAL(key_ring_durable(producer), taken);
		count = key_ring_peek(consumer, got, round % 3 == 0 ? 3 : 16);
		CHECK_EQUAL(count, round % 3 == 0 ? 3 : 8);
		for (size_t i = 0; i < count; i++)
			CHECK(is_whole(&got[i]) && number_of(&got[i]) == taken + i + 1);
		CHECK_EQUAL(key_ring_peek(consumer, got, 1), 1); // still there
		key_ring_commit(consumer, count);
		taken += count;
		CHECK_EQUAL(key_ring_durable(producer), taken);
		CHECK_EQUAL(key_ring_room(producer), count);
	}
	key_ring_free(consumer);
	key_ring_free(producer);
	key_ring_free(NULL);
}

static void what_is_durable_is_wiped(void)
{
	struct key_ring *r = ring_of(1);
	struct key_record record = record_of(7);
	static const struct key_record none;
	uint8_t *raw = raw_of(r);

	CHECK_EQUAL(key_ring_put(r, &record), 1);
	CHECK(memcmp(raw + SLOTS_AT + 8, &record, sizeof(record)) == 0);
	CHECK_EQUAL(key_ring_peek(r, &record, 1), 1);
	key_ring_commit(r, 1);
	CHECK(memcmp(raw + SLOTS_AT + 8, &none, sizeof(none)) == 0);
	munmap(raw, SLOTS_AT + SLOT_SIZE);
	key_ring_free(r);
}

static void a_commit_that_was_cut_short_is_finished(void)
{
	struct key_ring *r = ring_of(4);
	struct key_ring *next;
	struct key_record record;
	uint8_t *raw = raw_of(r);

	for (uint64_t i = 1; i <= 4; i++) {
		record = record_of(i);
		CHECK_EQUAL(key_ring_put(r, &record), i);
	}
	// The consumer told that two are durable, and died.
	set_mark(raw, DURABLE_AT, 2);
	next = attached(key_ring_fd(r));
	CHECK_FATAL(next != NULL);
	CHECK_EQUAL(key_ring_room(r), 0);
	CHECK_EQUAL(key_ring_peek(next, &record, 1), 1);
	CHECK_EQUAL(number_of(&record), 3);
	CHECK_EQUAL(key_ring_room(r), 2);
	CHECK_EQUAL(raw[SLOTS_AT + 8], 0);
	munmap(raw, SLOTS_AT + SLOT_SIZE);
	key_ring_free(next);
	key_ring_free(r);
}

static void the_last_link_is_kept(void)
{
	struct key_ring *r = ring_of(4);
	struct key_ring *other = attached(key_ring_fd(r));
	uint8_t link[KEY_LINK_SIZE] = {0};
	uint8_t got[KEY_LINK_SIZE] = {1};

	CHECK_FATAL(other != NULL);
	key_ring_last_link(other, got);
	CHECK(memcmp(got, link, sizeof(link)) == 0);
	for (size_t i = 0; i < sizeof(link); i++)
		link[i] = (uint8_t)(0xf1 + i);
	key_ring_set_last_link(r, link);
	key_ring_last_link(other, got);
	CHECK(memcmp(got, link, sizeof(link)) == 0);
	key_ring_free(other);
	key_ring_free(r);
}

static void what_is_no_ring_is_refused(void)
{
	struct key_ring *r = ring_of(4);
	uint8_t *raw = raw_of(r);
	struct problem p;
	int fd;

	CHECK_EQUAL(key_ring_create(0, &(struct key_ring *){NULL}, &p), SL_E_INVALID);
	CHECK_EQUAL(key_ring_create((size_t)1 << 40, &(struct key_ring *){NULL}, &p), SL_E_INVALID);
	for (size_t bit = 0; bit < 8 * (size_t)CONSTANT_SIZE; bit++) {
		raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(attached(key_ring_fd(r)) == NULL);
		raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	// Memory that its other side could cut off under us, no memory, a closed descriptor.
	fd = memfd_create("ring", MFD_ALLOW_SEALING);
	CHECK_FATAL(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
	CHECK_EQUAL((ssize_t)SLOTS_AT, pwrite(fd, raw, SLOTS_AT, 0));
	CHECK(attached(fd) == NULL);
	CHECK_FATAL(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	key_ring_free(attached(fd));
	CHECK_EQUAL(ftruncate(fd, 2 << 20), 0);
	close(fd);
	CHECK(attached(fd) == NULL);
	CHECK(attached(STDIN_FILENO) == NULL);
	munmap(raw, SLOTS_AT + SLOT_SIZE);
	key_ring_free(r);
}

static void marks_that_contradict_each_other_are_refused(void)
{
	// reserved, taken, durable; of four records
	static const struct {
		uint64_t mark[3];
		bool is_sound;
	} rows[] = {
		{{0, 0, 0}, true},
		{{9, 5, 7}, true},
		{{9, 4, 7}, false},                  // five in the ring
		{{9, 9, 8}, false},                  // durable below taken
		{{9, 8, 10}, false},                 // durable above reserved
		{{3, 4, 4}, false},                  // reserved below taken
		{{UINT64_MAX, 0, 0}, false},         // far away
		{{2, UINT64_MAX, UINT64_MAX}, true}, // after 2^64: a round further
	};
	struct key_ring *r = ring_of(4);
	uint8_t *raw = raw_of(r);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct key_ring *got;

		set_mark(raw, RESERVED_AT, rows[i].mark[0]);
		set_mark(raw, TAKEN_AT, rows[i].mark[1]);
		set_mark(raw, DURABLE_AT, rows[i].mark[2]);
		got = attached(key_ring_fd(r));
		CHECK_EQUAL(got != NULL, rows[i].is_sound);
		key_ring_free(got);
	}
	munmap(raw, SLOTS_AT + SLOT_SIZE);
	key_ring_free(r);
}

/** The other side writes what it likes over all that may change: we stay inside our memory, and sane. */
static void a_hostile_other_side_spoils_records_only(void)
{
	struct key_ring *r = ring_of(32);
	size_t size = 4096 - 64 + 32 * (size_t)SLOT_SIZE;
	uint8_t *raw =
		mmap(NULL,
		     SLOTS_AT + 32 * SLOT_SIZE,
		     PROT_READ | PROT_WRITE,
		     MAP_SHARED,
		     key_ring_fd(r),
		     0);
	struct key_record got[64];
	uint64_t state = 88172645463325252u;

	CHECK_FATAL(raw != MAP_FAILED);
	for (size_t round = 0; round < 20000; round++) {
		size_t count;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		if (round % 3 == 0)
			memcpy(raw + 64 + (state >> 8) % (size / 8) * 8, &state, 8);
		else if (round % 3 == 1)
			set_mark(raw, round % 2 == 0 ? RESERVED_AT : TAKEN_AT, state >> state % 64);
		(void)key_ring_put(r, &got[0]);
		CHECK(key_ring_room(r) <= 32);
		count = key_ring_peek(r, got, 64);
		CHECK_FATAL(count <= 32);
		key_ring_commit(r, count);
		if (round % 16 == 0) {
			key_ring_recover(r);
			CHECK(key_ring_room(r) <= 32);
			key_ring_commit(r, key_ring_peek(r, got, 64));
		}
	}
	munmap(raw, SLOTS_AT + 32 * SLOT_SIZE);
	key_ring_free(r);
}

enum {
	PRODUCERS = 3,
	PRODUCED = 20000 // records of each
};

struct produce {
	struct key_ring *ring;
	uint64_t first;
	atomic_bool *is_over;
};

static void *produce(void *arg)
{
	const struct produce *p = arg;

	for (uint64_t i = 0; i < PRODUCED && !atomic_load(p->is_over);) {
		struct key_record r = record_of(p->first + i);

		i += key_ring_put(p->ring, &r) != 0;
	}
	return NULL;
}

static void records_of_many_producers_arrive_once(void)
{
	struct key_ring *ring = ring_of(64);
	struct produce p[PRODUCERS];
	pthread_t threads[PRODUCERS];
	struct key_record got[16];
	uint64_t next[PRODUCERS] = {0};
	atomic_bool is_over = false;
	size_t total = 0;
	size_t wrong = 0;

	for (size_t i = 0; i < PRODUCERS; i++) {
		p[i] = (struct produce
		){.ring = ring, .first = (i + 1) * 1000000, .is_over = &is_over};
		CHECK_FATAL(pthread_create(&threads[i], NULL, produce, &p[i]) == 0);
	}
	while (total < (size_t)PRODUCERS * PRODUCED) {
		size_t count = key_ring_peek(ring, got, 16);

		for (size_t i = 0; i < count; i++) {
			uint64_t number = number_of(&got[i]);
			uint64_t who = number / 1000000 - 1;

			wrong += !is_whole(&got[i]) || who >= PRODUCERS
				|| number % 1000000 != next[who]++;
		}
		key_ring_commit(ring, count);
		total += count;
		if (count == 0)
			key_ring_wait(ring, 10, NULL);
	}
	for (size_t i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(key_ring_durable(ring), (uint64_t)PRODUCERS * PRODUCED);
	CHECK_EQUAL(key_ring_position(ring), (uint64_t)PRODUCERS * PRODUCED);
	key_ring_free(ring);
}

enum {
	ROOMY_RECORDS = 100000
};

struct roomy {
	struct key_ring *ring;
	atomic_bool is_over;
	atomic_uint_fast64_t refused;
};

/** A worker that has a look at the room before each turn. */
static void *look_for_room(void *arg)
{
	struct roomy *r = arg;

	while (!atomic_load_explicit(&r->is_over, memory_order_relaxed))
		for (int i = 0; i < 1000; i++)
			if (key_ring_room(r->ring) == 0)
				atomic_fetch_add(&r->refused, 1);
	return NULL;
}

/** Another one, who makes keys and never has more than a few on their way. */
static void *make_some(void *arg)
{
	struct roomy *r = arg;
	struct key_record record = record_of(1);

	while (!atomic_load_explicit(&r->is_over, memory_order_relaxed)) {
		uint64_t position = key_ring_put(r->ring, &record);

		if (position == 0)
			atomic_fetch_add(&r->refused, 1);
		while (key_ring_durable(r->ring) + 4 < position
		       && !atomic_load_explicit(&r->is_over, memory_order_relaxed))
			sched_yield(); /* There may be fewer cores than threads. */
	}
	return NULL;
}

static void workers_find_the_room_that_is_there(void)
{
	struct roomy r = {.ring = ring_of(1024)};
	void *(*const work[PRODUCERS])(void *) = {look_for_room, make_some, make_some};
	pthread_t threads[PRODUCERS];
	struct key_record got[16];

	for (size_t i = 0; i < PRODUCERS; i++)
		CHECK_FATAL(pthread_create(&threads[i], NULL, work[i], &r) == 0);
	while (key_ring_durable(r.ring) < ROOMY_RECORDS) {
		size_t count = key_ring_peek(r.ring, got, 16);

		key_ring_commit(r.ring, count);
		if (count == 0)
			sched_yield();
	}
	atomic_store(&r.is_over, true);
	for (size_t i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQUAL(atomic_load(&r.refused), 0);
	key_ring_free(r.ring);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void *put_late(void *arg)
{
	const struct timespec pause = {.tv_nsec = 30000000};
	struct key_record r = record_of(1);

	nanosleep(&pause, NULL);
	(void)key_ring_put(arg, &r);
	return NULL;
}

static void a_consumer_is_woken_by_a_record(void)
{
	struct key_ring *ring = ring_of(4);
	struct key_record got;
	atomic_uint callers = 1;
	pthread_t thread;
	uint64_t start = now_ms();

	key_ring_wait(ring, 20, NULL); // nothing comes
	CHECK(now_ms() - start >= 19);
	start = now_ms();
	key_ring_wait(ring, 20000, &callers); // somebody called before the sleep
	CHECK(now_ms() - start < 15000);
	CHECK_FATAL(pthread_create(&thread, NULL, put_late, ring) == 0);
	start = now_ms();
	key_ring_wait(ring, 20000, NULL);
	CHECK(now_ms() - start < 15000);
	pthread_join(thread, NULL);
	CHECK_EQUAL(key_ring_peek(ring, &got, 1), 1);
	key_ring_wait(ring, 20000, NULL); // there is one
	CHECK(now_ms() - start < 15000);
	key_ring_free(ring);
}

/** A process of two producers, which writes until it is killed. */
static void produce_for_ever(int fd)
{
	struct key_ring *ring = attached(fd);
	atomic_bool is_over = false;
	pthread_t thread;
	struct produce mine = {.ring = ring, .first = 1000000, .is_over = &is_over};
	struct produce others = {.ring = ring, .first = 2000000, .is_over = &is_over};

	if (ring == NULL)
		_exit(1);
	pthread_create(&thread, NULL, produce, &others);
	for (;;)
		produce(&mine);
}

static void a_dead_producer_leaves_holes_at_the_most(void)
{
	struct key_ring *ring = ring_of(128);
	struct key_record got[128];
	uint64_t position = 0;
	size_t holes = 0;
	size_t told = 0;
	size_t wrong = 0;
	size_t whole = 0;

	for (unsigned round = 0; round < 30; round++) {
		uint64_t until = position + 1 + round * 97 % 1500;
		pid_t child = fork();
		bool is_dead = false;

		CHECK_FATAL(child >= 0);
		if (child == 0)
			produce_for_ever(key_ring_fd(ring));
		for (size_t count = 1; count != 0 || !is_dead;) {
			if (!is_dead && position >= until) {
				kill(child, SIGKILL);
				waitpid(child, NULL, 0);
				told += key_ring_recover(ring);
				is_dead = true;
			}
			count = key_ring_peek(ring, got, 128);
			for (size_t i = 0; i < count; i++) {
				bool is_hole = got[i].flags == KEY_RECORD_HOLE;

				holes += is_hole;
				whole += !is_hole;
				wrong += !is_hole && !is_whole(&got[i]);
			}
			key_ring_commit(ring, count);
			position += count;
		}
		CHECK_EQUAL(key_ring_position(ring), position);
		CHECK_EQUAL(key_ring_durable(ring), position);
		CHECK_EQUAL(key_ring_room(ring), 128);
	}
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(holes, told);
	CHECK(holes <= 60); // of two producers
	CHECK(whole > 1000);
	key_ring_free(ring);
}

/** What a death between reserving and writing leaves. */
static void a_hole_becomes_an_empty_record(void)
{
	struct key_ring *ring = ring_of(4);
	uint8_t *raw = raw_of(ring);
	struct key_record got[4];
	struct key_record r = record_of(1);

	CHECK_EQUAL(key_ring_put(ring, &r), 1);
	set_mark(raw, RESERVED_AT, 2);
	memset(raw + SLOTS_AT + 8, 0x55, 1); // the first record is whole, and stays
	CHECK_EQUAL(key_ring_put(ring, &r), 3);
	CHECK_EQUAL(key_ring_peek(ring, got, 4), 1);
	CHECK_EQUAL(key_ring_recover(ring), 1);
	CHECK_EQUAL(key_ring_peek(ring, got, 4), 3);
	CHECK_EQUAL(got[1].flags, KEY_RECORD_HOLE);
	CHECK_EQUAL(got[1].link[0], 0);
	CHECK(is_whole(&got[2]));
	CHECK_EQUAL(key_ring_recover(ring), 0);
	key_ring_commit(ring, 3);
	CHECK_EQUAL(key_ring_put(ring, &r), 4);
	munmap(raw, SLOTS_AT + SLOT_SIZE);
	key_ring_free(ring);
}

static void a_ring_holds_a_power_of_two(void)
{
	struct key_ring *r = ring_of(1000);
	struct key_ring *other = attached(key_ring_fd(r));

	CHECK_FATAL(other != NULL);
	CHECK_EQUAL(key_ring_capacity(r), 1024);
	CHECK_EQUAL(key_ring_capacity(other), 1024);
	CHECK_EQUAL(key_ring_room(r), 1024);
	key_ring_free(other);
	key_ring_free(r);
}

static const struct check_test tests[] = {
	{"a ring holds a power of two", a_ring_holds_a_power_of_two},
	{"records come in order and go when durable", records_come_in_order_and_go_when_durable},
	{"what is durable is wiped", what_is_durable_is_wiped},
	{"a commit that was cut short is finished", a_commit_that_was_cut_short_is_finished},
	{"the last link is kept", the_last_link_is_kept},
	{"what is no ring is refused", what_is_no_ring_is_refused},
	{"marks that contradict each other are refused",
	 marks_that_contradict_each_other_are_refused},
	{"a hostile other side spoils records only", a_hostile_other_side_spoils_records_only},
	{"records of many producers arrive once", records_of_many_producers_arrive_once},
	{"workers find the room that is there", workers_find_the_room_that_is_there},
	{"a consumer is woken by a record", a_consumer_is_woken_by_a_record},
	{"a dead producer leaves holes at the most", a_dead_producer_leaves_holes_at_the_most},
	{"a hole becomes an empty record", a_hole_becomes_an_empty_record},
};

CHECK_MAIN("control/key_ring")
