#include "control/cli/command.h"
#include "control/client.h"
#include "control/definitions.h"
#include "crypto/client_key.h"
#include "crypto/secret.h"
#include "crypto/uuid.h"
#include "io/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PATH_ROOM = 4096
};

struct arguments {
	const char *name;
	const char *streams; // a,b
	const char *directory;
};

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{"streams", required_argument, NULL, 's'},
		{"file", required_argument, NULL, 'f'},
		{0},
	};
	int option;

	*a = (struct arguments){0};
	while ((option = getopt_long(argc, argv, "f:", options, NULL)) != -1) {
		if (option == 's')
			a->streams = optarg;
		else if (option == 'f')
			a->directory = optarg;
		else {
			usage_error("create", "", "see `sealane help create`");
			return false;
		}
	}
	if (optind + 1 == argc)
		a->name = argv[optind];
	if (a->name == NULL || a->streams == NULL || a->directory == NULL) {
		usage_error("create", "", "a client has a NAME, --streams STREAM,… and -f DIR");
		return false;
	}
	if (!stream_is_name(view_of_text(a->name))) {
		usage_error(
			"create",
			"",
			"a client's name has letters, digits, dots, - and _, at most %d",
			PLANE_NAME_MAX
		);
		return false;
	}
	return true;
}

/** A new client: a random key, and an id by which clients stay in the order of their making. */
static bool make_client(const char *name, struct client_key *ret_client)
{
	const uint64_t now = (uint64_t)clock_wall_ms();

	snprintf(ret_client->name, sizeof(ret_client->name), "%s", name);
	if (getrandom(ret_client->key, KEY_SIZE, 0) != KEY_SIZE
	    || getrandom(ret_client->id, PLANE_CLIENT_ID_SIZE, 0) != PLANE_CLIENT_ID_SIZE)
		return false;
	for (int i = 0; i < 6; i++)
		ret_client->id[i] = (uint8_t)(now >> (40 - 8 * i));
	ret_client->id[6] = (uint8_t)(0x70 | (ret_client->id[6] & 0x0f));
	ret_client->id[8] = (uint8_t)(0x80 | (ret_client->id[8] & 0x3f));
	return true;
}

/** The client's line of clients.yaml. */
static void write_entry(FILE *out, const struct arguments *a, const struct client_key *client)
{
	char id[UUID_TEXT_SIZE];

	uuid_write(client->id, id);
	fprintf(out,
		"  - {client: %s, id: %.*s, key_file: %s.key, streams: [%s]}\n",
		a->name,
		UUID_TEXT_SIZE,
		id,
		a->name,
		a->streams);
}

/** Would clients.yaml with this line more be good? Then it becomes so. */
static enum sl_status add_entry(
	const struct arguments *a,
	const struct client_key *client,
	const char *file,
	struct problems *problems
)
{
	char part[PATH_ROOM + 16];
	struct problem problem;
	FILE *old = fopen(file, "re");
	FILE *out;
	bool is_good;
	int c = '\n';
	int last = '\n';

	snprintf(part, sizeof(part), "%s.partial", file);
	out = fopen(part, "we");
	if (out != NULL && old == NULL)
		fputs("# Who may send sealed datagrams, and to which streams.\nclients:\n", out);
	while (out != NULL && old != NULL && (c = getc(old)) != EOF) {
		last = c;
		putc(c, out);
	}
	if (out != NULL && last != '\n')
		putc('\n', out);
	if (out != NULL)
		write_entry(out, a, client);
	is_good = out != NULL && !ferror(out) && fflush(out) == 0 && fsync(fileno(out)) == 0;
	if (out != NULL && fclose(out) != 0)
		is_good = false;
	if (old != NULL)
		fclose(old);
	if (is_good && rename(part, file) == 0)
		return SL_OK;
	(void)!problem_set(&problem, status_of_errno(errno), "it can not be written: %m");
	problem_at_file(&problem, file);
	problems_add(problems, &problem);
	unlink(part);
	return problem.status;
}

