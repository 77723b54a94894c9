#include "control/log.h"
#include "control/server_inner.h"
#include "control/unix_socket.h"
#include "io/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char topic[] = "link";

enum {
	END_MS = 3000 // from the end of a dataplane's link to its own
};

static void close_fds(const int fds[static LINK_FDS_MAX])
{
	for (int i = 0; i < LINK_FDS_MAX; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/** Has the process behind the last link ended, or can that not be known? */
static bool is_dataplane_dead(const struct server *s)
{
	struct pollfd p = {.fd = s->dataplane_pidfd, .events = POLLIN};

	return s->dataplane_pidfd < 0 || poll(&p, 1, 0) == 1;
}

/** Positions in key tables are those of their journal: without it, they are made anew from the vault. */
static void forget_tables(struct server *s)
{
	if (s->plane != NULL)
		memset(s->plane->tables, 0, sizeof(s->plane->tables));
	if (s->pending != NULL)
		memset(s->pending->tables, 0, sizeof(s->pending->tables));
	tables_sweep(s);
}

/** A journal that can not be taken from any more serves nobody. */
static void forget_journal(struct server *s)
{
	struct problem problem;

	log_line(
		LOG_LEVEL_WARN,
		topic,
		"the key journal is thrown away: events whose keys are in it were not sent out"
	);
	(void)!key_feed_attach(s->feed, NULL, &problem);
	key_ring_free(s->ring);
	s->ring = NULL;
	forget_tables(s);
}

/** What a dead dataplane left behind becomes whole, and durable. */
static void recover(struct server *s)
{
	struct problem problem;

	if (s->dataplane_pidfd >= 0)
		close(s->dataplane_pidfd);
	s->dataplane_pidfd = -1;
	if (s->ring != NULL && key_feed_recover(s->feed, &problem) != SL_OK) {
		log_problem(LOG_LEVEL_WARN, topic, &problem);
		if (key_feed_has_refused(s->feed))
			forget_journal(s);
	}
	for (uint32_t i = 0; i < s->table_count; i++)
		(void)key_table_recover(s->tables[i]);
	counters_drop(s);
}

/** The pending plane is settled: taken, or not. @param problem NULL = taken */
static void settle(struct server *s, const struct problem *problem)
{
	struct plane *pending = s->pending;
	struct problem warning;

	s->pending = NULL;
	if (problem != NULL && pending != s->plane)
		plane_free(pending);
	if (problem == NULL && pending != s->plane) {
		plane_free(s->plane);
		s->plane = pending;
		// Before anybody is told: what was answered holds.
		if (pending->directory != NULL
		    && applied_is(s, pending->directory, &warning) != SL_OK)
			problem = &warning;
	}
	tables_sweep(s);
	requests_applied(s, problem);
}

void link_close(struct server *s, const char *why)
{
	const bool was_greeted = s->is_greeted;

	if (s->link < 0)
		return;
	if (was_greeted || s->link_pid != s->turned_away_pid || !s->has_turned_away)
		log_line(
			LOG_LEVEL_NOTICE,
			topic,
			"%s of pid %u is gone: %s",
			was_greeted ? "dataplane" : "stranger",
			s->link_pid,
			why
		);
	server_unwatch(s, s->link);
	close(s->link);
	if (s->link_pidfd >= 0)
		close(s->link_pidfd);
	s->link = -1;
	s->link_pidfd = -1;
	s->is_greeted = false;
	if (!was_greeted) {
		s->turned_away_pid = s->link_pid;
		s->has_turned_away = true;
		tables_sweep(s);
		return;
	}
	// It may have taken the plane or not: the next dataplane gets it, so it holds from now on.
	if (s->pending != NULL)
		settle(s, NULL);
	if (is_dataplane_dead(s))
		recover(s);
	tables_sweep(s);
	requests_stopped(s);
}

static uid_t dataplane_uid(const struct server *s)
{
	const struct passwd *user =
		s->config->dataplane_user[0] != '\0' ? getpwnam(s->config->dataplane_user) : NULL;

	return user != NULL ? user->pw_uid : (uid_t)-1;
}

/** A stranger is told of once, however often it comes. */
static void turn_away(struct server *s, int fd, uint32_t pid, const char *why)
{
	if (s->turned_away_pid != pid || !s->has_turned_away)
		log_line(LOG_LEVEL_WARN, topic, "pid %u may not attach: %s", pid, why);
	s->turned_away_pid = pid;
	s->has_turned_away = true;
	close(fd);
}

void link_accept(struct server *s)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	uid_t uid = 0;
	int pidfd;
	int fd = server_accept(s, s->dataplane_listener);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0
	    || !unix_socket_may_speak(fd, dataplane_uid(s), &uid)) {
		turn_away(s, fd, (uint32_t)peer.pid, "its user is not a dataplane's");
		return;
	}
	if (s->link >= 0 && s->is_greeted) {
		turn_away(s, fd, (uint32_t)peer.pid, "another dataplane is attached");
		return;
	}
	// A journal is taken from a dataplane that has died, and from no other: so it must be known.
	pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (pidfd < 0) {
		turn_away(
			s,
			fd,
			(uint32_t)peer.pid,
			"its process can not be watched (is it in another PID namespace?)"
		);
		return;
	}
	// Who has not said hello yet makes way.
	link_close(s, "another one comes");
	s->link = fd;
	s->link_pid = (uint32_t)peer.pid;
	s->link_pidfd = pidfd;
	if (server_watch(s, fd, EPOLLIN) != SL_OK)
		link_close(s, "no memory");
}

