#include "control/api/key_ring.h"

#include "control/api/key_memory.h"
#include "crypto/secret.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

// The memory of a ring:
//
//	| head | slots, at SLOTS_OFFSET |
//
// Position p lies in slot (p - 1) % capacity; the slot's sequence is p once the record is written whole. What this process
// goes by (capacity, addresses, and the consumer's own marks) is in its handle, so that the other side, whatever it writes,
// can lead nobody outside the slots: it can only spoil the records.
//
// A consumer first raises `durable`, then wipes the records, then raises `taken`, by which producers know that the slots are
// free. One that died in between is finished by the next.

enum {
	RING_MAGIC = 0x524b5353, // "SSKR" in memory
	RING_VERSION = 1,
	RING_CAPACITY_MAX = 1 << 24, // records
	SLOTS_OFFSET = 4096,
	LINE = 64,
	NS_PER_MS = 1000000
};

typedef _Atomic uint64_t word;

struct ring_slot {
	word sequence;
	struct key_record record;
	uint64_t reserved;
};

struct ring_head {
	uint32_t magic;
	uint32_t version;
	uint64_t size;     // bytes of the whole memory, as its maker asked for
	uint64_t capacity; // records, a power of two
	uint32_t slot_size;
	uint32_t record_size;
	uint64_t checksum;            // XXH3-64 of what stands before
	_Alignas(LINE) word reserved; // position of the last record reserved; producers
	word last_link[2];            // big endian: the upper half first; producers
	_Alignas(LINE) word taken;    // records at or below are off the ring; consumer
	word durable;                 // consumer
	_Alignas(LINE) _Atomic uint32_t is_waiting; // the consumer sleeps on it
};

struct key_ring {
	struct ring_head *head;
	struct ring_slot *slots;
	uint64_t capacity;
	uint64_t taken;   // the consumer's own
	uint64_t durable; // the consumer's own; above taken only while a commit is under way
	struct key_memory memory;
};

static_assert(sizeof(struct ring_slot) == 2 * LINE, "layout");
static_assert(sizeof(struct key_record) == 112, "layout");
static_assert(sizeof(struct ring_head) == 4 * LINE, "layout");
static_assert(offsetof(struct ring_head, checksum) == 32, "layout");
static_assert(sizeof(struct ring_head) <= SLOTS_OFFSET, "layout");

static uint64_t checksum_of(const struct ring_head *head)
{
	return XXH3_64bits(head, offsetof(struct ring_head, checksum));
}

static struct ring_slot *slot_of(const struct key_ring *r, uint64_t position)
{
	return &r->slots[(position - 1) & (r->capacity - 1)];
}

static void lay_over(struct key_ring *r, uint64_t capacity)
{
	r->head = r->memory.bytes;
	r->slots = (struct ring_slot *)((uint8_t *)r->memory.bytes + SLOTS_OFFSET);
	r->capacity = capacity;
}

enum sl_status key_ring_create(
	size_t capacity,
	struct key_ring **ret_ring,
	struct problem *ret_problem
)
{
	struct key_ring *r;
	uint64_t count = 1;
	size_t size;

	if (capacity == 0 || capacity > RING_CAPACITY_MAX)
		return problem_set(
			ret_problem,
			SL_E_INVALID,
			"a key journal holds 1 to %d records",
			RING_CAPACITY_MAX
		);
	while (count < capacity)
		count *= 2;
	size = SLOTS_OFFSET + count * sizeof(struct ring_slot);
	r = calloc(1, sizeof(*r));
	if (r == NULL || key_memory_shared("sealane-journal", size, &r->memory) != SL_OK) {
		free(r);
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the key journal");
	}
	lay_over(r, count);
	r->head->magic = RING_MAGIC;
	r->head->version = RING_VERSION;
	r->head->size = size;
	r->head->capacity = count;
	r->head->slot_size = sizeof(struct ring_slot);
	r->head->record_size = sizeof(struct key_record);
	r->head->checksum = checksum_of(r->head);
	*ret_ring = r;
	return SL_OK;
}

/** Records between two marks; more than the capacity when the marks contradict each other. */
static uint64_t between(uint64_t low, uint64_t high)
{
	return high - low;
}

static enum sl_status attach(struct key_ring *r, struct problem *ret_problem)
{
	const struct ring_head *shared = r->memory.bytes;
	struct ring_head head;
	uint64_t reserved;

