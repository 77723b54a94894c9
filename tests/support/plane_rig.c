#include "tests/support/plane_rig.h"

#include "control/definitions.h"
#include "io/base/clock.h"
#include "tests/support/packet.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FEED_BURST = 256,
	TABLE_KEYS = 4096,
	RING_RECORDS = 65536,
	STOP_MS = 5000,
	WAIT_S = 20
};

const char rig_contract[] = "contract: acme/edits/1.0.0\n"
			    "key: user\n"
			    "undeclared: pass\n"
			    "time: {field: at, form: rfc3339}\n"
			    "fields:\n"
			    "  user: {type: string, personal: 0, required: true}\n"
			    "  text: {type: string, personal: 0}\n"
			    "  at: string\n";

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "plane_rig: %s\n", what);
	abort();
}

static void *must(void *memory)
{
	if (memory == NULL)
		give_up("out of memory");
	return memory;
}

/** The vault's part: what is in the journal becomes durable. */
static void *feed(void *self)
{
	struct plane_rig *rig = self;
	struct key_record *records = must(calloc(FEED_BURST, sizeof(*records)));

	while (!atomic_load(&rig->is_ended)) {
		size_t count = 0;

		if (!atomic_load(&rig->is_held))
			count = key_ring_peek(rig->ring, records, FEED_BURST);
		if (count != 0)
			key_ring_commit(rig->ring, count);
		else
			usleep(500);
	}
	free(records);
	return NULL;
}

static void start(struct plane_rig *rig)
{
	struct problem problem;

	if (runtime_start(&rig->settings, rig->ring, &rig->runtime, &problem) != SL_OK)
		give_up(problem.what);
}

struct plane_rig *plane_rig_new(void)
{
	struct settings settings = plane_rig_settings();

	return plane_rig_new_with(&settings, TABLE_KEYS);
}

struct settings plane_rig_settings(void)
{
	struct settings s = {
		.size = sizeof(s),
		.port_kind = SETTINGS_PORT_RING,
		.worker_count = 1,
		.egress_core = UINT32_MAX,
		.rx_descriptors = 512,
		.frames = 8191,
		.memory_mib = 128,
		.parcels = 8,
		.parcel_bytes = 1 << 20,
		.idle_us_max = 200,
		.flush_us = 500,
		.commit_ms = 5,
	};

	for (uint32_t w = 0; w < SETTINGS_WORKERS_MAX; w++)
		s.worker_core[w] = UINT32_MAX;
	return s;
}

struct plane_rig *plane_rig_new_with(const struct settings *settings, size_t keys)
{
	struct plane_rig *rig = must(calloc(1, sizeof(*rig)));
	struct settings *s = &rig->settings;
	struct problem problem;

