#include "dataplane/runtime/outlet.h"
#include "io/directory.h"
#include "io/file_problem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

// A stream's sinks as the image tells them: what makes two the same, and how they are opened.

enum {
	FOLDER_MODE = 0750 // as the sinks make theirs
};

static const struct plane_sink *sinks_of(const struct plane_image *image, uint32_t stream)
{
	return plane_rows(image, plane_streams(image)[stream].sinks);
}

/** Bytes of everything that a sink is told by. */
static size_t tell_sink(
	const struct plane_image *image,
	const struct plane_sink *sink,
	uint8_t *ret_bytes
)
{
	const struct plane_span texts[] = {sink->directory, sink->prefix, sink->spool};
	struct plane_sink plain = *sink;
	size_t size = sizeof(plain);

	for (uint32_t t = 0; t < 3; t++) {
		struct view text = plane_view_of(image, texts[t]);

		if (ret_bytes != NULL && text.size != 0)
			memcpy(ret_bytes + size, text.bytes, text.size);
		size += text.size;
	}
	// Where the texts lie in the image says nothing.
	plain.directory.offset = plain.prefix.offset = plain.spool.offset = 0;
	if (ret_bytes != NULL)
		memcpy(ret_bytes, &plain, sizeof(plain));
	return size;
}

/** Definition of a stream's sinks; free with free(). */
static enum sl_status tell_stream(
	const struct plane_image *image,
	uint32_t stream,
	struct view *ret_definition
)
{
	const struct plane_stream *row = &plane_streams(image)[stream];
	const struct plane_sink *sinks = sinks_of(image, stream);
	size_t size = sizeof(row->id);
	uint8_t *bytes;

	for (uint32_t n = 0; n < row->sinks.count; n++)
		size += tell_sink(image, &sinks[n], NULL);
	bytes = malloc(size);
	if (bytes == NULL)
		return SL_E_NOMEM;
	memcpy(bytes, row->id, sizeof(row->id));
	size = sizeof(row->id);
	for (uint32_t n = 0; n < row->sinks.count; n++)
		size += tell_sink(image, &sinks[n], bytes + size);
	*ret_definition = view_of(bytes, size);
	return SL_OK;
}

/** A directory, and a name in it, as a number that is not 0. */
static uint64_t place_of(struct view directory, struct view name)
{
	uint64_t place = XXH3_64bits_withSeed(name.bytes, name.size, 0);

	return XXH3_64bits_withSeed(directory.bytes, directory.size, place) | 1;
}

/** Where the stream's sinks write. */
static void find_places(struct outlet *o, const struct plane_image *image, uint32_t stream)
{
	const struct plane_sink *sinks = sinks_of(image, stream);

	for (uint32_t n = 0; n < o->sink_count; n++) {
		const struct plane_sink *sink = &sinks[n];

		memcpy(o->mark[n].stream_id, o->id, sizeof(o->id));
		o->mark[n].output = n;
		if (sink->kind == PLANE_SINK_NULL)
			continue;
		o->mark[n].place = place_of(
			plane_view_of(image, sink->directory), plane_view_of(image, sink->prefix)
		);
		if (sink->spool.size != 0)
			o->spool_place[n] =
				place_of(plane_view_of(image, sink->spool), view_of_text("spool"));
	}
}

enum sl_status outlet_new(const struct outlet_setup *setup, struct outlet **ret_outlet)
{
	const struct plane_image *image = setup->image;
	const struct plane_stream *row = &plane_streams(image)[setup->stream];
	struct view name = plane_view_of(image, row->name);
	struct outlet *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return SL_E_NOMEM;
	if (tell_stream(image, setup->stream, &o->definition) != SL_OK) {
		free(o);
		return SL_E_NOMEM;
	}
	memcpy(o->id, row->id, sizeof(o->id));
	snprintf(o->name, sizeof(o->name), "%.*s", (int)name.size, (const char *)name.bytes);
	o->row = setup->stream + 1;
	o->is_acknowledged = row->mode == PLANE_SEALED;
	o->sink_count = row->sinks.count;
	find_places(o, image, setup->stream);
	o->server = setup->server;
	o->counts = setup->counts;
	o->done = setup->done;
	o->self = setup->self;
	*ret_outlet = o;
	return SL_OK;
}

bool outlet_fits(const struct outlet *o, const struct plane_image *image, uint32_t stream)
{
	struct view definition;
	bool fits;

	if (o->is_acknowledged != (plane_streams(image)[stream].mode == PLANE_SEALED)
	    || tell_stream(image, stream, &definition) != SL_OK)
		return false;
	fits = view_equal(o->definition, definition);
	free((void *)definition.bytes);
	return fits;
}

bool outlet_collides(const struct outlet *a, const struct outlet *b)
{
	for (uint32_t n = 0; n < a->sink_count; n++)
		for (uint32_t m = 0; m < b->sink_count; m++)
			if ((a->mark[n].place != 0 && a->mark[n].place == b->mark[m].place)
			    || (a->spool_place[n] != 0 && a->spool_place[n] == b->spool_place[m]))
				return true;
	return false;
}

bool outlet_takes_spool(const struct outlet *o, uint64_t place, uint64_t spool_place)
{
	for (uint32_t n = 0; n < o->sink_count; n++)
		if (o->mark[n].place == place && o->spool_place[n] == spool_place)
			return true;
	return false;
}

/** One sink as the definition tells it. */
struct sink_plan {
	struct plane_sink row;
	char directory[PLANE_PATH_MAX + 1];
	char prefix[PLANE_PATH_MAX + 1];
	char spool[PLANE_PATH_MAX + 1];
};

