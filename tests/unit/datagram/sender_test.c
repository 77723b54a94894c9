#include "tests/unit/datagram/sender_scene.h"

#include <sys/wait.h>
#include <unistd.h>

static void options_have_bounds(void)
{
	static const struct sender_options bad[] = {
		{.datagram_bytes_max = SENDER_DATAGRAM_MIN - 1},
		{.datagram_bytes_max = WIRE_DATAGRAM_MAX + 1},
		{.window = WIRE_WINDOW + 1},
		{.stream = {(const uint8_t *)"x", WIRE_STREAM_MAX + 1}},
		{.sequence_end = WIRE_SEQUENCE_END + 1},
	};
	struct sender *sender;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(sender_new(&bad[i], sender_engine, &sender) == SL_E_INVALID);
	sender_free(NULL);
}

static void events_have_bounds(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){.window = 2}, 10);
	static uint8_t text[SENDER_DATAGRAM];
	const size_t most = SENDER_DATAGRAM - WIRE_DATA_OVERHEAD - 1;
	uint64_t number = 77;

	memset(text, 'x', sizeof(text));
	CHECK(sender_offer(s.sender, view_of(text, 0), 0, &number) == SL_E_INVALID);
	CHECK(sender_offer(s.sender, view_of("a\nb", 3), 0, &number) == SL_E_INVALID);
	CHECK(sender_offer(s.sender, view_of(text, most + 1), 0, &number) == SL_E_TOO_BIG);
	CHECK(number == 77);
	CHECK(sender_offer(s.sender, view_of(text, most), 0, &number) == SL_OK && number == 0);
	CHECK(sender_offer(s.sender, view_of(text, most), 0, &number) == SL_OK && number == 1);
	CHECK(sender_offer(s.sender, view_of(text, 1), 0, &number) == SL_E_FULL && number == 1);
	CHECK(open_session(&s));
	CHECK(next(&s) == WIRE_DATA && s.size == SENDER_DATAGRAM);
	CHECK(deliver(&s) == DATAGRAM_EVENTS);
	CHECK(sender_offer(s.sender, view_of(text, 1), 0, &number) == SL_E_FULL);
	acknowledge(&s);
	CHECK(sender_offer(s.sender, view_of(text, 1), 0, &number) == SL_OK && number == 2);
	end_scene(&s);
}

static void hello_waits_longer_each_time(void)
{
	static const uint64_t waits_us[] = {
		50000, 100000, 200000, 400000, 800000, 1000000, 1000000};
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 10);
	uint8_t first[sizeof(struct wire_hello)];

	CHECK(next(&s) == WIRE_HELLO);
	memcpy(first, s.out, sizeof(first));
	for (size_t i = 0; i < sizeof(waits_us) / sizeof(waits_us[0]); i++) {
		CHECK(next(&s) == 0);
		CHECK(sender_wake_us(s.sender) == s.now_us + waits_us[i]);
		s.now_us += waits_us[i] - 1;
		CHECK(next(&s) == 0);
		s.now_us++;
		CHECK(next(&s) == WIRE_HELLO && memcmp(s.out, first, s.size) == 0);
	}
	(void)deliver(&s);
	CHECK(open_session(&s));
	end_scene(&s);
}

static void a_welcome_that_leads_nowhere_is_left(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 10);
	unsigned pings = 0;

	CHECK(next(&s) == WIRE_HELLO);
	(void)deliver(&s);
	CHECK(sender_state(s.sender) == SENDER_OPENING);
	for (unsigned i = 0; i < 100 && sender_state(s.sender) == SENDER_OPENING; i++) {
		pings += next(&s) == WIRE_PING;
		s.now_us += 100000;
	}
	CHECK(pings == 6 && sender_state(s.sender) == SENDER_HELLO);
	CHECK(open_session(&s));
	end_scene(&s);
}

static void events_wait_for_company(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){.linger_us = 700}, 10);

	CHECK(open_session(&s));
	offer(&s, 3);
	CHECK(next(&s) == 0);
	CHECK(sender_wake_us(s.sender) == s.now_us + 700);
	s.now_us += 699;
	CHECK(next(&s) == 0);
	s.now_us += 1;
	CHECK(next(&s) == WIRE_DATA && s.size == WIRE_DATA_OVERHEAD + 3 * 8);
	CHECK(next(&s) == 0);
	offer(&s, 1);
	sender_push(s.sender);
	CHECK(next(&s) == WIRE_DATA && s.size == WIRE_DATA_OVERHEAD + 8);
	end_scene(&s);
}

