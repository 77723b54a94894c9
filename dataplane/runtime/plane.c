#include "dataplane/runtime/notice.h"
#include "dataplane/runtime/plane_inner.h"
#include "io/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	CONNECT_MS = 200, // between attempts to attach
	TIDY_MS = 100,
	DRAIN_MS = 10 * 1000 // for keys to become durable and sinks to take what waits
};

struct plane {
	const struct plane_options *options;
	int socket; // to control; -1 = away
	int signals;
	struct key_ring *ring;
	struct runtime *runtime;
	struct plane_source *source; // in force; the runtime owns it
	uid_t control_uid;           // of whom the journal came from
	uint64_t retry_ns;           // not before this, another attempt to attach
	bool is_ended;
	bool is_attached; // welcomed
	bool was_told;    // why we are not
};

static void close_link(struct plane *p)
{
	if (p->socket >= 0)
		close(p->socket);
	p->socket = -1;
	// Who was attached comes back at once: control may be there again already.
	p->retry_ns = p->is_attached ? 0 : clock_monotonic_ns() + CONNECT_MS * UINT64_C(1000000);
	p->is_attached = false;
}

static uid_t peer_uid(const struct plane *p)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(p->socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		return (uid_t)-1;
	return peer.uid;
}

/** Whoever listens: keys go to the user that they came from, or to root, and to nobody else. */
static bool may_have_keys(const struct plane *p)
{
	const uid_t uid = peer_uid(p);

	return p->ring == NULL || uid == 0 || (uid == p->control_uid && uid != (uid_t)-1);
}

static void close_fds(const int fds[static LINK_FDS_MAX])
{
	for (uint32_t n = 0; n < LINK_FDS_MAX; n++)
		if (fds[n] >= 0)
			close(fds[n]);
}

/** Say who we are; one that has outlived its control brings all it works by. */
static enum sl_status say_hello(const struct plane *p)
{
	struct link_message hello = {.kind = LINK_HELLO, .pid = (uint32_t)getpid()};
	int fds[LINK_FDS_MAX];
	uint32_t count = 0;

	if (p->ring != NULL)
		fds[count++] = key_ring_fd(p->ring);
	if (p->source != NULL) {
		hello.epoch = p->source->image->epoch;
		hello.has_image = 1;
		fds[count++] = p->source->image_fd;
		for (uint32_t t = 0; t < p->source->table_count; t++)
			fds[count++] = key_table_fd(p->source->tables[t]);
	}
	return link_send(p->socket, &hello, fds, count);
}

/** Nothing waits here: control may stand still, and signals come by the same thread. */
static bool connect_socket(struct plane *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->options->control);
	p->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return p->socket >= 0
		&& connect(p->socket, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/** Try to attach. */
static void connect_control(struct plane *p)
{
	const char *why = "control is not at %s: waiting";

	if (connect_socket(p)) {
		if (!may_have_keys(p))
			why = "who listens at %s is another user than control was: waiting";
		else if (say_hello(p) == SL_OK)
			return;
	}
	if (!p->was_told)
		notice(why, p->options->control);
	p->was_told = true;
	close_link(p);
}

static enum sl_status start_runtime(
	struct plane *p,
	const struct link_message *m,
	const int fds[],
	struct problem *ret_problem
)
{
	if (m->fd_count != 1)
		return problem_set(ret_problem, SL_E_CORRUPT, "control sent no key journal");
	if (m->settings.size != sizeof(m->settings))
		return problem_set(
			ret_problem, SL_E_CORRUPT, "control and dataplane are of two versions"
		);
	if (p->ring == NULL)
		SL_TRY(key_ring_attach(fds[0], &p->ring, ret_problem));
	p->control_uid = peer_uid(p);
	return runtime_start(&m->settings, p->ring, &p->runtime, ret_problem);
}

/** Settings and journal. After a time without control there is nothing new in it. */
static enum sl_status welcome(
	struct plane *p,
	const struct link_message *m,
	const int fds[],
	struct problem *ret_problem
)
{
	struct link_message answer = {.kind = LINK_COUNTERS};
	int fd;

	if (p->runtime == NULL)
		SL_TRY(start_runtime(p, m, fds, ret_problem));
	fd = runtime_counters_fd(p->runtime);
	p->is_attached = true;
	p->was_told = false;
	notice("attached to control");
	if (link_send(p->socket, &answer, &fd, 1) != SL_OK)
		close_link(p);
	return SL_OK;
}

static enum sl_status apply_source(
	struct plane *p,
	const struct link_message *m,
	const int fds[],
	uint64_t arrived_ns,
	struct problem *ret_problem
)
{
	struct plane_source *source;
	struct epoch_source given;
	enum sl_status status;

	SL_TRY(plane_source_new(fds, m->fd_count, &source, ret_problem));
	given = (struct epoch_source){
		.image = source->image,
		.tables = source->tables,
		.table_count = source->table_count,
		.release = plane_source_free,
		.self = source,
	};
	status = runtime_apply(p->runtime, &given, arrived_ns, ret_problem);
	if (status == SL_OK)
		p->source = source;
	else
		plane_source_free(source);
	return status;
}

/** What went wrong, for control and whoever asked it. */
static void tell(struct link_message *m, const struct problem *problem)
{
	m->status = problem->status;
	m->stream = (uint32_t)problem->row;
	snprintf(
		m->text,
		sizeof(m->text),
		"%s%s%s\n%s",
		problem->file,
		problem->file[0] != '\0' ? ": " : "",
		problem->what,
		problem->remedy
	);
}

static void apply(struct plane *p, const struct link_message *m, const int fds[])
{
	uint64_t arrived_ns = clock_monotonic_ns();
	struct link_message answer = {.kind = LINK_APPLIED, .epoch = m->epoch};
	struct problem problem = {0};

	if (apply_source(p, m, fds, arrived_ns, &problem) != SL_OK) {
		tell(&answer, &problem);
		notice_problem("policy refused", &problem);
	} else {
		const struct runtime_change change = runtime_last_change(p->runtime);

		notice("policy %llu is in force on every core after %llu us, %llu of them to make "
		       "it "
		       "ready",
		       (unsigned long long)m->epoch,
		       (unsigned long long)change.used_ns / 1000,
		       (unsigned long long)change.ready_ns / 1000);
	}
	if (link_send(p->socket, &answer, NULL, 0) != SL_OK)
		close_link(p);
}

/** One message. A failure here is one that we can not go on from. */
static enum sl_status take_message(
	struct plane *p,
	const struct link_message *m,
	const int fds[],
	struct problem *ret_problem
)
{
	if (m->kind == LINK_WELCOME)
		return welcome(p, m, fds, ret_problem);
	if (m->kind == LINK_APPLY && p->runtime != NULL)
		apply(p, m, fds);
	else if (m->kind == LINK_STOP)
		p->is_ended = true;
	else
		close_link(p);
	return SL_OK;
}

static void lose_control(struct plane *p)
{
	if (p->is_attached)
		notice("control is gone: going on with what is here");
	else if (!p->was_told)
		notice("control does not take this dataplane: its log says why; waiting");
	p->was_told = p->was_told || !p->is_attached;
	close_link(p);
}

static enum sl_status listen_to_control(struct plane *p, struct problem *ret_problem)
{
	struct link_message message;
	int fds[LINK_FDS_MAX];
	enum sl_status status = link_receive(p->socket, &message, fds);

	if (status != SL_OK) {
		if (status != SL_E_NOT_FOUND)
			lose_control(p);
		return SL_OK;
	}
	status = take_message(p, &message, fds, ret_problem);
	close_fds(fds);
	return status;
}

static enum sl_status watch_signals(struct plane *p, struct problem *ret_problem)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	// Threads inherit it: signals come here and nowhere else.
	if (pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0)
		p->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signals >= 0)
		return SL_OK;
	return problem_set(ret_problem, SL_E_IO, "signals: %s", strerror(errno));
}

