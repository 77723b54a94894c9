#pragma once

#include "bench/load/histogram.h"
#include "bench/load/stock.h"
#include "io/base/problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How events get to the appliance. One thread.

enum {
	SHOTS_MAX = 64, // handed over at once, of different events
	TRANSPORT_FAULT_MAX = 300
};

/** An event that is due. */
struct shot {
	uint32_t event;   // of the stock
	uint32_t subject; //
	uint64_t number;  // from 1, over all trials
	uint64_t due_ns;  // monotonic
};

struct transport_options {
	const char
		*target; // udp, sealed: HOST:PORT; af_packet: interface; memif: path of the socket
	const char *to;  // af_packet, memif: ADDRESS:PORT of the stream
	const char *
		from; // af_packet, memif: ADDRESS that frames come from; NULL = one of the documentation's
	const char *mac;         // af_packet, memif: of the appliance
	const char *key_file;    // sealed
	const char *stream;      // sealed: its name; NULL = whatever is behind the port
	uint32_t datagram_bytes; // sealed: of a datagram at most; 0 = the client's default
	uint32_t flows;          // source ports, from 1
	uint32_t queues;         // af_packet, memif: of the port
	uint32_t memory_mib;     // af_packet, memif
	bool is_self_test;       // receive and count what is sent, by a process of one's own
	struct stock *stock;     // borrowed; its events may be moved
};

struct transport {
	const struct transport_kind *kind;
	void *self;
	struct histogram
		*latency;   // from an event's due time to its acknowledgement; NULL = not wanted
	bool is_counted;    // delivered is kept
	uint64_t delivered; // events that came through
	char fault[TRANSPORT_FAULT_MAX]; // "" = fine; else nothing can be sent any more
};

struct transport_kind {
	const char *name;
	const char *help;
	bool is_answered;   // by acknowledgements: transport.delivered and latency are kept
	bool has_frames;    // writes Ethernet frames of its own: --to
	bool has_no_target; // goes nowhere
	bool has_self_test; // can be its own receiver
	enum sl_status (*open
	)(struct transport *t, const struct transport_options *options, struct problem *ret_problem
	);
	/** A trial begins: answers to what was sent before count no more. NULL = there are none. */
	void (*begin)(struct transport *t);
	/** Send. @return shots taken, from the first on: the rest is to be offered again */
	size_t (*send)(struct transport *t, const struct shot shots[], size_t count);
	/** Take what comes back; called all the time. */
	void (*poll)(struct transport *t);
	void (*close)(struct transport *t);
};

extern const struct transport_kind transport_null;
extern const struct transport_kind transport_udp;
extern const struct transport_kind transport_sealed;
extern const struct transport_kind transport_af_packet;
extern const struct transport_kind transport_memif;

extern const struct transport_kind *const transport_kinds[];
extern const size_t transport_kind_count;

/** NULL = there is none of the name. */
const struct transport_kind *transport_find(const char *name);

/** Say why nothing can be sent any more; the first reason stays. */
void transport_fail(struct transport *t, const char *format, ...) PRINTF_LIKE(2, 3);
