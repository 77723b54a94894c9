#include "control/api/plane.h"
// Targets: plane_image_check, plane_image_checksum

#include "control/api/policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static volatile uint64_t sum; // of every byte that an accepted image names

static void read_span(const struct plane_image *p, struct plane_span span)
{
	struct view v = plane_view_of(p, span);

	for (size_t i = 0; i < v.size; i++)
		sum += v.bytes[i];
}

static void read_stream(const struct plane_image *p, const struct plane_stream *s)
{
	const struct policy_image *policy = (const void *)((const uint8_t *)p + s->policy.offset);
	const struct plane_sink *sinks = plane_rows(p, s->sinks);
	const struct plane_net *nets = plane_rows(p, s->nets);

	if (s->port == 0 || s->table_fd >= p->streams.count
	    || s->sinks.count != 2 + policy->views.count)
		abort();
	read_span(p, s->name);
	read_span(p, s->policy);
	for (uint32_t i = 0; i < s->nets.count; i++)
		sum += nets[i].address[15] + nets[i].prefix;
	for (uint32_t i = 0; i < s->sinks.count; i++) {
		if (sinks[i].kind == PLANE_SINK_FILES
		    && (sinks[i].directory.size == 0 || sinks[i].prefix.size == 0))
			abort();
		read_span(p, sinks[i].directory);
		read_span(p, sinks[i].prefix);
		read_span(p, sinks[i].spool);
	}
}

static void read_image(const struct plane_image *p)
{
	const struct plane_stream *streams = plane_streams(p);
	const struct plane_client *clients = plane_clients(p);

	for (uint32_t i = 0; i < p->streams.count; i++)
		read_stream(p, &streams[i]);
	for (uint32_t i = 0; i < p->clients.count; i++) {
		read_span(p, clients[i].name);
		sum += clients[i].key[KEY_SIZE - 1];
		if (p->streams.count < 64 && clients[i].streams >> p->streams.count != 0)
			abort();
	}
}

/** Right the checksums, of the policies too: without them the fuzzer would never get in. */
static void right(struct plane_image *p, size_t size)
{
	p->magic = PLANE_MAGIC;
	p->version = PLANE_VERSION;
	p->size = (uint32_t)size;
	for (uint32_t i = 0; i < p->streams.count && i < PLANE_STREAMS_MAX; i++) {
		uint64_t at = p->streams.offset + (uint64_t)i * sizeof(struct plane_stream);
		const struct plane_stream *s = (const void *)((const uint8_t *)p + at);
		struct policy_image *policy;

		if (at % 8 != 0 || at + sizeof(*s) > size)
			break;
		if (s->policy.offset % 64 != 0 || s->policy.size < sizeof(*policy)
		    || (uint64_t)s->policy.offset + s->policy.size > size)
			continue;
		policy = (void *)((uint8_t *)p + s->policy.offset);
		policy->magic = POLICY_MAGIC;
		policy->version = POLICY_VERSION;
		policy->size = s->policy.size;
		policy->checksum = policy_image_checksum(policy, s->policy.size);
	}
	p->checksum = plane_image_checksum(p, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct plane_image *image;
	struct problem fault = {0};
	void *memory;

	// The exact size, so that a read behind the end is seen; aligned as mapped memory is.
	if (posix_memalign(&memory, 64, size == 0 ? 1 : size) != 0)
		return 0;
	image = memory;
	if (size != 0)
		memcpy(image, bytes, size);
	if (size >= sizeof(*image))
		right(image, size);
	if (plane_image_check(image, size, &fault) == SL_OK)
		read_image(image);
	else if (fault.what[0] == '\0')
		abort();
	free(memory);
	return 0;
}