static void credit_is_kept(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 3);
	unsigned sent = 0;

	CHECK(open_session(&s));
	for (unsigned i = 0; i < 10; i++) {
		offer(&s, 1);
		sender_push(s.sender);
	}
	for (; next(&s) == WIRE_DATA; sent++)
		CHECK(deliver(&s) == DATAGRAM_EVENTS);
	CHECK(sent == 3);
	hand_credit(s.server, "edits", 0);
	for (uint64_t i = 0; i < 3; i++) {
		s.hand.in.ticket = (struct datagram_ticket){0, s.hand.in.ticket.generation, i};
		acknowledge(&s);
	}
	CHECK(stats_of(&s).credit == 0 && stats_of(&s).events_acked == 3);
	s.now_us += 60000;
	CHECK(next(&s) == WIRE_PING); // how is it now?
	(void)deliver(&s);
	CHECK(next(&s) == 0);
	s.now_us += 60000;
	hand_credit(s.server, "edits", 2);
	CHECK(next(&s) == WIRE_PING);
	(void)deliver(&s);
	CHECK(next(&s) == WIRE_DATA);
	CHECK(next(&s) == WIRE_DATA);
	CHECK(next(&s) == 0);
	end_scene(&s);
}

static void what_is_sent_again_is_the_same(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){.resend_us = 30000}, 10);
	uint8_t first[WIRE_DATAGRAM_MAX];
	size_t size;

	CHECK(open_session(&s));
	offer(&s, 2);
	sender_push(s.sender);
	CHECK(next(&s) == WIRE_DATA);
	size = s.size;
	memcpy(first, s.out, size);
	offer(&s, 1); // into another datagram
	s.now_us += 29999;
	sender_push(s.sender);
	CHECK(next(&s) == WIRE_DATA && s.out[19] == 1);
	CHECK(next(&s) == 0);
	s.now_us += 1;
	CHECK(next(&s) == WIRE_DATA && s.size == size && memcmp(s.out, first, size) == 0);
	CHECK(stats_of(&s).datagrams_resent == 1);
	s.now_us += 59999; // twice as long, now; the other one is due before
	CHECK(next(&s) == WIRE_DATA && s.out[19] == 1);
	CHECK(next(&s) == 0);
	s.now_us += 1;
	CHECK(next(&s) == WIRE_DATA && memcmp(s.out, first, size) == 0);
	end_scene(&s);
}

static void what_is_overtaken_is_sent_again_at_once(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){.resend_us = 1000000}, 10);

	CHECK(open_session(&s));
	offer(&s, 1);
	sender_push(s.sender);
	CHECK(next(&s) == WIRE_DATA); // lost
	s.now_us += 6000;
	offer(&s, 1);
	sender_push(s.sender);
	CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS);
	s.now_us += 1000;
	acknowledge(&s);
	CHECK(next(&s) == WIRE_DATA && s.out[19] == 0);
	CHECK(deliver(&s) == DATAGRAM_EVENTS);
	acknowledge(&s);
	CHECK(sender_is_empty(s.sender));
	CHECK(stats_of(&s).round_trip_us > 900);
	end_scene(&s);
}

static void into_silence_goes_no_data(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){.resend_us = 30000}, 10);
	unsigned kinds[WIRE_ACK + 1] = {0};

	CHECK(open_session(&s));
	for (unsigned i = 0; i < 5; i++) {
		offer(&s, 1);
		sender_push(s.sender);
	}
	for (unsigned i = 0; i < 2000; i++, s.now_us += 1000)
		while (next(&s) != 0)
			kinds[s.out[3]]++;
	CHECK(kinds[WIRE_DATA] >= 10 && kinds[WIRE_DATA] <= 20);
	CHECK(kinds[WIRE_PING] >= 4 && kinds[WIRE_PING] <= 7);
	// A word of the server, and it goes on.
	s.now_us += 1000000;
	CHECK(next(&s) == WIRE_PING);
	(void)deliver(&s);
	CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS);
	end_scene(&s);
}

