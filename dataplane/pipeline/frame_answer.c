#include "dataplane/pipeline/frame_wire.h"

enum {
	HOPS = 64 // time to live, hop limit
};

static uint8_t *put_be16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return to + 2;
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t size)
{
	memcpy(to, bytes, size);
	return to + size;
}

static uint8_t *put_ethernet(uint8_t *to, const struct flow *flow)
{
	to = put(to, flow->source_mac, sizeof(flow->source_mac));
	to = put(to, flow->target_mac, sizeof(flow->target_mac));
	for (uint8_t i = 0; i < flow->vlan_count; i++) {
		to = put_be16(to, flow->vlan_type[i]);
		to = put_be16(to, flow->vlan[i]);
	}
	return put_be16(to, flow->is_ipv6 ? ETHERTYPE_OF_IPV6 : ETHERTYPE_OF_IPV4);
}

static uint8_t *put_ipv4(uint8_t *to, const struct flow *flow, size_t udp_size)
{
	// An answer is never fragmented: identification is of no meaning (RFC 6864 §4.1).
	static const uint8_t front[2] = {0x45, 0};
	static const uint8_t middle[8] = {0, 0, 0x40, 0, HOPS, PROTOCOL_UDP, 0, 0};
	uint8_t *header = to;
	uint16_t checksum;

	to = put(to, front, sizeof(front));
	to = put_be16(to, (uint16_t)(IPV4_HEADER_SIZE + udp_size));
	to = put(to, middle, sizeof(middle));
	to = put(to, flow->target.bytes + 12, 4);
	to = put(to, flow->source.bytes + 12, 4);
	checksum = (uint16_t)~sum_fold(sum_bytes(0, header, IPV4_HEADER_SIZE));
	memcpy(header + 10, &checksum, sizeof(checksum));
	return to;
}

static uint8_t *put_ipv6(uint8_t *to, const struct flow *flow, size_t udp_size)
{
	static const uint8_t front[4] = {0x60, 0, 0, 0};
	static const uint8_t middle[2] = {PROTOCOL_UDP, HOPS};

	to = put(to, front, sizeof(front));
	to = put_be16(to, (uint16_t)udp_size);
	to = put(to, middle, sizeof(middle));
	to = put(to, flow->target.bytes, sizeof(flow->target.bytes));
	return put(to, flow->source.bytes, sizeof(flow->source.bytes));
}

static void put_udp(uint8_t *to, const struct flow *flow, struct view payload)
{
	const uint16_t udp_size = (uint16_t)(UDP_HEADER_SIZE + payload.size);
	uint8_t *header = to;
	uint16_t checksum;
	uint64_t sum;

	to = put_be16(to, flow->target_port);
	to = put_be16(to, flow->source_port);
	to = put_be16(to, udp_size);
	put_be16(to, 0);
	sum = sum_bytes(sum_pseudo(flow, udp_size), header, UDP_HEADER_SIZE);
	checksum = (uint16_t)~sum_fold(sum_long(sum, payload.bytes, payload.size));
	if (checksum == 0) // which would say that there is none
		checksum = 0xffff;
	memcpy(header + 6, &checksum, sizeof(checksum));
}

size_t frame_answer(
	const struct flow *flow,
	struct view payload,
	uint8_t headers[static FRAME_HEADERS_MAX]
)
{
	const size_t udp_size = UDP_HEADER_SIZE + payload.size;
	const size_t ip_size = flow->is_ipv6 ? IPV6_HEADER_SIZE : IPV4_HEADER_SIZE;
	const size_t size = 14u + 4u * flow->vlan_count + ip_size + UDP_HEADER_SIZE;
	uint8_t *to = put_ethernet(headers + FRAME_HEADERS_MAX - size, flow);

	to = flow->is_ipv6 ? put_ipv6(to, flow, udp_size) : put_ipv4(to, flow, udp_size);
	put_udp(to, flow, payload);
	return size;
}
