#include "control/cli/command.h"
#include "control/cli/console.h"
#include "control/cli/options.h"
#include "crypto/secret.h"
#include "dataplane/batch/plan.h"
#include "dataplane/batch/run.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/** A thread that waits for the signals that end a job, so that no code runs in a signal handler. */
struct watcher {
	pthread_t thread;
	struct batch_run *run;
	atomic_int signal; // that came; 0 = none. Written by the thread, read after it was joined
};

static void *watch(void *argument)
{
	struct watcher *w = argument;
	sigset_t signals;
	int number = 0;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1); // the job has ended by itself
	sigwait(&signals, &number);
	if (number != SIGUSR1) {
		atomic_store(&w->signal, number);
		batch_run_stop(w->run);
	}
	return NULL;
}

/** Before any thread starts: all of them leave these signals to the watcher. */
static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); // a file size limit comes out as an error of the write
}

static enum exit_code finish_job(struct console *console, struct batch_run *run)
{
	struct watcher watcher = {.run = run};
	struct batch_progress progress;
	struct problem problem;
	bool is_watched = pthread_create(&watcher.thread, NULL, watch, &watcher) == 0;
	enum sl_status status = batch_run_finish(run, &progress, &problem);

	if (is_watched) {
		pthread_kill(watcher.thread, SIGUSR1);
		pthread_join(watcher.thread, NULL);
	}
	if (status == SL_OK) {
		console_finished(console, &progress);
		return EXIT_DONE;
	}
	console_error(console, BATCH_ERROR, &problem);
	if (status == SL_E_INTERRUPTED)
		return (enum exit_code)(EXIT_SIGNAL + atomic_load(&watcher.signal));
	return exit_of_status(status);
}

static bool has_stream(const struct target_names *names)
{
	bool has = strcmp(names->sealed, "-") == 0
		|| (names->keys != NULL && strcmp(names->keys, "-") == 0);

	for (uint32_t v = 0; v < names->view_count; v++)
		has = has || strcmp(names->view[v], "-") == 0;
	return has;
}

/** A failure of the vault is a failure of keys, but for what the machine does to it. */
static enum exit_code exit_of_keys(enum sl_status status)
{
	if (status == SL_E_FORGED || status == SL_E_CORRUPT || status == SL_E_NOT_FOUND
	    || status == SL_E_UNSUPPORTED)
		return EXIT_KEYS;
	return EXIT_ENVIRONMENT;
}

/** Memory is locked as far as the limit allows: more than that is the operator's to decide. */
static void warn_unlocked(void)
{
	struct rlimit limit = {0};

	if (secret_is_locked())
		return;
	(void)!getrlimit(RLIMIT_MEMLOCK, &limit);
	fprintf(stderr,
		"sealane: warning: not all keys could be locked in memory (the limit is %llu KiB): "
		"they may reach swap\n"
		"    raise it (ulimit -l, LimitMEMLOCK=), or encrypt the swap\n",
		(unsigned long long)limit.rlim_cur / 1024);
}

static enum exit_code run_plan(const struct batch_arguments *arguments, struct plan *plan)
{
	struct console console;
	struct batch_run *run;
	struct problem problem;
	struct batch_setup setup = {
		.input = plan->input,
		.names = plan->names,
		.keys_purposes = plan->job.keys_purposes,
		.max_bad = arguments->overrides.has_max_bad ? arguments->overrides.max_bad
							    : plan->job.max_bad,
		.worker_count = arguments->worker_count,
		.tell = console_progress,
		.self = &console,
	};
	enum sl_status status;
	enum exit_code code;

	console_init(&console, arguments->is_json, has_stream(&plan->names));
	console.job = plan->job.name;
	console.view_count = plan->names.view_count;
	console.view_names = plan->names.view;
	console_state(&console, BATCH_PENDING, plan->contract_file);
	status = plan_open_keys(plan, &arguments->overrides, &problem);
	if (status != SL_OK) {
		console_error(&console, BATCH_ERROR_STARTING, &problem);
		return exit_of_keys(status);
	}
	// Opening the keys compiles the image again, with the masks' keys in it.
	setup.image = plan->image;
	setup.vault = plan->vault_open;
	setup.keyring = plan->keyring;
	status = batch_run_start(&setup, &run, &problem);
	if (status != SL_OK) {
		console_error(&console, BATCH_ERROR_STARTING, &problem);
		return exit_of_status(status);
	}
	console_state(&console, BATCH_STARTED, batch_run_text(run));
	warn_unlocked();
	code = finish_job(&console, run);
	batch_run_free(run);
	return code;
}

enum exit_code command_batch_run(int argc, char **argv)
{
	struct batch_arguments arguments;
	struct problems problems = {0};
	struct plan plan;
	char *vault;
	enum exit_code code;

	if (!batch_arguments_read(argc, argv, &arguments))
		return EXIT_USAGE;
	vault = vault_directory_default();
	if (vault == NULL)
		return EXIT_ENVIRONMENT;
	block_signals();
	if (plan_load(arguments.job_file, &arguments.overrides, vault, &plan, &problems) != SL_OK) {
		problems_print(stderr, &problems);
		code = EXIT_DEFINITION;
	} else {
		problems_print(stderr, &problems);
		code = run_plan(&arguments, &plan);
		plan_done(&plan);
	}
	problems_done(&problems);
	free(vault);
	return code;
}