static bool is_known(const struct server *s)
{
	return s->dataplane_pidfd >= 0 && s->dataplane_pid == s->link_pid;
}

/** May it be the dataplane? Only when the one of before is dead, or itself. */
static enum sl_status check_successor(struct server *s, struct problem *ret_problem)
{
	if (s->dataplane_pidfd < 0)
		return SL_OK;
	if (is_dataplane_dead(s)) {
		recover(s);
		return SL_OK;
	}
	if (is_known(s))
		return SL_OK;
	return problem_set(
		ret_problem,
		SL_E_BUSY,
		"the dataplane of pid %u lives, and may come back",
		s->dataplane_pid
	);
}

/** From now on it is the dataplane. */
static void succeed(struct server *s)
{
	s->is_greeted = true;
	s->has_turned_away = false;
	if (is_known(s))
		return;
	s->dataplane_pid = s->link_pid;
	s->dataplane_pidfd = s->link_pidfd;
	s->link_pidfd = -1;
}

static bool is_same_memory(int a, int b)
{
	struct stat first;
	struct stat second;

	return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_ino == second.st_ino
		&& first.st_dev == second.st_dev;
}

/** Take keys from another journal from now on. On failure from the one of before. */
static enum sl_status change_ring(struct server *s, int fd, struct problem *ret_problem)
{
	struct key_ring *ring;
	struct problem problem;
	enum sl_status status;

	SL_TRY(key_ring_attach(fd, &ring, ret_problem));
	if (s->ring != NULL && key_feed_recover(s->feed, &problem) != SL_OK)
		log_problem(LOG_LEVEL_WARN, topic, &problem);
	status = key_feed_attach(s->feed, ring, ret_problem);
	if (status != SL_OK) {
		key_ring_free(ring);
		(void)key_feed_attach(s->feed, s->ring, &problem);
		return status;
	}
	key_ring_free(s->ring);
	s->ring = ring;
	return SL_OK;
}

/** The journal of a dataplane that outlived its control, or only the link. */
static enum sl_status adopt(
	struct server *s,
	const struct link_message *m,
	const int fds[],
	struct problem *ret_problem
)
{
	const bool is_ours = s->ring != NULL && is_same_memory(key_ring_fd(s->ring), fds[0]);
	const bool had_plane = s->plane != NULL;
	enum sl_status status = SL_OK;

	// Before its own come: tables made for the journal of before say nothing beside this one.
	if (!is_ours)
		forget_tables(s);
	if (m->has_image)
		status = plane_adopt(s, fds + 1, m->fd_count - 1, ret_problem);
	if (status == SL_OK && !is_ours)
		status = change_ring(s, fds[0], ret_problem);
	// A plane comes with its journal or not at all.
	if (status != SL_OK && !had_plane) {
		plane_free(s->plane);
		s->plane = NULL;
	}
	return status;
}

/** A journal for a dataplane that brings none: the one of before, or a new one. */
static enum sl_status provide_ring(struct server *s, struct problem *ret_problem)
{
	if (s->ring != NULL)
		return SL_OK;
	SL_TRY(key_ring_create(s->config->journal_records, &s->ring, ret_problem));
	if (key_feed_attach(s->feed, s->ring, ret_problem) == SL_OK)
		return SL_OK;
	key_ring_free(s->ring);
	s->ring = NULL;
	return ret_problem->status;
}

