#include "control/definitions.h"
#include "control/plane_compile.h"
#include "tests/support/check.h"
#include "tests/unit/control/definitions_dir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static void a_directory_is_read(void)
{
	struct definitions_dir dir = definitions_dir_new();
	struct problems problems = {0};
	struct definitions *d = NULL;
	const struct stream *s;

	CHECK_EQUAL(definitions_load(dir.path, "/data", &problems, &d), SL_OK);
	problems_print(stdout, &problems);
	CHECK_FATAL(d != NULL);
	CHECK_EQUAL(d->stream_count, 2);
	CHECK_EQUAL(d->contract_count, 1);
	s = &d->streams[0];
	CHECK(strcmp(s->name, "orders") == 0);
	CHECK_EQUAL(s->port, 7001);
	CHECK_EQUAL(s->mode, PLANE_PLAIN);
	CHECK_EQUAL(s->net_count, 2);
	CHECK_EQUAL(s->nets[0].prefix, 104);
	CHECK_EQUAL(s->events_per_s, 5000);
	CHECK_EQUAL(s->window_ms, 3600000);
	CHECK_EQUAL(s->table_keys, 2048);
	CHECK_EQUAL(s->view_count, 2);
	CHECK_EQUAL(s->sinks[STREAM_SEALED].kind, PLANE_SINK_FILES);
	CHECK(strcmp(s->sinks[STREAM_SEALED].directory, "/data/out") == 0);
	CHECK(strcmp(s->sinks[STREAM_SEALED].prefix, "orders") == 0);
	CHECK(strcmp(s->sinks[STREAM_SEALED].spool, "/data/spool") == 0);
	CHECK_EQUAL(s->sinks[STREAM_SEALED].roll_bytes, 1 << 20);
	CHECK_EQUAL(s->sinks[STREAM_SEALED].roll_ms, 10000);
	CHECK_EQUAL(s->sinks[STREAM_SEALED].spool_bytes_max, 2 << 20);
	CHECK(s->sinks[STREAM_SEALED].is_zstd && s->sinks[STREAM_SEALED].is_unsynced);
	CHECK_EQUAL(s->sinks[STREAM_DEAD].kind, PLANE_SINK_NULL);
	CHECK(strcmp(s->sinks[STREAM_FIRST_VIEW].prefix, "orders-all") == 0);
	CHECK(s->views[0].rules.is_cumulative);
	CHECK_EQUAL(s->views[0].rules.purposes, 6);
	CHECK_EQUAL(s->views[1].rules.mask_count, 2);
	s = &d->streams[1];
	CHECK_EQUAL(s->mode, PLANE_SEALED);
	CHECK_EQUAL(s->window_ms, 0);
	CHECK_EQUAL(s->table_keys, 1000000);
	CHECK(strcmp(s->sinks[STREAM_SEALED].directory, "/abs/visits") == 0);
	CHECK(strcmp(s->sinks[STREAM_SEALED].prefix, "v") == 0);
	CHECK(!s->sinks[STREAM_SEALED].is_zstd && !s->sinks[STREAM_SEALED].is_unsynced);
	CHECK_EQUAL(s->sinks[STREAM_SEALED].roll_bytes, 256 << 20);
	CHECK(strcmp(s->sinks[STREAM_DEAD].prefix, "visits-dead") == 0);
	definitions_free(d);
	problems_done(&problems);
	definitions_dir_free(&dir);
}

#define HEAD "stream: x\ncontract: acme/order/1.0.0\n"
#define PORT "listen: {port: 9, mode: plain}\n"
#define OUT  "sealed: {null: true}\ndead_letters: {null: true}\n"

