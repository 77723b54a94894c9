#include "dataplane/runtime/exception.h"

#include "dataplane/runtime/device.h"
#include "dataplane/runtime/interface.h"
#include "dataplane/runtime/split.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

enum {
	LINK_HEADER_MAX = 22 // bytes: Ethernet and two VLAN tags
};

enum sl_status exception_open(
	const struct settings *settings,
	const struct port *port,
	struct exception *ret_exception,
	struct problem *ret_problem
)
{
	struct exception exception = {0};

	*ret_exception = exception;
	if (settings->host_interface[0] == '\0')
		return SL_OK;
	SL_TRY(device_make_exception(settings, port->mac, &exception.device, ret_problem));
	if (rte_eth_dev_get_port_by_name(exception.device, &exception.id) != 0)
		return problem_set(
			ret_problem,
			SL_E_UNSUPPORTED,
			"interface \"%s\" could not be made",
			settings->host_interface
		);
	SL_TRY(port_start_device(exception.id, settings, port->frames, NULL, ret_problem));
	SL_TRY(interface_set_mtu(settings->host_interface, port->mtu, ret_problem));
	exception.mtu = port->mtu;
	exception.frames = port->frames;
	exception.is_open = true;
	*ret_exception = exception;
	return SL_OK;
}

void exception_close(struct exception *exception)
{
	if (!exception->is_open)
		return;
	(void)rte_eth_dev_stop(exception->id);
	(void)rte_eth_dev_close(exception->id);
	device_remove(exception->device);
	exception->is_open = false;
}

/** Frames that the driver has joined, in the pieces that they came in. @return frames sent */
static uint32_t put_long(const struct exception *exception, uint16_t queue, struct rte_mbuf *frame)
{
	struct rte_mbuf *pieces[SPLIT_MAX];
	uint32_t count = split_frame(frame, exception->mtu, exception->frames, pieces);
	uint32_t sent = rte_eth_tx_burst(exception->id, queue, pieces, (uint16_t)count);

	rte_pktmbuf_free_bulk(pieces + sent, count - sent);
	return count != 0 && sent == count;
}

uint32_t exception_put(
	const struct exception *exception,
	uint16_t queue,
	struct rte_mbuf *frames[],
	uint32_t count
)
{
	uint32_t short_count = 0;
	uint32_t taken = 0;
	uint32_t sent;

	if (!exception->is_open) {
		rte_pktmbuf_free_bulk(frames, count);
		return 0;
	}
	for (uint32_t n = 0; n < count; n++)
		if (rte_pktmbuf_pkt_len(frames[n]) > exception->mtu + LINK_HEADER_MAX)
			taken += put_long(exception, queue, frames[n]);
		else
			frames[short_count++] = frames[n];
	sent = rte_eth_tx_burst(exception->id, queue, frames, (uint16_t)short_count);
	rte_pktmbuf_free_bulk(frames + sent, short_count - sent);
	return taken + sent;
}

uint32_t exception_forward(
	const struct exception *exception,
	const struct port *port,
	uint16_t queue
)
{
	struct rte_mbuf *frames[PORT_BURST];
	uint16_t count;
	uint16_t sent;

	if (!exception->is_open)
		return 0;
	count = rte_eth_rx_burst(exception->id, queue, frames, PORT_BURST);
	if (count == 0)
		return 0;
	sent = rte_eth_tx_burst(port->id, queue, frames, count);
	rte_pktmbuf_free_bulk(frames + sent, count - sent);
	return sent;
}
