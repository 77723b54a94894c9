#include "control/stream.h"

#include "control/job_reference.h"
#include "control/quantity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t WINDOW_DEFAULT = 86400000;
static const uint64_t WINDOW_MOST = UINT64_C(3660) * 86400000;
static const uint64_t TABLE_DEFAULT = 1000000;
static const uint64_t TABLE_MOST = UINT64_C(1) << 30;
static const uint64_t RATE_MOST = 1000000000;

static const char *const no_keys[] = {NULL};

/** What a stream's parts are read with. */
struct reader {
	const struct purposes *purposes;
	const char *data_directory;
	struct problems *problems;
	struct stream *stream;
};

static void read_names(struct reader *r, const struct yaml_node *root)
{
	const struct yaml_node *name = yaml_map_get(root, "stream");
	const struct yaml_node *contract = yaml_map_get(root, "contract");

	if (name == NULL || !yaml_is_scalar(name) || !stream_is_name(name->text))
		problem_remedy(
			yaml_problem(
				r->problems,
				name != NULL ? name : root,
				SL_E_INVALID,
				"the stream has no name that can be used"
			),
			"add stream: NAME of letters, digits, dots, - and _, at most %d",
			PLANE_NAME_MAX
		);
	else
		r->stream->name = job_text(name);
	if (contract == NULL || !yaml_is_scalar(contract) || contract->text.size == 0)
		problem_remedy(
			yaml_problem(
				r->problems,
				contract != NULL ? contract : root,
				SL_E_SYNTAX,
				"the stream names no contract"
			),
			"add contract: HANDLE/NAME/VERSION of one in the folder contracts"
		);
	else
		r->stream->contract = job_text(contract);
	r->stream->contract_node = contract;
}

static void read_nets(struct reader *r, const struct yaml_node *from)
{
	struct stream *s = r->stream;

	if (!yaml_expect(from, YAML_LIST, "from", "write from: [10.0.0.0/8]", r->problems))
		return;
	for (const struct yaml_node *node = from->first; node != NULL; node = node->next) {
		struct plane_net *net = &s->nets[s->net_count];

		if (s->net_count == PLANE_NETS_MAX) {
			yaml_problem(
				r->problems,
				node,
				SL_E_TOO_BIG,
				"a stream has at most %d networks",
				PLANE_NETS_MAX
			);
			return;
		}
		if (!yaml_is_scalar(node)
		    || !quantity_network(node->text, net->address, &net->prefix)) {
			problem_remedy(
				yaml_problem(
					r->problems,
					node,
					SL_E_INVALID,
					"'%.*s' is no address or network",
					YAML_ARG(node->text)
				),
				"write 10.0.0.0/8, or \"fd00::/8\" in quotes"
			);
			continue;
		}
		s->net_count++;
	}
	if (from->count == 0)
		problem_remedy(
			yaml_problem(r->problems, from, SL_E_INVALID, "from lets nobody in"),
			"leave it out to take events from everybody"
		);
}

static void read_listen(struct reader *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"port", "mode", "from", "rate", NULL};
	const struct yaml_node *listen = yaml_map_get(root, "listen");
	const struct yaml_node *mode = yaml_map_get(listen, "mode");
	const struct yaml_node *from = yaml_map_get(listen, "from");
	const struct yaml_node *rate = yaml_map_get(listen, "rate");
	struct stream *s = r->stream;
	uint64_t port;

	if (listen == NULL) {
		problem_remedy(
			yaml_problem(r->problems, root, SL_E_SYNTAX, "the stream listens nowhere"),
			"add listen: {port: 7001, mode: sealed}"
		);
		return;
	}
	if (!yaml_expect(listen, YAML_MAP, "listen", "write listen: {port: 7001}", r->problems)
	    || !yaml_check_keys(listen, keys, r->problems))
		return;
	s->port_node = yaml_map_get(listen, "port");
	if (s->port_node == NULL)
		problem_remedy(
			yaml_problem(r->problems, listen, SL_E_SYNTAX, "listen has no port"),
			"add port: 7001"
		);
	else if (quantity_read_number(
			 s->port_node,
			 (struct quantity_range){"a UDP port", 1, UINT16_MAX},
			 r->problems,
			 &port
		 ))
		s->port = (uint16_t)port;
	if (mode == NULL || (!yaml_is_text(mode, "plain") && !yaml_is_text(mode, "sealed")))
		problem_remedy(
			yaml_problem(
				r->problems,
				mode != NULL ? mode : listen,
				SL_E_INVALID,
				"mode is plain or sealed"
			),
			"sealed takes the datagrams of clients that have a key, and acknowledges "
			"them; "
			"plain takes events as they are from anybody who may send"
		);
	else
		s->mode = yaml_is_text(mode, "sealed") ? PLANE_SEALED : PLANE_PLAIN;
	if (from != NULL)
		read_nets(r, from);
	if (rate != NULL)
		(void)quantity_read_number(
			rate,
			(struct quantity_range){"rate, in events a second,", 1, RATE_MOST},
			r->problems,
			&s->events_per_s
		);
}

static void read_keys(struct reader *r, const struct yaml_node *root)
{
	static const char *const names[] = {"window", "table", NULL};
	const struct yaml_node *keys = yaml_map_get(root, "keys");
	const struct yaml_node *window = yaml_map_get(keys, "window");
	const struct yaml_node *table = yaml_map_get(keys, "table");
	struct stream *s = r->stream;

	s->window_ms = WINDOW_DEFAULT;
	s->table_keys = TABLE_DEFAULT;
	if (keys == NULL
	    || !yaml_expect(
		    keys, YAML_MAP, "keys", "write keys: {window: 24h, table: 1000000}", r->problems
	    )
	    || !yaml_check_keys(keys, names, r->problems))
		return;
	if (window != NULL && yaml_is_text(window, "forever"))
		s->window_ms = 0;
	else if (window != NULL)
		(void)quantity_read_ms(
			window,
			(struct quantity_range){"window", 1000, WINDOW_MOST},
			r->problems,
			&s->window_ms
		);
	if (table != NULL)
		(void)quantity_read_number(
			table,
			(struct quantity_range){"table, in keys,", 1024, TABLE_MOST},
			r->problems,
			&s->table_keys
		);
}

