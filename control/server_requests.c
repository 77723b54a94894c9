#include "control/log.h"
#include "control/server_inner.h"
#include "control/unix_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char topic[] = "requests";

static void serve_line(struct server *s, struct session *session);

void session_close(struct server *s, struct session *session)
{
	server_unwatch(s, session->fd);
	close(session->fd);
	free(session->in);
	free(session->out);
	*session = (struct session){.fd = -1};
	s->is_crowded = false;
}

void requests_accept(struct server *s)
{
	struct session *free_one = NULL;
	uid_t uid = 0;
	int fd = server_accept(s, s->control_listener);

	if (fd < 0)
		return;
	for (int i = 0; i < SERVER_SESSIONS_MAX && free_one == NULL; i++)
		if (s->sessions[i].fd < 0)
			free_one = &s->sessions[i];
	if (free_one == NULL) {
		// Told of once, until there is room again.
		if (!s->is_crowded)
			log_line(LOG_LEVEL_WARN, topic, "too many connections");
		s->is_crowded = true;
		close(fd);
		return;
	}
	if (!unix_socket_may_speak(fd, (uid_t)-1, &uid)) {
		log_line(LOG_LEVEL_WARN, topic, "user %u may not ask", uid);
		close(fd);
		return;
	}
	*free_one = (struct session){.fd = fd, .in = malloc(SERVER_REQUEST_MAX)};
	if (free_one->in == NULL || server_watch(s, fd, EPOLLIN) != SL_OK)
		session_close(s, free_one);
}

/** Send what is left; the rest when the socket takes it. @return false: the session is closed */
static bool flush(struct server *s, struct session *session)
{
	while (session->out_sent < session->out_size) {
		ssize_t n =
			send(session->fd,
			     session->out + session->out_sent,
			     session->out_size - session->out_sent,
			     MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			session_close(s, session);
			return false;
		}
		session->out_sent += (size_t)n;
	}
	if (session->out_sent == session->out_size) {
		free(session->out);
		session->out = NULL;
		session->out_size = 0;
		session->out_sent = 0;
	}
	// While an answer waits, nothing more is asked.
	(void)!server_watch(s, session->fd, session->out != NULL ? EPOLLOUT : EPOLLIN);
	return true;
}

/** Takes over answer. */
static void answer(struct server *s, struct session *session, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	size_t size = text != NULL ? strlen(text) : 0;

	json_decref(object);
	if (text == NULL) {
		session_close(s, session);
		return;
	}
	text[size] = '\n'; // in place of its NUL
	session->out = text;
	session->out_size = size + 1;
	session->out_sent = 0;
	(void)flush(s, session);
}

static json_t *problem_json(const struct problem *p)
{
	json_t *object = json_object();

	if (p->file[0] != '\0')
		json_object_set_new(object, "file", json_string(p->file));
	if (p->line != 0)
		json_object_set_new(object, "line", json_integer(p->line));
	if (p->column != 0)
		json_object_set_new(object, "column", json_integer(p->column));
	json_object_set_new(object, "what", json_string(p->what));
	if (p->remedy[0] != '\0')
		json_object_set_new(object, "remedy", json_string(p->remedy));
	json_object_set_new(object, "is_warning", json_boolean(p->is_warning));
	return object;
}

static json_t *problems_json(bool is_ok, const struct problems *problems)
{
	json_t *object = json_object();
	json_t *list = json_array();

	json_object_set_new(object, "ok", json_boolean(is_ok));
	json_object_set_new(object, "version", json_integer(SERVER_VERSION));
	for (uint32_t i = 0; i < problems->count; i++)
		json_array_append_new(list, problem_json(&problems->items[i]));
	json_object_set_new(object, "problems", list);
	return object;
}

static void refuse(struct server *s, struct session *session, const struct problem *problem)
{
	struct problems one = {.items = (struct problem *)problem, .count = 1};

	answer(s, session, problems_json(false, &one));
}