/** The streams that are named must be there and take sealed datagrams. */
static enum sl_status check_streams(const struct arguments *a, struct problems *problems)
{
	struct definitions *d;
	char *names = strdup(a->streams);
	char *rest = names;
	const char *name;

	if (names == NULL)
		return SL_E_NOMEM;
	if (definitions_load(a->directory, "/", problems, &d) != SL_OK) {
		free(names);
		return SL_E_INVALID;
	}
	while ((name = strsep(&rest, ",")) != NULL) {
		struct problem problem;
		uint32_t row = 0;

		while (row < d->stream_count && strcmp(d->streams[row].name, name) != 0)
			row++;
		if (row < d->stream_count && d->streams[row].mode == PLANE_SEALED)
			continue;
		(void)!problem_set(
			&problem,
			SL_E_NOT_FOUND,
			row < d->stream_count
				? "the stream %s takes plain datagrams, not a client's"
				: "there is no stream %s",
			name
		);
		problem_at_file(&problem, a->directory);
		problem_remedy(&problem, "name a stream whose listen has mode: sealed");
		problems_add(problems, &problem);
	}
	definitions_free(d);
	free(names);
	return problems->error_count == 0 ? SL_OK : SL_E_INVALID;
}

/** Root makes files for the user that the directory belongs to: control's, which could not read root's own. */
static void give_to_owner(const char *directory, const char *file)
{
	struct stat about;

	if (geteuid() != 0 || stat(directory, &about) != 0 || about.st_uid == 0)
		return;
	if (lchown(file, about.st_uid, about.st_gid) != 0)
		fprintf(stderr,
			"sealane: %s stays root's: give it to user %u, or control can not read "
			"it\n",
			file,
			about.st_uid);
}

static enum sl_status create(
	const struct arguments *a,
	struct client_key *client,
	struct problems *problems
)
{
	char key_file[PATH_ROOM];
	char clients_file[PATH_ROOM];
	struct problem problem;
	struct definitions *d = NULL;

	SL_TRY(check_streams(a, problems));
	snprintf(key_file, sizeof(key_file), "%s/%s.key", a->directory, a->name);
	snprintf(clients_file, sizeof(clients_file), "%s/clients.yaml", a->directory);
	if (!make_client(a->name, client)
	    || client_key_write(key_file, client, &problem) != SL_OK) {
		if (problem.status == SL_E_EXISTS)
			problem_remedy(
				&problem,
				"choose another name; for a new key of this client remove the "
				"file, "
				"and its line in clients.yaml"
			);
		problems_add(problems, &problem);
		return problem.status;
	}
	if (add_entry(a, client, clients_file, problems) != SL_OK) {
		unlink(key_file);
		return SL_E_IO;
	}
	give_to_owner(a->directory, key_file);
	give_to_owner(a->directory, clients_file);
	printf("%s: the client's key: give it a copy, and nobody else\n", key_file);
	// A file in another form than ours may not take a line more at its end.
	if (definitions_load(a->directory, "/", problems, &d) != SL_OK) {
		fprintf(stderr,
			"sealane: %s is not whole with the new client's line: correct it by hand\n",
			clients_file);
		return SL_E_INVALID;
	}
	definitions_free(d);
	printf("%s: has it; now: sealane apply -f %s\n", clients_file, a->directory);
	return SL_OK;
}

enum exit_code command_create_client(int argc, char **argv)
{
	struct problems problems = {0};
	struct client_key *client = secret_new(sizeof(*client));
	struct arguments a;
	enum sl_status status = SL_E_NOMEM;

	if (!read_arguments(argc, argv, &a)) {
		secret_free(client, sizeof(*client));
		return EXIT_USAGE;
	}
	if (client != NULL)
		status = create(&a, client, &problems);
	secret_free(client, sizeof(*client));
	problems_print(stderr, &problems);
	problems_done(&problems);
	if (status == SL_OK)
		return EXIT_DONE;
	return status == SL_E_INVALID ? EXIT_DEFINITION : EXIT_ENVIRONMENT;
}
