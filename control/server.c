#include "control/server.h"

#include "control/api/key_source.h"
#include "control/log.h"
#include "control/server_inner.h"
#include "control/unix_socket.h"
#include "crypto/secret.h"
#include "io/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

static const char topic[] = "control";

enum {
	EVENTS_MAX = 32,    // taken from the kernel at once
	PATIENCE_MS = 5000, // for a control before us that is not quite dead
	PATIENCE_STEP_MS = 50,
	MS_PER_MIN = 60000,
	AHEAD_MS = 10 * MS_PER_MIN // by which a clock may have been put right
};

enum sl_status server_watch(struct server *s, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0
	    || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return SL_OK;
	return status_of_errno(errno);
}

void server_unwatch(struct server *s, int fd)
{
	(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int server_accept(struct server *s, int listener)
{
	int fd = unix_socket_accept(listener, &s->spare_fd);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && !s->is_out_of_fds)
		log_line(
			LOG_LEVEL_WARN,
			topic,
			"a connection is turned away, no file descriptor is left: raise "
			"LimitNOFILE (ulimit -n)"
		);
	s->is_out_of_fds = fd < 0 && errno != EAGAIN;
	return fd;
}

/** Tell who started us (systemd): READY=1, STOPPING=1. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = path != NULL ? strlen(path) : 0;
	int fd;

	if (size == 0 || size >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, size);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; // an abstract name
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(
		fd,
		state,
		strlen(state),
		MSG_NOSIGNAL,
		(const struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)
	);
	close(fd);
}

/** Apply the directory again: at the start and on SIGHUP. What is wrong is logged, and the old plane stays. */
static void apply_again(struct server *s)
{
	struct problems problems = {0};
	struct problem problem;
	struct plane *plane;
	bool is_due;

	if (s->pending != NULL || s->directory == NULL) {
		log_line(LOG_LEVEL_WARN, topic, "a change is on its way: not applied again");
		return;
	}
	if (plane_make(s, s->directory, &problems, &plane) == SL_OK) {
		if (link_apply(s, plane, &is_due, &problem) != SL_OK)
			log_problem(LOG_LEVEL_ERROR, topic, &problem);
		else
			log_line(
				LOG_LEVEL_NOTICE,
				topic,
				"%s has %u %s",
				s->directory,
				plane->compiled.image->streams.count,
				plane->compiled.image->streams.count == 1 ? "stream" : "streams"
			);
	} else {
		log_line(
			LOG_LEVEL_ERROR,
			topic,
			"%s is not applied: %u %s",
			s->directory,
			problems.error_count,
			problems.error_count == 1 ? "problem" : "problems"
		);
	}
	log_problems(topic, &problems);
	problems_done(&problems);
}

/** A new day has its own dead-letter key. */
static void look_at_day(struct server *s)
{
	struct problem problem;
	struct plane *plane;
	bool is_due;

	if (s->plane == NULL || s->pending != NULL || s->plane->compiled.image->streams.count == 0
	    || plane_streams(s->plane->compiled.image)[0].dead_day == server_today())
		return;
	if (plane_renew(s, s->plane, &plane, &problem) != SL_OK
	    || link_apply(s, plane, &is_due, &problem) != SL_OK)
		log_problem(LOG_LEVEL_WARN, topic, &problem);
	else
		log_line(LOG_LEVEL_NOTICE, topic, "the dead letters have a key of the new day");
}

static enum sl_status fail_at_run_directory(
	const struct config *config,
	const char *verb,
	struct problem *ret_problem
)
{
	enum sl_status status = status_of_errno(errno);

	(void)!problem_set(ret_problem, status, "the run directory can not be %s: %m", verb);
	problem_at_file(ret_problem, config->run_directory);
	return status;
}

static enum sl_status make_run_directory(const struct config *config, struct problem *ret_problem)
{
	// A dataplane of another user must get through to its socket; who may speak there is asked of the kernel.
	const mode_t mode = config->dataplane_user[0] != '\0' ? 0711 : 0700;
	char path[SETTINGS_PATH_MAX];

	// Folders above it first; that they are there, or can not be made, shows at the last one.
	memcpy(path, config->run_directory, sizeof(path));
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)!mkdir(path, 0755);
		*slash = '/';
	}
	// Again by chmod: a umask may have taken from it.
	if (mkdir(path, mode) == 0 ? chmod(path, mode) == 0 : errno == EEXIST)
		return SL_OK;
	return fail_at_run_directory(config, "made", ret_problem);
}

/** One control a run directory: two that start at once would take each other's sockets for what a dead one left. */
static enum sl_status lock_run_directory(struct server *s, struct problem *ret_problem)
{
	if (s->run_lock < 0)
		s->run_lock = open(s->config->run_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->run_lock < 0)
		return fail_at_run_directory(s->config, "opened", ret_problem);
	if (flock(s->run_lock, LOCK_EX | LOCK_NB) == 0)
		return SL_OK;
	if (errno != EWOULDBLOCK)
		return fail_at_run_directory(s->config, "locked", ret_problem);
	(void)!problem_set(ret_problem, SL_E_BUSY, "another control process runs here");
	problem_at_file(ret_problem, s->config->run_directory);
	problem_remedy(ret_problem, "stop it first, or give this one a run_directory of its own");
	return SL_E_BUSY;
}

