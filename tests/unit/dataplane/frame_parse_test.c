#include "dataplane/pipeline/frame_wire.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/hex.h"
#include "tests/support/packet.h"

#include <stdio.h>

#define BYTES(...)                                                                                 \
	{                                                                                          \
		(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})             \
	}
#define TEXT                                                                                       \
	{                                                                                          \
		(const uint8_t *)"{\"a\":1}", 7                                                    \
	}

enum where {
	AT_FRAME,
	AT_IP,
	AT_UDP
};

enum rule {
	ANY_ADDRESS = 1,
	CHECKED_IP = 2,
	CHECKED_UDP = 4,
	MAY_BE_UNFINISHED = 8
};

struct patch {
	enum where where;
	uint32_t at;
	int value; // + 0x100, so that zeros patch nothing
};

#define SET(byte) (0x100 + (byte))

struct frame_case {
	const char *what;
	struct packet_plan plan;
	struct patch patch[4];
	bool is_mended; // checksums are right again after the patches
	uint32_t cut;   // bytes off the frame's end
	int rules;      // enum rule
	enum frame_fate fate;
	enum frame_reason reason;
};

#include "tests/unit/dataplane/frame_cases.def"

static const size_t case_count = sizeof(cases) / sizeof(cases[0]);

static struct frame_address ipv4(const uint8_t bytes[4])
{
	struct frame_address a = {.bytes = {[10] = 0xff, [11] = 0xff}};

	memcpy(a.bytes + 12, bytes, 4);
	return a;
}

static struct frame_rules rules_of(int flags)
{
	struct frame_rules rules = {
		.address_count = (flags & ANY_ADDRESS) != 0 ? 0 : 2,
		.port = {4999, 5000, 7000},
		.port_count = 3,
		.has_checked_ip = (flags & CHECKED_IP) != 0,
		.has_checked_udp = (flags & CHECKED_UDP) != 0,
		.may_be_unfinished = (flags & MAY_BE_UNFINISHED) != 0,
	};

	memcpy(rules.mac, packet_own_mac, sizeof(rules.mac));
	rules.address[0] = ipv4(packet_own_ipv4);
	memcpy(rules.address[1].bytes, packet_own_ipv6, 16);
	return rules;
}

/** Parse a frame that ends at an unmapped page. */
static struct flow parse(
	const struct frame_rules *rules,
	const uint8_t *bytes,
	size_t size,
	struct view *ret_payload_at // bytes: offset in the frame
)
{
	struct guarded g = guarded_new(size);
	struct view frame = view_of(g.bytes, size);
	struct view payload = {0};
	struct flow flow;
	size_t count;

	if (size != 0)
		memcpy(g.bytes, bytes, size);
	count = frame_parse_burst(rules, &frame, 1, &flow, &payload);
	CHECK(count == (flow.fate == FRAME_EVENT));
	if (flow.fate == FRAME_EVENT) {
		CHECK(payload.size != 0 && payload.bytes >= frame.bytes);
		CHECK(payload.bytes + payload.size <= frame.bytes + frame.size);
		CHECK_EQUAL(flow.reason, FRAME_DROP_NONE);
		*ret_payload_at = view_of(bytes + (payload.bytes - frame.bytes), payload.size);
	} else {
		CHECK(payload.size == 0);
		CHECK((flow.fate == FRAME_DROPPED) == (flow.reason != FRAME_DROP_NONE));
	}
	guarded_free(&g);
	return flow;
}

static void make(const struct frame_case *c, struct packet *p)
{
	packet_build(&c->plan, p);
	for (int i = 0; i < 4; i++) {
		const struct patch *patch = &c->patch[i];
		uint32_t base = patch->where == AT_IP ? p->ip : patch->where == AT_UDP ? p->udp : 0;

		if (patch->value != 0)
			p->bytes[base + patch->at] = (uint8_t)patch->value;
	}
	if (c->is_mended)
		packet_mend(p);
	p->size -= c->cut;
}

