#include "io/sink_files.h"

#include <assert.h>
#include <string.h>

// Implementation notes. Integers of 8 bytes, little endian as the machine: a checkpoint does not travel.
//
//	| magic | next number | last stamp | has current | current: part | ended count | ended: part ... |
//	part: | number | stamp | is zstd | size | text size |

static const uint64_t mark_magic = 0x3173656c69666c73; // "slfiles1"

static void put(struct room *r, uint64_t value)
{
	room_put(r, &value, sizeof(value));
}

static void put_part(struct room *r, const struct files_part *p)
{
	put(r, p->name.number);
	put(r, (uint64_t)p->name.begun_s);
	put(r, p->name.is_zstd);
	put(r, p->size);
	put(r, p->text_size);
}

enum {
	HEAD_SIZE = 5 * 8,
	PART_SIZE = 5 * 8
};

static_assert(
	HEAD_SIZE + (FILES_ENDED_MAX + 1) * PART_SIZE <= SINK_MARK_MAX - 128,
	"a mark of files fits one of a spool in front"
);

size_t files_mark_write(const struct files_mark *m, uint8_t *ret_bytes, size_t capacity)
{
	struct room r = {.bytes = ret_bytes, .capacity = capacity};

	put(&r, mark_magic);
	put(&r, m->next_number);
	put(&r, (uint64_t)m->last_begun_s);
	put(&r, m->has_current && m->current.size > 0);
	if (m->has_current && m->current.size > 0)
		put_part(&r, &m->current);
	put(&r, m->ended_count);
	for (uint32_t i = 0; i < m->ended_count; i++)
		put_part(&r, &m->ended[i]);
	return r.size;
}

/** The next number; 0 and is_short when there is none. */
static uint64_t take(struct view *v, bool *is_short)
{
	uint64_t value = 0;

	if (v->size < sizeof(value)) {
		*is_short = true;
		return 0;
	}
	memcpy(&value, v->bytes, sizeof(value));
	*v = view_of(v->bytes + sizeof(value), v->size - sizeof(value));
	return value;
}

/** A part that no file could have is refused. */
static bool take_part(struct view *v, const struct files_mark *m, struct files_part *ret_part)
{
	bool is_short = false;
	uint64_t is_zstd;

	ret_part->name.number = take(v, &is_short);
	ret_part->name.begun_s = (int64_t)take(v, &is_short);
	is_zstd = take(v, &is_short);
	ret_part->name.is_zstd = is_zstd != 0;
	ret_part->size = take(v, &is_short);
	ret_part->text_size = take(v, &is_short);
	return !is_short && is_zstd <= 1 && ret_part->size > 0 && ret_part->size <= INT64_MAX
		&& ret_part->name.number > 0 && ret_part->name.number < m->next_number
		&& ret_part->name.begun_s >= 0 && ret_part->name.begun_s <= m->last_begun_s;
}

enum sl_status files_mark_read(struct view bytes, struct files_mark *ret_mark)
{
	static const int64_t year_9999 = 253402300799;
	struct files_mark m = {.next_number = 1};
	bool is_short = false;
	uint64_t flag;
	uint64_t count;

	if (bytes.size == 0) {
		*ret_mark = m;
		return SL_OK;
	}
	if (take(&bytes, &is_short) != mark_magic)
		return SL_E_CORRUPT;
	m.next_number = take(&bytes, &is_short);
	m.last_begun_s = (int64_t)take(&bytes, &is_short);
	flag = take(&bytes, &is_short);
	if (flag > 1 || m.next_number == 0 || m.last_begun_s < 0 || m.last_begun_s > year_9999)
		return SL_E_CORRUPT;
	m.has_current = flag == 1;
	if (m.has_current && !take_part(&bytes, &m, &m.current))
		return SL_E_CORRUPT;
	count = take(&bytes, &is_short);
	if (is_short || count > FILES_ENDED_MAX || bytes.size != count * PART_SIZE)
		return SL_E_CORRUPT;
	m.ended_count = (uint32_t)count;
	for (uint32_t i = 0; i < m.ended_count; i++)
		if (!take_part(&bytes, &m, &m.ended[i]))
			return SL_E_CORRUPT;
	*ret_mark = m;
	return SL_OK;
}

bool sink_mark_is_over(struct view mark)
{
	struct files_mark m;

	return sink_spool_left(mark, &mark) == SL_OK && files_mark_read(mark, &m) == SL_OK
		&& !m.has_current && m.ended_count == 0;
}
