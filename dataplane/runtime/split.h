#pragma once

#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

enum {
	SPLIT_MAX = 16 // fragments of a frame
};

/**
 * Cut a frame of IPv4 into fragments, as it came by the wire before the port's driver had it joined.
 *
 * @param frame  handed over
 * @param mtu    bytes of an IP packet
 * @param frames where the fragments' memory comes from
 * @param ret_fragments [SPLIT_MAX] out
 * @return fragments; 0: it is not IPv4, or there is no memory, and the frame is gone
 */
uint32_t split_frame(
	struct rte_mbuf *frame,
	uint32_t mtu,
	struct rte_mempool *frames,
	struct rte_mbuf *ret_fragments[]
);
