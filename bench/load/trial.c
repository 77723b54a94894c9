#include "bench/load/trial.h"

#include "bench/load/follow.h"
#include "bench/load/pace.h"
#include "io/base/clock.h"

#include <sched.h>
#include <time.h>

enum {
	SLEEP_MIN_NS = 200000,            // a wait that is worth sleeping for
	SLEEP_SLACK_NS = 80000,           // and how much earlier one is awake
	SETTLE_STEP_NS = 2000000,         //
	SETTLE_QUIET_NS = 300000000,      // nothing more comes when nothing has come for so long
	SETTLE_MAX_NS = 5 * 1000000000ll, //
	FINISH_MAX_NS = 100000000,        // of sending late what was due in time
	FINISH_SHARE = 200                // and at most one part in so many of the trial's time
};

/** Events that are due, and how far they are sent. */
struct volley {
	struct shot shot[SHOTS_MAX];
	size_t count;
	size_t sent;
};

static void sleep_ns(uint64_t ns)
{
	const struct timespec time = {
		.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

	nanosleep(&time, NULL);
}

/** Make the volley of what is due now and before the end. */
static void load_volley(
	struct load *load,
	struct pace *pace,
	uint64_t now_ns,
	uint64_t end_ns,
	struct volley *v
)
{
	const uint64_t until_ns = now_ns < end_ns ? now_ns + 1 : end_ns;

	v->count = v->sent = 0;
	while (v->count < SHOTS_MAX && pace_next_ns(pace) < until_ns) {
		v->shot[v->count++] = (struct shot){
			.event = load->event,
			.subject = draw_next(load->draw),
			.number = ++load->number,
			.due_ns = pace_take(pace),
		};
		load->event = load->event + 1 == load->stock->count ? 0 : load->event + 1;
	}
}

/** @return events taken; *ret_sent_ns when, unless none was */
static size_t fire(
	struct load *load,
	struct volley *v,
	uint64_t now_ns,
	struct trial *trial,
	uint64_t *ret_sent_ns
)
{
	struct transport *t = load->transport;
	size_t taken = t->kind->send(t, v->shot + v->sent, v->count - v->sent);

	for (size_t i = v->sent; i < v->sent + taken; i++) {
		trial->bytes += load->stock->events[v->shot[i].event].size;
		histogram_record(
			&trial->late, now_ns > v->shot[i].due_ns ? now_ns - v->shot[i].due_ns : 0, 1
		);
	}
	if (taken != 0)
		*ret_sent_ns = clock_monotonic_ns();
	v->sent += taken;
	trial->offered += taken;
	return taken;
}

/** How long what was due in time may be sent late: so little that it does not make a rate look good. */
static uint64_t finish_ns(uint64_t duration_ns)
{
	const uint64_t share_ns = duration_ns / FINISH_SHARE;

	return share_ns < FINISH_MAX_NS ? share_ns : FINISH_MAX_NS;
}

/**
 * The open loop: what is due goes out, late if need be, until the time is over.
 *
 * @return the time that it took: the trial's, or until the last was sent
 */
static uint64_t shoot(
	struct load *load,
	struct pace *pace,
	struct follow *follow,
	uint64_t duration_ns,
	struct trial *trial
)
{
	struct transport *t = load->transport;
	const uint64_t end_ns = pace->start_ns + duration_ns;
	const uint64_t until_ns = end_ns + finish_ns(duration_ns);
	struct volley v = {.count = 0};
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t sent_ns = now_ns;

	while (now_ns < until_ns && t->fault[0] == '\0' && !*load->is_stopped) {
		const uint64_t from_ns = now_ns;
		bool has_room = true;

		if (v.sent == v.count)
			load_volley(load, pace, now_ns, end_ns, &v);
		if (v.sent < v.count)
			has_room = fire(load, &v, now_ns, trial, &sent_ns) != 0;
		else if (now_ns >= end_ns)
			break;
		else if (pace_next_ns(pace) > now_ns + SLEEP_MIN_NS && !t->kind->is_answered && follow_is_through(follow, trial->offered))
			sleep_ns(pace_next_ns(pace) - now_ns - SLEEP_SLACK_NS);
		// Whoever takes them, or writes them, may be waiting for this core, and the system gives it away
		// after milliseconds only to who does not ask.
		sched_yield();
		t->kind->poll(t);
		now_ns = clock_monotonic_ns();
		follow_look(follow, trial->offered, now_ns);
		if (!has_room && from_ns < end_ns)
			trial->no_room_ns += (now_ns < end_ns ? now_ns : end_ns) - from_ns;
	}
	// What was made ready and not sent is due all the same.
	trial->due = pace->count;
	while (pace_next_ns(pace) < end_ns && !*load->is_stopped) {
		pace_take(pace);
		trial->due++;
	}
	return sent_ns > end_ns ? sent_ns - pace->start_ns : duration_ns;
}

/** See everything offered come through, or nothing more come. */
static void follow_rest(struct load *load, struct follow *follow, uint64_t offered)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t moved_ns = now_ns;

	while (!follow_is_through(follow, offered) && now_ns < moved_ns + SETTLE_QUIET_NS
	       && !*load->is_stopped) {
		const uint64_t seen = follow->seen;

		sched_yield();
		load->transport->kind->poll(load->transport);
		now_ns = clock_monotonic_ns();
		follow_look(follow, offered, now_ns);
		if (follow->seen != seen)
			moved_ns = now_ns;
	}
}

