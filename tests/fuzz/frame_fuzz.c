// Finds frames whose payload lies outside, whose checksums were not looked at, or whose answer does not come back.
// Targets: frame_parse_burst, frame_answer

#include "dataplane/pipeline/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
	IS_UNMENDED = 1, // leave the checksums as they are
	ANY_ADDRESS = 2,
	CHECKED_IP = 4,
	CHECKED_UDP = 8
};

static const struct frame_rules rules_of_port = {
	.mac = {2, 0, 0, 0, 0, 0x0b},
	.address =
		{
			{.bytes = {[10] = 0xff, 0xff, 192, 0, 2, 2}},
			{.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 2}},
		},
	.address_count = 2,
	.port = {5000, 7000},
	.port_count = 2,
};

/** A payload that is not wholly inside the frame is a disclosure waiting to happen. */
static void check_inside(struct view frame, const struct flow *flow, struct view payload)
{
	if (flow->fate != FRAME_EVENT) {
		if (payload.size != 0 || (flow->fate == FRAME_DROPPED) != (flow->reason != 0))
			abort();
		return;
	}
	if (payload.size == 0 || flow->reason != 0 || flow->vlan_count > 2
	    || flow->port_index >= rules_of_port.port_count)
		abort();
	if (payload.bytes < frame.bytes + 42
	    || payload.bytes + payload.size > frame.bytes + frame.size)
		abort();
}

/** An answer goes to who sent: parsed on the other side it has the flow's ends, turned round. */
static void check_answer(const struct flow *flow, struct view payload)
{
	struct frame_rules rules = {.port = {flow->source_port}, .port_count = 1};
	uint8_t *answer = malloc(FRAME_HEADERS_MAX + payload.size);
	size_t size = frame_answer(flow, payload, answer);
	struct view frame = {.bytes = answer + FRAME_HEADERS_MAX - size, size + payload.size};
	struct view text;
	struct flow back;

	memcpy(answer + FRAME_HEADERS_MAX, payload.bytes, payload.size);
	memcpy(rules.mac, flow->source_mac, sizeof(rules.mac));
	// Our own MAC in a frame is ours, not a group's: the answer can come from it.
	if (frame_parse_burst(&rules, &frame, 1, &back, &text) != 1 || !view_equal(text, payload))
		abort();
	if (memcmp(&back.source, &flow->target, sizeof(back.source)) != 0
	    || memcmp(&back.target, &flow->source, sizeof(back.target)) != 0
	    || back.source_port != flow->target_port)
		abort();
	free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct frame_rules rules = rules_of_port;
	struct view frame;
	struct view payload;
	struct flow flow;
	uint8_t *copy;

	if (size == 0)
		return 0;
	copy = malloc(size - 1 + (size == 1));
	memcpy(copy, bytes + 1, size - 1);
	frame = view_of(copy, size - 1);
	if ((bytes[0] & ANY_ADDRESS) != 0)
		rules.address_count = 0;
	// Checksums stand in a fuzzer's way: taken as checked unless it is to find them.
	rules.has_checked_ip = (bytes[0] & (IS_UNMENDED | CHECKED_IP)) != IS_UNMENDED;
	rules.has_checked_udp = (bytes[0] & (IS_UNMENDED | CHECKED_UDP)) != IS_UNMENDED;
	frame_parse_burst(&rules, &frame, 1, &flow, &payload);
	check_inside(frame, &flow, payload);
	if (flow.fate == FRAME_EVENT)
		check_answer(&flow, payload);
	free(copy);
	return 0;
}
