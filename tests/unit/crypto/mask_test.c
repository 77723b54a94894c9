#include "crypto/mask.h"
#include "tests/support/check.h"
#include "tests/support/hex.h"

#include <pthread.h>
#include <string.h>

/** Published masks of the reference service, and MurmurHash3 of other tails by its reference code's algorithm. */
static const struct murmur3_vector {
	const char *seed;
	const char *value;
	const char *mask;
} murmur3_vectors[] = {
	{"hi-there", "unique-5", "1083e8169d7138e990cc30095578452"},
	{"hi-there", "session-273", "7cc66d130664caa9efacda1026c1c44"},
	{"hi-there", "sensitive-0", "e49bd309eed4a5094437a71ac2bc1cad"},
	{"hi-there", "not-sensitive-6", "538ad30b2aa2781e855c4eb059cf68a3"},
	{"", "strm_demo_user", "788d082a29fd07f61e1df95bbe98ef9f"},
	{"",
	 "AX+sVreQHft41CYozNAalRpuzy00lJanLD4RI5d9Z/8+KfD79PvEig==",
	 "4d0602d8bfe14089fb14cdef7d8380be"},
	{"", "", "00"},
};

static struct view mask_of(struct view seed, struct view value, char text[static MASK_TEXT_MAX])
{
	return view_of(text, mask_murmur3(seed, value, text));
}

static void murmur3_of_the_reference_service(void)
{
	for (size_t i = 0; i < sizeof(murmur3_vectors) / sizeof(murmur3_vectors[0]); i++) {
		const struct murmur3_vector *v = &murmur3_vectors[i];
		char text[MASK_TEXT_MAX];

		CHECK(view_equal(
			mask_of(view_of_text(v->seed), view_of_text(v->value), text),
			view_of_text(v->mask)
		));
	}
}

/** Only seed | value counts, wherever the border lies. */
static void murmur3_does_not_see_the_border(void)
{
	static const char whole[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ#+";
	char want[MASK_TEXT_MAX];
	char text[MASK_TEXT_MAX];

	for (size_t size = 0; size < sizeof(whole); size++) {
		struct view expected = mask_of(view_of(NULL, 0), view_of(whole, size), want);

		for (size_t border = 0; border <= size; border++)
			CHECK(view_equal(
				mask_of(view_of(whole, border),
					view_of(whole + border, size - border),
					text),
				expected
			));
	}
}

static const struct hmac_vector {
	const char *key;
	size_t size; // of a value 00 01 02 … modulo 251
	const char *mask;
} hmac_vectors[] = {

#define VECTOR(key, size, mask) {key, size, mask},
#include "tests/vectors/mask_hmac.def"
#undef VECTOR
};

static void check_hmac_vectors(void)
{
	static uint8_t value[1 << 20];

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i % 251);
	for (size_t i = 0; i < sizeof(hmac_vectors) / sizeof(hmac_vectors[0]); i++) {
		uint8_t key[MASK_KEY_SIZE];
		uint8_t state[MASK_HMAC_STATE_SIZE];
		char text[MASK_TEXT_MAX];

		hex_read(hmac_vectors[i].key, key, sizeof(key));
		mask_hmac_prepare(key, state);
		CHECK_EQUAL(mask_hmac(state, view_of(value, hmac_vectors[i].size), text), 32);
		CHECK(memcmp(text, hmac_vectors[i].mask, 32) == 0);
	}
}

static void hmac_of_an_independent_program(void)
{
	check_hmac_vectors();
}

static void *check_in_thread(void *unused)
{
	check_hmac_vectors();
	return unused;
}

/** Every thread makes a queue of its own; the sanitizers see that it goes with the thread. */
static void hmac_in_threads(void)
{
	pthread_t threads[3];

	for (size_t i = 0; i < 3; i++)
		CHECK_FATAL(pthread_create(&threads[i], NULL, check_in_thread, NULL) == 0);
	for (size_t i = 0; i < 3; i++)
		CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
}

static const struct check_test tests[] = {
	{"Murmur3 of the reference service", murmur3_of_the_reference_service},
	{"Murmur3 does not see the border", murmur3_does_not_see_the_border},
	{"HMAC of an independent program", hmac_of_an_independent_program},
	{"HMAC in threads", hmac_in_threads},
};

CHECK_MAIN("crypto/mask")
