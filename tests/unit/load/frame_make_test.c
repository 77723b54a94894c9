#include "bench/load/frame_make.h"
#include "bench/load/stock.h"
#include "tests/support/check.h"
#include "tests/support/packet.h"
#include "tests/support/scratch.h"

enum {
	EVENTS = 64,
	FRAME_MAX = 400
};

static uint8_t frames[EVENTS][FRAME_MAX];
static struct framed framed[EVENTS];

static struct stock make_stock(const char *number)
{
	// The subject's digits lie at odd and even places: the lines are of odd and even lengths in front of it.
	static const char lines[] = "{\"comment\":\"b\",\"user\":\"a\"}\n"
				    "{\"comment\":\"bc\",\"user\":\"a\"}\n"
				    "{\"user\":\"a\",\"comment\":\"bcd\"}\n"
				    "{\"c\":1,\"user\":\"a\",\"comment\":\"\"}\n";
	const char *path = scratch_path("events.ndjson");
	const struct stock_options options = {
		.path = path,
		.count = EVENTS,
		.subject = "user",
		.text = "comment",
		.number = number,
	};
	struct problem problem;
	struct stock stock;

	scratch_write(path, lines, sizeof(lines) - 1);
	CHECK_FATAL(stock_make(&options, &stock, &problem) == SL_OK);
	return stock;
}

/** Frames, stamped over and over, are taken as events by the dataplane's own parser, with the flow's ends. */
static void check_frames(const char *to, const char *number)
{
	const struct transport_options options = {.to = to, .mac = "02:00:00:00:00:0b", .flows = 3};
	struct frame_rules rules = {.port = {5000}, .port_count = 1};
	struct stock stock = make_stock(number);
	struct frame_maker maker;
	struct problem problem;

	memcpy(rules.mac, packet_own_mac, sizeof(rules.mac));
	CHECK_FATAL(frame_maker_init(&maker, &options, &problem) == SL_OK);
	for (uint32_t i = 0; i < EVENTS; i++)
		framed_make(&maker, i, &stock.events[i], frames[i], &framed[i]);
	for (uint32_t n = 0; n < 100 * EVENTS; n++) {
		const struct stock_event *event = &stock.events[n % EVENTS];
		struct view frame = view_of(frames[n % EVENTS], framed_size(&maker, event));
		struct view payload;
		struct flow flow;

		framed_stamp(&framed[n % EVENTS], n * 1234567 % 100000000, n * 98765432123ull);
		CHECK_FATAL(frame_parse_burst(&rules, &frame, 1, &flow, &payload) == 1);
		CHECK(view_equal(payload, view_of(event->bytes, event->size)));
		CHECK_EQUAL(flow.source_port, FRAME_SOURCE_PORT + n % EVENTS % 3);
	}
	stock_done(&stock);
}

static void test_frames(void)
{
	check_frames("192.0.2.2:5000", NULL);
	check_frames("192.0.2.2:5000", "n");
	check_frames("192.0.2.2:5000", "nn");
	check_frames("[2001:db8::2]:5000", NULL);
	check_frames("[2001:db8::2]:5000", "number");
}

static void test_refused(void)
{
	static const struct transport_options cases[] = {
		{.to = "192.0.2.2"},
		{.to = "192.0.2.2:0"},
		{.to = "192.0.2.2:65536"},
		{.to = "192.0.2.2:x"},
		{.to = "appliance:5000"},
		{.to = "2001:db8::2:5000"},
		{.to = "[2001:db8::2]"},
		{.to = ":5000"},
		{.to = "192.0.2.2:5000", .from = "2001:db8::1"},
		{.to = "192.0.2.2:5000", .from = "x"},
		{.to = "192.0.2.2:5000", .mac = "02:00:00:00:00"},
		{.to = "192.0.2.2:5000", .mac = "02:00:00:00:00:01:02"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct transport_options o = cases[i];
		struct frame_maker maker;
		struct problem problem;

		if (o.mac == NULL)
			o.mac = "02:00:00:00:00:0b";
		CHECK(frame_maker_init(&maker, &o, &problem) == SL_E_INVALID);
	}
}

static const struct check_test tests[] = {
	{"frames that the dataplane takes", test_frames},
	{"addresses that are none", test_refused},
};
CHECK_MAIN("frame_make")
