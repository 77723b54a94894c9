#include "io/checkpoint.h"
#include "io/fault.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/power.h"
#include "tests/unit/io/sink_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// Several sinks under one checkpoint, killed at any step, opened again: they hold what the checkpoint says.
// SEALANE_SEED: other lives than by default.

enum {
	SINKS = 3,
	OPERATIONS = 60
};

/** The bytes of a checkpoint's record. */
struct state {
	uint64_t lines[SINKS]; // in each sink
	uint64_t now_ms;
	size_t mark_size[SINKS];
	uint8_t marks[SINKS][SINK_MARK_MAX];
};

static const enum rig_kind mixes[][SINKS] = {
	{RIG_FILES, RIG_FILES_ZSTD, RIG_FILES},
	{RIG_SPOOL_FILES, RIG_FILES, RIG_SPOOL_ZSTD},
};

static struct rig rigs[SINKS];
static struct checkpoint *checkpoint;
static struct state state;

// What happens in a child's life.
static uint64_t steps;
static uint64_t kill_at;   // step; 0 = never
static uint64_t fail_rate; // one step in so many fails; 0 = none
static uint64_t fault_random;
static uint64_t first_seed = 1;
static bool is_power_cut; // death takes what was not synced with it
static uint64_t power_seed;

/** Lines of each sink that were acknowledged: their checkpoint was written. Shared with the parent. */
static uint64_t *acknowledged;

static int step_fault(enum io_step step)
{
	static const int errors[] = {ENOSPC, EIO};

	steps++;
	if (steps == kill_at && is_power_cut)
		power_cut(power_seed);
	if (steps == kill_at)
		raise(SIGKILL);
	// A refused ring is threads instead, and a read that fails is damage.
	if (fail_rate == 0 || step == IO_STEP_RING || step == IO_STEP_PIN || step == IO_STEP_READ)
		return 0;
	return scratch_random(&fault_random) % fail_rate == 0 ? errors[steps % 2] : 0;
}

static void init_rigs(const enum rig_kind kinds[static SINKS])
{
	static const char *const names[SINKS] = {"a", "b", "c"};

	for (int i = 0; i < SINKS; i++) {
		rig_init(&rigs[i], kinds[i], names[i]);
		rigs[i].roll_bytes = 20000;
		rigs[i].segment_bytes = 9000;
		rigs[i].spool_bytes_max = 60000;
	}
}

static bool open_all(struct problem *p)
{
	struct view bytes;

	if (checkpoint_open(scratch_path("state"), &checkpoint, &bytes, p) != SL_OK)
		return false;
	state = (struct state){.now_ms = 1000000};
	if (bytes.size == sizeof(state))
		memcpy(&state, bytes.bytes, sizeof(state));
	rig_now_ms = state.now_ms;
	for (int i = 0; i < SINKS; i++) {
		rigs[i].next_line = state.lines[i];
		if (rig_open(&rigs[i], view_of(state.marks[i], state.mark_size[i]), p) != SL_OK)
			return false;
	}
	return true;
}

static void close_all(void)
{
	for (int i = 0; i < SINKS; i++)
		sink_close(&rigs[i].sink);
	checkpoint_close(checkpoint);
	checkpoint = NULL;
}

/** One commit; what fails is left to the next. */
static bool commit(struct problem *p)
{
	bool is_synced = true;
	struct state next = {.now_ms = rig_now_ms};

	for (int i = 0; i < SINKS; i++)
		sink_sync_begin(&rigs[i].sink);
	for (int i = 0; i < SINKS; i++)
		is_synced &= sink_sync(&rigs[i].sink, p) == SL_OK;
	if (!is_synced)
		return false;
	for (int i = 0; i < SINKS; i++) {
		next.lines[i] = rigs[i].next_line;
		next.mark_size[i] = sink_mark(&rigs[i].sink, next.marks[i]);
	}
	if (checkpoint_put(checkpoint, view_of(&next, sizeof(next)), true, p) != SL_OK)
		return false;
	for (int i = 0; i < SINKS; i++) {
		acknowledged[i] = next.lines[i];
		sink_confirm(&rigs[i].sink);
	}
	return true;
}

/** A process's life: random offers, polls, commits; ends as the faults say. */
_Noreturn static void live(uint64_t seed)
{
	uint64_t random = seed;
	struct problem p;

	fault_random = seed;
	power_seed = seed;
	if (is_power_cut) {
		setenv("SEALANE_IO", "plain", 1);
		power_on(scratch_directory());
		power_fail(fail_rate, seed);
	}
	io_fault = step_fault;
	if (!open_all(&p) || !commit(&p))
		_exit(0);
	for (int i = 0; i < OPERATIONS; i++) {
		uint64_t r = scratch_random(&random);
		struct rig *rig = &rigs[r % SINKS];

		if (r >> 8 & 3)
			(void)!rig_offer(rig, 1 + (r >> 16) % ((r >> 32) % 9 == 0 ? 15000 : 900));
		else if (r >> 10 & 1)
			sink_poll(&rig->sink);
		else
			(void)commit(&p);
		rig_now_ms += r >> 20 & 255;
		if ((r >> 40) % 50 == 0)
			sink_roll(&rig->sink);
	}
	close_all();
	if (is_power_cut)
		power_cut(seed);
	_exit(0);
}

