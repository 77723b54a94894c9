// No #pragma once: this is the body of lanes_avx512.c, lanes_avx2.c and lanes_sse.c, compiled once
// for each over that file's small vocabulary of vectors (vec, vec_*, VEC_LANES, GROUPS).
//
// AES-256-GCM, AES-256-CMAC and key derivation of many short messages, each under a key of its own.
//
// Why it is fast. A short field under a key that has not been used before spends its time on the
// key: expanding it and multiplying out powers of the hash key. Here every 128-bit lane of a vector
// register holds another field with another key, so that one instruction serves 2 or 4 fields,
// GROUPS registers go side by side so that the latency of an AES round is filled, round keys are
// used in the step that makes them, and GHASH needs no powers at all.
//
// What each step computes
//
//	key_step_even/odd FIPS 197 §5.2, KeyExpansion for Nk = 8, four words at a time. A round key
//	                  is the running xor of the words of the round key two before it, each xor'ed
//	                  with f(last word of the round key before it): f is SubWord(RotWord(w)) ^ Rcon
//	                  for even round keys, SubWord(w) for odd ones. SubWord is AESENCLAST of a
//	                  state whose four columns are equal: ShiftRows moves nothing then, and the
//	                  operand "round key" is Rcon.
//	encrypt_expanding FIPS 197 §5.1, Cipher, on `states` blocks a lane beside that expansion; the
//	                  round keys are kept for the blocks that follow.
//	encrypt           the same with the round keys kept.
//	double_block      multiplication by x of a block whose bytes have been reversed, in the field
//	                  that `polynomial` gives. SP 800-38B §6.1 for the subkeys K1, K2 of CMAC, with
//	                  x^128 = x^7 + x^2 + x + 1; and RFC 8452 appendix A for the hash key.
//	hash_block        SP 800-38D §6.4, GHASH: Y = (Y ^ X) * H, Horner's rule, a product a block.
//	                  GHASH numbers bits from the other end than the CPU does. With bytes reversed
//	                  its product is that of POLYVAL once H has been multiplied by x (RFC 8452,
//	                  appendix A): dot(a, b) = a * b * x^-128 modulo x^128 + x^127 + x^126 + x^121 + 1,
//	                  four carry-less products and two folds of 64 bits from below (Montgomery).
//	mac_batch         SP 800-38B §6.2: C = E(C ^ M), the last block xor'ed with K1 when it is whole
//	                  or padded with one bit and xor'ed with K2.
//	gcm_batch         SP 800-38D §7.1/7.2: H = E(0), J0 = IV | 1, GCTR from inc32(J0), GHASH over
//	                  associated data, ciphertext and lengths, tag = GHASH ^ E(J0).
//	derive_batch      SP 800-108 §5.1 (counter mode) with CMAC as the PRF: every input is one whole
//	                  block, so that the PRF is E(block ^ K1).
//
// Lanes of different length. Blocks are aligned at the last one (lanes_kernel.h). A lane that has
// not started keeps its state: vec_select with the mask of the lanes that have. The bytes of the
// last block that are not text are cleared by a mask. No step branches on a lane's length; the
// number of steps is the longest lane's.
//
// Why it takes the same time for all secrets. Secrets (keys, round keys, hash keys, text, keystream)
// are only ever operands of vector instructions whose time does not depend on data on the CPUs that
// have them: AESENC, AESENCLAST, PCLMULQDQ, shuffles by constant indices, shifts by constant counts,
// xor, and, add, compare. There is no table in memory that a secret indexes, no branch and no address
// that a secret decides. Loops and branches depend on sizes and on which lanes are in use, which the
// ciphertext's length gives away in any case. The tag is compared outside, in full, after all lanes
// are done, and only the verdict is branched on.

// Unrolled, so that every state of every group has a register of its own.
#define for_groups(g) _Pragma("GCC unroll 4") for (unsigned g = 0; g < groups; g++)
#define for_states(k) _Pragma("GCC unroll 4") for (unsigned k = 0; k < states; k++)

