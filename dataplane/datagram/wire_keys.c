#include "dataplane/datagram/wire_keys.h"

#include "crypto/secret.h"

enum {
	LABEL_MAX = 32,
	TEXT_MAX = 4 + LABEL_MAX + 1 + sizeof(struct wire_names) + 4
};

/** i (4) | label | 00 | context | key bits (4), for i = 1, 2. */
static void derive(
	struct engine *engine,
	const uint8_t key[static WIRE_KEY_SIZE],
	const char *label,
	struct view context,
	uint8_t ret_key[static WIRE_KEY_SIZE]
)
{
	uint8_t text[TEXT_MAX];
	size_t label_size = strlen(label) + 1; // its NUL is the separator
	size_t size = 4;

	assert(label_size <= LABEL_MAX + 1);
	memcpy(text + size, label, label_size);
	size += label_size;
	memcpy(text + size, context.bytes, context.size);
	size += context.size;
	wire_put32(text + size, WIRE_KEY_SIZE * 8);
	size += 4;
	for (uint32_t i = 0; i < 2; i++) {
		wire_put32(text, i + 1);
		engine_cmac(engine, key, view_of(text, size), ret_key + (size_t)i * 16);
	}
}

void wire_hello_key(
	struct engine *engine,
	const uint8_t client_key[static WIRE_KEY_SIZE],
	const uint8_t client_id[static WIRE_ID_SIZE],
	uint8_t ret_key[static WIRE_KEY_SIZE]
)
{
	derive(engine,
	       client_key,
	       "sealane datagram hello",
	       view_of(client_id, WIRE_ID_SIZE),
	       ret_key);
}

void wire_control_key(
	struct engine *engine,
	const uint8_t client_key[static WIRE_KEY_SIZE],
	const struct wire_names *names,
	uint8_t ret_key[static WIRE_KEY_SIZE]
)
{
	derive(engine,
	       client_key,
	       "sealane datagram control",
	       view_of(names, sizeof(*names)),
	       ret_key);
}

void wire_session_keys(
	struct engine *engine,
	const uint8_t client_key[static WIRE_KEY_SIZE],
	const struct wire_names *names,
	struct wire_session_keys *ret_keys
)
{
	derive(engine,
	       client_key,
	       "sealane datagram data",
	       view_of(names, sizeof(*names)),
	       ret_keys->data);
	wire_control_key(engine, client_key, names, ret_keys->control);
}

void wire_mac_put(
	struct engine *engine,
	const uint8_t key[static WIRE_KEY_SIZE],
	void *datagram,
	size_t size
)
{
	size_t text_size = size - WIRE_MAC_SIZE;

	engine_cmac(engine, key, view_of(datagram, text_size), (uint8_t *)datagram + text_size);
}

bool wire_mac_fits(
	struct engine *engine,
	const uint8_t key[static WIRE_KEY_SIZE],
	const void *datagram,
	size_t size
)
{
	size_t text_size = size - WIRE_MAC_SIZE;
	uint8_t mac[WIRE_MAC_SIZE];

	engine_cmac(engine, key, view_of(datagram, text_size), mac);
	return bytes_equal_ct(mac, (const uint8_t *)datagram + text_size, sizeof(mac));
}
