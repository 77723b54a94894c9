#include "dataplane/runtime/marks.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum {
	MARKS_VERSION = 1,
	MARKS_HEAD = 16,
	ENTRY_HEAD = 32
};

static const char magic[4] = "SLCK";

static struct mark_entry *find(const struct marks *marks, uint64_t place)
{
	for (uint32_t n = 0; n < marks->count; n++)
		if (marks->entries[n].place == place)
			return &marks->entries[n];
	return NULL;
}

const struct mark *marks_find(const struct marks *marks, uint64_t place)
{
	const struct mark_entry *entry = find(marks, place);

	return entry == NULL ? NULL : &entry->mark;
}

static struct mark_entry *add(struct marks *marks)
{
	if (marks->count == marks->capacity) {
		uint32_t capacity = marks->capacity == 0 ? 16 : 2 * marks->capacity;
		struct mark_entry *entries =
			realloc(marks->entries, capacity * sizeof(*marks->entries));

		if (entries == NULL)
			return NULL;
		marks->entries = entries;
		marks->capacity = capacity;
	}
	return &marks->entries[marks->count++];
}

enum sl_status marks_set(struct marks *marks, const struct mark_entry *entry)
{
	struct mark_entry *known = find(marks, entry->place);

	if (entry->place == 0)
		return SL_OK;
	if (entry->mark.size == 0) {
		if (known != NULL)
			*known = marks->entries[--marks->count];
		return SL_OK;
	}
	if (known == NULL)
		known = add(marks);
	if (known == NULL)
		return SL_E_NOMEM;
	*known = *entry;
	return SL_OK;
}

size_t marks_record_size(const struct marks *marks, size_t snapshot_size)
{
	size_t size = MARKS_HEAD + snapshot_size;

	for (uint32_t n = 0; n < marks->count; n++)
		size += ENTRY_HEAD + marks->entries[n].mark.size;
	return size;
}

static uint8_t *put_u32(uint8_t *at, size_t number)
{
	uint32_t le = htole32((uint32_t)number);

	memcpy(at, &le, sizeof(le));
	return at + sizeof(le);
}

size_t marks_write(const struct marks *marks, size_t snapshot_size, uint8_t *ret_record)
{
	uint8_t *at = ret_record;

	memcpy(at, magic, sizeof(magic));
	at = put_u32(at + sizeof(magic), MARKS_VERSION);
	at = put_u32(at, marks->count);
	at = put_u32(at, snapshot_size);
	for (uint32_t n = 0; n < marks->count; n++) {
		const struct mark_entry *entry = &marks->entries[n];

		memcpy(at, entry->stream_id, sizeof(entry->stream_id));
		at += sizeof(entry->stream_id);
		at = put_u32(at, (uint32_t)entry->place);
		at = put_u32(at, (uint32_t)(entry->place >> 32));
		at = put_u32(at, entry->output);
		at = put_u32(at, entry->mark.size);
		memcpy(at, entry->mark.bytes, entry->mark.size);
		at += entry->mark.size;
	}
	return (size_t)(at - ret_record);
}

/** Take a number off the front; false when there is none. */
static bool take_u32(struct view *left, uint32_t *ret_number)
{
	uint32_t le;

	if (left->size < sizeof(le))
		return false;
	memcpy(&le, left->bytes, sizeof(le));
	*ret_number = le32toh(le);
	*left = view_of(left->bytes + sizeof(le), left->size - sizeof(le));
	return true;
}

static enum sl_status read_entry(struct view *left, struct marks *marks)
{
	struct mark_entry entry;
	uint32_t place[2];
	uint32_t size;

	if (left->size < sizeof(entry.stream_id))
		return SL_E_CORRUPT;
	memcpy(entry.stream_id, left->bytes, sizeof(entry.stream_id));
	*left =
		view_of(left->bytes + sizeof(entry.stream_id),
			left->size - sizeof(entry.stream_id));
	if (!take_u32(left, &place[0]) || !take_u32(left, &place[1])
	    || !take_u32(left, &entry.output) || !take_u32(left, &size) || size == 0
	    || size > sizeof(entry.mark.bytes) || size > left->size)
		return SL_E_CORRUPT;
	entry.place = (uint64_t)place[1] << 32 | place[0];
	entry.mark.size = size;
	memcpy(entry.mark.bytes, left->bytes, size);
	*left = view_of(left->bytes + size, left->size - size);
	return marks_set(marks, &entry);
}

enum sl_status marks_read(struct view record, struct marks *ret_marks, struct view *ret_snapshot)
{
	struct marks marks = {0};
	struct view left;
	uint32_t version;
	uint32_t count;
	uint32_t snapshot_size;
	enum sl_status status = SL_OK;

	if (record.size < MARKS_HEAD || memcmp(record.bytes, magic, sizeof(magic)) != 0)
		return SL_E_CORRUPT;
	left = view_of(record.bytes + sizeof(magic), record.size - sizeof(magic));
	if (!take_u32(&left, &version) || !take_u32(&left, &count)
	    || !take_u32(&left, &snapshot_size) || version != MARKS_VERSION)
		return SL_E_CORRUPT;
	for (uint32_t n = 0; n < count && status == SL_OK; n++)
		status = read_entry(&left, &marks);
	if (status == SL_OK && left.size != snapshot_size)
		status = SL_E_CORRUPT;
	if (status != SL_OK) {
		marks_done(&marks);
		return status;
	}
	*ret_marks = marks;
	*ret_snapshot = left;
	return SL_OK;
}

void marks_done(struct marks *marks)
{
	free(marks->entries);
	*marks = (struct marks){0};
}
