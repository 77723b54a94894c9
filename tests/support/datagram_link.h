#pragma once

#include "dataplane/datagram/sender.h"
#include "dataplane/datagram/server.h"

#include <stdbool.h>
#include <stdint.h>

// A sender and a server with a bad link between them, and what a dataplane does around the server: events go to a sink
// whose contents count only up to the last commit, which is also when the snapshot is taken. Everything follows from a
// seed, and there is no clock but the rig's.

enum {
	LINK_SENDERS_MAX = 4,
	LINK_FLYING_MAX = 16384, // datagrams on the link
	LINK_PENDING_MAX = 8192, // datagrams between being opened and being stored
	LINK_EVENTS_MAX = 1 << 16
};

/** Chances in 1/1000. */
struct link_rules {
	uint32_t lose;
	uint32_t repeat;  // once more, later
	uint32_t delay;   // late by up to late_us
	uint32_t late_us; //
	uint32_t hostile; // a hostile datagram comes before
	uint32_t refuse;  // the server has no room for the events
	uint32_t crash;   // 1/1000 a commit: the server ends in its midst and begins again
	uint32_t transit_us;
	uint32_t commit_us;
	uint32_t sequence_end; // of a session; 0 = the protocol's
};

struct link_rig;

struct link_rig *link_new(uint64_t seed, const struct link_rules *rules, uint32_t sender_count);
void link_free(struct link_rig *rig);

/** Let event_count events a sender go through; false when some are not acknowledged in so much of the rig's time. */
bool link_run(struct link_rig *rig, uint32_t event_count, uint64_t limit_us);

/** Whether the committed sink has each acknowledged event of a sender once, and nothing else twice. */
bool link_is_exact(const struct link_rig *rig);

struct link_stats {
	uint64_t time_us;
	uint64_t hostile;
	uint64_t crashes;
	uint64_t commits;
	uint64_t refused;
	uint64_t answers_to_hostile;
	uint64_t longest_answer_excess; // bytes by which an answer was longer than what it answers
	uint64_t verdicts[DATAGRAM_BROKEN + 1];
};

void link_get_stats(const struct link_rig *rig, struct link_stats *ret_stats);
struct sender *link_sender(struct link_rig *rig, uint32_t i);
struct datagram_server *link_server(struct link_rig *rig);