static const struct fault {
	const char *file;
	const char *text;
	uint32_t line;
	const char *part; // of the first problem's words
} faults[] = {
	{"streams/3.yaml", "", 1, "a stream must be a map"},
	{"streams/3.yaml", "- a\n", 1, "a stream must be a map"},
	{"streams/3.yaml", HEAD PORT OUT "sealde: {}\n", 6, "sealde"},
	{"streams/3.yaml", "contract: acme/order/1.0.0\n" PORT OUT, 1, "no name"},
	{"streams/3.yaml", "stream: a b\ncontract: c/c/1\n" PORT OUT, 1, "no name"},
	{"streams/3.yaml", "stream: .x\ncontract: c/c/1\n" PORT OUT, 1, "no name"},
	{"streams/3.yaml", "stream: a/b\ncontract: c/c/1\n" PORT OUT, 1, "no name"},
	{"streams/3.yaml", "stream: x\n" PORT OUT, 1, "names no contract"},
	{"streams/3.yaml", "stream: x\ncontract: a/b/1.0.0\n" PORT OUT, 2, "no contract a/b"},
	{"streams/3.yaml", HEAD OUT, 1, "listens nowhere"},
	{"streams/3.yaml", HEAD OUT "listen: 7\n", 5, "listen must be a map"},
	{"streams/3.yaml", HEAD OUT "listen: {mode: plain}\n", 5, "no port"},
	{"streams/3.yaml", HEAD OUT "listen: {port: 0, mode: plain}\n", 5, "1 to 65535"},
	{"streams/3.yaml", HEAD OUT "listen: {port: 65536, mode: plain}\n", 5, "1 to 65535"},
	{"streams/3.yaml", HEAD OUT "listen: {port: 9}\n", 5, "plain or sealed"},
	{"streams/3.yaml", HEAD OUT "listen: {port: 9, mode: open}\n", 5, "plain or sealed"},
	{"streams/3.yaml", HEAD OUT "listen: {port: 9, mode: plain, from: []}\n", 5, "nobody"},
	{"streams/3.yaml",
	 HEAD OUT "listen: {port: 9, mode: plain, from: [10.0.0.0/40]}\n",
	 5,
	 "no address or network"},
	{"streams/3.yaml",
	 HEAD OUT "listen: {port: 9, mode: plain, from: 10.0.0.0/8}\n",
	 5,
	 "must be a list"},
	{"streams/3.yaml", HEAD OUT "listen: {port: 9, mode: plain, rate: 0}\n", 5, "rate"},
	{"streams/3.yaml", HEAD OUT "listen: {port: 7001, mode: plain}\n", 5, "7001 already"},
	{"streams/3.yaml", HEAD PORT OUT "keys: {window: 24}\n", 6, "window"},
	{"streams/3.yaml", HEAD PORT OUT "keys: {window: 10ms}\n", 6, "window"},
	{"streams/3.yaml", HEAD PORT OUT "keys: {table: 3}\n", 6, "table"},
	{"streams/3.yaml", HEAD PORT OUT "keys: {size: 3}\n", 6, "size"},
	{"streams/3.yaml", HEAD PORT "sealed: {null: true}\n", 1, "dead letters go"},
	{"streams/3.yaml", HEAD PORT "dead_letters: {null: true}\n", 1, "sealed events go"},
	{"streams/3.yaml", HEAD PORT OUT "derived: 7\n", 6, "must be a list"},
	{"streams/3.yaml", HEAD PORT OUT "derived:\n - {null: true}\n", 7, "no name"},
	{"streams/3.yaml",
	 HEAD PORT OUT "derived:\n - {name: a, null: true}\n",
	 7,
	 "opens no purpose"},
	{"streams/3.yaml",
	 HEAD PORT OUT "derived:\n - {name: a, purposes: [spying], null: true}\n",
	 7,
	 "spying"},
	{"streams/3.yaml",
	 HEAD PORT OUT "derived:\n - {name: a, purposes: [1]}\n",
	 7,
	 "files or null"},
	{"streams/3.yaml",
	 HEAD PORT OUT "derived:\n - {name: a, purposes: [1], null: true}\n"
		       " - {name: a, purposes: [1], null: true}\n",
	 8,
	 "a view a already"},
	{"streams/3.yaml",
	 HEAD PORT OUT "derived:\n - {name: a, purposes: [1], mask: {user: md5}, null: true}\n",
	 7,
	 "hmac or murmur3"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: a, null: true}\n",
	 5,
	 "files or null"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {null: false}\n",
	 5,
	 "files or null"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: }\n",
	 5,
	 "directory's name"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: [a]}\n",
	 5,
	 "directory's name"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: a, prefix: a/b}\n",
	 5,
	 "prefix"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: a, compress: gzip}\n",
	 5,
	 "none or zstd"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: a, sync: maybe}\n",
	 5,
	 "always or never"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: a, roll: {size: 1}}\n",
	 5,
	 "roll size"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: a, roll: {every: 1}}\n",
	 5,
	 "roll every"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: a, spool: {size: 1 GiB}}\n",
	 5,
	 "spool's directory"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: a, spool: {directory: spool}}\n",
	 5,
	 "same files or spool"},
	{"streams/3.yaml",
	 HEAD PORT "sealed: {files: a}\ndead_letters: {files: a, prefix: x}\n",
	 5,
	 "same files or spool"},
	{"streams/3.yaml",
	 HEAD PORT "dead_letters: {null: true}\nsealed: {files: /data/out, prefix: orders}\n",
	 5,
	 "same files or spool"},
	{"streams/3.yaml", "stream: orders\ncontract: acme/order/1.0.0\n" PORT OUT, 1, "already"},
	{"contracts/2.yaml", "contract: x\n", 1, "x"},
	{"purposes.yaml", "purposes: {99: a}\n", 1, "99"},
	{"clients.yaml", "- a\n", 1, "must be a map"},
	{"clients.yaml", "clients: [{client: a, streams: [visits]}]\n", 1, "no key_file"},
	{"clients.yaml",
	 "clients: [{client: a, key_file: no.key, streams: [visits]}]\n",
	 1,
	 "can not be opened"},
	{"clients.yaml", "clients: [{name: a}]\n", 1, "name"},
};

