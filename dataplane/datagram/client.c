#include "crypto/client_key.h"
#include "crypto/secret.h"
#include "dataplane/datagram/client_socket.h"
#include "dataplane/datagram/sealane_client.h"
#include "dataplane/datagram/sender.h"
#include "io/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ROUNDS_MAX = 64 // bursts of one sl_client_poll, so that it returns
};

struct sl_client {
	struct engine *engine;
	struct sender *sender;
	struct client_socket socket;
	sl_client_acked_fn *acked;
	void *acked_self;
	sl_client_repeat_fn *repeat;
	void *repeat_self;
	char error[CLIENT_ERROR_MAX];
};

static uint64_t now_us(void)
{
	return clock_monotonic_ns() / 1000;
}

static void note_acked(void *self, uint64_t first_event, uint32_t count)
{
	const struct sl_client *client = self;

	if (client->acked != NULL)
		client->acked(client->acked_self, first_event, count);
}

static bool ask_repeat(void *self, uint64_t first_event, uint32_t count)
{
	const struct sl_client *client = self;

	return client->repeat == NULL
		|| client->repeat(client->repeat_self, first_event, count) != 0;
}

static enum sl_client_status fail(
	struct sl_client *client,
	enum sl_client_status status,
	const char *text
)
{
	snprintf(client->error, sizeof(client->error), "%s", text);
	return status;
}

static enum sl_client_status make_sender(
	struct sl_client *client,
	const struct sl_client_options *o
)
{
	const struct engine_options engine_options = {.lanes = LANES_OFF};
	struct sender_options options = {
		.stream = o->stream != NULL ? view_of_text(o->stream) : view_of(NULL, 0),
		.datagram_bytes_max = o->datagram_bytes_max,
		.window = o->window,
		.linger_us = o->linger_us,
		.resend_us = o->resend_ms * 1000,
		.acked = note_acked,
		.acked_self = client,
		.repeat = ask_repeat,
		.repeat_self = client,
	};
	struct client_key key;
	struct problem problem;
	enum sl_status status;

	if (o->key_file == NULL || o->host == NULL || o->port == NULL || o->resend_ms > 60000)
		return fail(
			client,
			SL_CLIENT_OPTION,
			"host, port and key_file are needed, and resend_ms is at most 60000"
		);
	if (engine_new(&engine_options, &client->engine, &problem) != SL_OK)
		return fail(client, SL_CLIENT_SYSTEM, problem.what);
	if (client_key_read(o->key_file, &key, &problem) != SL_OK) {
		snprintf(client->error, sizeof(client->error), "%s: %s", o->key_file, problem.what);
		return SL_CLIENT_KEY_FILE;
	}
	memcpy(options.client_id, key.id, sizeof(options.client_id));
	memcpy(options.client_key, key.key, sizeof(options.client_key));
	status = sender_new(&options, client->engine, &client->sender);
	bytes_wipe(&key, sizeof(key));
	bytes_wipe(options.client_key, sizeof(options.client_key));
	if (status == SL_E_INVALID)
		return fail(
			client,
			SL_CLIENT_OPTION,
			"datagram_bytes_max is 256 to 9000, window at most 4096, a stream's name "
			"at most 100 bytes"
		);
	return status == SL_OK ? SL_CLIENT_OK : fail(client, SL_CLIENT_SYSTEM, "out of memory");
}

enum sl_client_status sl_client_connect(
	const struct sl_client_options *options,
	struct sl_client **ret_client
)
{
	struct sl_client *client = calloc(1, sizeof(*client));
	enum sl_client_status status;

	*ret_client = client;
	if (client == NULL)
		return SL_CLIENT_SYSTEM;
	client->socket.fd = -1;
	status = make_sender(client, options);
	if (status == SL_CLIENT_OK)
		status = client_socket_open(
			&client->socket, options->host, options->port, client->error
		);
	return status;
}

void sl_client_close(struct sl_client *client)
{
	if (client == NULL)
		return;
	client_socket_close(&client->socket);
	sender_free(client->sender);
	engine_free(client->engine);
	free(client);
}

void sl_client_on_acked(struct sl_client *client, sl_client_acked_fn *acked, void *self)
{
	client->acked = acked;
	client->acked_self = self;
}

void sl_client_on_repeat(struct sl_client *client, sl_client_repeat_fn *repeat, void *self)
{
	client->repeat = repeat;
	client->repeat_self = self;
}

/** A forked child has neither keys nor a right to the socket, by which acknowledgements come to its parent. */
static bool is_forked(struct sl_client *client)
{
	if (!sender_is_forked(client->sender))
		return false;
	(void
	)fail(client,
	      SL_CLIENT_SYSTEM,
	      "a client does not outlive a fork: connect in the process that uses it");
	errno = ENOTSUP;
	return true;
}

