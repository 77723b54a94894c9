#include "tests/unit/datagram/sender_scene.h"

// When the sender wants to be called again: who waits for that neither spins nor sleeps too long.

static void send_all(struct scene *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		offer(s, 1);
		sender_push(s->sender);
	}
	for (unsigned i = 0; i < count; i++)
		CHECK(next(s) == WIRE_DATA);
}

/** Sleep as long as the sender says, until a time. @return how often it woke */
static unsigned sleep_until(struct scene *s, uint64_t until_us, unsigned *ret_pings)
{
	unsigned wakes = 0;

	for (; s->now_us < until_us && wakes < 1000; wakes++) {
		uint64_t wake_us;
		unsigned kind;

		while ((kind = next(s)) != 0)
			*ret_pings += kind == WIRE_PING;
		wake_us = sender_wake_us(s->sender);
		CHECK(wake_us > s->now_us);
		s->now_us = wake_us > s->now_us ? wake_us : s->now_us + 1;
	}
	return wakes;
}

static void in_silence_it_sleeps(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){.resend_us = 30000}, 3);
	unsigned pings = 0;

	CHECK_FATAL(open_session(&s));
	send_all(&s, 3);
	s.now_us += 1000000;
	(void)next(&s);
	// More than the credit lets out, and one that is not full: all of it can wait.
	for (unsigned i = 0; i < 3; i++) {
		offer(&s, 1);
		sender_push(s.sender);
	}
	CHECK(sleep_until(&s, s.now_us + 10000000, &pings) < 20);
	CHECK(pings >= 8 && pings <= 16);
	end_scene(&s);
}

static void with_credit_left_it_sleeps_in_silence(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){.resend_us = 30000}, 10);
	unsigned pings = 0;

	CHECK_FATAL(open_session(&s));
	send_all(&s, 3);
	s.now_us += 1000000;
	CHECK(next(&s) == WIRE_PING);
	offer(&s, 1); // which it could send, were it not silent
	CHECK(sender_wake_us(s.sender) > s.now_us);
	CHECK(sleep_until(&s, s.now_us + 10000000, &pings) < 20);
	CHECK(pings >= 8 && pings <= 16);
	// The appliance speaks: at once all is sent again, and what waited goes out, too.
	CHECK(next(&s) == WIRE_PING);
	(void)deliver(&s);
	CHECK(sender_wake_us(s.sender) <= s.now_us);
	for (unsigned i = 0; i < 4; i++) {
		CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS);
		acknowledge(&s);
		s.now_us += 2000;
	}
	CHECK(sender_is_empty(s.sender));
	CHECK(sender_wake_us(s.sender) == UINT64_MAX);
	end_scene(&s);
}

static void a_session_after_silence_is_awake(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 10);

	CHECK_FATAL(open_session(&s));
	send_all(&s, 1);
	s.now_us += 3000000;
	CHECK(next(&s) == WIRE_PING);
	datagram_server_free(s.server);
	s.server = s.hand.server = new_server(10);
	(void)deliver(&s); // RESET
	CHECK(sender_state(s.sender) == SENDER_HELLO && sender_wake_us(s.sender) <= s.now_us);
	CHECK_FATAL(open_session(&s));
	CHECK(sender_wake_us(s.sender) <= s.now_us);
	CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS);
	end_scene(&s);
}

/** No datagram more may go, and none of those that did came through: their time is what wakes. */
static void a_burst_that_is_lost_wakes_when_it_is_overdue(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){.resend_us = 100000}, 100);

	CHECK_FATAL(open_session(&s));
	send_all(&s, 64);
	offer(&s, 1);
	sender_push(s.sender);
	CHECK(next(&s) == 0);
	CHECK(sender_wake_us(s.sender) == s.now_us + 100000);
	s.now_us += 100000;
	CHECK(next(&s) == WIRE_DATA && s.out[19] == 0);
	end_scene(&s);
}

static void a_long_resend_time_is_kept(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){.resend_us = 5000000}, 10);

	CHECK_FATAL(open_session(&s));
	send_all(&s, 1);
	CHECK(next(&s) == 0 && sender_wake_us(s.sender) == s.now_us + 5000000);
	s.now_us += 4999999;
	CHECK(next(&s) == 0);
	s.now_us++;
	CHECK(next(&s) == WIRE_DATA);
	CHECK(sender_wake_us(s.sender) == s.now_us + 5000000); // the longest, so not doubled
	end_scene(&s);
}

static const struct check_test tests[] = {
	{"in silence it sleeps", in_silence_it_sleeps},
	{"with credit left it sleeps in silence", with_credit_left_it_sleeps_in_silence},
	{"a session after silence is awake", a_session_after_silence_is_awake},
	{"a burst that is lost wakes when it is overdue",
	 a_burst_that_is_lost_wakes_when_it_is_overdue},
	{"a long resend time is kept", a_long_resend_time_is_kept},
};

int main(void)
{
	return run_scenes("datagram sender wakes", tests, sizeof(tests) / sizeof(tests[0]));
}