static void faults_are_told_with_place_and_remedy(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct definitions_dir dir = definitions_dir_new();
		struct problems problems = {0};
		struct definitions *d = NULL;
		const struct problem *first;

		definitions_dir_write(&dir, faults[i].file, faults[i].text);
		CHECK(definitions_load(dir.path, "/data", &problems, &d) != SL_OK);
		CHECK(d == NULL);
		CHECK_FATAL(problems.error_count != 0);
		first = first_error(&problems);
		if (strstr(first->what, faults[i].part) == NULL || first->line != faults[i].line)
			problem_print(stdout, first);
		CHECK(strstr(first->what, faults[i].part) != NULL);
		CHECK_EQUAL(first->line, faults[i].line);
		CHECK(strstr(first->file, faults[i].file) != NULL);
		problems_done(&problems);
		definitions_dir_free(&dir);
	}
}

static void all_problems_are_told_at_once(void)
{
	struct definitions_dir dir = definitions_dir_new();
	struct problems problems = {0};
	struct definitions *d = NULL;

	definitions_dir_write(&dir, "streams/3.yaml", "stream: x\n");
	definitions_dir_write(&dir, "streams/4.yaml", "stream: y\n");
	definitions_dir_write(&dir, "contracts/2.yaml", "contract: z\n");
	CHECK(definitions_load(dir.path, "/data", &problems, &d) != SL_OK);
	// Four of each stream, and what the contract lacks.
	CHECK(problems.error_count > 8);
	problems_done(&problems);
	definitions_dir_free(&dir);
}

static void contracts_must_be_active_and_json(void)
{
	static const char *const changes[] = {"draft\n", "active\nformat: csv\n"};
	static const char *const parts[] = {"draft", "CSV"};

	for (int i = 0; i < 2; i++) {
		struct definitions_dir dir = definitions_dir_new();
		struct problems problems = {0};
		struct definitions *d = NULL;
		char text[sizeof(dir_contract) + 100];

		snprintf(
			text,
			sizeof(text),
			"contract: acme/order/1.0.0\nstate: %skey: user\n"
			"fields: {user: {type: string, personal: 1}}\n",
			changes[i]
		);
		definitions_dir_write(&dir, "contracts/order.yaml", text);
		CHECK(definitions_load(dir.path, "/data", &problems, &d) != SL_OK);
		CHECK_FATAL(problems.error_count == 2);
		CHECK(strstr(first_error(&problems)->what, parts[i]) != NULL);
		CHECK(strstr(first_error(&problems)->file, "1-orders.yaml") != NULL);
		problems_done(&problems);
		definitions_dir_free(&dir);
	}
}

static void directories_that_are_none(void)
{
	struct definitions_dir dir = definitions_dir_new();
	struct problems problems = {0};
	struct definitions *d = NULL;
	char path[300];

	CHECK(definitions_load("/nowhere", "/data", &problems, &d) != SL_OK);
	CHECK(problems.error_count != 0);
	problems_done(&problems);
	problems = (struct problems){0};
	for (int i = 0; i < 2; i++) {
		snprintf(
			path,
			sizeof(path),
			"%s/streams/%s",
			dir.path,
			i == 0 ? "1-orders.yaml" : "2-visits.yml"
		);
		CHECK_EQUAL(unlink(path), 0);
	}
	CHECK(definitions_load(dir.path, "/data", &problems, &d) != SL_OK);
	CHECK_FATAL(problems.error_count == 1);
	CHECK(strstr(first_error(&problems)->what, "no stream") != NULL);
	problems_done(&problems);
	definitions_dir_free(&dir);
}

