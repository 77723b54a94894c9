#include "dataplane/runtime/port.h"

#include "dataplane/runtime/device.h"
#include "dataplane/runtime/eal.h"
#include "dataplane/runtime/interface.h"

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_ring.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
	FRAME_CACHE = 256, // mbufs of a thread's cache
	FRAME_EXTRA = 128, // bytes beyond the MTU: link header, tags, readable bytes behind a frame
	FRAME_ROOM_MIN = 2048, // bytes
	HUGE_PAGE = 2 << 20
};

static enum sl_status refuse(struct problem *p, int code, const char *what)
{
	return problem_set(
		p, SL_E_UNSUPPORTED, "port: %s: %s", what, rte_strerror(code < 0 ? -code : code)
	);
}

static void unmap(struct rte_mempool_memhdr *part, void *unused)
{
	(void)unused;
	munmap(part->addr, part->len);
}

/**
 * EAL without huge pages has small ones, and every frame is on one of its own. Ours are huge as the kernel finds some,
 * and frames lie across them.
 */
static int populate(struct rte_mempool *pool, uint32_t memory_mib)
{
	size_t one = (size_t)pool->header_size + pool->elt_size + pool->trailer_size;
	// Rounded up, and one more: pages that are not whole at both ends stay small.
	size_t size = (pool->size * one + 2 * HUGE_PAGE) & ~(size_t)(HUGE_PAGE - 1);
	void *memory;
	int count;

	if (size >> 20 > memory_mib)
		return -ENOMEM;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	// Events are in there as they come: not in core files.
	(void)madvise(memory, size, MADV_DONTDUMP);
	(void)madvise(memory, size, MADV_HUGEPAGE);
	count = rte_mempool_populate_iova(pool, memory, RTE_BAD_IOVA, size, unmap, NULL);
	if (count <= 0)
		munmap(memory, size);
	return count;
}

/** A card that reads and writes frames itself does not follow them across pages. */
static bool has_own_memory(const struct settings *s)
{
	return !eal_has_huge_pages() && s->port_kind != SETTINGS_PORT_PCI;
}

/** Frames of so many bytes. The last one back is the first one out, where EAL can: few are hot instead of all cold. */
static struct rte_mempool *make_pool(const struct settings *s, uint16_t room)
{
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = room};
	bool is_own = has_own_memory(s);
	struct rte_mempool *pool = rte_mempool_create_empty(
		"sealane_frames",
		s->frames,
		(unsigned)sizeof(struct rte_mbuf) + room,
		s->frames >= 8 * FRAME_CACHE ? FRAME_CACHE : 0,
		sizeof(private),
		SOCKET_ID_ANY,
		is_own ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0
	);
	int count;

	if (pool == NULL)
		return NULL;
	if (rte_mempool_set_ops_byname(pool, "stack", NULL) != 0)
		(void)rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL);
	rte_pktmbuf_pool_init(pool, &private);
	count = is_own ? populate(pool, s->memory_mib) : rte_mempool_populate_default(pool);
	if (count < (int)s->frames) {
		rte_mempool_free(pool);
		rte_errno = ENOMEM;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

static enum sl_status make_frames(const struct settings *s, struct port *port, struct problem *p)
{
	uint32_t room = port->mtu + FRAME_EXTRA;

	if (s->port_kind == SETTINGS_PORT_AF_PACKET)
		room = DEVICE_SLOT_AF_PACKET + FRAME_EXTRA;
	if (room < FRAME_ROOM_MIN)
		room = FRAME_ROOM_MIN;
	port->frames = make_pool(s, (uint16_t)(room + RTE_PKTMBUF_HEADROOM));
	if (port->frames != NULL)
		return SL_OK;
	(void)!problem_set(
		p,
		SL_E_NOMEM,
		"no memory for %u frames of %u bytes: %s",
		s->frames,
		room,
		rte_strerror(rte_errno)
	);
	problem_remedy(p, "raise memory_mib, or lower frames, in sealane.yaml");
	return SL_E_NOMEM;
}

static enum sl_status make_ring(const char *what, uint32_t queue, struct rte_ring **ret_ring)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "sealane_%s_%u", what, queue);
	*ret_ring =
		rte_ring_create(name, PORT_RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return *ret_ring == NULL ? SL_E_NOMEM : SL_OK;
}

static enum sl_status make_ring_port(struct port *port, struct problem *p)
{
	static uint32_t number; // a closed device's name is not given again
	char name[RTE_ETH_NAME_MAX_LEN];
	int id;

	for (uint32_t q = 0; q < port->queue_count; q++)
		if (make_ring("in", q, &port->in[q]) != SL_OK
		    || make_ring("out", q, &port->out[q]) != SL_OK)
			return problem_set(p, SL_E_NOMEM, "no memory for the port's rings");
	snprintf(name, sizeof(name), "sealane_port_%u", number++);
	id = rte_eth_from_rings(name, port->in, port->queue_count, port->out, port->queue_count, 0);
	if (id < 0)
		return refuse(p, rte_errno, "no device over rings");
	port->id = (uint16_t)id;
	return SL_OK;
}

static enum sl_status find_device(const struct settings *s, struct port *port, struct problem *p)
{
	const char *name = s->port_device;

	if (s->port_kind == SETTINGS_PORT_RING)
		return make_ring_port(port, p);
	if (s->port_kind != SETTINGS_PORT_PCI) {
		SL_TRY(device_make_port(s, &port->device, p));
		name = port->device;
	}
	if (rte_eth_dev_get_port_by_name(name, &port->id) == 0)
		return SL_OK;
	(void)!problem_set(p, SL_E_NOT_FOUND, "port: there is no device %s", s->port_device);
	problem_remedy(p, "a NIC is bound to vfio-pci before it is used by its PCI address");
	return SL_E_NOT_FOUND;
}

