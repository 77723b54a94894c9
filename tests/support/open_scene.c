#include "tests/support/open_scene.h"

#include "control/contract_keep.h"
#include "control/keys_csv.h"
#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/rewrite.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PADDING = 64
};

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "open_scene: %s\n", what);
	abort();
}

static void *must(void *memory)
{
	if (memory == NULL)
		give_up("out of memory");
	return memory;
}

/** A copy with no byte to spare but the padding. */
static struct view padded(struct view text)
{
	uint8_t *copy = must(malloc(text.size + PADDING));

	memcpy(copy, text.bytes, text.size);
	memset(copy + text.size, '"', PADDING);
	return view_of(copy, text.size);
}

static void load_contract(struct open_scene *s, const char *text)
{
	struct problems problems = {0};

	if (contract_load_text(view_of_text(text), "contract", NULL, &problems, &s->contract)
		    != SL_OK
	    || policy_compile(s->contract, NULL, 0, NULL, &problems, &s->image) != SL_OK) {
		problems_print(stderr, &problems);
		give_up("contract");
	}
	problems_done(&problems);
}

/** The vault keeps the contract, as a job does it. */
static void keep_contract(struct open_scene *s)
{
	struct problem problem;

	if (contract_keep(s->vault, s->contract, NULL, &problem) != SL_OK)
		give_up(problem.what);
}

static void open_keys(struct open_scene *s)
{
	const struct vault_options vault = {.dir = s->directory, .may_create = true};
	const struct keyring_options options = {
		.group = view_of_text("group"),
		.contract = s->contract->ref,
		.purposes = policy_rows(s->image, s->image->purposes),
		.purpose_count = s->image->purposes.count,
		.key_cache_max = 1024,
	};
	struct keyring_dead_letter dead;
	struct problem problem;

	if (vault_open(&vault, &s->vault, &problem) != SL_OK
	    || keyring_open(s->vault, &options, &s->keyring, &problem) != SL_OK
	    || keyring_dead_letter_key(s->keyring, 20000, &dead, &problem) != SL_OK)
		give_up(problem.what);
	memcpy(s->dead_key.link, dead.link, sizeof(dead.link));
	memcpy(s->dead_key.field_key, dead.key, sizeof(dead.key));
}

struct open_scene *open_scene_new(const char *contract, const char *csv_header)
{
	struct open_scene *s = must(calloc(1, sizeof(*s)));
	const struct engine_options options = {0};
	struct problem problem;
	struct view header;

	strncpy(s->directory, "/tmp/sealane-open-XXXXXX", sizeof(s->directory) - 1);
	if (mkdtemp(s->directory) == NULL)
		give_up("no directory");
	snprintf(s->keys_path, sizeof(s->keys_path), "%s/keys.csv", s->directory);
	load_contract(s, contract);
	open_keys(s);
	keep_contract(s);
	s->turn.batch = must(calloc(1, sizeof(*s->turn.batch)));
	s->turn.batch->scratch.capacity = turn_scratch_size();
	s->turn.batch->scratch.bytes = must(malloc(turn_scratch_size()));
	if (policy_bind(s->image, &s->policy, &problem) != SL_OK
	    || engine_new(&options, &s->turn.engine, &problem) != SL_OK
	    || json_parser_new(JSON_AUTO, &s->turn.json) != SL_OK)
		give_up("turn");
	if (csv_header != NULL) {
		header = padded(view_of_text(csv_header));
		if (csv_header_read(header, s->image, &s->csv, &problem) != SL_OK)
			give_up(problem.what);
		free((void *)header.bytes);
	}
	s->turn.csv = s->csv;
	s->turn.policy = s->policy;
	s->turn.keys = keyring_source(s->keyring);
	s->turn.dead_key = &s->dead_key;
	return s;
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
	(void)stat;
	(void)kind;
	(void)walk;
	return remove(path);
}