static enum sl_status send_plane(struct server *s, struct plane *plane, struct problem *ret_problem)
{
	struct link_message m = {.kind = LINK_APPLY};
	int fds[LINK_FDS_MAX];
	enum sl_status status;

	SL_TRY(plane_tables(s, plane, ret_problem));
	fds[0] = plane_publish(s, plane);
	if (fds[0] < 0)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the image's memfd: %m");
	m.epoch = plane->epoch;
	m.has_image = 1;
	for (uint32_t row = 0; row < plane->compiled.image->streams.count; row++)
		fds[1 + row] = key_table_fd(plane->tables[row]);
	status = link_send(s->link, &m, fds, 1 + plane->compiled.image->streams.count);
	close(fds[0]);
	if (status != SL_OK)
		return problem_set(ret_problem, status, "the dataplane can not be reached");
	s->pending = plane;
	s->pending_until_ns = clock_monotonic_ns() + SERVER_APPLY_MS * UINT64_C(1000000);
	log_line(
		LOG_LEVEL_INFO,
		topic,
		"epoch %llu is on its way to the dataplane",
		(unsigned long long)plane->epoch
	);
	return SL_OK;
}

/** A disk that does not take the mark takes no job's keys either: so the dataplane is served all the same. */
static void keep_jobs_away(struct server *s)
{
	struct problem problem;

	if (vault_mark(s->vault, s->link_pid, &problem) != SL_OK)
		log_problem(LOG_LEVEL_WARN, topic, &problem);
}

static enum sl_status greet(
	struct server *s,
	const struct link_message *m,
	const int fds[],
	struct problem *ret_problem
)
{
	struct link_message welcome = {.kind = LINK_WELCOME, .settings = s->config->settings};
	int ring_fd = -1;

	if (s->is_greeted)
		return problem_set(ret_problem, SL_E_CORRUPT, "a second hello");
	if (m->epoch > INT64_MAX)
		return problem_set(ret_problem, SL_E_CORRUPT, "no plane has its epoch");
	SL_TRY(check_successor(s, ret_problem));
	keep_jobs_away(s);
	if (s->epoch < m->epoch)
		s->epoch = m->epoch;
	s->dataplane_epoch = m->epoch;
	if (m->fd_count != 0) {
		SL_TRY(adopt(s, m, fds, ret_problem));
	} else {
		SL_TRY(provide_ring(s, ret_problem));
		ring_fd = key_ring_fd(s->ring);
	}
	// Before it is welcome: what it brought is ours now, and is recovered when it dies, whether it was told or not.
	succeed(s);
	if (link_send(s->link, &welcome, &ring_fd, ring_fd >= 0) != SL_OK)
		return problem_set(ret_problem, SL_E_IO, "it does not listen");
	log_line(
		LOG_LEVEL_NOTICE,
		topic,
		"dataplane of pid %u attached%s, at epoch %llu",
		s->dataplane_pid,
		m->fd_count != 0 ? " with its journal" : "",
		(unsigned long long)m->epoch
	);
	// Planes without a directory were brought by a dataplane: if it is that one, it has it.
	if (s->plane == NULL || (s->plane->directory == NULL && s->plane->epoch == m->epoch))
		return SL_OK;
	return send_plane(s, s->plane, ret_problem);
}

/** What the dataplane says of a failure. @param about how the sentence begins */
static void read_problem(
	const struct link_message *m,
	const char *about,
	struct problem *ret_problem
)
{
	const enum sl_status status = (enum sl_status)m->status;
	const char *what = m->text[0] != '\0' ? m->text : status_text(status);
	const int size = (int)strcspn(what, "\n");

	(void)!problem_set(ret_problem, status, "%s: %.*s", about, size < 300 ? size : 300, what);
	if (what[size] != '\0')
		problem_remedy(ret_problem, "%.300s", what + size + 1);
}

/** A refusal, as of the stream's file that it is about. */
static void read_refusal(
	const struct plane *plane,
	const struct link_message *m,
	struct problem *ret_problem
)
{
	const char *file = plane->directory;

	read_problem(m, "the dataplane refuses it", ret_problem);
	if (m->stream - 1 < PLANE_STREAMS_MAX && plane->stream_file[m->stream - 1] != NULL)
		file = plane->stream_file[m->stream - 1];
	if (file != NULL)
		problem_at_file(ret_problem, file);
}