INLINE vec reverse_bytes(vec v)
{
	return vec_shuffle(v, vec_block(0x0001020304050607, 0x08090a0b0c0d0e0f));
}

/** Words w0, w1, w2, w3 become w0, w0^w1, w0^w1^w2, w0^w1^w2^w3, each xor'ed with that of `all`. */
INLINE vec running_xor(vec words, vec all)
{
	vec pairs = vec_xor(words, vec_up_4(words));

	return vec_xor3(pairs, vec_up_8(pairs), all);
}

INLINE vec key_step_even(vec older, vec newer, uint32_t rcon)
{
	vec rotated = vec_shuffle(newer, vec_block(0x0c0f0e0d0c0f0e0d, 0x0c0f0e0d0c0f0e0d));

	return running_xor(older, vec_aes_last(rotated, vec_words(rcon)));
}

INLINE vec key_step_odd(vec older, vec newer)
{
	return running_xor(older, vec_aes_last(vec_last_word(newer), vec_zero()));
}

/** One round of every state under round key number `round`, which is kept. */
INLINE void round_of_all(
	struct lanes_batch *b,
	vec x[][GROUPS],
	unsigned states,
	unsigned groups,
	unsigned round,
	const vec round_key[GROUPS]
)
{
	for_groups (g) {
		row_store(&b->round_key[round], g, round_key[g]);
		for_states (k)
			x[k][g] = vec_aes_round(x[k][g], round_key[g]);
	}
}

INLINE void encrypt_expanding(
	struct lanes_batch *b,
	const uint8_t *const key[],
	vec x[][GROUPS],
	unsigned states,
	unsigned groups
)
{
	vec even[GROUPS];
	vec odd[GROUPS];

	for_groups (g) {
		even[g] = vec_gather(key + g * VEC_LANES, 0);
		odd[g] = vec_gather(key + g * VEC_LANES, 16);
		row_store(&b->round_key[0], g, even[g]);
		for_states (k)
			x[k][g] = vec_xor(x[k][g], even[g]);
	}
	round_of_all(b, x, states, groups, 1, odd);
#pragma GCC unroll 1
	for (unsigned i = 1; i < 7; i++) {
		for_groups (g)
			even[g] = key_step_even(even[g], odd[g], 1u << (i - 1));
		round_of_all(b, x, states, groups, 2 * i, even);
		for_groups (g)
			odd[g] = key_step_odd(odd[g], even[g]);
		round_of_all(b, x, states, groups, 2 * i + 1, odd);
	}
	for_groups (g) {
		even[g] = key_step_even(even[g], odd[g], 0x40);
		row_store(&b->round_key[14], g, even[g]);
		for_states (k)
			x[k][g] = vec_aes_last(x[k][g], even[g]);
	}
}

INLINE void encrypt(const struct lanes_batch *b, vec x[][GROUPS], unsigned states, unsigned groups)
{
	for_groups (g)
		for_states (k)
			x[k][g] = vec_xor(x[k][g], row_load(&b->round_key[0], g));
#pragma GCC unroll 1
	for (unsigned round = 1; round < 14; round++)
		for_groups (g) {
			vec round_key = row_load(&b->round_key[round], g);

			for_states (k)
				x[k][g] = vec_aes_round(x[k][g], round_key);
		}
	for_groups (g)
		for_states (k)
			x[k][g] = vec_aes_last(x[k][g], row_load(&b->round_key[14], g));
}

INLINE vec double_block(vec v, vec polynomial)
{
	vec carry = vec_up_8(vec_top_bit_64(v));
	vec overflow = vec_signs(vec_last_word(v));

	return vec_xor3(vec_twice_64(v), carry, vec_and(overflow, polynomial));
}

/** The next CMAC subkey: K1 from E(0), K2 from K1. */
INLINE vec next_subkey(vec block)
{
	return reverse_bytes(double_block(reverse_bytes(block), vec_block(0, 0x87)));
}

