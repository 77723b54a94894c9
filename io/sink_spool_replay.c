#include "io/file_problem.h"
#include "io/sink_spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/** Records behind this one may still be written anew. */
static uint64_t replay_end(const struct sink_spool *s)
{
	return s->log.is_broken || s->is_rewinding ? s->log.synced.sequence : s->log.tail.sequence;
}

bool spool_is_through(const struct sink_spool *s)
{
	return !s->has_read && s->next.sequence == replay_end(s);
}

/** What lies behind a record that can not go on may not overtake it. */
static void get_stuck(struct sink_spool *s, enum sl_status status, const char *how)
{
	char path[SPOOL_PATH_MAX];
	char what[128];

	spool_path(&s->log, s->next.segment, path);
	snprintf(
		what,
		sizeof(what),
		"the record at byte %llu %s",
		(unsigned long long)s->next.offset,
		how
	);
	(void)!file_problem_of(
		&s->damage,
		status,
		path,
		what,
		"Check the disk; put the segment back as it was, or remove the spool's directory "
		"and "
		"the checkpoint to go on without its events"
	);
	// Memory may come back.
	s->is_stuck = status != SL_E_NOMEM;
	snprintf(
		s->stats.last_problem,
		sizeof(s->stats.last_problem),
		"%.110s: %.80s",
		s->damage.file,
		s->damage.what
	);
}

static enum sl_status open_next(struct sink_spool *s)
{
	char name[64];

	if (s->read_fd >= 0 && s->read_segment == s->next.segment)
		return SL_OK;
	spool_replay_close(s);
	spool_name_write(name, s->next.segment);
	s->read_fd = openat(s->log.directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	s->read_segment = s->next.segment;
	return s->read_fd < 0 ? SL_E_IO : SL_OK;
}

/** Read the next record; over the end of a segment into the one after it. */
static enum sl_status read_next(struct sink_spool *s, struct spool_slot *slot)
{
	enum sl_status status = SL_E_NOT_FOUND;

	while (status == SL_E_NOT_FOUND) {
		struct stat st;

		SL_TRY(open_next(s));
		if (fstat(s->read_fd, &st) != 0)
			return SL_E_IO;
		status = spool_record_read(
			s->read_fd, (uint64_t)st.st_size, &s->next, &slot->bytes, &slot->record
		);
		if (status != SL_E_NOT_FOUND)
			break;
		if (s->next.segment >= s->log.tail.segment)
			return SL_E_CORRUPT;
		s->next.segment++;
		s->next.offset = SPOOL_HEAD_SIZE;
	}
	slot->end = s->next;
	return status;
}

void spool_replay_again(struct sink_spool *s)
{
	s->next = s->log.head;
	s->has_read = false;
}

void spool_replay(struct sink_spool *s)
{
	uint64_t left = SPOOL_STEP_BYTES; // others want to be polled too

	while (!s->is_stuck && s->slot_end - s->slot_first < SPOOL_SLOTS
	       && s->slot_bytes < SPOOL_SLOTS_BYTES && left != 0) {
		struct spool_slot *slot = &s->slots[s->slot_end % SPOOL_SLOTS];
		struct sink_parcel parcel;
		enum sl_status status;

		if (!s->has_read) {
			if (s->next.sequence >= replay_end(s))
				return;
			status = read_next(s, slot);
			if (status != SL_OK) {
				get_stuck(s, status, "is damaged or can not be read");
				return;
			}
			s->has_read = true;
		}
		parcel = (struct sink_parcel){
			.bytes = view_of(slot->bytes.bytes, slot->record.size),
			.rows = slot->record.rows,
			.tag = SPOOL_TAG_REPLAY,
		};
		status = sink_offer(&s->inner, &parcel);
		if (status != SL_OK && status != SL_E_FULL)
			get_stuck(s, status, "is not taken by the sink");
		if (status != SL_OK)
			return;
		s->has_read = false;
		if (slot->record.size >= left)
			left = 0;
		else
			left -= slot->record.size;
		s->slot_bytes += slot->record.size;
		s->slot_end++;
	}
}

static void leave_slot(struct sink_spool *s, struct spool_slot *slot)
{
	s->slot_bytes -= slot->record.size;
	free(slot->bytes.bytes);
	slot->bytes = (struct spool_bytes){0};
}

void spool_replay_report(struct sink_spool *s, enum sl_status status)
{
	struct spool_slot *slot = &s->slots[s->slot_first % SPOOL_SLOTS];

	if (status != SL_OK && s->is_recalling) {
		// All that the inner sink has comes back: read it again from the first of it.
		for (; s->slot_first != s->slot_end; s->slot_first++)
			leave_slot(s, &s->slots[s->slot_first % SPOOL_SLOTS]);
		spool_replay_again(s);
		return;
	}
	if (status != SL_OK) {
		s->stats.rows_failed += slot->record.rows;
		snprintf(
			s->stats.last_problem,
			sizeof(s->stats.last_problem),
			"the sink has refused events of the spool for good: %s",
			status_text(status)
		);
	}
	s->log.head = slot->end;
	leave_slot(s, slot);
	s->slot_first++;
}

void spool_replay_close(struct sink_spool *s)
{
	if (s->read_fd >= 0)
		close(s->read_fd);
	s->read_fd = -1;
}