/** A process that was killed holds sockets and vault until its memory is gone: is it worth another try? */
static bool may_try_again(struct server *s, enum sl_status status)
{
	const uint64_t until = s->started_ns + PATIENCE_MS * UINT64_C(1000000);

	if (status != SL_E_BUSY || clock_monotonic_ns() >= until)
		return false;
	if (!s->has_told_patience)
		log_line(
			LOG_LEVEL_NOTICE,
			topic,
			"another process has the run directory or the vault: waiting %d s for its "
			"end",
			PATIENCE_MS / 1000
		);
	s->has_told_patience = true;
	usleep(PATIENCE_STEP_MS * 1000);
	return true;
}

static enum sl_status listen_at(
	struct server *s,
	const char *name,
	int type,
	mode_t mode,
	int *ret_fd,
	struct problem *ret_problem
)
{
	char path[2 * SETTINGS_PATH_MAX];
	enum sl_status status;

	snprintf(path, sizeof(path), "%s/%s", s->config->run_directory, name);
	do {
		status = unix_socket_listen(path, type, mode, ret_fd, ret_problem);
	} while (may_try_again(s, status));
	return status;
}

static enum sl_status listen_all(struct server *s, struct problem *ret_problem)
{
	const bool has_user = s->config->dataplane_user[0] != '\0';
	enum sl_status status;

	if (has_user && getpwnam(s->config->dataplane_user) == NULL)
		return problem_set(
			ret_problem,
			SL_E_NOT_FOUND,
			"there is no user %s; see dataplane_user in the configuration",
			s->config->dataplane_user
		);
	SL_TRY(make_run_directory(s->config, ret_problem));
	do {
		status = lock_run_directory(s, ret_problem);
	} while (may_try_again(s, status));
	SL_TRY(status);
	SL_TRY(listen_at(
		s,
		"dataplane.sock",
		SOCK_SEQPACKET,
		has_user ? 0666 : 0600,
		&s->dataplane_listener,
		ret_problem
	));
	return listen_at(s, "control.sock", SOCK_STREAM, 0600, &s->control_listener, ret_problem);
}

static enum sl_status make_loop(struct server *s, struct problem *ret_problem)
{
	const struct itimerspec every = {
		.it_interval.tv_sec = SERVER_TICK_MS / 1000,
		.it_value.tv_sec = SERVER_TICK_MS / 1000,
	};
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	s->spare_fd = unix_socket_spare();
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	// Before the first thread starts: all of them leave these signals to us.
	if (s->epoll_fd < 0 || s->signal_fd < 0 || s->timer_fd < 0
	    || sigprocmask(SIG_BLOCK, &signals, NULL) != 0
	    || timerfd_settime(s->timer_fd, 0, &every, NULL) != 0
	    || server_watch(s, s->signal_fd, EPOLLIN) != SL_OK
	    || server_watch(s, s->timer_fd, EPOLLIN) != SL_OK)
		return problem_set(ret_problem, SL_E_IO, "the kernel gives no event loop: %m");
	return SL_OK;
}

/** Links ascend, and a key's age is told by its link: a time to come that was written once stays with all that follow. */
static void look_at_clock(const struct server *s)
{
	uint8_t last[KEY_LINK_SIZE];
	int64_t ahead_ms;

	if (!vault_last_link(s->vault, last))
		return;
	ahead_ms = key_link_ms(last) - clock_wall_ms();
	if (ahead_ms < AHEAD_MS)
		return;
	log_line(
		LOG_LEVEL_WARN,
		topic,
		"the vault's newest key is of a time %lld min ahead of the clock: the clock was "
		"wrong then, or is now; until that time keys last beyond their window",
		(long long)(ahead_ms / MS_PER_MIN)
	);
}

static enum sl_status start(struct server *s, struct problem *ret_problem)
{
	const struct vault_options vault = {
		.dir = s->config->vault,
		.root_key_file = s->config->root_key[0] != '\0' ? s->config->root_key : NULL,
		.may_create = true,
		.is_appliance = true,
	};
	enum sl_status status;

	SL_TRY(make_loop(s, ret_problem));
	// Sockets first: a control that lives says so there, before anybody waits for its vault.
	SL_TRY(listen_all(s, ret_problem));
	do {
		status = vault_open(&vault, &s->vault, ret_problem);
	} while (may_try_again(s, status));
	if (status != SL_OK)
		return status;
	look_at_clock(s);
	SL_TRY(key_feed_new(s->vault, &s->feed, ret_problem));
	s->directory = applied_directory(s);
	apply_again(s);
	if (server_watch(s, s->dataplane_listener, EPOLLIN) != SL_OK
	    || server_watch(s, s->control_listener, EPOLLIN) != SL_OK)
		return problem_set(ret_problem, SL_E_IO, "the sockets can not be watched");
	if (!secret_is_locked())
		log_line(
			LOG_LEVEL_WARN,
			topic,
			"keys can not be locked in memory: raise LimitMEMLOCK (ulimit -l), or have "
			"no swap"
		);
	return SL_OK;
}

