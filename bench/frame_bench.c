#include "bench/give_up.h"
#include "dataplane/pipeline/frame.h"
#include "io/base/clock.h"
#include "tests/support/packet.h"

#include <stdio.h>
#include <stdlib.h>

// Nanoseconds a frame of frame_parse_burst and frame_answer, in bursts of 64 over more frames than the first-level
// cache holds, the best of ROUNDS:
//
//	frame_bench [PAYLOAD_SIZE]      default 512 bytes

enum {
	FRAMES = 1024,
	BURST = 64,
	PASSES = 100,
	ROUNDS = 7,
	PAYLOAD_SIZE_MAX = 9000
};

static struct view frames[FRAMES];
static struct flow flows[BURST];
static struct view payloads[BURST];

static void make(const struct packet_plan *plan)
{
	for (size_t i = 0; i < FRAMES; i++) {
		static struct packet p;
		struct packet_plan own = *plan;
		uint8_t *copy;

		own.source_port = (uint16_t)(1024 + i);
		packet_build(&own, &p);
		copy = must(malloc(p.size));
		memcpy(copy, p.bytes, p.size);
		free((void *)frames[i].bytes);
		frames[i] = view_of(copy, p.size);
	}
}

static size_t parse_all(const struct frame_rules *rules)
{
	size_t events = 0;

	for (size_t i = 0; i < FRAMES; i += BURST)
		events += frame_parse_burst(rules, frames + i, BURST, flows, payloads);
	return events;
}

static void report(const char *what, uint64_t best_ns)
{
	printf("  %-40s %6.1f ns/frame\n", what, (double)best_ns / (PASSES * FRAMES));
}

static void measure_parse(const char *what, const struct frame_rules *rules, size_t expected)
{
	uint64_t best_ns = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start_ns = clock_monotonic_ns();

		for (int pass = 0; pass < PASSES; pass++)
			if (parse_all(rules) != expected)
				give_up("%s: frames are not what they should be", what);
		start_ns = clock_monotonic_ns() - start_ns;
		best_ns = start_ns < best_ns ? start_ns : best_ns;
	}
	report(what, best_ns);
}

static void measure_answer(const char *what, const struct frame_rules *rules)
{
	static uint8_t headers[FRAME_HEADERS_MAX];
	static uint8_t text[64];
	uint64_t best_ns = UINT64_MAX;
	size_t size = 0;

	parse_all(rules);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start_ns = clock_monotonic_ns();

		for (int n = 0; n < PASSES * FRAMES; n++)
			size += frame_answer(
				&flows[n % BURST], view_of(text, sizeof(text)), headers
			);
		start_ns = clock_monotonic_ns() - start_ns;
		best_ns = start_ns < best_ns ? start_ns : best_ns;
	}
	if (size == 0)
		give_up("%s: no headers", what);
	report(what, best_ns);
}

int main(int argc, char **argv)
{
	static uint8_t text[PAYLOAD_SIZE_MAX];
	const size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 512;
	const struct packet_plan ipv4 = {.payload = {text, size}};
	const struct packet_plan ipv6 = {.payload = {text, size}, .is_ipv6 = true};
	const struct packet_plan other = {.payload = {text, size}, .target_port = 9};
	struct frame_rules rules = {.port = {4000, 5000, 6000}, .port_count = 3};

	if (size == 0 || size > PAYLOAD_SIZE_MAX)
		give_up("usage: frame_bench [PAYLOAD_SIZE], 1 to %d bytes", PAYLOAD_SIZE_MAX);
	memset(text, 'a', sizeof(text));
	memcpy(rules.mac, packet_own_mac, sizeof(rules.mac));
	printf("frames of %zu bytes of payload, bursts of %d\n", size, BURST);
	make(&ipv4);
	measure_parse("IPv4, checksums verified here", &rules, FRAMES);
	measure_answer("IPv4, answer of 64 bytes", &rules);
	make(&ipv6);
	measure_parse("IPv6, checksum verified here", &rules, FRAMES);
	measure_answer("IPv6, answer of 64 bytes", &rules);
	make(&other);
	measure_parse("another port: the kernel's", &rules, 0);
	rules.has_checked_ip = rules.has_checked_udp = true;
	make(&ipv4);
	measure_parse("IPv4, checksums verified by the port", &rules, FRAMES);
	make(&ipv6);
	measure_parse("IPv6, checksum verified by the port", &rules, FRAMES);
	return EXIT_SUCCESS;
}
