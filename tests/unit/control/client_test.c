#include "control/client.h"
#include "tests/support/check.h"
#include "tests/unit/control/definitions_dir.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ID   "018f6f5e-0000-7000-8000-00000000000"
#define KEY  "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define GOOD "client a\nid " ID "1\nkey " KEY "\n"

static char *path_in(const struct definitions_dir *dir, const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", dir->path, name);
	return path;
}

static void write_key(const struct definitions_dir *dir, const char *name, const char *text)
{
	definitions_dir_write(dir, name, text);
	CHECK_EQUAL(chmod(path_in(dir, name), 0600), 0);
}

static struct stream streams[] = {
	{.name = (char[]){"plain"}, .mode = PLANE_PLAIN},
	{.name = (char[]){"one"}, .mode = PLANE_SEALED},
	{.name = (char[]){"two"}, .mode = PLANE_SEALED},
};

static enum sl_status load(
	const struct definitions_dir *dir,
	const char *text,
	struct problems *problems,
	struct clients *ret
)
{
	definitions_dir_write(dir, "clients.yaml", text);
	return clients_load(path_in(dir, "clients.yaml"), dir->path, streams, 3, problems, ret);
}

static void clients_are_ordered_by_id(void)
{
	struct definitions_dir dir = definitions_dir_new();
	struct problems problems = {0};
	struct clients c;

	write_key(&dir, "a.key", "client a\nid " ID "9\nkey " KEY "\n");
	write_key(&dir, "b.key", "client b\nid " ID "1\nkey " KEY "\n");
	CHECK_FATAL(
		load(&dir,
		     "clients:\n"
		     "  - {client: a, key_file: a.key, streams: [one, two]}\n"
		     "  - {client: b, id: " ID "1, key_file: b.key, streams: [two]}\n",
		     &problems,
		     &c)
		== SL_OK
	);
	CHECK_EQUAL(c.count, 2);
	CHECK(strcmp(c.items[c.order[0]].name, "b") == 0);
	CHECK_EQUAL(c.items[c.order[0]].streams, 4);
	CHECK_EQUAL(c.items[c.order[1]].streams, 6);
	clients_done(&c);
	CHECK_EQUAL(
		clients_load(path_in(&dir, "none"), dir.path, streams, 3, &problems, &c), SL_OK
	);
	CHECK_EQUAL(c.count, 0);
	clients_done(&c);
	problems_done(&problems);
	definitions_dir_free(&dir);
}

static void clients_that_can_not_be(void)
{
	static const struct {
		const char *text;
		const char *part;
	} cases[] = {
		{"clients: [{client: a, key_file: a.key, streams: []}]", "no stream"},
		{"clients: [{client: a, key_file: a.key}]", "no stream"},
		{"clients: [{client: a, key_file: a.key, streams: [three]}]", "'three'"},
		{"clients: [{client: a, key_file: a.key, streams: [[one]]}]", "no stream"},
		{"clients: [{client: a, key_file: a.key, streams: [plain]}]", "plain datagrams"},
		{"clients: [{client: b, key_file: a.key, streams: [one]}]", "another client"},
		{"clients: [{client: a, id: " ID "2, key_file: a.key, streams: [one]}]",
		 "another client"},
		{"clients: [{client: a, id: x, key_file: a.key, streams: [one]}]",
		 "another client"},
		{"clients: [{key_file: a.key, streams: [one]}]", "another client"},
		{"clients: [{client: a, key_file: [a.key], streams: [one]}]", "no key_file"},
		{"clients:\n - {client: a, key_file: a.key, streams: [one]}\n"
		 " - {client: a, key_file: a.key, streams: [two]}",
		 "same id"},
		{"clients: 7", "must be a list"},
		{"client: []", "client"},
		{"clients: [7]", "must be a map"},
	};
	struct definitions_dir dir = definitions_dir_new();

	write_key(&dir, "a.key", GOOD);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct problems problems = {0};
		struct clients c;

		CHECK(load(&dir, cases[i].text, &problems, &c) != SL_OK);
		CHECK_FATAL(problems.error_count != 0);
		if (strstr(problems.items[0].what, cases[i].part) == NULL)
			problem_print(stdout, &problems.items[0]);
		CHECK(strstr(problems.items[0].what, cases[i].part) != NULL);
		CHECK(problems.items[0].line != 0);
		problems_done(&problems);
	}
	definitions_dir_free(&dir);
}

static const struct check_test tests[] = {
	{"clients are ordered by id", clients_are_ordered_by_id},
	{"clients that can not be", clients_that_can_not_be},
};

CHECK_MAIN("client")