static void test_cases(void)
{
	for (size_t i = 0; i < case_count; i++) {
		const struct frame_case *c = &cases[i];
		const struct frame_rules rules = rules_of(c->rules);
		static struct packet p;
		struct view payload = {0};
		struct flow flow;

		make(c, &p);
		flow = parse(&rules, p.bytes, p.size, &payload);
		if (flow.fate != c->fate || flow.reason != c->reason)
			fprintf(stderr,
				"%s: fate %d, reason %s\n",
				c->what,
				flow.fate,
				frame_reason_counter(flow.reason));
		CHECK_EQUAL(flow.fate, c->fate);
		CHECK_EQUAL(flow.reason, c->reason);
		if (c->fate == FRAME_EVENT && flow.fate == FRAME_EVENT)
			CHECK(view_equal(payload, c->plan.payload));
	}
}

static void test_every_reason_is_produced(void)
{
	static const enum frame_reason parsed[] = {
		FRAME_DROP_IP_HEADER,
		FRAME_DROP_IP_LENGTH,
		FRAME_DROP_UDP_LENGTH,
		FRAME_DROP_UDP_CHECKSUM,
		FRAME_DROP_EMPTY,
	};

	for (size_t r = 0; r < sizeof(parsed) / sizeof(parsed[0]); r++) {
		bool is_produced = false;

		for (size_t i = 0; i < case_count; i++)
			is_produced = is_produced || cases[i].reason == parsed[r];
		CHECK(is_produced);
	}
}

static void test_reasons_have_texts(void)
{
	for (int r = 0; r < FRAME_DROP_COUNT; r++) {
		CHECK(strlen(frame_reason_counter((enum frame_reason)r)) > 1);
		CHECK(strlen(frame_reason_help((enum frame_reason)r)) > 4);
		for (int other = 0; other < r; other++)
			CHECK(strcmp(frame_reason_counter((enum frame_reason)r),
				     frame_reason_counter((enum frame_reason)other))
			      != 0);
	}
	CHECK(strcmp(frame_reason_counter(FRAME_DROP_UDP_LENGTH), "udp-length") == 0);
}

static void test_flow(void)
{
	const struct packet_plan plan = {
		.tag_type = {0x88a8, 0x8100},
		.tag = {0x312c, 0xe007},
		.source_port = 0x1234,
		.target_port = 7000,
		.payload = TEXT,
	};
	const struct frame_rules rules = rules_of(0);
	static struct packet p;
	struct frame_address source = ipv4(packet_peer_ipv4);
	struct frame_address target = ipv4(packet_own_ipv4);
	struct view payload = {0};
	struct flow flow;

	packet_build(&plan, &p);
	flow = parse(&rules, p.bytes, p.size, &payload);
	CHECK_EQUAL(flow.fate, FRAME_EVENT);
	CHECK(memcmp(flow.source_mac, packet_peer_mac, 6) == 0);
	CHECK(memcmp(flow.target_mac, packet_own_mac, 6) == 0);
	CHECK_EQUAL(flow.vlan_count, 2);
	CHECK(flow.vlan_type[0] == 0x88a8 && flow.vlan[0] == 0x312c);
	CHECK(flow.vlan_type[1] == 0x8100 && flow.vlan[1] == 0xe007);
	CHECK(flow.is_ipv6 == 0);
	CHECK(memcmp(&flow.source, &source, sizeof(source)) == 0);
	CHECK(memcmp(&flow.target, &target, sizeof(target)) == 0);
	CHECK(flow.source_port == 0x1234 && flow.target_port == 7000 && flow.port_index == 2);
}

static void test_flow_ipv6(void)
{
	const struct packet_plan plan = {.is_ipv6 = true, .payload = TEXT};
	const struct frame_rules rules = rules_of(0);
	static struct packet p;
	struct view payload = {0};
	struct flow flow;

	packet_build(&plan, &p);
	flow = parse(&rules, p.bytes, p.size, &payload);
	CHECK_EQUAL(flow.fate, FRAME_EVENT);
	CHECK(flow.is_ipv6 == 1 && flow.vlan_count == 0);
	CHECK(memcmp(flow.source.bytes, packet_peer_ipv6, 16) == 0);
	CHECK(memcmp(flow.target.bytes, packet_own_ipv6, 16) == 0);
	CHECK(flow.source_port == 40000 && flow.target_port == 5000 && flow.port_index == 1);
}

