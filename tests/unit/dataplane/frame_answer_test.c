#include "dataplane/pipeline/frame.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/hex.h"
#include "tests/support/packet.h"

#include <stdlib.h>

static struct frame_rules rules_of_anybody(const uint8_t mac[6])
{
	struct frame_rules rules = {.port = {5000, 40000, 40001}, .port_count = 3};

	memcpy(rules.mac, mac, sizeof(rules.mac));
	return rules;
}

static struct flow flow_of(const struct packet_plan *plan)
{
	const struct frame_rules rules = rules_of_anybody(packet_own_mac);
	static struct packet p;
	struct view frame;
	struct view payload;
	struct flow flow;

	packet_build(plan, &p);
	frame = view_of(p.bytes, p.size);
	if (frame_parse_burst(&rules, &frame, 1, &flow, &payload) != 1)
		abort();
	return flow;
}

/** The whole frame of an answer; the headers' room is written by a byte too many at no end of it. */
static size_t answer(const struct flow *flow, struct view payload, uint8_t *ret_frame)
{
	struct guarded headers = guarded_new(FRAME_HEADERS_MAX);
	size_t size;

	memset(headers.bytes, 0xaa, FRAME_HEADERS_MAX);
	size = frame_answer(flow, payload, headers.bytes);
	CHECK(size >= 42 && size <= FRAME_HEADERS_MAX);
	for (size_t i = 0; i < FRAME_HEADERS_MAX - size; i++)
		CHECK_EQUAL(headers.bytes[i], 0xaa);
	memcpy(ret_frame, headers.bytes + FRAME_HEADERS_MAX - size, size);
	memcpy(ret_frame + size, payload.bytes, payload.size);
	guarded_free(&headers);
	return size + payload.size;
}

/** An answer, read by the parser on the other side, is the flow turned round. */
static void check_mirror(const struct packet_plan *plan, struct view text)
{
	const struct frame_rules rules = rules_of_anybody(packet_peer_mac);
	const struct flow there = flow_of(plan);
	static uint8_t bytes[2000];
	struct view frame = view_of(bytes, answer(&there, text, bytes));
	struct view payload;
	struct flow back;

	CHECK_EQUAL(frame_parse_burst(&rules, &frame, 1, &back, &payload), 1);
	CHECK(view_equal(payload, text));
	CHECK(memcmp(back.source_mac, there.target_mac, 6) == 0);
	CHECK(memcmp(back.target_mac, there.source_mac, 6) == 0);
	CHECK_EQUAL(back.vlan_count, there.vlan_count);
	CHECK(memcmp(back.vlan, there.vlan, sizeof(back.vlan)) == 0);
	CHECK(memcmp(back.vlan_type, there.vlan_type, sizeof(back.vlan_type)) == 0);
	CHECK_EQUAL(back.is_ipv6, there.is_ipv6);
	CHECK(memcmp(&back.source, &there.target, sizeof(back.source)) == 0);
	CHECK(memcmp(&back.target, &there.source, sizeof(back.target)) == 0);
	CHECK_EQUAL(back.source_port, there.target_port);
	CHECK_EQUAL(back.target_port, there.source_port);
}

static void test_mirror(void)
{
	const struct packet_plan plans[] = {
		{.is_ipv6 = false},
		{.is_ipv6 = true},
		{.tag_type = {0x8100}, .tag = {0xe123}},
		{.tag_type = {0x88a8, 0x8100}, .tag = {300, 7}},
		{.is_ipv6 = true, .tag_type = {0x8100, 0x8100}, .tag = {1, 2}},
		{.options = {(const uint8_t[]){1, 1, 1, 0}, 4}},
		{.is_ipv6 = true,
		 .first_extension = 60,
		 .extensions = {(const uint8_t[]){17, 0, 1, 4, 0, 0, 0, 0}, 8}},
		{.padding = 20},
		{.has_no_checksum = true},
	};

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct packet_plan plan = plans[i];

		plan.payload = view_of_text("a question");
		for (size_t size = 1; size < 70; size++) {
			uint8_t text[70];

			memset(text, (int)(0xff - i), size);
			check_mirror(&plan, view_of(text, size));
		}
	}
}

/** The very bytes that a Linux 6.18 sent, but for what is its own choice: identification and flow label. */
static void test_as_linux_would(void)
{
	static const struct {
		bool is_ipv6;
		uint16_t port;
		const char *payload;
		const char *hex;
	} cases[] = {
		{false,
		 40000,
		 "Sealane!?",
		 "02000000000b02000000000a080045000025000040004011b6c4c0000201c00002029c40138800111"
		 "1"
		 "9e5365616c616e65213f"},
		{true,
		 40001,
		 "Sealane six",
		 "02000000000b02000000000a86dd600000000013114020010db800000000000000000000000120010"
		 "d"
		 "b80000000000000000000000029c41138800138dbf5365616c616e6520736978"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flow flow = flow_of(&(struct packet_plan
		){.is_ipv6 = cases[i].is_ipv6, .payload = view_of_text("?")});
		struct flow from_own = flow;
		uint8_t expected[200];
		uint8_t frame[200];
		size_t size = hex_read(cases[i].hex, expected, sizeof(expected));

		// What Linux sent goes from the peer to us: an answer to what came from us to the peer.
		memcpy(from_own.source_mac, flow.target_mac, 6);
		memcpy(from_own.target_mac, flow.source_mac, 6);
		from_own.source = flow.target;
		from_own.target = flow.source;
		from_own.source_port = 5000;
		from_own.target_port = cases[i].port;
		CHECK_EQUAL(answer(&from_own, view_of_text(cases[i].payload), frame), size);
		CHECK(memcmp(frame, expected, size) == 0);
	}
}

/** The independent checksum of tests/support agrees, for every payload whose sum comes out as zero too. */
static void test_checksums(void)
{
	const struct flow flow = flow_of(&(struct packet_plan){.payload = view_of_text("?")});
	bool has_ones = false;

	for (unsigned n = 0; n < 0x10000; n++) {
		const uint8_t text[2] = {(uint8_t)(n >> 8), (uint8_t)n};
		uint8_t headers[FRAME_HEADERS_MAX];
		const uint8_t *ip = headers + FRAME_HEADERS_MAX
			- frame_answer(&flow, view_of(text, 2), headers) + 14;
		const uint8_t *udp = ip + 20;
		uint16_t pseudo = (uint16_t)~packet_checksum(ip + 12, 8, 17 + 10);
		uint16_t sum = packet_checksum(udp, 8, pseudo);

		if (packet_checksum(text, 2, (uint16_t)~sum) != 0)
			CHECK(false);
		if (udp[6] == 0 && udp[7] == 0)
			CHECK(false);
		has_ones = has_ones || (udp[6] == 0xff && udp[7] == 0xff);
	}
	CHECK(has_ones);
}

static const struct check_test tests[] = {
	{"an answer is the flow turned round", test_mirror},
	{"bytes as Linux sends them", test_as_linux_would},
	{"checksums, zero among them", test_checksums},
};
CHECK_MAIN("frame_answer")
