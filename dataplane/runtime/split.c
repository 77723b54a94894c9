#include "dataplane/runtime/split.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ip_frag.h>
#include <rte_mbuf.h>

#include <string.h>

enum {
	LINK_HEADER_MAX = 22 // Ethernet and two VLAN tags
};

/** Bytes in front of the IPv4 header; 0 = there is none. */
static uint16_t link_size(const struct rte_mbuf *m)
{
	uint16_t at = 12;

	while (at + 2u <= rte_pktmbuf_data_len(m)) {
		rte_be16_t type;

		memcpy(&type, rte_pktmbuf_mtod_offset(m, const char *, at), sizeof(type));
		at += 2;
		if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
			return at;
		if ((type != rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN)
		     && type != rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ))
		    || at + 2 > LINK_HEADER_MAX)
			return 0;
		at += 2;
	}
	return 0;
}

/** Checksum, and the link header in front. */
static void finish(struct rte_mbuf *fragment, const char *link, uint16_t size)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(fragment, struct rte_ipv4_hdr *);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memcpy(rte_pktmbuf_prepend(fragment, size), link, size);
}

uint32_t split_frame(
	struct rte_mbuf *frame,
	uint32_t mtu,
	struct rte_mempool *frames,
	struct rte_mbuf *ret_fragments[]
)
{
	char link[LINK_HEADER_MAX];
	uint16_t size = link_size(frame);
	int32_t count = 0;

	if (size != 0 && rte_pktmbuf_data_len(frame) >= size + sizeof(struct rte_ipv4_hdr)) {
		memcpy(link, rte_pktmbuf_mtod(frame, const char *), size);
		(void)rte_pktmbuf_adj(frame, size);
		count = rte_ipv4_fragment_packet(
			frame, ret_fragments, SPLIT_MAX, (uint16_t)mtu, frames, frames
		);
	}
	rte_pktmbuf_free(frame);
	for (int32_t n = 0; n < count; n++)
		finish(ret_fragments[n], link, size);
	return count < 0 ? 0 : (uint32_t)count;
}
