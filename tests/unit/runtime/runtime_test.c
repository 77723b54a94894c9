#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/key_claim.h"
#include "io/base/clock.h"
#include "tests/support/check.h"
#include "tests/support/packet.h"
#include "tests/support/plane_rig.h"
#include "tests/support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The whole dataplane but for its link to control, over a ring port: frames in, files out.

enum {
	EVENT_MAX = 300,
	PACE = 500
};

static struct plane_rig *rig;

static const char second_contract[] = "contract: acme/edits/2.0.0\n"
				      "key: user\n"
				      "undeclared: pass\n"
				      "fields:\n"
				      "  user: {type: string, personal: 0, required: true}\n"
				      "  text: string\n";

static const struct rig_stream edits_to_files[] = {
	{"edits", NULL, "{port: 7001, mode: plain}", "{files: edits}"},
	{0},
};

static const struct rig_stream edits_to_null[] = {
	{"edits", NULL, "{port: 7001, mode: plain}", "{null: true}"},
	{0},
};

static const struct rig_stream second_to_null[] = {
	{"edits", second_contract, "{port: 7001, mode: plain}", "{null: true}"},
	{0},
};

static uint64_t sent; // events since the start, all that are delivered one day

static bool has_delivered(struct plane_rig *r, uint64_t rows)
{
	return plane_rig_delivered(r) >= rows;
}

static size_t make_event(char *text, uint64_t n)
{
	return (size_t)snprintf(
		text,
		EVENT_MAX,
		"{\"n\":%llu,\"user\":\"user-%llu\",\"text\":\"a text of event "
		"%llu\",\"at\":\"2026-11-21T10:00:00Z\"}",
		(unsigned long long)n,
		(unsigned long long)(n % 100),
		(unsigned long long)n
	);
}

/** Send an event, no faster than events are delivered: plain datagrams are dropped when nobody takes them. */
static void send_event(uint16_t port, uint64_t n)
{
	char text[EVENT_MAX];
	size_t size = make_event(text, n);

	if (sent % PACE == 0)
		CHECK(plane_rig_wait(has_delivered, rig, sent < 2 * PACE ? 0 : sent - 2 * PACE));
	plane_rig_send_text(rig, port, text, size);
	sent++;
}

static void send_text(const char *text)
{
	plane_rig_send_text(rig, 7001, text, strlen(text));
}

static void apply(const struct rig_stream streams[])
{
	struct problem problem = {0};
	enum sl_status status = plane_rig_apply(rig, streams, &problem);

	if (status != SL_OK)
		problem_print(stdout, &problem);
	CHECK_FATAL(status == SL_OK);
}

/** Remove the files of a test before: the sinks are closed. */
static void forget_files(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/data/%s", rig->directory, name);
	if (access(path, F_OK) == 0)
		scratch_empty(path);
}

/** Lines of a text. */
static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

/** Every number of the events stands in the lines exactly once. */
static bool holds_each(const char *text, uint64_t count)
{
	uint8_t *seen = calloc(count, 1);
	bool is_good = true;
	uint64_t total = 0;

	for (; *text != '\0'; text = strchr(text, '\n') + 1, total++) {
		uint64_t n = count;

		if (strncmp(text, "{\"n\":", 5) == 0)
			n = strtoull(text + 5, NULL, 10);
		is_good = is_good && n < count && seen[n]++ == 0;
	}
	free(seen);
	return is_good && total == count;
}

static bool has_frames(struct plane_rig *r, uint64_t frames)
{
	return plane_rig_count(r, COUNTER_FRAMES_IN) >= frames;
}

static void test_no_policy(void)
{
	send_text("{}");
	CHECK(plane_rig_wait(has_frames, rig, 1));
	CHECK(plane_rig_count(rig, COUNTER_EVENTS_IN) == 0);
}

static void test_null(void)
{
	apply(edits_to_null);
	for (uint64_t n = 0; n < 10000; n++)
		send_event(7001, n);
	CHECK(plane_rig_wait(has_delivered, rig, sent));
	CHECK(plane_rig_delivered(rig) == sent);
	CHECK(plane_rig_frame_drops(rig, FRAME_DROP_BUSY) == 0);
	CHECK(plane_rig_count(rig, COUNTER_EVENTS_SEALED) == sent);
	CHECK(plane_rig_count(rig, COUNTER_FIELDS_SEALED) == 2 * sent);
}

