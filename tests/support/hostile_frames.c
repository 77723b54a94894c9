// Hostile frames to an appliance's port and to its client, seeded, and an ear for what is answered.
// WIRE PORT_NAMESPACE PORT SEED: WIRE is the neighbour's interface, in the namespace that it is started in; the appliance's
// PORT lies in the other one. Each line of standard input is a number of frames; when they are out, a line tells the sums.

#include "tests/support/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BURST = 32,
	FRAME_MAX = 1514, // bytes: the interface's MTU and Ethernet's header
	RECORDS = 4096,
	RECORDS_KEPT = 8, // the first ones stay: greetings
	PORT_PLAIN = 7001,
	PORT_SEALED = 7002,
	HEAD_SIZE = 42, // bytes: Ethernet, IPv4 without options, UDP
	KIND_HELLO = 1,
	KIND_WELCOME = 2,
	KIND_MAX = 6,
	EAR_BYTES = 64 << 20,
	OLD_MS = 500 // what was sent so long ago has come, or was sent again
};

struct record {
	uint8_t bytes[FRAME_MAX];
	uint32_t size;
	int64_t at_ms;
};

struct side {
	int fd;
	uint8_t mac[6]; // of the interface
	struct packet frame[BURST];
	uint32_t count;
	unsigned long long sent;
};

static struct side wire;
static struct side port;
static struct record client_said[RECORDS]; // UDP to the event port
static struct record server_said[RECORDS]; // and from it
static unsigned long long client_heard;
static unsigned long long server_heard;
static bool is_client_port[65536]; // the valid client's
static unsigned long long hello_replays;
static unsigned long long welcomes_astray; // answers to repeated HELLOs, to where they came from
static unsigned long long
	answers_astray; // any other answer of an event port to anybody but the client
static unsigned long long answers_client;
static uint64_t state;

static const uint8_t own4[4] = {10, 77, 0, 2};
static const uint8_t client4[4] = {10, 77, 0, 1};
static const uint8_t stranger4[4] = {10, 77, 0, 66};
static const uint8_t own6[16] = {0xfd, 0x77, [15] = 2};
static const uint8_t stranger6[16] = {0xfd, 0x77, [15] = 0x66};

static uint32_t draw(uint32_t below)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15); // splitmix64

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % below);
}

static void draw_bytes(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)draw(256);
}

