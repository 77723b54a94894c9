#include "io/file_problem.h"
#include "io/sink_files.h"

#include <errno.h>
#include <unistd.h>

static void write_all(struct files *f, bool may_wait)
{
	do {
		files_pump(f, may_wait);
		files_flush(f);
		if (may_wait)
			files_pump(f, may_wait);
	} while (may_wait && !f->has_failed && !files_is_written(f));
}

/** All is written: make it durable, or find that it is. */
static void begin_sync(struct files *f)
{
	bool is_changed = f->at.has_current && (f->written != f->at.current.size || f->is_long);
	int error = f->is_long ? files_cut(f->fd, f->written) : 0;

	if (error != 0) {
		files_fail(f, error, &f->at.current.name, "be cut");
		return;
	}
	f->is_long = false;
	f->has_sync_begun = true;
	f->has_sync_ended = !is_changed || f->sync_rule == SINK_SYNC_NEVER;
	if (f->has_sync_ended)
		return;
	f->sync_op = (struct uring_op){.fd = f->fd, .is_sync = true};
	uring_submit(f->ring, &f->sync_op);
}

/** A file with nothing in it has no age. */
static bool is_aged(const struct files *f)
{
	return f->at.has_current && files_now_ms(f) - f->born_ms >= f->roll_ms;
}

static void end_file(struct files *f)
{
	bool is_due = f->is_roll_wanted || is_aged(f) || f->at.current.text_size >= f->roll_bytes;

	if (!f->at.has_current || f->at.current.size == 0) {
		f->is_roll_wanted = false;
		return;
	}
	if (!is_due || f->at.ended_count == FILES_ENDED_MAX)
		return;
	f->at.ended[f->at.ended_count++] = f->at.current;
	f->at.has_current = false;
	f->is_roll_wanted = false;
	close(f->fd);
	f->fd = -1;
	f->written = 0;
	f->text_taken = 0;
}

static void report_delivered(struct files *f)
{
	for (; f->first != f->end; f->first++) {
		const struct sink_parcel *p = &f->waiting[f->first % FILES_WAITING_MAX].parcel;

		f->stats.rows_delivered += p->rows;
		f->stats.rows_waiting -= p->rows;
		f->stats.bytes_delivered += p->bytes.size;
		f->report(f->self, p->tag, SL_OK);
	}
}

void files_advance_sync(struct files *f, bool may_wait)
{
	int error;

	if (!f->has_sync_begun) {
		write_all(f, may_wait);
		if (!f->has_failed && files_is_written(f))
			begin_sync(f);
	}
	if (f->has_sync_begun && !f->has_sync_ended)
		files_pump(f, may_wait);
	if (f->has_failed || !f->has_sync_ended)
		return;
	error = f->fd >= 0 ? files_check_current(f) : 0;
	if (error != 0) {
		f->is_gone = error == ENOENT;
		files_fail(f, error, &f->at.current.name, "be found");
		return;
	}
	// The file's name must be there after a power cut before a mark may tell of it.
	error = f->is_new ? files_sync_directory(f) : 0;
	if (error != 0) {
		files_fail(f, error, &f->at.current.name, "be made durable");
		return;
	}
	f->is_new = false;
	f->is_syncing = false;
	f->has_sync_begun = false;
	f->has_sync_ended = false;
	f->stats.is_down = false;
	f->stats.syncs++;
	f->at.current.size = f->written;
	f->at.current.text_size = f->text_taken;
	end_file(f);
	report_delivered(f);
}

/** A file has not got its name: that stops nothing, and is said. */
static void note(struct files *f, const struct files_name *name, int error)
{
	char text[FILES_NAME_MAX];
	struct problem p;

	files_name_write(text, f->prefix, name, false);
	(void)!file_problem(&p, error, text, "be put under its name");
	files_say(f, &p);
}

void files_confirm(struct files *f)
{
	int error = 0;

	while (error == 0 && f->renamed < f->marked) {
		const struct files_name *name = &f->at.ended[f->renamed].name;

		error = files_publish(f, name);
		if (error != 0)
			note(f, name, error);
		// Somebody has taken it away: it will not come back.
		if (error == ENOENT)
			error = 0;
		f->renamed += error == 0;
	}
	// Left out of the next mark only when the new name is durable: a restore must find one of the two.
	if (error != 0)
		return;
	error = f->renamed != 0 ? files_sync_directory(f) : 0;
	if (error != 0) {
		note(f, &f->at.ended[0].name, error);
		return;
	}
	f->at.ended_count -= f->renamed;
	for (uint32_t i = 0; i < f->at.ended_count; i++)
		f->at.ended[i] = f->at.ended[i + f->renamed];
	f->marked = 0;
	f->renamed = 0;
}

bool files_is_due(const struct files *f)
{
	if (f->first != f->end || f->at.ended_count != 0)
		return true;
	return f->at.has_current && f->at.current.size != 0 && (f->is_roll_wanted || is_aged(f));
}
