#include "crypto/secret.h"
#include "crypto/siphash.h"
#include "dataplane/pipeline/put.h"
#include "dataplane/pipeline/stages.h"
#include "io/base/attr.h"
#include "io/base/clock.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

// Which key seals a row is a matter of its key value and its day. Rows of one turn often share a key, or
// a subject that is new to it: what has to be asked for is asked for once.

static const char subject_label[] = "subject";

enum {
	SUBJECT_LABEL_SIZE = sizeof(subject_label) - 1,
	HASH_GROUP = 8, // rows hashed before their places in the table are fetched
	NO_WANT = 0xff
};

static_assert((int)BATCH_FRAME_PADDING >= (int)SIPHASH_PADDING, "texts lie in frames");
static_assert((int)ROOM_SLACK >= (int)SIPHASH_PADDING, "or in the scratch");

/** The turn's keys on their way. Column n is of the row live[n]. */
struct resolution {
	struct batch *b;
	const struct policy *policy;
	const struct key_source *keys;
	struct siphash_head head[BATCH_MAX]; // scope and day; one for each run of rows of a day
	struct siphash_row row[BATCH_MAX];
	uint8_t hash[BATCH_MAX][KEY_HASH_SIZE];
	uint8_t subject_hash[KEY_HASH_SIZE]; // of the row at hand
	uint64_t subject;                    // its fingerprint; 0 = the row has none
	struct key_entry *entry[BATCH_MAX];
	bool is_found[BATCH_MAX];
	uint8_t want_of[BATCH_MAX]; // row of want that the row waits for, or NO_WANT
	uint32_t want_count;
	struct key_want want[BATCH_MAX];
	uint8_t text[SUBJECT_LABEL_SIZE + KEY_VALUE_MAX]; // of a subject, what is hashed
};

static void begin_hash(const struct key_source *keys, int64_t day, struct siphash_head *ret_head)
{
	// A window by age is of no day.
	uint64_t prefix[2] = {
		htole64(keys->scope), keys->window_ms != 0 ? 0 : htole64((uint64_t)day)};

	static_assert(sizeof(prefix) == SIPHASH_HEAD_SIZE, "scope and day are the head");
	siphash_begin(keys->hash_key, (const uint8_t *)prefix, ret_head);
}

/** Hash the key values of all rows. */
static void hash_keys(struct resolution *r)
{
	const struct batch *b = r->b;
	struct siphash_head *head = r->head;
	uint32_t count = b->live_count;

	for (uint32_t n = 0; n < count; n++) {
		uint32_t i = b->live[n];

		assert(b->text[b->record[i].key_cell].size <= KEY_VALUE_MAX);
		if (n == 0)
			begin_hash(r->keys, b->day[i], head);
		else if (b->day[i] != b->day[b->live[n - 1]])
			begin_hash(r->keys, b->day[i], ++head);
		r->row[n].head = head;
		r->row[n].tail = b->text[b->record[i].key_cell];
	}
	for (uint32_t n = 0; n < count; n += HASH_GROUP) {
		uint32_t size = count - n < HASH_GROUP ? count - n : HASH_GROUP;

		siphash_rows(r->row + n, size, r->hash + n);
		key_table_prefetch(r->keys->table, r->hash + n, size);
	}
	bytes_wipe(r->head, (size_t)(head + 1 - r->head) * sizeof(*head));
}

static void hash_subject(struct resolution *r, uint32_t i)
{
	uint32_t c = r->b->record[i].subject_cell;
	struct view value;

	memset(r->subject_hash, 0, sizeof(r->subject_hash));
	r->subject = 0;
	if (r->policy->image->subject_field == POLICY_NONE || c == UINT32_MAX
	    || r->b->cell[c].kind == CELL_NULL)
		return;
	value = r->b->text[c];
	assert(value.size <= KEY_VALUE_MAX);
	memcpy(r->text, subject_label, SUBJECT_LABEL_SIZE);
	if (value.size != 0)
		memcpy(r->text + SUBJECT_LABEL_SIZE, value.bytes, value.size);
	siphash(r->keys->hash_key,
		view_of(r->text, SUBJECT_LABEL_SIZE + value.size),
		r->subject_hash);
	r->subject = key_subject_of(r->subject_hash);
}