static void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static void open_side(struct side *side, const char *interface, uint16_t protocol)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	struct ifreq request = {0};
	int one = 1;
	int size = EAR_BYTES;

	side->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
	if (side->fd < 0)
		give_up("socket");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(side->fd, SIOCGIFHWADDR, &request) != 0)
		give_up(interface);
	memcpy(side->mac, request.ifr_hwaddr.sa_data, sizeof(side->mac));
	address.sll_ifindex = (int)if_nametoindex(interface);
	// Past the queue our frames do not come to our own ear, nor from the port's side to the appliance's.
	if (setsockopt(side->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) != 0
	    || setsockopt(side->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0
	    || bind(side->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		give_up(interface);
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void keep(
	struct record records[],
	unsigned long long *heard,
	const uint8_t *bytes,
	size_t size
)
{
	unsigned long long n = (*heard)++;
	struct record *r = &records[n];

	if (n >= RECORDS)
		r = &records[RECORDS_KEPT + n % (RECORDS - RECORDS_KEPT)];
	memcpy(r->bytes, bytes, size);
	r->size = (uint32_t)size;
	r->at_ms = now_ms();
}

static uint32_t get16(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 8 | bytes[1];
}

static bool is_event_port(uint32_t number)
{
	return number == PORT_PLAIN || number == PORT_SEALED;
}

/** What came from the appliance: an answer of an event port to anybody but the client is counted. */
static void hear_appliance(const uint8_t *f, size_t size)
{
	bool is_ipv6 = get16(f + 12) == ETH_P_IPV6;
	const uint8_t *udp = f + (is_ipv6 ? 54 : 34);

	if ((!is_ipv6 && (get16(f + 12) != ETH_P_IP || f[23] != IPPROTO_UDP))
	    || (is_ipv6 && f[20] != IPPROTO_UDP) || size < (size_t)(udp - f) + 12
	    || !is_event_port(get16(udp)))
		return;
	if (!is_ipv6 && memcmp(f + 30, client4, 4) == 0 && is_client_port[get16(udp + 2)]) {
		answers_client++;
		keep(server_said, &server_heard, f, size);
	} else if (udp[11] == KIND_WELCOME) {
		welcomes_astray++;
	} else {
		answers_astray++;
	}
}

/** Take what went over the wire: the client's own, and what comes back. */
static void listen_to_wire(void)
{
	uint8_t f[FRAME_MAX];
	struct sockaddr_ll from;

	for (;;) {
		socklen_t from_size = sizeof(from);
		ssize_t size = recvfrom(
			wire.fd, f, sizeof(f), MSG_TRUNC, (struct sockaddr *)&from, &from_size
		);

		if (size < 0)
			return;
		if (size < HEAD_SIZE + 4 || size > FRAME_MAX)
			continue;
		if (from.sll_pkttype != PACKET_OUTGOING) {
			hear_appliance(f, (size_t)size);
		} else if (get16(f + 12) == ETH_P_IP && f[23] == IPPROTO_UDP && get16(f + 36) == PORT_SEALED) {
			is_client_port[get16(f + 34)] = true;
			keep(client_said, &client_heard, f, (size_t)size);
		}
	}
}

static const struct record *any_record(const struct record records[], unsigned long long heard)
{
	uint32_t count = heard < RECORDS ? (uint32_t)heard : RECORDS;

	if (count > RECORDS_KEPT && draw(16) == 0)
		count = RECORDS_KEPT;
	return count == 0 ? NULL : &records[draw(count)];
}

static void flip(uint8_t *bytes, uint32_t size, uint32_t most)
{
	for (uint32_t n = 1 + draw(most); size != 0 && n > 0; n--)
		bytes[draw(size)] ^= (uint8_t)(1 + draw(255));
}

/** Which kind of datagram a stranger sends: rubbish, or one with a head of ours. */
static uint32_t make_payload(uint8_t *bytes, uint32_t size_max)
{
	static const uint32_t sizes[] = {1, 4, 36, 37, 64, 128, 156};
	uint32_t size = draw(3) == 0 ? 1 + draw(size_max) : sizes[draw(7)];

	if (size > size_max)
		size = size_max;
	draw_bytes(bytes, size);
	if (draw(4) != 0 && size >= 4) {
		const uint8_t head[4] = {'S', 'L', 1, (uint8_t)(1 + draw(KIND_MAX))};

		memcpy(bytes, head, sizeof(head));
		// A session that there may be, in its first generations.
		if (draw(2) == 0 && size >= 20) {
			memset(bytes + 4, 0, 15);
			bytes[7] = (uint8_t)draw(3);
			bytes[11] = (uint8_t)draw(3);
		}
	} else if (draw(3) == 0 && size >= 2) {
		bytes[0] = '{';
		bytes[size - 1] = '}';
	}
	return size;
}

/** A datagram with right headers, tags, options and extension headers as they come. */
static void make_datagram(struct packet *p)
{
	static const uint16_t types[] = {0x8100, 0x88a8, 0x9100};
	static const uint8_t extensions[] = {0, 43, 44, 51, 60, 135, 59};
	static const uint16_t ports[] = {PORT_PLAIN, PORT_SEALED, PORT_SEALED, PORT_SEALED, 53};
	uint8_t payload[1200];
	uint8_t header[64];
	uint32_t count = draw(6);
	struct packet_plan plan = {
		.is_ipv6 = draw(2) == 0,
		.has_no_checksum = draw(8) == 0,
		.source_port = (uint16_t)(1 + draw(65535)),
		.target_port = ports[draw(5)],
	};

	plan.source = plan.is_ipv6 ? stranger6 : stranger4;
	plan.target = plan.is_ipv6 ? own6 : own4;
	for (uint32_t i = 0; draw(3) == 0 && i < PACKET_TAGS_MAX; i++) {
		plan.tag_type[i] = types[draw(3)];
		plan.tag[i] = (uint16_t)draw(65536);
	}
	draw_bytes(header, sizeof(header));
	if (plan.is_ipv6 && draw(2) == 0) {
		plan.first_extension = extensions[draw(7)];
		for (uint32_t i = 0; i < count; i++) {
			header[8 * i] = i + 1 == count ? IPPROTO_UDP : extensions[draw(7)];
			header[8 * i + 1] = draw(8) == 0 ? (uint8_t)draw(256) : 0;
		}
		plan.extensions = view_of(header, 8 * (size_t)count);
		if (count == 0)
			plan.first_extension = 0;
	} else if (draw(2) == 0) {
		plan.options = view_of(header, 4 * (size_t)draw(11));
	}
	plan.payload = view_of(payload, make_payload(payload, sizeof(payload)));
	plan.padding = draw(4) == 0 ? draw(60) : 0;
	packet_build(&plan, p);
}

/** Something in its headers is not as it should be. */
static void spoil(struct packet *p)
{
	uint32_t front = p->payload < p->size ? p->payload : p->size;

	switch (draw(6)) {
	case 0: // anything
		flip(p->bytes + 12, front - 12, 4);
		break;
	case 1: // a fragment
		p->bytes[p->ip + 6] = (uint8_t)draw(0x40);
		p->bytes[p->ip + 7] = (uint8_t)draw(256);
		break;
	case 2: // the IP header's own length, the packet's
		p->bytes[p->ip] = (uint8_t)draw(256);
		break;
	case 3:
		flip(p->bytes + p->ip + (p->is_ipv6 ? 4 : 2), 2, 2);
		break;
	case 4: // UDP's length or checksum
		if (p->udp + 8 <= p->size)
			flip(p->bytes + p->udp + 4, 4, 2);
		break;
	default: // not all of it is there
		p->size = 14 + draw(p->size - 14);
		return;
	}
	if (draw(2) == 0)
		packet_mend(p);
}

/**
 * Someone's datagram once more: as it was or with bytes changed, from where it came or from somebody else. One that
 * overtakes its original is fresh, and whoever brings it hears the next acknowledgement: a stranger's are old.
 */
static bool make_repeated(struct packet *p, const struct record *record)
{
	bool is_changed = draw(2) == 0;

	if (record == NULL)
		return false;
	*p = (struct packet){.size = record->size, .ip = 14, .udp = 34, .payload = HEAD_SIZE};
	memcpy(p->bytes, record->bytes, record->size);
	if (is_changed)
		flip(p->bytes + HEAD_SIZE, p->size - HEAD_SIZE, 8);
	if (draw(8) == 0)
		p->size -= draw(p->size - HEAD_SIZE);
	if (draw(2) == 0 && record >= client_said && record < client_said + RECORDS
	    && record->at_ms + OLD_MS < now_ms()) {
		memcpy(p->bytes + 26, stranger4, sizeof(stranger4));
		p->bytes[34] = (uint8_t)(128 + draw(128));
		hello_replays += !is_changed && p->bytes[HEAD_SIZE + 3] == KIND_HELLO;
	}
	// The lengths stay, so a short one is broken; the kernel's own checksums may be left to a card.
	packet_mend(p);
	return true;
}

static void make_noise(struct packet *p)
{
	*p = (struct packet){.size = 14 + draw(FRAME_MAX - 13)};
	draw_bytes(p->bytes, p->size);
}

static void address_to(struct packet *p, const uint8_t to[6], const uint8_t from[6])
{
	memcpy(p->bytes, to, 6);
	memcpy(p->bytes + 6, from, 6);
}

static struct packet *next_frame(struct side *side)
{
	return &side->frame[side->count];
}

/** One frame into the burst of the side that it goes out by. */
static void make(void)
{
	uint32_t what = draw(100);
	struct side *side = what < 90 ? &wire : &port;
	struct packet *p = next_frame(side);

	if (side == &port) {
		// To the client: acknowledgements, resets and welcomes that nobody has sent so.
		if (!make_repeated(p, any_record(server_said, server_heard)))
			return;
		if (draw(3) == 0) {
			p->bytes[HEAD_SIZE + 3] = (uint8_t)(1 + draw(KIND_MAX));
			packet_mend(p);
		}
		side->count++;
		return;
	}
	if (what < 10) {
		make_noise(p);
	} else if (what < 40) {
		make_datagram(p);
	} else if (what < 65) {
		make_datagram(p);
		spoil(p);
	} else if (!make_repeated(p, any_record(client_said, client_heard))) {
		make_datagram(p);
	}
	if (p->size > FRAME_MAX)
		p->size = FRAME_MAX;
	if (what >= 5)
		address_to(p, port.mac, wire.mac);
	side->count++;
}

static void flush(struct side *side)
{
	struct mmsghdr messages[BURST] = {0};
	struct iovec parts[BURST];
	uint32_t done = 0;

	for (uint32_t i = 0; i < side->count; i++) {
		parts[i] = (struct iovec){side->frame[i].bytes, side->frame[i].size};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	while (done < side->count) {
		int sent = sendmmsg(side->fd, messages + done, side->count - done, 0);

		// What the kernel does not take (too short for its type, no room) is passed over.
		if (sent < 0 && errno == EINTR)
			continue;
		side->sent += sent > 0 ? (unsigned)sent : 0;
		done += sent > 0 ? (unsigned)sent : 1;
	}
	side->count = 0;
}

static void run(unsigned long count)
{
	unsigned long long until = wire.sent + port.sent + count;

	while (wire.sent + port.sent < until) {
		for (int i = 0; i < BURST; i++)
			make();
		flush(&wire);
		flush(&port);
		listen_to_wire();
	}
}

static void tell(void)
{
	struct tpacket_stats stats = {0};
	socklen_t size = sizeof(stats);
	static unsigned long long missed;

	listen_to_wire();
	(void)getsockopt(wire.fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
	missed += stats.tp_drops;
	printf("{\"to_appliance\": %llu, \"to_client\": %llu, \"client_heard\": %llu, "
	       "\"answers_client\": %llu, "
	       "\"hello_replays\": %llu, \"welcomes_astray\": %llu, \"answers_astray\": %llu, "
	       "\"missed\": %llu}\n",
	       wire.sent,
	       port.sent,
	       client_heard,
	       answers_client,
	       hello_replays,
	       welcomes_astray,
	       answers_astray,
	       missed);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pollfd waits[2] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};
	char line[64];
	int space;

	if (argc != 5) {
		fputs("usage: hostile_frames WIRE PORT_NAMESPACE PORT SEED\n", stderr);
		return 2;
	}
	state = strtoull(argv[4], NULL, 10);
	open_side(&wire, argv[1], ETH_P_ALL);
	space = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (space < 0 || setns(space, CLONE_NEWNET) != 0)
		give_up(argv[2]);
	open_side(&port, argv[3], 0);
	waits[1].fd = wire.fd;
	for (;;) {
		ssize_t size;

		if (poll(waits, 2, -1) < 0)
			give_up("poll");
		listen_to_wire();
		if (waits[0].revents == 0)
			continue;
		size = read(0, line, sizeof(line) - 1);
		if (size <= 0)
			return 0;
		line[size] = '\0';
		run(strtoul(line, NULL, 10));
		tell();
	}
}