	strncpy(rig->directory, "/tmp/sealane-plane-XXXXXX", sizeof(rig->directory) - 1);
	if (mkdtemp(rig->directory) == NULL)
		give_up("no directory");
	if (key_ring_create(RING_RECORDS, &rig->ring, &problem) != SL_OK)
		give_up(problem.what);
	rig->keys = keys;
	*s = *settings;
	snprintf(s->state_directory, sizeof(s->state_directory), "%s/state", rig->directory);
	snprintf(s->eal_prefix, sizeof(s->eal_prefix), "sealane-test-%d", getpid());
	if (pthread_create(&rig->feeder, NULL, feed, rig) != 0)
		give_up("no thread");
	start(rig);
	return rig;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

uint64_t plane_rig_stop(struct plane_rig *rig)
{
	uint64_t lost = runtime_stop(rig->runtime, STOP_MS);

	rig->runtime = NULL;
	return lost;
}

void plane_rig_restart(struct plane_rig *rig)
{
	start(rig);
}

void plane_rig_free(struct plane_rig *rig)
{
	if (rig->runtime != NULL)
		(void)plane_rig_stop(rig);
	atomic_store(&rig->is_ended, true);
	pthread_join(rig->feeder, NULL);
	for (uint32_t t = 0; t < rig->table_count; t++)
		key_table_free(rig->tables[t]);
	key_ring_free(rig->ring);
	nftw(rig->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(rig);
}

static void write_text(const struct plane_rig *rig, const char *name, uint32_t n, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/definitions/%s-%u.yaml", rig->directory, name, n);
	file = must(fopen(path, "w"));
	fputs(text, file);
	fclose(file);
}

/** The contract's own name, for the stream's file. */
static void write_stream(const struct plane_rig *rig, const struct rig_stream *stream, uint32_t n)
{
	const char *contract = stream->contract != NULL ? stream->contract : rig_contract;
	const char *ref = strchr(contract, ' ') + 1;
	char text[1024];

	snprintf(
		text,
		sizeof(text),
		"stream: %s\ncontract: %.*s\nlisten: %s\nsealed: %s\ndead_letters: %s\n",
		stream->name,
		(int)strcspn(ref, "\n"),
		ref,
		stream->listen,
		stream->sink,
		stream->dead != NULL ? stream->dead : stream->sink
	);
	write_text(rig, "streams/s", n, text);
	write_text(rig, "contracts/c", n, contract);
}

static void write_definitions(const struct plane_rig *rig, const struct rig_stream streams[])
{
	static const char *const folders[] = {
		"definitions", "definitions/contracts", "definitions/streams", "data"};
	char path[256];

	snprintf(path, sizeof(path), "%s/definitions", rig->directory);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	for (uint32_t f = 0; f < sizeof(folders) / sizeof(folders[0]); f++) {
		snprintf(path, sizeof(path), "%s/%s", rig->directory, folders[f]);
		(void)mkdir(path, 0700);
	}
	for (uint32_t n = 0; streams[n].name != NULL; n++)
		write_stream(rig, &streams[n], n);
}

/** A scope of its own for each contract of a stream, as the vault gives it. */
static uint64_t scope_of(const struct rig_stream *stream)
{
	uint64_t scope = 14695981039346656037u;

	for (const char *at = stream->name; *at != 0; at++)
		scope = (scope ^ (uint8_t)*at) * 1099511628211u;
	for (const char *at = stream->contract != NULL ? stream->contract : rig_contract;
	     *at != '\n';
	     at++)
		scope = (scope ^ (uint8_t)*at) * 1099511628211u;
	return scope;
}

static struct key_table *table_of(
	struct plane_rig *rig,
	uint64_t scope,
	const struct policy_image *policy
)
{
	struct key_table_use use = {
		.entry_count_max = rig->keys,
		.scope = scope,
		.purpose_count = policy->purposes.count,
	};

	for (uint32_t t = 0; t < rig->table_count; t++)
		if (rig->scopes[t] == scope)
			return rig->tables[t];
	memcpy(use.purposes, policy_rows(policy, policy->purposes), use.purpose_count);
	rig->scopes[rig->table_count] = scope;
	if (key_table_create_shared(&use, &rig->tables[rig->table_count]) != SL_OK)
		give_up("no key table");
	return rig->tables[rig->table_count++];
}

/** An image at work with its tables. */
struct rig_image {
	struct plane_compiled compiled;
	struct key_table *tables[PLANE_STREAMS_MAX];
};

static void release_image(void *self)
{
	struct rig_image *image = self;

	plane_compiled_free(&image->compiled);
	free(image);
}

struct epoch_source plane_rig_compile(struct plane_rig *rig, const struct rig_stream streams[])
{
	struct rig_image *image = must(calloc(1, sizeof(*image)));
	struct plane_keys keys = {.hash_key = {1, 2, 3}, .dead_link = {9}, .dead_key = {8}};
	struct problems problems = {0};
	struct definitions *definitions;
	char directory[128];
	char data[128];
	const struct plane_stream *rows;

	for (uint32_t n = 0; streams[n].name != NULL; n++)
		keys.scope[n] = scope_of(&streams[n]);
	write_definitions(rig, streams);
	snprintf(directory, sizeof(directory), "%s/definitions", rig->directory);
	snprintf(data, sizeof(data), "%s/data", rig->directory);
	if (definitions_load(directory, data, &problems, &definitions) != SL_OK
	    || plane_compile(definitions, &keys, ++rig->epoch, &problems, &image->compiled)
		    != SL_OK) {
		problems_print(stderr, &problems);
		give_up("definitions");
	}
	definitions_free(definitions);
	problems_done(&problems);
	rows = plane_streams(image->compiled.image);
	for (uint32_t s = 0; s < image->compiled.image->streams.count; s++)
		image->tables[rows[s].table_fd] = table_of(
			rig,
			rows[s].scope,
			(const void *)plane_view_of(image->compiled.image, rows[s].policy).bytes
		);
	return (struct epoch_source){
		.image = image->compiled.image,
		.tables = image->tables,
		.table_count = image->compiled.image->streams.count,
		.release = release_image,
		.self = image,
	};
}

const struct policy_image *plane_rig_policy(const struct plane_image *image, uint32_t stream)
{
	return (const void *)plane_view_of(image, plane_streams(image)[stream].policy).bytes;
}

enum sl_status plane_rig_apply(
	struct plane_rig *rig,
	const struct rig_stream streams[],
	struct problem *ret_problem
)
{
	struct epoch_source source = plane_rig_compile(rig, streams);
	enum sl_status status =
		runtime_apply(rig->runtime, &source, clock_monotonic_ns(), ret_problem);

	if (status != SL_OK)
		release_image(source.self);
	return status;
}

bool plane_rig_send(struct plane_rig *rig, const void *frame, size_t size)
{
	const struct port *port = runtime_port(rig->runtime);
	struct rte_mbuf *m = rte_pktmbuf_alloc(port->frames);

	if (m == NULL)
		return false;
	if (size > rte_pktmbuf_tailroom(m))
		give_up("a frame longer than the port's");
	memcpy(rte_pktmbuf_append(m, (uint16_t)size), frame, size);
	if (rte_ring_sp_enqueue(port->in[rig->frames++ % port->queue_count], m) == 0)
		return true;
	rte_pktmbuf_free(m);
	return false;
}

void plane_rig_send_text(struct plane_rig *rig, uint16_t port, const char *text, size_t size)
{
	const struct packet_plan plan = {.target_port = port, .payload = view_of(text, size)};
	struct packet packet;

	packet_build(&plan, &packet);
	// A ring port's address is all zeros.
	memset(packet.bytes, 0, 6);
	while (!plane_rig_send(rig, packet.bytes, packet.size))
		usleep(50);
}

size_t plane_rig_receive(struct plane_rig *rig, void *ret_frame, size_t capacity)
{
	void *taken;
	struct rte_mbuf *m;
	size_t size;

	if (rte_ring_sc_dequeue(runtime_port(rig->runtime)->out[0], &taken) != 0)
		return 0;
	m = taken;
	size = rte_pktmbuf_data_len(m) < capacity ? rte_pktmbuf_data_len(m) : capacity;
	memcpy(ret_frame, rte_pktmbuf_mtod(m, const void *), size);
	rte_pktmbuf_free(m);
	return size;
}

bool plane_rig_wait(
	bool (*holds)(struct plane_rig *rig, uint64_t value),
	struct plane_rig *rig,
	uint64_t value
)
{
	uint64_t end = clock_monotonic_ns() + (uint64_t)WAIT_S * 1000000000;

	while (!holds(rig, value)) {
		if (clock_monotonic_ns() > end)
			return false;
		usleep(200);
	}
	return true;
}

/** Over streams and workers. @param at of the word in a row, in bytes */
static uint64_t sum_rows(const struct plane_rig *rig, size_t at)
{
	const struct counters *c = runtime_counters(rig->runtime);
	uint64_t sum = 0;

	for (uint32_t n = 0; n < c->worker_count * (PLANE_STREAMS_MAX + 1); n++)
		sum += *(const counter_word *)((const uint8_t *)&c->row[n] + at);
	return sum;
}

uint64_t plane_rig_count(const struct plane_rig *rig, enum counter counter)
{
	return sum_rows(rig, offsetof(struct counters_row, value[counter]));
}

uint64_t plane_rig_frame_drops(const struct plane_rig *rig, uint32_t reason)
{
	return sum_rows(rig, offsetof(struct counters_row, frame_drop[reason]));
}

uint64_t plane_rig_event_drops(const struct plane_rig *rig, uint32_t reason)
{
	return sum_rows(rig, offsetof(struct counters_row, event_drop[reason]));
}

uint64_t plane_rig_delivered(const struct plane_rig *rig)
{
	const struct counters *c = runtime_counters(rig->runtime);
	uint64_t sum = 0;

	for (uint32_t n = 0; n < PLANE_STREAMS_MAX; n++)
		sum += c->sink[n].rows_delivered;
	return sum;
}

static char *append_file(const char *path, char *text, size_t *size)
{
	FILE *file = must(fopen(path, "r"));
	size_t got;

	text = must(realloc(text, *size + (1 << 16) + 1));
	while ((got = fread(text + *size, 1, 1 << 16, file)) != 0) {
		*size += got;
		text = must(realloc(text, *size + (1 << 16) + 1));
	}
	fclose(file);
	return text;
}

char *plane_rig_read(
	const struct plane_rig *rig,
	const char *name,
	const char *prefix,
	size_t *ret_size
)
{
	char *text = must(malloc(1));
	struct dirent **entries;
	char path[512];
	int count;

	*ret_size = 0;
	snprintf(path, sizeof(path), "%s/data/%s", rig->directory, name);
	count = scandir(path, &entries, NULL, alphasort);
	for (int n = 0; n < count; n++) {
		// PREFIX-2…: another prefix may begin like this one.
		if (strncmp(entries[n]->d_name, prefix, strlen(prefix)) == 0
		    && entries[n]->d_name[strlen(prefix)] == '-'
		    && entries[n]->d_name[strlen(prefix) + 1] == '2') {
			snprintf(
				path,
				sizeof(path),
				"%s/data/%s/%s",
				rig->directory,
				name,
				entries[n]->d_name
			);
			text = append_file(path, text, ret_size);
		}
		free(entries[n]);
	}
	if (count >= 0)
		free(entries);
	text[*ret_size] = '\0';
	return text;
}