static void read_outputs(struct reader *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"sealed", "dead_letters"};
	struct stream *s = r->stream;
	char prefix[PLANE_NAME_MAX + sizeof("-dead")];

	for (int i = STREAM_SEALED; i <= STREAM_DEAD; i++) {
		const struct yaml_node *node = yaml_map_get(root, keys[i]);

		snprintf(
			prefix,
			sizeof(prefix),
			"%s%s",
			s->name != NULL ? s->name : "",
			i == STREAM_DEAD ? "-dead" : ""
		);
		if (node == NULL)
			problem_remedy(
				yaml_problem(
					r->problems,
					root,
					SL_E_SYNTAX,
					"the stream does not say where its %s go",
					i == STREAM_DEAD ? "dead letters" : "sealed events"
				),
				"add %s: {files: DIRECTORY}",
				keys[i]
			);
		else
			(void)stream_read_sink(
				node, prefix, no_keys, r->data_directory, r->problems, &s->sinks[i]
			);
	}
}

static void read_view(struct reader *r, const struct yaml_node *node)
{
	static const char *const keys[] = {"name", "purposes", "consent", "mask", NULL};
	struct stream *s = r->stream;
	struct stream_view *view = &s->views[s->view_count];
	const struct yaml_node *name = yaml_map_get(node, "name");
	char prefix[2 * PLANE_NAME_MAX + 2];

	if (!yaml_expect(
		    node,
		    YAML_MAP,
		    "a derived view",
		    "write {name: NAME, purposes: [NAME], files: DIRECTORY}",
		    r->problems
	    ))
		return;
	if (name == NULL || !yaml_is_scalar(name) || !stream_is_name(name->text)) {
		problem_remedy(
			yaml_problem(
				r->problems,
				name != NULL ? name : node,
				SL_E_INVALID,
				"a derived view has no name that can be used"
			),
			"add name: NAME of letters, digits, dots, - and _, at most %d",
			PLANE_NAME_MAX
		);
		return;
	}
	for (uint32_t i = 0; i < s->view_count; i++)
		if (yaml_is_text(name, s->views[i].name))
			problem_remedy(
				yaml_problem(
					r->problems,
					name,
					SL_E_EXISTS,
					"there is a view %s already",
					s->views[i].name
				),
				"give each derived view a name of its own"
			);
	view->node = node;
	view->name = job_text(name);
	snprintf(
		prefix,
		sizeof(prefix),
		"%s-%s",
		s->name != NULL ? s->name : "",
		view->name != NULL ? view->name : ""
	);
	prefix[PLANE_NAME_MAX] = '\0';
	job_view_read_rules(node, r->purposes, &view->rules, r->problems);
	(void)stream_read_sink(
		node,
		prefix,
		keys,
		r->data_directory,
		r->problems,
		&s->sinks[STREAM_FIRST_VIEW + s->view_count]
	);
	s->view_count++;
}

static void read_views(struct reader *r, const struct yaml_node *root)
{
	const struct yaml_node *list = yaml_map_get(root, "derived");

	if (list == NULL || list->kind == YAML_NULL
	    || !yaml_expect(
		    list,
		    YAML_LIST,
		    "derived",
		    "write it as a list of views: - {name: …}",
		    r->problems
	    ))
		return;
	for (const struct yaml_node *node = list->first; node != NULL; node = node->next) {
		if (r->stream->view_count == VIEWS_MAX) {
			yaml_problem(
				r->problems,
				node,
				SL_E_TOO_BIG,
				"a stream has at most %d derived views",
				VIEWS_MAX
			);
			return;
		}
		read_view(r, node);
	}
}

static void read_stream(struct reader *r, const struct yaml_node *root)
{
	static const char *const keys[] = {
		"stream",
		"about",
		"contract",
		"listen",
		"keys",
		"sealed",
		"dead_letters",
		"derived",
		NULL,
	};

	if (!yaml_expect(root, YAML_MAP, "a stream", "start with stream: NAME", r->problems)
	    || !yaml_check_keys(root, keys, r->problems))
		return;
	read_names(r, root);
	read_listen(r, root);
	read_keys(r, root);
	read_outputs(r, root);
	read_views(r, root);
}

enum sl_status stream_load_file(
	const char *path,
	const struct purposes *purposes,
	const char *data_directory,
	struct problems *problems,
	struct stream *ret_stream
)
{
	const uint32_t errors = problems->error_count;
	struct stream stream = {0};
	struct reader r = {purposes, data_directory, problems, &stream};

	SL_TRY(yaml_load_file(path, problems, &stream.document));
	stream.root = yaml_root(stream.document);
	read_stream(&r, stream.root);
	if (problems->error_count != errors) {
		stream_done(&stream);
		return SL_E_INVALID;
	}
	*ret_stream = stream;
	return SL_OK;
}

void stream_done(struct stream *stream)
{
	for (int i = 0; i < STREAM_SINKS_MAX; i++)
		stream_sink_done(&stream->sinks[i]);
	for (int i = 0; i < VIEWS_MAX; i++) {
		free(stream->views[i].name);
		job_view_done(&stream->views[i].rules);
	}
	free(stream->name);
	free(stream->contract);
	yaml_unload(stream->document);
	*stream = (struct stream){0};
}