/** XDP has frames of one page and no longer. */
static enum sl_status check_mtu(const struct port *port, const char *name, struct problem *p)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port->id, &info) != 0 || port->mtu <= info.max_mtu)
		return SL_OK;
	(void)!problem_set(
		p,
		SL_E_UNSUPPORTED,
		"interface \"%s\" has an MTU of %u bytes; af_xdp takes up to %u",
		name,
		port->mtu,
		info.max_mtu
	);
	problem_remedy(p, "ip link set %s mtu %u, or port: af_packet", name, PORT_MTU);
	return SL_E_UNSUPPORTED;
}

/** What the device can do of what we want. */
static struct rte_eth_conf configure(const struct rte_eth_dev_info *info, uint16_t queues)
{
	const uint64_t checksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const uint64_t spread = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP;
	struct rte_eth_conf conf = {0};

	if ((info->rx_offload_capa & checksums) == checksums)
		conf.rxmode.offloads |= checksums;
	if (queues > 1 && (info->flow_type_rss_offloads & spread) != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & spread;
	}
	return conf;
}

static int set_up_queues(uint16_t id, const struct settings *s, struct rte_mempool *frames)
{
	uint16_t rx = (uint16_t)s->rx_descriptors;
	uint16_t tx = (uint16_t)s->rx_descriptors;
	int code = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx);

	for (uint16_t q = 0; q < s->worker_count && code == 0; q++) {
		code = rte_eth_rx_queue_setup(id, q, rx, (unsigned)SOCKET_ID_ANY, NULL, frames);
		if (code == 0)
			code = rte_eth_tx_queue_setup(id, q, tx, (unsigned)SOCKET_ID_ANY, NULL);
	}
	return code;
}

enum sl_status port_start_device(
	uint16_t id,
	const struct settings *s,
	struct rte_mempool *frames,
	bool *ret_has_checksums,
	struct problem *ret_problem
)
{
	uint16_t queues = (uint16_t)s->worker_count;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	int code = rte_eth_dev_info_get(id, &info);

	if (code != 0)
		return refuse(ret_problem, code, "the device tells nothing");
	if (queues > info.max_rx_queues || queues > info.max_tx_queues) {
		(void)!problem_set(
			ret_problem,
			SL_E_UNSUPPORTED,
			"the port has %u queues; %u workers want one each",
			info.max_rx_queues,
			queues
		);
		problem_remedy(ret_problem, "lower workers in sealane.yaml");
		return SL_E_UNSUPPORTED;
	}
	conf = configure(&info, queues);
	code = rte_eth_dev_configure(id, queues, queues, &conf);
	if (code != 0)
		return refuse(ret_problem, code, "the device can not be set up");
	code = set_up_queues(id, s, frames);
	if (code != 0)
		return refuse(ret_problem, code, "its queues can not be set up");
	code = rte_eth_dev_start(id);
	if (code != 0)
		return refuse(ret_problem, code, "it does not start");
	if (ret_has_checksums != NULL)
		*ret_has_checksums = conf.rxmode.offloads != 0;
	return SL_OK;
}

static enum sl_status start_port(const struct settings *s, struct port *port, struct problem *p)
{
	enum sl_status status =
		port_start_device(port->id, s, port->frames, &port->has_checksums, p);

	if (status != SL_OK && s->port_kind == SETTINGS_PORT_AF_XDP && p->remedy[0] == '\0')
		problem_remedy(
			p,
			"af_xdp takes CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, a kernel from 5.10 "
			"and a "
			"driver with XDP; libbpf's lines above say what was missing"
		);
	return status;
}

enum sl_status port_open(
	const struct settings *s,
	struct port *ret_port,
	struct problem *ret_problem
)
{
	struct port port = {.queue_count = (uint16_t)s->worker_count, .mtu = PORT_MTU};
	struct rte_ether_addr mac;
	uint16_t mtu;

	SL_TRY(find_device(s, &port, ret_problem));
	if (s->port_kind == SETTINGS_PORT_AF_PACKET || s->port_kind == SETTINGS_PORT_AF_XDP)
		SL_TRY(interface_mtu(s->port_device, &port.mtu, ret_problem));
	else if (rte_eth_dev_get_mtu(port.id, &mtu) == 0 && mtu >= PORT_MTU)
		port.mtu = mtu;
	if (s->port_kind == SETTINGS_PORT_AF_XDP)
		SL_TRY(check_mtu(&port, s->port_device, ret_problem));
	SL_TRY(make_frames(s, &port, ret_problem));
	SL_TRY(start_port(s, &port, ret_problem));
	if (rte_eth_macaddr_get(port.id, &mac) == 0)
		memcpy(port.mac, mac.addr_bytes, sizeof(port.mac));
	// The kernel's hosts behind the exception path listen to more than our own address: neighbour discovery.
	(void)rte_eth_allmulticast_enable(port.id);
	*ret_port = port;
	return SL_OK;
}

void port_close(struct port *port)
{
	if (port->frames == NULL)
		return;
	(void)rte_eth_dev_stop(port->id);
	(void)rte_eth_dev_close(port->id);
	for (uint32_t q = 0; q < port->queue_count; q++) {
		rte_ring_free(port->in[q]);
		rte_ring_free(port->out[q]);
	}
	device_remove(port->device);
	rte_mempool_free(port->frames);
	*port = (struct port){0};
}
