#include "crypto/secret.h"
#include "dataplane/datagram/server_inner.h"

#include <stdlib.h>
#include <sys/mman.h>

static const size_t sessions_size = DATAGRAM_SESSIONS_MAX * sizeof(struct session);

static bool is_fine(const struct datagram_server_options *o)
{
	return o->session_count_max >= 1 && o->session_count_max <= DATAGRAM_SESSIONS_MAX
		&& o->session_idle_ms >= DATAGRAM_IDLE_MS_MIN && o->session_idle_ms <= INT64_MAX
		&& o->credit_max >= 1 && o->credit_max <= DATAGRAM_WINDOW;
}

static enum sl_status allocate(struct datagram_server *server)
{
	// Untouched pages cost nothing: sessions take the lowest index that is free.
	void *sessions =
		mmap(NULL,
		     sessions_size,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);

	server->sessions = sessions != MAP_FAILED ? sessions : NULL;
	server->dirty = calloc(DATAGRAM_SESSIONS_MAX, sizeof(*server->dirty));
	server->keys = secret_new(DATAGRAM_SESSIONS_MAX * sizeof(*server->keys));
	server->door.secret = secret_new(WIRE_KEY_SIZE);
	if (server->sessions == NULL || server->dirty == NULL || server->keys == NULL
	    || server->door.secret == NULL)
		return SL_E_NOMEM;
	return SL_OK;
}

enum sl_status datagram_server_new(
	const struct datagram_server_options *options,
	struct datagram_server **ret_server
)
{
	const struct engine_options engine_options = {.lanes = LANES_OFF};
	struct datagram_server *server;
	struct problem problem;
	enum sl_status status;

	if (!is_fine(options))
		return SL_E_INVALID;
	server = calloc(1, sizeof(*server));
	if (server == NULL)
		return SL_E_NOMEM;
	server->options = *options;
	status = engine_new(&engine_options, &server->engine, &problem);
	if (status == SL_OK)
		status = allocate(server);
	if (status != SL_OK) {
		datagram_server_free(server);
		return status;
	}
	engine_random(server->engine, server->door.secret, WIRE_KEY_SIZE);
	engine_random(server->engine, &server->first_generation, sizeof(server->first_generation));
	*ret_server = server;
	return SL_OK;
}

static void free_clients(struct door_client *clients, uint32_t count)
{
	secret_free(clients, (size_t)count * sizeof(*clients));
}

void datagram_server_free(struct datagram_server *server)
{
	if (server == NULL)
		return;
	free_clients(server->door.clients, server->door.client_count);
	secret_free(server->door.secret, WIRE_KEY_SIZE);
	secret_free(server->keys, DATAGRAM_SESSIONS_MAX * sizeof(*server->keys));
	free(server->dirty);
	if (server->sessions != NULL)
		munmap(server->sessions, sessions_size);
	engine_free(server->engine);
	free(server);
}

static int order_clients(const void *a, const void *b)
{
	return memcmp(a, b, WIRE_ID_SIZE);
}

struct door_client *door_find(const struct door *door, const uint8_t id[static WIRE_ID_SIZE])
{
	if (door->client_count == 0)
		return NULL;
	return bsearch(
		id, door->clients, door->client_count, sizeof(*door->clients), order_clients
	);
}

/** A door of an image's clients and streams, these with so much credit, without secret and sessions. */
static enum sl_status read_image(
	struct engine *engine,
	const struct plane_image *image,
	uint32_t credit,
	struct door *ret_door
)
{
	const struct plane_client *clients = plane_clients(image);
	const struct plane_stream *streams = plane_streams(image);

	ret_door->client_count = image->clients.count;
	ret_door->stream_count = image->streams.count;
	if (image->clients.count != 0) {
		ret_door->clients = secret_new(image->clients.count * sizeof(struct door_client));
		if (ret_door->clients == NULL)
			return SL_E_NOMEM;
	}
	for (uint32_t i = 0; i < image->clients.count; i++) {
		struct door_client *c = &ret_door->clients[i];

		memcpy(c->id, clients[i].id, sizeof(c->id));
		memcpy(c->key, clients[i].key, sizeof(c->key));
		c->streams = clients[i].streams;
		c->first_session = DATAGRAM_SESSION_NONE;
		wire_hello_key(engine, c->key, c->id, c->hello_key);
	}
	for (uint32_t i = 0; i < image->streams.count; i++) {
		struct view name = plane_view_of(image, streams[i].name);
		struct door_stream *s = &ret_door->streams[i];

		memcpy(s->id, streams[i].id, sizeof(s->id));
		memcpy(s->name, name.bytes, name.size);
		s->name_size = (uint32_t)name.size;
		s->credit = credit;
	}
	return SL_OK;
}

/** Streams that go on keep their credit. */
static void keep_credit(struct door *fresh, const struct door *old)
{
	for (uint32_t i = 0; i < fresh->stream_count; i++)
		for (uint32_t n = 0; n < old->stream_count; n++)
			if (memcmp(fresh->streams[i].id, old->streams[n].id, STREAM_ID_SIZE) == 0)
				fresh->streams[i].credit = old->streams[n].credit;
}

