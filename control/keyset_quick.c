#include "control/keyset_quick.h"

#include "crypto/base64.h"
#include "crypto/secret.h"

#include <string.h>

#define LITERAL(text) (text), sizeof(text) - 1

enum {
	KEY_BYTES = 32,
	PROTO_SIZE = 2 + KEY_BYTES,
	VALUE_LENGTH = (PROTO_SIZE + 2) / 3 * 4,
	DIGITS_MAX = 10 // of an id
};

/** What is left to read; is_other from the first byte that is not as expected. */
struct scan {
	const uint8_t *at;
	size_t left;
	bool is_other;
};

static const uint8_t *take(struct scan *s, size_t size)
{
	const uint8_t *at = s->at;

	if (s->is_other || s->left < size) {
		s->is_other = true;
		return NULL;
	}
	s->at += size;
	s->left -= size;
	return at;
}

static void expect(struct scan *s, const char *text, size_t size)
{
	const uint8_t *at = take(s, size);

	if (at != NULL && memcmp(at, text, size) != 0)
		s->is_other = true;
}

static uint32_t take_id(struct scan *s)
{
	uint64_t id = 0;
	size_t digits = 0;

	while (digits < DIGITS_MAX && digits < s->left && s->at[digits] >= '0'
	       && s->at[digits] <= '9')
		id = id * 10 + (uint64_t)(s->at[digits++] - '0');
	if (digits == 0 || s->at[0] == '0' || id > UINT32_MAX)
		s->is_other = true;
	take(s, digits);
	return (uint32_t)id;
}

static void take_value(struct scan *s, uint8_t ret_key[static KEY_BYTES])
{
	const uint8_t *text = take(s, VALUE_LENGTH);
	uint8_t proto[VALUE_LENGTH / 4 * 3];

	if (text == NULL)
		return;
	if (base64_decode(view_of(text, VALUE_LENGTH), proto) != PROTO_SIZE || proto[0] != 0x1a
	    || proto[1] != KEY_BYTES)
		s->is_other = true;
	memcpy(ret_key, proto + 2, KEY_BYTES);
	bytes_wipe(proto, sizeof(proto));
}

static void take_key(struct scan *s, struct tink_key *ret_key)
{
	expect(s,
	       LITERAL("{\"keyData\":{\"typeUrl\":\"type.googleapis.com/google.crypto.tink."
		       "AesGcmKey\",\"value\":\""));
	take_value(s, ret_key->key);
	expect(s,
	       LITERAL("\",\"keyMaterialType\":\"SYMMETRIC\"},\"status\":\"ENABLED\",\"keyId\":"));
	ret_key->id = take_id(s);
	expect(s, LITERAL(",\"outputPrefixType\":\"TINK\"}"));
}

bool keyset_quick_read(
	struct view json,
	struct tink_key ret_keys[static TINK_KEYS_MAX],
	size_t *ret_count
)
{
	struct scan s = {.at = json.bytes, .left = json.size};
	size_t count = 0;
	uint32_t primary;

	expect(&s, LITERAL("{\"primaryKeyId\":"));
	primary = take_id(&s);
	expect(&s, LITERAL(",\"key\":["));
	do {
		take_key(&s, &ret_keys[count]);
		if (count != 0 && ret_keys[count].id <= ret_keys[count - 1].id)
			s.is_other = true;
		count++;
	} while (!s.is_other && count < TINK_KEYS_MAX && s.left != 0 && s.at[0] == ','
		 && take(&s, 1) != NULL);
	expect(&s, LITERAL("]}"));
	*ret_count = count;
	return !s.is_other && s.left == 0 && ret_keys[0].id == primary;
}
