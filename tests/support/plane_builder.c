#include "tests/support/plane_builder.h"

#include <stdlib.h>
#include <string.h>

static void put_padded(const char *name, uint8_t *to, size_t size)
{
	const size_t length = strlen(name);

	memset(to, 0, size);
	memcpy(to, name, length < size ? length : size);
}

void build_stream_id(const char *name, uint8_t ret_id[static 16])
{
	put_padded(name, ret_id, 16);
}

void build_client_id(const char *name, uint8_t ret_id[static PLANE_CLIENT_ID_SIZE])
{
	put_padded(name, ret_id, PLANE_CLIENT_ID_SIZE);
}

void build_client_key(const char *name, uint8_t salt, uint8_t ret_key[static KEY_SIZE])
{
	put_padded(name, ret_key, KEY_SIZE);
	for (size_t i = 0; i < KEY_SIZE; i++)
		ret_key[i] ^= salt;
}

static struct plane_span put_name(struct plane_image *image, const char *name)
{
	struct plane_span span = {image->size, (uint32_t)strlen(name)};

	memcpy((uint8_t *)image + span.offset, name, span.size);
	image->size += span.size;
	return span;
}

struct plane_image *build_plane(
	const struct build_stream *streams,
	const struct build_client *clients
)
{
	uint32_t stream_count = 0;
	uint32_t client_count = 0;
	struct plane_image *image;
	struct plane_stream *stream;
	struct plane_client *client;
	size_t fixed;

	while (streams[stream_count].name != NULL)
		stream_count++;
	while (clients[client_count].name != NULL)
		client_count++;
	fixed = sizeof(*image) + stream_count * sizeof(*stream) + client_count * sizeof(*client);
	image = calloc(1, fixed + (size_t)(stream_count + client_count) * PLANE_NAME_MAX);
	if (image == NULL)
		abort();
	image->magic = PLANE_MAGIC;
	image->version = PLANE_VERSION;
	image->epoch = 1;
	image->size = (uint32_t)fixed;
	image->streams = (struct plane_table){sizeof(*image), stream_count};
	image->clients = (struct plane_table
	){(uint32_t)(sizeof(*image) + stream_count * sizeof(*stream)), client_count};
	stream = (struct plane_stream *)(image + 1);
	client = (struct plane_client *)(stream + stream_count);
	for (uint32_t i = 0; i < stream_count; i++) {
		build_stream_id(streams[i].name, stream[i].id);
		stream[i].name = put_name(image, streams[i].name);
		stream[i].port = streams[i].port;
		stream[i].mode = PLANE_SEALED;
	}
	for (uint32_t i = 0; i < client_count; i++) {
		build_client_id(clients[i].name, client[i].id);
		build_client_key(clients[i].name, clients[i].salt, client[i].key);
		client[i].name = put_name(image, clients[i].name);
		client[i].streams = clients[i].streams;
	}
	return image;
}
