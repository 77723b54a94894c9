#include "crypto/engine.h"
// Targets: engine_open_fields, engine_seal_fields

#include <stdlib.h>
#include <string.h>

enum {
	SIZE_LIMIT = 4096
};

static const uint8_t key[FIELD_KEY_SIZE] = {1};

static void expect_shut(const struct open_burst *burst, size_t room)
{
	if (burst->is_opened[0] || burst->text_size[0] != 0)
		abort();
	for (size_t i = 0; i < room; i++)
		if (burst->text[0][i] != 0)
			abort();
}

/** Bytes as a sealed field stay shut; bytes as a text come back. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct engine *engine;
	static struct field_path path;
	static struct seal_burst s = {.count = 1};
	static struct open_burst o = {.count = 1};
	static uint8_t sealed[2 * SIZE_LIMIT];
	uint8_t *text = malloc(size + 4); // for the address sanitizer to watch its end
	struct engine_options options = {0};
	struct problem problem;

	if (engine == NULL && engine_new(&options, &engine, &problem) != SL_OK)
		abort();
	if (text == NULL || size > SIZE_LIMIT || !field_path_init(view_of("p", 1), &path)) {
		free(text);
		return 0;
	}
	s.field_key[0] = o.field_key[0] = s.iv_key[0] = key;
	s.path[0] = o.path[0] = &path;
	s.text[0] = view_of(bytes, size);
	s.sealed[0] = sealed;
	o.sealed[0] = view_of(bytes, size);
	o.text[0] = text;
	if (engine_open_fields(engine, &o) != 0)
		abort(); // the key is no secret, but nobody guesses a tag
	expect_shut(&o, field_text_size_max(size));
	engine_seal_fields(engine, &s);
	o.sealed[0] = view_of(sealed, field_sealed_size(size));
	if (engine_open_fields(engine, &o) != 1 || o.text_size[0] != size
	    || (size != 0 && memcmp(text, bytes, size) != 0))
		abort();
	free(text);
	return 0;
}
