#include "control/used_links.h"
#include "tests/support/check.h"

#include <string.h>

struct seen {
	uint8_t last[KEY_LINK_SIZE];
	size_t count;
	size_t wrong;
	size_t stop_at; // 0: never
};

static enum sl_status see(void *self, const uint8_t link[static KEY_LINK_SIZE])
{
	struct seen *s = self;

	s->wrong += s->count != 0 && memcmp(link, s->last, KEY_LINK_SIZE) <= 0;
	memcpy(s->last, link, KEY_LINK_SIZE);
	return ++s->count == s->stop_at ? SL_E_INTERRUPTED : SL_OK;
}

static void link_of(uint32_t number, uint8_t ret_link[KEY_LINK_SIZE])
{
	memset(ret_link, 0, KEY_LINK_SIZE);
	for (int i = 0; i < 4; i++)
		ret_link[i] = (uint8_t)(number >> (24 - 8 * i));
}

static const struct list_case {
	const char *what;
	size_t capacity;
	uint32_t adds;
	uint32_t distinct; // numbers are taken modulo this, in a scattered order
} list_cases[] = {
	{"none", 16, 0, 1},
	{"in memory", 1000, 900, 300},
	{"just full", 1000, 1000, 1000},
	{"many runs", 100, 20000, 7919},
	{"runs longer than a buffer", 5000, 40000, 39989},
};

static void every_link_comes_once_in_order(void)
{
	for (size_t i = 0; i < sizeof(list_cases) / sizeof(list_cases[0]); i++) {
		const struct list_case *c = &list_cases[i];
		struct used_links used;

		CHECK_FATAL(used_links_init(&used, "/tmp", c->capacity) == SL_OK);
		for (uint32_t n = 0; n < c->adds; n++) {
			uint8_t link[KEY_LINK_SIZE];

			link_of((uint32_t)((uint64_t)n * 104729 % c->distinct), link);
			CHECK_FATAL(used_links_add(&used, link) == SL_OK);
		}
		for (int round = 0; round < 2; round++) { // listing changes nothing
			struct seen seen = {0};

			CHECK_EQUAL(used_links_each(&used, see, &seen), SL_OK);
			CHECK_EQUAL(seen.count, c->adds < c->distinct ? c->adds : c->distinct);
			CHECK_EQUAL(seen.wrong, 0);
		}
		used_links_done(&used);
	}
}

static void a_failing_receiver_ends_it(void)
{
	struct seen seen = {.stop_at = 5};
	struct used_links used;

	CHECK_FATAL(used_links_init(&used, "/tmp", 10) == SL_OK);
	for (uint32_t n = 0; n < 100; n++) {
		uint8_t link[KEY_LINK_SIZE];

		link_of(n, link);
		CHECK_EQUAL(used_links_add(&used, link), SL_OK);
	}
	CHECK_EQUAL(used_links_each(&used, see, &seen), SL_E_INTERRUPTED);
	CHECK_EQUAL(seen.count, 5);
	used_links_done(&used);
}

static void a_directory_that_is_not_there_is_told(void)
{
	enum sl_status status = SL_OK;
	struct used_links used;

	CHECK_FATAL(used_links_init(&used, "/tmp/sealane-not-there", 10) == SL_OK);
	for (uint32_t n = 0; n < 11; n++) {
		uint8_t link[KEY_LINK_SIZE];

		link_of(n, link);
		status = used_links_add(&used, link);
	}
	CHECK_EQUAL(status, SL_E_NOT_FOUND);
	used_links_done(&used);
}

static const struct check_test tests[] = {
	{"every link comes once, in order", every_link_comes_once_in_order},
	{"a failing receiver ends it", a_failing_receiver_ends_it},
	{"a directory that is not there is told", a_directory_that_is_not_there_is_told},
};

CHECK_MAIN("control/used_links")
