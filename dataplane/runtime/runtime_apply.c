#include "dataplane/runtime/runtime_inner.h"
#include "io/base/clock.h"

#include <rte_rcu_qsbr.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	WAIT_NS = 50 * 1000 // between looks at the workers
};

/** Row of the counters for each stream: the one it had before, else one that nobody has. */
static enum sl_status choose_slots(
	struct runtime *r,
	const struct plane_image *image,
	uint8_t ret_slots[],
	bool ret_takes_over[],
	struct problem *ret_problem
)
{
	static const uint8_t nobody[16];
	const struct plane_stream *rows = plane_streams(image);
	uint64_t taken = 0;

	for (uint32_t s = 0; s < image->streams.count; s++) {
		ret_slots[s] = PLANE_STREAMS_MAX;
		ret_takes_over[s] = false;
		for (uint8_t n = 0; n < PLANE_STREAMS_MAX; n++)
			if (memcmp(r->counters->stream_id[n], rows[s].id, 16) == 0)
				ret_slots[s] = n;
		if (ret_slots[s] != PLANE_STREAMS_MAX)
			taken |= (uint64_t)1 << ret_slots[s];
	}
	// Rows of nobody first, then rows of streams that are gone.
	for (uint32_t pass = 0; pass < 2; pass++)
		for (uint32_t s = 0; s < image->streams.count; s++)
			for (uint8_t n = 0;
			     n < PLANE_STREAMS_MAX && ret_slots[s] == PLANE_STREAMS_MAX;
			     n++) {
				const uint64_t bit = (uint64_t)1 << n;
				bool is_free = pass == 1
					|| memcmp(r->counters->stream_id[n], nobody, 16) == 0;

				if ((taken & bit) != 0 || !is_free)
					continue;
				ret_slots[s] = n;
				ret_takes_over[s] = pass == 1;
				taken |= bit;
			}
	for (uint32_t s = 0; s < image->streams.count; s++)
		if (ret_slots[s] == PLANE_STREAMS_MAX)
			return problem_set(ret_problem, SL_E_TOO_BIG, "more streams than counters");
	return SL_OK;
}

static void name_slots(struct runtime *r, const struct epoch *e)
{
	const struct plane_stream *rows = plane_streams(e->source.image);

	for (uint32_t s = 0; s < e->stream_count; s++)
		memcpy(r->counters->stream_id[e->slot[s]], rows[s].id, 16);
}

static struct pool_entry *find_pool(
	struct runtime *r,
	uint32_t worker,
	const uint8_t stream_id[static 16],
	uint32_t room_count,
	size_t room_size
)
{
	for (struct pool_entry *entry = r->pools; entry != NULL; entry = entry->next)
		if (entry->pool->worker == worker && entry->pool->room_count == room_count
		    && entry->pool->room_size >= room_size
		    && memcmp(entry->stream_id, stream_id, 16) == 0)
			return entry;
	return NULL;
}

static enum sl_status give_pool(
	struct runtime *r,
	struct lane *lane,
	uint32_t worker,
	const uint8_t stream_id[static 16],
	struct problem *ret_problem
)
{
	uint32_t room_count = PARCEL_VIEW + lane->policy->image->views.count;
	size_t room_size = epoch_room_size(lane, &r->settings);
	struct pool_entry *entry = find_pool(r, worker, stream_id, room_count, room_size);

	if (entry == NULL) {
		entry = calloc(1, sizeof(*entry));
		if (entry == NULL
		    || parcel_pool_new(
			       worker, r->settings.parcels, room_count, room_size, &entry->pool
		       ) != SL_OK) {
			free(entry);
			return problem_set(ret_problem, SL_E_NOMEM, "no memory for parcels");
		}
		memcpy(entry->stream_id, stream_id, sizeof(entry->stream_id));
		entry->next = r->pools;
		r->pools = entry;
	}
	lane->pool = entry->pool;
	return SL_OK;
}

/** The outlet of the epoch in force that suits a stream of a new image. NULL = none */
static struct outlet *suitable_outlet(
	const struct epoch *before,
	const struct plane_image *image,
	uint32_t stream
)
{
	for (uint32_t s = 0; before != NULL && s < before->stream_count; s++)
		if (memcmp(plane_streams(before->source.image)[s].id,
			   plane_streams(image)[stream].id,
			   16)
		    == 0)
			return outlet_fits(before->outlet[s], image, stream) ? before->outlet[s]
									     : NULL;
	return NULL;
}

/**
 * Outlets to a new epoch. Only one with other sinks than before needs the egress thread, which may be at the disk now:
 * what the rest is compared by never changes.
 */
static enum sl_status give_outlets(struct runtime *r, struct epoch *e, struct problem *ret_problem)
{
	bool has_all = true;

	for (uint32_t s = 0; s < e->stream_count; s++) {
		e->outlet[s] = suitable_outlet(r->epoch, e->source.image, s);
		has_all &= e->outlet[s] != NULL;
	}
	if (has_all)
		return SL_OK;
	return egress_prepare(
		r->egress,
		e->source.image,
		&(struct egress_rows){r->counters->sink, e->slot, e->takes_over},
		e->outlet,
		ret_problem
	);
}