static void stopped(struct server *s, const struct link_message *m)
{
	s->has_drained = true;
	s->drain_problem.status = SL_OK;
	if (m->status == SL_OK) {
		log_line(LOG_LEVEL_NOTICE, topic, "the dataplane has drained");
		return;
	}
	read_problem(m, "the dataplane", &s->drain_problem);
	log_problem(LOG_LEVEL_ERROR, topic, &s->drain_problem);
}

static void applied(struct server *s, const struct link_message *m)
{
	struct problem problem;

	if (s->pending == NULL || m->epoch != s->pending->epoch) {
		log_line(
			LOG_LEVEL_WARN,
			topic,
			"the dataplane answers for epoch %llu, which it was not asked for",
			(unsigned long long)m->epoch
		);
		return;
	}
	if (m->status == SL_OK) {
		s->dataplane_epoch = m->epoch;
		log_line(
			LOG_LEVEL_NOTICE,
			topic,
			"the dataplane works by epoch %llu",
			(unsigned long long)m->epoch
		);
		settle(s, NULL);
		return;
	}
	read_refusal(s->pending, m, &problem);
	log_problem(LOG_LEVEL_ERROR, topic, &problem);
	settle(s, &problem);
}

/** @return false: the link is closed */
static bool take_message(struct server *s, const struct link_message *m, const int fds[])
{
	struct problem problem = {0};
	enum sl_status status = SL_OK;

	if (m->kind != LINK_HELLO && !s->is_greeted)
		status = problem_set(&problem, SL_E_CORRUPT, "it does not begin with hello");
	else if (m->kind == LINK_HELLO)
		status = greet(s, m, fds, &problem);
	else if (m->kind == LINK_COUNTERS)
		status = counters_take(s, fds[0], &problem);
	else if (m->kind == LINK_APPLIED)
		applied(s, m);
	else if (m->kind == LINK_STOPPED)
		stopped(s, m);
	else
		status = problem_set(&problem, SL_E_CORRUPT, "it says what control says");
	if (status != SL_OK)
		link_close(s, problem.what);
	return status == SL_OK;
}

void link_readable(struct server *s)
{
	while (s->link >= 0) {
		struct link_message m;
		int fds[LINK_FDS_MAX];
		enum sl_status status = link_receive(s->link, &m, fds);
		bool is_open;

		if (status == SL_E_NOT_FOUND)
			return;
		if (status != SL_OK) {
			link_close(
				s,
				status == SL_E_CORRUPT ? "its message breaks the form"
						       : "it has closed the link"
			);
			return;
		}
		is_open = take_message(s, &m, fds);
		close_fds(fds);
		if (!is_open)
			return;
	}
}

enum sl_status link_apply(
	struct server *s,
	struct plane *plane,
	bool *ret_is_due,
	struct problem *ret_problem
)
{
	enum sl_status status;

	if (s->link < 0 || !s->is_greeted) {
		plane_free(s->plane);
		s->plane = plane;
		tables_sweep(s);
		*ret_is_due = false;
		return SL_OK;
	}
	status = send_plane(s, plane, ret_problem);
	if (status != SL_OK) {
		plane_free(plane);
		tables_sweep(s);
		return status;
	}
	*ret_is_due = true;
	return SL_OK;
}

void link_tick(struct server *s)
{
	struct problem problem;

	if (s->link < 0 && s->dataplane_pidfd >= 0 && is_dataplane_dead(s))
		recover(s);
	if (s->pending == NULL || clock_monotonic_ns() < s->pending_until_ns)
		return;
	(void)!problem_set(
		&problem,
		SL_E_BUSY,
		"the dataplane has not answered for %d s",
		SERVER_APPLY_MS / 1000
	);
	problem_remedy(
		&problem,
		"look at sealane status: it takes the change, or refuses it, as soon as it answers"
	);
	log_problem(LOG_LEVEL_ERROR, topic, &problem);
	// It has been sent and can not be called back: only the dataplane settles it, or its end.
	s->pending_until_ns = UINT64_MAX;
	requests_applied(s, &problem);
}

void link_end(struct server *s)
{
	struct pollfd p = {.fd = s->dataplane_pidfd, .events = POLLIN};

	if (s->dataplane_pidfd < 0)
		return;
	// One that has let go of its link is about to end.
	(void)!poll(&p, 1, s->link < 0 ? END_MS : 0);
	if (is_dataplane_dead(s))
		recover(s);
}

bool link_stop(struct server *s)
{
	const struct link_message stop = {.kind = LINK_STOP};

	s->has_drained = false;
	return s->link >= 0 && s->is_greeted && link_send(s->link, &stop, NULL, 0) == SL_OK;
}