/** GHASH's H as hash_block wants it. */
INLINE vec hash_key(vec encrypted_zero)
{
	return double_block(reverse_bytes(encrypted_zero), vec_block(0xc200000000000000, 1));
}

/** Y = (Y ^ X) * H; x has its bytes reversed. */
INLINE vec hash_block(vec y, vec x, vec h)
{
	vec fold = vec_block(0xc200000000000000, 1);
	vec a = vec_xor(y, x);
	vec low = vec_multiply(a, 0, h, 0);
	vec middle = vec_xor(vec_multiply(a, 0, h, 1), vec_multiply(a, 1, h, 0));
	vec high = vec_multiply(a, 1, h, 1);

	middle = vec_xor3(middle, vec_swap_halves(low), vec_multiply(low, 0, fold, 1));
	return vec_xor3(high, vec_swap_halves(middle), vec_multiply(middle, 0, fold, 1));
}

INLINE void mac_batch(struct lanes_batch *b, unsigned groups)
{
	vec first[2][GROUPS]; // E(0), E(first block)
	vec x[1][GROUPS];
	vec mac[GROUPS];
	vec k1[GROUPS];

	for_groups (g) {
		first[0][g] = vec_zero();
		first[1][g] = row_load(&b->head[0], g);
		mac[g] = vec_zero();
	}
	encrypt_expanding(b, b->mac_key, first, 2, groups);
	for_groups (g)
		k1[g] = next_subkey(first[0][g]);
	for (uint32_t step = 0; step < b->head_steps; step++) {
		for_groups (g) {
			x[0][g] = vec_xor(mac[g], row_load(&b->head[step], g));
			if (step + 1 == b->head_steps)
				x[0][g] = vec_xor(x[0][g], vec_and(k1[g], is_empty(b, g)));
		}
		// The first block has been encrypted beside the key expansion, but for a subkey.
		if (step != 0 || b->has_empty)
			encrypt(b, x, 1, groups);
		else
			for_groups (g)
				x[0][g] = first[1][g];
		for_groups (g)
			mac[g] = vec_select(
				has_begun(b, g, SHAPE_HEAD_BLOCKS, b->head_steps - 1 - step),
				x[0][g],
				mac[g]
			);
	}
	for (uint32_t step = 0; step < b->text_steps; step++) {
		for_groups (g) {
			x[0][g] = vec_xor(mac[g], row_load(&b->text[step], g));
			if (step + 1 == b->text_steps) {
				vec subkey = vec_select(is_whole(b, g), k1[g], next_subkey(k1[g]));

				x[0][g] = vec_xor3(x[0][g], subkey, pad_bit(b, g));
			}
		}
		encrypt(b, x, 1, groups);
		for_groups (g)
			mac[g] = vec_select(
				has_begun(b, g, SHAPE_TEXT_BLOCKS, b->text_steps - 1 - step),
				x[0][g],
				mac[g]
			);
	}
	for_groups (g) {
		row_store(&b->mac, g, mac[g]);
		row_store(&b->iv, g, vec_and(mac[g], vec_block(0x00000000ffffffff, UINT64_MAX)));
	}
}

/** IV | counter of the lane's text block at this step: inc32 of J0 once for the first block. */
INLINE vec counter_block(const struct lanes_batch *b, unsigned group, uint32_t step)
{
	vec blocks = shape_word(b, group, SHAPE_TEXT_BLOCKS);
	vec count = vec_subtract(blocks, vec_words(b->text_steps - step - 2));
	vec last_word = vec_block(0x0c0d0e0f80808080, 0x8080808080808080);

	return vec_xor(row_load(&b->iv, group), vec_shuffle(count, last_word));
}

