#include "crypto/engine.h"
#include "crypto/tink.h"
#include "tests/support/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Seals and opens single fields by lines on its standard input, for programs that compare us with other
// implementations. Keys, texts and paths are hexadecimal; "-" is the empty text.
//
//	seal KEY KEYID PATH TEXT IVKEY|random    -> base64
//	open KEY KEYID PATH BASE64               -> hexadecimal text, or "refused"
//	keyset KEY KEYID                         -> keyset JSON
//	import JSON                              -> KEYID KEY of each key, or "refused"

enum {
	LINE_SIZE_MAX = 4 * FIELD_TEXT_MAX,
	ARGUMENTS_MAX = 6
};

static struct engine *engine;
static struct seal_burst seal_burst;
static struct open_burst open_burst;
static struct field_path path;
static uint8_t key[FIELD_KEY_SIZE];
static uint8_t iv_key[FIELD_KEY_SIZE];
static uint8_t text[FIELD_TEXT_MAX + 3];
static uint8_t sealed[2 * FIELD_TEXT_MAX];

static size_t read_argument(const char *argument, uint8_t *bytes, size_t capacity)
{
	return strcmp(argument, "-") == 0 ? 0 : hex_read(argument, bytes, capacity);
}

static void print_hex(const uint8_t *bytes, size_t size)
{
	if (size == 0)
		putchar('-');
	for (size_t i = 0; i < size; i++)
		printf("%02x", bytes[i]);
}

static void read_path(const char *argument)
{
	uint8_t bytes[FIELD_PATH_MAX];

	if (!field_path_init(view_of(bytes, read_argument(argument, bytes, sizeof(bytes))), &path))
		abort();
}

static void seal_field(char **argument)
{
	hex_read(argument[1], key, sizeof(key));
	read_path(argument[3]);
	seal_burst.count = 1;
	seal_burst.field_key[0] = key;
	seal_burst.iv_key[0] = NULL;
	seal_burst.path[0] = &path;
	seal_burst.key_id[0] = (uint32_t)strtoul(argument[2], NULL, 10);
	seal_burst.text[0] = view_of(text, read_argument(argument[4], text, FIELD_TEXT_MAX));
	seal_burst.sealed[0] = sealed;
	if (strcmp(argument[5], "random") != 0) {
		hex_read(argument[5], iv_key, sizeof(iv_key));
		seal_burst.iv_key[0] = iv_key;
	}
	engine_seal_fields(engine, &seal_burst);
	printf("%.*s\n", (int)field_sealed_size(seal_burst.text[0].size), (char *)sealed);
}

static void open_field(char **argument)
{
	hex_read(argument[1], key, sizeof(key));
	read_path(argument[3]);
	open_burst.count = 1;
	open_burst.field_key[0] = key;
	open_burst.path[0] = &path;
	open_burst.key_id[0] = (uint32_t)strtoul(argument[2], NULL, 10);
	open_burst.sealed[0] = view_of_text(argument[4]);
	open_burst.text[0] = text;
	if (engine_open_fields(engine, &open_burst) == 1)
		print_hex(text, open_burst.text_size[0]);
	else
		fputs("refused", stdout);
	putchar('\n');
}

static void write_keyset(char **argument)
{
	uint8_t json[TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD];
	struct tink_key one = {.id = (uint32_t)strtoul(argument[2], NULL, 10)};

	hex_read(argument[1], one.key, sizeof(one.key));
	printf("%.*s\n", (int)tink_keyset_write(&one, 1, json), (char *)json);
}

static void read_keyset(const char *json)
{
	struct tink_key keys[TINK_KEYS_MAX];
	struct problem problem;
	size_t count;

	if (tink_keyset_read(view_of_text(json), keys, &count, &problem) != SL_OK) {
		printf("refused: %s\n", problem.what);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		printf("%s%u ", i == 0 ? "" : " ", keys[i].id);
		print_hex(keys[i].key, sizeof(keys[i].key));
	}
	putchar('\n');
}

/** Returns false when the line is no command. */
static bool obey(char *line)
{
	char *argument[ARGUMENTS_MAX] = {0};
	size_t count = 0;

	if (strncmp(line, "import ", 7) == 0) {
		read_keyset(line + 7);
		return true;
	}
	for (char *word = strtok(line, " "); word != NULL && count < ARGUMENTS_MAX;
	     word = strtok(NULL, " "))
		argument[count++] = word;
	if (count == 6 && strcmp(argument[0], "seal") == 0)
		seal_field(argument);
	else if (count == 5 && strcmp(argument[0], "open") == 0)
		open_field(argument);
	else if (count == 3 && strcmp(argument[0], "keyset") == 0)
		write_keyset(argument);
	else
		return false;
	return true;
}

int main(void)
{
	static char line[LINE_SIZE_MAX];
	struct engine_options options = {0};
	struct problem problem;

	if (engine_new(&options, &engine, &problem) != SL_OK) {
		problem_print(stderr, &problem);
		return EXIT_FAILURE;
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (!obey(line)) {
			fprintf(stderr, "field_tool: no such command\n");
			return EXIT_FAILURE;
		}
		fflush(stdout);
	}
	engine_free(engine);
	return EXIT_SUCCESS;
}
