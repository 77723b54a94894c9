#include "dataplane/datagram/wire_keys.h"
#include "tests/support/check.h"
#include "tests/support/hex.h"

enum {
	VECTOR_MAX = 256 // bytes
};

enum vector {
#define VECTOR(name, hex) VECTOR_##name,
#include "tests/vectors/datagram.def"
#undef VECTOR
	VECTOR_COUNT
};

static const char *const texts[VECTOR_COUNT] = {
#define VECTOR(name, hex) [VECTOR_##name] = hex,
#include "tests/vectors/datagram.def"
#undef VECTOR
};

static uint8_t bytes[VECTOR_COUNT][VECTOR_MAX];
static size_t sizes[VECTOR_COUNT];
static struct engine *engine;
static struct wire_names names;
static uint8_t hello_key[WIRE_KEY_SIZE];
static struct wire_session_keys keys;

static void make_ready(void)
{
	const struct engine_options options = {.lanes = LANES_OFF};
	struct problem problem;

	if (engine != NULL)
		return;
	if (engine_new(&options, &engine, &problem) != SL_OK)
		abort();
	for (int i = 0; i < VECTOR_COUNT; i++)
		sizes[i] = hex_read(texts[i], bytes[i], sizeof(bytes[i]));
	memcpy(names.client_id, bytes[VECTOR_CLIENT_ID], sizeof(names.client_id));
	memcpy(names.client_nonce, bytes[VECTOR_CLIENT_NONCE], sizeof(names.client_nonce));
	memcpy(names.server_nonce, bytes[VECTOR_SERVER_NONCE], sizeof(names.server_nonce));
	wire_hello_key(engine, bytes[VECTOR_CLIENT_KEY], names.client_id, hello_key);
	wire_session_keys(engine, bytes[VECTOR_CLIENT_KEY], &names, &keys);
}

static void keys_are_those_of_the_page(void)
{
	uint8_t control[WIRE_KEY_SIZE];

	make_ready();
	wire_control_key(engine, bytes[VECTOR_CLIENT_KEY], &names, control);
	CHECK(memcmp(hello_key, bytes[VECTOR_HELLO_KEY], WIRE_KEY_SIZE) == 0);
	CHECK(memcmp(keys.data, bytes[VECTOR_DATA_KEY], WIRE_KEY_SIZE) == 0);
	CHECK(memcmp(keys.control, bytes[VECTOR_CONTROL_KEY], WIRE_KEY_SIZE) == 0);
	CHECK(memcmp(control, bytes[VECTOR_CONTROL_KEY], WIRE_KEY_SIZE) == 0);
}

static void check_mac(enum vector which, const uint8_t *key, unsigned kind)
{
	uint8_t made[VECTOR_MAX];

	memcpy(made, bytes[which], sizes[which]);
	memset(made + sizes[which] - WIRE_MAC_SIZE, 0, WIRE_MAC_SIZE);
	wire_mac_put(engine, key, made, sizes[which]);
	CHECK(memcmp(made, bytes[which], sizes[which]) == 0);
	CHECK(wire_kind_of(made, sizes[which]) == kind);
	CHECK(wire_mac_fits(engine, key, made, sizes[which]));
	for (size_t bit = 0; bit < sizes[which] * 8; bit++) {
		made[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(!wire_mac_fits(engine, key, made, sizes[which]));
		made[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void macs_are_those_of_the_page(void)
{
	make_ready();
	check_mac(VECTOR_HELLO, hello_key, WIRE_HELLO);
	check_mac(VECTOR_WELCOME, hello_key, WIRE_WELCOME);
	check_mac(VECTOR_PING, keys.control, WIRE_PING);
	check_mac(VECTOR_RESET, keys.control, WIRE_RESET);
	check_mac(VECTOR_ACK, keys.control, WIRE_ACK);
}

static void data_is_that_of_the_page(void)
{
	static const char text[] = "{\"a\":1}\n{\"a\":2}\n";
	struct wire_data head = {.head = wire_head_of(WIRE_DATA)};
	const struct view aad = view_of(&head, sizeof(head));
	uint8_t sealed[128];
	uint8_t opened[128];
	uint8_t iv[WIRE_IV_SIZE];
	const size_t size = sizes[VECTOR_DATA] - sizeof(head);

	make_ready();
	wire_put32(head.session, 5);
	wire_put32(head.generation, 0x01020304);
	wire_put64(head.sequence, 258);
	wire_iv(258, iv);
	CHECK(memcmp(&head, bytes[VECTOR_DATA], sizeof(head)) == 0);
	CHECK(size == sizeof(text) - 1 + WIRE_TAG_SIZE);
	engine_run_begin(engine, keys.data);
	engine_run_seal(engine, iv, aad, view_of(text, sizeof(text) - 1), sealed);
	CHECK(memcmp(sealed, bytes[VECTOR_DATA] + sizeof(head), size) == 0);
	// Other work of the engine does not take the run's key away.
	CHECK(wire_mac_fits(engine, keys.control, bytes[VECTOR_ACK], sizes[VECTOR_ACK]));
	CHECK(engine_gcm_open(
		      engine, keys.control, view_of(iv, 12), aad, view_of(sealed, size), opened
	      )
	      == SL_E_FORGED);
	CHECK(engine_run_open(engine, iv, aad, view_of(sealed, size), opened) == SL_OK);
	CHECK(memcmp(opened, text, sizeof(text) - 1) == 0);
	CHECK(engine_run_open(engine, iv, aad, view_of(sealed, 15), opened) == SL_E_TRUNCATED);
	for (size_t bit = 0; bit < size * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(engine_run_open(engine, iv, aad, view_of(sealed, size), opened) == SL_E_FORGED
		);
		CHECK(opened[0] == 0 && opened[sizeof(text) - 2] == 0);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	engine_run_end(engine);
	CHECK(engine_run_open(engine, iv, aad, view_of(sealed, size), opened) == SL_E_FORGED);
}

static void only_this_version_has_kinds(void)
{
	CHECK(wire_kind_of((const uint8_t *)"SL\1\5", 4) == WIRE_DATA);
	CHECK(wire_kind_of((const uint8_t *)"SL\1\5", 3) == 0);
	CHECK(wire_kind_of((const uint8_t *)"SL\2\5", 4) == 0);
	CHECK(wire_kind_of((const uint8_t *)"TL\1\5", 4) == 0);
	CHECK(wire_kind_of((const uint8_t *)"SM\1\5", 4) == 0);
	CHECK(wire_kind_of(NULL, 0) == 0);
}

static const struct check_test tests[] = {
	{"keys are those of the page", keys_are_those_of_the_page},
	{"MACs are those of the page", macs_are_those_of_the_page},
	{"DATA is that of the page", data_is_that_of_the_page},
	{"only this version has kinds", only_this_version_has_kinds},
};

int main(void)
{
	const int code = check_run("datagram wire", tests, sizeof(tests) / sizeof(tests[0]));

	engine_free(engine);
	return code;
}
