#pragma once

#include "dataplane/pipeline/frame.h"

#include <arpa/inet.h>

// What frames are made of, for frame_*.c: numbers of the standards, and the Internet checksum.

enum {
	ETHERTYPE_OF_IPV4 = 0x0800,
	ETHERTYPE_OF_IPV6 = 0x86dd,
	ETHERTYPE_OF_TAG = 0x8100,         // 802.1Q
	ETHERTYPE_OF_SERVICE_TAG = 0x88a8, // 802.1ad

	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_UDP = 17,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_DESTINATION = 60,

	IPV4_HEADER_SIZE = 20, // bytes, without options
	IPV6_HEADER_SIZE = 40, // bytes
	UDP_HEADER_SIZE = 8    // bytes
};

/**
 * Add bytes to an Internet checksum (RFC 1071) in memory order. 32-bit words into 64 bits: no carries to look after, so
 * that the compiler makes vectors of it. Only the last piece of a sum may be of odd size.
 */
static inline uint64_t sum_bytes(uint64_t sum, const void *bytes, size_t size)
{
	const uint8_t *from = bytes;
	const size_t whole = size / 4 * 4;
	uint32_t word;

	for (size_t i = 0; i < whole; i += 4) {
		memcpy(&word, from + i, 4);
		sum += word;
	}
	word = 0;
	for (size_t i = 0; i < size % 4; i++)
		((uint8_t *)&word)[i] = from[whole + i];
	return sum + word;
}

/** The same of many bytes, by the widest registers that there are. */
uint64_t sum_long(uint64_t sum, const uint8_t *bytes, size_t size);

/** Of a datagram: header and payload behind the pseudo header, which is of the same sum for IPv4 and IPv6 (RFC 8200 §8.1). */
static inline uint64_t sum_pseudo(const struct flow *flow, uint32_t udp_size)
{
	// ::ffff: in front of an IPv4 address adds 0xffff, which is zero in ones' complement.
	uint64_t sum = sum_bytes(0, flow->source.bytes, sizeof(flow->source.bytes));

	sum = sum_bytes(sum, flow->target.bytes, sizeof(flow->target.bytes));
	return sum + htonl(udp_size) + htons(PROTOCOL_UDP);
}

/** To 16 bits: 0xffff when a checksum in what was summed is right. */
static inline uint16_t sum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}