const struct door_stream *door_find_stream(
	const struct door *door,
	const uint8_t id[static STREAM_ID_SIZE],
	const struct door_client *client,
	bool *ret_may_send
)
{
	for (uint32_t i = 0; i < door->stream_count; i++)
		if (memcmp(door->streams[i].id, id, STREAM_ID_SIZE) == 0) {
			*ret_may_send = (client->streams >> i & 1) != 0;
			return &door->streams[i];
		}
	return NULL;
}

/** Whether a session goes on with its client as the new image has it. */
static bool stays(const struct session *s, const struct door *old, const struct door_client *client)
{
	const struct door_client *before = door_find(old, s->names.client_id);

	if (client == NULL)
		return false;
	if (!s->has_keys || before == NULL)
		return true;
	return bytes_equal_ct(before->key, client->key, sizeof(client->key));
}

/** Keep or end each session, by the new clients. Under the door's lock. Returns whether one has ended. */
static bool sort_sessions(struct datagram_server *server, const struct door *old)
{
	const uint32_t high = atomic_load_explicit(&server->high, memory_order_relaxed);
	bool has_ended = false;

	for (uint32_t i = 0; i < high; i++) {
		struct session *s = &server->sessions[i];
		const struct door_stream *stream = NULL;
		struct door_client *client;
		bool may_send = false;

		if ((server->live[i / 64] >> (i % 64) & 1) == 0)
			continue;
		client = door_find(&server->door, s->names.client_id);
		if (stays(s, old, client))
			stream = door_find_stream(&server->door, s->stream_id, client, &may_send);
		if (stream == NULL || !may_send) {
			has_ended = true;
			session_end(server, i);
			continue;
		}
		lock_take(&s->lock);
		s->credit = stream->credit;
		session_bind(server, server->engine, i, client);
		lock_release(&s->lock);
	}
	return has_ended;
}

void sessions_greet(struct datagram_server *server)
{
	lock_take(&server->door.lock);
	if (server->door.has_image)
		(void)sort_sessions(server, &server->door);
	lock_release(&server->door.lock);
}

enum sl_status datagram_server_clients(
	struct datagram_server *server,
	const struct plane_image *image
)
{
	struct door *door = &server->door;
	struct door fresh = {0};
	struct door old;
	uint8_t secret[WIRE_KEY_SIZE];

	SL_TRY(read_image(server->engine, image, server->options.credit_max, &fresh));
	engine_random(server->engine, secret, sizeof(secret));
	lock_take(&door->lock);
	keep_credit(&fresh, door);
	old.clients = door->clients;
	old.client_count = door->client_count;
	door->clients = fresh.clients;
	door->client_count = fresh.client_count;
	memcpy(door->streams, fresh.streams, sizeof(door->streams));
	door->stream_count = fresh.stream_count;
	door->has_image = true;
	// A session that has ended must not begin again by a repetition of its first PING.
	if (sort_sessions(server, &old))
		memcpy(door->secret, secret, sizeof(secret));
	lock_release(&door->lock);
	bytes_wipe(secret, sizeof(secret));
	free_clients(old.clients, old.client_count);
	return SL_OK;
}

/** Give the sessions of a stream its credit. Under the door's lock. */
static void pass_on_credit(struct datagram_server *server, const struct door_stream *stream)
{
	const uint32_t high = atomic_load_explicit(&server->high, memory_order_relaxed);

	for (uint32_t i = 0; i < high; i++) {
		struct session *s = &server->sessions[i];

		if ((server->live[i / 64] >> (i % 64) & 1) == 0
		    || memcmp(s->stream_id, stream->id, STREAM_ID_SIZE) != 0)
			continue;
		lock_take(&s->lock);
		s->credit = stream->credit;
		// Whoever was told something much different hears of it: datagram_next_ack looks.
		session_look_at(server, i);
		lock_release(&s->lock);
	}
}

void datagram_server_credit(
	struct datagram_server *server,
	const uint8_t stream_id[static STREAM_ID_SIZE],
	uint32_t credit
)
{
	struct door *door = &server->door;

	if (credit > server->options.credit_max)
		credit = server->options.credit_max;
	lock_take(&door->lock);
	for (uint32_t i = 0; i < door->stream_count; i++) {
		struct door_stream *stream = &door->streams[i];

		if (memcmp(stream->id, stream_id, STREAM_ID_SIZE) != 0 || stream->credit == credit)
			continue;
		stream->credit = credit;
		pass_on_credit(server, stream);
	}
	lock_release(&door->lock);
}

void datagram_set_flow(
	struct datagram_server *server,
	uint32_t session,
	uint32_t worker,
	const void *flow,
	size_t size
)
{
	struct session *s = &server->sessions[session];

	assert(session < DATAGRAM_SESSIONS_MAX && size <= DATAGRAM_FLOW_MAX);
	lock_take(&s->lock);
	s->worker = worker;
	s->flow_size = (uint32_t)size;
	memcpy(s->flow, flow, size);
	lock_release(&s->lock);
}

size_t datagram_get_flow(
	struct datagram_server *server,
	uint32_t session,
	void *ret_flow,
	size_t capacity
)
{
	struct session *s = &server->sessions[session];
	size_t size;

	assert(session < DATAGRAM_SESSIONS_MAX);
	lock_take(&s->lock);
	size = s->flow_size < capacity ? s->flow_size : capacity;
	memcpy(ret_flow, s->flow, size);
	lock_release(&s->lock);
	return size;
}
