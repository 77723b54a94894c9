#include "dataplane/runtime/exception.h"

#include "dataplane/runtime/device.h"
#include "dataplane/runtime/interface.h"
#include "dataplane/runtime/notice.h"
#include "dataplane/runtime/split.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <unistd.h>

enum {
	LINK_HEADER_MAX = 22 // bytes: Ethernet and two VLAN tags
};

/** Have the kernel's threads serve the interface; false where they do not. */
static bool open_vhost(const struct settings *s, const struct port *port, struct exception *e)
{
	struct problem problem;
	const char *name = device_make_vhost(s, port->mac);

	if (name == NULL)
		return false;
	if (rte_eth_dev_get_port_by_name(name, &e->id) != 0) {
		device_remove(name);
		return false;
	}
	if (port_start_device(e->id, s, port->frames, NULL, &problem) != SL_OK) {
		(void)rte_eth_dev_close(e->id);
		device_remove(name);
		return false;
	}
	e->device = name;
	return true;
}

static enum sl_status open_interface(
	const struct settings *s,
	const struct port *port,
	struct exception *e,
	struct problem *p
)
{
	// Made here first in either case: so it stays, and what can not be is told in our words.
	SL_TRY(tap_open(s->host_interface, s->worker_count, &e->tap, p));
	SL_TRY(interface_set_mac(s->host_interface, port->mac, p));
	SL_TRY(interface_set_mtu(s->host_interface, port->mtu, p));
	if (access("/dev/vhost-net", F_OK) == 0) {
		tap_close(&e->tap);
		if (!open_vhost(s, port, e)) {
			notice("interface \"%s\" is served by system calls: /dev/vhost-net wants "
			       "huge "
			       "pages, and to be ours to read and write",
			       s->host_interface);
			SL_TRY(tap_open(s->host_interface, s->worker_count, &e->tap, p));
		}
	}
	return interface_set_up(s->host_interface, p);
}

enum sl_status exception_open(
	const struct settings *settings,
	const struct port *port,
	struct exception *ret_exception,
	struct problem *ret_problem
)
{
	struct exception exception = {.mtu = port->mtu, .frames = port->frames};
	enum sl_status status;

	if (settings->host_interface[0] == '\0') {
		*ret_exception = exception;
		return SL_OK;
	}
	status = open_interface(settings, port, &exception, ret_problem);
	exception.is_open = status == SL_OK;
	if (status != SL_OK)
		tap_close(&exception.tap);
	*ret_exception = exception;
	return status;
}

void exception_close(struct exception *exception)
{
	if (!exception->is_open)
		return;
	tap_close(&exception->tap);
	if (exception->device != NULL) {
		(void)rte_eth_dev_stop(exception->id);
		(void)rte_eth_dev_close(exception->id);
		device_remove(exception->device);
	}
	exception->is_open = false;
}

/** Frames are handed over. @return frames taken */
static uint32_t put(
	const struct exception *exception,
	uint16_t queue,
	struct rte_mbuf *frames[],
	uint32_t count
)
{
	uint32_t taken = 0;

	if (exception->device != NULL) {
		taken = rte_eth_tx_burst(exception->id, queue, frames, (uint16_t)count);
		rte_pktmbuf_free_bulk(frames + taken, count - taken);
		return taken;
	}
	for (uint32_t n = 0; n < count; n++)
		taken += tap_put(&exception->tap, queue, frames[n]);
	rte_pktmbuf_free_bulk(frames, count);
	return taken;
}

/** Frames that the driver has joined, in the pieces that they came in. @return frames sent */
static uint32_t put_long(const struct exception *exception, uint16_t queue, struct rte_mbuf *frame)
{
	struct rte_mbuf *pieces[SPLIT_MAX];
	uint32_t count = split_frame(frame, exception->mtu, exception->frames, pieces);

	return count != 0 && put(exception, queue, pieces, count) == count;
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

	if (!exception->is_open) {
		rte_pktmbuf_free_bulk(frames, count);
		return 0;
	}
	for (uint32_t n = 0; n < count; n++)
		if (rte_pktmbuf_pkt_len(frames[n]) > exception->mtu + LINK_HEADER_MAX)
			taken += put_long(exception, queue, frames[n]);
		else
			frames[short_count++] = frames[n];
	return taken + put(exception, queue, frames, short_count);
}

uint32_t exception_forward(
	struct exception *exception,
	const struct port *port,
	uint16_t queue,
	uint64_t now_ns
)
{
	struct rte_mbuf *frames[PORT_BURST];
	uint32_t count;
	uint16_t sent;

	if (!exception->is_open)
		return 0;
	if (exception->device != NULL)
		count = rte_eth_rx_burst(exception->id, queue, frames, PORT_BURST);
	else
		count = tap_take(
			&exception->tap, queue, exception->frames, now_ns, frames, PORT_BURST
		);
	if (count == 0)
		return 0;
	sent = rte_eth_tx_burst(port->id, queue, frames, (uint16_t)count);
	rte_pktmbuf_free_bulk(frames + sent, count - sent);
	return sent;
}