static void a_forgotten_session_is_opened_anew(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 10);
	uint8_t reset[DATAGRAM_ANSWER_MAX];
	uint64_t number;

	CHECK(open_session(&s));
	offer(&s, 1);
	sender_push(s.sender);
	CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS); // and nothing is stored
	datagram_server_free(s.server);
	s.server = s.hand.server = new_server(10);
	s.now_us += 3000000;
	CHECK(next(&s) == WIRE_PING);
	s.hand.now_ms = (int64_t)(s.now_us / 1000);
	(void)hand_give(&s.hand, s.out, s.size);
	CHECK(wire_kind_of(s.hand.in.answer, s.hand.in.answer_size) == WIRE_RESET);
	memcpy(reset, s.hand.in.answer, sizeof(reset));
	for (size_t bit = 0; bit < sizeof(struct wire_reset) * 8; bit++) {
		reset[bit / 8] ^= (uint8_t)(1 << bit % 8);
		sender_receive(s.sender, view_of(reset, sizeof(struct wire_reset)), s.now_us);
		reset[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(sender_state(s.sender) == SENDER_READY);
	sender_receive(s.sender, view_of(reset, sizeof(struct wire_reset)), s.now_us);
	CHECK(sender_state(s.sender) == SENDER_HELLO);
	CHECK(sender_offer(s.sender, view_of_text("{\"b\":2}"), s.now_us, &number) == SL_OK);
	CHECK(open_session(&s) && stats_of(&s).sessions == 2);
	// The old RESET is of the old session.
	sender_receive(s.sender, view_of(reset, sizeof(struct wire_reset)), s.now_us);
	CHECK(sender_state(s.sender) == SENDER_READY);
	CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS);
	CHECK(view_equal(s.hand.in.text, view_of_text("{\"a\":1}\n")));
	end_scene(&s);
}

/** Events with an odd number are given up. */
static bool give_up_odd(void *self, uint64_t first_event, uint32_t count)
{
	unsigned *asked = self;

	*asked += count;
	return first_event % 2 == 0;
}

static void who_offers_decides_what_comes_again(void)
{
	unsigned asked = 0;
	struct sender_options options = {.repeat = give_up_odd, .repeat_self = &asked};
	struct scene s = new_scene("alice", 1, options, 3);

	CHECK(open_session(&s));
	for (unsigned i = 0; i < 5; i++) {
		offer(&s, 1);
		sender_push(s.sender);
	}
	for (unsigned i = 0; i < 3; i++) // 0, 1, 2 are on their way; 3 and 4 wait for credit
		CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS);
	CHECK(next(&s) == 0 && asked == 0);
	datagram_server_free(s.server);
	s.server = s.hand.server = new_server(10);
	s.now_us += 3000000;
	CHECK(next(&s) == WIRE_PING);
	(void)deliver(&s); // RESET
	CHECK(asked == 3 && sender_state(s.sender) == SENDER_HELLO);
	CHECK(open_session(&s));
	for (unsigned i = 0; i < 4; i++) {
		CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS);
		CHECK(!sender_is_empty(s.sender));
		acknowledge(&s);
		s.now_us += 2000;
	}
	CHECK(next(&s) == 0);
	CHECK(sender_is_empty(s.sender) && stats_of(&s).events_acked == 4);
	end_scene(&s);
}

static void refusals_are_told_and_asked_again(void)
{
	struct scene s = new_scene("bob", 2, (struct sender_options){0}, 10);
	struct sender_options named = {.stream = view_of_text("orders")};

	CHECK(next(&s) == WIRE_HELLO);
	(void)deliver(&s);
	CHECK(sender_refusal(s.sender) == SENDER_REFUSED);
	CHECK(next(&s) == 0);
	s.now_us += 1000000;
	s.hand.stream = "orders"; // where bob may send
	CHECK(open_session(&s) && sender_refusal(s.sender) == SENDER_NOT_REFUSED);
	end_scene(&s);
	s = new_scene("alice", 1, named, 10);
	CHECK(next(&s) == WIRE_HELLO);
	(void)deliver(&s);
	CHECK(sender_refusal(s.sender) == SENDER_OTHER_STREAM);
	end_scene(&s);
}

static void a_full_server_is_told(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 10);
	struct hand other;

	for (unsigned i = 0; i < 2; i++) {
		hand_init(&other, s.server, engine, "alice", 1);
		CHECK(hand_open(&other));
	}
	CHECK(!open_session(&s));
	CHECK(sender_refusal(s.sender) == SENDER_FULL_SERVER);
	s.now_us += 3600000000 + 1000000000;
	CHECK(open_session(&s) && sender_refusal(s.sender) == SENDER_NOT_REFUSED);
	end_scene(&s);
}

/** There was no room, then there was: the first answer, which comes last, does not end what has begun. */
static void a_late_refusal_ends_no_session(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 10);
	uint8_t reset[DATAGRAM_ANSWER_MAX];
	struct hand others[2];

	for (unsigned i = 0; i < 2; i++) {
		hand_init(&others[i], s.server, engine, "alice", 1);
		others[i].now_ms = (int64_t)(s.now_us / 1000);
		CHECK(hand_open(&others[i]));
	}
	s.now_us += (uint64_t)DATAGRAM_IDLE_MS_MIN * 1000;
	CHECK(next(&s) == WIRE_HELLO);
	(void)deliver(&s);
	CHECK(next(&s) == WIRE_PING); // 1
	s.hand.now_ms = (int64_t)(s.now_us / 1000);
	(void)hand_give(&s.hand, s.out, s.size);
	CHECK(wire_kind_of(s.hand.in.answer, s.hand.in.answer_size) == WIRE_RESET);
	memcpy(reset, s.hand.in.answer, sizeof(reset));
	s.now_us += 60000;
	CHECK(next(&s) == WIRE_PING); // 2
	(void)deliver(&s);
	CHECK(sender_state(s.sender) == SENDER_READY);
	sender_receive(s.sender, view_of(reset, sizeof(struct wire_reset)), s.now_us);
	CHECK(sender_state(s.sender) == SENDER_READY && stats_of(&s).sessions == 1);
	end_scene(&s);
}

