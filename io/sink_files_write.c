#include "io/base/clock.h"
#include "io/file_problem.h"
#include "io/sink_files.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint64_t files_now_ms(const struct files *f)
{
	return f->clock.monotonic_ns() / 1000000;
}

void files_say(struct files *f, const struct problem *p)
{
	snprintf(
		f->stats.last_problem,
		sizeof(f->stats.last_problem),
		"%.110s: %.80s",
		p->file,
		p->what
	);
}

void files_fail(struct files *f, int error, const struct files_name *name, const char *act)
{
	char text[FILES_NAME_MAX];
	char path[sizeof(f->directory) + FILES_NAME_MAX];

	f->stats.is_down = true;
	f->retry_at_ms = files_now_ms(f) + f->retry_ms;
	if (f->has_failed)
		return;
	f->has_failed = true;
	files_name_write(text, f->prefix, name, true);
	snprintf(path, sizeof(path), "%s/%s", f->directory, text);
	(void)!file_problem(&f->failure, error, path, act);
	files_say(f, &f->failure);
}

/** Make the file in work, if there is none. */
static bool have_file(struct files *f)
{
	struct files_name name = {.number = f->at.next_number, .is_zstd = f->is_zstd};
	int error;

	if (f->fd >= 0)
		return true;
	if (f->has_failed)
		return false;
	name.begun_s = f->clock.wall_ms() / 1000;
	if (name.begun_s < f->at.last_begun_s)
		name.begun_s = f->at.last_begun_s; // the clock went back: names do not
	error = files_open_partial(f, &name, false, &f->fd);
	if (error == ENOENT) {
		error = files_find_directory(f);
		if (error == 0)
			error = files_open_partial(f, &name, false, &f->fd);
	}
	if (error != 0) {
		files_fail(f, error, &name, "be made");
		return false;
	}
	f->at.next_number++;
	f->at.last_begun_s = name.begun_s;
	f->at.has_current = true;
	f->at.current = (struct files_part){.name = name};
	f->written = 0;
	f->text_taken = 0;
	f->born_ms = files_now_ms(f);
	f->is_new = true;
	f->is_long = false;
	return true;
}

static void submit(
	struct files *f,
	struct uring_op *op,
	const uint8_t *bytes,
	size_t size,
	uint32_t region
)
{
	*op = (struct uring_op){
		.bytes = (uint8_t *)bytes,
		.offset = f->written,
		.size = (uint32_t)size,
		.region = region,
		.fd = f->fd,
		.is_write = true,
	};
	uring_submit(f->ring, op);
	f->written += size;
}

/** The parcel's bytes go to the file from where they lie. */
static bool begin_plain(struct files *f)
{
	struct files_waiting *w = &f->waiting[f->begun % FILES_WAITING_MAX];

	if (uring_in_flight(f->ring) >= FILES_DEPTH - 1)
		return false;
	if (w->parcel.bytes.size != 0)
		submit(f, &w->op, w->parcel.bytes.bytes, w->parcel.bytes.size, 0);
	f->text_taken += w->parcel.bytes.size;
	f->begun++;
	return true;
}

static void send_block(struct files *f)
{
	struct block *block = f->block;

	if (block == NULL || f->filled == 0)
		return;
	f->block = NULL;
	submit(f, &block->op, block->bytes, f->filled, block->index);
	f->filled = 0;
}

/** A block to compress into; false when all are in flight. */
static bool have_block(struct files *f)
{
	if (f->block == NULL)
		f->block = blocks_take(&f->blocks, false);
	return f->block != NULL;
}

static struct room block_room(const struct files *f)
{
	return (struct room){
		.bytes = f->block->bytes,
		.size = f->filled,
		.capacity = FILES_BLOCK_SIZE,
	};
}

static void take_room(struct files *f, const struct room *room)
{
	f->filled = room->size;
	if (room_left(room) == 0)
		send_block(f);
}

static bool begin_compressed(struct files *f)
{
	const struct sink_parcel *p = &f->waiting[f->begun % FILES_WAITING_MAX].parcel;
	struct view left = view_of(p->bytes.bytes + f->fed, p->bytes.size - f->fed);
	struct room room;

	if (left.size != 0) {
		if (!have_block(f))
			return false;
		room = block_room(f);
		if (encoder_run(f->encoder, &left, &room) != SL_OK) {
			files_fail(f, ENOMEM, &f->at.current.name, "be compressed");
			return false;
		}
		f->is_in_frame = true;
		take_room(f, &room);
	}
	f->fed = p->bytes.size - left.size;
	if (left.size == 0) {
		f->text_taken += p->bytes.size;
		f->begun++;
		f->fed = 0;
	}
	return true;
}

static bool begin_next(struct files *f)
{
	if (f->has_failed || f->begun == f->end || !have_file(f))
		return false;
	return f->is_zstd ? begin_compressed(f) : begin_plain(f);
}

static void take(struct files *f, struct uring_op *op)
{
	bool is_sync = op == &f->sync_op;

	if (op->error != 0)
		files_fail(
			f,
			op->error,
			&f->at.current.name,
			is_sync ? "be made durable" : "be written"
		);
	if (is_sync)
		f->has_sync_ended = true;
	else if (f->is_zstd)
		block_release((struct block *)((uint8_t *)op - offsetof(struct block, op)));
}

void files_pump(struct files *f, bool may_wait)
{
	struct uring_op *op;

	do {
		while ((op = uring_take(f->ring)) != NULL)
			take(f, op);
		while (begin_next(f))
			;
		op = may_wait ? uring_wait(f->ring) : NULL;
		if (op != NULL)
			take(f, op);
	} while (op != NULL);
}

bool files_is_written(const struct files *f)
{
	return f->begun == f->end && !f->is_in_frame && f->filled == 0
		&& (uring_in_flight(f->ring) == 0 || f->has_sync_begun);
}

void files_flush(struct files *f)
{
	bool is_done = false;

	while (f->begun == f->end && f->is_in_frame && !f->has_failed && have_block(f)) {
		struct room room = block_room(f);

		if (encoder_finish(f->encoder, &room, &is_done) != SL_OK)
			files_fail(f, ENOMEM, &f->at.current.name, "be compressed");
		f->is_in_frame = !is_done;
		take_room(f, &room);
	}
	if (f->begun == f->end && !f->is_in_frame && !f->has_failed)
		send_block(f);
}

void files_rewind(struct files *f)
{
	struct uring_op *op;

	while ((op = uring_wait(f->ring)) != NULL)
		take(f, op);
	f->has_failed = false;
	f->is_syncing = false;
	f->has_sync_begun = false;
	f->has_sync_ended = false;
	f->begun = f->first;
	f->fed = 0;
	f->filled = 0;
	f->is_in_frame = false;
	if (f->is_gone) {
		close(f->fd);
		f->fd = -1;
		f->at.has_current = false;
		f->is_gone = false;
	}
	f->is_long = f->fd >= 0;
	f->written = f->at.has_current ? f->at.current.size : 0;
	f->text_taken = f->at.has_current ? f->at.current.text_size : 0;
	if (!f->is_zstd)
		return;
	encoder_free(f->encoder);
	f->encoder = NULL;
	if (encoder_new(true, FILES_ZSTD_LEVEL, &f->encoder) != SL_OK)
		files_fail(f, ENOMEM, &f->at.current.name, "be compressed");
}
