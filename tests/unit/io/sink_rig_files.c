#include "tests/unit/io/sink_rig_files.h"

#include "tests/support/check.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

const struct view rig_no_mark;

struct view rig_mark_view(const struct rig_mark *m)
{
	return view_of(m->bytes, m->size);
}

void rig_reopen(struct rig *rig, struct view mark)
{
	struct problem p = {0};

	CHECK_EQUAL(rig_open(rig, mark, &p), SL_OK);
	if (p.status != SL_OK)
		problem_print(stdout, &p);
	CHECK_FATAL(rig->sink.ops != NULL);
}

void rig_begin(struct rig *rig, enum rig_kind kind)
{
	rig_init(rig, kind, "s");
	rig_remove(rig);
	rig_reopen(rig, rig_no_mark);
}

void rig_end(struct rig *rig)
{
	sink_close(&rig->sink);
	CHECK_EQUAL(rig->waiting, 0);
	rig_remove(rig);
}

/** Sync and mark; confirm too, or not yet. */
struct rig_mark rig_commit(struct rig *rig, bool is_confirmed)
{
	struct rig_mark m;
	struct problem p;

	CHECK_EQUAL(sink_sync(&rig->sink, &p), SL_OK);
	m.size = sink_mark(&rig->sink, m.bytes);
	if (is_confirmed)
		sink_confirm(&rig->sink);
	return m;
}

uint64_t rig_lines(const struct rig *rig)
{
	uint64_t lines;

	CHECK(rig_read(rig, &lines));
	return lines;
}

/** The name of the only file that a filter lets through. */
const char *rig_only_name(const struct rig *rig, bool is_hidden)
{
	static char name[300];
	DIR *d = opendir(rig->directory);
	int count = 0;

	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		size_t size = strlen(e->d_name);
		bool is_partial = size > 8 && strcmp(e->d_name + size - 8, ".partial") == 0;

		if (is_partial == is_hidden && (is_hidden || e->d_name[0] != '.')) {
			snprintf(name, sizeof(name), "%s", e->d_name);
			count++;
		}
	}
	closedir(d);
	CHECK_EQUAL(count, 1);
	return name;
}

void rig_path(const struct rig *rig, const char *name, char ret_path[static 600])
{
	snprintf(ret_path, 600, "%s/%s", rig->directory, name);
}
