#include "dataplane/runtime/epoch.h"

#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

enum {
	UDP_PAYLOAD_MAX = 65535,
	DEAD_LETTER_USUAL = 512, // bytes of a short one, generously
	BURST_PART = 10          // of a second: events of a rate limit that may come at once
};

static void read_nets(
	const struct plane_image *image,
	const struct plane_stream *row,
	struct admit_rules *rules
)
{
	const struct plane_net *nets = plane_rows(image, row->nets);

	rules->net_count = row->nets.count;
	for (uint32_t n = 0; n < row->nets.count; n++) {
		memcpy(rules->net[n].address.bytes, nets[n].address, sizeof(nets[n].address));
		rules->net[n].prefix = nets[n].prefix;
	}
}

/** Who may send and how fast; each worker gets its part of the rate. */
static void read_admission(struct epoch *e, const struct settings *settings)
{
	const struct plane_stream *rows = plane_streams(e->source.image);

	for (uint32_t s = 0; s < e->stream_count; s++) {
		struct admit_rules *rules = &e->admit[s];

		read_nets(e->source.image, &rows[s], rules);
		if (rows[s].events_per_s == 0)
			continue;
		rules->events_per_s = (rows[s].events_per_s + settings->worker_count - 1)
			/ settings->worker_count;
		rules->burst_events = rules->events_per_s / BURST_PART + BATCH_MAX;
	}
}

/** Event ports in ascending order, and whose they are. */
static void read_ports(struct epoch *e)
{
	const struct plane_stream *rows = plane_streams(e->source.image);
	struct frame_rules *rules = &e->rules;

	rules->port_count = e->stream_count;
	for (uint16_t s = 0; s < e->stream_count; s++) {
		uint32_t at = s;

		for (; at > 0 && rules->port[at - 1] > rows[s].port; at--) {
			rules->port[at] = rules->port[at - 1];
			e->stream_of_port[at] = e->stream_of_port[at - 1];
		}
		rules->port[at] = rows[s].port;
		e->stream_of_port[at] = s;
	}
}

static void read_rules(struct epoch *e, const struct epoch_setup *setup)
{
	const struct settings *settings = setup->settings;

	memcpy(e->rules.mac, setup->port->mac, sizeof(e->rules.mac));
	e->rules.address_count = settings->address_count;
	for (uint32_t a = 0; a < settings->address_count; a++)
		memcpy(e->rules.address[a].bytes, settings->address[a], 16);
	e->rules.may_be_unfinished = settings->port_kind == SETTINGS_PORT_AF_PACKET
		|| settings->port_kind == SETTINGS_PORT_AF_XDP;
	read_ports(e);
	e->rules_checked = e->rules;
	e->rules_checked.has_checked_ip = true;
	e->rules_checked.has_checked_udp = true;
}

static enum sl_status bind_keys(
	struct lane *lane,
	const struct epoch_setup *setup,
	const struct bench *bench,
	struct problem *ret_problem
)
{
	const struct plane_image *image = setup->source.image;
	const struct plane_stream *row = &plane_streams(image)[lane->stream];
	const struct key_claim_options options = {
		.maker = setup->maker,
		.table = setup->source.tables[row->table_fd],
		.engine = bench->engine,
		.hash_key = image->hash_key,
		.purposes = lane->policy->purposes,
		.purpose_count = lane->policy->image->purposes.count,
		.scope = row->scope,
		.window_ms = row->window_ms,
	};
	enum sl_status status = key_claim_new(&options, &lane->claim);

	if (status != SL_OK)
		return problem_set(
			ret_problem,
			status,
			"the keys of a stream do not fit: %s",
			status_text(status)
		);
	lane->turn.keys = key_claim_source(lane->claim);
	return SL_OK;
}