/** The same turn beside, over the keys that the dataplane has made: what it must have written. */
static char *seal_beside(const struct epoch_source *source, uint64_t first, uint64_t count)
{
	const struct plane_image *image = source->image;
	const struct plane_stream *row = plane_streams(image);
	const struct engine_options options = {0};
	struct turn turn = {.batch = calloc(1, sizeof(*turn.batch))};
	struct policy *policy;
	struct key_maker *maker;
	struct key_claim *claim;
	struct problem problem;
	char *text = calloc(BATCH_MAX, EVENT_MAX + BATCH_FRAME_PADDING);
	struct room *out = &turn.out.sealed;
	struct dead_letter_key dead = {0};

	CHECK_FATAL(
		policy_bind(plane_rig_policy(image, 0), &policy, &problem) == SL_OK
		&& engine_new(&options, &turn.engine, &problem) == SL_OK
		&& json_parser_new(JSON_AUTO, &turn.json) == SL_OK
		&& key_maker_new(rig->ring, &maker) == SL_OK
	);
	const struct key_claim_options keys = {
		.maker = maker,
		.table = source->tables[row->table_fd],
		.engine = turn.engine,
		.hash_key = image->hash_key,
		.purposes = policy->purposes,
		.purpose_count = policy->image->purposes.count,
		.scope = row->scope,
		.window_ms = row->window_ms,
	};
	CHECK_FATAL(key_claim_new(&keys, &claim) == SL_OK);
	turn.policy = policy;
	turn.keys = key_claim_source(claim);
	turn.dead_key = &dead;
	turn.batch->scratch.capacity = turn_scratch_size();
	turn.batch->scratch.bytes = malloc(turn_scratch_size());
	out->capacity = turn_out_max(policy, EVENT_MAX, 1) + count * 2 * EVENT_MAX + (1 << 20);
	out->bytes = malloc(out->capacity + 1);
	turn.out.dead.capacity = 1 << 20;
	turn.out.dead.bytes = malloc(1 << 20);
	for (uint64_t n = 0; n < count; n++) {
		turn.batch->frame[0] = view_of(text, make_event(text, first + n));
		turn.batch->row_count = 1;
		turn.keys.now_ms = clock_wall_ms();
		turn_run(&turn);
	}
	out->bytes[out->size] = '\0';
	key_claim_free(claim);
	key_maker_free(maker);
	json_parser_free(turn.json);
	engine_free(turn.engine);
	policy_unbind(policy);
	free(turn.batch->scratch.bytes);
	free(turn.batch);
	free(turn.out.dead.bytes);
	free(text);
	return (char *)out->bytes;
}

/** Stop, so that files are published; read them; start again without a policy. */
static char *stop_and_read(const char *name, size_t *ret_size)
{
	char *text;

	CHECK(plane_rig_stop(rig) == 0);
	text = plane_rig_read(rig, name, name, ret_size);
	plane_rig_restart(rig);
	sent = 0;
	return text;
}

static void test_files(void)
{
	struct epoch_source source;
	size_t size;
	char *text;
	char *expected;

	apply(edits_to_files);
	for (uint64_t n = 0; n < 3000; n++)
		send_event(7001, n);
	// Drained on stop: nothing is waited for here.
	text = stop_and_read("edits", &size);
	source = plane_rig_compile(rig, edits_to_files);
	expected = seal_beside(&source, 0, 3000);
	CHECK(strcmp(text, expected) == 0);
	CHECK(strstr(text, "a text of event") == NULL);
	free(expected);
	free(text);
	source.release(source.self);
}

static void test_lines(void)
{
	char text[9 * EVENT_MAX];
	size_t size = 0;
	char *read;

	apply(edits_to_files);
	for (uint64_t n = 0; n < 8; n++) {
		size += make_event(text + size, n);
		text[size++] = '\n';
		if (n % 3 == 0)
			text[size++] = '\n'; // lines without an event are none
	}
	plane_rig_send_text(rig, 7001, text, size);
	send_text("\n\n\r\n");
	for (uint64_t n = 0; n < 8; n++)
		send_event(7001, 8 + n);
	read = stop_and_read("edits", &size);
	CHECK(count_lines(read) == 3000 + 16); // those of the test before lie there too
	free(read);
}

