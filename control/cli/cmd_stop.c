#include "control/cli/command.h"
#include "control/cli/daemon.h"
#include "io/base/clock.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	TIMEOUT_S = 60,
	TIMEOUT_S_MAX = 86400
};

/** A process that is to end. */
struct ending {
	const char *name; // as a sentence begins with it
	pid_t pid;
	int fd; // -1 = has ended, or can not be watched
};

struct stopping {
	struct daemon daemon;
	struct ending control;
	struct ending dataplane;
	uint32_t timeout_s;
	uint64_t until_ns;
	bool is_all;
};

static void watch(struct ending *e, const char *name, pid_t pid)
{
	*e = (struct ending){name, pid, pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1};
}

static int left_ms(const struct stopping *s)
{
	const uint64_t now = clock_monotonic_ns();

	return now < s->until_ns ? (int)((s->until_ns - now) / 1000000) + 1 : 0;
}

static bool has_ended(const struct stopping *s, const struct ending *e, bool may_wait)
{
	struct pollfd p = {.fd = e->fd, .events = POLLIN};
	int count;

	if (e->fd < 0)
		return true;
	do
		count = poll(&p, 1, may_wait ? left_ms(s) : 0);
	while (count < 0 && errno == EINTR);
	return count > 0;
}

static enum exit_code print_late(const struct stopping *s, const struct ending *e)
{
	struct problem problem;

	(void)!problem_set(
		&problem,
		SL_E_BUSY,
		"%s (pid %d) has not ended within %" PRIu32 " s%s",
		e->name,
		e->pid,
		s->timeout_s,
		e == &s->dataplane && s->is_all ? "; control goes on" : ""
	);
	problem_remedy(
		&problem,
		"its log and `sealane status` say what it waits for; stop again, or kill -9 %d: "
		"what was acknowledged is stored",
		e->pid
	);
	problem_print(stderr, &problem);
	return EXIT_ENVIRONMENT;
}

/** Who is to end? Known and held before anybody is asked to, so that no other process can be taken for it. */
static enum sl_status find_processes(struct stopping *s, struct problem *ret_problem)
{
	const json_t *dataplane;
	json_t *answer;

	watch(&s->control, "control", s->daemon.pid);
	SL_TRY(daemon_exchange(
		&s->daemon,
		json_pack("{s:s}", "request", "status"),
		left_ms(s),
		&answer,
		ret_problem
	));
	dataplane = json_object_get(answer, "dataplane");
	// Control's numbers of processes are ours only when its own is.
	if (json_integer_value(json_object_get(json_object_get(answer, "control"), "pid"))
	    == s->daemon.pid)
		watch(&s->dataplane,
		      "the dataplane",
		      (pid_t)json_integer_value(json_object_get(dataplane, "pid")));
	json_decref(answer);
	return SL_OK;
}

/** Control has said what became of the dataplane. */
static enum exit_code wait_for_ends(const struct stopping *s, const json_t *answer)
{
	const bool was_there = json_is_true(json_object_get(answer, "was_there"));
	const bool has_drained = json_is_true(json_object_get(answer, "has_drained"));
	const bool is_whole = json_array_size(json_object_get(answer, "problems")) == 0;
	const char *dataplane = "no dataplane is attached";

	if (was_there && !has_ended(s, &s->dataplane, true))
		return print_late(s, &s->dataplane);
	if (s->is_all && !has_ended(s, &s->control, true))
		return print_late(s, &s->control);
	daemon_print_problems(answer);
	if (was_there && !has_drained)
		dataplane = "the dataplane has ended before it had drained";
	else if (was_there)
		dataplane = is_whole ? "the dataplane has drained and ended"
				     : "the dataplane has ended";
	printf("%s%s\n", dataplane, s->is_all ? "; control has ended" : "");
	return was_there && !(has_drained && is_whole) ? EXIT_ENVIRONMENT : EXIT_DONE;
}

static enum exit_code stop(struct stopping *s)
{
	const char *what = s->is_all ? "all" : "dataplane";
	struct problem problem;
	json_t *answer;
	enum sl_status status = find_processes(s, &problem);
	enum exit_code code;

	if (status == SL_E_BUSY)
		return print_late(s, &s->control);
	if (status == SL_OK)
		status = daemon_exchange(
			&s->daemon,
			json_pack("{s:s, s:s}", "request", "stop", "what", what),
			left_ms(s),
			&answer,
			&problem
		);
	if (status == SL_E_BUSY)
		return print_late(
			s, has_ended(s, &s->dataplane, false) ? &s->control : &s->dataplane
		);
	if (status != SL_OK) {
		problem_print(stderr, &problem);
		return EXIT_ENVIRONMENT;
	}
	if (!daemon_is_ok(answer)) {
		daemon_print_problems(answer);
		json_decref(answer);
		return EXIT_ENVIRONMENT;
	}
	code = wait_for_ends(s, answer);
	json_decref(answer);
	return code;
}

static bool read_timeout(const char *text, uint32_t *ret_seconds)
{
	char *end;
	const unsigned long seconds = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || seconds < 1
	    || seconds > TIMEOUT_S_MAX) {
		usage_error(
			"stop",
			"",
			"--timeout takes seconds from 1 to %d, not \"%s\"",
			TIMEOUT_S_MAX,
			text
		);
		return false;
	}
	*ret_seconds = (uint32_t)seconds;
	return true;
}

enum exit_code command_stop(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"dataplane", no_argument, NULL, 'd'},
		{"all", no_argument, NULL, 'a'},
		{"timeout", required_argument, NULL, 'w'},
		{0},
	};
	const char *config = NULL;
	char run_directory[SETTINGS_PATH_MAX];
	struct stopping s = {.timeout_s = TIMEOUT_S, .is_all = true};
	struct problem problem;
	enum exit_code code;
	int option;

	while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (option == 'c')
			config = optarg;
		else if (option == 'd' || option == 'a')
			s.is_all = option == 'a';
		else if (option != 'w')
			return usage_error("stop", "", "see `sealane help stop`");
		else if (!read_timeout(optarg, &s.timeout_s))
			return EXIT_USAGE;
	}
	if (optind != argc)
		return usage_error("stop", "", "\"%s\" can not be stopped", argv[optind]);
	if (!daemon_run_directory(config, run_directory))
		return EXIT_DEFINITION;
	s.until_ns = clock_monotonic_ns() + s.timeout_s * UINT64_C(1000000000);
	watch(&s.dataplane, "the dataplane", 0);
	if (daemon_connect(run_directory, &s.daemon, &problem) != SL_OK) {
		problem_print(stderr, &problem);
		return EXIT_ENVIRONMENT;
	}
	code = stop(&s);
	daemon_close(&s.daemon);
	return code;
}