static void take_signals(struct server *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			apply_again(s);
		else
			s->is_ending = true;
	}
}

/** A vault that takes no more is no use; who comes next opens it anew, and finds all that was committed. */
static void look_at_vault(struct server *s)
{
	if (!vault_is_broken(s->vault))
		return;
	(void)!problem_set(
		&s->failure,
		SL_E_IO,
		"the disk has failed under a write: the vault must be opened anew; nothing that "
		"was committed is lost, and the dataplane goes on meanwhile"
	);
	problem_at_file(&s->failure, vault_dir(s->vault));
	problem_remedy(
		&s->failure,
		"look at the disk (dmesg), and start control again where nothing does that for you"
	);
	s->is_ending = true;
}

static void tick(struct server *s)
{
	uint64_t times;

	(void)!read(s->timer_fd, &times, sizeof(times));
	look_at_vault(s);
	counters_tick(s);
	link_tick(s);
	look_at_day(s);
}

static void serve_event(struct server *s, int fd, uint32_t events)
{
	if (fd == s->signal_fd)
		take_signals(s);
	else if (fd == s->timer_fd)
		tick(s);
	else if (fd == s->dataplane_listener)
		link_accept(s);
	else if (fd == s->control_listener)
		requests_accept(s);
	else if (fd == s->link)
		link_readable(s);
	else
		for (int i = 0; i < SERVER_SESSIONS_MAX; i++)
			if (s->sessions[i].fd == fd) {
				session_ready(s, &s->sessions[i], events);
				return;
			}
}

static void loop(struct server *s)
{
	struct epoll_event events[EVENTS_MAX];

	while (!s->is_ending) {
		int count = epoll_wait(s->epoll_fd, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++)
			serve_event(s, events[i].data.fd, events[i].events);
	}
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/** Unless keys are still to come, by whatever control is next. */
static void free_vault_for_jobs(struct server *s)
{
	struct problem problem;

	// Who was not found dead by link_end lives, even if its mark could not be written.
	if (s->vault == NULL || s->dataplane_pidfd >= 0
	    || (s->ring != NULL && key_ring_position(s->ring) != key_ring_durable(s->ring)))
		return;
	if (vault_unmark(s->vault, &problem) != SL_OK)
		log_problem(LOG_LEVEL_NOTICE, topic, &problem);
}

/** Close down: a dataplane goes on with what it has. Its new keys up to now are in the vault. */
static void end(struct server *s)
{
	static const char *const names[] = {"dataplane.sock", "control.sock"};
	const int listeners[] = {s->dataplane_listener, s->control_listener};

	for (int i = 0; i < 2; i++) {
		char path[2 * SETTINGS_PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", s->config->run_directory, names[i]);
		if (listeners[i] >= 0)
			unlink(path);
		close_fd(listeners[i]);
	}
	for (int i = 0; i < SERVER_SESSIONS_MAX; i++)
		if (s->sessions[i].fd >= 0)
			session_close(s, &s->sessions[i]);
	link_end(s);
	close_fd(s->link);
	close_fd(s->link_pidfd);
	close_fd(s->dataplane_pidfd);
	counters_drop(s);
	key_feed_free(s->feed);
	free_vault_for_jobs(s);
	if (s->pending != s->plane)
		plane_free(s->pending);
	plane_free(s->plane);
	s->plane = NULL;
	s->pending = NULL;
	tables_sweep(s);
	key_ring_free(s->ring);
	vault_close(s->vault);
	close_fd(s->epoll_fd);
	close_fd(s->signal_fd);
	close_fd(s->timer_fd);
	close_fd(s->run_lock);
	close_fd(s->spare_fd);
	free(s->directory);
	free(s);
}

enum sl_status server_run(
	const struct config *config,
	const struct server_names *names,
	struct problem *ret_problem
)
{
	struct server *s = calloc(1, sizeof(*s));
	enum sl_status status;

	if (s == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the server");
	s->config = config;
	s->names = names;
	s->started_ns = clock_monotonic_ns();
	s->epoll_fd = s->signal_fd = s->timer_fd = -1;
	s->dataplane_listener = s->control_listener = s->link = s->link_pidfd = s->dataplane_pidfd =
		s->run_lock = s->spare_fd = -1;
	for (int i = 0; i < SERVER_SESSIONS_MAX; i++)
		s->sessions[i].fd = -1;
	status = start(s, ret_problem);
	if (status == SL_OK) {
		log_line(LOG_LEVEL_NOTICE, topic, "ready in %s", config->run_directory);
		notify("READY=1");
		loop(s);
		notify("STOPPING=1");
		log_line(LOG_LEVEL_NOTICE, topic, "ends");
		status = s->failure.status;
		if (status != SL_OK)
			*ret_problem = s->failure;
	}
	end(s);
	return status;
}