static enum sl_status bind_lane(
	struct epoch *e,
	const struct epoch_setup *setup,
	uint32_t worker,
	uint16_t stream,
	struct problem *ret_problem
)
{
	const struct plane_image *image = setup->source.image;
	const struct plane_stream *row = &plane_streams(image)[stream];
	const struct bench *bench = &setup->benches[worker];
	struct lane *lane = &e->lane[worker][stream];

	lane->stream = stream;
	lane->stream_id = row->id;
	lane->mode = row->mode;
	lane->admit = &e->admit[stream];
	lane->counts =
		&setup->counters->row[worker * (PLANE_STREAMS_MAX + 1) + setup->slots[stream]];
	memcpy(lane->dead_key.link, row->dead_link, sizeof(lane->dead_key.link));
	memcpy(lane->dead_key.field_key, row->dead_key, sizeof(lane->dead_key.field_key));
	SL_TRY(policy_bind(
		(const void *)plane_view_of(image, row->policy).bytes, &lane->policy, ret_problem
	));
	if (lane->policy->image->format != POLICY_JSON)
		return problem_set(
			ret_problem, SL_E_UNSUPPORTED, "a stream's contract must be of format json"
		);
	lane->turn.batch = bench->batch;
	lane->turn.engine = bench->engine;
	lane->turn.json = bench->json;
	lane->turn.policy = lane->policy;
	lane->turn.dead_key = &lane->dead_key;
	return bind_keys(lane, setup, bench, ret_problem);
}

static enum sl_status bind_worker(
	struct epoch *e,
	const struct epoch_setup *setup,
	uint32_t worker,
	struct problem *ret_problem
)
{
	e->lane[worker] = calloc(e->stream_count + 1, sizeof(*e->lane[worker]));
	if (e->lane[worker] == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a policy");
	for (uint16_t s = 0; s < e->stream_count; s++) {
		enum sl_status status = bind_lane(e, setup, worker, s, ret_problem);

		if (status != SL_OK) {
			ret_problem->row = s + 1u;
			return status;
		}
	}
	return SL_OK;
}

enum sl_status epoch_new(
	const struct epoch_setup *setup,
	struct epoch **ret_epoch,
	struct problem *ret_problem
)
{
	const struct plane_stream *rows = plane_streams(setup->source.image);
	struct epoch *e = calloc(1, sizeof(*e));
	enum sl_status status = SL_OK;

	if (e == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a policy");
	e->source = setup->source;
	e->stream_count = setup->source.image->streams.count;
	for (uint32_t s = 0; s < e->stream_count; s++) {
		e->slot[s] = setup->slots[s];
		e->takes_over[s] = setup->takes_over[s];
		if (rows[s].table_fd >= setup->source.table_count)
			status = problem_set(
				ret_problem, SL_E_CORRUPT, "a stream's key table did not come along"
			);
	}
	read_rules(e, setup);
	read_admission(e, setup->settings);
	for (uint32_t w = 0; w < setup->settings->worker_count && status == SL_OK; w++)
		status = bind_worker(e, setup, w, ret_problem);
	if (status != SL_OK) {
		e->source.release = NULL;
		epoch_free(e, setup->settings->worker_count);
		return status;
	}
	*ret_epoch = e;
	return SL_OK;
}

void epoch_free(struct epoch *e, uint32_t worker_count)
{
	if (e == NULL)
		return;
	for (uint32_t w = 0; w < worker_count && e->lane[w] != NULL; w++) {
		for (uint32_t s = 0; s < e->stream_count; s++) {
			key_claim_free(e->lane[w][s].claim);
			policy_unbind(e->lane[w][s].policy);
		}
		bytes_wipe(e->lane[w], e->stream_count * sizeof(*e->lane[w]));
		free(e->lane[w]);
	}
	if (e->source.release != NULL)
		e->source.release(e->source.self);
	free(e);
}

size_t epoch_room_size(const struct lane *lane, const struct settings *settings)
{
	size_t size = turn_out_max(lane->policy, UDP_PAYLOAD_MAX, BATCH_MAX);

	// All parcels together take the longest datagram of the shortest events, or it could never go.
	size += (size_t)UDP_PAYLOAD_MAX / 2 * DEAD_LETTER_USUAL / settings->parcels;
	return size > settings->parcel_bytes ? size : settings->parcel_bytes;
}