/** Does a want serve a row of that hash, with the subject at hand? Any does for a row without subject. */
static bool serves(const struct resolution *r, const struct key_want *want, const uint8_t *hash)
{
	return memcmp(want->hash, hash, KEY_HASH_SIZE) == 0
		&& (r->subject == 0
		    || memcmp(want->subject_hash, r->subject_hash, KEY_HASH_SIZE) == 0);
}

/** Want row n's key, or only the link to its subject, unless an earlier row does already. */
static uint8_t put_want(struct resolution *r, uint32_t n)
{
	struct key_want *want = r->want;

	for (; want < r->want + r->want_count; want++)
		if (serves(r, want, r->hash[n]))
			return (uint8_t)(want - r->want);
	memcpy(want->hash, r->hash[n], KEY_HASH_SIZE);
	memcpy(want->subject_hash, r->subject_hash, KEY_HASH_SIZE);
	want->day = r->keys->window_ms != 0 ? 0 : r->b->day[r->b->live[n]];
	want->subject = r->subject;
	want->entry = r->entry[n];
	want->is_link_only = r->is_found[n];
	want->is_given = false;
	return (uint8_t)r->want_count++;
}

static uint8_t choose_want(struct resolution *r, uint32_t n)
{
	const struct policy_image *image = r->policy->image;

	// A key whose owner is the subject was registered when it was made.
	if (r->is_found[n] && image->subject_field == image->key_field)
		return NO_WANT;
	hash_subject(r, r->b->live[n]);
	if (r->is_found[n] && (r->subject == 0 || r->subject == r->entry[n]->subject))
		return NO_WANT;
	return put_want(r, n);
}

/** Keys whose window is over are missing. */
static void drop_aged(struct resolution *r)
{
	int64_t now_ms = r->keys->now_ms != 0 ? r->keys->now_ms : clock_wall_ms();

	for (uint32_t n = 0; n < r->b->live_count; n++)
		r->is_found[n] = r->is_found[n]
			&& !key_is_aged(r->entry[n]->link, r->keys->window_ms, now_ms);
}

/** Hand what was claimed to the rows that wait for it; a row that gets nothing drops out. */
static void settle_wants(struct resolution *r)
{
	struct batch *b = r->b;
	size_t size =
		offsetof(struct key_entry, key) + (1 + r->policy->image->purposes.count) * KEY_SIZE;

	batch_foreach_live (b, n, i) {
		const struct key_want *want;

		if (r->want_of[n] == NO_WANT)
			continue;
		want = &r->want[r->want_of[n]];
		if (!want->is_given) {
			b->reason[i] = DROP_KEY_MISSING;
			b->reason_field[i] = r->policy->image->key_field;
		} else if (want->entry != &b->key[i]) {
			memcpy(&b->key[i], want->entry, size);
		}
	}
	batch_settle_drops(b);
}

void key_resolve(struct batch *b, const struct policy *policy, const struct key_source *keys)
{
	UNINITIALIZED struct resolution r;

	r.b = b;
	r.policy = policy;
	r.keys = keys;
	r.want_count = 0;
	hash_keys(&r);
	batch_foreach_live (b, n, i)
		r.entry[n] = &b->key[i];
	key_table_find_burst(keys->table, r.hash, b->live_count, r.entry, r.is_found);
	if (keys->window_ms != 0)
		drop_aged(&r);
	for (uint32_t n = 0; n < b->live_count; n++)
		r.want_of[n] = choose_want(&r, n);
	if (r.want_count == 0)
		return;
	keys->claim(keys->self, r.want, r.want_count);
	settle_wants(&r);
}
