#pragma once

#include "dataplane/pipeline/frame.h"
#include "dataplane/runtime/port.h"

#include <netinet/in.h>

struct rte_mbuf;

// The way back: answers to datagrams, by the port or by the kernel's socket that they came in by.

enum origin_kind {
	ORIGIN_PORT,  // a frame of the port
	ORIGIN_KERNEL // a datagram that the kernel put together
};

/** Where a datagram came from. Kept by the datagram server as opaque bytes for acknowledgements. */
struct origin {
	uint8_t kind; // enum origin_kind

	union {
		struct flow flow;

		struct {
			int socket;
			struct sockaddr_in6 sender;
		} kernel;
	};
};

/** Answers of one worker on their way out. */
struct wire {
	const struct port *port;
	uint16_t queue;
	uint16_t count;
	struct rte_mbuf *frame[PORT_BURST];
	uint64_t sent; // frames, in all
};

/** Answer a datagram; one that can not go out now is lost, as any datagram may be. */
void wire_answer(struct wire *wire, const struct origin *origin, struct view answer);

/** Send what waits. */
void wire_flush(struct wire *wire);
