#include "control/server_inner.h"
#include "control/unix_socket.h"
#include "io/base/clock.h"

#include <string.h>
#include <unistd.h>

static void set_number(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

/** One digit behind the point is enough for a rate. */
static void set_rate(json_t *object, const char *key, double value)
{
	json_object_set_new(object, key, json_real((double)(int64_t)(value * 10 + 0.5) / 10));
}

static void set_text(json_t *object, const char *key, struct view text)
{
	json_object_set_new(object, key, json_stringn((const char *)text.bytes, text.size));
}

static json_t *drops_json(const uint64_t counts[], const char *const names[], uint32_t name_count)
{
	json_t *object = json_object();

	// Reason 0 is none; what has no name is from a newer dataplane.
	for (uint32_t i = 1; i < name_count; i++)
		if (counts[i] != 0)
			set_number(object, names[i], counts[i]);
	return object;
}

static json_t *latency_json(struct percentiles p)
{
	json_t *object = json_object();

	set_number(object, "count", p.count);
	set_number(object, "p50", p.p50_ns);
	set_number(object, "p99", p.p99_ns);
	set_number(object, "p999", p.p999_ns);
	set_number(object, "max", p.max_ns);
	return object;
}

static void add_counts(const struct server *s, json_t *object, uint32_t row)
{
	const struct stream_rates *r = &s->counters.stream[row];
	const struct server_names *n = s->names;
	json_t *counts = json_object();
	json_t *rates = json_object();
	struct sums sums;

	counters_sum_stream(&s->counters, row, &sums);
	for (int i = 0; i < COUNTER_COUNT; i++) {
		set_number(counts, counter_key((enum counter)i), sums.value[i]);
		set_rate(rates, counter_key((enum counter)i), r->per_s[i]);
	}
	set_rate(rates, "drops", r->drops_per_s);
	set_rate(rates, "delivered", r->delivered_per_s);
	json_object_set_new(object, "counts", counts);
	json_object_set_new(object, "per_second", rates);
	json_object_set_new(
		object,
		"event_drops",
		drops_json(sums.event_drop, n->event_drops, n->event_drop_count)
	);
	json_object_set_new(
		object,
		"frame_drops",
		drops_json(sums.frame_drop, n->frame_drops, n->frame_drop_count)
	);
}

static json_t *sink_json(const struct counters_sink_row *row)
{
	json_t *object = json_object();

	set_number(object, "rows_delivered", atomic_load(&row->rows_delivered));
	set_number(object, "bytes_delivered", atomic_load(&row->bytes_delivered));
	set_number(object, "rows_failed", atomic_load(&row->rows_failed));
	set_number(object, "rows_waiting", atomic_load(&row->rows_waiting));
	json_object_set_new(object, "is_down", json_boolean(atomic_load(&row->is_down) != 0));
	return object;
}

/** The dataplane's row of a stream; PLANE_STREAMS_MAX: none. */
static uint32_t find_row(const struct server *s, const uint8_t id[static 16])
{
	uint32_t row = 0;

	if (s->counters.map == NULL)
		return PLANE_STREAMS_MAX;
	while (row < PLANE_STREAMS_MAX && memcmp(s->counters.map->stream_id[row], id, 16) != 0)
		row++;
	return row;
}

static json_t *stream_json(const struct server *s, const struct plane *plane, uint32_t number)
{
	const struct plane_image *image = plane->compiled.image;
	const struct plane_stream *stream = &plane_streams(image)[number];
	const struct policy_image *policy =
		(const void *)((const uint8_t *)image + stream->policy.offset);
	const uint32_t row = find_row(s, stream->id);
	json_t *object = json_object();

	set_text(object, "stream", plane_view_of(image, stream->name));
	set_number(object, "port", stream->port);
	json_object_set_new(
		object, "mode", json_string(stream->mode == PLANE_SEALED ? "sealed" : "plain")
	);
	set_text(object, "contract", policy_view_of(policy, policy->ref));
	if (plane->tables[number] != NULL) {
		set_number(object, "keys", key_table_count(plane->tables[number]));
		// A larger one than is asked for stays.
		set_number(
			object, "keys_max", key_table_use(plane->tables[number]).entry_count_max
		);
	}
	if (row == PLANE_STREAMS_MAX)
		return object;
	add_counts(s, object, row);
	json_object_set_new(object, "sink", sink_json(&s->counters.map->sink[row]));
	json_object_set_new(
		object, "latency_ns", latency_json(counters_latency(&s->counters, row))
	);
	json_object_set_new(
		object, "recent_latency_ns", latency_json(s->counters.stream[row].recent)
	);
	return object;
}

static json_t *control_json(struct server *s)
{
	json_t *object = json_object();

	set_number(object, "pid", (uint64_t)getpid());
	set_number(
		object, "uptime_s", (clock_monotonic_ns() - s->started_ns) / UINT64_C(1000000000)
	);
	if (s->directory != NULL)
		json_object_set_new(object, "definitions", json_string(s->directory));
	set_number(object, "epoch", s->plane != NULL ? s->plane->epoch : 0);
	json_object_set_new(object, "is_applying", json_boolean(s->pending != NULL));
	return object;
}

static json_t *keys_json(struct server *s)
{
	const struct key_feed_counts counts = key_feed_counts(s->feed);
	struct problem problem;
	json_t *object = json_object();

	set_number(object, "in_vault", vault_key_count(s->vault));
	set_number(object, "committed", counts.keys);
	set_number(object, "subjects", counts.subjects);
	set_number(object, "commits", counts.commits);
	set_number(object, "holes", counts.holes);
	set_number(object, "waiting", counts.waiting);
	set_number(
		object,
		"journal_records",
		s->ring != NULL ? key_ring_capacity(s->ring) : s->config->journal_records
	);
	if (key_feed_status(s->feed, &problem) != SL_OK)
		json_object_set_new(object, "problem", json_string(problem.what));
	return object;
}

static json_t *workers_json(const struct server *s)
{
	const struct server_counters *c = &s->counters;
	json_t *list = json_array();

	for (uint32_t w = 0; w < c->worker_count; w++) {
		json_t *object = json_object();
		struct sums sums;
		// What the dataplane started with: the configuration may be of after that.
		const uint32_t core = c->map->worker_core[w];

		counters_sum_worker(c, w, &sums);
		set_number(object, "worker", w);
		if (core != UINT32_MAX)
			set_number(object, "core", core);
		set_number(object, "events_in", sums.value[COUNTER_EVENTS_IN]);
		set_number(object, "turns", sums.value[COUNTER_TURNS]);
		set_rate(object, "events_per_second", c->worker_events_per_s[w]);
		set_rate(object, "busy_percent", c->worker_busy[w] * 100);
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *dataplane_json(const struct server *s)
{
	const struct counters *map = s->counters.map;
	const uint64_t now_ns = clock_monotonic_ns();
	json_t *object;

	if (s->link < 0 || !s->is_greeted)
		return json_null();
	object = json_object();
	set_number(object, "pid", s->dataplane_pid);
	set_number(object, "epoch", s->dataplane_epoch);
	if (map == NULL)
		return object;
	set_number(
		object,
		"uptime_s",
		now_ns < map->started_ns ? 0 : (now_ns - map->started_ns) / UINT64_C(1000000000)
	);
	set_number(object, "policy_change_ns", atomic_load(&map->policy_change_ns));
	json_object_set_new(object, "workers", workers_json(s));
	return object;
}

json_t *status_json(struct server *s)
{
	json_t *object = json_object();
	json_t *streams = json_array();
	json_t *other = json_object();

	json_object_set_new(object, "ok", json_true());
	set_number(object, "version", SERVER_VERSION);
	json_object_set_new(object, "control", control_json(s));
	json_object_set_new(object, "keys", keys_json(s));
	json_object_set_new(object, "dataplane", dataplane_json(s));
	for (uint32_t i = 0; s->plane != NULL && i < s->plane->compiled.image->streams.count; i++)
		json_array_append_new(streams, stream_json(s, s->plane, i));
	json_object_set_new(object, "streams", streams);
	if (s->counters.map != NULL)
		add_counts(s, other, PLANE_STREAMS_MAX);
	json_object_set_new(object, "other", other);
	return object;
}
