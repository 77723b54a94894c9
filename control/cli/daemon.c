#include "control/cli/daemon.h"

#include "control/unix_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 16 << 20, // bytes
	ANSWER_FIRST = 64 << 10
};

static const char config_default[] = "/etc/sealane/sealane.yaml";
static const char run_default[] = "/run/sealane";

const char *daemon_config_file(const char *named)
{
	const char *from_environment = getenv("SEALANE_CONFIG");

	if (named != NULL)
		return named;
	return from_environment != NULL && from_environment[0] != '\0' ? from_environment
								       : config_default;
}

bool daemon_run_directory(const char *named, char ret_directory[static SETTINGS_PATH_MAX])
{
	const char *file = daemon_config_file(named);
	struct problems problems = {0};
	struct config config;
	enum sl_status status;

	if (file == config_default && access(file, F_OK) != 0) {
		memcpy(ret_directory, run_default, sizeof(run_default));
		return true;
	}
	status = config_load(file, &config, &problems);
	problems_print(stderr, &problems);
	problems_done(&problems);
	if (status != SL_OK)
		return false;
	memcpy(ret_directory, config.run_directory, sizeof(config.run_directory));
	return true;
}

static enum sl_status lost(struct problem *p, enum sl_status status, const char *what)
{
	(void)!problem_set(p, status, "the control process %s", what);
	problem_remedy(p, "look at its log");
	return status;
}

static enum sl_status send_line(int fd, json_t *request, struct problem *ret_problem)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t size = text != NULL ? strlen(text) : 0;
	size_t sent = 0;

	if (text == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the request");
	text[size++] = '\n'; // in place of its NUL
	while (sent < size) {
		ssize_t n = send(fd, text + sent, size - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			sent += (size_t)n;
	}
	free(text);
	return sent == size ? SL_OK : lost(ret_problem, SL_E_IO, "does not listen");
}

/** @param ret_text out, freed by the caller */
static enum sl_status read_line(
	int fd,
	int wait_ms,
	char **ret_text,
	size_t *ret_size,
	struct problem *ret_problem
)
{
	size_t capacity = ANSWER_FIRST;
	char *text = malloc(capacity);
	size_t size = 0;

	while (text != NULL) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char *more;
		ssize_t n;

		if (size == capacity) {
			capacity *= 2;
			more = capacity <= ANSWER_MAX ? realloc(text, capacity) : NULL;
			if (more == NULL)
				break;
			text = more;
		}
		if (poll(&p, 1, wait_ms) == 0) {
			free(text);
			return lost(ret_problem, SL_E_BUSY, "does not answer");
		}
		n = recv(fd, text + size, capacity - size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(text);
			return lost(ret_problem, SL_E_IO, "has ended before its answer");
		}
		size += (size_t)n;
		if (text[size - 1] == '\n') {
			*ret_text = text;
			*ret_size = size;
			return SL_OK;
		}
	}
	free(text);
	return problem_set(ret_problem, SL_E_NOMEM, "no memory for the answer");
}

enum sl_status daemon_exchange(
	const struct daemon *daemon,
	json_t *request,
	int wait_ms,
	json_t **ret_answer,
	struct problem *ret_problem
)
{
	enum sl_status status = send_line(daemon->fd, request, ret_problem);
	json_error_t error;
	char *text;
	size_t size;

	json_decref(request);
	if (status != SL_OK)
		return status;
	SL_TRY(read_line(daemon->fd, wait_ms, &text, &size, ret_problem));
	*ret_answer = json_loadb(text, size, 0, &error);
	free(text);
	if (json_is_object(*ret_answer))
		return SL_OK;
	json_decref(*ret_answer);
	return problem_set(ret_problem, SL_E_CORRUPT, "the answer is no JSON object");
}

enum sl_status daemon_connect(
	const char *run_directory,
	struct daemon *ret_daemon,
	struct problem *ret_problem
)
{
	char path[2 * SETTINGS_PATH_MAX];
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	enum sl_status status;

	snprintf(path, sizeof(path), "%s/control.sock", run_directory);
	status = unix_socket_connect(path, SOCK_STREAM, &ret_daemon->fd, ret_problem);
	if (status == SL_E_NOT_FOUND) {
		(void)!problem_set(ret_problem, status, "no control process runs here");
		problem_at_file(ret_problem, path);
		problem_remedy(
			ret_problem,
			"start one: sealane-control -c sealane.yaml; or name its -c FILE"
		);
	}
	if (status != SL_OK)
		return status;
	(void)getsockopt(ret_daemon->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	ret_daemon->pid = peer.pid;
	return SL_OK;
}

void daemon_close(struct daemon *daemon)
{
	close(daemon->fd);
	daemon->fd = -1;
}

enum sl_status daemon_ask(
	const char *run_directory,
	json_t *request,
	json_t **ret_answer,
	struct problem *ret_problem
)
{
	struct daemon daemon;
	enum sl_status status = daemon_connect(run_directory, &daemon, ret_problem);

	if (status != SL_OK) {
		json_decref(request);
		return status;
	}
	status = daemon_exchange(&daemon, request, DAEMON_WAIT_MS, ret_answer, ret_problem);
	daemon_close(&daemon);
	return status;
}

static uint32_t number_of(const json_t *object, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(object, key));
}

void daemon_print_problems(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "problems");
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *file = json_string_value(json_object_get(item, "file"));
		const char *what = json_string_value(json_object_get(item, "what"));
		const char *remedy = json_string_value(json_object_get(item, "remedy"));
		struct problem problem;

		(void)!problem_set(&problem, SL_E_INVALID, "%s", what != NULL ? what : "");
		if (file != NULL)
			problem_at_file(&problem, file);
		if (remedy != NULL)
			problem_remedy(&problem, "%s", remedy);
		problem.line = number_of(item, "line");
		problem.column = number_of(item, "column");
		problem.is_warning = json_is_true(json_object_get(item, "is_warning"));
		problem_print(stderr, &problem);
	}
}