static void refuse_text(struct server *s, struct session *session, const char *what)
{
	struct problem problem;

	(void)!problem_set(&problem, SL_E_INVALID, "%s", what);
	refuse(s, session, &problem);
}

/** What is wrong stands in the files that were to be applied, or is their directory's name. */
static void refuse_definition(
	struct server *s,
	struct session *session,
	const struct problems *problems
)
{
	json_t *object = problems_json(false, problems);

	json_object_set_new(object, "is_definition", json_true());
	answer(s, session, object);
}

/** It is not known yet: the dataplane has been asked, and has not answered. */
static void answer_pending(struct server *s, struct session *session, const struct problem *problem)
{
	const struct problems one = {.items = (struct problem *)problem, .count = 1};
	json_t *object = problems_json(false, &one);

	json_object_set_new(object, "is_pending", json_true());
	answer(s, session, object);
}

/** The answer to an apply that went well. @param epoch 0: no dataplane has it yet. @param warning NULL = none */
static json_t *applied_json(const struct server *s, uint64_t epoch, const struct problem *warning)
{
	const struct problems warnings = {
		.items = (struct problem *)warning, .count = warning != NULL};
	json_t *object = problems_json(true, &warnings);

	json_object_set_new(object, "is_at_work", json_boolean(epoch != 0));
	json_object_set_new(object, "epoch", json_integer((json_int_t)epoch));
	json_object_set_new(
		object,
		"streams",
		json_integer(s->plane != NULL ? s->plane->compiled.image->streams.count : 0)
	);
	return object;
}

void requests_applied(struct server *s, const struct problem *problem)
{
	const bool is_pending = s->pending != NULL;

	for (int i = 0; i < SERVER_SESSIONS_MAX; i++) {
		struct session *session = &s->sessions[i];

		if (session->fd < 0 || !session->waits_applied)
			continue;
		session->waits_applied = false;
		if (is_pending)
			answer_pending(s, session, problem);
		else if (problem != NULL && !problem->is_warning)
			refuse(s, session, problem);
		else
			answer(s,
			       session,
			       applied_json(
				       s,
				       s->link >= 0 && s->plane != NULL ? s->plane->epoch : 0,
				       problem
			       ));
		serve_line(s, session);
	}
}

/** A path is kept in a line, and told in lines. */
static bool can_be_remembered(const char *directory)
{
	size_t size = 0;

	for (; directory[size] != '\0'; size++)
		if ((unsigned char)directory[size] < 0x20 || directory[size] == 0x7f)
			return false;
	return size <= PLANE_PATH_MAX;
}

static void apply(struct server *s, struct session *session, const json_t *request)
{
	const char *directory = json_string_value(json_object_get(request, "directory"));
	struct problems problems = {0};
	struct problem problem;
	struct plane *plane;
	enum sl_status status;
	bool is_due;

	if (directory == NULL)
		directory = s->directory;
	if (directory == NULL || directory[0] != '/') {
		refuse_text(s, session, "apply needs a directory with its absolute path");
		return;
	}
	if (!can_be_remembered(directory)) {
		(void)!problem_set(
			&problem,
			SL_E_INVALID,
			"the directory's path is too long, or has a control character: give it "
			"another name"
		);
		problems_add(&problems, &problem);
		refuse_definition(s, session, &problems);
		problems_done(&problems);
		return;
	}
	if (s->pending != NULL) {
		refuse_text(
			s, session, "another change is on its way; apply again when it is done"
		);
		return;
	}
	status = plane_make(s, directory, &problems, &plane);
	if (status == SL_E_INVALID)
		refuse_definition(s, session, &problems);
	else if (status != SL_OK)
		answer(s, session, problems_json(false, &problems));
	problems_done(&problems);
	if (status != SL_OK)
		return;
	if (link_apply(s, plane, &is_due, &problem) != SL_OK) {
		refuse(s, session, &problem);
		return;
	}
	log_line(LOG_LEVEL_NOTICE, topic, "apply of %s", directory);
	if (is_due) {
		session->waits_applied = true;
		return;
	}
	status = applied_is(s, directory, &problem);
	answer(s, session, applied_json(s, 0, status != SL_OK ? &problem : NULL));
}

