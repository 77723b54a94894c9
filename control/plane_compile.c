#include "control/plane_compile.h"

#include "control/mask_key.h"
#include "control/policy_compile.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
	POLICY_ALIGNMENT = 64,
	FIRST_CAPACITY = 64 << 10 // bytes
};

/** An image that grows. After a failure all calls do nothing. */
struct writer {
	uint8_t *bytes; // [capacity] owned, secret_new: page-aligned
	size_t size;
	size_t capacity;
	bool is_failed; // no memory, or beyond PLANE_IMAGE_MAX
};

static bool grow(struct writer *w, size_t size)
{
	size_t capacity = w->capacity == 0 ? FIRST_CAPACITY : w->capacity;
	uint8_t *bytes;

	if (size > PLANE_IMAGE_MAX)
		w->is_failed = true;
	if (w->is_failed || size <= w->capacity)
		return !w->is_failed;
	while (capacity < size)
		capacity *= 2;
	bytes = secret_new(capacity);
	if (bytes == NULL) {
		w->is_failed = true;
		return false;
	}
	if (w->size != 0)
		memcpy(bytes, w->bytes, w->size);
	secret_free(w->bytes, w->capacity);
	w->bytes = bytes;
	w->capacity = capacity;
	return true;
}

/** Append zeros. @return their offset, 0 when failed */
static uint32_t reserve(struct writer *w, size_t size, size_t alignment)
{
	size_t at = (w->size + alignment - 1) / alignment * alignment;

	if (!grow(w, at + size))
		return 0;
	w->size = at + size;
	return (uint32_t)at;
}

static struct plane_span put(struct writer *w, const void *bytes, size_t size, size_t alignment)
{
	uint32_t at;

	if (size == 0)
		return (struct plane_span){0};
	at = reserve(w, size, alignment);
	if (w->is_failed)
		return (struct plane_span){0};
	memcpy(w->bytes + at, bytes, size);
	return (struct plane_span){at, (uint32_t)size};
}

static struct plane_span put_text(struct writer *w, const char *text)
{
	return text == NULL ? (struct plane_span){0} : put(w, text, strlen(text), 1);
}

static struct plane_table put_rows(
	struct writer *w,
	const void *rows,
	size_t row_size,
	uint32_t count
)
{
	struct plane_span span = put(w, rows, row_size * count, 8);

	return (struct plane_table){span.offset, count};
}

/** Mask specifications of one stream's views, with room for their keys. */
struct mask_room {
	struct mask_spec specs[VIEWS_MAX][JOB_MASKS_MAX];
	uint8_t keys[VIEWS_MAX][JOB_MASKS_MAX][MASK_KEY_SIZE];
};

static void make_views(
	const struct stream *s,
	const uint8_t *mask_key,
	struct mask_room *room,
	struct view_spec ret_views[static VIEWS_MAX]
)
{
	for (uint32_t v = 0; v < s->view_count; v++) {
		const struct stream_view *from = &s->views[v];

		for (uint32_t m = 0; m < from->rules.mask_count; m++) {
			const struct job_mask *mask = &from->rules.masks[m];
			struct mask_spec *spec = &room->specs[v][m];

			*spec = (struct mask_spec
			){.path = view_of_text(mask->path),
			  .kind = POLICY_MASK_MURMUR3,
			  .node = from->node};
			if (mask->is_murmur3) {
				spec->seed = view_of_text(mask->seed != NULL ? mask->seed : "");
				continue;
			}
			mask_key_make(mask_key, mask->seed, room->keys[v][m]);
			spec->kind = POLICY_MASK_HMAC;
			spec->seed = view_of(room->keys[v][m], MASK_KEY_SIZE);
		}
		ret_views[v] = (struct view_spec){
			.name = view_of_text(from->name),
			.purposes = from->rules.purposes,
			.kind = from->rules.is_cumulative ? POLICY_CUMULATIVE : POLICY_GRANULAR,
			.masks = room->specs[v],
			.mask_count = from->rules.mask_count,
			.node = from->node,
		};
	}
}

static enum sl_status put_policy(
	struct writer *w,
	const struct definitions *d,
	uint32_t row,
	const struct plane_keys *keys,
	struct problems *problems,
	struct plane_span *ret_span
)
{
	struct view_spec views[VIEWS_MAX] = {0};
	struct mask_room *room = secret_new(sizeof(*room));
	struct policy_image *image;
	enum sl_status status;

	if (room == NULL) {
		w->is_failed = true;
		return SL_E_NOMEM;
	}
	make_views(&d->streams[row], keys->mask_key, room, views);
	status = policy_compile(
		d->contracts[d->of_stream[row]].contract,
		views,
		d->streams[row].view_count,
		NULL,
		problems,
		&image
	);
	secret_free(room, sizeof(*room));
	if (status != SL_OK)
		return status;
	*ret_span = put(w, image, image->size, POLICY_ALIGNMENT);
	policy_image_free(image);
	return SL_OK;
}

static struct plane_table put_sinks(struct writer *w, const struct stream *s)
{
	struct plane_sink sinks[STREAM_SINKS_MAX] = {0};
	const uint32_t count = STREAM_FIRST_VIEW + s->view_count;

