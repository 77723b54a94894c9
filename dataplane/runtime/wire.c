#include "dataplane/runtime/wire.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

static_assert((int)FRAME_HEADERS_MAX <= RTE_PKTMBUF_HEADROOM, "headers go before the payload");

static void answer_frame(struct wire *w, const struct flow *flow, struct view answer)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->port->frames);
	size_t headers;
	char *to;

	if (m == NULL)
		return;
	to = rte_pktmbuf_append(m, (uint16_t)answer.size);
	memcpy(to, answer.bytes, answer.size);
	headers = frame_answer(flow, answer, (uint8_t *)to - FRAME_HEADERS_MAX);
	(void)rte_pktmbuf_prepend(m, (uint16_t)headers);
	w->frame[w->count++] = m;
	if (w->count == PORT_BURST)
		wire_flush(w);
}

void wire_answer(struct wire *w, const struct origin *origin, struct view answer)
{
	if (answer.size == 0)
		return;
	if (origin->kind == ORIGIN_PORT) {
		answer_frame(w, &origin->flow, answer);
		return;
	}
	if (sendto(origin->kernel.socket,
		   answer.bytes,
		   answer.size,
		   MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&origin->kernel.sender,
		   sizeof(origin->kernel.sender))
	    > 0)
		w->sent++;
}

void wire_flush(struct wire *w)
{
	uint16_t sent;

	if (w->count == 0)
		return;
	sent = rte_eth_tx_burst(w->port->id, w->queue, w->frame, w->count);
	rte_pktmbuf_free_bulk(w->frame + sent, w->count - sent);
	w->sent += sent;
	w->count = 0;
}
