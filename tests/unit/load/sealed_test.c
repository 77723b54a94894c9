#include "bench/load/transport.h"
#include "dataplane/datagram/sealane_client.h"
#include "tests/support/check.h"

#include <stdio.h>

enum {
	ALL = 1 << 20 // events on the way at most
};

/** A client of one session that sends nothing: events are acknowledged when a test says so. */
struct sl_client {
	uint64_t offered;
	sl_client_acked_fn *acked;
	void *self;
};

static struct sl_client client;

enum sl_client_status sl_client_connect(
	const struct sl_client_options *options,
	struct sl_client **ret_client
)
{
	(void)options;
	client = (struct sl_client){0};
	*ret_client = &client;
	return SL_CLIENT_OK;
}

enum sl_client_status sl_client_offer(
	struct sl_client *c,
	const void *event,
	size_t size,
	uint64_t *ret_number
)
{
	(void)event;
	(void)size;
	*ret_number = c->offered++;
	return SL_CLIENT_OK;
}

enum sl_client_status sl_client_poll(struct sl_client *c, int timeout_ms)
{
	(void)c;
	(void)timeout_ms;
	return SL_CLIENT_OK;
}

void sl_client_on_acked(struct sl_client *c, sl_client_acked_fn *acked, void *self)
{
	c->acked = acked;
	c->self = self;
}

void sl_client_get_stats(const struct sl_client *c, struct sl_client_stats *ret_stats)
{
	(void)c;
	*ret_stats = (struct sl_client_stats){.sessions = 1};
}

const char *sl_client_error(const struct sl_client *c)
{
	(void)c;
	return "";
}

void sl_client_close(struct sl_client *c)
{
	(void)c;
}

void transport_fail(struct transport *t, const char *format, ...)
{
	snprintf(t->fault, sizeof(t->fault), "%s", format);
}

void stock_stamp(const struct stock_event *event, uint32_t subject, uint64_t number)
{
	(void)event;
	(void)subject;
	(void)number;
}

static struct histogram latency;
static struct stock_event events[1];

static void open_sealed(struct transport *t)
{
	static struct stock stock = {.events = events, .count = 1};
	const struct transport_options options = {
		.target = "127.0.0.1:1", .key_file = "key", .stock = &stock};
	struct problem problem;

	*t = (struct transport){.kind = &transport_sealed, .latency = &latency};
	histogram_reset(&latency);
	CHECK_FATAL(t->kind->open(t, &options, &problem) == SL_OK);
}

static size_t send_one(struct transport *t)
{
	const struct shot shot = {.due_ns = 1};

	return t->kind->send(t, &shot, 1);
}

/** What was sent in one trial and is acknowledged in the next is none of the next one's. */
static void test_earlier_trial(void)
{
	struct transport t;

	open_sealed(&t);
	t.kind->begin(&t);
	for (int i = 0; i < 10; i++)
		CHECK_EQUAL(send_one(&t), 1);
	client.acked(client.self, 0, 4);
	CHECK(t.delivered == 4 && latency.count == 4);

	t.kind->begin(&t);
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(send_one(&t), 1);
	client.acked(client.self, 4, 5);
	CHECK(t.delivered == 4 && latency.count == 4);
	// A datagram of both.
	client.acked(client.self, 9, 4);
	CHECK(t.delivered == 7 && latency.count == 7);
	t.kind->close(&t);
}

/** It gives its place free all the same. */
static void test_places(void)
{
	struct transport t;

	open_sealed(&t);
	t.kind->begin(&t);
	for (int i = 0; i < ALL; i++)
		if (send_one(&t) != 1)
			CHECK_FATAL(false);
	CHECK_EQUAL(send_one(&t), 0);
	t.kind->begin(&t);
	client.acked(client.self, 0, 2);
	CHECK_EQUAL(t.delivered, 0);
	CHECK(send_one(&t) == 1 && send_one(&t) == 1 && send_one(&t) == 0);
	t.kind->close(&t);
}

static const struct check_test tests[] = {
	{"acknowledgements of an earlier trial", test_earlier_trial},
	{"places of an earlier trial's events", test_places},
};
CHECK_MAIN("sealed")