/** Take a text off the front of the definition. */
static void take_text(struct view *left, size_t size, char *ret_text)
{
	snprintf(ret_text, PLANE_PATH_MAX + 1, "%.*s", (int)size, (const char *)left->bytes);
	*left = view_of(left->bytes + size, left->size - size);
}

static void take_plan(struct view *left, struct sink_plan *ret_plan)
{
	memcpy(&ret_plan->row, left->bytes, sizeof(ret_plan->row));
	*left = view_of(left->bytes + sizeof(ret_plan->row), left->size - sizeof(ret_plan->row));
	take_text(left, ret_plan->row.directory.size, ret_plan->directory);
	take_text(left, ret_plan->row.prefix.size, ret_plan->prefix);
	take_text(left, ret_plan->row.spool.size, ret_plan->spool);
}

static enum sink_sync_rule sync_rule(const struct sink_plan *plan)
{
	return (plan->row.flags & PLANE_SINK_NO_SYNC) != 0 ? SINK_SYNC_NEVER : SINK_SYNC_ALWAYS;
}

static enum sl_status open_inner(
	const struct sink_plan *plan,
	struct view mark,
	sink_report_fn *report,
	void *self,
	struct sink *ret_sink,
	struct problem *ret_problem
)
{
	const struct sink_files_options files = {
		.directory = plan->directory,
		.prefix = plan->prefix,
		.roll_bytes = plan->row.roll_bytes,
		.roll_ms = plan->row.roll_ms,
		.is_zstd = (plan->row.flags & PLANE_SINK_ZSTD) != 0,
		.sync_rule = sync_rule(plan),
		.mark = mark,
	};

	if (plan->row.kind == PLANE_SINK_FILES)
		return sink_files_open(&files, report, self, ret_sink, ret_problem);
	if (sink_null_open(report, self, ret_sink) != SL_OK)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a sink");
	return SL_OK;
}

static enum sl_status open_spooled(
	struct outlet *o,
	const struct sink_plan *plan,
	struct view mark,
	struct sink *ret_sink,
	struct problem *ret_problem
)
{
	const struct sink_spool_options options = {
		.directory = plan->spool,
		.bytes_max = plan->row.spool_bytes_max,
		.sync_rule = sync_rule(plan),
		.mark = mark,
	};
	struct sink_spool *spool;
	struct sink inner;
	sink_report_fn *report;
	struct view inner_mark;
	void *self;
	enum sl_status status;

	SL_TRY(sink_spool_new(&options, outlet_report, o, &spool, ret_problem));
	report = sink_spool_report(spool, &self);
	inner_mark = sink_spool_inner_mark(spool);
	status = open_inner(plan, inner_mark, report, self, &inner, ret_problem);
	if (status != SL_OK) {
		sink_spool_free(spool);
		return status;
	}
	*ret_sink = sink_spool_before(spool, inner);
	return SL_OK;
}

/** A sink without a spool; it may have had one. */
static enum sl_status open_alone(
	struct outlet *o,
	const struct sink_plan *plan,
	struct view mark,
	struct sink *ret_sink,
	struct problem *ret_problem
)
{
	if (sink_spool_left(mark, &mark) != SL_OK) {
		(void)!problem_set(
			ret_problem,
			SL_E_BUSY,
			"files %s, prefix %s: the spool that this sink had holds events that are "
			"not in its files",
			plan->directory,
			plan->prefix
		);
		problem_remedy(
			ret_problem, "give the sink its spool back until its spool is empty"
		);
		return SL_E_BUSY;
	}
	return open_inner(plan, mark, outlet_report, o, ret_sink, ret_problem);
}

/** Is a folder there, or can it be made, and may we write into it? */
static enum sl_status check_folder(const char *path, struct problem *ret_problem)
{
	int error = directory_make(path, FOLDER_MODE);

	if (error == 0 && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) != 0)
		error = errno;
	return error == 0 ? SL_OK : file_problem(ret_problem, error, path, "be opened");
}

enum sl_status outlet_check(const struct outlet *o, struct problem *ret_problem)
{
	struct view left =
		view_of(o->definition.bytes + sizeof(o->id), o->definition.size - sizeof(o->id));
	enum sl_status status = SL_OK;
	struct sink_plan plan;

	for (uint32_t n = 0; n < o->sink_count && status == SL_OK; n++) {
		take_plan(&left, &plan);
		if (plan.row.kind == PLANE_SINK_FILES)
			status = check_folder(plan.directory, ret_problem);
		if (status == SL_OK && plan.row.spool.size != 0)
			status = check_folder(plan.spool, ret_problem);
	}
	if (status != SL_OK)
		ret_problem->row = o->row;
	return status;
}

void outlet_take_marks(struct outlet *o, const struct marks *marks)
{
	static const struct mark none;

	for (uint32_t n = 0; n < o->sink_count; n++) {
		const struct mark *known = marks_find(marks, o->mark[n].place);

		o->mark[n].mark = known != NULL ? *known : none;
	}
}

enum sl_status outlet_open(struct outlet *o, struct problem *ret_problem)
{
	struct view left =
		view_of(o->definition.bytes + sizeof(o->id), o->definition.size - sizeof(o->id));
	struct sink_plan plan;

	for (uint32_t n = 0; n < o->sink_count; n++) {
		struct view mark = view_of(o->mark[n].mark.bytes, o->mark[n].mark.size);
		enum sl_status status;

		take_plan(&left, &plan);
		status = plan.row.spool.size != 0
			? open_spooled(o, &plan, mark, &o->sink[n], ret_problem)
			: open_alone(o, &plan, mark, &o->sink[n], ret_problem);
		if (status != SL_OK) {
			for (uint32_t m = 0; m < n; m++)
				sink_close(&o->sink[m]);
			ret_problem->row = o->row;
			return status;
		}
	}
	o->is_open = true;
	return SL_OK;
}