	for (uint32_t i = 0; i < count; i++) {
		const struct stream_sink *from = &s->sinks[i];

		sinks[i] = (struct plane_sink){
			.directory = put_text(w, from->directory),
			.prefix = put_text(w, from->prefix),
			.spool = put_text(w, from->spool),
			.roll_bytes = from->roll_bytes,
			.roll_ms = from->roll_ms,
			.spool_bytes_max = from->spool_bytes_max,
			.kind = from->kind,
			.flags = (from->is_zstd ? PLANE_SINK_ZSTD : 0u)
				| (from->is_unsynced ? PLANE_SINK_NO_SYNC : 0u),
		};
	}
	return put_rows(w, sinks, sizeof(*sinks), count);
}

/** A stream's id: made of its name, so that it stays when the definition changes. */
static void make_id(const char *name, uint8_t ret_id[static 16])
{
	XXH128_canonical_t hash;

	XXH128_canonicalFromHash(&hash, XXH3_128bits(name, strlen(name)));
	memcpy(ret_id, hash.digest, 16);
}

static enum sl_status put_stream(
	struct writer *w,
	const struct definitions *d,
	uint32_t row,
	const struct plane_keys *keys,
	struct problems *problems,
	uint32_t at
)
{
	const struct stream *s = &d->streams[row];
	struct plane_stream to = {
		.scope = keys->scope[row],
		.table_keys = s->table_keys,
		.table_fd = row,
		.port = s->port,
		.mode = (uint16_t)s->mode,
		.window_ms = (int64_t)s->window_ms,
		.events_per_s = s->events_per_s,
		.dead_day = keys->dead_day,
	};

	SL_TRY(put_policy(w, d, row, keys, problems, &to.policy));
	make_id(s->name, to.id);
	memcpy(to.dead_link, keys->dead_link, sizeof(to.dead_link));
	memcpy(to.dead_key, keys->dead_key, sizeof(to.dead_key));
	to.name = put_text(w, s->name);
	to.nets = put_rows(w, s->nets, sizeof(*s->nets), s->net_count);
	to.sinks = put_sinks(w, s);
	if (!w->is_failed)
		memcpy(w->bytes + at + row * sizeof(to), &to, sizeof(to));
	bytes_wipe(&to, sizeof(to));
	return SL_OK;
}

static struct plane_table put_clients(struct writer *w, const struct clients *clients)
{
	struct plane_table table = {.count = clients->count};

	if (clients->count == 0)
		return table;
	table.offset = reserve(w, clients->count * sizeof(struct plane_client), 8);
	for (uint32_t i = 0; i < clients->count; i++) {
		const struct client *from = &clients->items[clients->order[i]];
		struct plane_client to = {
			.name = put_text(w, from->name), .streams = from->streams};

		memcpy(to.id, from->id, sizeof(to.id));
		memcpy(to.key, from->key, sizeof(to.key));
		if (!w->is_failed)
			memcpy(w->bytes + table.offset + i * sizeof(to), &to, sizeof(to));
		bytes_wipe(&to, sizeof(to));
	}
	return table;
}

void plane_compiled_set_epoch(struct plane_compiled *compiled, uint64_t epoch)
{
	compiled->image->epoch = epoch;
	compiled->image->checksum = plane_image_checksum(compiled->image, compiled->size);
}

/** All parts; what is wrong with one stream's policy does not hide what is wrong with the next. */
static enum sl_status write_image(
	struct writer *w,
	const struct definitions *d,
	const struct plane_keys *keys,
	uint64_t epoch,
	struct problems *problems
)
{
	struct plane_image head = {
		.magic = PLANE_MAGIC,
		.version = PLANE_VERSION,
		.epoch = epoch,
		.streams.count = d->stream_count,
	};
	enum sl_status status = SL_OK;

	(void)reserve(w, sizeof(head), 8);
	head.streams.offset = reserve(w, d->stream_count * sizeof(struct plane_stream), 8);
	for (uint32_t row = 0; row < d->stream_count; row++) {
		enum sl_status one = put_stream(w, d, row, keys, problems, head.streams.offset);

		if (status == SL_OK)
			status = one;
	}
	head.clients = put_clients(w, &d->clients);
	if (w->is_failed)
		return SL_E_NOMEM;
	memcpy(head.hash_key, keys->hash_key, sizeof(head.hash_key));
	head.size = (uint32_t)w->size;
	memcpy(w->bytes, &head, sizeof(head));
	bytes_wipe(&head, sizeof(head));
	return status;
}

enum sl_status plane_compile(
	const struct definitions *definitions,
	const struct plane_keys *keys,
	uint64_t epoch,
	struct problems *problems,
	struct plane_compiled *ret_compiled
)
{
	struct writer w = {0};
	struct plane_compiled compiled;
	struct problem problem;
	enum sl_status status = write_image(&w, definitions, keys, epoch, problems);

	if (status == SL_OK) {
		compiled = (struct plane_compiled
		){.image = (struct plane_image *)w.bytes, .size = w.size, .capacity = w.capacity};
		plane_compiled_set_epoch(&compiled, epoch);
		status = plane_image_check(compiled.image, compiled.size, &problem);
		if (status != SL_OK)
			problems_add(problems, &problem);
	} else if (w.is_failed) {
		status = problem_set(
			&problem,
			SL_E_TOO_BIG,
			"the compiled definitions are beyond %d MiB, or there is no memory",
			PLANE_IMAGE_MAX >> 20
		);
		problem_at_file(&problem, definitions->directory);
		problems_add(problems, &problem);
	}
	if (status != SL_OK) {
		secret_free(w.bytes, w.capacity);
		return status;
	}
	*ret_compiled = compiled;
	return SL_OK;
}

void plane_compiled_free(struct plane_compiled *compiled)
{
	secret_free(compiled->image, compiled->capacity);
	*compiled = (struct plane_compiled){0};
}