/** Frames as a Linux 6.18 sent them on a veth without checksum offload. */
static void test_frames_of_linux(void)
{
	static const struct {
		const char *hex;
		const char *payload;
	} frames[] = {
		{"02000000000b02000000000a080045000025ff7340004011b750c0000201c00002029c40138800111"
		 "1"
		 "9e5365616c616e65213f",
		 "Sealane!?"},
		{"02000000000b02000000000a080047000030ff7440004011a47ac0000201c0000202070708c000020"
		 "1"
		 "019c40138800146cb55365616c616e65206f707473",
		 "Sealane opts"},
		{"02000000000b02000000000a86dd600112ac0013114020010db800000000000000000000000120010"
		 "d"
		 "b80000000000000000000000029c41138800138dbf5365616c616e6520736978",
		 "Sealane six"},
		{"02000000000b02000000000a86dd600112ac0027004020010db800000000000000000000000120010"
		 "d"
		 "b80000000000000000000000023c0001040000000011000104000000009c4113880017b41e5365616"
		 "c"
		 "616e652073697820657874",
		 "Sealane six ext"},
	};
	const struct frame_rules rules = rules_of(0);

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		uint8_t bytes[200];
		size_t size = hex_read(frames[i].hex, bytes, sizeof(bytes));
		struct view payload = {0};
		struct flow flow = parse(&rules, bytes, size, &payload);

		CHECK_EQUAL(flow.fate, FRAME_EVENT);
		CHECK(flow.fate == FRAME_EVENT
		      && view_equal(payload, view_of_text(frames[i].payload)));
	}
}

/** A frame that is cut anywhere before its padding is no event; nothing is read behind its end. */
static void test_cut_anywhere(void)
{
	for (size_t i = 0; i < case_count; i++) {
		const struct frame_rules rules = rules_of(cases[i].rules);
		static struct packet p;
		struct view payload = {0};

		make(&cases[i], &p);
		for (uint32_t size = 0; size < p.size; size++) {
			struct flow flow = parse(&rules, p.bytes, size, &payload);

			CHECK(flow.fate != FRAME_EVENT || size >= p.size - cases[i].plan.padding);
		}
	}
}