static void old_acknowledgements_change_no_credit(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 10);
	uint8_t old[DATAGRAM_ANSWER_MAX];
	uint32_t size;

	CHECK(next(&s) == WIRE_HELLO);
	(void)deliver(&s);
	CHECK(next(&s) == WIRE_PING);
	(void)deliver(&s);
	size = s.hand.in.answer_size;
	memcpy(old, s.hand.in.answer, size);
	CHECK(stats_of(&s).credit == 10);
	hand_credit(s.server, "edits", 2);
	offer(&s, 1);
	sender_push(s.sender);
	CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS);
	acknowledge(&s);
	CHECK(stats_of(&s).credit == 2 && stats_of(&s).events_acked == 1);
	sender_receive(s.sender, view_of(old, size), s.now_us);
	CHECK(stats_of(&s).credit == 2);
	end_scene(&s);
}

/** A child's copy has no keys: what it sent would be sealed with zeros, by a sequence that the parent uses too. */
static void a_forked_copy_sends_nothing(void)
{
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 10);
	pid_t child;
	int status;

	CHECK(open_session(&s));
	offer(&s, 1);
	sender_push(s.sender);
	child = fork();
	if (child == 0) {
		bool is_silent = sender_is_forked(s.sender) && next(&s) == 0;

		s.now_us += 60000000;
		_exit(is_silent && next(&s) == 0 ? 0 : 1);
	}
	CHECK_FATAL(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(status == 0);
	CHECK(!sender_is_forked(s.sender));
	CHECK(next(&s) == WIRE_DATA && deliver(&s) == DATAGRAM_EVENTS);
	end_scene(&s);
}

/** Nobody who knows what zeros derive can welcome a copy that was forked before its session began. */
static void a_forked_copy_is_not_welcomed(void)
{
	static const uint8_t zeros[WIRE_KEY_SIZE];
	struct scene s = new_scene("alice", 1, (struct sender_options){0}, 10);
	struct wire_welcome welcome = {.head = wire_head_of(WIRE_WELCOME)};
	struct wire_hello hello;
	pid_t child;
	int status;

	CHECK_FATAL(next(&s) == WIRE_HELLO);
	memcpy(&hello, s.out, sizeof(hello));
	memcpy(welcome.client_nonce, hello.client_nonce, sizeof(welcome.client_nonce));
	wire_mac_put(engine, zeros, &welcome, sizeof(welcome));
	child = fork();
	if (child == 0) {
		sender_receive(s.sender, view_of(&welcome, sizeof(welcome)), s.now_us);
		_exit(sender_state(s.sender) == SENDER_HELLO ? 0 : 1);
	}
	CHECK_FATAL(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(status == 0);
	end_scene(&s);
}

static const struct check_test tests[] = {
	{"options have bounds", options_have_bounds},
	{"events have bounds", events_have_bounds},
	{"HELLO waits longer each time", hello_waits_longer_each_time},
	{"a WELCOME that leads nowhere is left", a_welcome_that_leads_nowhere_is_left},
	{"events wait for company", events_wait_for_company},
	{"credit is kept", credit_is_kept},
	{"what is sent again is the same", what_is_sent_again_is_the_same},
	{"what is overtaken is sent again at once", what_is_overtaken_is_sent_again_at_once},
	{"into silence goes no data", into_silence_goes_no_data},
	{"a forgotten session is opened anew", a_forgotten_session_is_opened_anew},
	{"who offers decides what comes again", who_offers_decides_what_comes_again},
	{"refusals are told and asked again", refusals_are_told_and_asked_again},
	{"a full server is told", a_full_server_is_told},
	{"a late refusal ends no session", a_late_refusal_ends_no_session},
	{"old acknowledgements change no credit", old_acknowledgements_change_no_credit},
	{"a forked copy sends nothing", a_forked_copy_sends_nothing},
	{"a forked copy is not welcomed", a_forked_copy_is_not_welcomed},
};

int main(void)
{
	return run_scenes("datagram sender", tests, sizeof(tests) / sizeof(tests[0]));
}
