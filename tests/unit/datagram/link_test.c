#include "tests/support/check.h"
#include "tests/support/datagram_link.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct link_case {
	const char *what;
	struct link_rules rules;
	uint32_t senders;
	uint32_t events;
	uint64_t limit_us; // of the rig's time
	uint32_t seeds;
} link_cases[] = {
	{"a good link", {.transit_us = 100, .commit_us = 2000}, 1, 20000, 5000000, 2},
	{"5 % lost, 5 % doubled, 20 % late",
	 {.lose = 50,
	  .repeat = 50,
	  .delay = 200,
	  .late_us = 3000,
	  .transit_us = 100,
	  .commit_us = 2000},
	 2,
	 10000,
	 60000000,
	 4},
	{"half of it lost",
	 {.lose = 500, .transit_us = 500, .commit_us = 5000},
	 1,
	 2000,
	 300000000,
	 2},
	{"events refused",
	 {.lose = 10, .refuse = 200, .transit_us = 100, .commit_us = 2000},
	 2,
	 5000,
	 60000000,
	 2},
	{"a server that ends at every twentieth commit",
	 {.lose = 50,
	  .repeat = 50,
	  .delay = 200,
	  .late_us = 3000,
	  .refuse = 20,
	  .crash = 50,
	  .transit_us = 100,
	  .commit_us = 2000},
	 4,
	 5000,
	 300000000,
	 8},
	{"hostile datagrams among ours, and a server that ends",
	 {.lose = 50,
	  .repeat = 50,
	  .delay = 200,
	  .late_us = 3000,
	  .hostile = 900,
	  .crash = 20,
	  .transit_us = 100,
	  .commit_us = 2000},
	 2,
	 5000,
	 300000000,
	 4},
	{"sessions that come to their end, and a server that ends",
	 {.lose = 50,
	  .repeat = 50,
	  .delay = 200,
	  .late_us = 3000,
	  .crash = 20,
	  .transit_us = 100,
	  .commit_us = 2000,
	  .sequence_end = 100},
	 2,
	 5000,
	 300000000,
	 3},
};

static void nothing_is_lost_and_nothing_comes_twice(void)
{
	for (size_t i = 0; i < sizeof(link_cases) / sizeof(link_cases[0]); i++)
		for (uint64_t seed = 1; seed <= link_cases[i].seeds; seed++) {
			const struct link_case *c = &link_cases[i];
			struct link_rig *rig = link_new(seed, &c->rules, c->senders);
			struct link_stats stats;
			struct sender_stats sent;
			bool is_done = link_run(rig, c->events, c->limit_us);

			link_get_stats(rig, &stats);
			sender_get_stats(link_sender(rig, 0), &sent);
			printf("%s, seed %" PRIu64 ": %" PRIu64 " ms, %" PRIu64 " crashes, %" PRIu64
			       " datagrams, %" PRIu64 " resent, %" PRIu64 " sessions, %" PRIu64
			       " hostile\n",
			       c->what,
			       seed,
			       stats.time_us / 1000,
			       stats.crashes,
			       sent.datagrams_sent,
			       sent.datagrams_resent,
			       sent.sessions,
			       stats.hostile);
			CHECK(is_done);
			CHECK(link_is_exact(rig));
			CHECK(stats.longest_answer_excess == 0);
			link_free(rig);
		}
}

/** Sessions in a server's snapshot. */
static uint32_t sessions_of(struct datagram_server *server)
{
	uint8_t *bytes = malloc(datagram_snapshot_max(server));
	uint32_t count;

	if (bytes == NULL)
		abort();
	(void)datagram_snapshot(server, bytes);
	memcpy(&count, bytes + 8, sizeof(count));
	free(bytes);
	return count;
}

static void a_million_hostile_datagrams_change_nothing(void)
{
	static const struct link_rules good = {.transit_us = 100, .commit_us = 2000};
	static const struct link_rules bad = {.hostile = 999, .transit_us = 100, .commit_us = 2000};
	struct link_rig *alone = link_new(3, &good, 1);
	struct link_rig *attacked = link_new(3, &bad, 1);
	struct sender_stats want;
	struct sender_stats is;
	struct link_stats stats;

	CHECK(link_run(alone, 6000, 60000000));
	CHECK(link_run(attacked, 6000, 60000000));
	CHECK(link_is_exact(attacked));
	sender_get_stats(link_sender(alone, 0), &want);
	sender_get_stats(link_sender(attacked, 0), &is);
	link_get_stats(attacked, &stats);
	printf("%" PRIu64 " hostile datagrams, %" PRIu64 " of them answered\n",
	       stats.hostile,
	       stats.answers_to_hostile);
	CHECK(stats.hostile > 1000000);
	CHECK(is.sessions == 1 && is.datagrams_resent == 0);
	CHECK(is.events_acked == want.events_acked);
	CHECK(sessions_of(link_server(attacked)) == 1);
	CHECK(stats.longest_answer_excess == 0);
	link_free(alone);
	link_free(attacked);
}

static const struct check_test tests[] = {
	{"nothing is lost and nothing comes twice", nothing_is_lost_and_nothing_comes_twice},
	{"a million hostile datagrams change nothing", a_million_hostile_datagrams_change_nothing},
};

CHECK_MAIN("datagram link")