/** Cipher and hash the text at one step; keystream is that of counter_block. */
INLINE void text_step(
	struct lanes_batch *b,
	uint32_t step,
	const vec keystream[GROUPS],
	vec y[GROUPS],
	const vec h[GROUPS],
	unsigned groups,
	bool is_open
)
{
	for_groups (g) {
		vec begun = has_begun(b, g, SHAPE_TEXT_BLOCKS, b->text_steps - 1 - step);
		vec mask = begun;
		vec in = row_load(&b->text[step], g);
		vec out;

		if (step + 1 == b->text_steps)
			mask = vec_and(mask, tail_mask(b, g));
		out = vec_xor(in, vec_and(keystream[g], mask));
		row_store(&b->text[step], g, out);
		y[g] = vec_select(
			begun, hash_block(y[g], reverse_bytes(is_open ? in : out), h[g]), y[g]
		);
	}
}

INLINE void gcm_batch(struct lanes_batch *b, unsigned groups, bool is_open)
{
	vec x[4][GROUPS]; // E(0), E(J0), keystream of two steps
	vec h[GROUPS];
	vec y[GROUPS];

	for_groups (g) {
		x[0][g] = vec_zero();
		x[1][g] = vec_xor(row_load(&b->iv, g), vec_block(0x0100000000000000, 0));
		x[2][g] = counter_block(b, g, 0);
		x[3][g] = counter_block(b, g, 1);
		y[g] = vec_zero();
	}
	if (b->text_steps <= 1)
		encrypt_expanding(b, b->key, x, 3, groups);
	else
		encrypt_expanding(b, b->key, x, 4, groups);
	for_groups (g)
		h[g] = hash_key(x[0][g]);
	for (uint32_t step = 0; step < b->aad_steps; step++)
		for_groups (g)
			y[g] = hash_block(y[g], reverse_bytes(row_load(&b->aad[step], g)), h[g]);
	for (uint32_t step = 0; step < b->text_steps; step += 2) {
		if (step != 0) {
			for_groups (g) {
				x[2][g] = counter_block(b, g, step);
				x[3][g] = counter_block(b, g, step + 1);
			}
			encrypt(b, x + 2, 2, groups);
		}
		text_step(b, step, x[2], y, h, groups, is_open);
		if (step + 1 < b->text_steps)
			text_step(b, step + 1, x[3], y, h, groups, is_open);
	}
	for_groups (g) {
		y[g] = hash_block(y[g], row_load(&b->lengths, g), h[g]);
		row_store(&b->tag, g, vec_xor(reverse_bytes(y[g]), x[1][g]));
	}
}

INLINE void derive_batch(struct lanes_batch *b, unsigned groups)
{
	vec zero[1][GROUPS];
	vec x[2][GROUPS];

	for_groups (g)
		zero[0][g] = vec_zero();
	encrypt_expanding(b, b->key, zero, 1, groups);
	for (uint32_t step = 0; step < b->text_steps; step += 2) {
		for_groups (g) {
			vec k1 = next_subkey(zero[0][g]);

			x[0][g] = vec_xor(row_load(&b->text[step], g), k1);
			x[1][g] = vec_xor(row_load(&b->text[step + 1], g), k1);
		}
		encrypt(b, x, 2, groups);
		for_groups (g) {
			row_store(&b->text[step], g, x[0][g]);
			row_store(&b->text[step + 1], g, x[1][g]);
		}
	}
}

// A batch with so few lanes in use that one register holds them does not pay for the others.

static void mac(struct lanes_batch *b)
{
	if (b->count <= VEC_LANES)
		mac_batch(b, 1);
	else
		mac_batch(b, GROUPS);
}

static void seal(struct lanes_batch *b)
{
	if (b->count <= VEC_LANES)
		gcm_batch(b, 1, false);
	else
		gcm_batch(b, GROUPS, false);
}

static void open(struct lanes_batch *b)
{
	if (b->count <= VEC_LANES)
		gcm_batch(b, 1, true);
	else
		gcm_batch(b, GROUPS, true);
}

static void derive(struct lanes_batch *b)
{
	if (b->count <= VEC_LANES)
		derive_batch(b, 1);
	else
		derive_batch(b, GROUPS);
}
