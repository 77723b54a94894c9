#include "bench/load/counted.h"
#include "bench/load/options.h"
#include "bench/load/report.h"
#include "bench/load/search.h"
#include "bench/load/trial.h"
#include "control/cli/exits.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>

// sealane-load: offers events at a set rate in an open loop and tells what became of them. See sealane-load(1).

static volatile sig_atomic_t is_stopped; // 0 = not; else the number of the signal

/** All that a run needs, made in this order and let go in the other. */
struct run {
	struct load_options options;
	struct stock stock;
	struct draw draw;
	struct transport transport;
	struct counted counted;
	struct load load;
	struct report report;
};

static struct run run;
static struct trial trial;

static void stop(int signal_number)
{
	is_stopped = signal_number;
}

static enum sl_status pin(int core, struct problem *ret_problem)
{
	cpu_set_t set;

	if (core < 0)
		return SL_OK;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		return SL_OK;
	return problem_set(ret_problem, SL_E_INVALID, "there is no core %d to run on", core);
}

static enum sl_status prepare(struct run *r, struct problem *ret_problem)
{
	struct load_options *o = &r->options;
	enum sl_status status;

	SL_TRY(stock_make(&o->stock, &r->stock, ret_problem));
	status = draw_init(&r->draw, o->draw, o->zipf, o->subjects, o->seed);
	if (status != SL_OK)
		return problem_set(ret_problem, status, "no memory for %u subjects", o->subjects);
	o->transport.stock = &r->stock;
	r->transport.kind = o->kind;
	SL_TRY(o->kind->open(&r->transport, &o->transport, ret_problem));
	// After the packet runtime, which has its own ideas of cores.
	SL_TRY(pin(o->core, ret_problem));
	SL_TRY(counted_open(&r->counted, o->counters, &r->transport, ret_problem));
	r->load = (struct load){
		.transport = &r->transport,
		.counted = &r->counted,
		.stock = &r->stock,
		.draw = &r->draw,
		.is_poisson = o->is_poisson,
		.seed = o->seed,
		.is_stopped = &is_stopped,
	};
	report_init(&r->report, o, &r->stock);
	return SL_OK;
}

static void release(struct run *r)
{
	report_done(&r->report);
	counted_close(&r->counted);
	if (r->transport.self != NULL)
		r->transport.kind->close(&r->transport);
	draw_done(&r->draw);
	stock_done(&r->stock);
}

/** One trial, told. */
static enum sl_status try_rate(
	struct run *r,
	const char *purpose,
	double rate,
	bool *ret_is_good,
	struct problem *ret_problem
)
{
	SL_TRY(trial_run(&r->load, rate, r->options.duration_ns, &trial, ret_problem));
	*ret_is_good = trial_is_good(&trial, r->options.tolerance);
	report_trial(&r->report, purpose, &trial, *ret_is_good);
	return SL_OK;
}

static enum sl_status find_rate(struct run *r, const char *purpose, struct problem *ret_problem)
{
	const struct load_options *o = &r->options;
	struct search search;

	search_init(&search, o->rate_min, o->rate, o->resolution);
	while (!search.is_done) {
		bool is_good;

		SL_TRY(try_rate(r, purpose, search.rate, &is_good, ret_problem));
		search_tell(&search, is_good, (double)trial.taken / trial.seconds);
	}
	report_found(&r->report, search.good, o);
	for (uint32_t i = 0; i < o->latency_count && search.good != 0 && !o->is_self_test; i++) {
		bool is_good;

		SL_TRY(try_rate(r, "latency", search.good * o->latency_at[i], &is_good, ret_problem)
		);
	}
	return SL_OK;
}

static enum sl_status offer(struct run *r, struct problem *ret_problem)
{
	const struct load_options *o = &r->options;
	bool is_good;

	if (o->warm_up_ns != 0)
		SL_TRY(trial_run(&r->load, o->rate / 2, o->warm_up_ns, &trial, ret_problem));
	if (o->is_self_test)
		return find_rate(r, "self-test", ret_problem);
	if (o->is_search)
		return find_rate(r, "search", ret_problem);
	return try_rate(r, "trial", o->rate, &is_good, ret_problem);
}

int main(int argc, char **argv)
{
	struct problem problem;
	enum sl_status status;

	switch (options_read(argc, argv, &run.options)) {
	case OPTIONS_HELP:
		return EXIT_DONE;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	case OPTIONS_READ:
		break;
	}
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	status = prepare(&run, &problem);
	if (status == SL_OK)
		status = offer(&run, &problem);
	release(&run);
	if (status == SL_OK)
		return EXIT_DONE;
	problem_print(stderr, &problem);
	return status == SL_E_INTERRUPTED ? EXIT_SIGNAL + is_stopped : EXIT_ENVIRONMENT;
}
