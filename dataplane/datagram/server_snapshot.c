#include "dataplane/datagram/server_inner.h"

// What outlives the process. Little endian, as the machine has it; the checkpoint's checksum guards it. A session's keys
// are not in it: they are made again from the client's key.
//
// Only what is stored counts: a datagram that had come and was not stored comes again.

enum {
	SNAPSHOT_MAGIC = 0x4e534453, // "SDSN" in memory
	SNAPSHOT_VERSION = 1,
	// Acknowledgements that may have gone out after a snapshot are fewer.
	STAMP_STEP = 1 << 30
};

struct snapshot_head {
	uint32_t magic;
	uint32_t version;
	uint32_t session_count;
	uint32_t reserved;
};

/** Followed by word_count words: bit i of word j = next + 64 j + i is stored. */
struct snapshot_session {
	uint32_t index;
	uint32_t generation;
	struct wire_names names;
	uint8_t stream_id[16];
	uint64_t next; // all sequences below are stored
	uint64_t stamp;
	uint64_t ping_number;
	uint32_t word_count; // 0..WINDOW_WORDS
	uint32_t reserved;
};

static_assert(sizeof(struct snapshot_head) == 16, "layout");
static_assert(sizeof(struct snapshot_session) == 104, "layout");

enum {
	SESSION_MAX = sizeof(struct snapshot_session) + WINDOW_WORDS * 8,
	SNAPSHOT_MAX = sizeof(struct snapshot_head) + DATAGRAM_SESSIONS_MAX * SESSION_MAX
};

static_assert(SNAPSHOT_MAX < 15 << 20, "fits a checkpoint with the marks of all sinks");

size_t datagram_snapshot_max(const struct datagram_server *server)
{
	const size_t high = atomic_load_explicit(&server->high, memory_order_acquire);
	const size_t count =
		high > server->options.session_count_max ? high : server->options.session_count_max;

	return sizeof(struct snapshot_head) + count * SESSION_MAX;
}

static size_t put_session(const struct session *s, uint32_t index, uint8_t *ret_bytes)
{
	const uint64_t next = window_stored_next(&s->window);
	struct snapshot_session record = {
		.index = index,
		.generation = s->generation,
		.names = s->names,
		.next = next,
		.stamp = s->stamp,
		.ping_number = s->ping_number,
	};
	uint8_t *to = ret_bytes + sizeof(record);

	memcpy(record.stream_id, s->stream_id, sizeof(record.stream_id));
	record.word_count =
		(uint32_t)((window_end(&s->window, s->window.stored, next) - next + 63) / 64);
	memcpy(ret_bytes, &record, sizeof(record));
	for (uint32_t i = 0; i < record.word_count; i++) {
		const uint64_t bits =
			window_bits(&s->window, s->window.stored, next + (uint64_t)i * 64);

		memcpy(to + (size_t)i * 8, &bits, sizeof(bits));
	}
	return sizeof(record) + (size_t)record.word_count * 8;
}

size_t datagram_snapshot(struct datagram_server *server, uint8_t *ret_bytes)
{
	struct snapshot_head head = {.magic = SNAPSHOT_MAGIC, .version = SNAPSHOT_VERSION};
	size_t size = sizeof(head);
	uint64_t live[SESSION_WORDS];

	lock_take(&server->door.lock);
	sessions_end_idle(server);
	memcpy(live, server->live, sizeof(live));
	lock_release(&server->door.lock);
	// A session that begins from here on has nothing stored yet.
	for (uint32_t word = 0; word < SESSION_WORDS; word++)
		for (uint64_t bits = live[word]; bits != 0; bits &= bits - 1) {
			const uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(bits);
			struct session *s = &server->sessions[i];

			lock_take(&s->lock);
			if (s->is_live) {
				size += put_session(s, i, ret_bytes + size);
				head.session_count++;
			}
			lock_release(&s->lock);
		}
	memcpy(ret_bytes, &head, sizeof(head));
	return size;
}

