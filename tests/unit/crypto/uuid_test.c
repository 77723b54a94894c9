#include "crypto/uuid.h"
#include "tests/support/check.h"

#include <string.h>

static const uint8_t uuid[UUID_SIZE] = {
	0x01,
	0x23,
	0x45,
	0x67,
	0x89,
	0xab,
	0xcd,
	0xef,
	0xfe,
	0xdc,
	0xba,
	0x98,
	0x76,
	0x54,
	0x32,
	0x10,
};
static const char text[] = "01234567-89ab-cdef-fedc-ba9876543210";

static void written_and_read(void)
{
	char written[UUID_TEXT_SIZE];
	uint8_t back[UUID_SIZE];

	uuid_write(uuid, written);
	CHECK(memcmp(written, text, UUID_TEXT_SIZE) == 0);
	CHECK(uuid_read(text, back));
	CHECK(memcmp(back, uuid, UUID_SIZE) == 0);
	CHECK(uuid_read("01234567-89AB-CDEF-fedC-BA9876543210", back));
	CHECK(memcmp(back, uuid, UUID_SIZE) == 0);
}

/** Every place takes exactly its 22 digits or its dash, and a refusal writes nothing. */
static void one_wrong_character_is_refused(void)
{
	for (size_t at = 0; at < UUID_TEXT_SIZE; at++)
		for (unsigned c = 1; c < 256; c++) {
			bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;
			bool is_fine = is_dash ? c == '-'
					       : strchr("0123456789abcdefABCDEF", (int)c) != NULL;
			uint8_t back[UUID_SIZE];
			char changed[sizeof(text)];

			memcpy(changed, text, sizeof(text));
			changed[at] = (char)c;
			memset(back, 0x5a, sizeof(back));
			CHECK_EQUAL(uuid_read(changed, back), is_fine);
			CHECK(is_fine || back[0] == 0x5a);
		}
}

static const struct check_test tests[] = {
	{"written and read", written_and_read},
	{"one wrong character is refused", one_wrong_character_is_refused},
};

CHECK_MAIN("crypto/uuid")
