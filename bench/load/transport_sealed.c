#include "bench/load/endpoint.h"
#include "bench/load/transport.h"
#include "dataplane/datagram/sealane_client.h"
#include "io/base/clock.h"

#include <stdlib.h>

// Sealed datagrams by the client library, as a driver sends them: several events a datagram, each acknowledged once it is
// durable. Latency is from the time that an event was due at to its acknowledgement.

enum {
	ON_THE_WAY_MAX = 1 << 20, // events; a power of two
	CONNECT_MS = 5000
};

struct sealed {
	struct sl_client *client;
	const struct stock *stock;
	uint64_t *due_ns; // [ON_THE_WAY_MAX] owned, by the client's number
	uint64_t offered;
	uint64_t acked; // of all trials
	uint64_t first; // number of this trial's first event
};

/** The client calls it for every datagram that is durable. */
static void take_acked(void *self, uint64_t first_event, uint32_t count)
{
	struct transport *t = self;
	struct sealed *sealed = t->self;
	const uint64_t now_ns = clock_monotonic_ns();

	sealed->acked += count;
	for (uint64_t number = first_event; number < first_event + count; number++) {
		const uint64_t due_ns = sealed->due_ns[number % ON_THE_WAY_MAX];

		// One of an earlier trial was lost to that; it must not make good what this one loses.
		if (number < sealed->first)
			continue;
		t->delivered++;
		if (t->latency == NULL)
			continue;
		histogram_record(t->latency, now_ns > due_ns ? now_ns - due_ns : 0, 1);
	}
}

static void close_sealed(struct transport *t)
{
	struct sealed *sealed = t->self;

	sl_client_close(sealed->client);
	free(sealed->due_ns);
	free(sealed);
	t->self = NULL;
}

static enum sl_status connect(
	struct transport *t,
	const struct transport_options *o,
	struct problem *ret_problem
)
{
	struct sealed *sealed = t->self;
	struct sl_client_options options = {
		.key_file = o->key_file,
		.stream = o->stream,
		.datagram_bytes_max = o->datagram_bytes,
		.window = 4096,
	};
	struct endpoint target;

	if (o->key_file == NULL)
		return problem_set(ret_problem, SL_E_INVALID, "sealed needs --key FILE");
	SL_TRY(endpoint_read(o->target, &target, ret_problem));
	options.host = target.host;
	options.port = target.port;
	if (sl_client_connect(&options, &sealed->client) != SL_CLIENT_OK) {
		return problem_set(
			ret_problem,
			SL_E_IO,
			"%s",
			sealed->client != NULL ? sl_client_error(sealed->client)
					       : "no memory for the client"
		);
	}
	sl_client_on_acked(sealed->client, take_acked, t);
	return SL_OK;
}

/** Wait for the session: a trial must not begin with its opening. */
static enum sl_status open_session(struct sealed *sealed, struct problem *ret_problem)
{
	const uint64_t until_ns = clock_monotonic_ns() + CONNECT_MS * 1000000ull;
	struct sl_client_stats stats = {0};

	while (stats.sessions == 0 && clock_monotonic_ns() < until_ns) {
		enum sl_client_status status = sl_client_poll(sealed->client, 20);

		if (status == SL_CLIENT_REFUSED || status == SL_CLIENT_SYSTEM)
			break;
		sl_client_get_stats(sealed->client, &stats);
	}
	if (stats.sessions != 0)
		return SL_OK;
	(void)!problem_set(ret_problem, SL_E_IO, "no session: %s", sl_client_error(sealed->client));
	problem_remedy(
		ret_problem,
		"the appliance answers nobody whose key it does not know, nor on a port that is "
		"not the stream's"
	);
	return SL_E_IO;
}

static enum sl_status open_sealed(
	struct transport *t,
	const struct transport_options *o,
	struct problem *ret_problem
)
{
	struct sealed *sealed = calloc(1, sizeof(*sealed));
	enum sl_status status;

	if (sealed == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the client");
	t->self = sealed;
	t->is_counted = true;
	sealed->stock = o->stock;
	sealed->due_ns = calloc(ON_THE_WAY_MAX, sizeof(*sealed->due_ns));
	status = sealed->due_ns == NULL
		? problem_set(ret_problem, SL_E_NOMEM, "no memory for the client")
		: connect(t, o, ret_problem);
	if (status == SL_OK)
		status = open_session(sealed, ret_problem);
	if (status != SL_OK)
		close_sealed(t);
	return status;
}

/** The client numbers what it takes from 0. */
static void begin_sealed(struct transport *t)
{
	struct sealed *sealed = t->self;

	sealed->first = sealed->offered;
}

static size_t send_sealed(struct transport *t, const struct shot shots[], size_t count)
{
	struct sealed *sealed = t->self;
	size_t taken = 0;

	while (taken < count && sealed->offered - sealed->acked < ON_THE_WAY_MAX) {
		const struct stock_event *event = &sealed->stock->events[shots[taken].event];
		enum sl_client_status status;
		uint64_t number;

		stock_stamp(event, shots[taken].subject, shots[taken].number);
		status = sl_client_offer(sealed->client, event->bytes, event->size, &number);
		if (status == SL_CLIENT_AGAIN)
			break;
		if (status != SL_CLIENT_OK) {
			transport_fail(t, "%s", sl_client_error(sealed->client));
			break;
		}
		sealed->due_ns[number % ON_THE_WAY_MAX] = shots[taken].due_ns;
		sealed->offered++;
		taken++;
	}
	return taken;
}

static void poll_sealed(struct transport *t)
{
	struct sealed *sealed = t->self;
	enum sl_client_status status = sl_client_poll(sealed->client, 0);

	if (status == SL_CLIENT_REFUSED || status == SL_CLIENT_SYSTEM)
		transport_fail(t, "%s", sl_client_error(sealed->client));
}

const struct transport_kind transport_sealed = {
	.name = "sealed",
	.help = "sealed datagrams, each acknowledged when it is durable; TARGET is HOST:PORT",
	.is_answered = true,
	.open = open_sealed,
	.begin = begin_sealed,
	.send = send_sealed,
	.poll = poll_sealed,
	.close = close_sealed,
};