/** The next record, or false when it breaks the form. */
static bool read_session(
	struct view *rest,
	uint32_t from_index,
	struct snapshot_session *ret_record,
	uint64_t ret_words[static WINDOW_WORDS]
)
{
	struct snapshot_session *r = ret_record;

	if (rest->size < sizeof(*r))
		return false;
	memcpy(r, rest->bytes, sizeof(*r));
	*rest = view_of(rest->bytes + sizeof(*r), rest->size - sizeof(*r));
	if (r->index < from_index || r->index >= DATAGRAM_SESSIONS_MAX || r->generation == 0
	    || r->reserved != 0 || r->next > WIRE_SEQUENCE_END || r->stamp > UINT64_MAX / 2
	    || r->word_count > WINDOW_WORDS || rest->size < (size_t)r->word_count * 8)
		return false;
	memset(ret_words, 0, WINDOW_WORDS * sizeof(*ret_words));
	if (r->word_count != 0)
		memcpy(ret_words, rest->bytes, (size_t)r->word_count * 8);
	*rest =
		view_of(rest->bytes + (size_t)r->word_count * 8,
			rest->size - (size_t)r->word_count * 8);
	// The lowest that is not stored is not stored.
	return (ret_words[0] & 1) == 0;
}

static void restore_window(
	struct window *w,
	uint64_t next,
	const uint64_t words[static WINDOW_WORDS]
)
{
	w->next = next;
	for (uint64_t i = 0; i < WIRE_WINDOW; i++) {
		const uint64_t at = (next + i) % WIRE_WINDOW;

		if ((words[i / 64] >> (i % 64) & 1) != 0)
			w->stored[at / 64] |= UINT64_C(1) << (at % 64);
	}
	memcpy(w->received, w->stored, sizeof(w->received));
	memcpy(w->committed, w->stored, sizeof(w->committed));
}

static void restore_session(
	struct datagram_server *server,
	const struct snapshot_session *r,
	const uint64_t words[static WINDOW_WORDS]
)
{
	struct session *s = &server->sessions[r->index];

	lock_take(&s->lock);
	s->generation = r->generation;
	s->names = r->names;
	s->stamp = r->stamp + STAMP_STEP;
	s->ping_number = r->ping_number;
	s->is_restored = true;
	memcpy(s->stream_id, r->stream_id, sizeof(s->stream_id));
	restore_window(&s->window, r->next, words);
	session_begin(server, r->index);
	lock_release(&s->lock);
}

/** Go through all records: check them, or (with is_real) make their sessions. */
static bool read_all(struct datagram_server *server, struct view rest, uint32_t count, bool is_real)
{
	uint32_t from_index = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct snapshot_session record;
		uint64_t words[WINDOW_WORDS];

		if (!read_session(&rest, from_index, &record, words))
			return false;
		from_index = record.index + 1;
		if (is_real)
			restore_session(server, &record, words);
	}
	return rest.size == 0;
}

enum sl_status datagram_restore(struct datagram_server *server, struct view snapshot)
{
	struct snapshot_head head;
	struct view rest;

	if (snapshot.size == 0)
		return SL_OK;
	if (snapshot.size < sizeof(head))
		return SL_E_CORRUPT;
	memcpy(&head, snapshot.bytes, sizeof(head));
	rest = view_of(snapshot.bytes + sizeof(head), snapshot.size - sizeof(head));
	if (head.magic != SNAPSHOT_MAGIC || head.version != SNAPSHOT_VERSION || head.reserved != 0
	    || head.session_count > DATAGRAM_SESSIONS_MAX
	    || !read_all(server, rest, head.session_count, false))
		return SL_E_CORRUPT;
	lock_take(&server->door.lock);
	assert(server->live_count == 0);
	(void)read_all(server, rest, head.session_count, true);
	lock_release(&server->door.lock);
	sessions_greet(server);
	return SL_OK;
}