static json_t *stopped_json(const struct server *s, bool was_there)
{
	struct problems one = {.items = (struct problem *)&s->drain_problem};
	json_t *object;

	one.count = was_there && s->has_drained && s->drain_problem.status != SL_OK;
	object = problems_json(true, &one);
	json_object_set_new(object, "was_there", json_boolean(was_there));
	if (was_there)
		json_object_set_new(object, "has_drained", json_boolean(s->has_drained));
	return object;
}

static void stop(struct server *s, struct session *session, const json_t *request)
{
	const char *what = json_string_value(json_object_get(request, "what"));

	if (what == NULL || (strcmp(what, "dataplane") != 0 && strcmp(what, "all") != 0)) {
		refuse_text(s, session, "what to stop is dataplane or all");
		return;
	}
	session->ends_control = strcmp(what, "all") == 0;
	log_line(LOG_LEVEL_NOTICE, topic, "stop of %s", what);
	if (link_stop(s)) {
		session->waits_stopped = true;
		return;
	}
	s->is_ending = s->is_ending || session->ends_control;
	answer(s, session, stopped_json(s, false));
}

void requests_stopped(struct server *s)
{
	for (int i = 0; i < SERVER_SESSIONS_MAX; i++) {
		struct session *session = &s->sessions[i];

		if (session->fd < 0 || !session->waits_stopped)
			continue;
		session->waits_stopped = false;
		s->is_ending = s->is_ending || session->ends_control;
		answer(s, session, stopped_json(s, true));
		serve_line(s, session);
	}
}

static void serve(struct server *s, struct session *session, const char *text, size_t size)
{
	json_error_t error;
	json_t *request = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	const char *verb = json_string_value(json_object_get(request, "request"));

	if (verb == NULL)
		refuse_text(s, session, "a request is a JSON object with \"request\": VERB");
	else if (strcmp(verb, "status") == 0)
		answer(s, session, status_json(s));
	else if (strcmp(verb, "apply") == 0)
		apply(s, session, request);
	else if (strcmp(verb, "stop") == 0)
		stop(s, session, request);
	else
		refuse_text(s, session, "a request is one of status, apply and stop");
	json_decref(request);
}

/** The first whole line that is there, when nothing is being answered. */
static void serve_line(struct server *s, struct session *session)
{
	while (session->fd >= 0 && session->out == NULL && !session->waits_applied
	       && !session->waits_stopped) {
		char *end = memchr(session->in, '\n', session->in_size);
		char *line = session->in;
		size_t size;

		if (end == NULL)
			return;
		size = (size_t)(end - line);
		// The line is served from a place of its own: an answer may close the session.
		line = malloc(size + 1);
		if (line == NULL) {
			session_close(s, session);
			return;
		}
		memcpy(line, session->in, size);
		session->in_size -= size + 1;
		memmove(session->in, end + 1, session->in_size);
		serve(s, session, line, size);
		free(line);
	}
}

void session_ready(struct server *s, struct session *session, uint32_t events)
{
	ssize_t n;

	if ((events & EPOLLOUT) != 0 && !flush(s, session))
		return;
	if (session->out != NULL && (events & (EPOLLHUP | EPOLLERR)) != 0) {
		session_close(s, session);
		return;
	}
	if (session->out == NULL && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
		n =
			recv(session->fd,
			     session->in + session->in_size,
			     SERVER_REQUEST_MAX - session->in_size,
			     0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)
		    || (n < 0 && (events & (EPOLLHUP | EPOLLERR)) != 0)) {
			session_close(s, session);
			return;
		}
		if (n > 0)
			session->in_size += (size_t)n;
	}
	serve_line(s, session);
	if (session->fd >= 0 && session->in_size == SERVER_REQUEST_MAX)
		session_close(s, session);
}
