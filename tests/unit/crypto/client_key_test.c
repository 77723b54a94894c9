#include "crypto/client_key.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID  "id 0192f0c1-7d2a-7c11-9b1e-2f5a6c7d8e9f\n"
#define KEY "key AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

static const struct key_case {
	const char *what;
	const char *text;
	uint32_t line; // of the problem; 0 = fine
} key_cases[] = {
	{"as it is written", "client pump-7\n" ID KEY, 0},
	{"another order, comments, empty lines", "# mine\n" KEY "\n" ID "client pump-7\n", 0},
	{"line ends of DOS", "client pump-7\r\n" ID KEY, 0},
	{"no end of the last line", ID KEY "client pump-7", 0},
	{"nothing", "", 1},
	{"no key", "client pump-7\n" ID, 3},
	{"no id", "client pump-7\n" KEY, 3},
	{"no name", ID KEY, 3},
	{"twice the key", "client pump-7\n" ID KEY KEY, 4},
	{"an empty name", "client \n" ID KEY, 1},
	{"a name with a space", "client pump 7\n" ID KEY, 1},
	{"an id that is none", "client pump-7\nid 0192f0c1\n" KEY, 2},
	{"a key that is too short",
	 "client pump-7\n" ID "key AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n",
	 3},
	{"a key that is no base64",
	 "client pump-7\n" ID "key AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8*\n",
	 3},
	{"another word", "client pump-7\n" ID KEY "port 5000\n", 4},
	{"a word and no value", "client\n" ID KEY, 1},
};

static void files_are_read_strictly(void)
{
	for (size_t i = 0; i < sizeof(key_cases) / sizeof(key_cases[0]); i++) {
		const struct key_case *c = &key_cases[i];
		const char *path = scratch_path("key");
		struct client_key key;
		struct problem problem;
		enum sl_status status;
		bool is_right;

		scratch_write(path, c->text, strlen(c->text));
		(void)!chmod(path, 0600);
		status = client_key_read(path, &key, &problem);
		is_right = c->line == 0
			? status == SL_OK && strcmp(key.name, "pump-7") == 0 && key.id[0] == 1
				&& key.id[15] == 0x9f && key.key[0] == 0 && key.key[31] == 31
			: status == SL_E_SYNTAX && problem.line == c->line;
		if (!is_right)
			printf("%s: status %d, line %u\n", c->what, (int)status, problem.line);
		CHECK(is_right);
		unlink(path);
	}
}

static void what_is_written_is_read(void)
{
	struct client_key key = {.name = "shop-1", .id = {1, 2, 3}, .key = {4, 5, 6}};
	const char *path = scratch_path("written");
	struct client_key got;
	struct problem problem;
	struct stat about;

	CHECK(client_key_write(path, &key, &problem) == SL_OK);
	CHECK(stat(path, &about) == 0 && (about.st_mode & 07777) == 0600);
	CHECK(client_key_read(path, &got, &problem) == SL_OK);
	CHECK(strcmp(got.name, key.name) == 0);
	CHECK(memcmp(got.id, key.id, sizeof(key.id)) == 0);
	CHECK(memcmp(got.key, key.key, sizeof(key.key)) == 0);
	CHECK(client_key_write(path, &key, &problem) == SL_E_EXISTS);
	unlink(path);
}

static void what_is_no_text_is_refused(void)
{
	const char *path = scratch_path("rubbish");
	uint8_t bytes[4096];
	struct client_key key;
	struct problem problem;

	memset(bytes, '#', sizeof(bytes));
	scratch_write(path, bytes, sizeof(bytes));
	(void)!chmod(path, 0600);
	CHECK(client_key_read(path, &key, &problem) == SL_E_SYNTAX);
	scratch_write(path, "client a\0b\n" ID KEY, sizeof("client a\0b\n" ID KEY) - 1);
	CHECK(client_key_read(path, &key, &problem) == SL_E_SYNTAX);
	CHECK(client_key_read(scratch_path("none"), &key, &problem) == SL_E_NOT_FOUND);
	CHECK(client_key_read(scratch_directory(), &key, &problem) != SL_OK);
	unlink(path);
}

static void others_must_not_read_it(void)
{
	const char *path = scratch_path("open");
	struct client_key key;
	struct problem problem;

	scratch_write(path, key_cases[0].text, strlen(key_cases[0].text));
	for (mode_t bit = 1; bit <= 040; bit <<= 1) {
		(void)!chmod(path, 0600 | bit);
		CHECK(client_key_read(path, &key, &problem) == SL_E_DENIED);
		CHECK(strstr(problem.remedy, "chmod 600") != NULL);
	}
	unlink(path);
}

static void names_have_bounds(void)
{
	char name[CLIENT_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[CLIENT_NAME_MAX + 1] = '\0';
	CHECK(!client_name_is_fine(name));
	name[CLIENT_NAME_MAX] = '\0';
	CHECK(client_name_is_fine(name));
	CHECK(!client_name_is_fine(""));
	CHECK(!client_name_is_fine("a\n"));
	CHECK(!client_name_is_fine("\xc3\xa4"));
}

static const struct check_test tests[] = {
	{"files are read strictly", files_are_read_strictly},
	{"what is written is read", what_is_written_is_read},
	{"what is no text is refused", what_is_no_text_is_refused},
	{"others must not read it", others_must_not_read_it},
	{"names have bounds", names_have_bounds},
};

CHECK_MAIN("client key")
