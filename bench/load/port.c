#include "bench/load/port.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	BURST = 64,
	FRAMES_IN = 4096, // mbufs of a queue for what comes in: its ring's and as many again
	WAIT_STEP_NS = 10000000,
	WAIT_STEPS = 100 // a second
};

/** Small pages, no shared files, no devices but ours: nothing is asked of the machine. */
static enum sl_status start_eal(const struct port_setup *setup, struct problem *ret_problem)
{
	char memory[16];
	char prefix[48];
	char device[PORT_TEXT_MAX + 8];
	char cores[32];
	char *words[] = {
		"sealane-load",
		"--no-huge",
		"--no-shconf",
		"--no-pci",
		"--no-telemetry",
		"--log-level=*:error",
		"-m",
		memory,
		prefix,
		cores,
		device,
	};
	cpu_set_t own;

	if (sched_getaffinity(0, sizeof(own), &own) != 0)
		CPU_ZERO(&own);
	snprintf(memory, sizeof(memory), "%u", setup->memory_mib);
	snprintf(prefix, sizeof(prefix), "--file-prefix=sealane-load-%d", (int)getpid());
	snprintf(device, sizeof(device), "--vdev=%s", setup->device);
	// One thread of EAL's, wherever it may run.
	snprintf(
		cores,
		sizeof(cores),
		"--lcores=0@%d",
		setup->core < 0 ? sched_getcpu() : setup->core
	);
	if (rte_eal_init(sizeof(words) / sizeof(words[0]), words) < 0) {
		(void)!problem_set(
			ret_problem,
			SL_E_UNSUPPORTED,
			"the packet runtime does not start: %s",
			rte_strerror(rte_errno)
		);
		problem_remedy(
			ret_problem, "look at TARGET and --memory; af_packet needs CAP_NET_RAW"
		);
		return SL_E_UNSUPPORTED;
	}
	if (setup->core < 0)
		(void)!sched_setaffinity(0, sizeof(own), &own);
	return SL_OK;
}

static int set_up_queues(const struct port_setup *setup, const struct port *port)
{
	struct rte_eth_conf conf = {0};
	int failure = rte_eth_dev_configure(port->id, port->queues, port->queues, &conf);

	for (uint16_t q = 0; q < setup->queues && failure == 0; q++) {
		failure = rte_eth_rx_queue_setup(
			port->id, q, PORT_DESCRIPTORS, SOCKET_ID_ANY, NULL, port->pool
		);
		if (failure == 0)
			failure = rte_eth_tx_queue_setup(
				port->id, q, PORT_DESCRIPTORS, SOCKET_ID_ANY, NULL
			);
	}
	return failure != 0 ? failure : rte_eth_dev_start(port->id);
}

struct rte_mempool *port_pool(const char *name, uint32_t frames, uint32_t frame_size)
{
	return rte_pktmbuf_pool_create(
		name, frames, 0, 0, (uint16_t)(frame_size + RTE_PKTMBUF_HEADROOM), SOCKET_ID_ANY
	);
}

enum sl_status port_no_memory(struct problem *ret_problem)
{
	(void)!problem_set(ret_problem, SL_E_NOMEM, "no memory for the frames");
	problem_remedy(ret_problem, "give more --memory or have less --distinct events");
	return SL_E_NOMEM;
}

enum sl_status port_open(
	const struct port_setup *setup,
	struct port *ret_port,
	struct problem *ret_problem
)
{
	struct port port = {.queues = (uint16_t)setup->queues};
	int failure;

	SL_TRY(start_eal(setup, ret_problem));
	port.id = rte_eth_find_next(0);
	if (port.id >= RTE_MAX_ETHPORTS)
		return problem_set(
			ret_problem, SL_E_UNSUPPORTED, "there is no port %s", setup->device
		);
	port.pool = port_pool("in", FRAMES_IN * setup->queues, PORT_FRAME);
	if (port.pool == NULL)
		return port_no_memory(ret_problem);
	failure = set_up_queues(setup, &port);
	if (failure != 0)
		return problem_set(
			ret_problem,
			SL_E_UNSUPPORTED,
			"port %s: %s",
			setup->device,
			rte_strerror(-failure)
		);
	*ret_port = port;
	return SL_OK;
}

void port_close(struct port *port)
{
	rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	rte_eal_cleanup();
}

bool port_is_up(const struct port *port)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status != 0;
}

bool port_wait(const struct port *port, uint32_t timeout_s)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP_NS};

	for (uint32_t n = 1; !port_is_up(port); n++) {
		if (n / WAIT_STEPS == timeout_s)
			return false;
		if (n % WAIT_STEPS == 0
		    && (rte_eth_dev_stop(port->id) != 0 || rte_eth_dev_start(port->id) != 0))
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}

uint32_t port_drain(const struct port *port)
{
	struct rte_mbuf *frames[BURST];
	uint32_t total = 0;

	for (uint16_t q = 0; q < port->queues; q++) {
		uint16_t count = rte_eth_rx_burst(port->id, q, frames, BURST);

		rte_pktmbuf_free_bulk(frames, count);
		total += count;
	}
	return total;
}