/** Wait until everything offered has come through, or nothing more comes. What is answered is not given up so soon. */
static void settle(
	struct load *load,
	const struct counted_figures *before,
	uint64_t offered,
	struct counted_figures *after
)
{
	struct transport *t = load->transport;
	const uint64_t quiet_ns = t->kind->is_answered ? SETTLE_MAX_NS : SETTLE_QUIET_NS;
	const uint64_t start_ns = clock_monotonic_ns();
	uint64_t moved_ns = start_ns;
	uint64_t now_ns = start_ns;
	uint64_t last = 0;

	counted_read(load->counted, after);
	while (now_ns < start_ns + SETTLE_MAX_NS && now_ns < moved_ns + quiet_ns
	       && t->fault[0] == '\0' && !*load->is_stopped) {
		uint64_t seen;

		t->kind->poll(t);
		counted_read(load->counted, after);
		seen = after->taken + after->dropped + after->delivered;
		if (after->taken - before->taken >= offered
		    && after->delivered - before->delivered >= offered)
			return;
		if (seen != last)
			moved_ns = now_ns;
		last = seen;
		if (!t->kind->is_answered)
			sleep_ns(SETTLE_STEP_NS);
		now_ns = clock_monotonic_ns();
	}
}

static void conclude(
	const struct load *load,
	const struct counted_figures *before,
	const struct counted_figures *after,
	struct trial *trial
)
{
	trial->is_counted = load->counted->source != COUNTED_NOT;
	trial->taken = after->taken - before->taken;
	trial->delivered = after->delivered - before->delivered;
	trial->dropped = after->dropped - before->dropped;
	for (uint32_t i = 0; i < TRIAL_DROPS_MAX; i++)
		trial->drop[i] = after->drop[i] - before->drop[i];
	if (load->counted->source != COUNTED_BY_COUNTERS)
		return;
	counted_latency(before, after, &trial->inside);
	// Where some are missing, the nth that comes through is not the nth that was due.
	if (!load->transport->kind->is_answered && trial->latency.count != trial->due)
		histogram_reset(&trial->latency);
}

enum sl_status trial_run(
	struct load *load,
	double rate,
	uint64_t duration_ns,
	struct trial *ret_trial,
	struct problem *ret_problem
)
{
	static struct counted_figures before;
	static struct counted_figures after;
	struct transport *t = load->transport;
	struct follow follow;
	struct pace pace;
	uint64_t start_ns;
	uint64_t took_ns;

	*ret_trial = (struct trial){.rate = rate};
	if (t->kind->begin != NULL)
		t->kind->begin(t);
	start_ns = clock_monotonic_ns();
	pace_init(&pace, rate, load->is_poisson, start_ns, load->seed++);
	follow_init(
		&follow, t->kind->is_answered ? NULL : load->counted, &pace, &ret_trial->latency
	);
	counted_read(load->counted, &before);
	t->latency = t->kind->is_answered ? &ret_trial->latency : NULL;
	took_ns = shoot(load, &pace, &follow, duration_ns, ret_trial);
	ret_trial->seconds = (double)took_ns / 1e9;
	follow_rest(load, &follow, ret_trial->offered);
	if (t->fault[0] == '\0' && load->counted->source != COUNTED_NOT)
		settle(load, &before, ret_trial->offered, &after);
	else
		counted_read(load->counted, &after);
	t->latency = NULL;
	conclude(load, &before, &after, ret_trial);
	if (t->fault[0] != '\0')
		return problem_set(ret_problem, SL_E_IO, "%s", t->fault);
	if (*load->is_stopped)
		return problem_set(ret_problem, SL_E_INTERRUPTED, "stopped by a signal");
	return SL_OK;
}

uint64_t trial_lost(const struct trial *trial)
{
	const uint64_t through = trial->is_counted ? trial->taken : trial->offered;

	return through < trial->due ? trial->due - through : 0;
}

bool trial_is_good(const struct trial *trial, double tolerance)
{
	return (double)trial_lost(trial) <= tolerance * (double)trial->due;
}
