#pragma once

#include "crypto/engine.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What lies between lanes.c, which chooses the fields of a batch, and the vector code (lanes_body.h),
// which works on all lanes of a batch at once. Nobody outside of the lanes and their tests and
// benches includes this file.

enum {
	LANES_TEXT_MAX = 1024,                       // bytes of a field's text that lanes take
	LANES_TEXT_BLOCKS_MAX = LANES_TEXT_MAX / 16, // 16-byte blocks of it
	LANES_HEAD_MAX = 528, // bytes of associated data: any path, and test vectors
	LANES_HEAD_BLOCKS_MAX = LANES_HEAD_MAX / 16, // 16-byte blocks of it
	LANES_WIDTH_MAX = 12,                        // lanes of a batch at the widest level
	LANES_ROUND_KEYS = 15,                       // of AES-256
	ENCODE_PADDING = 2,                          // zeros behind a field that is put into base64
	// Bytes of a field before base64, and slack for whole blocks and registers.
	LANES_RAW_SIZE = (FIELD_OVERHEAD + LANES_TEXT_MAX + 16 + 63) / 64 * 64 + 64
};

/** One 16-byte block in each lane. */
struct lanes_row {
	_Alignas(64) uint8_t lane[LANES_WIDTH_MAX][16];
};

/** Words of a lane of lanes_batch.shape. */
enum lanes_shape {
	SHAPE_TEXT_BLOCKS, // blocks of the lane's text
	SHAPE_HEAD_BLOCKS, // blocks of its head
	SHAPE_LAST_SIZE    // bytes of its last block of text, 1..16; 0: no text
};

/**
 * Fields that run side by side, one a lane, as rows of 16-byte blocks.
 *
 * The blocks of a lane are aligned at their last one, so that all lanes end in the same step and
 * a lane with fewer blocks starts later:
 *
 *	step          0      1      2      3
 *	lane 0     text 0 text 1 text 2 tail      4 blocks
 *	lane 1       0      0    text 0 tail      2 blocks
 *	lane 2       0      0      0      0       no text
 */
struct lanes_batch {
	uint32_t count;      // lanes in use; the others compute on what they find, for nobody
	uint32_t head_steps; // rows of head[] in use
	uint32_t aad_steps;  // rows of aad[] in use
	uint32_t text_steps; // rows of text[] in use
	uint32_t rows_used;  // rows of text[] to wipe
	bool has_empty;      // a lane has no text, so that its head ends what the MAC covers

	const uint8_t *mac_key[LANES_WIDTH_MAX]; // [32] raw; CMAC
	const uint8_t *key[LANES_WIDTH_MAX];     // [32] raw; GCM

	struct lanes_row shape;   // 32-bit words: see lanes_shape
	struct lanes_row lengths; // 64-bit words: bits of text, bits of associated data
	struct lanes_row iv;      // 12 bytes, zeros; set by mac, or by who calls seal or open
	struct lanes_row mac;     // out: CMAC over head, text
	struct lanes_row tag;     // out: GCM's tag

	struct lanes_row head[LANES_HEAD_BLOCKS_MAX]; // goes before text in the MAC
	struct lanes_row aad[LANES_HEAD_BLOCKS_MAX];  // associated data, zero-padded
	struct lanes_row text[LANES_TEXT_BLOCKS_MAX]; // in and out, zero-padded
	struct lanes_row round_key[LANES_ROUND_KEYS]; // scratch
};

/** What one lane is to do. */
struct lanes_message {
	const uint8_t *key;     // [32]; GCM or derivation
	const uint8_t *mac_key; // [32]; NULL when nobody wants the MAC
	struct view head; // whole blocks, LANES_HEAD_MAX bytes at most; goes before text in the MAC
	struct view aad;  // LANES_HEAD_MAX bytes at most
	struct view text; // LANES_TEXT_MAX bytes at most: clear to seal, ciphertext to open
};

/** Secret memory of one thread's lanes. */
struct lanes_scratch {
	struct lanes_batch batch;
	uint8_t raw[LANES_WIDTH_MAX]
		   [LANES_RAW_SIZE];                // fields in Tink's form, before or after base64
	uint8_t iv[FIELD_BURST_MAX][FIELD_IV_SIZE]; // random ones of a burst, by row
};

/**
 * One level's code. Secrets stay behind in registers and on the stack: see lanes_wipe.
 *
 * The functions over a batch are for key derivation, known answers and comparisons; fields go through the last two.
 */
struct lanes_level {
	const char *name;
	uint32_t width;  // lanes of a batch, at most LANES_WIDTH_MAX
	size_t text_max; // bytes of the longest text that is faster here than in ipsec-mb

	/** Fill the rows that count messages need (1..width), masks and keys; not iv. */
	void (*fill)(struct lanes_batch *b, const struct lanes_message m[], uint32_t count);
	/** CMAC of head, text under mac_key: sets mac, and iv from its first 12 bytes. */
	void (*mac)(struct lanes_batch *b);
	/** GCM encryption of text in place; sets tag. */
	void (*seal)(struct lanes_batch *b);
	/** GCM decryption of text in place; sets the tag that would be right. */
	void (*open)(struct lanes_batch *b);
	/**
	 * Encrypt rows xor'ed with the first CMAC subkey under key: the CMAC of one whole block each.
	 * text[0..text_steps) in and out; text_steps even.
	 */
	void (*derive)(struct lanes_batch *b);
	/** Copy a lane's text out of its batch. */
	void (*text)(const struct lanes_batch *b, uint32_t lane, size_t size, uint8_t *ret_text);

	/** Seal the fields rows[0..count), 1..width, all with synthetic IVs or all with those in s->iv. */
	void (*seal_fields
	)(struct lanes_scratch *s,
	  struct seal_burst *burst,
	  const uint16_t rows[],
	  uint32_t count,
	  bool is_random);
	/** Open the fields rows[0..count), 1..width: sets text, text_size and is_opened. */
	void (*open_fields
	)(struct lanes_scratch *s, struct open_burst *burst, const uint16_t rows[], uint32_t count);

	/** Zero all vector registers. */
	void (*wipe_registers)(void);
};

/**
 * Bytes of text in a field, from the size of its base64 and the padding at its end.
 *
 * @return false when so much base64 can not be a field
 */
static inline bool lanes_text_size(struct view sealed, size_t *ret_size)
{
	size_t raw = sealed.size / 4 * 3;

	if (sealed.size == 0 || sealed.size % 4 != 0)
		return false;
	if (sealed.bytes[sealed.size - 1] == '=')
		raw -= sealed.bytes[sealed.size - 2] == '=' ? 2 : 1;
	if (raw < FIELD_OVERHEAD)
		return false;
	*ret_size = raw - FIELD_OVERHEAD;
	return true;
}

/** Code of a level, whether or not this CPU can run it; NULL for CPU_AUTO. */
const struct lanes_level *lanes_level_of(enum cpu_level level);

extern const struct lanes_level lanes_avx512;
extern const struct lanes_level lanes_avx2;
extern const struct lanes_level lanes_sse;

static_assert(sizeof(struct lanes_row) == LANES_WIDTH_MAX * 16, "rows have no holes");
static_assert((int)LANES_HEAD_BLOCKS_MAX >= (int)FIELD_PATH_BLOCKS_MAX, "a field's path fits");
