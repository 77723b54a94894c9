#include "dataplane/pipeline/frame_wire.h"
#include "io/base/cursor.h"

// A frame goes through parse_ethernet, parse_ipv4 or parse_ipv6, parse_udp. Each takes its header off the cursor and
// either leaves it at the next one, or decides the frame's fate and ends the parsing. "The kernel's" comes before
// "broken": only what is surely an event datagram for us, or a header too broken to say, is dropped here.

enum {
	IPV4_SOURCE_ROUTE_LOOSE = 131,
	IPV4_SOURCE_ROUTE_STRICT = 137,
	IPV4_FRAGMENT = 0x3fff, // more fragments, and the offset
	IPV6_OPTION_ACTION = 0xc0
};

/** Always false: the frame goes no further. */
static bool give_kernel(struct flow *flow)
{
	flow->fate = FRAME_KERNEL;
	return false;
}

static bool drop(struct flow *flow, enum frame_reason reason)
{
	flow->fate = FRAME_DROPPED;
	flow->reason = (uint8_t)reason;
	return false;
}

static bool is_ipv4(const struct frame_address *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

/** Is it an address that one host can have? What is not comes from nobody, or goes to many. */
static bool is_unicast(const struct frame_address *a)
{
	static const struct frame_address none = {0};
	static const struct frame_address loopback = {.bytes = {[15] = 1}};

	if (is_ipv4(a)) // not 0/8, 127/8, 224/4, 240/4
		return a->bytes[12] != 0 && a->bytes[12] != 127 && a->bytes[12] < 224;
	return a->bytes[0] != 0xff && memcmp(a, &none, sizeof(none)) != 0
		&& memcmp(a, &loopback, sizeof(loopback)) != 0;
}

static bool is_ours(const struct frame_rules *rules, const struct frame_address *target)
{
	if (rules->address_count == 0)
		return is_unicast(target);
	for (uint32_t i = 0; i < rules->address_count; i++)
		if (memcmp(&rules->address[i], target, sizeof(*target)) == 0)
			return true;
	return false;
}

/** Row of an event port, or port_count. */
static uint32_t find_port(const struct frame_rules *rules, uint16_t port)
{
	uint32_t low = 0;
	uint32_t high = rules->port_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (rules->port[middle] < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low < rules->port_count && rules->port[low] == port ? low : rules->port_count;
}

static bool parse_ethernet(
	struct cursor *c,
	const struct frame_rules *rules,
	struct flow *flow,
	uint16_t *ret_type
)
{
	uint16_t type;

	cursor_copy(c, flow->target_mac, sizeof(flow->target_mac));
	cursor_copy(c, flow->source_mac, sizeof(flow->source_mac));
	type = cursor_be16(c);
	while ((type == ETHERTYPE_OF_TAG || type == ETHERTYPE_OF_SERVICE_TAG)
	       && flow->vlan_count < 2) {
		flow->vlan_type[flow->vlan_count] = type;
		flow->vlan[flow->vlan_count++] = cursor_be16(c);
		type = cursor_be16(c);
	}
	// A sender with the group bit set is nobody that an answer could go to.
	if (c->is_short || memcmp(flow->target_mac, rules->mac, sizeof(rules->mac)) != 0
	    || (flow->source_mac[0] & 1) != 0)
		return give_kernel(flow);
	*ret_type = type;
	return true;
}

/** RFC 791 §3.1: all lengths must fit. What routes is the kernel's business, the rest is of no meaning here. */
static bool parse_ipv4_options(struct cursor options, struct flow *flow)
{
	while (cursor_left(&options) != 0) {
		uint8_t type = cursor_u8(&options);
		uint8_t size;

		if (type == 0) // end of options
			return true;
		if (type == 1) // no operation
			continue;
		size = cursor_u8(&options);
		if (size < 2 || cursor_take(&options, size - 2u) == NULL)
			return drop(flow, FRAME_DROP_IP_HEADER);
		if (type == IPV4_SOURCE_ROUTE_LOOSE || type == IPV4_SOURCE_ROUTE_STRICT)
			return give_kernel(flow);
	}
	return true;
}

/** RFC 791. Leaves the cursor over what the packet carries. */
static bool parse_ipv4(struct cursor *c, const struct frame_rules *rules, struct flow *flow)
{
	const size_t left = cursor_left(c);
	const uint8_t *header = c->at;
	const uint8_t version = cursor_u8(c);
	const size_t header_size = (version & 15u) * 4u;
	struct cursor options;
	uint16_t size;
	uint16_t fragment;
	uint8_t protocol;

	cursor_take(c, 1); // type of service
	size = cursor_be16(c);
	cursor_take(c, 2); // identification
	fragment = cursor_be16(c);
	cursor_take(c, 1); // time to live
	protocol = cursor_u8(c);
	cursor_take(c, 2); // checksum, see below
	flow->source.bytes[10] = flow->source.bytes[11] = 0xff;
	flow->target = flow->source;
	cursor_copy(c, flow->source.bytes + 12, 4);
	cursor_copy(c, flow->target.bytes + 12, 4);

	if (version >> 4 != 4 || header_size < IPV4_HEADER_SIZE || header_size > left)
		return drop(flow, FRAME_DROP_IP_HEADER);
	if (protocol != PROTOCOL_UDP || (fragment & IPV4_FRAGMENT) != 0)
		return give_kernel(flow);
	if (!is_ours(rules, &flow->target) || !is_unicast(&flow->source))
		return give_kernel(flow);
	if (!rules->has_checked_ip && sum_fold(sum_bytes(0, header, header_size)) != 0xffff)
		return drop(flow, FRAME_DROP_IP_HEADER);
	if (size < header_size)
		return drop(flow, FRAME_DROP_IP_HEADER);
	options = cursor_over(view_of(c->at, header_size - IPV4_HEADER_SIZE));
	if (!parse_ipv4_options(options, flow))
		return false;
	cursor_take(c, header_size - IPV4_HEADER_SIZE);
	cursor_limit(c, size - header_size);
	return c->is_short ? drop(flow, FRAME_DROP_IP_LENGTH) : true;
}

/** RFC 8200 §4.2: options that may be skipped when unknown are; the kernel knows what the others ask for. */
static bool parse_ipv6_options(struct cursor options, struct flow *flow)
{
	while (cursor_left(&options) != 0) {
		uint8_t type = cursor_u8(&options);

		if (type == 0) // Pad1
			continue;
		cursor_take(&options, cursor_u8(&options));
		if (options.is_short)
			return drop(flow, FRAME_DROP_IP_HEADER);
		if ((type & IPV6_OPTION_ACTION) != 0)
			return give_kernel(flow);
	}
	return true;
}

/** RFC 8200 §4: headers between IPv6's own and UDP's. */
static bool parse_extensions(struct cursor *c, uint8_t next, struct flow *flow)
{
	for (uint32_t n = 0; next != PROTOCOL_UDP; n++) {
		const uint8_t type = next;
		const bool is_known = type == PROTOCOL_ROUTING || type == PROTOCOL_DESTINATION
			|| (type == PROTOCOL_HOP_BY_HOP && n == 0);
		const uint8_t *rest;
		size_t rest_size;

		if (!is_known || n == FRAME_EXTENSIONS_MAX)
			return give_kernel(flow);
		next = cursor_u8(c);
		rest_size = cursor_u8(c) * 8u + 6;
		rest = cursor_take(c, rest_size);
		if (rest == NULL)
			return drop(flow, FRAME_DROP_IP_HEADER);
		if (type == PROTOCOL_ROUTING) {
			if (rest[1] != 0) // segments left: we are on its way, not its end
				return give_kernel(flow);
		} else if (!parse_ipv6_options(cursor_over(view_of(rest, rest_size)), flow)) {
			return false;
		}
	}
	return true;
}

/** RFC 8200 §3. Leaves the cursor over what the packet carries. */
static bool parse_ipv6(struct cursor *c, const struct frame_rules *rules, struct flow *flow)
{
	const uint8_t version = cursor_u8(c) >> 4;
	uint16_t size;
	uint8_t next;

	flow->is_ipv6 = 1;
	cursor_take(c, 3); // traffic class, flow label
	size = cursor_be16(c);
	next = cursor_u8(c);
	cursor_take(c, 1); // hop limit
	cursor_copy(c, flow->source.bytes, sizeof(flow->source.bytes));
	cursor_copy(c, flow->target.bytes, sizeof(flow->target.bytes));

	if (c->is_short || version != 6)
		return drop(flow, FRAME_DROP_IP_HEADER);
	// ::ffff:a.b.c.d on the wire is a forged IPv4 address: nobody's, whatever the allow-list says of a.b.c.d.
	if (is_ipv4(&flow->source) || is_ipv4(&flow->target))
		return give_kernel(flow);
	if (!is_ours(rules, &flow->target) || !is_unicast(&flow->source))
		return give_kernel(flow);
	cursor_limit(c, size);
	if (c->is_short)
		return drop(flow, FRAME_DROP_IP_LENGTH);
	return parse_extensions(c, next, flow);
}

/** RFC 768; RFC 8200 §8.1 for zero. */
static bool is_checksum_good(
	const struct frame_rules *rules,
	const struct flow *flow,
	const uint8_t *header,
	uint16_t size,
	uint16_t checksum
)
{
	if (checksum == 0)
		return !flow->is_ipv6;
	if (rules->has_checked_udp
	    || sum_fold(sum_long(sum_pseudo(flow, size), header, size)) == 0xffff)
		return true;
	return rules->may_be_unfinished && sum_fold(sum_pseudo(flow, size)) == htons(checksum);
}

/** RFC 768. Leaves the cursor over the payload. */
static bool parse_udp(struct cursor *c, const struct frame_rules *rules, struct flow *flow)
{
	const uint8_t *header = c->at;
	uint32_t port_index;
	uint16_t size;
	uint16_t checksum;

	flow->source_port = cursor_be16(c);
	flow->target_port = cursor_be16(c);
	size = cursor_be16(c);
	checksum = cursor_be16(c);

	if (c->is_short)
		return drop(flow, FRAME_DROP_UDP_LENGTH);
	port_index = find_port(rules, flow->target_port);
	if (port_index == rules->port_count)
		return give_kernel(flow);
	flow->port_index = (uint16_t)port_index;
	if (size < UDP_HEADER_SIZE)
		return drop(flow, FRAME_DROP_UDP_LENGTH);
	cursor_limit(c, size - UDP_HEADER_SIZE);
	if (c->is_short)
		return drop(flow, FRAME_DROP_UDP_LENGTH);
	if (!is_checksum_good(rules, flow, header, size, checksum))
		return drop(flow, FRAME_DROP_UDP_CHECKSUM);
	if (cursor_left(c) == 0)
		return drop(flow, FRAME_DROP_EMPTY);
	return true;
}

static bool parse_ip(
	struct cursor *c,
	const struct frame_rules *rules,
	uint16_t type,
	struct flow *flow
)
{
	if (type == ETHERTYPE_OF_IPV4)
		return parse_ipv4(c, rules, flow);
	if (type == ETHERTYPE_OF_IPV6)
		return parse_ipv6(c, rules, flow);
	return give_kernel(flow);
}

size_t frame_parse_burst(
	const struct frame_rules *rules,
	const struct view frames[],
	size_t count,
	struct flow ret_flows[],
	struct view ret_payloads[]
)
{
	size_t event_count = 0;

	for (size_t i = 0; i < count; i++) {
		struct cursor c = cursor_over(frames[i]);
		struct flow *flow = &ret_flows[i];
		uint16_t type;

		*flow = (struct flow){.fate = FRAME_EVENT};
		ret_payloads[i] = (struct view){0};
		if (!parse_ethernet(&c, rules, flow, &type) || !parse_ip(&c, rules, type, flow)
		    || !parse_udp(&c, rules, flow))
			continue;
		ret_payloads[i] = cursor_rest(&c);
		event_count++;
	}
	return event_count;
}
