#include "crypto/engine.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/runtime/eal.h"
#include "dataplane/runtime/notice.h"
#include "dataplane/runtime/runtime_inner.h"
#include "io/base/clock.h"

#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
	SESSIONS_MAX = 4096,
	SESSION_IDLE_MS = 24 * 3600 * 1000,
	CREDIT_MAX = 1024,          // datagrams that a client may have on their way
	HAND_OVER_MIN = 32768,      // parcels of a ring between a worker and egress
	PAUSE_NS = 200 * 1000,      // between looks while waiting for workers
	WORKERS_DRAIN_MS = 5 * 1000 // longest wait for them
};

static enum sl_status make_counters(struct runtime *r, struct problem *p)
{
	size_t size = counters_size(r->settings.worker_count);
	void *memory = MAP_FAILED;

	r->counters_fd = memfd_create("sealane-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->counters_fd >= 0 && ftruncate(r->counters_fd, (off_t)size) == 0
	    && fcntl(r->counters_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->counters_fd, 0);
	if (memory == MAP_FAILED)
		return problem_set(
			p, SL_E_NOMEM, "no memory for the counters: %s", strerror(errno)
		);
	r->counters = memory;
	r->counters->magic = COUNTERS_MAGIC;
	r->counters->version = COUNTERS_VERSION;
	r->counters->size = (uint32_t)size;
	r->counters->worker_count = r->settings.worker_count;
	r->counters->pid = (uint64_t)getpid();
	r->counters->started_ns = clock_monotonic_ns();
	for (uint32_t w = 0; w < r->settings.worker_count; w++)
		r->counters->worker_core[w] = r->settings.worker_core[w];
	return SL_OK;
}

static enum sl_status make_bench(struct bench *bench, struct problem *p)
{
	const struct engine_options options = {0};
	enum sl_status status = engine_new(&options, &bench->engine, p);

	if (status != SL_OK)
		return status;
	bench->batch = calloc(1, sizeof(*bench->batch));
	if (bench->batch != NULL) {
		bench->batch->scratch.capacity = turn_scratch_size();
		bench->batch->scratch.bytes = malloc(bench->batch->scratch.capacity);
	}
	if (bench->batch == NULL || bench->batch->scratch.bytes == NULL
	    || json_parser_new(JSON_AUTO, &bench->json) != SL_OK)
		return problem_set(p, SL_E_NOMEM, "no memory for a worker's turns");
	return SL_OK;
}

static void free_bench(struct bench *bench)
{
	json_parser_free(bench->json);
	engine_free(bench->engine);
	if (bench->batch != NULL)
		free(bench->batch->scratch.bytes);
	free(bench->batch);
}

/** A ring with a place for each parcel of a worker, those of an epoch that is on its way out too. */
static struct rte_ring *make_ring(const char *what, uint32_t worker, uint32_t parcels)
{
	uint32_t size = rte_align32pow2(2 * parcels * PLANE_STREAMS_MAX + 1);
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "sealane_%.12s_%u", what, worker % SETTINGS_WORKERS_MAX);
	if (size < HAND_OVER_MIN)
		size = HAND_OVER_MIN;
	return rte_ring_create(name, size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static enum sl_status make_worker_parts(struct runtime *r, struct problem *p)
{
	size_t size = rte_rcu_qsbr_get_memsize(r->settings.worker_count);

	r->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, (size + 63) & ~(size_t)63);
	if (r->qsbr == NULL || rte_rcu_qsbr_init(r->qsbr, r->settings.worker_count) != 0)
		return problem_set(p, SL_E_NOMEM, "no memory for the workers");
	for (uint32_t w = 0; w < r->settings.worker_count; w++) {
		SL_TRY(make_bench(&r->bench[w], p));
		r->to_egress[w] = make_ring("to_egress", w, r->settings.parcels);
		r->from_egress[w] = make_ring("from_egress", w, r->settings.parcels);
		if (r->to_egress[w] == NULL || r->from_egress[w] == NULL)
			return problem_set(p, SL_E_NOMEM, "no memory for the workers' rings");
	}
	return SL_OK;
}

static enum sl_status make_services(struct runtime *r, struct problem *p)
{
	const struct datagram_server_options options = {
		.session_count_max = SESSIONS_MAX,
		.session_idle_ms = SESSION_IDLE_MS,
		.credit_max = CREDIT_MAX,
	};
	struct egress_setup egress = {
		.settings = &r->settings,
		.ring = r->ring,
		.from_worker = r->to_egress,
		.to_worker = r->from_egress,
	};

