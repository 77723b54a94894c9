#include "bench/best_parts.h"

#include "bench/give_up.h"
#include "bench/ticks.h"
#include "crypto/cpu.h"
#include "crypto/field.h"
#include "crypto/siphash.h"

#include <intel-ipsec-mb.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>

const char *const best_part_names[PART_COUNT] = {
	"locate_simdjson",
	"seal_ipsec_mb",
	"look_up_batched",
	"copy_memcpy",
};

static const char *const names[] = {"time", "cityName", "comment", "user"}; // as in the events

/** A text to seal, small because all of them are read in every pass. */
struct text {
	uint32_t at; // from the first event's first byte
	uint16_t size;
	uint16_t field; // row of the contract's fields
};

struct best_parts {
	const struct edits *edits;
	struct sealing *sealing;
	struct simdjson_bench *simdjson;
	IMB_MGR *imb;
	struct gcm_key_data *key; // [1]: hot and expanded
	uint8_t (*hash)[KEY_HASH_SIZE];
	uint32_t *first_text; // [rows + 1]
	struct text *text;
	uint8_t *out;
	bool is_found[BATCH_MAX];
	struct key_entry *entry[BATCH_MAX];
};

static IMB_MGR *make_manager(void)
{
	IMB_MGR *imb = must(alloc_mb_mgr(0));

	// Version 1.3 does not look whether the system lets it use AVX-512.
	if (cpu_has(CPU_AVX512))
		init_mb_mgr_avx512(imb);
	else if (cpu_has(CPU_AVX2))
		init_mb_mgr_avx2(imb);
	else
		init_mb_mgr_sse(imb);
	return imb;
}

/** Note a row's texts as the turn found them, undecoded as they lie in the event. */
static void note_texts(struct best_parts *p, size_t row, uint32_t i, uint32_t *text_count)
{
	const struct batch *b = p->sealing->batch;
	const struct record *record = &b->record[i];

	p->first_text[row] = *text_count;
	for (uint32_t c = record->first_cell; c < record->first_cell + record->cell_count; c++) {
		const uint8_t *start = b->frame[i].bytes + b->cell[c].start + 1;
		size_t at = (size_t)(start - p->edits->rows.bytes);
		size_t size = b->cell[c].end - b->cell[c].start - 2;

		if (b->sealed[c].size == 0)
			continue;
		if (at > UINT32_MAX || size > UINT16_MAX)
			give_up("the events are too many or too long");
		p->text[(*text_count)++] =
			(struct text){(uint32_t)at, (uint16_t)size, b->cell[c].field};
	}
}

static void note_hash(struct best_parts *p, size_t row, uint32_t i)
{
	const struct batch *b = p->sealing->batch;
	struct view value = b->text[b->record[i].key_cell];
	uint64_t prefix[2] = {
		htole64(p->sealing->keys->source.scope), htole64((uint64_t)b->day[i])};
	uint8_t bytes[sizeof(prefix) + KEY_VALUE_MAX];

	memcpy(bytes, prefix, sizeof(prefix));
	memcpy(bytes + sizeof(prefix), value.bytes, value.size);
	siphash(p->sealing->keys->hash_key,
		view_of(bytes, sizeof(prefix) + value.size),
		p->hash[row]);
}

static void note_rows(struct best_parts *p)
{
	const struct edits *edits = p->edits;
	uint32_t text_count = 0;

	for (size_t at = 0; at < edits->rows.count; at += BATCH_MAX) {
		size_t left = edits->rows.count - at;
		struct batch *b = p->sealing->batch;

		sealing_fill(p->sealing, edits, at, left < BATCH_MAX ? (uint32_t)left : BATCH_MAX);
		turn_run(&p->sealing->turn);
		for (uint32_t i = 0; i < b->row_count; i++) {
			note_texts(p, at + i, i, &text_count);
			note_hash(p, at + i, i);
		}
	}
	p->first_text[edits->rows.count] = text_count;
}

struct best_parts *best_parts_new(const struct edits *edits, struct sealing *sealing)
{
	struct best_parts *p = must(calloc(1, sizeof(*p)));
	size_t count = edits->rows.count;
	uint8_t key[32];

	p->edits = edits;
	p->sealing = sealing;
	p->simdjson = simdjson_bench_new();
	p->imb = make_manager();
	p->key = must(aligned_alloc(64, (sizeof(*p->key) + 63) / 64 * 64));
	engine_random(sealing->engine, key, sizeof(key));
	IMB_AES256_GCM_PRE(p->imb, key, p->key);
	p->hash = must(calloc(count, sizeof(*p->hash)));
	p->first_text = must(calloc(count + 1, sizeof(*p->first_text)));
	p->text = must(calloc(count * 3, sizeof(*p->text)));
	note_rows(p);
	// Any batch's texts with their tags, or its events.
	p->out = must(malloc(TURN_BYTES_MAX + BATCH_MAX * 3 * FIELD_TAG_SIZE));
	for (uint32_t i = 0; i < BATCH_MAX; i++)
		p->entry[i] = &sealing->batch->key[i];
	return p;
}

void best_parts_free(struct best_parts *p)
{
	simdjson_bench_free(p->simdjson);
	free_mb_mgr(p->imb);
	free(p->key);
	free(p->hash);
	free(p->first_text);
	free(p->text);
	free(p->out);
	free(p);
}

uint64_t best_parts_field_count(const struct best_parts *p)
{
	return p->first_text[p->edits->rows.count];
}

static void seal_texts(struct best_parts *p, size_t at, uint32_t count)
{
	struct gcm_context_data context;
	uint64_t iv[2] = {at};
	uint8_t *out = p->out;

	for (uint32_t n = p->first_text[at]; n < p->first_text[at + count]; n++) {
		const struct text *text = &p->text[n];
		const struct field_path *path = &p->sealing->policy[0]->bound[text->field].path;

		iv[0]++;
		IMB_AES256_GCM_ENC(
			p->imb,
			p->key,
			&context,
			out,
			p->edits->rows.bytes + text->at,
			text->size,
			(const uint8_t *)iv,
			field_path_bytes(path),
			path->size,
			out + text->size,
			FIELD_TAG_SIZE
		);
		out += text->size + FIELD_TAG_SIZE;
	}
}

static void copy_rows(struct best_parts *p, size_t at, uint32_t count)
{
	uint8_t *out = p->out;

	for (uint32_t i = 0; i < count; i++) {
		struct view row = p->edits->rows.line[at + i];

		memcpy(out, row.bytes, row.size);
		out += row.size;
	}
}

void best_parts_run(
	struct best_parts *p,
	size_t at,
	uint32_t count,
	uint64_t ticks[static PART_COUNT]
)
{
	uint64_t last = ticks_now();

	if (simdjson_bench_locate(
		    p->simdjson, p->edits->text + at, count, names, sizeof(names) / sizeof(*names)
	    )
	    == 0)
		give_up("simdjson can not read the events");
	ticks_lap(&ticks[PART_LOCATE], &last);
	seal_texts(p, at, count);
	ticks_lap(&ticks[PART_SEAL], &last);
	if (key_table_find_burst(
		    p->sealing->keys->source.table,
		    (const uint8_t(*)[KEY_HASH_SIZE])p->hash + at,
		    count,
		    p->entry,
		    p->is_found
	    )
	    != count)
		give_up("a key is not live");
	ticks_lap(&ticks[PART_LOOK_UP], &last);
	copy_rows(p, at, count);
	ticks_lap(&ticks[PART_COPY], &last);
}