/** A datagram with more events than a turn takes. */
static void test_many_lines(void)
{
	static char text[2000];
	size_t size = 0;
	uint64_t before;

	apply(second_to_null);
	before = plane_rig_delivered(rig);
	for (int n = 0; n < 130; n++)
		size += (size_t)snprintf(text + size, 20, "{\"user\":\"%d\"}\n", n % 10);
	plane_rig_send_text(rig, 7001, text, size);
	CHECK(plane_rig_wait(has_delivered, rig, before + 130));
	CHECK(plane_rig_delivered(rig) == before + 130);
	CHECK(plane_rig_count(rig, COUNTER_EVENTS_DEAD) == 0);
	sent += 130;
}

static const struct rig_stream choosy[] = {
	{"edits", NULL, "{port: 7001, mode: plain, from: [10.0.0.0/8]}", "{null: true}"},
	{"slow", second_contract, "{port: 7002, mode: plain, rate: 1}", "{null: true}"},
	{0},
};

static uint64_t drops_of(uint32_t reason)
{
	return plane_rig_frame_drops(rig, reason);
}

static bool has_source_drops(struct plane_rig *r, uint64_t count)
{
	return plane_rig_frame_drops(r, FRAME_DROP_SOURCE) >= count;
}

static bool has_rate_drops(struct plane_rig *r, uint64_t count)
{
	return plane_rig_frame_drops(r, FRAME_DROP_RATE) >= count;
}

static void test_admission(void)
{
	char text[EVENT_MAX];

	apply(choosy);
	send_text("{\"user\":\"a\"}");
	CHECK(plane_rig_wait(has_source_drops, rig, 1));
	for (uint64_t n = 0; n < 100; n++)
		plane_rig_send_text(rig, 7002, text, make_event(text, n));
	CHECK(plane_rig_wait(has_rate_drops, rig, 1));
	CHECK(drops_of(FRAME_DROP_SOURCE) == 1);
}

static bool has_bad_frame(struct plane_rig *r, uint64_t count)
{
	return plane_rig_frame_drops(r, FRAME_DROP_UDP_CHECKSUM) >= count;
}

static bool has_dead(struct plane_rig *r, uint64_t count)
{
	return plane_rig_count(r, COUNTER_EVENTS_DEAD) >= count;
}

static void test_drops(void)
{
	const struct packet_plan plan = {
		.target_port = 7001, .payload = view_of_text("{\"user\":\"a\"}")};
	struct packet packet;
	size_t size;
	char *read;
	uint64_t dead;

	apply(edits_to_files);
	dead = plane_rig_count(rig, COUNTER_EVENTS_DEAD);
	packet_build(&plan, &packet);
	memset(packet.bytes, 0, 6);
	packet.bytes[packet.payload] ^= 1;
	CHECK(plane_rig_send(rig, packet.bytes, packet.size));
	CHECK(plane_rig_wait(has_bad_frame, rig, 1));
	send_text("{\"user\":");
	send_text("{\"user\":1}");
	send_text("{\"text\":\"of nobody\",\"at\":\"2026-11-21T10:00:00Z\"}");
	CHECK(plane_rig_wait(has_dead, rig, dead + 3));
	CHECK(plane_rig_event_drops(rig, DROP_SYNTAX) == 1);
	CHECK(plane_rig_event_drops(rig, DROP_TYPE) == 1);
	CHECK(plane_rig_event_drops(rig, DROP_KEY_VALUE) == 1);
	CHECK(plane_rig_stop(rig) == 0);
	read = plane_rig_read(rig, "edits", "edits", &size);
	CHECK(strstr(read, "of nobody") == NULL);
	free(read);
	plane_rig_restart(rig);
	sent = 0;
}

/** While keys are not durable nothing is shown; when they are, all of it. */
static void test_key_before_data(void)
{
	uint64_t before;

	apply(second_to_null);
	before = plane_rig_delivered(rig);
	atomic_store(&rig->is_held, true);
	for (uint64_t n = 0; n < 100; n++) {
		char text[EVENT_MAX];
		int size = snprintf(text, sizeof(text), "{\"user\":\"new-%d\"}", (int)n);

		plane_rig_send_text(rig, 7001, text, (size_t)size);
	}
	usleep(50 * 1000);
	CHECK(plane_rig_delivered(rig) == before);
	atomic_store(&rig->is_held, false);
	CHECK(plane_rig_wait(has_delivered, rig, before + 100));
	sent += 100;
}

