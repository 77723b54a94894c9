#pragma once

#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// Frames for tests, written out byte by byte: none of the product's code has a part in them.

enum {
	PACKET_SIZE_MAX = 10000, // bytes
	PACKET_TAGS_MAX = 3
};

/** What a frame is to be. Zeros: a UDP datagram of IPv4, untagged, from packet_peer to packet_own, 40000 to 5000. */
struct packet_plan {
	uint16_t tag_type[PACKET_TAGS_MAX]; // 0 = no more
	uint16_t tag[PACKET_TAGS_MAX];
	bool is_ipv6;
	bool has_no_checksum;    // UDP's is zero
	const uint8_t *source;   // [4] or [16]; NULL = default
	const uint8_t *target;   // likewise
	uint16_t source_port;    // 0 = 40000
	uint16_t target_port;    // 0 = 5000
	struct view options;     // IPv4: a multiple of 4 bytes
	uint8_t first_extension; // IPv6: type of the first of the extension headers
	struct view extensions;  // IPv6: as they are, the last of them naming UDP (17)
	struct view payload;
	uint32_t padding; // bytes of 0xee behind the datagram
};

struct packet {
	uint8_t bytes[PACKET_SIZE_MAX];
	uint32_t size;
	uint32_t ip;      // where the IP header begins
	uint32_t udp;     // where the UDP header begins
	uint32_t payload; // where the payload begins
	bool is_ipv6;
};

extern const uint8_t packet_own_mac[6];    // 02:00:00:00:00:0b
extern const uint8_t packet_peer_mac[6];   // 02:00:00:00:00:0a
extern const uint8_t packet_own_ipv4[4];   // 192.0.2.2
extern const uint8_t packet_peer_ipv4[4];  // 192.0.2.1
extern const uint8_t packet_own_ipv6[16];  // 2001:db8::2
extern const uint8_t packet_peer_ipv6[16]; // 2001:db8::1

void packet_build(const struct packet_plan *plan, struct packet *ret_packet);

/** Make the checksums right again after bytes were changed, as far as the lengths in the headers allow. */
void packet_mend(struct packet *packet);

/** Of 16-bit words, the plain way of RFC 1071: 0 where a checksum in the bytes is right. */
uint16_t packet_checksum(const uint8_t *bytes, size_t size, uint32_t start);