	if (datagram_server_new(&options, &r->server) != SL_OK)
		return problem_set(p, SL_E_NOMEM, "no memory for sealed datagrams' sessions");
	if (key_maker_new(r->ring, &r->maker) != SL_OK)
		return problem_set(p, SL_E_NOMEM, "no memory for the making of keys");
	egress.server = r->server;
	return egress_start(&egress, &r->egress, p);
}

static enum sl_status start_workers(struct runtime *r, struct problem *p)
{
	r->shift.settings = &r->settings;
	r->shift.port = &r->port;
	r->shift.exception = &r->exception;
	r->shift.kernel_rows = r->kernel_rows;
	r->shift.server = r->server;
	r->shift.qsbr = r->qsbr;
	r->shift.counters = r->counters;
	for (uint32_t w = 0; w < r->settings.worker_count; w++)
		SL_TRY(worker_start(
			&r->shift,
			w,
			&r->bench[w],
			r->to_egress[w],
			r->from_egress[w],
			&r->worker[w],
			p
		));
	return SL_OK;
}

static enum sl_status start(struct runtime *r, struct problem *p)
{
	SL_TRY(make_counters(r, p));
	SL_TRY(eal_start(&r->settings, p));
	SL_TRY(port_open(&r->settings, &r->port, p));
	SL_TRY(exception_open(&r->settings, &r->port, &r->exception, p));
	if (r->exception.is_open)
		SL_TRY(kernel_rows_start(r->settings.host_interface, &r->kernel_rows, p));
	SL_TRY(make_worker_parts(r, p));
	SL_TRY(make_services(r, p));
	return start_workers(r, p);
}

/** Release everything; workers that run are ended. */
static void release(struct runtime *r)
{
	atomic_store_explicit(&r->shift.phase, SHIFT_END, memory_order_release);
	for (uint32_t w = 0; w < r->settings.worker_count; w++)
		worker_free(r->worker[w]);
	kernel_rows_free(r->kernel_rows);
	egress_free(r->egress);
	runtime_drop_epoch(r);
	key_maker_free(r->maker);
	datagram_server_free(r->server);
	for (uint32_t w = 0; w < r->settings.worker_count; w++) {
		free_bench(&r->bench[w]);
		rte_ring_free(r->to_egress[w]);
		rte_ring_free(r->from_egress[w]);
	}
	free(r->qsbr);
	exception_close(&r->exception);
	port_close(&r->port);
	if (r->counters != NULL)
		munmap(r->counters, r->counters->size);
	if (r->counters_fd >= 0)
		close(r->counters_fd);
	free(r);
}

enum sl_status runtime_start(
	const struct settings *settings,
	struct key_ring *ring,
	struct runtime **ret_runtime,
	struct problem *ret_problem
)
{
	struct runtime *r = calloc(1, sizeof(*r));
	enum sl_status status;

	if (r == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the runtime");
	r->settings = *settings;
	r->ring = ring;
	r->counters_fd = -1;
	if (settings->worker_count == 0 || settings->worker_count > SETTINGS_WORKERS_MAX
	    || settings->parcels < 2) {
		free(r);
		return problem_set(
			ret_problem, SL_E_INVALID, "settings: %u workers", settings->worker_count
		);
	}
	status = start(r, ret_problem);
	if (status != SL_OK) {
		release(r);
		return status;
	}
	*ret_runtime = r;
	return SL_OK;
}

uint64_t runtime_stop(struct runtime *r, uint32_t timeout_ms)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	uint64_t end = clock_monotonic_ns() + (uint64_t)WORKERS_DRAIN_MS * 1000000;
	uint64_t lost;

	atomic_store_explicit(&r->shift.phase, SHIFT_DRAIN, memory_order_release);
	// Pairs with the release in drain: what the workers handed over is in the rings.
	while (atomic_load_explicit(&r->shift.drained, memory_order_acquire)
		       < r->settings.worker_count
	       && clock_monotonic_ns() < end)
		(void)nanosleep(&pause, NULL);
	lost = egress_drain(r->egress, timeout_ms);
	// The workers send the last acknowledgements in their next rounds.
	for (uint32_t n = 0; n < 20; n++)
		(void)nanosleep(&pause, NULL);
	release(r);
	return lost;
}

const struct counters *runtime_counters(const struct runtime *r)
{
	return r->counters;
}

int runtime_counters_fd(const struct runtime *r)
{
	return r->counters_fd;
}

void runtime_probe(struct runtime *r, uint32_t worker, struct probe *probe)
{
	atomic_store_explicit(&r->shift.probe[worker], probe, memory_order_release);
}

const struct port *runtime_port(const struct runtime *r)
{
	return &r->port;
}