/** Outlets that one has and the other has not are let go. @param kept NULL = none */
static void retire_outlets(struct runtime *r, const struct epoch *gone, const struct epoch *kept)
{
	uint32_t kept_count = kept != NULL ? kept->stream_count : 0;

	for (uint32_t g = 0; gone != NULL && g < gone->stream_count; g++) {
		bool is_kept = gone->outlet[g] == NULL;

		for (uint32_t k = 0; k < kept_count; k++)
			is_kept |= kept->outlet[k] == gone->outlet[g];
		if (is_kept)
			continue;
		egress_retire_others(
			r->egress, kept != NULL ? kept->outlet : gone->outlet, kept_count
		);
		return;
	}
}

/** Outlets and parcels to the lanes of a new epoch. */
static enum sl_status equip(struct runtime *r, struct epoch *e, struct problem *ret_problem)
{
	const struct plane_stream *rows = plane_streams(e->source.image);

	for (uint32_t w = 0; w < r->settings.worker_count; w++)
		for (uint32_t s = 0; s < e->stream_count; s++)
			SL_TRY(give_pool(r, &e->lane[w][s], w, rows[s].id, ret_problem));
	SL_TRY(give_outlets(r, e, ret_problem));
	for (uint32_t w = 0; w < r->settings.worker_count; w++)
		for (uint32_t s = 0; s < e->stream_count; s++)
			e->lane[w][s].outlet = e->outlet[s];
	return SL_OK;
}

static void wait_for_workers(struct runtime *r)
{
	const struct timespec pause = {.tv_nsec = WAIT_NS};

	// Once: every worker has ended a round after the new policy was there. Twice: and has begun one, with it.
	for (uint32_t n = 0; n < 2; n++) {
		uint64_t token = rte_rcu_qsbr_start(r->qsbr);

		while (rte_rcu_qsbr_check(r->qsbr, token, false) == 0)
			(void)nanosleep(&pause, NULL);
	}
}

static void mark_pools(struct runtime *r)
{
	for (struct pool_entry *entry = r->pools; entry != NULL; entry = entry->next) {
		entry->is_used = false;
		for (uint32_t w = 0; r->epoch != NULL && w < r->settings.worker_count; w++)
			for (uint32_t s = 0; s < r->epoch->stream_count; s++)
				entry->is_used |= r->epoch->lane[w][s].pool == entry->pool;
	}
}

void runtime_tidy(struct runtime *r)
{
	struct pool_entry **at = &r->pools;

	while (*at != NULL) {
		struct pool_entry *entry = *at;

		if (entry->is_used || !parcel_pool_is_home(entry->pool)) {
			at = &entry->next;
			continue;
		}
		*at = entry->next;
		parcel_pool_free(entry->pool);
		free(entry);
	}
}

static enum sl_status make_epoch(
	struct runtime *r,
	const struct epoch_source *source,
	struct epoch **ret_epoch,
	struct problem *ret_problem
)
{
	uint8_t slots[PLANE_STREAMS_MAX];
	bool takes_over[PLANE_STREAMS_MAX];
	struct epoch_setup setup = {
		.settings = &r->settings,
		.port = &r->port,
		.source = *source,
		.maker = r->maker,
		.counters = r->counters,
		.benches = r->bench,
		.slots = slots,
		.takes_over = takes_over,
	};
	enum sl_status status;

	SL_TRY(choose_slots(r, source->image, slots, takes_over, ret_problem));
	SL_TRY(epoch_new(&setup, ret_epoch, ret_problem));
	if (r->kernel_rows != NULL)
		status = kernel_rows_listen(
			r->kernel_rows,
			(*ret_epoch)->rules.port,
			(*ret_epoch)->rules.port_count,
			ret_problem
		);
	else
		status = SL_OK;
	if (status == SL_OK)
		status = equip(r, *ret_epoch, ret_problem);
	if (status == SL_OK && datagram_server_clients(r->server, source->image) != SL_OK) {
		status = problem_set(ret_problem, SL_E_NOMEM, "no memory for the clients");
		retire_outlets(r, *ret_epoch, r->epoch);
	}
	if (status != SL_OK) {
		(*ret_epoch)->source.release = NULL;
		epoch_free(*ret_epoch, r->settings.worker_count);
		mark_pools(r);
	}
	return status;
}

enum sl_status runtime_apply(
	struct runtime *r,
	const struct epoch_source *source,
	uint64_t arrived_ns,
	struct problem *ret_problem
)
{
	struct epoch *before = r->epoch;
	struct epoch *next;

	SL_TRY(make_epoch(r, source, &next, ret_problem));
	r->change.ready_ns = clock_monotonic_ns() - arrived_ns;
	// Pairs with the acquire in pin_epoch.
	atomic_store_explicit(&r->shift.epoch, next, memory_order_release);
	wait_for_workers(r);
	r->change.used_ns = clock_monotonic_ns() - arrived_ns;
	r->epoch = next;
	// Not before every worker has begun the rows anew: what was in them is not the new streams'.
	name_slots(r, next);
	atomic_store_explicit(
		&r->counters->policy_change_ns, r->change.used_ns, memory_order_relaxed
	);
	atomic_store_explicit(&r->counters->epoch, source->image->epoch, memory_order_release);
	retire_outlets(r, before, next);
	mark_pools(r);
	epoch_free(before, r->settings.worker_count);
	runtime_tidy(r);
	return SL_OK;
}

struct runtime_change runtime_last_change(const struct runtime *r)
{
	return r->change;
}

void runtime_drop_epoch(struct runtime *r)
{
	epoch_free(r->epoch, r->settings.worker_count);
	r->epoch = NULL;
	while (r->pools != NULL) {
		struct pool_entry *entry = r->pools;

		r->pools = entry->next;
		parcel_pool_free(entry->pool);
		free(entry);
	}
}
