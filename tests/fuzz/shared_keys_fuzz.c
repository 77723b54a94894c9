#include "control/api/key_ring.h"
// Targets: key_ring_attach, key_ring_peek, key_ring_recover, key_table_attach, key_table_recover

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

// Memory that another process has written: a small ring or table, with words of the input laid over it.
//
//	input: kind (1) | index of a word (2), word (8) | …
//	kind: bit 0 = a table, bit 1 = its head gets a right checksum: without it the fuzzer would never get in with
//	sizes of its own

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
	RING_RECORDS = 8,
	RING_SIZE = 4096 + RING_RECORDS * 128,
	ENTRIES = 12,
	TABLE_INDEX_SIZE = 4096 + (ENTRIES / 4 + 6) * 64,
	TABLE_SLOTS_AT = 2 << 20,
	TABLE_SLOTS_SIZE = ENTRIES * 96,
	WRITE_SIZE = 10,
	RING_CHECKSUM_AT = 32,
	TABLE_CHECKSUM_AT = 56
};

static void check(bool is_so)
{
	if (!is_so)
		abort();
}

static uint8_t *map(int fd, size_t size)
{
	uint8_t *raw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	check(raw != MAP_FAILED);
	return raw;
}

/** Lay words over the memory; an index above low_size goes on at high. */
static void write_words(
	uint8_t *raw,
	size_t low_size,
	size_t high,
	size_t high_size,
	const uint8_t *bytes,
	size_t size
)
{
	for (; size >= WRITE_SIZE; bytes += WRITE_SIZE, size -= WRITE_SIZE) {
		size_t at = ((size_t)bytes[0] << 8 | bytes[1]) * 8 % (low_size + high_size);

		memcpy(raw + (at < low_size ? at : high + at - low_size), bytes + 2, 8);
	}
}

static void set_checksum(uint8_t *raw, size_t at)
{
	uint64_t sum = XXH3_64bits(raw, at);

	memcpy(raw + at, &sum, sizeof(sum));
}

static void use_ring(const uint8_t *bytes, size_t size, bool is_repaired)
{
	static struct key_record records[2 * RING_RECORDS];
	struct key_ring *made;
	struct key_ring *ring;
	struct problem p;
	uint8_t *raw;

	check(key_ring_create(RING_RECORDS, &made, &p) == SL_OK);
	raw = map(key_ring_fd(made), RING_SIZE);
	for (size_t i = 0; i < 5; i++)
		check(key_ring_put(made, &records[i]) == i + 1);
	write_words(raw, RING_SIZE, 0, 0, bytes, size);
	if (is_repaired)
		set_checksum(raw, RING_CHECKSUM_AT);
	if (key_ring_attach(key_ring_fd(made), &ring, &p) == SL_OK) {
		uint64_t durable = key_ring_durable(ring);

		for (size_t i = 0; i < 3; i++) {
			size_t count = key_ring_peek(ring, records, 2 * RING_RECORDS);

			check(count <= 2 * RING_RECORDS);
			key_ring_commit(ring, count);
			check(key_ring_durable(ring) == (durable += count));
			(void)key_ring_put(ring, &records[0]);
			(void)key_ring_recover(ring);
		}
		key_ring_free(ring);
	} else {
		check(p.what[0] != '\0');
	}
	munmap(raw, RING_SIZE);
	key_ring_free(made);
}

static void use_table(const uint8_t *bytes, size_t size, bool is_repaired)
{
	const struct key_table_use use = {
		.entry_count_max = ENTRIES, .purpose_count = 0, .scope = 1};
	struct key_table *made;
	struct key_table *t;
	struct key_entry e = {.position = 1};
	uint8_t hash[KEY_HASH_SIZE] = {0};
	struct problem p;
	uint8_t *raw;

	check(key_table_create_shared(&use, &made) == SL_OK);
	raw = map(key_table_fd(made), TABLE_SLOTS_AT + TABLE_SLOTS_SIZE);
	for (uint8_t i = 0; i < ENTRIES; i++) {
		hash[7] = (uint8_t)(i * 20);
		hash[15] = i;
		check(key_table_insert(made, hash, &e, 0) == SL_OK);
	}
	write_words(raw, TABLE_INDEX_SIZE, TABLE_SLOTS_AT, TABLE_SLOTS_SIZE, bytes, size);
	if (is_repaired)
		set_checksum(raw, TABLE_CHECKSUM_AT);
	if (key_table_attach(key_table_fd(made), &t, &p) == SL_OK) {
		(void)key_table_recover(t);
		check(key_table_recover(t) == 0);
		check(key_table_count(t) <= key_table_use(t).entry_count_max);
		for (uint8_t i = 0; i < 2 * ENTRIES; i++) {
			struct key_entry *entry = &e;
			bool is_found;

			hash[7] = (uint8_t)(i * 20);
			hash[15] = i;
			(void)key_table_find_burst(t, &hash, 1, &entry, &is_found);
			check(key_table_insert(t, hash, &e, UINT64_MAX) == SL_OK);
			check(key_table_find_burst(t, &hash, 1, &entry, &is_found) == 1);
		}
		check(key_table_count(t) <= key_table_use(t).entry_count_max);
		key_table_free(t);
	} else {
		check(p.what[0] != '\0');
	}
	munmap(raw, TABLE_SLOTS_AT + TABLE_SLOTS_SIZE);
	key_table_free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return 0;
	if (bytes[0] % 2 == 0)
		use_ring(bytes + 1, size - 1, (bytes[0] & 2) != 0);
	else
		use_table(bytes + 1, size - 1, (bytes[0] & 2) != 0);
	return 0;
}
