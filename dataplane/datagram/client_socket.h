#pragma once

#include "dataplane/datagram/sealane_client.h"
#include "dataplane/datagram/sender.h"

#include <sys/socket.h>

// The UDP socket of a client: bursts of datagrams in and out of a sender.

enum {
	CLIENT_ERROR_MAX = 600, // bytes of an error's text
	CLIENT_BURST = 32       // datagrams of one system call
};

struct client_socket {
	int fd;
	struct sockaddr_storage peer; // that it is connected to
	socklen_t peer_size;
	int error;       // errno of a failed call that is no passing trouble; the reader clears it
	uint32_t unsent; // datagrams that the kernel did not take yet
	uint32_t unsent_at; // the first of them
	uint32_t size[CLIENT_BURST];
	uint8_t bytes[CLIENT_BURST][WIRE_DATAGRAM_MAX];
	uint8_t answers[CLIENT_BURST][WIRE_ANSWER_MAX + 1];
};

/** ret_error [CLIENT_ERROR_MAX]: what went wrong. */
enum sl_client_status client_socket_open(
	struct client_socket *s,
	const char *host,
	const char *port,
	char *ret_error
);
void client_socket_close(struct client_socket *s);

/** Hand what has come to the sender; at most a burst. Returns whether anything came. */
bool client_socket_receive(struct client_socket *s, struct sender *sender, uint64_t now_us);

/** Send what the sender has; at most a burst. Returns whether anything went. */
bool client_socket_send(struct client_socket *s, struct sender *sender, uint64_t now_us);

/** Wait for the kernel, or until wake_us. */
void client_socket_wait(const struct client_socket *s, uint64_t now_us, uint64_t wake_us);
