#pragma once

// libsealane-client: send events to a Sealane appliance by sealed datagrams, each acknowledged once it is durable there.
// C99, no other header needed. See sealane-client(3) and docs/formats/datagram.md.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SL_CLIENT_VERSION 1

enum sl_client_status {
	SL_CLIENT_OK = 0,
	SL_CLIENT_AGAIN,    /* window or credit is used up: poll, then offer again */
	SL_CLIENT_TOO_BIG,  /* an event does not fit into a datagram */
	SL_CLIENT_KEY_FILE, /* the key file can not be read or is none */
	SL_CLIENT_ADDRESS,  /* host or port can not be resolved */
	SL_CLIENT_SYSTEM,   /* a system call failed: errno */
	SL_CLIENT_TIMEOUT,  /* no answer for the time given */
	SL_CLIENT_REFUSED,  /* the appliance does not take events of this client for that stream */
	SL_CLIENT_EVENT,    /* an event is empty or has a line end in it */
	SL_CLIENT_OPTION    /* an option is out of its range */
};

struct sl_client;

/** Zeros are the defaults. */
struct sl_client_options {
	const char *host;     /* name or address of the appliance */
	const char *port;     /* UDP port of the stream */
	const char *key_file; /* as `sealane create client` writes it */
	const char *
		stream; /* its name, checked by the appliance; NULL = whatever is behind the port */
	uint32_t datagram_bytes_max; /* UDP payload, 256..9000; 0 = 1400 */
	uint32_t window;             /* datagrams on their way; 0 = 1024, at most 4096 */
	uint32_t resend_ms;          /* first resend after, at most 60000; 0 = by the round trip */
	uint32_t linger_us; /* how long a datagram that is not full waits for more; 0 = 500 */
};

/** Called by sl_client_poll for each acknowledged event datagram, in no order; count events are durable at the appliance. */
typedef void sl_client_acked_fn(void *self, uint64_t first_event, uint32_t count);

/**
 * Called by sl_client_poll and sl_client_flush when the appliance has ended the session, for each event datagram that was on
 * its way: whether its events are stored is not known. Return 1 to have them sent again (they may be there twice), 0 to give
 * them up (they may be missing). It must not call functions of the client.
 */
typedef int sl_client_repeat_fn(void *self, uint64_t first_event, uint32_t count);

/**
 * Make a client. Does not wait for an answer: sl_client_poll opens the session, and events offered before are kept.
 * *ret_client is set on failure too, for sl_client_error, unless there is no memory; close it in any case.
 */
enum sl_client_status sl_client_connect(
	const struct sl_client_options *options,
	struct sl_client **ret_client
);

/** Hand over one event (one line of JSON, no line end; copied). *ret_number: its number, from 0. */
enum sl_client_status sl_client_offer(
	struct sl_client *client,
	const void *event,
	size_t size,
	uint64_t *ret_number
);

/** Send, resend, take acknowledgements. Waits at most timeout_ms for something to happen. Call it often. */
enum sl_client_status sl_client_poll(struct sl_client *client, int timeout_ms);

/** Wait until everything offered is acknowledged. */
enum sl_client_status sl_client_flush(struct sl_client *client, int timeout_ms);

void sl_client_on_acked(struct sl_client *client, sl_client_acked_fn *acked, void *self);

/** Without such a function events are sent again. */
void sl_client_on_repeat(struct sl_client *client, sl_client_repeat_fn *repeat, void *self);

struct sl_client_stats {
	uint64_t events_offered;
	uint64_t events_acked;
	uint64_t datagrams_sent;
	uint64_t datagrams_resent;
	uint64_t sessions; /* opened so far: 1, and more after the appliance forgot one */
	uint32_t round_trip_us;
	uint32_t credit;
};

void sl_client_get_stats(const struct sl_client *client, struct sl_client_stats *ret_stats);

/** File descriptor to wait for in a loop of one's own. */
int sl_client_fd(const struct sl_client *client);

/** One sentence about the last failure. */
const char *sl_client_error(const struct sl_client *client);

/** What is not acknowledged is lost. NULL is fine. */
void sl_client_close(struct sl_client *client);

#ifdef __cplusplus
}
#endif
