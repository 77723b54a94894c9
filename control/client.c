#include "control/client.h"

#include "control/job.h"
#include "control/job_reference.h"
#include "crypto/client_key.h"
#include "crypto/secret.h"
#include "crypto/uuid.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reader {
	const char *directory;
	const struct stream *streams; // [stream_count]
	uint32_t stream_count;
	struct problems *problems;
};

static void read_streams(struct reader *r, const struct yaml_node *node, struct client *client)
{
	const struct yaml_node *list = yaml_map_get(node, "streams");

	if (list == NULL || list->kind != YAML_LIST || list->count == 0) {
		problem_remedy(
			yaml_problem(
				r->problems,
				list != NULL ? list : node,
				SL_E_INVALID,
				"the client may send to no stream"
			),
			"add streams: [NAME]"
		);
		return;
	}
	for (const struct yaml_node *item = list->first; item != NULL; item = item->next) {
		uint32_t row = 0;

		while (row < r->stream_count && !yaml_is_text(item, r->streams[row].name))
			row++;
		if (row == r->stream_count)
			problem_remedy(
				yaml_problem(
					r->problems,
					item,
					SL_E_NOT_FOUND,
					"there is no stream '%.*s'",
					YAML_ARG(item->text)
				),
				"name a stream that has a file in the folder streams"
			);
		else if (r->streams[row].mode != PLANE_SEALED)
			problem_remedy(
				yaml_problem(
					r->problems,
					item,
					SL_E_INVALID,
					"the stream %s takes plain datagrams, not a client's",
					r->streams[row].name
				),
				"write mode: sealed in the stream's listen"
			);
		else
			client->streams |= UINT64_C(1) << row;
	}
}

static enum sl_status load_key(const char *path, struct client *client, struct problem *problem)
{
	struct client_key key;

	SL_TRY(client_key_read(path, &key, problem));
	memcpy(client->name, key.name, sizeof(client->name));
	memcpy(client->id, key.id, sizeof(client->id));
	memcpy(client->key, key.key, sizeof(client->key));
	bytes_wipe(&key, sizeof(key));
	return SL_OK;
}

/** Read the key file and hold it against what clients.yaml says. */
static void read_key(struct reader *r, const struct yaml_node *node, struct client *client)
{
	const struct yaml_node *name = yaml_map_get(node, "client");
	const struct yaml_node *id = yaml_map_get(node, "id");
	const struct yaml_node *file = yaml_map_get(node, "key_file");
	char *text = file != NULL && yaml_is_scalar(file) ? job_text(file) : NULL;
	char *path = text != NULL ? job_resolve(r->directory, text) : NULL;
	struct problem problem;
	uint8_t id_bytes[UUID_SIZE];

	free(text);
	if (path == NULL) {
		problem_remedy(
			yaml_problem(r->problems, node, SL_E_SYNTAX, "the client has no key_file"),
			"make one: sealane create client NAME --streams STREAM -f DIR"
		);
		return;
	}
	if (load_key(path, client, &problem) != SL_OK) {
		problem_remedy(
			yaml_problem(
				r->problems, file, problem.status, "%s: %s", path, problem.what
			),
			"%s",
			problem.remedy
		);
	} else if (name == NULL || !yaml_is_text(name, client->name)
		   || (id != NULL
		       && (id->text.size != UUID_TEXT_SIZE
			   || !uuid_read((const char *)id->text.bytes, id_bytes)
			   || memcmp(id_bytes, client->id, UUID_SIZE) != 0))) {
		problem_remedy(
			yaml_problem(
				r->problems,
				node,
				SL_E_INVALID,
				"the key file is of another client or id than stands here"
			),
			"write client and id as the key file has them: client %s",
			client->name
		);
	}
	free(path);
}

static int compare_ids(const void *a, const void *b, void *items)
{
	const struct client *all = items;

	return memcmp(
		all[*(const uint32_t *)a].id, all[*(const uint32_t *)b].id, PLANE_CLIENT_ID_SIZE
	);
}

/** Order them by id. The rows themselves stay: a sort would leave copies of keys behind. */
static void sort_by_id(struct reader *r, struct clients *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		c->order[i] = i;
	qsort_r(c->order, c->count, sizeof(*c->order), compare_ids, c->items);
	for (uint32_t i = 1; i < c->count; i++)
		if (compare_ids(&c->order[i - 1], &c->order[i], c->items) == 0)
			problem_remedy(
				yaml_problem(
					r->problems,
					c->items[c->order[i]].node,
					SL_E_EXISTS,
					"two clients have the same id"
				),
				"make a key file for each: sealane create client"
			);
}

static void read_all(struct reader *r, const struct yaml_node *root, struct clients *c)
{
	static const char *const root_keys[] = {"clients", NULL};
	static const char *const keys[] = {"client", "id", "key_file", "streams", NULL};
	const struct yaml_node *list = yaml_map_get(root, "clients");

	if (!yaml_expect(root, YAML_MAP, "the file", "start with clients:", r->problems)
	    || !yaml_check_keys(root, root_keys, r->problems) || list == NULL
	    || list->kind == YAML_NULL
	    || !yaml_expect(
		    list,
		    YAML_LIST,
		    "clients",
		    "write - {client: NAME, key_file: FILE, streams: [NAME]}",
		    r->problems
	    ))
		return;
	c->size = (list->count + 1) * sizeof(*c->items);
	c->items = secret_new(c->size);
	c->order = calloc(list->count + 1, sizeof(*c->order));
	if (c->items == NULL || c->order == NULL) {
		yaml_problem(r->problems, list, SL_E_NOMEM, "no memory for the clients");
		return;
	}
	for (const struct yaml_node *node = list->first; node != NULL; node = node->next) {
		struct client *client = &c->items[c->count];

		if (!yaml_expect(node, YAML_MAP, "a client", "write {client: NAME, …}", r->problems)
		    || !yaml_check_keys(node, keys, r->problems))
			continue;
		read_key(r, node, client);
		client->node = node;
		read_streams(r, node, client);
		c->count++;
	}
}

enum sl_status clients_load(
	const char *path,
	const char *directory,
	const struct stream streams[],
	uint32_t stream_count,
	struct problems *problems,
	struct clients *ret_clients
)
{
	const uint32_t errors = problems->error_count;
	struct reader r = {directory, streams, stream_count, problems};
	struct clients clients = {0};

	*ret_clients = clients;
	if (access(path, F_OK) != 0)
		return SL_OK;
	SL_TRY(yaml_load_file(path, problems, &clients.document));
	read_all(&r, yaml_root(clients.document), &clients);
	if (problems->error_count == errors)
		sort_by_id(&r, &clients);
	if (problems->error_count != errors) {
		clients_done(&clients);
		return SL_E_INVALID;
	}
	*ret_clients = clients;
	return SL_OK;
}

void clients_done(struct clients *clients)
{
	secret_free(clients->items, clients->size);
	free(clients->order);
	yaml_unload(clients->document);
	*clients = (struct clients){0};
}