static const struct rig_stream edits_second[] = {
	{"edits", second_contract, "{port: 7001, mode: plain}", "{files: swaps}"},
	{0},
};

static const struct rig_stream edits_first[] = {
	{"edits", NULL, "{port: 7001, mode: plain}", "{files: swaps}"},
	{0},
};

static atomic_bool is_swapping;

static void *swap(void *self)
{
	uint64_t *count = self;

	while (atomic_load(&is_swapping)) {
		apply(*count % 2 == 0 ? edits_second : edits_first);
		++*count;
	}
	return NULL;
}

/** No event is lost, and each is wholly by one policy: by the first one its text is sealed, by the second it is not. */
static void check_mixture(const char *text)
{
	uint64_t first = 0;
	uint64_t second = 0;

	for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
		size_t size = strcspn(line, "\n");
		bool is_first = memmem(line, size, "acme/edits/1.0.0", 16) != NULL;
		bool is_second = memmem(line, size, "acme/edits/2.0.0", 16) != NULL;
		bool is_open = memmem(line, size, "a text of event", 15) != NULL;

		CHECK_FATAL(is_first != is_second && is_open == is_second);
		first += is_first;
		second += is_second;
	}
	CHECK(first > 0 && second > 0);
}

static void test_swap(void)
{
	pthread_t swapper;
	uint64_t swaps = 0;
	uint64_t count = 0;
	uint64_t end;
	size_t size;
	char *text;

	forget_files("swaps");
	apply(edits_first);
	atomic_store(&is_swapping, true);
	CHECK_FATAL(pthread_create(&swapper, NULL, swap, &swaps) == 0);
	for (end = clock_monotonic_ns() + 1000000000; clock_monotonic_ns() < end; count++)
		send_event(7001, count);
	atomic_store(&is_swapping, false);
	pthread_join(swapper, NULL);
	CHECK(drops_of(FRAME_DROP_BUSY) == 0);
	CHECK(swaps > 10);
	text = NULL;
	CHECK(plane_rig_stop(rig) == 0);
	text = plane_rig_read(rig, "swaps", "edits", &size);
	plane_rig_restart(rig);
	sent = 0;
	CHECK(holds_each(text, count));
	check_mixture(text);
	free(text);
}

/** The same with two workers, each with a queue of its own. */
static void test_two_workers(void)
{
	CHECK(plane_rig_stop(rig) == 0);
	rig->settings.worker_count = 2;
	rig->settings.worker_core[1] = UINT32_MAX;
	plane_rig_restart(rig);
	sent = 0;
	test_null();
	test_swap();
	CHECK(plane_rig_stop(rig) == 0);
	rig->settings.worker_count = 1;
	plane_rig_restart(rig);
	sent = 0;
}

static const struct rig_stream nowhere[] = {
	{"edits", second_contract, "{port: 7001, mode: plain}", "{files: /proc/nowhere}"},
	{0},
};

static void test_refused(void)
{
	struct problem problem = {0};
	uint64_t epoch;

	apply(edits_to_null);
	epoch = runtime_counters(rig->runtime)->epoch;
	CHECK(plane_rig_apply(rig, nowhere, &problem) != SL_OK);
	CHECK(problem.what[0] != '\0');
	CHECK(runtime_counters(rig->runtime)->epoch == epoch);
	send_event(7001, 1);
	CHECK(plane_rig_wait(has_delivered, rig, sent));
}

static const struct check_test tests[] = {
	{"without a policy all is the kernel's", test_no_policy},
	{"events to the null sink", test_null},
	{"events to files, byte for byte", test_files},
	{"several events a datagram", test_lines},
	{"more events than a turn takes", test_many_lines},
	{"who may send, and how fast", test_admission},
	{"bad frames and bad events", test_drops},
	{"nothing is shown before its key is durable", test_key_before_data},
	{"policies change under traffic", test_swap},
	{"a policy that can not be is refused", test_refused},
	{"two workers", test_two_workers},
};

int main(void)
{
	int code;

	rig = plane_rig_new();
	code = check_run("runtime", tests, sizeof(tests) / sizeof(tests[0]));
	plane_rig_free(rig);
	return code;
}