	memcpy(&head, shared, offsetof(struct ring_head, reserved));
	if (head.magic != RING_MAGIC || head.version != RING_VERSION
	    || head.checksum != checksum_of(&head) || head.slot_size != sizeof(struct ring_slot)
	    || head.record_size != sizeof(struct key_record))
		return problem_set(
			ret_problem,
			SL_E_CORRUPT,
			"the key journal is none, or of another version of Sealane"
		);
	if (head.capacity == 0 || head.capacity > RING_CAPACITY_MAX
	    || (head.capacity & (head.capacity - 1)) != 0
	    || head.size != SLOTS_OFFSET + head.capacity * sizeof(struct ring_slot)
	    || head.size > r->memory.size)
		return problem_set(
			ret_problem, SL_E_CORRUPT, "the key journal's sizes contradict each other"
		);
	lay_over(r, head.capacity);
	// In this order: each of them only grows, and stays above the one before.
	r->taken = atomic_load_explicit(&shared->taken, memory_order_acquire);
	r->durable = atomic_load_explicit(&shared->durable, memory_order_acquire);
	reserved = atomic_load_explicit(&shared->reserved, memory_order_acquire);
	if (between(r->taken, r->durable) > r->capacity || between(r->taken, reserved) > r->capacity
	    || between(r->durable, reserved) > r->capacity)
		return problem_set(
			ret_problem, SL_E_CORRUPT, "the key journal's marks contradict each other"
		);
	return SL_OK;
}

enum sl_status key_ring_attach(int fd, struct key_ring **ret_ring, struct problem *ret_problem)
{
	struct key_ring *r = calloc(1, sizeof(*r));
	enum sl_status status;

	if (r == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the key journal");
	status = key_memory_attach(fd, SLOTS_OFFSET, &r->memory);
	if (status != SL_OK) {
		free(r);
		return problem_set(
			ret_problem,
			status,
			"the key journal can not be mapped: %s",
			status_text(status)
		);
	}
	status = attach(r, ret_problem);
	if (status != SL_OK) {
		key_memory_done(&r->memory);
		free(r);
		return status;
	}
	*ret_ring = r;
	return SL_OK;
}

int key_ring_fd(const struct key_ring *ring)
{
	return ring->memory.fd;
}

size_t key_ring_capacity(const struct key_ring *ring)
{
	return ring->capacity;
}

void key_ring_free(struct key_ring *ring)
{
	if (ring == NULL)
		return;
	key_memory_done(&ring->memory);
	free(ring);
}

bool key_ring_is_locked(const struct key_ring *ring)
{
	return ring->memory.is_locked;
}

/** Records that fit above the last one reserved. */
static uint64_t room_above(const struct key_ring *r, uint64_t *ret_last)
{
	uint64_t used;
	uint64_t taken;

	do {
		// pairs with the release in finish_commit: a slot that is free has been wiped. And in this order, for
		// whoever reads the marks late: what is taken was reserved before, so the second is never below the first.
		taken = atomic_load_explicit(&r->head->taken, memory_order_acquire);
		*ret_last = atomic_load_explicit(&r->head->reserved, memory_order_acquire);
		used = between(taken, *ret_last);
		// Full, unless the first was read long before the second.
	} while (used >= r->capacity
		 && taken != atomic_load_explicit(&r->head->taken, memory_order_relaxed));
	return used > r->capacity ? 0 : r->capacity - used;
}

size_t key_ring_room(const struct key_ring *ring)
{
	uint64_t last;

	return room_above(ring, &last);
}

void key_ring_wake(struct key_ring *ring)
{
	// Sequentially consistent, as the store of the sequence before it: either we see that the consumer sleeps, or it
	// sees the record.
	if (atomic_load_explicit(&ring->head->is_waiting, memory_order_seq_cst) == 0)
		return;
	atomic_store_explicit(&ring->head->is_waiting, 0, memory_order_relaxed);
	(void)!syscall(SYS_futex, &ring->head->is_waiting, FUTEX_WAKE, 1, NULL, NULL, 0);
}

uint64_t key_ring_put(struct key_ring *ring, const struct key_record *record)
{
	struct ring_slot *slot;
	uint64_t last;

	do {
		if (room_above(ring, &last) == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
		&ring->head->reserved, &last, last + 1, memory_order_relaxed, memory_order_relaxed
	));
	slot = slot_of(ring, last + 1);
	// The slot's last writer may be another thread of ours; that it has ended follows from `taken` already, by way of the
	// consumer. Seen here as well, it follows without the other process, which no thread sanitizer looks into.
	(void)atomic_load_explicit(&slot->sequence, memory_order_acquire);
	slot->record = *record;
	// pairs with the acquire in is_written
	atomic_store_explicit(&slot->sequence, last + 1, memory_order_seq_cst);
	key_ring_wake(ring);
	return last + 1;
}

static bool is_written(const struct key_ring *r, uint64_t position)
{
	// pairs with the release in key_ring_put and key_ring_recover
	return atomic_load_explicit(&slot_of(r, position)->sequence, memory_order_acquire)
		== position;
}

void key_ring_wait(struct key_ring *ring, uint32_t timeout_ms, const atomic_uint *called_off)
{
	const struct timespec timeout = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = (long)(timeout_ms % 1000) * NS_PER_MS,
	};
	_Atomic uint32_t *is_waiting = &ring->head->is_waiting;
	const struct ring_slot *slot = slot_of(ring, ring->durable + 1);

