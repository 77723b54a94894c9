#include "bench/load/frame_make.h"

#include "bench/load/endpoint.h"
#include "dataplane/pipeline/frame_wire.h"

#include <stdio.h>
#include <stdlib.h>

static bool read_address(const char *text, struct frame_address *ret_address, uint8_t *ret_is_ipv6)
{
	struct frame_address mapped = {.bytes = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET6, text, ret_address->bytes) == 1) {
		*ret_is_ipv6 = 1;
		return true;
	}
	if (inet_pton(AF_INET, text, mapped.bytes + 12) != 1)
		return false;
	*ret_is_ipv6 = 0;
	*ret_address = mapped;
	return true;
}

static bool read_mac(const char *text, uint8_t ret_mac[6])
{
	unsigned b[6];
	char rest;

	if (sscanf(text,
		   "%2x:%2x:%2x:%2x:%2x:%2x%c",
		   &b[0],
		   &b[1],
		   &b[2],
		   &b[3],
		   &b[4],
		   &b[5],
		   &rest)
	    != 6)
		return false;
	for (int i = 0; i < 6; i++)
		ret_mac[i] = (uint8_t)b[i];
	return true;
}

static bool read_port(const char *text, uint16_t *ret_port)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	*ret_port = (uint16_t)port;
	return *end == '\0' && port != 0 && port < 65536;
}

enum sl_status frame_maker_init(
	struct frame_maker *maker,
	const struct transport_options *o,
	struct problem *ret_problem
)
{
	static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1};
	struct flow *flow = &maker->flow;
	const char *from = o->from;
	struct endpoint to;
	uint8_t is_from_ipv6;

	*maker = (struct frame_maker){.flow_count = o->flows};
	SL_TRY(endpoint_read(o->to != NULL ? o->to : "192.0.2.2:5000", &to, ret_problem));
	if (!read_address(to.host, &flow->source, &flow->is_ipv6)
	    || !read_port(to.port, &flow->source_port))
		return problem_set(
			ret_problem, SL_E_INVALID, "--to \"%s\": no address and port", o->to
		);
	if (from == NULL)
		from = flow->is_ipv6 ? "2001:db8::1" : "192.0.2.1";
	if (!read_address(from, &flow->target, &is_from_ipv6) || is_from_ipv6 != flow->is_ipv6)
		return problem_set(
			ret_problem,
			SL_E_INVALID,
			"--from \"%s\": no address of --to's family",
			from
		);
	if (!read_mac(o->mac, flow->source_mac))
		return problem_set(ret_problem, SL_E_INVALID, "--mac \"%s\": no MAC", o->mac);
	memcpy(flow->target_mac, own_mac, sizeof(own_mac));
	return SL_OK;
}

size_t framed_size(const struct frame_maker *maker, const struct stock_event *event)
{
	return 14u + (maker->flow.is_ipv6 ? IPV6_HEADER_SIZE : IPV4_HEADER_SIZE) + UDP_HEADER_SIZE
		+ event->size;
}

/** The digits' part in the checksum: bytes at an odd place count the other way round (RFC 1071 §2). */
static uint64_t sum_digits(const struct stock_event *event, uint32_t at, size_t size)
{
	uint16_t sum = sum_fold(sum_bytes(0, event->bytes + at, size));

	return at % 2 == 0 ? sum : __builtin_bswap16(sum);
}

static uint64_t sum_stamp(const struct stock_event *event)
{
	uint64_t sum = sum_digits(
		event, event->subject_at + STOCK_SUBJECT_SIZE - STOCK_DIGITS, STOCK_DIGITS
	);

	return event->number_at == 0 ? sum
				     : sum + sum_digits(event, event->number_at, STOCK_NUMBER_SIZE);
}

void framed_make(
	const struct frame_maker *maker,
	uint32_t n,
	struct stock_event *event,
	uint8_t *frame,
	struct framed *ret_framed
)
{
	struct flow flow = maker->flow;
	uint8_t headers[FRAME_HEADERS_MAX];
	size_t size;
	uint16_t checksum;

	flow.target_port = (uint16_t)(FRAME_SOURCE_PORT + n % maker->flow_count);
	size = frame_answer(&flow, view_of(event->bytes, event->size), headers);
	memcpy(frame, headers + FRAME_HEADERS_MAX - size, size);
	memcpy(frame + size, event->bytes, event->size);
	event->bytes = frame + size;
	*ret_framed = (struct framed){.event = event, .checksum = frame + size - 2};
	// The checksum is the complement of all else: taking the digits out leaves the sum to add others to.
	memcpy(&checksum, ret_framed->checksum, sizeof(checksum));
	ret_framed->sum = (uint64_t)(uint16_t)~checksum + (uint16_t)~sum_fold(sum_stamp(event));
}

void framed_stamp(const struct framed *framed, uint32_t subject, uint64_t number)
{
	uint16_t checksum;

	stock_stamp(framed->event, subject, number);
	checksum = (uint16_t)~sum_fold(framed->sum + sum_stamp(framed->event));
	if (checksum == 0)
		checksum = 0xffff;
	memcpy(framed->checksum, &checksum, sizeof(checksum));
}
