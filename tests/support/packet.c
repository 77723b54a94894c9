#include "tests/support/packet.h"

#include <stdlib.h>

const uint8_t packet_own_mac[6] = {2, 0, 0, 0, 0, 0x0b};
const uint8_t packet_peer_mac[6] = {2, 0, 0, 0, 0, 0x0a};
const uint8_t packet_own_ipv4[4] = {192, 0, 2, 2};
const uint8_t packet_peer_ipv4[4] = {192, 0, 2, 1};
const uint8_t packet_own_ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};
const uint8_t packet_peer_ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

static void put(struct packet *p, const void *bytes, size_t size)
{
	if (size > sizeof(p->bytes) - p->size)
		abort();
	if (size != 0)
		memcpy(p->bytes + p->size, bytes, size);
	p->size += (uint32_t)size;
}

static void put_u8(struct packet *p, unsigned value)
{
	uint8_t byte = (uint8_t)value;

	put(p, &byte, 1);
}

static void put_u16(struct packet *p, unsigned value)
{
	put_u8(p, value >> 8);
	put_u8(p, value & 0xff);
}

uint16_t packet_checksum(const uint8_t *bytes, size_t size, uint32_t start)
{
	uint32_t sum = start;

	for (size_t i = 0; i < size; i++)
		sum += (i & 1) != 0 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_ethernet(struct packet *p, const struct packet_plan *plan)
{
	put(p, packet_own_mac, sizeof(packet_own_mac));
	put(p, packet_peer_mac, sizeof(packet_peer_mac));
	for (int i = 0; i < PACKET_TAGS_MAX && plan->tag_type[i] != 0; i++) {
		put_u16(p, plan->tag_type[i]);
		put_u16(p, plan->tag[i]);
	}
	put_u16(p, plan->is_ipv6 ? 0x86dd : 0x0800);
	p->ip = p->size;
}

static void put_ipv4(struct packet *p, const struct packet_plan *plan)
{
	put_u8(p, 0x45 + (unsigned)plan->options.size / 4);
	put_u8(p, 0);
	put_u16(p, (unsigned)(20 + plan->options.size + 8 + plan->payload.size));
	put_u16(p, 0x1234);
	put_u16(p, 0x4000);
	put_u8(p, 63);
	put_u8(p, 17);
	put_u16(p, 0);
	put(p, plan->source != NULL ? plan->source : packet_peer_ipv4, 4);
	put(p, plan->target != NULL ? plan->target : packet_own_ipv4, 4);
	put(p, plan->options.bytes, plan->options.size);
}

static void put_ipv6(struct packet *p, const struct packet_plan *plan)
{
	put_u16(p, 0x6001);
	put_u16(p, 0x12ac);
	put_u16(p, (unsigned)(plan->extensions.size + 8 + plan->payload.size));
	put_u8(p, plan->extensions.size != 0 ? plan->first_extension : 17);
	put_u8(p, 63);
	put(p, plan->source != NULL ? plan->source : packet_peer_ipv6, 16);
	put(p, plan->target != NULL ? plan->target : packet_own_ipv6, 16);
	put(p, plan->extensions.bytes, plan->extensions.size);
}

void packet_build(const struct packet_plan *plan, struct packet *ret_packet)
{
	struct packet *p = ret_packet;

	p->size = 0;
	p->is_ipv6 = plan->is_ipv6;
	put_ethernet(p, plan);
	if (plan->is_ipv6)
		put_ipv6(p, plan);
	else
		put_ipv4(p, plan);
	p->udp = p->size;
	put_u16(p, plan->source_port != 0 ? plan->source_port : 40000);
	put_u16(p, plan->target_port != 0 ? plan->target_port : 5000);
	put_u16(p, (unsigned)(8 + plan->payload.size));
	put_u16(p, 0);
	p->payload = p->size;
	put(p, plan->payload.bytes, plan->payload.size);
	for (uint32_t i = 0; i < plan->padding; i++)
		put_u8(p, 0xee);
	packet_mend(p);
	if (plan->has_no_checksum)
		memset(p->bytes + p->udp + 6, 0, 2);
}

static void set_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void packet_mend(struct packet *p)
{
	uint8_t *ip = p->bytes + p->ip;
	uint8_t *udp = p->bytes + p->udp;
	const uint32_t header_size = (ip[0] & 15u) * 4u;
	const uint32_t udp_size = (uint32_t)udp[4] << 8 | udp[5];
	const uint8_t *addresses = ip + (p->is_ipv6 ? 8 : 12);
	const size_t addresses_size = p->is_ipv6 ? 32 : 8;
	uint16_t checksum;

	if (!p->is_ipv6 && p->ip + header_size <= p->size) {
		set_u16(ip + 10, 0);
		set_u16(ip + 10, packet_checksum(ip, header_size, 0));
	}
	if (udp_size < 8 || p->udp + udp_size > p->size)
		return;
	set_u16(udp + 6, 0);
	checksum = (uint16_t)~packet_checksum(addresses, addresses_size, 17 + udp_size);
	checksum = packet_checksum(udp, udp_size, checksum);
	set_u16(udp + 6, checksum != 0 ? checksum : 0xffff);
}