static enum sl_status serve(struct plane *p, struct problem *ret_problem)
{
	struct pollfd polled[2] = {{.fd = p->signals, .events = POLLIN}, {.events = POLLIN}};

	while (!p->is_ended) {
		if (p->socket < 0 && clock_monotonic_ns() >= p->retry_ns)
			connect_control(p);
		polled[1].fd = p->socket;
		polled[1].revents = 0;
		if (poll(polled, 2, p->socket < 0 ? CONNECT_MS : TIDY_MS) < 0 && errno != EINTR)
			return problem_set(ret_problem, SL_E_IO, "poll: %s", strerror(errno));
		if (polled[0].revents != 0)
			p->is_ended = true;
		if (p->socket >= 0 && polled[1].revents != 0)
			SL_TRY(listen_to_control(p, ret_problem));
		if (p->runtime != NULL)
			runtime_tidy(p->runtime);
	}
	return SL_OK;
}

/** Everything taken in goes to its sinks. */
static enum sl_status drain(struct plane *p, uint64_t *ret_lost, struct problem *ret_problem)
{
	struct link_message stopped = {.kind = LINK_STOPPED};
	uint64_t lost = 0;

	if (p->runtime != NULL) {
		notice("draining");
		lost = runtime_stop(p->runtime, DRAIN_MS);
	}
	*ret_lost = lost;
	if (lost != 0) {
		(void)!problem_set(
			ret_problem,
			SL_E_TRUNCATED,
			"%llu events were not delivered within %d s",
			(unsigned long long)lost,
			DRAIN_MS / 1000
		);
		problem_remedy(
			ret_problem,
			"senders of sealed datagrams send them again; look at its log for the sink"
		);
		tell(&stopped, ret_problem);
	}
	if (p->socket >= 0)
		(void)!link_send(p->socket, &stopped, NULL, 0);
	if (lost != 0)
		return ret_problem->status;
	notice("drained");
	return SL_OK;
}

enum sl_status plane_run(
	const struct plane_options *options,
	uint64_t *ret_lost,
	struct problem *ret_problem
)
{
	struct plane p = {.options = options, .socket = -1, .signals = -1};
	enum sl_status status = watch_signals(&p, ret_problem);

	*ret_lost = 0;
	if (status == SL_OK)
		status = serve(&p, ret_problem);
	if (status == SL_OK)
		status = drain(&p, ret_lost, ret_problem);
	close_link(&p);
	if (p.signals >= 0)
		close(p.signals);
	key_ring_free(p.ring);
	return status;
}
