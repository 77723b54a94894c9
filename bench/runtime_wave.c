#include "bench/runtime_wave.h"

#include "bench/give_up.h"
#include "io/base/clock.h"
#include "tests/support/packet.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	BURST = 64,
	WINDOW = 1024, // frames under way, as in a device's receive ring
	PAUSE_US = 20  // while it is full
};

const char wave_contract[] = "contract: bench/event/1.0.0\n"
			     "key: user\n"
			     "undeclared: pass\n"
			     "time: {field: at, form: rfc3339}\n"
			     "fields:\n"
			     "  user: {type: string, personal: 0, required: true}\n"
			     "  mail: {type: string, personal: 0}\n"
			     "  comment: {type: string, personal: 0}\n"
			     "  at: string\n";

static uint64_t random_state = 1;

static uint64_t random_below(uint64_t limit)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) % limit;
}

/** An event as it goes out, and where its user stands. */
struct stock {
	struct packet packet;
	char *user;
	bool has_checksum;
	uint32_t sum; // of the datagram with a user of zeros
};

static void make_stock(struct stock *stock, bool has_checksum)
{
	static char text[WAVE_EVENT_SIZE + 1];
	struct packet_plan plan = {.target_port = WAVE_PORT, .has_no_checksum = !has_checksum};
	int size = snprintf(
		text,
		sizeof(text),
		"{\"user\":\"%0*d\",\"mail\":\"somebody-00000000@mail.example.net\",\"comment\":"
		"\"a comment of some thirty letters\","
		"\"at\":\"2026-11-21T10:00:00Z\",\"page\":\"Talk:Oswald "
		"Tilghman\",\"delta\":36,\"isNew\":false,\"note\":\"",
		WAVE_USER_DIGITS,
		0
	);

	memset(text + size, 'x', WAVE_EVENT_SIZE - size - 2);
	memcpy(text + WAVE_EVENT_SIZE - 2, "\"}", 3);
	plan.payload = view_of(text, WAVE_EVENT_SIZE);
	packet_build(&plan, &stock->packet);
	memset(stock->packet.bytes, 0, 6);
	stock->has_checksum = has_checksum;
	stock->sum = (uint16_t
	) ~(stock->packet.bytes[stock->packet.udp + 6] << 8
	    | stock->packet.bytes[stock->packet.udp + 7]);
	stock->user = (char *)stock->packet.bytes + stock->packet.payload + strlen("{\"user\":\"");
}

static void set_user(struct stock *stock, uint64_t user)
{
	uint32_t sum = stock->sum;
	uint32_t checksum;

	for (int n = WAVE_USER_DIGITS - 1; n >= 0; n--, user /= 10) {
		stock->user[n] = (char)('0' + user % 10);
		// The digits begin at an odd byte: they are the low and the high halves of words, in turns.
		sum += (uint32_t)(user % 10) << (n % 2 == 0 ? 0 : 8);
	}
	if (!stock->has_checksum)
		return;
	sum = (sum & 0xffff) + (sum >> 16);
	checksum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	stock->packet.bytes[stock->packet.udp + 6] = (uint8_t)(checksum >> 8);
	stock->packet.bytes[stock->packet.udp + 7] = (uint8_t)checksum;
}

void wave_prepare(struct wave *ret_wave, const struct wave_plan *plan, uint32_t count)
{
	static struct stock stock;

	if (stock.user == NULL || stock.has_checksum != plan->has_checksum)
		make_stock(&stock, plan->has_checksum);
	if (rte_pktmbuf_alloc_bulk(plan->pool, ret_wave->frame, count) != 0)
		give_up("the pool has not so many frames");
	for (uint32_t n = 0; n < count; n++) {
		set_user(
			&stock,
			plan->next != NULL ? (*plan->next)++ % plan->users
					   : random_below(plan->users)
		);
		memcpy(rte_pktmbuf_append(ret_wave->frame[n], (uint16_t)stock.packet.size),
		       stock.packet.bytes,
		       stock.packet.size);
	}
	ret_wave->count = count;
	ret_wave->sent = 0;
}

uint64_t wave_stream(struct rte_ring *to, const struct wave_plan *plan, double seconds)
{
	static struct wave burst;
	uint64_t end = clock_monotonic_ns() + (uint64_t)(seconds * 1e9);
	uint64_t sent = 0;

	while (clock_monotonic_ns() < end) {
		if (rte_ring_count(to) + BURST > WINDOW) {
			usleep(PAUSE_US);
			continue;
		}
		wave_prepare(&burst, plan, BURST);
		if (rte_ring_sp_enqueue_bulk(to, (void **)burst.frame, BURST, NULL) == 0)
			give_up("the ring is too small");
		sent += BURST;
	}
	return sent;
}