/** A parent never sees in public what the checkpoint does not cover, and finds all that it does. */
static bool is_as_checkpointed(struct problem *p)
{
	uint64_t published[SINKS];
	uint64_t lines;
	bool is_good = true;

	for (int i = 0; i < SINKS; i++)
		is_good &=
			access(rigs[i].directory, F_OK) != 0 || rig_read(&rigs[i], &published[i]);
	if (!open_all(p) || !commit(p))
		return false;
	for (int i = 0; i < SINKS; i++)
		is_good &= rig_published(&rigs[i]) == 0 || published[i] <= state.lines[i];
	for (bool is_due = true; is_due && is_good;) {
		is_due = false;
		for (int i = 0; i < SINKS; i++) {
			struct sink_stats stats;

			sink_roll(&rigs[i].sink);
			sink_poll(&rigs[i].sink);
			sink_stats(&rigs[i].sink, &stats);
			is_due |= stats.is_due;
		}
		is_good &= commit(p);
	}
	for (int i = 0; i < SINKS; i++) {
		is_good &= rig_read(&rigs[i], &lines) && lines == state.lines[i];
		is_good &= lines >= acknowledged[i];
		is_good &= rig_hidden(&rigs[i]) == 0 && !rigs[i].is_out_of_order;
		rig_take_away(&rigs[i], lines);
	}
	close_all();
	return is_good;
}

static void forget_all(void)
{
	memset(acknowledged, 0, SINKS * sizeof(*acknowledged));
	for (int i = 0; i < SINKS; i++) {
		rig_remove(&rigs[i]);
		rigs[i].lines_taken = 0;
	}
	scratch_empty(scratch_directory());
}

/** @return whether the child was killed. */
static bool run_life(uint64_t seed, uint64_t at, uint64_t rate, unsigned kill_us)
{
	int status = 0;
	pid_t child = fork();

	CHECK_FATAL(child >= 0);
	if (child == 0) {
		kill_at = at;
		fail_rate = rate;
		live(seed);
	}
	if (kill_us != 0) {
		usleep(kill_us);
		kill(child, SIGKILL);
	}
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static void check_life(uint64_t seed, uint64_t at, uint64_t rate)
{
	struct problem p = {0};
	bool is_good = is_as_checkpointed(&p);

	CHECK(is_good);
	if (is_good)
		return;
	printf("seed %llu, killed at step %llu, fail rate %llu\n",
	       (unsigned long long)seed,
	       (unsigned long long)at,
	       (unsigned long long)rate);
	problem_print(stdout, &p);
	forget_all();
}

static void killed_at_each_step(const enum rig_kind kinds[static SINKS], uint64_t rate)
{
	uint64_t at = 1;

	init_rigs(kinds);
	for (uint64_t seed = first_seed;; seed++) {
		bool is_killed = run_life(seed, at, rate, 0);

		check_life(seed, at, rate);
		if (at > 300 && (!is_killed || rate != 0))
			break;
		at += rate == 0 ? 1 + at / 100 : 13;
	}
	CHECK(at > 100);
	forget_all();
}

static void survive_death_at_each_step(void)
{
	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++)
		killed_at_each_step(mixes[i], 0);
}

static void survive_death_while_disks_fail(void)
{
	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++)
		for (uint64_t rate = 4; rate <= 64; rate *= 4)
			killed_at_each_step(mixes[i], rate);
}

static void survive_death_at_any_moment(void)
{
	uint64_t random = 77;

	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++) {
		init_rigs(mixes[i]);
		for (uint64_t seed = first_seed; seed < first_seed + 30; seed++) {
			setenv("SEALANE_IO", seed % 2 == 0 ? "uring" : "posix", 1);
			(void)run_life(
				seed,
				0,
				seed % 3 == 0 ? 20 : 0,
				1000 + (unsigned)(scratch_random(&random) % 20000)
			);
			check_life(seed, 0, 0);
		}
		forget_all();
	}
	unsetenv("SEALANE_IO");
}

static void survive_power_cuts(void)
{
	is_power_cut = true;
	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++)
		for (uint64_t rate = 0; rate <= 64; rate = rate == 0 ? 8 : rate * 8)
			killed_at_each_step(mixes[i], rate);
	is_power_cut = false;
}

static const struct check_test tests[] = {
	{"sinks survive death at each step", survive_death_at_each_step},
	{"sinks survive death while disks fail", survive_death_while_disks_fail},
	{"sinks survive death at any moment", survive_death_at_any_moment},
	{"sinks survive power cuts", survive_power_cuts},
};

int main(void)
{
	rig_prefer_memory();
	acknowledged =
		mmap(NULL,
		     SINKS * sizeof(*acknowledged),
		     PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS,
		     -1,
		     0);
	if (acknowledged == MAP_FAILED)
		return EXIT_FAILURE;
	return check_run("sinks, killed", tests, sizeof(tests) / sizeof(tests[0]));
}