static void streams_are_bounded(void)
{
	struct definitions_dir dir = definitions_dir_new();
	struct problems problems = {0};
	struct definitions *d = NULL;

	for (int i = 2; i <= PLANE_STREAMS_MAX; i++) {
		char name[40];
		char text[300];

		snprintf(name, sizeof(name), "streams/s%02d.yaml", i);
		snprintf(
			text,
			sizeof(text),
			"stream: s%d\ncontract: acme/order/1.0.0\n"
			"listen: {port: %d, mode: plain}\n" OUT,
			i,
			8000 + i
		);
		if (i < PLANE_STREAMS_MAX) {
			definitions_dir_write(&dir, name, text);
			continue;
		}
		CHECK_EQUAL(definitions_load(dir.path, "/data", &problems, &d), SL_OK);
		CHECK_FATAL(d != NULL);
		CHECK_EQUAL(d->stream_count, PLANE_STREAMS_MAX);
		definitions_free(d);
		d = NULL;
		definitions_dir_write(&dir, name, text);
		CHECK(definitions_load(dir.path, "/data", &problems, &d) != SL_OK);
		CHECK(strstr(first_error(&problems)->what, "more than 64") != NULL);
	}
	problems_done(&problems);
	definitions_dir_free(&dir);
}

static void what_is_no_file_is_refused(void)
{
	static const char *const names[] = {
		"purposes.yaml", "contracts/pipe.yaml", "streams/pipe.yaml", "clients.yaml"};
	char path[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct definitions_dir dir = definitions_dir_new();
		struct problems problems = {0};
		struct definitions *d = NULL;

		snprintf(path, sizeof(path), "%s/%s", dir.path, names[i]);
		unlink(path);
		CHECK_FATAL(mkfifo(path, 0600) == 0);
		alarm(20); // a pipe that nobody writes to would be waited for
		CHECK(definitions_load(dir.path, "/data", &problems, &d) != SL_OK);
		alarm(0);
		CHECK(strstr(first_error(&problems)->what, "no regular file") != NULL);
		CHECK(strcmp(first_error(&problems)->file, path) == 0);
		problems_done(&problems);
		definitions_dir_free(&dir);
	}
}

enum {
	FIRST_PORT = 10000,
	SECOND_PORT = 30000,
	LOADS = 400
};

struct editor {
	const struct definitions_dir *dir;
	atomic_bool is_over;
};

/** A file is replaced in one go, as a good editor does it. */
static void replace(const struct definitions_dir *dir, const char *name, int port)
{
	char text[300];
	char from[300];
	char to[300];

	snprintf(
		text,
		sizeof(text),
		"stream: s%d\ncontract: acme/order/1.0.0\nlisten: {port: %d, mode: plain}\n" OUT,
		port >= SECOND_PORT,
		port
	);
	definitions_dir_write(dir, "new", text);
	snprintf(from, sizeof(from), "%s/new", dir->path);
	snprintf(to, sizeof(to), "%s/streams/%s", dir->path, name);
	if (rename(from, to) != 0)
		abort();
}

/** Both streams get the next port, the first one first, again and again. */
static void *edit(void *arg)
{
	const struct timespec pause = {.tv_nsec = 300000};
	struct editor *e = arg;

	for (int n = 1; !atomic_load(&e->is_over) && FIRST_PORT + n < SECOND_PORT; n++) {
		replace(e->dir, "1-orders.yaml", FIRST_PORT + n);
		replace(e->dir, "2-visits.yml", SECOND_PORT + n);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void a_directory_that_changes_is_read_as_it_was_at_one_moment(void)
{
	struct definitions_dir dir = definitions_dir_new();
	struct editor e = {.dir = &dir};
	pthread_t thread;
	size_t good = 0;
	size_t mixed = 0;

	replace(&dir, "1-orders.yaml", FIRST_PORT);
	replace(&dir, "2-visits.yml", SECOND_PORT);
	CHECK_FATAL(pthread_create(&thread, NULL, edit, &e) == 0);
	for (int i = 0; i < LOADS; i++) {
		struct problems problems = {0};
		struct definitions *d = NULL;

		if (definitions_load(dir.path, "/data", &problems, &d) == SL_OK) {
			int ahead = (d->streams[0].port - FIRST_PORT)
				- (d->streams[1].port - SECOND_PORT);

			good++;
			mixed += ahead != 0 && ahead != 1;
			definitions_free(d);
		}
		problems_done(&problems);
	}
	atomic_store(&e.is_over, true);
	pthread_join(thread, NULL);
	CHECK(good > 0);
	CHECK_EQUAL(mixed, 0);
	definitions_dir_free(&dir);
}

static const struct check_test tests[] = {
	{"a directory is read", a_directory_is_read},
	{"faults are told with place and remedy", faults_are_told_with_place_and_remedy},
	{"all problems are told at once", all_problems_are_told_at_once},
	{"contracts must be active and JSON", contracts_must_be_active_and_json},
	{"directories that are none", directories_that_are_none},
	{"streams are bounded", streams_are_bounded},
	{"what is no file is refused", what_is_no_file_is_refused},
	{"a directory that changes is read as it was at one moment",
	 a_directory_that_changes_is_read_as_it_was_at_one_moment},
};

CHECK_MAIN("definitions")
