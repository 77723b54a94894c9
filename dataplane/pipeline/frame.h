#pragma once

#include "io/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Frames of a port: which are event datagrams for us, where their payload lies, and how an answer to one is built.
// What is no event datagram for us is the kernel's (the exception path), whatever it is: the appliance is no
// network stack. A frame that is ours and broken is dropped with its reason.

enum {
	FRAME_ADDRESSES_MAX = 16, // addresses of a port, both families
	FRAME_PORTS_MAX = 64,     // event ports
	FRAME_HEADERS_MAX = 128,  // bytes that frame_answer puts in front of a payload at most
	FRAME_EXTENSIONS_MAX = 8  // IPv6 extension headers that are followed
};

enum frame_fate {
	FRAME_EVENT,  // an event datagram for us
	FRAME_KERNEL, // not ours to read: the kernel gets it as it came
	FRAME_DROPPED // ours, and broken: flow.reason says why
};

/** Why an event datagram for us could not be taken. Names, counters and texts: dataplane/frame_drops.def. */
enum frame_reason {
	FRAME_DROP_NONE = 0,
#define FRAME_DROP(name, counter, help) FRAME_DROP_##name,
#include "dataplane/frame_drops.def"
#undef FRAME_DROP
	FRAME_DROP_COUNT
};

const char *frame_reason_counter(enum frame_reason reason);
const char *frame_reason_help(enum frame_reason reason);

/** An address: IPv4 as ::ffff:a.b.c.d. */
struct frame_address {
	uint8_t bytes[16];
};

/** What a port takes for events. Immutable while in use. */
struct frame_rules {
	uint8_t mac[6];                                    // the port's; broadcast is the kernel's
	struct frame_address address[FRAME_ADDRESSES_MAX]; // the port's own
	uint32_t address_count;         // 0: any destination address counts as ours
	uint16_t port[FRAME_PORTS_MAX]; // event ports, host order, ascending
	uint32_t port_count;
	bool has_checked_ip;  // the NIC has verified IPv4 header checksums of the frames
	bool has_checked_udp; // the NIC has verified UDP checksums of the frames
	// Senders on a virtual link of the same machine (veth) leave a UDP checksum for a card to finish that is not there: it is
	// the sum of the pseudo header alone. Such a frame has crossed no wire.
	bool may_be_unfinished;
};

/** Where a datagram came from and where it went: enough to answer it without a neighbour table. */
struct flow {
	uint8_t source_mac[6];
	uint8_t target_mac[6];
	uint16_t vlan_type
		[2]; // tags' EtherTypes (802.1Q or 802.1ad), outer first, host order; [vlan_count]
	uint16_t vlan[2]; // tags, with priority, host order; [vlan_count]
	uint8_t vlan_count;
	uint8_t is_ipv6;
	uint8_t fate;   // enum frame_fate
	uint8_t reason; // enum frame_reason
	struct frame_address source;
	struct frame_address target;
	uint16_t source_port; // host order
	uint16_t target_port; // host order
	uint16_t port_index;  // row of rules.port
};

/**
 * Sort a burst of frames. Ethernet II with up to two VLAN tags (802.1Q, 802.1ad), IPv4 with options (RFC 791), IPv6 with
 * hop-by-hop, routing, destination-options headers (RFC 8200), UDP (RFC 768; a zero checksum is legal over IPv4 only).
 * Every length is checked against what is there; padding behind the datagram is ignored.
 *
 * The kernel's are: what goes to another MAC, address or port; broadcast, multicast and sources that can not be answered;
 * fragments; source routes, and IPv6 options that ask for an answer; more tags or extension headers than are followed.
 *
 * @param frames       [count]
 * @param ret_flows    [count] out
 * @param ret_payloads [count] out: of FRAME_EVENT, inside the frame and never empty; else empty
 * @return frames whose fate is FRAME_EVENT
 *
 * Context  worker; no allocation, lock, log or system call
 */
size_t frame_parse_burst(
	const struct frame_rules *rules,
	const struct view frames[],
	size_t count,
	struct flow ret_flows[],
	struct view ret_payloads[]
);

/**
 * Headers of an answer to a datagram: back to the MAC, VLANs, address and port it came from, with all checksums.
 *
 * @param headers     [FRAME_HEADERS_MAX] out; written so that they end where the payload begins
 * @param payload     the answer, which follows the headers
 * @return bytes of the headers, which lie at headers + FRAME_HEADERS_MAX - return value
 */
size_t frame_answer(
	const struct flow *flow,
	struct view payload,
	uint8_t headers[static FRAME_HEADERS_MAX]
);