void open_scene_free(struct open_scene *s)
{
	struct problem problem;

	(void)!keyring_close(s->keyring, &problem);
	vault_close(s->vault);
	json_parser_free(s->turn.json);
	engine_free(s->turn.engine);
	csv_header_free(s->csv);
	policy_unbind(s->policy);
	policy_image_free(s->image);
	contract_free(s->contract);
	free(s->turn.batch->scratch.bytes);
	free(s->turn.batch);
	nftw(s->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(s);
}

static void make_room(struct room *room, size_t size)
{
	*room = (struct room){.bytes = must(malloc(size)), .capacity = size};
}

/** What the rooms hold as a string, and no rooms any more. */
static char *take_rooms(struct open_scene *s)
{
	const struct room *room =
		s->turn.out.sealed.size != 0 ? &s->turn.out.sealed : &s->turn.out.dead;
	char *text = must(calloc(1, room->size + 1));

	memcpy(text, room->bytes, room->size);
	free(s->turn.out.sealed.bytes);
	free(s->turn.out.dead.bytes);
	return text;
}

char *open_scene_seal(struct open_scene *s, struct view row)
{
	struct view frame = padded(row);
	size_t size = turn_out_max(s->policy, row.size, 1);
	char *text;

	make_room(&s->turn.out.sealed, size);
	make_room(&s->turn.out.dead, size);
	s->turn.batch->row_count = 1;
	s->turn.batch->frame[0] = frame;
	s->turn.batch->number[0] = 1;
	s->turn.batch->offset[0] = 0;
	turn_run(&s->turn);
	if (keyring_wait_durable(s->keyring, s->turn.position_max) != SL_OK)
		give_up("not durable");
	text = take_rooms(s);
	free((void *)frame.bytes);
	return text;
}

char *open_scene_seal_long(struct open_scene *s, struct view row, size_t piece_size)
{
	const size_t pieces = row.size / piece_size + 1;

	make_room(&s->turn.out.sealed, 1);
	make_room(&s->turn.out.dead, pieces * turn_out_max(s->policy, piece_size, 1));
	for (size_t p = 0; p < pieces; p++) {
		size_t at = p * piece_size;
		size_t size = row.size - at < piece_size ? row.size - at : piece_size;
		struct view piece = padded(view_of(row.bytes + at, size));

		turn_seal_oversize(&s->turn, piece, 9, 0, (uint32_t)p + 1, p + 1 == pieces);
		free((void *)piece.bytes);
	}
	return take_rooms(s);
}

char *open_scene_header(struct open_scene *s)
{
	struct room room;
	char *text;

	make_room(&room, 1 << 16);
	csv_write_header(s->policy, s->csv, &room);
	text = must(strndup((char *)room.bytes, room.size));
	free(room.bytes);
	return text;
}

static enum sl_status put_file(void *self, struct view text)
{
	return fwrite(text.bytes, 1, text.size, self) == text.size ? SL_OK : SL_E_IO;
}

struct keys_file *open_scene_export(struct open_scene *s, uint64_t purposes)
{
	FILE *file = must(fopen(s->keys_path, "w"));
	struct keys_file *keys;
	struct problem problem;
	uint8_t levels[64];
	size_t count = 0;

	for (uint8_t p = 0; p < 64; p++)
		if (purposes >> p & 1)
			levels[count++] = p;
	if (keys_csv_write(s->vault, s->keyring, levels, count, put_file, file, &problem) != SL_OK
	    || fclose(file) != 0 || keys_file_read(s->keys_path, &keys, &problem) != SL_OK)
		give_up(problem.what);
	return keys;
}

static enum sl_status gather(void *self, struct view text, struct problem *ret_problem)
{
	struct open_result *r = self;

	(void)ret_problem;
	r->text = must(realloc(r->text, r->size + text.size + 1));
	memcpy(r->text + r->size, text.bytes, text.size);
	r->size += text.size;
	r->text[r->size] = '\0';
	return SL_OK;
}

/** The next line without its end; CSV lines may not have line feeds in quotes here. */
static const char *next_line(const char *at, bool is_csv, struct view *ret_line)
{
	const char *end = strchr(at, '\n');
	size_t size = end == NULL ? strlen(at) : (size_t)(end - at);

	*ret_line = view_of(at, size - (is_csv && size != 0 && at[size - 1] == '\r'));
	return end == NULL ? at + size : end + 1;
}

struct open_result open_scene_open(const struct open_setup *setup, const char *lines, bool is_csv)
{
	struct open_result r = {.text = must(calloc(1, 1))};
	struct view rows[64];
	size_t count = 0;
	struct opener *opener;

	if (opener_new(setup, gather, &r, &opener, &r.problem) != SL_OK)
		give_up(r.problem.what);
	while (*lines != '\0' && r.status == SL_OK) {
		struct view line;

		if (count == 64)
			give_up("too many lines");
		lines = next_line(lines, is_csv, &line);
		rows[count] = padded(line);
		r.status = is_csv && count == 0
			? opener_csv_header(opener, rows[0], &r.problem)
			: opener_row(opener, rows[count], count + 1, &r.problem);
		count++;
	}
	if (r.status == SL_OK)
		r.status = opener_end(opener, &r.problem);
	r.counts = *opener_counts(opener);
	opener_free(opener);
	for (size_t i = 0; i < count; i++)
		free((void *)rows[i].bytes);
	return r;
}