/** Whatever bit is flipped on the way: if it still is an event, then it is the same one. */
static void test_flip_any_bit(void)
{
	for (size_t i = 0; i < case_count; i++) {
		const struct frame_rules rules = rules_of(cases[i].rules);
		static struct packet p;
		struct view payload = {0};

		if (cases[i].fate != FRAME_EVENT || cases[i].plan.has_no_checksum
		    || (cases[i].rules & (CHECKED_UDP | MAY_BE_UNFINISHED)) != 0)
			continue;
		make(&cases[i], &p);
		for (uint32_t bit = 0; bit < p.size * 8; bit++) {
			struct flow flow;

			p.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			flow = parse(&rules, p.bytes, p.size, &payload);
			CHECK(flow.fate != FRAME_EVENT || view_equal(payload, cases[i].plan.payload)
			);
			p.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/** Checksums of every size and alignment of payload, of bytes that carry. */
static void test_checksum_sizes(void)
{
	static uint8_t bytes[1500];
	const struct frame_rules rules = rules_of(0);

	for (size_t size = 1; size <= 1400; size += size < 70 ? 1 : 133) {
		for (int is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
			struct packet_plan plan = {
				.is_ipv6 = is_ipv6, .payload = view_of(bytes, size)};
			static struct packet p;
			struct view payload = {0};
			struct flow flow;

			for (size_t i = 0; i < size; i++)
				bytes[i] = (uint8_t)(0xff - i * i % 3);
			packet_build(&plan, &p);
			flow = parse(&rules, p.bytes, p.size, &payload);
			CHECK_EQUAL(flow.fate, FRAME_EVENT);
			p.bytes[p.payload + size - 1] ^= 0x10;
			flow = parse(&rules, p.bytes, p.size, &payload);
			CHECK_EQUAL(flow.reason, FRAME_DROP_UDP_CHECKSUM);
		}
	}
}

/** Wide registers and words come to the same sum, wherever the bytes lie and however they carry. */
static void test_long_sums(void)
{
	static uint8_t bytes[1600];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i % 5 == 0 ? i * 37 : 0xff);
	for (size_t size = 0; size <= 1500; size++)
		for (size_t at = 0; at < 4; at++)
			CHECK_EQUAL(
				sum_fold(sum_long(size, bytes + at, size)),
				sum_fold(sum_bytes(size, bytes + at, size))
			);
}

/** A sum of zero is sent as 0xffff (RFC 768): the payload is chosen so that it comes up. */
static void test_checksum_zero_is_sent_as_ones(void)
{
	const struct frame_rules rules = rules_of(0);
	uint8_t payload_bytes[2] = {0, 0};
	struct packet_plan plan = {.payload = {payload_bytes, 2}};
	static struct packet p;
	struct view payload = {0};
	struct flow flow;

	packet_build(&plan, &p);
	// The checksum of a zero payload, put into the payload, makes the sum 0xffff.
	memcpy(payload_bytes, p.bytes + p.udp + 6, 2);
	packet_build(&plan, &p);
	CHECK(p.bytes[p.udp + 6] == 0xff && p.bytes[p.udp + 7] == 0xff);
	flow = parse(&rules, p.bytes, p.size, &payload);
	CHECK_EQUAL(flow.fate, FRAME_EVENT);
}

static void test_burst(void)
{
	enum {
		COUNT = 3
	};

	const struct packet_plan plans[COUNT] = {
		{.payload = BYTES('a')},
		{.payload = BYTES('b'), .target_port = 9},
		{.payload = BYTES('c'), .is_ipv6 = true},
	};
	const struct frame_rules rules = rules_of(0);
	static struct packet packets[COUNT];
	struct view frames[COUNT];
	struct view payloads[COUNT];
	struct flow flows[COUNT];

	for (int i = 0; i < COUNT; i++) {
		packet_build(&plans[i], &packets[i]);
		frames[i] = view_of(packets[i].bytes, packets[i].size);
	}
	CHECK_EQUAL(frame_parse_burst(&rules, frames, COUNT, flows, payloads), 2);
	CHECK(view_equal(payloads[0], plans[0].payload) && flows[0].fate == FRAME_EVENT);
	CHECK(payloads[1].size == 0 && flows[1].fate == FRAME_KERNEL);
	CHECK(view_equal(payloads[2], plans[2].payload) && flows[2].fate == FRAME_EVENT);
	CHECK_EQUAL(frame_parse_burst(&rules, frames, 0, flows, payloads), 0);
}

static void test_no_port_takes_nothing(void)
{
	const struct packet_plan plan = {.payload = TEXT};
	struct frame_rules rules = rules_of(0);
	static struct packet p;
	struct view payload = {0};

	rules.port_count = 0;
	packet_build(&plan, &p);
	CHECK_EQUAL(parse(&rules, p.bytes, p.size, &payload).fate, FRAME_KERNEL);
}

static const struct check_test tests[] = {
	{"every case has its fate and reason", test_cases},
	{"every reason of the parser is produced", test_every_reason_is_produced},
	{"reasons have texts", test_reasons_have_texts},
	{"the flow says where it came from", test_flow},
	{"the flow of IPv6", test_flow_ipv6},
	{"frames as Linux sends them", test_frames_of_linux},
	{"frames cut anywhere", test_cut_anywhere},
	{"frames with any bit flipped", test_flip_any_bit},
	{"checksums of every size", test_checksum_sizes},
	{"sums of many bytes", test_long_sums},
	{"a checksum of zero goes as ones", test_checksum_zero_is_sent_as_ones},
	{"a burst, row by row", test_burst},
	{"no event port, no event", test_no_port_takes_nothing},
};
CHECK_MAIN("frame_parse")