	atomic_store_explicit(is_waiting, 1, memory_order_seq_cst);
	// Who calls us off counts first and wakes then: either we see the count, or it sees that we sleep.
	if ((called_off == NULL || atomic_load_explicit(called_off, memory_order_seq_cst) == 0)
	    && atomic_load_explicit(&slot->sequence, memory_order_seq_cst) != ring->durable + 1)
		(void)!syscall(SYS_futex, is_waiting, FUTEX_WAIT, 1, &timeout, NULL, 0);
	atomic_store_explicit(is_waiting, 0, memory_order_relaxed);
}

/** Wipe what is durable, then let producers have the slots. */
static void finish_commit(struct key_ring *r)
{
	if (r->taken == r->durable)
		return;
	for (uint64_t p = r->taken + 1; p <= r->durable; p++)
		bytes_wipe(&slot_of(r, p)->record, sizeof(struct key_record));
	r->taken = r->durable;
	atomic_store_explicit(&r->head->taken, r->taken, memory_order_release);
}

size_t key_ring_peek(struct key_ring *ring, struct key_record ret_records[], size_t max)
{
	size_t count = 0;

	finish_commit(ring);
	if (max > ring->capacity)
		max = ring->capacity;
	while (count < max && is_written(ring, ring->durable + 1 + count)) {
		ret_records[count] = slot_of(ring, ring->durable + 1 + count)->record;
		count++;
	}
	return count;
}

void key_ring_commit(struct key_ring *ring, size_t count)
{
	assert(count <= ring->capacity);
	ring->durable += count;
	// pairs with the acquire in key_ring_durable
	atomic_store_explicit(&ring->head->durable, ring->durable, memory_order_release);
	finish_commit(ring);
}

uint64_t key_ring_durable(const struct key_ring *ring)
{
	return atomic_load_explicit(&ring->head->durable, memory_order_acquire);
}

uint64_t key_ring_position(const struct key_ring *ring)
{
	return atomic_load_explicit(&ring->head->reserved, memory_order_acquire);
}

size_t key_ring_recover(struct key_ring *ring)
{
	uint64_t reserved = atomic_load_explicit(&ring->head->reserved, memory_order_acquire);
	size_t holes = 0;

	finish_commit(ring);
	// A mark that no producer can have left is put right: what is written above it nobody will have used.
	if (between(ring->durable, reserved) > ring->capacity)
		reserved = ring->durable;
	for (uint64_t p = ring->durable + 1; p <= reserved; p++) {
		struct ring_slot *slot = slot_of(ring, p);

		if (is_written(ring, p))
			continue;
		slot->record = (struct key_record){.flags = KEY_RECORD_HOLE};
		atomic_store_explicit(&slot->sequence, p, memory_order_release);
		holes++;
	}
	atomic_store_explicit(&ring->head->taken, ring->taken, memory_order_relaxed);
	atomic_store_explicit(&ring->head->durable, ring->durable, memory_order_relaxed);
	atomic_store_explicit(&ring->head->reserved, reserved, memory_order_release);
	return holes;
}

void key_ring_last_link(const struct key_ring *ring, uint8_t ret_link[static KEY_LINK_SIZE])
{
	for (size_t i = 0; i < 2; i++) {
		uint64_t half = htobe64(
			atomic_load_explicit(&ring->head->last_link[i], memory_order_acquire)
		);

		memcpy(ret_link + 8 * i, &half, 8);
	}
}

void key_ring_set_last_link(struct key_ring *ring, const uint8_t link[static KEY_LINK_SIZE])
{
	uint64_t half;

	// The upper half first: a process that dies in between leaves a link above all that were put.
	for (size_t i = 0; i < 2; i++) {
		memcpy(&half, link + 8 * i, 8);
		atomic_store_explicit(
			&ring->head->last_link[i], be64toh(half), memory_order_release
		);
	}
}
