#include "control/api/plane.h"

#include "control/api/image_checksum.h"
#include "control/api/policy.h"
#include "io/base/attr.h"

#include <stdarg.h>
#include <string.h>

// Every check leaves with a sentence about the first fault. Sums of offsets and sizes are made in 64 bits.

enum {
	POLICY_ALIGNMENT = 64
};

static const uint64_t TABLE_KEYS_MAX = UINT64_C(1) << 30;

struct plane_check {
	const struct plane_image *image;
	struct problem *problem;
};

static bool fault(struct plane_check *c, const char *format, ...) PRINTF_LIKE(2, 3);

static bool fault(struct plane_check *c, const char *format, ...)
{
	char what[PROBLEM_TEXT_MAX / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	(void)!problem_set(c->problem, SL_E_CORRUPT, "plane image: %s", what);
	return false;
}

uint64_t plane_image_checksum(const void *bytes, size_t size)
{
	return size < sizeof(struct plane_image)
		? 0
		: image_checksum(bytes, size, offsetof(struct plane_image, checksum));
}

static bool is_inside(const struct plane_check *c, uint64_t offset, uint64_t size)
{
	return offset >= sizeof(struct plane_image) && offset + size <= c->image->size;
}

/** A table of rows inside the image; an empty one has no place. */
static bool check_table(
	struct plane_check *c,
	struct plane_table table,
	size_t row_size,
	uint32_t count_max,
	const char *name
)
{
	if (table.count > count_max)
		return fault(c, "the %s are too many", name);
	if (table.count == 0)
		return table.offset == 0 || fault(c, "no %s have a place", name);
	if (table.offset % 8 != 0 || !is_inside(c, table.offset, (uint64_t)table.count * row_size))
		return fault(c, "the %s lie out of their place", name);
	return true;
}

/** A text inside the image, without control characters, of 1..size_max bytes. */
static bool check_text(
	struct plane_check *c,
	struct plane_span span,
	size_t size_max,
	const char *name
)
{
	struct view text;

	if (span.size == 0 || span.size > size_max || !is_inside(c, span.offset, span.size))
		return fault(c, "%s is absent, too long or out of its place", name);
	text = plane_view_of(c->image, span);
	for (size_t i = 0; i < text.size; i++)
		if (text.bytes[i] < 0x20 || text.bytes[i] == 0x7f)
			return fault(c, "%s has a control character", name);
	return true;
}

static bool check_directory(struct plane_check *c, struct plane_span span, const char *name)
{
	return check_text(c, span, PLANE_PATH_MAX, name)
		&& (plane_view_of(c->image, span).bytes[0] == '/'
		    || fault(c, "%s is no absolute path", name));
}

static bool check_sink(struct plane_check *c, const struct plane_sink *sink)
{
	if (sink->flags >= PLANE_SINK_NO_SYNC << 1)
		return fault(c, "a sink has a flag that is not known");
	if (sink->spool.size != 0 && !check_directory(c, sink->spool, "a spool's directory"))
		return false;
	if (sink->kind == PLANE_SINK_NULL)
		return (sink->directory.size == 0 && sink->prefix.size == 0)
			|| fault(c, "a null sink has files");
	if (sink->kind != PLANE_SINK_FILES)
		return fault(c, "a sink is of no known kind");
	if (!check_directory(c, sink->directory, "a sink's directory")
	    || !check_text(c, sink->prefix, PLANE_NAME_MAX, "a sink's prefix"))
		return false;
	if (memchr(plane_view_of(c->image, sink->prefix).bytes, '/', sink->prefix.size) != NULL)
		return fault(c, "a sink's prefix is no file's name");
	return true;
}

static bool check_nets(struct plane_check *c, struct plane_table table)
{
	const struct plane_net *nets;

	if (!check_table(c, table, sizeof(*nets), PLANE_NETS_MAX, "networks"))
		return false;
	nets = plane_rows(c->image, table);
	for (uint32_t i = 0; i < table.count; i++)
		if (nets[i].prefix > 128 || nets[i].reserved != 0)
			return fault(c, "a network has more than 128 bits");
	return true;
}

static bool check_policy(struct plane_check *c, const struct plane_stream *stream)
{
	const uint8_t *bytes = (const uint8_t *)c->image + stream->policy.offset;
	const struct policy_image *policy = (const void *)bytes;
	struct problem inner;
	const struct plane_sink *sinks;

	if (stream->policy.offset % POLICY_ALIGNMENT != 0
	    || !is_inside(c, stream->policy.offset, stream->policy.size))
		return fault(c, "a policy lies out of its place");
	if (policy_image_check(bytes, stream->policy.size, &inner) != SL_OK)
		return fault(c, "%.200s", inner.what);
	if (!check_table(c, stream->sinks, sizeof(*sinks), 2 + VIEWS_MAX, "sinks"))
		return false;
	if (stream->sinks.count != 2 + policy->views.count)
		return fault(c, "a stream has other sinks than its policy has outputs");
	sinks = plane_rows(c->image, stream->sinks);
	for (uint32_t i = 0; i < stream->sinks.count; i++)
		if (!check_sink(c, &sinks[i]))
			return false;
	return true;
}

static bool check_stream(struct plane_check *c, uint32_t row)
{
	const struct plane_stream *streams = plane_streams(c->image);
	const struct plane_stream *s = &streams[row];

	if (!check_text(c, s->name, PLANE_NAME_MAX, "a stream's name"))
		return false;
	if (s->port == 0 || s->mode > PLANE_SEALED || s->window_ms < 0 || s->table_keys == 0
	    || s->table_keys > TABLE_KEYS_MAX || s->dead_day < 0)
		return fault(c, "stream %u has a value out of its range", row);
	if (s->table_fd >= c->image->streams.count)
		return fault(c, "stream %u has a key table that is not there", row);
	for (uint32_t i = 0; i < row; i++)
		if (streams[i].port == s->port || streams[i].table_fd == s->table_fd
		    || memcmp(streams[i].id, s->id, sizeof(s->id)) == 0)
			return fault(
				c, "streams %u and %u have the same id, port or key table", i, row
			);
	return check_nets(c, s->nets) && check_policy(c, s);
}

static bool check_clients(struct plane_check *c)
{
	const struct plane_client *clients = plane_clients(c->image);
	const uint32_t stream_count = c->image->streams.count;
	const uint64_t known = stream_count == 64 ? UINT64_MAX : (UINT64_C(1) << stream_count) - 1;

	for (uint32_t i = 0; i < c->image->clients.count; i++) {
		if (!check_text(c, clients[i].name, PLANE_NAME_MAX, "a client's name"))
			return false;
		if (i != 0 && memcmp(clients[i - 1].id, clients[i].id, PLANE_CLIENT_ID_SIZE) >= 0)
			return fault(c, "the clients do not ascend");
		if ((clients[i].streams & ~known) != 0)
			return fault(c, "a client may send to a stream that is not there");
	}
	return true;
}

static bool check_all(struct plane_check *c)
{
	static_assert(PLANE_STREAMS_MAX == 64, "a client's streams are bits of 64");
	const struct plane_image *p = c->image;

	if (p->epoch == 0 || p->reserved != 0)
		return fault(c, "the header has a value out of its range");
	if (!check_table(c, p->streams, sizeof(struct plane_stream), PLANE_STREAMS_MAX, "streams")
	    || !check_table(
		    c, p->clients, sizeof(struct plane_client), PLANE_CLIENTS_MAX, "clients"
	    ))
		return false;
	for (uint32_t row = 0; row < p->streams.count; row++)
		if (!check_stream(c, row))
			return false;
	return check_clients(c);
}

enum sl_status plane_image_check(const void *bytes, size_t size, struct problem *ret_problem)
{
	const struct plane_image *image = bytes;
	struct plane_check c = {.image = image, .problem = ret_problem};
	const char *what = NULL;

	if (size < sizeof(*image) || size > PLANE_IMAGE_MAX
	    || (uintptr_t)bytes % POLICY_ALIGNMENT != 0)
		what = "no image has this size or place";
	else if (image->magic != PLANE_MAGIC || image->version != PLANE_VERSION)
		what = "it is none, or one of another version";
	else if (image->size != size)
		what = "its size is not what it says";
	else if (image->checksum != plane_image_checksum(bytes, size))
		what = "its checksum is wrong";
	if (what != NULL) {
		(void)fault(&c, "%s", what);
		return SL_E_CORRUPT;
	}
	return check_all(&c) ? SL_OK : SL_E_CORRUPT;
}