enum sl_client_status sl_client_offer(
	struct sl_client *client,
	const void *event,
	size_t size,
	uint64_t *ret_number
)
{
	uint64_t number;
	enum sl_status status;

	if (is_forked(client))
		return SL_CLIENT_SYSTEM;
	status = sender_offer(client->sender, view_of(event, size), now_us(), &number);
	if (status == SL_E_TOO_BIG)
		return fail(client, SL_CLIENT_TOO_BIG, "the event does not fit into a datagram");
	if (status == SL_E_INVALID)
		return fail(client, SL_CLIENT_EVENT, "the event is empty or has a line end in it");
	if (status != SL_OK)
		return fail(
			client,
			SL_CLIENT_AGAIN,
			"the window is full of events that are not acknowledged"
		);
	if (ret_number != NULL)
		*ret_number = number;
	return SL_CLIENT_OK;
}

/** What the sender has to say of its state. */
static enum sl_client_status status_of(struct sl_client *client)
{
	switch (sender_refusal(client->sender)) {
	case SENDER_REFUSED:
		return fail(
			client,
			SL_CLIENT_REFUSED,
			"the appliance does not take events of this client on that port"
		);
	case SENDER_OTHER_STREAM:
		return fail(
			client,
			SL_CLIENT_REFUSED,
			"behind that port is another stream than the one named"
		);
	case SENDER_FULL_SERVER:
		return fail(
			client,
			SL_CLIENT_REFUSED,
			"the appliance has no room for another session now"
		);
	case SENDER_NOT_REFUSED:
		break;
	}
	return SL_CLIENT_OK;
}

/** Take what has come and send what is due, once; false: nothing of either. */
static bool work(struct sl_client *client, enum sl_client_status *ret_status)
{
	const uint64_t now = now_us();
	bool has_worked;

	has_worked = client_socket_receive(&client->socket, client->sender, now);
	has_worked |= client_socket_send(&client->socket, client->sender, now);
	*ret_status = SL_CLIENT_OK;
	if (client->socket.error != 0) {
		snprintf(
			client->error,
			sizeof(client->error),
			"datagrams can not be sent: %s",
			strerror(client->socket.error)
		);
		client->socket.error = 0;
		*ret_status = SL_CLIENT_SYSTEM;
	}
	return has_worked;
}

enum sl_client_status sl_client_poll(struct sl_client *client, int timeout_ms)
{
	const uint64_t end_us = now_us() + (timeout_ms > 0 ? (uint64_t)timeout_ms * 1000 : 0);
	enum sl_client_status status;
	unsigned rounds = 0;

	if (is_forked(client))
		return SL_CLIENT_SYSTEM;
	while (work(client, &status) && status == SL_CLIENT_OK && ++rounds < ROUNDS_MAX)
		;
	if (status != SL_CLIENT_OK)
		return status;
	if (rounds == 0 && timeout_ms > 0) {
		// With datagrams that the kernel does not take yet, the sender has nothing to add.
		const uint64_t wake_us =
			client->socket.unsent != 0 ? end_us : sender_wake_us(client->sender);

		client_socket_wait(&client->socket, now_us(), wake_us < end_us ? wake_us : end_us);
		(void)work(client, &status);
	}
	return status == SL_CLIENT_OK ? status_of(client) : status;
}

enum sl_client_status sl_client_flush(struct sl_client *client, int timeout_ms)
{
	const uint64_t end_us = now_us() + (timeout_ms > 0 ? (uint64_t)timeout_ms * 1000 : 0);

	if (is_forked(client))
		return SL_CLIENT_SYSTEM;
	sender_push(client->sender);
	while (!sender_is_empty(client->sender)) {
		const uint64_t now = now_us();
		enum sl_client_status status;

		if (now >= end_us)
			return fail(
				client,
				SL_CLIENT_TIMEOUT,
				sender_state(client->sender) == SENDER_READY
					? "not everything was acknowledged in time"
					: "no answer from the appliance: wrong address, or it does "
					  "not know this client"
			);
		status = sl_client_poll(client, (int)((end_us - now + 999) / 1000));
		if (status != SL_CLIENT_OK)
			return status;
	}
	return SL_CLIENT_OK;
}

void sl_client_get_stats(const struct sl_client *client, struct sl_client_stats *ret_stats)
{
	struct sender_stats stats;

	sender_get_stats(client->sender, &stats);
	*ret_stats = (struct sl_client_stats){
		.events_offered = stats.events_offered,
		.events_acked = stats.events_acked,
		.datagrams_sent = stats.datagrams_sent,
		.datagrams_resent = stats.datagrams_resent,
		.sessions = stats.sessions,
		.round_trip_us = stats.round_trip_us,
		.credit = stats.credit,
	};
}

int sl_client_fd(const struct sl_client *client)
{
	return client->socket.fd;
}

const char *sl_client_error(const struct sl_client *client)
{
	return client == NULL ? "out of memory" : client->error;
}
